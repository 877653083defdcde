"""What `net.load_parameters(file)` would do, parameter by parameter, without doing it.

It follows MXNet's own steps, in their order (``Block.load_parameters``, ``ParameterDict.load_dict`` and
``Parameter._load_init`` of 1.9.1 and 2.0.0b1), so that its first error is the one that MXNet would raise. MXNet 1 loads
a file without a dot in any name the old way, by its global names. Not foretold is what happens to scalars, and to
arrays of the other of MXNet's two modes (classic, NumPy).
"""

from dataclasses import dataclass
from typing import Any, Dict, Iterator, NamedTuple, Optional, Sequence, Tuple

from ...files import StoredArray
from ...files.match import match_names, prefix_changes, strip_prefix
from ...parameters import list_parameters
from ...shapes import agree

__all__ = ["LoadForecast", "Prefix", "forecast_load"]


@dataclass(frozen=True)
class Prefix:
    """A change of prefix after which a file fits.

    Attributes
    ----------
    strip, add : str
        What to take away in front of the file's names (without ``arg:`` and ``aux:``), and what to put there.
    scheme : str
        Whether the names are then ``'paths'`` of the network or MXNet's ``'names'``.
    fits, of : int
        How many of how many parameters are then in the file, with a shape that fits.
    call : str
        Python that loads the file so, for a network ``net``.
    """

    strip: str
    add: str
    scheme: str
    fits: int
    of: int
    call: str


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
        ``'shape'``, ``'dtype'`` and ``'device'``, refused too.
    partial : tuple of str
        What would be loaded already when the error comes: the network is then half changed.
    prefixes : tuple of Prefix
        How the names would have to be changed so that it fits; none where it fits, or where none helps.
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


def forecast_load(net: Any, source: str, arrays: Sequence[StoredArray], flags: Dict[str, bool]) -> LoadForecast:
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
    wanted: Dict[str, Any] = paths if by_path or names is None else names
    as_stored = by_path and names is not None  # MXNet 2 takes `arg:` and `aux:` away from paths too
    files = {array.name if as_stored else prefix + strip_prefix(array.name): array for array in arrays}

    first_path = {id(param): path for path, param in reversed(list(paths.items()))}
    shown = {key: key if key in paths else first_path.get(id(param), key) for key, param in wanted.items()}
    steps = [_Step(shown.get(key, key[len(prefix) :]), *step)
             for key, *step in _steps(wanted, files, flags, by_path, prefix)]  # fmt: skip
    verdicts = tuple(dict.fromkeys((step.path, step.verdict) for step in steps))
    number = next((number for number, step in enumerate(steps) if step.error), None)
    if number is None:
        return LoadForecast(call, None, "", verdicts)
    first = steps[number]
    reason = f"{first.path!r}: {first.reason}"
    if first.verdict == "missing" and isinstance(net, mx.gluon.SymbolBlock):
        reason += "; if it is an input, name it among the inputs of the SymbolBlock"
    if first.verdict in ("missing", "extra"):
        if any(array.aliases for array in arrays):
            reason += f"; the file has a tie map, which is read by gluon_initkit.load(net, {source!r})"
        elif match_names(net, arrays).complete:
            reason += f"; gluon_initkit.load(net, {source!r}) loads it"
    partial = tuple(dict.fromkeys(step.path for step in steps[:number] if step.verdict == "loads"))
    prefixes = tuple(_prefixes(net, source, arrays, {"paths": paths, "names": names or {}}))
    return LoadForecast(call, first.error, reason, verdicts, partial, prefixes)


class _Step(NamedTuple):
    """Something that MXNet does with a parameter, or a name in the file, and the exception that it raises then."""

    path: str
    verdict: str
    error: Optional[str] = None
    reason: str = ""


def _steps(
    wanted: Dict[str, Any], files: Dict[str, StoredArray], flags: Dict[str, bool], by_path: bool, prefix: str
) -> Iterator[Tuple[str, ...]]:
    """Key, verdict, exception and reason of everything that MXNet does, in its order."""
    for key in wanted:
        if not key.startswith(prefix):
            yield key, "missing", "AssertionError", f"MXNet's name of it, {key!r}, does not begin with {prefix!r}"
    in_file = {id(wanted[key]) for key in files if key in wanted}
    for key, param in wanted.items():
        if id(param) not in in_file if by_path else key not in files:
            if flags.get("allow_missing"):
                yield key, "kept"
            else:
                called = "" if by_path else f", where it would be called {key[len(prefix):]!r}"
                yield key, "missing", "AssertionError", f"not in the file{called}; allow_missing=True keeps it as it is"
    for key, array in files.items():
        if key in wanted:
            yield (key, *_load_init(wanted[key], array, flags.get("cast_dtype", False)))
        elif flags.get("ignore_extra"):
            yield key, "ignored"
        else:
            kind = "ValueError" if by_path else "AssertionError"
            yield key, "extra", kind, "in the file, and no parameter of the network; ignore_extra=True ignores it"


def _load_init(param: Any, array: StoredArray, cast: bool) -> Tuple[str, ...]:
    """Verdict, exception and reason of `Parameter._load_init`."""
    from ..._mxnet import backend
    from ..._mxnet.arrays import dtype_name
    from ..._mxnet.parameter import contexts_of, shape_of

    stored = array.shape or ()
    if not agree(shape_of(param), stored):
        return "shape", "AssertionError", f"shape {stored} in the file, {param.shape} in the network"
    kind = dtype_name(param.dtype)
    if not cast and kind != array.dtype:
        return "dtype", "AssertionError", f"{array.dtype} in the file, {kind} in the network; cast_dtype=True casts it"
    onto, there = backend.load_context(), contexts_of(param)
    if onto is not None and there and set(there) != {onto}:
        where, asked = ", ".join(map(str, there)), ", ".join(f"mx.{each}" for each in there)
        return "device", "AssertionError", f"on {where} in the network; device=[{asked}] must say so, else it is {onto}"
    return ("loads",)


def _prefixes(
    net: Any, source: str, arrays: Sequence[StoredArray], schemes: Dict[str, Dict[str, Any]]
) -> Iterator[Prefix]:
    """For paths and for global names: the first change of prefix after which all of the network fits, or of a child."""
    from ..._mxnet import backend
    from ..._mxnet.arrays import dtype_name
    from ..._mxnet.parameter import contexts_of, shape_of

    files = {strip_prefix(array.name): array for array in arrays}
    for scheme, params in schemes.items():
        wanted = {name: shape_of(param) for name, param in params.items()}
        for strip, add, fitting in prefix_changes({name: array.shape for name, array in files.items()}, wanted):
            child = _child(net, add[:-1]) if scheme == "paths" and not strip and add.endswith(".") else None
            needed = {id(param) for name, param in params.items() if child is None or name.startswith(add)}
            placed = {contexts_of(params[new]) for new in fitting.values()} - {()}
            elsewhere = backend.load_context() is not None and placed - {(backend.load_context(),)}
            if needed - {id(params[new]) for new in fitting.values()} or (elsewhere and len(placed) > 1):
                continue  # or no one call loads it
            flags = ""
            if len(fitting) < sum(name.startswith(strip) for name in files):
                flags += ", ignore_extra=True"
            if any(files[name].dtype != dtype_name(params[new].dtype) for name, new in fitting.items()):
                flags += ", cast_dtype=True"
            if elsewhere:
                flags += f", device=[{', '.join(f'mx.{each}' for each in placed.pop())}]"
            call = _call(scheme, source, arrays, strip, add, child, flags)
            yield Prefix(strip, add, scheme, len(needed), len({id(param) for param in params.values()}), call)
            break


def _child(net: Any, path: str) -> Optional[str]:
    """How Python writes the child at a path; None where it cannot be written."""
    written = "net"
    for part in path.split("."):
        try:
            net = net[int(part)] if part.isdigit() else getattr(net, part)
        except (AttributeError, IndexError, TypeError):
            return None
        written += f"[{part}]" if part.isdigit() else f".{part}"
    return written


def _call(
    scheme: str, source: str, arrays: Sequence[StoredArray], strip: str, add: str, child: Optional[str], flags: str
) -> str:
    from ..._mxnet import backend

    if child:
        return f"{child}.load_parameters({source!r}{flags})"
    if not strip and not add:
        if scheme == "names":
            return f"net.collect_params().load({source!r}{flags})"
        if all(strip_prefix(array.name) == array.name for array in arrays):
            return f"net.load_parameters({source!r}{flags})"
    bare = "name.split(':')[-1]"
    renamed = (f"{add!r} + " if add else "") + bare + (f"[{len(strip)}:]" if strip else "")
    selected = f" if {bare}.startswith({strip!r})" if strip else ""
    versions = {array.version for array in arrays}
    return backend.renamed_load_code(scheme == "names", source, renamed, selected, flags, versions)
