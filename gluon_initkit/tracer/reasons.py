"""Why each parameter is unresolved, and what to write instead: the records that the one error lists."""

from typing import Any, Dict, Iterable, Optional, Tuple

from .._mxnet import backend, mx
from .._mxnet.layers import constructor_call
from .._mxnet.parameter import allows_deferral
from .._mxnet.tree import blocks_by_path, class_name
from ..display import printable, shape_text
from ..parameters import ParameterInfo
from ..shapes import is_known
from .conflicts import holder_paths
from .errors import Shape, Unresolved
from .resolve import Resolution

__all__ = ["DEFERRED", "NOT_DEFERRABLE", "UNTOLD", "UNTOUCHED", "place_text", "shapes_text", "unresolved"]

DEFERRED = "deferred"
NOT_DEFERRABLE = "its shape is not known, and it may not be deferred"
# MXNet forgets what was pending before it fills: after a failure the parameter is like one that was never initialized.
UNTOUCHED = "initialize was never called on it, or filling it failed"
UNTOLD = "nothing tells its shape: "


def unresolved(found: Resolution, params: Optional[Iterable[Any]] = None) -> Tuple[Unresolved, ...]:
    """The records of these parameters and of those whose shape is in dispute; by default of all that hold no values."""
    blocks = blocks_by_path(found.net)
    if params is None:
        params = [param for param, _, info in found.parameters if info.state != "initialized"]
    chosen = {*map(id, params), *map(id, found.conflict.needed if found.conflict else ())}
    return tuple(
        Unresolved(
            path=info.label,
            shape=info.shape,
            block=class_name(info.block if info.block is not None else type(None)),
            block_path=info.block_path,
            inputs=found.inputs.get(info.block_path),
            fix=_fix(found, blocks, param, info),
            reason=_reason(found, blocks, param, info),
        )
        for param, _, info in found.parameters
        if id(param) in chosen
    )


def _reason(found: Resolution, blocks: Dict[str, Any], param: Any, info: ParameterInfo) -> str:
    conflict, shape = found.conflict, found.shapes[param]
    if conflict is not None and param in conflict.needed:
        earlier = conflict.earlier[param]
        origin = found.observed.origin(info.label, earlier.shape)
        user = f" in {place_text(earlier.block_path)}, given {shapes_text(earlier.inputs)}"
        before = f", {origin}" if origin else user if earlier.inputs else " before"
        return (f"it has to be {shape_text(conflict.needed[param])} in {place_text(conflict.block_path)}, given "
                f"{shapes_text(conflict.inputs)}, and was {shape_text(earlier.shape)}{before}")  # fmt: skip
    if info.state == "uninitialized":
        return UNTOUCHED if is_known(info.shape) or allows_deferral(param) else NOT_DEFERRABLE
    if is_known(shape):
        return DEFERRED
    owner: Any = info.block
    around = [type(blocks[path]) for path in holder_paths(info) if path in blocks]
    if owner is not None and not any(map(backend.infers_shapes, around)):
        lack = "has no infer_shape" if issubclass(owner, mx.gluon.HybridBlock) else "is no HybridBlock"
        return f"{UNTOLD}{class_name(owner)} {lack}"
    if found.stop is not None and param not in found.order:
        return "not reached before the code stopped"
    if _is_unreached(found, info):
        return f"no forward pass reaches {place_text(info.block_path)}"
    if not found.has_inputs or conflict is not None:
        return DEFERRED
    if param not in found.order:
        return f"the forward of {place_text(info.block_path)} does not use it"
    return "its size does not follow from the shapes of the inputs"


def _is_unreached(found: Resolution, info: ParameterInfo) -> bool:
    return bool(found.entered) and found.stop is None and not found.entered & holder_paths(info)


def _fix(found: Resolution, blocks: Dict[str, Any], param: Any, info: ParameterInfo) -> str:
    """What to write instead: the block's constructor, or the parameter's name and axes where that is not known."""
    block, at = blocks.get(info.block_path), f"{info.block_path}: " if info.block_path else ""
    needed = found.conflict.needed if found.conflict else {}
    if _is_unreached(found, info):
        return f"{at}call it in forward, or remove it"
    if found.conflict and param in needed and found.conflict.earlier[param].inputs:
        users = sorted({found.conflict.earlier[param].block_path, found.conflict.block_path})
        if len(users) == 1:
            return f"{at}call it with inputs of one size"
        both = " and ".join(map(place_text, users))
        return f"{both} share it: give them inputs of one size, or parameters of their own"
    if param not in needed and is_known(info.shape):
        return f"{at}{'gluon_initkit.materialize(net)' if info.state == 'deferred' else 'net.initialize(...)'}"
    if block is not None and backend.defers_always(block):
        kind: Any = type(block)
        return f"{at}gluon_initkit.materialize(net, ...), as MXNet 2 defers {class_name(kind)} whatever it is told"
    shapes = {**found.shapes, **needed}
    code = None if block is None or isinstance(block, mx.gluon.SymbolBlock) else constructor_call(block, shapes.get)
    return at + (code or _declaration(block, info, shapes[param]))


def _declaration(block: Any, info: ParameterInfo, shape: Shape) -> str:
    name, known = info.label.rpartition(".")[2], info.shape or (None,) * len(shape or ())
    sizes = [f"axis {axis} is {'?' if size is None else size}"
             for axis, (size, before) in enumerate(zip(shape or (), known))
             if size != before or size is None]  # fmt: skip
    axes = ", ".join([name, *(sizes or ["of no known number of axes"])])
    if isinstance(block, mx.gluon.SymbolBlock):
        return f"{axes}; a SymbolBlock's shapes come from its inputs"
    code = f"{axes}: {backend.declaration_code(name, shape_text(shape))}"
    if isinstance(block, mx.gluon.HybridBlock) and not backend.infers_shapes(type(block)):
        return f"{code}, or an infer_shape(self, ...) that sets self.{name}.shape"
    return code


def place_text(path: str) -> str:
    """A block as messages name it."""
    return printable(path) or "the network"


def shapes_text(shapes: Iterable[Shape]) -> str:
    """The shapes that a block is given."""
    return ", ".join(map(shape_text, shapes))
