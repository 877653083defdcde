"""gluon_initkit: the parameter kit that Apache MXNet Gluon never had.

``import gluon_initkit as ik`` next to Gluon. Importing it makes ``import mxnet`` work on current Pythons and NumPys,
and changes nothing else for code that does not ask.
"""

from .initializer import (
    Dirac,
    Identity,
    InitializationError,
    Initializer,
    InitReport,
    InitRow,
    Plan,
    PlanRow,
    Rules,
    TruncatedNormal,
    VarianceScaling,
    check_workers,
    corrected,
    fingerprint,
    initialize,
    plan,
)
from .inspector import ParameterView, Recorder, Report, inspect
from .naming import ParameterInfo

__version__ = "0.1.0"

__all__ = [
    # initializer
    "Dirac",
    "Identity",
    "InitReport",
    "InitRow",
    "InitializationError",
    "Initializer",
    "ParameterInfo",
    "Plan",
    "PlanRow",
    "Rules",
    "TruncatedNormal",
    "VarianceScaling",
    "check_workers",
    "corrected",
    "fingerprint",
    "initialize",
    "plan",
]
__all__ += [
    # inspector
    "ParameterView",
    "Recorder",
    "Report",
    "inspect",
]
