"""Where every parameter of a network stands: its paths, and the blocks around it.

A path is what `Block.save_parameters` writes. Most blocks name a parameter by its attribute; a few name it otherwise
(fused RNN layers, GluonNLP's attention cells) by overriding `_collect_params_with_prefix`, and are asked.
"""

from typing import Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from mxnet import gluon
from mxnet.gluon.nn.conv_layers import _Conv

from . import backend

_PLAIN_NAMES = gluon.Block._collect_params_with_prefix


class Place(NamedTuple):
    """Where one parameter stands in one network; plain data, no live block."""

    paths: Tuple[str, ...]
    """Canonical path first, then the aliases in the order of traversal, also those at which it is seen transposed."""
    owner: type
    """The class of the block that holds the parameter under its canonical path."""
    owner_path: str
    """That block's path, ``''`` for the network itself."""
    inside: FrozenSet[type]
    """The classes of all blocks around the parameter, under any of its paths."""
    axes: str = ""
    """What the axes of a weight of two dimensions or more are: O output, I input, others in space. ``'OIHW'``."""
    symbol_init: Optional[str] = None
    """The ``__init__`` attribute that a SymbolBlock's symbol carries for it."""
    transposed: Tuple[str, ...] = ()
    """Those of the paths at which it is seen transposed, through a transposed tie."""


def places(net: gluon.Block) -> Dict[gluon.Parameter, Place]:
    """Every parameter of `net`, in order of traversal, with its place. Changes nothing.

    Parameters that `net.initialize` reaches but `net.save_parameters` does not write (created by ``self.params.get``
    and held by no attribute) come last, under their block's path and their own name.
    """
    return _placed(_walked(net))


def places_and_blocks(net: gluon.Block) -> Tuple[Dict[gluon.Parameter, Place], List[Tuple[str, gluon.Block]]]:
    """What `places` answers; and every block with its path, the network first under ``''``, in that order."""
    walk = _walked(net)
    return _placed(walk), [(path, block) for path, block, _, _ in walk]


def path_clashes(net: gluon.Block) -> List[str]:
    """The paths at which two parameters stand, as where children are called ``'a.b'`` and ``'a'`` > ``'b'``."""
    walk = _walked(net)
    found: Dict[str, None] = {}
    held: Dict[str, Tuple[gluon.Block, gluon.Parameter]] = {}
    for _, owner, _, own in walk:
        for path, param in own:
            if held.setdefault(path, (owner, param))[1] is not param:
                found[path] = None
    for path, _, owner, _, param in _unregistered(walk, {param for *_, own in walk for _, param in own}):
        # Under its block's own path stands a parameter that another took the place of: it is not written.
        if held.setdefault(path, (owner, param))[0] is not owner:
            found[path] = None
    return list(found)


def refuse_path_clashes(paths: Sequence[str]) -> None:
    """Raise a ValueError if two parameters have one path; `paths` are what `same_paths` found."""
    if paths:
        more = f" and {len(paths) - 10} more" if paths[10:] else ""
        raise ValueError(
            f"two parameters have the path {', '.join(map(repr, paths[:10]))}{more}: values are drawn, saved and "
            f"loaded by path. Give the children of each Block, and its parameters, names without a dot."
        )


def _placed(walk: List["_Visit"]) -> Dict[gluon.Parameter, Place]:
    found: Dict[gluon.Parameter, Place] = {}
    again: Dict[gluon.Parameter, List[Tuple[str, FrozenSet[type]]]] = {}
    transposed: Dict[gluon.Parameter, List[str]] = {}
    symbols: Dict[int, Dict[str, Dict[str, str]]] = {}
    for owner_path, owner, inside, own in walk:
        kind, axes, symbolic = type(owner), _axes(owner), isinstance(owner, gluon.SymbolBlock)
        for path, param in own:
            source = getattr(param, "transposed_of", None)
            if source is not None:
                transposed.setdefault(source, []).append(path)
                again.setdefault(source, []).append((path, inside))
            elif param in found:
                again.setdefault(param, []).append((path, inside))
            else:
                symbol_init = _symbol_init(param, owner, symbols) if symbolic else None
                found[param] = Place((path,), kind, owner_path, inside, axes, symbol_init)
    for path, owner_path, owner, inside, param in _unregistered(walk, set(found)):
        if param not in found:
            symbol_init = _symbol_init(param, owner, symbols)
            found[param] = Place((path,), type(owner), owner_path, inside, _axes(owner), symbol_init)
    for param, others in again.items():
        place = found.get(param)
        if place is not None:  # what a transposed tie shows may stand nowhere in this network itself
            paths = (*place.paths, *[path for path, _ in others])
            inside, turned = place.inside.union(*[inside for _, inside in others]), tuple(transposed.get(param, ()))
            found[param] = place._replace(paths=paths, inside=inside, transposed=turned)
    return found


def parameters_by_path(net: gluon.Block, unregistered: bool = True) -> Dict[str, gluon.Parameter]:
    """Every path of `net` in order of traversal, with the parameter that stands there. Changes nothing.

    Without `unregistered` those alone that `net.save_parameters` writes. A ValueError where two have one path.
    """
    return {path: param for path, (_, param) in standing(net, unregistered).items()}


def standing(net: gluon.Block, unregistered: bool = True) -> Dict[str, Tuple[gluon.Block, gluon.Parameter]]:
    """As `traversed`, with the block that holds each parameter.

    Raises
    ------
    ValueError
        Two parameters have one path.
    """
    found: Dict[str, Tuple[gluon.Block, gluon.Parameter]] = {}
    for path, owner, param in _standing(net, unregistered):
        if found.setdefault(path, (owner, param))[1] is not param:
            refuse_path_clashes(path_clashes(net))
    return found


def _standing(net: gluon.Block, unregistered: bool) -> Iterator[Tuple[str, gluon.Block, gluon.Parameter]]:
    walk = _walked(net)
    for _, owner, _, own in walk:
        for path, param in own:
            yield path, owner, param
    if unregistered:
        paths = {path for *_, own in walk for path, _ in own}
        for path, _, owner, _, param in _unregistered(walk, {param for *_, own in walk for _, param in own}):
            # A swapped parameter's old self may still stand in a dictionary under the name of its successor.
            if path not in paths:
                paths.add(path)
                yield path, owner, param


def _symbol_init(param: gluon.Parameter, owner: gluon.Block, symbols: dict) -> Optional[str]:
    if param.init is not None or not isinstance(owner, gluon.SymbolBlock):
        return None
    if id(owner) not in symbols:
        symbols[id(owner)] = owner._cached_graph[1].attr_dict()
    return symbols[id(owner)].get(param.name, {}).get("__init__")


def _axes(owner: gluon.Block) -> str:
    if isinstance(owner, gluon.nn.Embedding):
        return "IO"
    if not isinstance(owner, _Conv):
        return "OI"
    axes = owner._kwargs["layout"].replace("N", "O").replace("C", "I")
    # A transposed convolution's weight is that of the convolution which it reverses.
    return axes.translate(_SWAPPED) if owner._op_name.lower() == "deconvolution" else axes


_SWAPPED = str.maketrans("OI", "IO")


_Visit = Tuple[str, gluon.Block, FrozenSet[type], List[Tuple[str, gluon.Parameter]]]
"""A block's path, the block, the classes around its parameters, and those by path. No record a parameter, nor a
generator a block, which would hand on all that is below it."""


def walk(net: gluon.Block) -> Iterator[Tuple[str, gluon.Block]]:
    """Every block of a network with its path, in order of traversal; one that stands twice comes twice.

    Raises
    ------
    ValueError
        A block contains itself: Gluon's own walks, which call themselves, never end there.
    """
    return ((path, block) for path, block, _ in _levels(net))


def blocks_by_path(net: gluon.Block) -> Dict[str, gluon.Block]:
    """Every block of a network once, by its first path; the network itself is ``''``."""
    first: Dict[int, Tuple[str, gluon.Block]] = {}
    for path, block in walk(net):
        first.setdefault(id(block), (path, block))
    return dict(first.values())


def _levels(net: gluon.Block) -> Iterator[Tuple[str, gluon.Block, int]]:
    """As `walk`, with the number of blocks around each. It calls itself nowhere: networks are nested deeper than that.

    A function that calls itself from inside another one would also be a reference cycle, which keeps the network alive
    until the garbage collector runs. MXNet 2's own blocks are free of cycles.
    """
    around: List[Tuple[str, gluon.Block]] = [("", net)]
    waiting = [iter(backend.children(net))]
    yield "", net, 0
    while waiting:
        name, child = next(waiting[-1], ("", None))
        if child is None:
            waiting.pop()
            around.pop()
            continue
        path = _join(around[-1][0], name)
        again = next((outer for outer, block in around if block is child), None)
        if again is not None:
            raise ValueError(_cycle(path, again, child))
        yield path, child, len(around)
        around.append((path, child))
        waiting.append(iter(backend.children(child)))


def _cycle(path: str, outer: str, block: gluon.Block) -> str:
    where = repr(outer) if outer else "the network itself"
    return (f"the block {path!r} ({repr(type(block).__name__)[1:-1]}) is {where}, so a block contains itself.\n"
            f"Expected blocks without a cycle: build a new block for {path!r}; a reference to an outer one is "
            f"`weakref.ref(block)`, which Gluon does not register as a child.")  # fmt: skip


def _walked(net: gluon.Block) -> List[_Visit]:
    visits: List[_Visit] = []
    around: Dict[Tuple[FrozenSet[type], type], FrozenSet[type]] = {}  # blocks that are alike share one set
    insides: List[FrozenSet[type]] = []
    depths: List[int] = []
    unusual: List[int] = []
    for path, block, depth in _levels(net):
        kind = type(block)
        del insides[depth:]
        outside: FrozenSet[type] = insides[-1] if insides else frozenset()
        inside = around.get((outside, kind))
        if inside is None:
            inside = around[outside, kind] = outside | {kind}
        insides.append(inside)
        depths.append(depth)
        prefix, plain = f"{path}." if path else "", kind._collect_params_with_prefix is _PLAIN_NAMES
        own = [(prefix + name, param) for name, param in block._reg_params.items()] if plain else []
        if not plain:
            unusual.append(len(visits))
        visits.append((path, block, inside, own))
    for number in reversed(unusual):  # the innermost first: what they take is no name of the block around them
        path, block, _, own = visits[number]
        end = next((each for each in range(number + 1, len(visits)) if depths[each] <= depths[number]), len(visits))
        own += _own_names(block, path, {taken for *_, below in visits[number + 1 : end] for taken, _ in below})
    return visits


def _unregistered(
    walk: List[_Visit], seen: Set[gluon.Parameter]
) -> Iterator[Tuple[str, str, gluon.Block, FrozenSet[type], gluon.Parameter]]:
    """What blocks made by ``self.params.get`` and no attribute holds; `seen` are all others."""
    for path, block, inside, _ in walk:
        if seen.issuperset(block.params.values()):
            continue
        for name, param in _dictionary(block):
            if param not in seen:
                yield _join(path, name), path, block, inside, param


def _own_names(block: gluon.Block, path: str, taken: Set[str]) -> Iterator[Tuple[str, gluon.Parameter]]:
    try:
        named = block._collect_params_with_prefix(path)
    except AttributeError:
        # An RNN layer of eleven or more layers, whose own naming breaks on "l10_i2h_weight".
        yield from ((_join(path, name), param) for name, param in block._reg_params.items())
    else:
        own = {id(param) for param in block._reg_params.values()}
        yield from ((name, param) for name, param in named.items() if id(param) in own and name not in taken)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def load_targets(net: gluon.Block) -> Dict[str, gluon.Parameter]:
    """The parameters that `load_parameters` fills from a file of paths, under each of their paths.

    Raises
    ------
    AttributeError
        The network holds an RNN layer of eleven or more layers, on whose names MXNet breaks.
    """
    return net._collect_params_with_prefix()


def clear_cached_graphs(block: gluon.Block) -> None:
    """Drop the cached graphs of a network, in which the dtypes of its parameters stand; the next forward makes new."""
    for _, each in walk(block):
        if isinstance(each, gluon.HybridBlock):
            each._clear_cached_op()


def name_clashes(blocks: Iterable[gluon.Block]) -> List[List[gluon.Parameter]]:
    """Parameters of these blocks that have one global name; `collect_params` refuses a network that has such."""
    held: Dict[str, Dict[int, gluon.Parameter]] = {}
    for block in blocks:
        for name, param in (backend.entries_by_name(block) or {}).items():
            held.setdefault(name, {})[id(param)] = param
    return [list(params.values()) for params in held.values() if len(params) > 1]


def _dictionary(block: gluon.Block) -> List[Tuple[str, gluon.Parameter]]:
    """The parameters in a block's dictionary, by their own names; an attribute need not hold them."""
    if not backend.entries_by_name(block):
        return []
    prefix = block.params.prefix
    return [(name[len(prefix) :] if name.startswith(prefix) else name, param) for name, param in block.params.items()]
