"""Repairs MXNet's own modules, one by one, while they are imported.

Each module of MXNet runs with its own builtins, whose `__import__` returns stand-ins (`stand_ins`). Where that is not
enough, text of the module is replaced before it is compiled; if that text is missing, an ImportError says so.
"""

import builtins
import re
import sys
import threading
from types import ModuleType
from typing import Any, Dict, List, NamedTuple, Optional, Tuple
import warnings

from .stand_ins import StandIn, distutils_version, multiprocessing_names, numpy_names, version_of

__all__ = ["EDITS", "Edit", "Repair", "edited", "repair_needed"]

_NOT_FOUND = """{module} of this MXNet is not as expected. To work with NumPy {numpy}, gluon_initkit replaces in it
  {pattern}
and does not find that. Type one of
  pip install --no-deps mxnet==1.9.1      # which it knows, as it does 1.6.0, 1.7.0.post2 and 2.0.0b1
  pip install 'numpy<2'                   # where there is one for this Python"""


class Edit(NamedTuple):
    """A regular expression, the replacement, and the first version of MXNet that has such text."""

    pattern: str
    replacement: str
    since: Tuple[int, ...] = (1, 6)


_SUM = Edit(r"(?m)^( +[\w.]+ [+-]= )(.+?)( *#.*)?$", r"\1float64_of(\2)\3")

# NumPy names the results of its linear algebra since 1.25.
_TUPLES = "mxnet.numpy.multiarray"
# The replacements for NumPy 2, by module. No line is added or removed, so that tracebacks show MXNet's lines.
EDITS: Dict[str, List[Edit]] = {
    # C++ gets the attributes of operators as text, and cannot read "(np.int64(2), np.int64(3))".
    "mxnet._ctypes.ndarray": [Edit(r"\[str\((\w+)\) for \1 in vals\]", r"[attribute_text(\1) for \1 in vals]")],
    "mxnet._ctypes.symbol": [Edit(r"\[str\((\w+)\) for \1 in", r"[attribute_text(\1) for \1 in")],
    "mxnet.symbol.symbol": [
        Edit(r"attr\['__shape__'\] = str\(shape\)", "attr['__shape__'] = attribute_text(shape)"),
        Edit(r"attr\[k\] = str\(v\)", "attr[k] = attribute_text(v)"),
    ],
    "mxnet.io.io": [Edit(r"param_vals\.append\(str\(val\)\)", "param_vals.append(attribute_text(val))")],
    # A Python number plus a float32 was a float64. Now it is a float32, which stops counting at 2**24.
    "mxnet.metric": [_SUM],
    "mxnet.gluon.metric": [_SUM],  # MXNet 2's
    # The results of `numpy.linalg` are named tuples, which are not made from a list.
    _TUPLES: [
        Edit(
            r"(?m)return object\.__class__\(tmp\)$",
            "return (tuple if isinstance(object, tuple) else object.__class__)(tmp)",
            since=(1, 7),
        )
    ],
    # Each threshold is converted to a number for C++; NumPy 2.4 does not convert an array of one value.
    "mxnet.contrib.quantization": [Edit(r"= (threshold|divergence)\.asnumpy\(\)", r"= \1.asnumpy().item()")],
    "mxnet.recordio": [Edit(r"\.tostring\(\)", ".tobytes()")],
    # Without `__array__` NumPy reads an array by `len` and `[]`, and never ends: one number of it has a length too.
    "mxnet.ndarray.ndarray": [Edit(r"__array_priority__ = 1000\.0", r"\g<0>; __array__ = array_of")],
}


def repair_needed() -> Optional["Repair"]:
    """The repair that MXNet needs on this NumPy and Python, or None."""
    import numpy

    version = version_of(numpy.__version__)
    names = {"numpy": numpy_names(numpy)} if version >= (1, 24) else {}
    if sys.version_info >= (3, 14):
        import multiprocessing

        names["multiprocessing"] = multiprocessing_names(multiprocessing)
    if not names and sys.version_info < (3, 12):
        return None
    return Repair(names, EDITS if version >= (2,) else {_TUPLES: EDITS[_TUPLES]} if version >= (1, 25) else {})


class Repair:
    """Runs modules of MXNet with other names (by the module that has them) and with their text edited."""

    def __init__(self, names: Dict[str, Dict[str, Any]], edits: Dict[str, List[Edit]]) -> None:
        stand_ins = {name: StandIn(sys.modules[name], values) for name, values in names.items()}
        version = distutils_version()

        def import_(
            name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0
        ) -> ModuleType:
            if name == "distutils.version" and sys.version_info >= (3, 12):
                return version
            module = builtins.__import__(name, globals, locals, fromlist, level)
            # For `import numpy.random as r` Python asks the result, `numpy`, for `random`.
            return stand_ins.get(getattr(module, "__name__", ""), module)

        self._edits = edits
        self._builtins = {**vars(builtins), "__import__": import_, **(_helpers() if edits else {})}

    def run(self, module: ModuleType, loader: Any) -> None:
        """Run a module of MXNet, repaired, as its loader's `exec_module` does."""
        vars(module)["__builtins__"] = self._builtins
        edits = self._edits.get(module.__name__)
        if not edits:
            loader.exec_module(module)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # compiling warns of invalid escape sequences
            source = edited(loader.get_source(module.__name__) or "", edits, module.__name__)
            code = compile(source, module.__file__ or module.__name__, "exec", dont_inherit=True)
        exec(code, vars(module))


def edited(source: str, edits: List[Edit], name: str) -> str:
    """The source of the module of this name; an `ImportError` where a text is missing."""
    version = version_of(sys.modules["mxnet.libinfo"].__version__)  # MXNet imports libinfo first
    for edit in edits:
        if version < edit.since:
            continue
        source, count = re.subn(edit.pattern, edit.replacement, source)
        if not count:
            import numpy

            message = _NOT_FOUND.format(module=name, pattern=edit.pattern, numpy=numpy.__version__)
            raise ImportError(message, name="mxnet")
    return source


def _helpers() -> Dict[str, Any]:
    """The functions that the replacements in `EDITS` call."""
    import numpy

    lock = threading.Lock()  # up to NumPy 2.1 all threads share the print options

    def attribute_text(value: Any) -> str:
        text = str(value)
        if "np." not in text or isinstance(value, str):
            return text
        with lock, numpy.printoptions(legacy="1.25"):  # type: ignore[arg-type]  # of NumPy 2
            return str(value)

    def float64_of(value: Any) -> Any:
        return numpy.float64(value) if isinstance(value, numpy.floating) else value

    def array_of(self: Any, dtype: Any = None, copy: Any = None) -> Any:
        if copy is False:
            raise ValueError("the values of an MXNet array are copied when NumPy reads them; copy=False is impossible")
        return numpy.asarray(self.asnumpy(), dtype=dtype)

    return {"attribute_text": attribute_text, "float64_of": float64_of, "array_of": array_of}
