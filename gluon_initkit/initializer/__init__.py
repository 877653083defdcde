"""Initializers that Gluon really calls: the corrected base class, `corrected`, `Rules`, and the plan of what they do;
`initialize`, which draws every value from a stream of its own; and fingerprints, to compare what was drawn.
"""

from .._mxnet.trainer import release
from .coordinate_check import CoordinateCheck, CoordinateRow, coordinate_check
from .errors import InitializationError
from .initialize import InitReport, InitRow, initialize
from .initializer import Initializer, corrected
from .initializers import DeltaOrthogonal, Dirac, Identity, TruncatedNormal, VarianceScaling
from .lsuv import LsuvReport, LsuvRow, lsuv
from .mup import MupReport, MupRow, mup
from .plan import Plan, PlanRow, plan
from .rules import Rules
from .values import fingerprint
from .workers import check_workers

__all__ = [
    "CoordinateCheck", "CoordinateRow", "DeltaOrthogonal", "Dirac", "Identity", "InitReport", "InitRow",
    "InitializationError", "Initializer", "LsuvReport", "LsuvRow", "MupReport", "MupRow", "Plan", "PlanRow", "Rules",
    "TruncatedNormal", "VarianceScaling", "check_workers", "coordinate_check", "corrected", "fingerprint",
    "initialize", "lsuv", "mup", "plan", "release",
]  # fmt: skip
