"""What `net.load_parameters(file)` would do, parameter by parameter, without doing it.

It follows MXNet's own steps, in their order (``Block.load_parameters``, ``ParameterDict.load_dict`` and
``Parameter._load_init`` of 1.9.1 and 2.0.0b1), so that what it says first is what MXNet would say. MXNet 1 loads a file
without a dot in any name the old way, by its global names.
"""

from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy

from ...files import StoredArray
from ...files.match import bare, matched_names
from ...parameters import list_parameters
from .prefixes import Prefix, fitting_prefixes

__all__ = ["LoadForecast", "foretell"]


@dataclass(frozen=True)
class LoadForecast:
    """What `load_parameters` would do.

    Attributes
    ----------
    call : str
        The call that is foretold.
    error : str or None
        The name of the exception that it would raise; None where it would not.
    reason : str
        What that would say first, and how to mend it.
    verdicts : tuple of (str, str)
        A parameter's path, or a name in the file that no parameter has, and what would become of it: ``'loads'``;
        ``'missing'`` and ``'extra'``, which are refused; ``'kept'`` and ``'ignored'``, the same where it is allowed;
        ``'shape'``, ``'dtype'`` and ``'device'``, refused too; ``'unwritable'``: MXNet cannot write into what the
        parameter holds; ``'misfit'``: it has another shape than the parameter, which MXNet does not notice where that
        has no data yet.
    partial : tuple of str
        What would be loaded already when the error comes: the network is then half changed.
    prefixes : tuple of Prefix
        How the names would have to be changed so that it fits, best first; none where it fits, or where none helps.
    """

    call: str
    error: Optional[str]
    reason: str
    verdicts: Tuple[Tuple[str, str], ...]
    partial: Tuple[str, ...] = ()
    prefixes: Tuple[Prefix, ...] = ()

    @property
    def loads(self) -> bool:
        """Whether nothing would be refused."""
        return self.error is None


_Flags = Dict[str, bool]


def foretell(net: Any, source: str, arrays: Sequence[StoredArray], flags: _Flags) -> LoadForecast:
    """The forecast of ``net.load_parameters(source, **flags)``; of allow_missing, ignore_extra and cast_dtype."""
    from ..._mxnet import backend, mx
    from ..._mxnet.tree import load_targets, name_clashes, walk

    call = f"net.load_parameters({', '.join([repr(source), *(f'{key}=True' for key, on in flags.items() if on)])})"
    if any(array.version == 4 for array in arrays):
        arrays = sorted(arrays, key=lambda array: f"{array.name}.npy".encode())  # as MXNet goes through a zip file
    dotted = any("." in array.name for array in arrays)
    refused = backend.load_refusal([array.version for array in arrays], all(array.named for array in arrays), dotted)
    if refused and (arrays or list_parameters(net)):  # a network without parameters takes an empty file
        return LoadForecast(call, *refused, ())
    try:
        paths = load_targets(net)
    except AttributeError as error:
        reason = f"MXNet cannot name the parameters of this network (an RNN layer of eleven layers or more): {error}"
        return LoadForecast(call, "AttributeError", reason, ())
    if not arrays:
        return LoadForecast(call, None, "", tuple((path, "kept") for path in paths))
    names = backend.load_targets_by_name(net)
    by_path = names is None or dotted
    if paths and not by_path and not names:
        alike = ", ".join(repr(params[0].name) for params in name_clashes(block for _, block in walk(net)))
        reason = f"several parameters have the global name {alike}: MXNet does not collect them; give layers prefixes"
        return LoadForecast(call, "AssertionError", reason, ())
    prefix = "" if by_path else backend.prefix_of(net)
    wanted = paths if by_path or names is None else names
    as_stored = by_path and names is not None  # MXNet 2 takes `arg:` and `aux:` away from paths too
    files = {array.name if as_stored else prefix + bare(array.name): array for array in arrays}
    shown = _shown(wanted, paths)
    steps = list(_steps(wanted, files, flags, by_path, prefix))
    errors = [step for step in steps if step[2]]
    first = errors[0] if errors else None
    early = [step[0] for step in steps[: steps.index(first)] if step[1] == "loads"] if first else []
    verdicts = tuple((shown.get(key, key[len(prefix) :]), verdict) for key, verdict, _, _ in steps)
    prefixes = fitting_prefixes(net, source, arrays, paths) if first else ()
    reason = f"{shown.get(first[0], first[0][len(prefix):])!r}: {first[3]}" if first else ""
    if first and first[1] == "missing" and isinstance(net, mx.gluon.SymbolBlock) and not wanted[first[0]].shape:
        reason += "; if it is an input, name it among the inputs of the SymbolBlock"
    if first and first[1] in ("missing", "extra"):
        if any(array.aliases for array in arrays):
            reason += f"; the file has a tie map, which is read by gluon_initkit.load(net, {source!r})"
        elif matched_names(net, arrays).complete:
            reason += f"; gluon_initkit.load(net, {source!r}) loads it"
    return LoadForecast(
        call=call,
        error=first[2] if first else None,
        reason=reason,
        verdicts=tuple(dict.fromkeys(verdicts)),
        partial=tuple(dict.fromkeys(shown[key] for key in early)),
        prefixes=prefixes,
    )


def _shown(wanted: Dict[str, Any], paths: Dict[str, Any]) -> Dict[str, str]:
    """How each key is shown: a parameter by its path."""
    first: Dict[int, str] = {}
    for path, param in paths.items():
        first.setdefault(id(param), path)
    return {key: key if key in paths else first.get(id(param), key) for key, param in wanted.items()}


_Step = Tuple[str, str, Optional[str], str]


def _steps(
    wanted: Dict[str, Any], files: Dict[str, StoredArray], flags: _Flags, by_path: bool, prefix: str
) -> Iterator[_Step]:
    """Key, verdict, exception and reason of everything that MXNet does, in its order."""
    for key in wanted:
        if not key.startswith(prefix):
            yield key, "missing", "AssertionError", f"MXNet's name of it, {key!r}, does not begin with {prefix!r}"
    in_file = {id(wanted[key]) for key in files if key in wanted}
    for key, param in wanted.items():
        if id(param) not in in_file if by_path else key not in files:
            if flags.get("allow_missing"):
                yield key, "kept", None, ""
            else:
                called = "" if by_path else f", where it would be called {key[len(prefix):]!r}"
                yield key, "missing", "AssertionError", f"not in the file{called}; allow_missing=True keeps it as it is"
    for key, array in files.items():
        if key not in wanted:
            if flags.get("ignore_extra"):
                yield key, "ignored", None, ""
            else:
                kind = "ValueError" if by_path else "AssertionError"
                yield key, "extra", kind, "in the file, and no parameter of the network; ignore_extra=True ignores it"
        else:
            yield (key, *_load_init(wanted[key], array, flags.get("cast_dtype", False), by_path))


def _load_init(param: Any, array: StoredArray, cast: bool, by_path: bool) -> Tuple[str, Optional[str], str]:
    """Verdict, exception and reason of `Parameter._load_init`."""
    from ..._mxnet import backend
    from ..._mxnet.arrays import is_numpy_array
    from ..._mxnet.parameter import arrays_of, contexts_of, known_sizes, unknown_size

    shape: List[Any] = list(param.shape or ())
    stored: List[Any] = list(array.shape or ())
    unknown = unknown_size()
    held = arrays_of(param)
    wrong = any(size not in (unknown, found) for size, found in zip(shape, stored))
    if shape and (wrong or len(shape) > len(stored) or (held and len(shape) != len(stored))):
        return "shape", "AssertionError", f"shape {tuple(stored)} in the file, {tuple(shape)} in the network"
    kind = numpy.dtype(param.dtype).name
    if not cast and kind != array.dtype:
        return "dtype", "AssertionError", f"{array.dtype} in the file, {kind} in the network; cast_dtype=True casts it"
    onto, there = backend.load_context(), contexts_of(param)
    if onto is not None and there and set(there) != {onto}:
        where, asked = ", ".join(map(str, there)), ", ".join(f"mx.{each}" for each in there)
        return "device", "AssertionError", f"on {where} in the network; device=[{asked}] must say so, else it is {onto}"
    scalar = known_sizes(param.shape) == ()  # MXNet compares no shapes where ``param.shape`` is false
    if scalar and not held:
        return "misfit" if stored else "loads", None, ""
    if scalar and stored:
        return "shape", "AssertionError", f"shape {tuple(stored)} in the file, () in the network"
    if held and is_numpy_array(held[0]) != backend.loads_numpy_arrays(by_path):
        read, holds = ("classic arrays", "NumPy's") if is_numpy_array(held[0]) else ("NumPy arrays", "classic ones")
        why = " without a dot in any name" if is_numpy_array(held[0]) and not by_path else ""
        reason = f"MXNet reads a file{why} as {read}, and the network holds {holds}"
        return "unwritable", "TypeError", f"{reason}; gluon_initkit.load can"
    if scalar:
        return "unwritable", "IndexError", "MXNet cannot write over a scalar that has its value; gluon_initkit.load can"
    if held and not shape:  # an imported SymbolBlock's: MXNet compares no shapes and assigns, by broadcasting
        wanted = tuple(held[0].shape)
        if not _broadcasts(tuple(stored), wanted):
            return "shape", "ValueError", f"shape {tuple(stored)} in the file, {wanted} in the network"
        return "loads" if tuple(stored) == wanted else "misfit", None, ""
    return "misfit" if shape and len(shape) != len(stored) else "loads", None, ""


def _broadcasts(stored: Tuple[int, ...], wanted: Tuple[int, ...]) -> bool:
    return all(a in (1, b) for a, b in zip_longest(stored[::-1], wanted[::-1], fillvalue=1))
