"""`resolve_shapes`, which finds shapes and changes nothing, and `materialize`, which then draws the values, each by the
initializer that was pending; if anything fails, every parameter is as it was.
"""

from dataclasses import dataclass
import math
from operator import attrgetter
import threading
import time
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy

from .._mxnet import backend
from .._mxnet.arrays import arrays_in, context_of, wait_for
from .._mxnet.forward import run_forward as forward_pass
from .._mxnet.parameter import arrays_of, contexts_of, gradients_of
from .._mxnet.preserve import fork_safe
from .._mxnet.state import finish_deferred, interrupts_held, restoring
from .._mxnet.tree import class_name, network_of, remember_places
from ..display import Column, Table, TableReport, inputs_text, path_column, shape_column, size_text, warn
from ..parameters import ParameterInfo, Selector, matcher, named_memory_errors, refuse_no_match, show_selector
from ..shapes import Shape, is_known
from .diagnosis import error_of
from .resolve import Resolution, Stop, as_arrays, error_text, resolve
from .source import frames_of, last_lines


@dataclass(frozen=True)
class ShapeRow:
    """The shape of one parameter.

    Attributes
    ----------
    path, aliases, name, role, dtype
        As in `ParameterInfo`.
    declared, shape : tuple of (int or None), or None
        The shape before, and the one that follows from the inputs; None stands for what is not known.
    state : str
        ``'uninitialized'``, ``'deferred'``, ``'initialized'``, or ``'materialized'`` where that was done just now.
    block, block_path : str
        The class of the block that holds it, ``'nn.Dense'``, and that block's path.
    inputs : tuple of shapes, or None
        What the block is given in a forward pass; None where it is not reached.
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
        sizes: Any = self.shape
        return math.prod(sizes) * numpy.dtype(self.dtype).itemsize if is_known(sizes) else None


@dataclass(frozen=True, repr=False)
class ShapeReport(TableReport[ShapeRow]):
    """What `resolve_shapes` and `materialize` return: one row a parameter. ``str()`` is a table, Jupyter shows HTML.

    Attributes
    ----------
    rows : tuple of ShapeRow
        In order of traversal. ``report['features.0.weight']`` finds one, by path or alias.
    seconds, forward : float, bool
        How long it took, and whether a real forward pass was needed.
    notes : tuple of str
        What the network holds in a container, so that it is no part of it, and how to register it; and parameters on
        different contexts, which a forward pass refuses.
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
        return Table(title, _COLUMNS, self.rows, self.notes,
                     lambda row: "error" if row.bytes is None else "changed" if row.shape != row.declared else "",
                     first_to_go=("declared", "block", "inputs"),
                     legend={"changed": "follows from the inputs", "error": "not known"})  # fmt: skip


def resolve_shapes(net: Any, *inputs: Any) -> ShapeReport:
    """Find the shape of every parameter from the shapes of the inputs; nothing is computed, and nothing changes.

    The network's own code is run on arrays that have a shape and no memory, whatever state it is in. The shapes, and
    the refusals, are those of a real first forward pass: what is hybridized is inferred over its graph.

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
        Shapes contradict each other, or the network's code needs numbers or fails before all is known.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4), mx.gluon.nn.Dense(2))
    >>> report = resolve_shapes(net, (1, 5))
    >>> [(row.path, row.shape) for row in report], report["1.weight"].inputs, report.bytes
    ([('0.weight', (4, 5)), ('0.bias', (4,)), ('1.weight', (2, 4)), ('1.bias', (2,))], ((1, 4),), 136)
    """
    start = time.perf_counter()
    found = resolve(net, inputs)
    report = _report(found, start)
    if found.conflict is not None or (found.stop is not None and report.unresolved):
        raise error_of(found, inputs)
    return report


def materialize(net: Any, *inputs: Any, select: Optional[Selector] = None, run_forward: bool = False) -> ShapeReport:
    """Complete deferred initialization without computing a forward pass.

    The values are those that a forward pass would have given, bit for bit under `initialize` with a seed. It makes no
    cached graph and changes no statistics.

    Parameters
    ----------
    net : Block
        Initialized, by `initialize` or by Gluon's own.
    *inputs
        The network's arguments as in `resolve_shapes`. None are needed where every pending parameter has its shape,
        after ``set_data``.
    select : selector, optional
        Which parameters: a glob over paths, a role, a regular expression, a Block class, or a callable. The rest stay
        deferred.
    run_forward : bool
        Whether a real forward pass may be run, in prediction mode, on the arrays given or zeros, where the network's
        code needs numbers or stops, or where a graph, on which no operator broadcasts by itself, contradicts itself.
        It leaves parameters, statistics, attributes, generators and recording as they are.

    Returns
    -------
    ShapeReport

    Raises
    ------
    DeferredInitError
        A shape does not follow from the inputs, or contradicts them; all such parameters are listed. As after any
        exception, everything is as it was.
    ValueError
        `select` selects no parameter.

    Notes
    -----
    A network whose own code samples leaves MXNet's generator advanced by ``run_forward=True``. Several threads may call
    this at once; Gluon's own deferral is not locked: materialize a network before threads run it.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(4)
    >>> net.initialize()
    >>> [(row.path, row.shape, row.state) for row in materialize(net, (1, 5))]
    [('weight', (4, 5), 'materialized'), ('bias', (4,), 'initialized')]
    """
    with _one_at_a_time:
        start = time.perf_counter()
        found = resolve(net, inputs)
        chosen = _chosen(found, select)
        # A forward pass decides, but for what MXNet does not check: there it would read foreign memory.
        needed = _unfinishable(found, chosen) if found.conflict is None else found.conflict.checked
        forward = bool(run_forward and inputs and needed)
        if forward:
            _run_forward(net, inputs, found)
        open_params = _unfinishable(found, chosen)
        if open_params or found.conflict is not None:
            raise error_of(found, inputs, params=open_params)
        remember_places(net, {param: place for param, place, _ in found.parameters if network_of(param) is None})
        with interrupts_held() as released, restoring(list(chosen)), released():
            for param, info in chosen.items():
                with named_memory_errors(info.label, param):
                    finish_deferred(param, found.shapes[param])
            for param, info in chosen.items():  # an engine's error belongs to this call
                with named_memory_errors(info.label, param):
                    wait_for([*arrays_of(param), *gradients_of(param)])
        for stale in found.stale:
            warn(str(stale))
        return _report(found, start, chosen, forward)


_one_at_a_time = fork_safe(threading.RLock())  # a second thread finds the same network materialized


def _chosen(found: Resolution, select: Optional[Selector]) -> Dict[Any, ParameterInfo]:
    """The parameters to do, in the order in which a forward pass would come to them."""
    matches = (lambda info: True) if select is None else matcher(select)
    selected = {param: info for param, _, info in found.parameters if matches(info)}
    if select is not None and not selected:
        refuse_no_match(select, [info for _, _, info in found.parameters])
        raise ValueError(f"select={show_selector(select)} matches no parameter of the network")
    waiting = {param: info for param, info in selected.items() if info.state != "initialized"}
    return {param: waiting[param] for param in (*found.order, *waiting) if param in waiting}


def _unfinishable(found: Resolution, chosen: Dict[Any, ParameterInfo]) -> List[Any]:
    """Those that cannot be finished: a shape is not known, or nothing is pending."""
    return [param for param, info in chosen.items()
            if info.state == "uninitialized" or not is_known(found.shapes[param])]  # fmt: skip


def _run_forward(net: Any, inputs: Sequence[Any], found: Resolution) -> None:
    """Find the shapes by a real forward pass."""
    pending = [ctx for param, _, _ in found.parameters for ctx in contexts_of(param)]
    ctx = [*map(context_of, arrays_in(inputs)), *pending, backend.current_context()][0]
    arrays = [as_arrays(each, ctx) for each in inputs]
    try:
        shapes, given = forward_pass(net, arrays)
    except Exception as error:
        path, block = (found.stop.block_path, found.stop.block) if found.stop else ("", type(None))
        line = next(filter(None, last_lines(frames_of(error))), "")
        found.stop = Stop(path, block, line, f"a forward pass raised {error_text(error)}")
        if found.conflict is not None and not found.conflict.disputes:
            found.conflict = None  # no parameter is in dispute: why the forward pass failed says more
        return
    found.stop = found.conflict = None
    found.inputs, found.entered = given, set(given)
    found.shapes.update(shapes)
    found.order += [param for param, _, info in found.parameters if info.block_path in given]


def _report(
    found: Resolution, start: float, done: Optional[Dict[Any, ParameterInfo]] = None, forward: bool = False
) -> ShapeReport:
    """The records of what was found; `done` are the parameters that were materialized."""
    rows = tuple(
        ShapeRow(info.label, info.aliases, info.name, info.role, info.dtype, info.shape, found.shapes[param],
                 "materialized" if done and param in done else info.state,
                 class_name(info.block) if info.block is not None else "", info.block_path,
                 found.inputs.get(info.block_path))
        for param, _, info in found.parameters
    )  # fmt: skip
    return ShapeReport(rows, time.perf_counter() - start, forward, found.notes)


_COLUMNS = (
    path_column(),
    Column("block", attrgetter("block"), of_block=True),
    Column("inputs", lambda row: "not reached" if row.inputs is None else row.inputs, "given", show=inputs_text,
           fold="range", of_block=True),
    shape_column("declared"),
    shape_column(),
    Column("state", attrgetter("state"), hoist=""),
)  # fmt: skip
