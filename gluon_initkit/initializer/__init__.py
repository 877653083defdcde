"""Initializers that Gluon really calls: the corrected base class, `corrected`, `Rules`, and the plan of what they do;
`initialize`, which draws every value from a stream of its own; and fingerprints, to compare what was drawn.
"""

from .._mxnet.trainer import release
from .dispatch import InitializationError
from .distributions import DeltaOrthogonal, Dirac, Identity, TruncatedNormal, VarianceScaling
from .initialize import InitReport, InitRow, initialize
from .initializer import Initializer, Rules, corrected
from .plan import Plan, PlanRow, plan
from .scaling import CoordinateCheck, CoordinateRow, LsuvReport, LsuvRow, MupReport, MupRow, coordinate_check, lsuv, mup
from .values import check_workers, fingerprint

__all__ = [
    "CoordinateCheck", "CoordinateRow", "DeltaOrthogonal", "Dirac", "Identity", "InitReport", "InitRow",
    "InitializationError", "Initializer", "LsuvReport", "LsuvRow", "MupReport", "MupRow", "Plan", "PlanRow", "Rules",
    "TruncatedNormal", "VarianceScaling", "check_workers", "coordinate_check", "corrected", "fingerprint",
    "initialize", "lsuv", "mup", "plan", "release",
]  # fmt: skip
