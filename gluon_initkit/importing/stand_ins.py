"""Stand-ins for modules: names that MXNet's sources use and today's NumPy and Python no longer have.

Only MXNet sees a stand-in. It has the names below, and looks up every other name in the real module.
"""

from functools import wraps
import re
from types import ModuleType, SimpleNamespace
from typing import Any, Callable, Dict, Tuple

__all__ = ["StandIn", "distutils_version", "multiprocessing_names", "numpy_names", "version_of"]


class StandIn(ModuleType):
    """A module with other values for some names; all other names come from the real module when they are asked for."""

    def __init__(self, module: ModuleType, names: Dict[str, Any]) -> None:
        super().__init__(module.__name__, module.__doc__)
        for name in ("__package__", "__loader__", "__spec__"):  # `ModuleType` sets them to None
            delattr(self, name)
        vars(self).update(names)
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def __dir__(self) -> Any:
        return sorted({*dir(self._module), *vars(self)})


def version_of(text: str) -> Tuple[int, ...]:
    """Major and minor number of a version: ``(2, 0)`` of "2.0.0rc1"."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def numpy_names(numpy: Any) -> Dict[str, Any]:
    """The names of NumPy 1.23 that MXNet uses and this NumPy lacks, with their old meaning."""
    version = version_of(numpy.__version__)
    # MXNet expects Python's bool as `numpy.bool`, and exports it as `mx.np.bool`; NumPy 2 has another type there.
    names: Dict[str, Any] = {"bool": bool, "int": int, "float": float}
    if version < (2,):
        return names  # NumPy 1 has the others; deprecated ones still warn
    names.update(
        Inf=numpy.inf, PINF=numpy.inf, NINF=-numpy.inf, NaN=numpy.nan, NAN=numpy.nan, PZERO=0.0, NZERO=-0.0,
        compat=SimpleNamespace(basestring=str), alltrue=numpy.all, sometrue=numpy.any, product=numpy.prod,
        round_=numpy.round, trapz=numpy.trapezoid,
    )  # fmt: skip

    def in1d(ar1: Any, ar2: Any, assume_unique: bool = False, invert: bool = False) -> Any:
        """Whether each value of the flattened `ar1` is in `ar2`."""
        return numpy.isin(numpy.ravel(ar1), ar2, assume_unique=assume_unique, invert=invert)

    def msort(a: Any) -> Any:
        """A copy, sorted along the first axis."""
        return numpy.sort(a, axis=0)

    for name in ("nanpercentile", "nanquantile"):
        names[name] = _interpolating(getattr(numpy, name))
    names.update(in1d=in1d, msort=msort, array=_wrapping(numpy, numpy.array), asarray=_wrapping(numpy, numpy.asarray))
    names.update(dict.fromkeys(("mirr", "npv", "pmt", "ppmt", "pv", "rate"), _removed))
    return names


def _wrapping(numpy: Any, function: Callable) -> Callable:
    """`numpy.array` or `numpy.asarray` as before NumPy 2: Python integers too large for their type wrap around."""

    def convert(source: Any, dtype: Any = None, **options: Any) -> Any:
        try:
            return function(source, dtype, **options)
        except OverflowError:
            return function(numpy.array(source, numpy.int64).astype(dtype), **options)

    convert.__name__, convert.__doc__ = function.__name__, function.__doc__
    return convert


def _interpolating(function: Callable) -> Callable:
    """A function of NumPy that takes `method` under its old name `interpolation` too, as MXNet calls it."""

    @wraps(function)
    def compute(*args: Any, **options: Any) -> Any:
        if "interpolation" in options:
            options["method"] = options.pop("interpolation")
        return function(*args, **options)

    return compute


def _removed(*args: Any, **kwargs: Any) -> Any:
    """A financial function of NumPy before 1.20."""
    raise RuntimeError("NumPy has no financial functions since 1.20 (NEP 32); the package numpy_financial has them")


def distutils_version() -> ModuleType:
    """A stand-in for `distutils.version`, which Python 3.12 dropped; MXNet compares NumPy's versions with it."""
    module = ModuleType("distutils.version")
    vars(module).update(LooseVersion=version_of, StrictVersion=version_of)
    return module


def multiprocessing_names(multiprocessing: Any) -> Dict[str, Any]:
    """The names of `multiprocessing` that MXNet uses, with `fork` as the default start method.

    Python 3.14's default on Linux, `forkserver`, pickles the data set, and fails on one with a lambda in it.
    """

    def get_context(method: Any = None) -> Any:
        if method is None and multiprocessing.get_start_method() == "forkserver":
            method = "fork"
        return multiprocessing.get_context(method)

    def of_context(name: str) -> Callable:
        return lambda *args, **kwargs: getattr(get_context(), name)(*args, **kwargs)

    return {"get_context": get_context, "Pool": of_context("Pool"), "Process": of_context("Process")}
