"""The structure of a network: its blocks and parameters by path, and what is wrong with it.

A path is what `Block.save_parameters` writes. Most blocks name a parameter by its attribute; a few name it otherwise
(fused RNN layers, GluonNLP's attention cells) by overriding `_collect_params_with_prefix`, and are asked. No function
here calls itself: networks are nested deeper than Python's stack, and one that stands inside another is a cycle then.
"""

from collections import deque
from functools import lru_cache
import threading
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple
import weakref

from mxnet import gluon
from mxnet.gluon.nn import basic_layers
from mxnet.gluon.nn.conv_layers import _Conv

from . import backend
from .parameter import source_of
from .preserve import parameters_of


class Place(NamedTuple):
    """Where one parameter is in one network; plain data, no live block."""

    paths: Tuple[str, ...]  # the canonical path, then the aliases in order of traversal, also the transposed ones
    owner: type  # the class of the block that holds the parameter under its canonical path
    owner_path: str  # that block's path, '' for the network itself
    inside: FrozenSet[type]  # the classes of all blocks around the parameter, under any of its paths
    axes: str = ""  # of a weight of two dimensions or more: O output, I input, others in space; 'OIHW'
    symbol_init: Optional[str] = None  # the `__init__` attribute that a SymbolBlock's symbol carries for it
    transposed: Tuple[str, ...] = ()  # those of the paths at which a transposed tie shows it

    @property
    def holders(self) -> Set[str]:
        return {self.owner_path} | {path.rpartition(".")[0] for path in self.paths}


class Slot(NamedTuple):
    """A path of a network, and the block and the name behind it."""

    path: str
    block: gluon.Block
    key: Optional[str]  # the name in the block's `_reg_params`; None where only its `params` holds the parameter
    param: gluon.Parameter


def walk(net: gluon.Block) -> Iterator[Tuple[str, gluon.Block]]:
    """Every block of a network with its path, in order of traversal; one that is used twice comes twice."""
    # Raises a ValueError where a block contains itself: Gluon's own walks, which call themselves, never end there.
    return ((path, block) for path, block, _ in _levels(net))


def blocks_by_path(net: gluon.Block) -> Dict[str, gluon.Block]:
    """Every block of a network once, by its first path; the network itself is ``''``."""
    first: Dict[int, Tuple[str, gluon.Block]] = {}
    for path, block in walk(net):
        first.setdefault(id(block), (path, block))
    return dict(first.values())


def _levels(net: gluon.Block) -> Iterator[Tuple[str, gluon.Block, FrozenSet[type]]]:
    """As `walk`, with the classes of each block and of all around it."""
    around = {id(net): ""}  # the paths of the blocks around, from the outermost
    inside = frozenset({type(net)})
    alike: Dict[Tuple[FrozenSet[type], type], FrozenSet[type]] = {}  # blocks that are alike share one set
    waiting = [("", inside, iter(backend.children(net)))]
    yield "", net, inside
    while waiting:
        path, outside, children = waiting[-1]
        name, child = next(children, ("", None))
        if child is None:
            waiting.pop()
            around.popitem()
            continue
        path, kind = _join(path, name), type(child)
        if id(child) in around:
            where = repr(around[id(child)]) if around[id(child)] else "the network itself"
            raise ValueError(
                f"the block {path!r} ({repr(kind.__name__)[1:-1]}) is {where}, so a block contains itself.\n"
                f"Expected blocks without a cycle: build a new block for {path!r}; a reference to an outer one is "
                f"`weakref.ref(block)`, which Gluon does not register as a child."
            )
        inside = alike.get((outside, kind)) or alike.setdefault((outside, kind), outside | {kind})
        yield path, child, inside
        around[id(child)] = path
        waiting.append((path, inside, iter(backend.children(child))))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


@lru_cache(maxsize=None)
def class_name(block_class: type) -> str:
    """A block's class as users write it: ``nn.Dense``, ``rnn.LSTM``, ``contrib.nn.SyncBatchNorm``, ``MyBlock``."""
    module = block_class.__module__
    if not module.startswith("mxnet.gluon."):
        return block_class.__name__
    parts = [part for part in module.split(".")[2:] if part in ("contrib", "nn", "rnn", "cnn")]
    return ".".join([*parts, block_class.__name__])


_PLAIN_NAMES = gluon.Block._collect_params_with_prefix
_Named = Tuple[str, Optional[str], gluon.Parameter]  # its path, and its name in the block's `_reg_params`
# A block's path, the block, the classes around its parameters, and those; one record a block, not a parameter.
_Visit = Tuple[str, gluon.Block, FrozenSet[type], List[_Named]]


def _visits(net: gluon.Block) -> List[_Visit]:
    """Every block of a network with the parameters that it registers."""
    visits: List[_Visit] = []
    for path, block, inside in _levels(net):
        if type(block)._collect_params_with_prefix is _PLAIN_NAMES:
            prefix = f"{path}." if path else ""
            own: List[_Named] = [(prefix + key, key, param) for key, param in block._reg_params.items()]
        else:
            own = _own_names(block, path)
        visits.append((path, block, inside, own))
    return visits


def _own_names(block: gluon.Block, path: str) -> List[_Named]:
    try:
        named = block._collect_params_with_prefix(path)
        taken = {below for name, child in backend.children(block)
                 for below in child._collect_params_with_prefix(_join(path, name))}  # fmt: skip
    except AttributeError:  # an RNN layer of eleven or more layers, whose own naming breaks on "l10_i2h_weight"
        return [(_join(path, key), key, param) for key, param in block._reg_params.items()]
    keys: Dict[int, List[str]] = {}
    for key, param in block._reg_params.items():
        keys.setdefault(id(param), []).append(key)
    own: List[_Named] = []
    for name, param in named.items():
        if id(param) in keys and name not in taken:
            own.append((name, keys[id(param)][0], param))
            # A block that holds one parameter under two names is asked for the first, then for the second, then again.
            keys[id(param)].append(keys[id(param)].pop(0))
    return own


def _unregistered(visits: List[_Visit]) -> List[_Visit]:
    """The same visits with what ``self.params.get`` made and no attribute of any block holds; most networks: none."""
    seen = {param for *_, own in visits for *_, param in own}
    added: List[_Visit] = []
    for path, block, inside, _ in visits:
        if not backend.entries_by_name(block) or seen.issuperset(block.params.values()):
            continue
        prefix = block.params.prefix
        names = [(name[len(prefix) :] if name.startswith(prefix) else name, param)
                 for name, param in block.params.items() if param not in seen]  # fmt: skip
        added.append((path, block, inside, [(_join(path, name), None, param) for name, param in names]))
    return added


def places(net: gluon.Block) -> Dict[gluon.Parameter, Place]:
    """Every parameter of `net`, in order of traversal, with its place. Changes nothing."""
    # Parameters that `net.initialize` reaches but `net.save_parameters` does not write (created by ``self.params.get``
    # and held by no attribute) come last, under their block's path and their own name.
    return places_and_blocks(net)[0]


def places_and_blocks(net: gluon.Block) -> Tuple[Dict[gluon.Parameter, Place], List[Tuple[str, gluon.Block]]]:
    """What `places` answers; and every block with its path, the network first under ``''``, in that order."""
    visits = _visits(net)
    found: Dict[gluon.Parameter, Place] = {}
    aliases: Dict[gluon.Parameter, List[Tuple[str, FrozenSet[type]]]] = {}
    transposed: Dict[gluon.Parameter, List[str]] = {}
    for owner_path, owner, inside, own in [*visits, *_unregistered(visits)]:
        kind, axes = type(owner), _axes(owner)
        symbols = owner._cached_graph[1].attr_dict() if isinstance(owner, gluon.SymbolBlock) else {}
        for path, key, param in own:
            source = getattr(param, "transposed_of", None)
            if source is not None:
                transposed.setdefault(source, []).append(path)
                aliases.setdefault(source, []).append((path, inside))
            elif param not in found:
                init = symbols.get(param.name, {}).get("__init__") if symbols and param.init is None else None
                found[param] = Place((path,), kind, owner_path, inside, axes, init)
            elif key is not None:
                aliases.setdefault(param, []).append((path, inside))
    for param, others in aliases.items():
        place = found.get(param)
        if place is not None:  # what a transposed tie shows may stand nowhere in this network itself
            paths, insides = zip(*others)
            found[param] = place._replace(paths=place.paths + paths, inside=place.inside.union(*insides),
                                          transposed=tuple(transposed.get(param, ())))  # fmt: skip
    return found, [(path, block) for path, block, *_ in visits]


# MXNet 1.6 and 1.7 have no class above BatchNorm. Of LayerNorm, MXNet 1.6 alone does not check the sizes.
_BATCH_NORM: Any = getattr(basic_layers, "_BatchNorm", basic_layers.BatchNorm)


def channel_axis(block: gluon.Block) -> Optional[int]:
    """The axis of its input whose size a normalization's parameters have; None for any other block."""
    normalizations = (_BATCH_NORM, basic_layers.InstanceNorm, basic_layers.LayerNorm)
    return block._kwargs.get("axis", 1) if isinstance(block, normalizations) else None


_SWAPPED = str.maketrans("OI", "IO")


def _axes(owner: gluon.Block) -> str:
    if isinstance(owner, gluon.nn.Embedding):
        return "IO"
    if not isinstance(owner, _Conv):
        return "OI"
    axes = owner._kwargs["layout"].replace("N", "O").replace("C", "I")
    # A transposed convolution's weight is that of the convolution which it reverses.
    return axes.translate(_SWAPPED) if owner._op_name.lower() == "deconvolution" else axes


def _by_path(net: gluon.Block, unregistered: bool) -> Tuple[Dict[str, Slot], List[str]]:
    """The slot that comes first at every path, and the paths that two parameters have."""
    visits = _visits(net)
    found: Dict[str, Slot] = {}
    clashes: Dict[str, None] = {}
    for _, block, _, own in [*visits, *(_unregistered(visits) if unregistered else ())]:
        for path, key, param in own:
            if path not in found:
                found[path] = Slot(path, block, key, param)
            # An unregistered parameter may have been replaced by the one at its path: it is not written.
            elif found[path].block is not block if key is None else found[path].param is not param:
                clashes[path] = None
    return found, list(clashes)


def slots(net: gluon.Block, unregistered: bool = True) -> List[Slot]:
    """Every path of a network, in order of traversal. Changes nothing. A ValueError where two parameters have one."""
    # Without `unregistered` those alone that `net.save_parameters` writes.
    found, clashes = _by_path(net, unregistered)
    refuse_path_clashes(clashes)
    return list(found.values())


def parameters_by_path(net: gluon.Block, unregistered: bool = True) -> Dict[str, gluon.Parameter]:
    """Every path that `slots` answers, with its parameter."""
    return {slot.path: slot.param for slot in slots(net, unregistered)}


def path_clashes(net: gluon.Block) -> List[str]:
    """The paths that two parameters have, as where children are called ``'a.b'`` and ``'a'`` > ``'b'``."""
    return _by_path(net, True)[1]


def refuse_path_clashes(paths: Sequence[str]) -> None:
    """Raise a ValueError if two parameters have one path; `paths` are what `path_clashes` answers."""
    if paths:
        raise ValueError(
            f"two parameters have the path {_listed(list(map(repr, paths)))}: values are drawn, saved and loaded by "
            f"path. Give the children of each Block, and its parameters, names without a dot."
        )


def name_clashes(blocks: Iterable[gluon.Block]) -> List[List[gluon.Parameter]]:
    """Parameters of these blocks that have one global name; `collect_params` refuses a network that has such."""
    held: Dict[str, Dict[int, gluon.Parameter]] = {}
    for block in blocks:
        for name, param in (backend.entries_by_name(block) or {}).items():
            held.setdefault(name, {})[id(param)] = param
    return [list(params.values()) for params in held.values() if len(params) > 1]


def clear_cached_graphs(net: gluon.Block) -> None:
    """Drop the cached graphs of a network, in which the dtypes of its parameters stand; the next forward makes new."""
    for _, block in walk(net):
        if isinstance(block, gluon.HybridBlock):
            block._clear_cached_op()


# A parameter does not know its network, and Python's heap is no place to search: what `gc.get_objects` hands out may be
# a tuple that another thread is still building, whose code then fails. Nothing here keeps a network alive.
_places: "weakref.WeakKeyDictionary[gluon.Parameter, Tuple[weakref.ref, Place]]" = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def remember_places(net: gluon.Block, found: Dict[gluon.Parameter, Place]) -> None:
    """Note the network of these parameters and their places in it."""
    seen = {param: (weakref.ref(net), place) for param, place in found.items()}
    with _lock:
        _places.update(seen)


def network_of(param: gluon.Parameter) -> Optional[gluon.Block]:
    return _places[param][0]() if param in _places else None


def remembered_place(param: gluon.Parameter) -> Optional[Place]:
    """The place of `param` when its network was last seen."""
    return _places[param][1] if param in _places else None


class Flaw(NamedTuple):
    """What is wrong with the structure of a network.

    Gluon registers a Block or a Parameter that is an attribute itself. One in a list, tuple, dictionary or set is no
    part of the network. And `HybridBlock.register_child` clears the cached graph of the block itself, not those of the
    blocks around it: a forward pass goes on with the old child and says nothing.
    """

    path: str  # of the attribute that is a container, 'encoder.layers'; or of the block that has the graph
    said: str
    mend: str
    parameters: Tuple[gluon.Parameter, ...] = ()  # those in the container that no block of the network registers
    paths: Tuple[str, ...] = ()  # parameters of the block that its graph does not use

    def __str__(self) -> str:
        return f"{self.said[0].upper()}{self.said[1:]}; {self.mend}."


def unregistered_blocks(blocks: Iterable[Tuple[str, gluon.Block]]) -> List[Flaw]:
    """What the containers of a network hold that is no part of it; `blocks` are all of its blocks with their paths."""
    # A Block without parameters of its own is none: nothing of it would have to be initialized, saved or trained.
    inside = {id(block): (path, block) for path, block in blocks}
    held = _held(inside.values())
    if not held:
        return []
    registered = inside.keys() | set(map(id, parameters_of({str(key): block for key, (_, block) in inside.items()})))
    flaws = []
    for path, block, container, things in held:
        lost: List[Any] = []
        missing: Dict[int, gluon.Parameter] = {}
        for thing in things:
            if id(thing) not in registered:
                params = [thing] if isinstance(thing, gluon.Parameter) else parameters_of(blocks_by_path(thing))
                strays = {id(param): param for param in params if id(param) not in registered}
                missing.update(strays)
                lost += [thing] * bool(strays)
        if lost:
            names = list(dict.fromkeys(type(thing).__name__ for thing in lost if isinstance(thing, gluon.Block)))
            what, their = "Blocks", "their parameters"
            mend = "put them into an nn.Sequential, or call register_child for each"
            if not names:
                names, what, their = [thing.name for thing in lost], "Parameters", "them"
                mend = "make each of them an attribute of its own"
            listed = ", ".join(names[:3]) + (", ..." if names[3:] else "")
            said = (f"the {type(container).__name__} {path} of {type(block).__name__} holds {what} ({listed}): they "
                    f"are no part of the network, and nothing initializes, saves or trains {their}")  # fmt: skip
            flaws.append(Flaw(path, said, mend, tuple(missing.values())))
    return flaws


def parameters_in_containers(blocks: Iterable[Tuple[str, gluon.Block]]) -> Dict[gluon.Parameter, str]:
    """The parameters that containers of these blocks hold, each with the path of such an attribute."""
    # From there they cannot be taken.
    return {thing: path for path, _, _, things in _held(blocks) for thing in things
            if isinstance(thing, gluon.Parameter)}  # fmt: skip


# What MXNet itself keeps in containers: what is registered, and what a cached graph takes.
_MXNETS_OWN = {"_children", "_reg_params", "_cached_op_args"}


class _Roles(Dict[type, str]):
    """What a value of each class is: ``'held'`` for a Block or a Parameter, ``'container'``, or ``''``."""

    def __missing__(self, kind: type) -> str:
        held = issubclass(kind, (gluon.Block, gluon.Parameter))
        container = issubclass(kind, (list, tuple, dict, set, frozenset, deque))
        return self.setdefault(kind, "held" if held else "container" if container else "")


_ROLES = _Roles()


def _held(blocks: Iterable[Tuple[str, gluon.Block]]) -> List[Tuple[str, gluon.Block, Any, List[Any]]]:
    """The attributes of blocks that are containers of Blocks and Parameters: path, block, container, what it holds."""
    return [
        (_join(path, name), block, value, things)
        for path, block in blocks
        for name, value in vars(block).items()
        if _ROLES[type(value)] == "container" and value and name not in _MXNETS_OWN
        for things in [_things(value)]
        if things
    ]


def _things(container: Any) -> List[Any]:
    """The Blocks and Parameters in a container and in those inside it, each once and in order."""
    seen: Dict[int, Any] = {}
    left = [container]
    while left:
        item = left.pop()
        if id(item) not in seen:
            seen[id(item)] = item
            if _ROLES[type(item)] == "container":
                inside = item.values() if isinstance(item, dict) else item
                left += [thing for thing in inside if _ROLES[type(thing)]][::-1]
    return [item for item in seen.values() if _ROLES[type(item)] == "held"]


def stale_graphs(net: gluon.Block) -> List[Flaw]:
    """The blocks whose cached graphs hold a parameter that they have no more, or lack one of a new child."""
    # A parameter that a graph lacks may be one that no forward pass uses. It is one of a new child where that child is
    # not hybridized, as all children are that were there when the block was. Backends add parameters to their graphs.
    cached = [(path, block) for path, block in blocks_by_path(net).items()
              if vars(block).get("_cached_op") is not None and not vars(block).get("_backend")]  # fmt: skip
    if not cached:
        return []
    everything = [(path, param) for param, place in places(net).items() for path in place.paths]
    stale = []
    for path, block in cached:
        start = f"{path}." if path else ""
        own = {name: param for name, param in everything if name.startswith(start)}
        graph = {id(source_of(entry[-1])): entry[-1] for entry in block._cached_op_args if not entry[0]}
        here = set(map(id, own.values()))
        gone = [param.name for key, param in graph.items() if key not in here]
        lacking = [name for name, param in own.items() if id(param) not in graph]
        fresh = tuple(f"{start}{inner}." for inner, child in walk(block) if inner and not vars(child).get("_active"))
        paths = lacking if gone else [name for name in lacking if name.startswith(fresh)]
        if gone or paths:
            what = " and ".join([f"holds {_listed(gone)}, which it has no more"] * bool(gone)
                                + [f"lacks {_listed(paths)}"] * bool(paths))  # fmt: skip
            kind = type(block).__name__
            said = (f"the cached graph of {f'the {kind} {path}' if path else f'this {kind}'} {what}: a forward pass "
                    f"goes on with the children that were there before")  # fmt: skip
            mend = f"call hybridize() again on {path!r}" if path else "call net.hybridize() again"
            stale.append(Flaw(path, said, mend, paths=tuple(paths)))
    return stale


def _listed(names: List[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if names[10:] else "")
