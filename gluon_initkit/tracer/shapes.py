"""`resolve_shapes`: every parameter's shape, from the shapes of the inputs, as records; nothing changes."""

from dataclasses import dataclass
from operator import attrgetter
import time
from typing import Any, Optional, Sequence, Tuple

import numpy

from .._mxnet.tree import class_name
from ..display import Column, Table, TableReport, inputs_text, path_column, shape_column, size_text
from ..shapes import is_known
from .diagnosis import error_of
from .resolve import Resolution, resolve

__all__ = ["ShapeReport", "ShapeRow", "resolve_shapes", "shape_report"]

Shape = Optional[Tuple[Optional[int], ...]]


@dataclass(frozen=True)
class ShapeRow:
    """The shape of one parameter.

    Attributes
    ----------
    path, aliases, name, role, dtype
        As in `ParameterInfo`.
    declared : tuple of (int or None), or None
        The shape before; None stands for what was not known.
    shape : tuple of (int or None), or None
        The shape that follows from the inputs.
    state : str
        ``'uninitialized'``, ``'deferred'``, ``'initialized'``, or ``'materialized'`` where that was done just now.
    block, block_path : str
        The class of the block that holds it, ``'nn.Dense'``, and that block's path.
    inputs : tuple of shapes, or None
        What the block is given in a forward pass; None where it is not reached.

    Examples
    --------
    >>> row = ik.resolve_shapes(mx.gluon.nn.Dense(4), (1, 5))["weight"]
    >>> row.declared, row.shape, row.state, row.block, row.inputs
    ((4, None), (4, 5), 'uninitialized', 'nn.Dense', ((1, 5),))
    """

    path: str
    aliases: Tuple[str, ...]
    name: str
    role: str
    dtype: str
    declared: Shape
    shape: Shape
    state: str
    block: str
    block_path: str
    inputs: Optional[Tuple[Shape, ...]]

    @property
    def bytes(self) -> Optional[int]:
        """The size of its values; None where the shape is not known."""
        if not is_known(self.shape):
            return None
        size = numpy.dtype(self.dtype).itemsize
        for each in self.shape or ():
            size *= each or 0
        return size


@dataclass(frozen=True, repr=False)
class ShapeReport(TableReport[ShapeRow]):
    """What `resolve_shapes` and `materialize` return: one row a parameter. ``str()`` is a table, Jupyter shows HTML.

    Attributes
    ----------
    rows : tuple of ShapeRow
        In order of traversal. ``report['features.0.weight']`` finds one, by path or alias.
    seconds : float
        How long it took.
    forward : bool
        Whether a real forward pass was needed.
    notes : tuple of str
        What the network holds in a list or another container, so that it is no part of it, and how to register it; and
        parameters on different contexts, which a forward pass refuses.

    Examples
    --------
    >>> report = ik.resolve_shapes(mx.gluon.nn.Dense(4), (1, 5))
    >>> report["weight"].shape, report.bytes, report.unresolved, report.forward
    ((4, 5), 96, (), False)
    """

    rows: Tuple[ShapeRow, ...]
    seconds: float
    forward: bool = False
    notes: Tuple[str, ...] = ()

    @property
    def unresolved(self) -> Tuple[ShapeRow, ...]:
        """The rows of parameters whose shape is still not known."""
        return tuple(row for row in self.rows if row.bytes is None)

    @property
    def bytes(self) -> int:
        """How many bytes all parameters of known shape have."""
        return sum(row.bytes or 0 for row in self.rows)

    def _table(self) -> Table:
        states = [row.state for row in self.rows]
        counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
        title = f"Shapes: {counts or 'no parameters'}; {size_text(self.bytes)}, in {self.seconds:.3g} s"
        title += " and one forward pass" if self.forward else ""
        return Table(title, _COLUMNS, self.rows, self.notes, _emphasis, first_to_go=("declared",),
                     legend={"changed": "follows from the inputs", "error": "not known"})  # fmt: skip


def resolve_shapes(net: Any, *inputs: Any) -> ShapeReport:
    """Find the shape of every parameter from the shapes of the inputs; nothing is computed, and nothing changes.

    The network's own code is run on arrays that have a shape and no memory, hybridized or not, initialized or not. The
    shapes, and the refusals, are those of a real first forward pass: what is hybridized is inferred over its graph.

    Parameters
    ----------
    net : Block
    *inputs
        The network's arguments, nested as it takes them: arrays, shapes as tuples ``(2, 5)``, shapes with a dtype
        ``((2, 5), 'int32')``, None, or lists of such. A size that is not known is None: ``(None, 5)``.

    Returns
    -------
    ShapeReport
        A parameter of a block that is not reached keeps an unknown shape.

    Raises
    ------
    DeferredInitError
        Two shapes contradict each other, or the network's code needs numbers or fails before all is known; the message
        says where.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4), mx.gluon.nn.Dense(2))
    >>> [(row.path, row.shape) for row in resolve_shapes(net, (1, 5))]
    [('0.weight', (4, 5)), ('0.bias', (4,)), ('1.weight', (2, 4)), ('1.bias', (2,))]
    """
    start = time.perf_counter()
    found = resolve(net, inputs)
    report = shape_report(found, start)
    if found.conflict is not None or (found.stop is not None and report.unresolved):
        raise error_of(found, inputs)
    return report


def shape_report(found: Resolution, start: float, done: Sequence[Any] = (), forward: bool = False) -> ShapeReport:
    """The records of what was found; `done` are the parameters that were materialized."""
    finished = set(map(id, done))
    rows = tuple(
        ShapeRow(
            path=info.label,
            aliases=info.aliases,
            name=info.name,
            role=info.role,
            dtype=info.dtype,
            declared=info.shape,
            shape=found.shapes[param],
            state="materialized" if id(param) in finished else info.state,
            block=class_name(info.block) if info.block is not None else "",
            block_path=info.block_path,
            inputs=found.inputs.get(info.block_path),
        )
        for param, _, info in found.parameters
    )
    return ShapeReport(rows, time.perf_counter() - start, forward, found.notes)


def _emphasis(row: ShapeRow) -> str:
    return "error" if row.bytes is None else ("changed" if row.shape != row.declared else "")


_COLUMNS = (
    path_column(),
    Column("block", attrgetter("block"), of_block=True),
    Column("inputs", lambda row: "not reached" if row.inputs is None else row.inputs, "given", show=inputs_text,
           fold="range", of_block=True),
    shape_column("declared"),
    shape_column(),
    Column("state", attrgetter("state"), hoist=""),
)
