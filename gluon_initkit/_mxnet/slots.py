"""Where parameters stand in blocks, and putting others there: the surgery behind tying and untying.

A parameter stands in a *slot*, a block and a name in its `_reg_params`. The block also holds it as an attribute and, by
its global name, in `_params._params`; cached graphs of all blocks around hold it too. `exchange` keeps all of these in
step. What may be tied, and which values win, is decided elsewhere.
"""

from collections import OrderedDict
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple
import weakref

from mxnet import gluon

from . import backend
from .networks import known_blocks
from .transposed import source_of
from .tree import standing, walk


class Slot(NamedTuple):
    """One place where a parameter stands."""

    path: str
    block: gluon.Block
    key: Optional[str]
    """The name in the block's `_reg_params`; None where only its `params` dictionary knows the parameter."""
    param: gluon.Parameter


def slots(net: gluon.Block) -> List[Slot]:
    """Every path of a network with the block and the name behind it, in order of traversal. Changes nothing."""
    found = []
    keys: Dict[Tuple[int, int], List[str]] = {}
    blocks: Dict[int, gluon.Block] = {}
    for path, (block, param) in standing(net).items():
        if id(block) not in blocks:
            blocks[id(block)] = block
            for key, each in block._reg_params.items():
                keys.setdefault((id(block), id(each)), []).append(key)
        own = keys.get((id(block), id(param)))
        # A block that holds one parameter under two names is asked for the first, then for the second, then again.
        found.append(Slot(path, block, own[0] if own else None, param))
        if own:
            own.append(own.pop(0))
    return found


Move = Tuple[Slot, gluon.Parameter]


_Moved = Dict[gluon.Parameter, gluon.Parameter]  # what took whose place


@contextmanager
def exchange(net: gluon.Block, moves: Sequence[Move]) -> Iterator[Dict[gluon.Parameter, "weakref.ref[gluon.Block]"]]:
    """Put other parameters into slots of a network; if the body or the exchange itself raises, all is as before.

    A parameter that stands in no slot any more leaves every dictionary of the network, and the cached graphs of all
    blocks around a change are cleared, also of those outside `net` that the kit has seen. What is yielded tells
    afterwards which of them goes on standing in such a block, and in which.
    """
    saved: List[_Entry] = []
    outside: Dict[gluon.Parameter, weakref.ref[gluon.Block]] = {}
    try:
        yield outside
        outside.update(_exchange({id(block): block for _, block in walk(net)}, moves, saved))
    except BaseException:
        for living, key, value in reversed(saved):
            living[key] = value
        raise


_Entry = Tuple[dict, str, Any]  # of a dictionary, and what it held


def _exchange(blocks: Dict[int, gluon.Block], moves: Sequence[Move], saved: List[_Entry]) -> dict:
    def change(living: dict, key: str, value: Any) -> None:
        saved.append((living, key, living[key]))
        living[key] = value

    wanted: Dict[int, Dict[str, gluon.Parameter]] = {}
    for slot, param in moves:
        assert slot.key is not None
        wanted.setdefault(id(slot.block), {})[slot.key] = param
    standing = {
        source_of(wanted.get(number, {}).get(key, param))
        for number, block in blocks.items()
        for key, param in block._reg_params.items()
    }
    moved = {source_of(slot.param): source_of(param) for slot, param in moves}
    gone = {old: new for old, new in moved.items() if old not in standing}
    changed = []
    for number, block in blocks.items():
        here = wanted.get(number, {})
        entries = backend.entries_by_name(block)
        if not here and not any(param in gone for param in (entries or {}).values()):
            continue
        changed.append(block)
        attributes, registered = vars(block), block._reg_params
        left: _Moved = {}
        for key, param in here.items():
            left[source_of(registered[key])] = source_of(param)
            change(registered, key, param)
            if key in attributes:
                change(attributes, key, param)
        if entries is not None:
            change(vars(block._params), "_params", _rekeyed(entries, list(registered.values()), left, gone))
    living = {**known_blocks(), **blocks}
    for block in _around(changed, living):
        attributes = vars(block)
        if attributes.get("_cached_graph") or attributes.get("_cached_op"):
            saved += ((attributes, key, value) for key, value in attributes.items())
            attributes["_cached_op_args"] = []  # which MXNet 1.7 would leave
            block._clear_cached_op()
    for block in changed:
        backend.infer_again(block)
    return {source_of(param): weakref.ref(block) for number, block in living.items() if number not in blocks
            for param in block._reg_params.values() if source_of(param) in gone}  # fmt: skip


class _Entries(OrderedDict):
    """A block's `_params._params` after a tie: what went is not listed, and its name leads to what took its place.

    Gluon asks by name when another layer is built with this one's ``params=`` or a fused layer is unfused, and where it
    finds nothing it silently makes a new parameter.
    """

    def __init__(self, entries: Any = (), former: Any = ()) -> None:
        super().__init__(entries)
        self.former: Dict[str, gluon.Parameter] = dict(former)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self.former

    def __missing__(self, name: str) -> gluon.Parameter:
        return self.former[name]


def _rekeyed(entries: dict, held: Sequence[gluon.Parameter], left: _Moved, gone: _Moved) -> _Entries:
    """The same entries where what a block's slots hold has changed, in the old order.

    What `left` this block and what is `gone` from the whole network lead to what took their place. They are two, as a
    union made for every block would be quadratic.
    """
    own, standing = set(held), {source_of(param) for param in held}
    found: Dict[str, gluon.Parameter] = {}
    former = {name: param if param in standing else left.get(param) or gone.get(param) or param
              for name, param in getattr(entries, "former", {}).items()}  # fmt: skip
    for name, param in entries.items():
        successor = left.get(param) or gone.get(param)
        if param in standing or successor is None:
            found[name] = param
        if successor is not None:
            found[successor.name] = former[name] = successor
    # One that stands here transposed has another shape than what it took the place of.
    kept = [(name, param) for name, param in former.items() if name not in found and param in own]
    return _Entries(found, kept)


def _around(changed: Sequence[gluon.Block], living: Dict[int, gluon.Block]) -> List[gluon.Block]:
    """The blocks of `changed` and all that contain one."""
    parents: Dict[int, List[gluon.Block]] = {}
    for block in living.values():
        for _, child in backend.children(block):
            parents.setdefault(id(child), []).append(block)
    found: Dict[int, gluon.Block] = {}
    left = list(changed)
    while left:
        block = left.pop()
        if id(block) not in found:
            found[id(block)] = block
            left.extend(parents.get(id(block), []))
    return list(found.values())
