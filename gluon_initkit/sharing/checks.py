"""Check whether parameters can become one. Finds every reason against it, as a message, and changes nothing.

Each message names two paths, the difference between them, and what to do. The checks compare everything that a tie
would silently change for one of the two: its declaration, its contexts, and the other objects that use it.
"""

from typing import Any, Dict, FrozenSet, Iterator, Optional, Sequence, Tuple

import numpy

from .._mxnet import backend, mx
from .._mxnet.arrays import bits_of
from .._mxnet.parameter import arrays_of, contexts_of, is_constant, is_layer_default, shape_of
from .._mxnet.ties import Slot, declaration_of, extras_of, fixes_gamma
from .._mxnet.trainer import is_trained
from .._mxnet.tree import parameters_in_containers, walk
from ..display import shape_text
from ..parameters import LAYER_DEFAULTS, role_of
from ..shapes import Shape, agree
from .targets import Member, TieGroup

_DECLARED = {"grad_req": "write", "lr_mult": 1.0, "wd_mult": 1.0}
_MENDS = {
    "dtype": "cast one of the two blocks first",
    "stype": "build one of the two with the other's storage",
    "grad_stype": "build both with the same sparse_grad=",
}


def problems(net: Any, groups: Sequence[TieGroup], values: str, yielding: FrozenSet[Any]) -> Iterator[str]:
    """Every problem with these groups of a network's parameters.

    `yielding` are parameters of blocks that were just built: where one of them has a default declaration, it takes the
    declaration of the kept parameter.
    """
    groups = [group for group in groups if group.dropped]
    containers = parameters_in_containers(walk(net)) if groups else {}
    for group in groups:
        kept = group.kept
        for member in group.members:
            other = kept if member is not kept else group.dropped[0]
            who = f"{member.path!r} cannot be tied to {other.path!r}:"
            if is_constant(member.param):
                yield f"{who} it is a Constant, whose value belongs to its own block"
            if is_trained(member.param):
                yield f"{who} a Trainer updates it; call gluon_initkit.release(trainer), tie, and make another Trainer"
        declared = declaration_of(kept.param)
        fixed = {item.path: {fixes_gamma(slot.block, slot.key) for slot, _ in item.places} for item in group.members}
        for member in group.dropped:
            for slot, _ in member.places:
                reason = why_fixed(slot, containers)
                if reason:
                    yield (f"{slot.path!r} cannot take the parameter of {kept.path!r}: {reason}; keep this one "
                           f"instead, to={slot.path!r}")  # fmt: skip
            declaration, kind = declaration_of(member.param), type(member.param)
            pair = f"{member.path!r} and {kept.path!r}"
            for name, value in declaration.items() if declaration != declared else ():
                yields = member.param in yielding and value == _DECLARED.get(name)
                if value != declared[name] and not yields:
                    mend = _MENDS.get(name, f"set the {name} of one to the other's first")
                    yield f"{pair} differ in {name}, {value!r} and {declared[name]!r}: {mend}"
            if kind is not mx.gluon.Parameter and not is_constant(member.param) and not (
                kind is type(kept.param) and _alike(extras_of(member.param), extras_of(kept.param))
            ):
                # A kept subclass is no problem: the plain one's path then sees the values that the subclass computes.
                yield (f"{pair} are of different kinds: {member.param!r} would be lost, and what it makes of its "
                       f"values; keep it, to={member.path!r}, or make both alike")  # fmt: skip
            if member.transposed and "row_sparse" in (declaration["stype"], declaration["grad_stype"]):
                yield f"{pair} cannot be transposes of each other where one is row_sparse: build both dense"
            if fixed[member.path] != fixed[kept.path]:
                yield (f"{pair} belong to batch normalizations with scale=True and scale=False, which writes 1 over "
                       f"it: build both alike")  # fmt: skip
        yield from _disagreements(group)
        for member in group.members if values == "average" else ():
            arrays = arrays_of(member.param)
            if arrays and (arrays[0].stype != "default" or numpy.dtype(arrays[0].dtype).kind != "f"):
                yield (f"{member.path!r} has no average: found {arrays[0].stype} {numpy.dtype(arrays[0].dtype).name}, "
                       f"expected dense floating-point numbers; pass values='keep'")  # fmt: skip


def why_fixed(slot: Slot, containers: Dict[Any, str]) -> str:
    """Why a slot cannot take another parameter; empty if it can."""
    if slot.key is None:
        return "it is no attribute of its block, which would make it anew"
    if isinstance(slot.block, mx.gluon.SymbolBlock):
        return f"the graph of its SymbolBlock calls it {slot.param.name!r}"
    held = containers.get(slot.param)
    return f"{held} holds it too, and would go on holding the old one" if held else ""


def merged_shape(group: TieGroup) -> Tuple[Shape, Optional[Member]]:
    """The combined shape of the group, oriented as the kept member; and the first member that contradicts it."""
    shape = shape_of(group.kept.param)
    for member in group.dropped:
        other = shape_of(member.param)
        if other is not None and member.transposed:
            other = other[::-1]
        if not agree(shape, other):
            return shape, member
        if shape is None or other is None:
            shape = other if shape is None else shape
        else:
            shape = tuple(right if left is None else left for left, right in zip(shape, other))
    return shape, None


def _disagreements(group: TieGroup) -> Iterator[str]:
    """Problems with members of different shapes, on different contexts, or with different chosen initializers."""
    shape, against = merged_shape(group)
    if against is not None:
        other = shape_of(against.param) or ()
        mend = "no array has both"
        if not against.transposed and shape is not None and other == shape[::-1]:
            mend = "one is the other's transpose: pass transpose=True"
        transposed = ", transposed," if against.transposed else ""
        yield (f"{against.path!r} and {group.kept.path!r} differ in shape, {shape_text(other)}{transposed} and "
               f"{shape_text(shape)}: {mend}")  # fmt: skip
    elif shape is not None and len(shape) != 2 and any(flip for member in group.members for _, flip in member.places):
        yield (f"{group.members[-1].path!r} and {group.kept.path!r} cannot be transposes of each other: found "
               f"{shape_text(shape)}, expected two dimensions")  # fmt: skip
    placed = [(member.path, contexts_of(member.param)) for member in group.members if contexts_of(member.param)]
    for path, contexts in placed[1:]:
        if contexts != placed[0][1]:
            yield (f"{path!r} and {placed[0][0]!r} live on different contexts, {contexts} and {placed[0][1]}: "
                   f"{backend.reset_method} one of them first")  # fmt: skip
    chosen = [(member.path, member.param.init) for member in group.members if has_chosen_initializer(member.param)]
    for path, init in chosen[1:]:
        first = chosen[0][1]
        if not _alike(*(mx.init.create(item) if isinstance(item, str) else item for item in (init, first))):
            yield (f"{path!r} and {chosen[0][0]!r} have initializers of their own that differ, {_text(init)} and "
                   f"{_text(first)}: give both the same, or set the init of one to None")  # fmt: skip


def has_chosen_initializer(param: Any) -> bool:
    """Whether a user chose the parameter's own initializer, so that it is not the default of the layer's class."""
    init = param.init
    if isinstance(init, str):
        return init not in LAYER_DEFAULTS.get(role_of(param.name), ())
    return init is not None and not is_layer_default(init)


def _text(init: Any) -> str:
    try:
        return init if isinstance(init, str) else init.dumps()
    except (AttributeError, TypeError):  # not an Initializer, or JSON cannot hold an argument
        return type(init).__name__


def _alike(one: Any, other: Any) -> bool:
    """Whether two values are equal. ``==`` of MXNet's initializers only compares arguments of the base class."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, mx.init.Initializer):
        one, other = vars(one), vars(other)
    if isinstance(one, (list, tuple)):
        one, other = dict(enumerate(one)), dict(enumerate(other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, mx.nd.NDArray):
        return bits_of(one) == bits_of(other)
    if isinstance(one, numpy.ndarray):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    return bool(one == other)
