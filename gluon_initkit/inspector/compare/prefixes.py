"""Which prefix would make a file fit a network: what to strip from its names, what to put before them, and the call."""

from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Sequence, Tuple

import numpy

from ...files import StoredArray
from ...files.match import bare, fitting_names, likely_prefixes

__all__ = ["Prefix", "fitting_prefixes"]


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


def fitting_prefixes(
    net: Any, source: str, arrays: Sequence[StoredArray], paths: Dict[str, Any]
) -> Tuple[Prefix, ...]:
    """The changes of prefix after which every parameter of the network, or of one child of it, is in the file."""
    from ..._mxnet import backend
    from ..._mxnet.parameter import contexts_of, shape_of

    files = {bare(array.name): array.shape for array in arrays}
    dtypes = {bare(array.name): array.dtype for array in arrays}
    found: List[Prefix] = []
    for scheme, params in (("paths", paths), ("names", backend.load_targets_by_name(net) or {})):
        shapes = {name: shape_of(param) for name, param in params.items()}
        best = likely_prefixes(files, shapes)
        for strip, add in best:
            child = _child(net, add) if scheme == "paths" and not strip else None
            inside = {name: params[name] for name in params if child and name.startswith(add)} or params
            fitting = fitting_names(files, {name: shapes[name] for name in inside}, strip, add)
            covered = {id(params[name]) for name in fitting.values()}
            if len(covered) < len({id(param) for param in inside.values()}):
                continue
            cast = any(dtypes[name] != numpy.dtype(params[new].dtype).name for name, new in fitting.items())
            flags = ", cast_dtype=True" if cast else ""
            placed = {contexts_of(params[new]) for new in fitting.values()} - {()}
            if backend.load_context() is not None and placed - {(backend.load_context(),)}:
                if len(placed) > 1:
                    continue  # which no one call loads
                flags += f", device=[{', '.join(f'mx.{each}' for each in placed.pop())}]"
            call = _call(scheme, source, strip, add, child, flags, fitting, arrays)
            found.append(Prefix(strip, add, scheme, len(covered), len({id(each) for each in params.values()}), call))
            break
    return tuple(sorted(found, key=lambda each: -each.fits))


def _child(net: Any, add: str) -> Any:
    """How one writes the child whose parameters' paths begin so, and the child; None where there is none."""
    if not add.endswith("."):
        return None
    block, written = net, "net"
    for part in add[:-1].split("."):
        if part.isdigit() and hasattr(type(block), "__getitem__"):
            if int(part) >= len(block):
                return None
            block, written = block[int(part)], f"{written}[{part}]"
        elif hasattr(block, part):
            block, written = getattr(block, part), f"{written}.{part}"
        else:
            return None
    return written if hasattr(block, "load_parameters") else None


def _call(
    scheme: str, source: str, strip: str, add: str, child: Any, flags: str, fitting: Dict[str, str],
    arrays: Sequence[StoredArray],
) -> str:  # fmt: skip
    from ..._mxnet import backend

    left = len({bare(array.name) for array in arrays if bare(array.name).startswith(strip)}) > len(fitting)
    flags = (", ignore_extra=True" if left else "") + flags
    if child:
        return f"{child}.load_parameters({source!r}{flags})"
    if scheme == "paths" and not strip and not add and all(bare(each.name) == each.name for each in arrays):
        return f"net.load_parameters({source!r}{flags})"
    if scheme == "names" and not strip and not add:
        return f"net.collect_params().load({source!r}{flags})"
    renamed = "".join(_renaming(strip, add))
    selected = f" if {_BARE}.startswith({strip!r})" if strip else ""
    versions = {array.version for array in arrays}
    return backend.renamed_load_code(scheme == "names", source, renamed, selected, flags, versions)


_BARE = "name.split(':')[-1]"


def _renaming(strip: str, add: str) -> Iterator[str]:
    if add:
        yield f"{add!r} + "
    yield _BARE
    if strip:
        yield f"[{len(strip)}:]"
