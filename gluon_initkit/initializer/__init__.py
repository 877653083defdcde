"""Initializers whose hooks Gluon really calls (`Initializer`, `corrected`, `Rules`), `plan`, `initialize`, methods that
rescale values (`lsuv`, `mup`), and fingerprints that compare values.
"""

from .._mxnet.trainer import release
from .dispatch import InitializationError
from .distributions import DeltaOrthogonal, Dirac, Identity, TruncatedNormal, VarianceScaling
from .initialize import InitReport, InitRow, initialize
from .initializer import Initializer, corrected
from .lsuv import LsuvReport, LsuvRow, lsuv
from .mup import CoordinateCheck, CoordinateRow, MupReport, MupRow, coordinate_check, mup
from .plan import Plan, PlanRow, plan
from .rules import Rules
from .values import check_workers, fingerprint

__all__ = [
    "CoordinateCheck", "CoordinateRow", "DeltaOrthogonal", "Dirac", "Identity", "InitReport", "InitRow",
    "InitializationError", "Initializer", "LsuvReport", "LsuvRow", "MupReport", "MupRow", "Plan", "PlanRow", "Rules",
    "TruncatedNormal", "VarianceScaling", "check_workers", "coordinate_check", "corrected", "fingerprint",
    "initialize", "lsuv", "mup", "plan", "release",
]  # fmt: skip
