"""Initializers that Gluon really calls: the corrected base class, `corrected`, `Rules`, and the plan of what they do;
`initialize`, which draws every value from a stream of its own; and fingerprints, to compare what was drawn.
"""

from .._mxnet.trainer import release
from .corrected import corrected
from .errors import InitializationError
from .fingerprint import fingerprint
from .initialize import InitReport, InitRow, initialize
from .initializer import Initializer
from .initializers import DeltaOrthogonal, Dirac, Identity, TruncatedNormal, VarianceScaling
from .lsuv import LsuvReport, LsuvRow, lsuv
from .plan import Plan, PlanRow, plan
from .rules import Rules
from .workers import check_workers

__all__ = [
    "DeltaOrthogonal", "Dirac", "Identity", "InitReport", "InitRow", "InitializationError", "Initializer",
    "LsuvReport", "LsuvRow", "Plan", "PlanRow", "Rules", "TruncatedNormal", "VarianceScaling", "check_workers",
    "corrected", "fingerprint", "initialize", "lsuv", "plan", "release",
]  # fmt: skip
