"""gluon_initkit: the parameter kit that Apache MXNet Gluon never had.

Write ``import gluon_initkit as ik`` next to Gluon. It makes ``import mxnet`` work on current Python and NumPy, and
changes nothing else. The first name that needs MXNet imports it, and registers the kit's initializers. Parameter files
are read without MXNet.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, List

from .importing import mend_when_imported

if TYPE_CHECKING:
    from .initializer import *  # noqa: F403
    from .inspector import *  # noqa: F403
    from .parameters import ParameterInfo as ParameterInfo
    from .sharing import *  # noqa: F403
    from .tracer import *  # noqa: F403

__version__ = "0.1.0"

# The public names, by the module that defines them.
_MODULES = {
    "initializer": [
        "CoordinateCheck", "CoordinateRow", "DeltaOrthogonal", "Dirac", "Identity", "InitReport", "InitRow",
        "InitializationError", "Initializer", "LsuvReport", "LsuvRow", "MupReport", "MupRow", "Plan", "PlanRow",
        "Rules", "TruncatedNormal", "VarianceScaling", "check_workers", "coordinate_check", "corrected",
        "fingerprint", "initialize", "lsuv", "mup", "plan", "release",
    ],
    "inspector": [
        "BlockRecord", "CheckpointError", "Comparison", "ComparisonRow", "Declared", "Finding", "FindingsError",
        "Histogram", "OutputReport", "OutputRow", "ParameterRecord", "ParameterView", "Recorder", "Report",
        "SharedValues", "Statistics", "Summary", "SummaryRow", "Totals", "compare", "inspect", "outputs", "summary",
    ],
    "parameters": ["AttributeReport", "AttributeRow", "ParameterInfo", "freeze", "set_attributes", "unfreeze"],
    "sharing": [
        "LoadError", "LoadReport", "LoadRow", "SharedGroup", "Sharing", "SharingError", "SharingReport", "SharingRow",
        "check_sharing", "load", "save", "shared_groups", "shared_layers", "sharing_scope", "untie",
    ],
    "testing": [],  # its functions are called by its name: ik.testing.assert_shared(...)
    "tracer": [
        "DeferredInitError", "Explanation", "ShapeReport", "ShapeRow", "Trace",
        "TraceEvent", "Unresolved", "explain", "materialize", "resolve_shapes", "trace",
    ],
}  # fmt: skip
__all__ = [name for names in _MODULES.values() for name in names]

mend_when_imported()


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    for module, names in _MODULES.items():
        if name in names:
            globals()[name] = value = getattr(import_module(f".{module}", __name__), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> List[str]:
    return sorted({"__doc__", "__version__", *_MODULES, *__all__})
