"""The structure of a network: its blocks and parameters by path, and the errors in that structure.

A path is the name that `Block.save_parameters` writes. Most blocks name a parameter by its attribute. A few blocks
(fused RNN layers, GluonNLP's attention cells) override `_collect_params_with_prefix`, so that method is called. No
function here is recursive: networks can be nested deeper than Python's stack.
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
    """The place of one parameter in one network. It holds plain data, no live block."""

    paths: Tuple[str, ...]  # the canonical path, then the aliases in order of traversal, transposed ones included
    owner: type  # the class of the block that holds the parameter under its canonical path
    owner_path: str  # that block's path; '' for the network itself
    inside: FrozenSet[type]  # the classes of all blocks that contain the parameter, under any of its paths
    axes: str = ""  # of a weight with two or more dimensions: O is output, I is input; 'OIHW'
    symbol_init: Optional[str] = None  # its variable's `__init__` attribute in a SymbolBlock's symbol
    transposed: Tuple[str, ...] = ()  # the paths at which a transposed tie holds it

    @property
    def holders(self) -> Set[str]:
        return {self.owner_path} | {path.rpartition(".")[0] for path in self.paths}


class Slot(NamedTuple):
    """A path of a network, with the block that holds the parameter and the parameter's name in that block."""

    path: str
    block: gluon.Block
    key: Optional[str]  # the name in the block's `_reg_params`; None if only its `params` holds the parameter
    param: gluon.Parameter


def walk(net: gluon.Block) -> Iterator[Tuple[str, gluon.Block]]:
    """Yield every block with its path, in order of traversal; a block that is used twice is yielded twice."""
    # Raises a ValueError if a block contains itself: Gluon's own recursive walks never end then.
    return ((path, block) for path, block, _ in _levels(net))


def blocks_by_path(net: gluon.Block) -> Dict[str, gluon.Block]:
    """Every block of a network once, by its first path. The path of the network itself is ``''``."""
    first_paths: Dict[int, Tuple[str, gluon.Block]] = {}
    for path, block in walk(net):
        first_paths.setdefault(id(block), (path, block))
    return dict(first_paths.values())


def _levels(net: gluon.Block) -> Iterator[Tuple[str, gluon.Block, FrozenSet[type]]]:
    """As `walk`, with the classes of each block and of all blocks that contain it."""
    enclosing = {id(net): ""}  # the paths of the enclosing blocks, outermost first
    inside = frozenset({type(net)})
    shared_sets: Dict[Tuple[FrozenSet[type], type], FrozenSet[type]] = {}  # equal sets are one object
    stack = [("", inside, iter(backend.children(net)))]
    yield "", net, inside
    while stack:
        path, outside, children = stack[-1]
        name, child = next(children, ("", None))
        if child is None:
            stack.pop()
            enclosing.popitem()
            continue
        path, kind = _join(path, name), type(child)
        if id(child) in enclosing:
            where = repr(enclosing[id(child)]) if enclosing[id(child)] else "the network itself"
            raise ValueError(
                f"the block {path!r} ({repr(kind.__name__)[1:-1]}) is {where}, so a block contains itself.\n"
                f"Expected blocks without a cycle: build a new block for {path!r}; a reference to an outer one is "
                f"`weakref.ref(block)`, which Gluon does not register as a child."
            )
        inside = shared_sets.get((outside, kind)) or shared_sets.setdefault((outside, kind), outside | {kind})
        yield path, child, inside
        enclosing[id(child)] = path
        stack.append((path, inside, iter(backend.children(child))))


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
_Named = Tuple[str, Optional[str], gluon.Parameter]  # path, name in the block's `_reg_params`, parameter
# A block's path, the block, the classes that contain its parameters, its parameters. There is one record per block.
_Visit = Tuple[str, gluon.Block, FrozenSet[type], List[_Named]]


def _visits(net: gluon.Block) -> List[_Visit]:
    """Every block of a network with the parameters that it registers."""
    visits: List[_Visit] = []
    for path, block, inside in list(_levels(net)):  # a block that contains itself is refused before Gluon walks it
        if type(block)._collect_params_with_prefix is _PLAIN_NAMES:
            prefix = f"{path}." if path else ""
            named: List[_Named] = [(prefix + key, key, param) for key, param in block._reg_params.items()]
        else:
            named = _overridden_names(block, path)
        visits.append((path, block, inside, named))
    return visits


def _overridden_names(block: gluon.Block, path: str) -> List[_Named]:
    try:
        named = block._collect_params_with_prefix(path)
        child_names = {name_in_child for name, child in backend.children(block)
                       for name_in_child in child._collect_params_with_prefix(_join(path, name))}  # fmt: skip
    except AttributeError:  # MXNet's RNN layers of eleven or more layers fail on "l10_i2h_weight" here
        return [(_join(path, key), key, param) for key, param in block._reg_params.items()]
    keys: Dict[int, List[str]] = {}
    for key, param in block._reg_params.items():
        keys.setdefault(id(param), []).append(key)
    entries: List[_Named] = []
    for name, param in named.items():
        if id(param) in keys and name not in child_names:
            entries.append((name, keys[id(param)][0], param))
            # If two names of the block hold one parameter, its paths get these names in turn.
            keys[id(param)].append(keys[id(param)].pop(0))
    return entries


def _unregistered(visits: List[_Visit]) -> List[_Visit]:
    """Visits for the parameters that ``self.params.get`` made and no block's attribute holds; usually none."""
    registered = {param for *_, named in visits for *_, param in named}
    added: List[_Visit] = []
    for path, block, inside, _ in visits:
        if not backend.entries_by_name(block) or registered.issuperset(block.params.values()):
            continue
        prefix = block.params.prefix
        names = [(name[len(prefix) :] if name.startswith(prefix) else name, param)
                 for name, param in block.params.items() if param not in registered]  # fmt: skip
        added.append((path, block, inside, [(_join(path, name), None, param) for name, param in names]))
    return added


def places(net: gluon.Block) -> Dict[gluon.Parameter, Place]:
    """Every parameter of `net` with its place, in order of traversal. Changes nothing."""
    # Parameters that `net.initialize` reaches but `net.save_parameters` does not write (made by ``self.params.get`` and
    # held by no attribute) come last, under their block's path and their own name.
    return places_and_blocks(net)[0]


def places_and_blocks(net: gluon.Block) -> Tuple[Dict[gluon.Parameter, Place], List[Tuple[str, gluon.Block]]]:
    """The result of `places`, and every block with its path. The network comes first, under ``''``."""
    visits = _visits(net)
    by_param: Dict[gluon.Parameter, Place] = {}
    aliases: Dict[gluon.Parameter, List[Tuple[str, FrozenSet[type]]]] = {}
    transposed: Dict[gluon.Parameter, List[str]] = {}
    for owner_path, owner, inside, named in [*visits, *_unregistered(visits)]:
        kind, axes = type(owner), _axes(owner)
        symbols = owner._cached_graph[1].attr_dict() if isinstance(owner, gluon.SymbolBlock) else {}
        for path, key, param in named:
            source = getattr(param, "transposed_of", None)
            if source is not None:
                transposed.setdefault(source, []).append(path)
                aliases.setdefault(source, []).append((path, inside))
            elif param not in by_param:
                init = symbols.get(param.name, {}).get("__init__") if symbols and param.init is None else None
                by_param[param] = Place((path,), kind, owner_path, inside, axes, init)
            elif key is not None:
                aliases.setdefault(param, []).append((path, inside))
    for param, uses in aliases.items():
        place = by_param.get(param)
        if place is not None:  # the source of a transposed tie may be outside of this network
            paths, insides = zip(*uses)
            by_param[param] = place._replace(paths=place.paths + paths, inside=place.inside.union(*insides),
                                             transposed=tuple(transposed.get(param, ())))  # fmt: skip
    return by_param, [(path, block) for path, block, *_ in visits]


# MXNet 1.6 and 1.7 have no base class of BatchNorm. LayerNorm checks the sizes itself, except on MXNet 1.6.
_BATCH_NORM: Any = getattr(basic_layers, "_BatchNorm", basic_layers.BatchNorm)


def channel_axis(block: gluon.Block) -> Optional[int]:
    """The input axis that gives the parameters of a normalization layer their size; None for any other block."""
    normalizations = (_BATCH_NORM, basic_layers.InstanceNorm, basic_layers.LayerNorm)
    return block._kwargs.get("axis", 1) if isinstance(block, normalizations) else None


_SWAPPED = str.maketrans("OI", "IO")


def _axes(owner: gluon.Block) -> str:
    if isinstance(owner, gluon.nn.Embedding):
        return "IO"
    if not isinstance(owner, _Conv):
        return "OI"
    axes = owner._kwargs["layout"].replace("N", "O").replace("C", "I")
    # A transposed convolution has the weight of the convolution that it reverses.
    return axes.translate(_SWAPPED) if owner._op_name.lower() == "deconvolution" else axes


def _by_path(net: gluon.Block, unregistered: bool) -> Tuple[Dict[str, Slot], List[str]]:
    """The first slot at every path, and the paths that two parameters share."""
    visits = _visits(net)
    first_slots: Dict[str, Slot] = {}
    clashes: Dict[str, None] = {}
    for _, block, _, named in [*visits, *(_unregistered(visits) if unregistered else ())]:
        for path, key, param in named:
            if path not in first_slots:
                first_slots[path] = Slot(path, block, key, param)
            # A registered parameter may have replaced an unregistered one of the same block; that is no clash.
            elif first_slots[path].block is not block if key is None else first_slots[path].param is not param:
                clashes[path] = None
    return first_slots, list(clashes)


def slots(net: gluon.Block, unregistered: bool = True) -> List[Slot]:
    """Every path of a network, in order of traversal. Raises a ValueError if two parameters have the same path."""
    # Changes nothing. Without `unregistered`, only the paths that `net.save_parameters` writes.
    by_path, clashes = _by_path(net, unregistered)
    refuse_path_clashes(clashes)
    return list(by_path.values())


def parameters_by_path(net: gluon.Block, unregistered: bool = True) -> Dict[str, gluon.Parameter]:
    """Every path that `slots` returns, with its parameter."""
    return {slot.path: slot.param for slot in slots(net, unregistered)}


def path_clashes(net: gluon.Block) -> List[str]:
    """The paths that two parameters share, for example if children are ``'a.b'`` and ``'a'`` > ``'b'``."""
    return _by_path(net, True)[1]


def refuse_path_clashes(paths: Sequence[str]) -> None:
    """Raise a ValueError if two parameters have the same path; `paths` is the result of `path_clashes`."""
    if paths:
        raise ValueError(
            f"two parameters have the path {_listed(list(map(repr, paths)))}: values are drawn, saved and loaded by "
            f"path. Give the children of each Block, and its parameters, names without a dot."
        )


def name_clashes(blocks: Iterable[gluon.Block]) -> List[List[gluon.Parameter]]:
    """Groups of different parameters with the same global name; `collect_params` refuses a network with any."""
    by_name: Dict[str, Dict[int, gluon.Parameter]] = {}
    for block in blocks:
        for name, param in (backend.entries_by_name(block) or {}).items():
            by_name.setdefault(name, {})[id(param)] = param
    return [list(params.values()) for params in by_name.values() if len(params) > 1]


def clear_cached_graphs(net: gluon.Block) -> None:
    """Drop a network's cached graphs, which hold its parameters' dtypes; the next forward pass makes new ones."""
    for _, block in walk(net):
        if isinstance(block, gluon.HybridBlock):
            block._clear_cached_op()


# A parameter does not know its network. `gc.get_objects` must not find it: it can return a tuple that another thread is
# still building, and the code of that thread then fails. The weak references here keep no network alive.
_places: "weakref.WeakKeyDictionary[gluon.Parameter, Tuple[weakref.ref, Place]]" = weakref.WeakKeyDictionary()
_lock = threading.Lock()


def remember_places(net: gluon.Block, by_param: Dict[gluon.Parameter, Place]) -> None:
    """Store the network of these parameters and their places in it."""
    entries = {param: (weakref.ref(net), place) for param, place in by_param.items()}
    with _lock:
        _places.update(entries)


def network_of(param: gluon.Parameter) -> Optional[gluon.Block]:
    return _places[param][0]() if param in _places else None


def remembered_place(param: gluon.Parameter) -> Optional[Place]:
    """The place of `param` when `remember_places` last stored it."""
    return _places[param][1] if param in _places else None


class Flaw(NamedTuple):
    """An error in the structure of a network.

    Gluon registers a Block or a Parameter that is an attribute itself, not one in a list, tuple, dictionary or set.
    And `HybridBlock.register_child` clears the cached graph of the block itself, not the graphs of the enclosing
    blocks: a forward pass silently uses the old child.
    """

    path: str  # of the container ('encoder.layers'), or of the block with the cached graph
    said: str
    mend: str
    parameters: Tuple[gluon.Parameter, ...] = ()  # in the container, and registered by no block of the network
    paths: Tuple[str, ...] = ()  # parameters of the block that its graph does not use

    def __str__(self) -> str:
        return f"{self.said[0].upper()}{self.said[1:]}; {self.mend}."


def unregistered_blocks(blocks: Iterable[Tuple[str, gluon.Block]]) -> List[Flaw]:
    """Blocks and parameters in lists, tuples, dicts or sets, which Gluon does not register; `blocks`: all, by path."""
    # A Block without parameters is no error: there is nothing to initialize, save or train.
    by_id = {id(block): (path, block) for path, block in blocks}
    containers = _containers_in(by_id.values())
    if not containers:
        return []
    registered = by_id.keys() | set(map(id, parameters_of({str(key): block for key, (_, block) in by_id.items()})))
    flaws = []
    for path, block, container, items in containers:
        lost: List[Any] = []
        missing: Dict[int, gluon.Parameter] = {}
        for item in items:
            if id(item) not in registered:
                params = [item] if isinstance(item, gluon.Parameter) else parameters_of(blocks_by_path(item))
                strays = {id(param): param for param in params if id(param) not in registered}
                missing.update(strays)
                lost += [item] * bool(strays)
        if lost:
            names = list(dict.fromkeys(type(item).__name__ for item in lost if isinstance(item, gluon.Block)))
            noun, their = "Blocks", "their parameters"
            mend = "put them into an nn.Sequential, or call register_child for each"
            if not names:
                names, noun, their = [item.name for item in lost], "Parameters", "them"
                mend = "make each of them an attribute of its own"
            listed = ", ".join(names[:3]) + (", ..." if names[3:] else "")
            message = (f"the {type(container).__name__} {path} of {type(block).__name__} holds {noun} ({listed}): they "
                       f"are no part of the network, and nothing initializes, saves or trains {their}")  # fmt: skip
            flaws.append(Flaw(path, message, mend, tuple(missing.values())))
    return flaws


def parameters_in_containers(blocks: Iterable[Tuple[str, gluon.Block]]) -> Dict[gluon.Parameter, str]:
    """The parameters in containers of these blocks, each with the path of one such container."""
    # An exchange of parameters would not reach them.
    return {item: path for path, _, _, items in _containers_in(blocks) for item in items
            if isinstance(item, gluon.Parameter)}  # fmt: skip


# The containers of MXNet itself: registered children and parameters, and what belongs to a cached graph.
_MXNET_CONTAINERS = {"_cached_op_args", "_cached_graph", "_flags", "_in_format", "_out_format", "_children",
                     "_reg_params"}  # fmt: skip


class _Roles(Dict[type, str]):
    """The role of a value by its class: ``'held'`` for a Block or a Parameter, ``'container'``, or ``''``."""

    def __missing__(self, kind: type) -> str:
        held = issubclass(kind, (gluon.Block, gluon.Parameter))
        container = issubclass(kind, (list, tuple, dict, set, frozenset, deque))
        return self.setdefault(kind, "held" if held else "container" if container else "")


_ROLES = _Roles()


def _containers_in(blocks: Iterable[Tuple[str, gluon.Block]]) -> List[Tuple[str, gluon.Block, Any, List[Any]]]:
    """The containers of Blocks and Parameters among blocks' attributes: path, block, container and its items."""
    return [
        (_join(path, name), block, value, items)
        for path, block in blocks
        for name, value in vars(block).items()
        if _ROLES[type(value)] == "container" and value and name not in _MXNET_CONTAINERS
        for items in [_items_in(value)]
        if items
    ]


def _items_in(container: Any) -> List[Any]:
    """The Blocks and Parameters in a container and in those inside it, each once and in order."""
    visited: Dict[int, Any] = {}
    stack = [container]
    while stack:
        item = stack.pop()
        if id(item) not in visited:
            visited[id(item)] = item
            if _ROLES[type(item)] == "container":
                nested = item.values() if isinstance(item, dict) else item
                stack += [value for value in nested if _ROLES[type(value)]][::-1]
    return [item for item in visited.values() if _ROLES[type(item)] == "held"]


def stale_graphs(net: gluon.Block) -> List[Flaw]:
    """Blocks with a cached graph that holds a parameter they no longer have, or lacks a parameter of a new child."""
    # A graph may also lack a parameter that no forward pass uses. A new child is not hybridized, while `hybridize` has
    # reached the older children. Backends add parameters to their graphs, so blocks with a backend are left out.
    cached = [(path, block) for path, block in blocks_by_path(net).items()
              if vars(block).get("_cached_op") is not None and not vars(block).get("_backend")]  # fmt: skip
    if not cached:
        return []
    all_paths = [(path, param) for param, place in places(net).items() for path in place.paths]
    stale = []
    for path, block in cached:
        prefix = f"{path}." if path else ""
        block_params = {name: param for name, param in all_paths if name.startswith(prefix)}
        graph = {id(source_of(entry[-1])): entry[-1] for entry in block._cached_op_args if not entry[0]}
        present = set(map(id, block_params.values()))
        gone = [param.name for key, param in graph.items() if key not in present]
        lacking = [name for name, param in block_params.items() if id(param) not in graph]
        fresh = tuple(f"{prefix}{inner}." for inner, child in walk(block) if inner and not vars(child).get("_active"))
        paths = lacking if gone else [name for name in lacking if name.startswith(fresh)]
        if gone or paths:
            defect = " and ".join([f"holds {_listed(gone)}, which it has no more"] * bool(gone)
                                  + [f"lacks {_listed(paths)}"] * bool(paths))  # fmt: skip
            kind = type(block).__name__
            message = (f"the cached graph of {f'the {kind} {path}' if path else f'this {kind}'} {defect}: a forward "
                       f"pass goes on with the children that were there before")  # fmt: skip
            mend = f"call hybridize() again on {path!r}" if path else "call net.hybridize() again"
            stale.append(Flaw(path, message, mend, paths=tuple(paths)))
    return stale


def _listed(names: List[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if names[10:] else "")
