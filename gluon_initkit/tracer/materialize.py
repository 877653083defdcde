"""`resolve_shapes` infers shapes and changes nothing. `materialize` then draws the values, each by the initializer that
was pending; if anything fails, every parameter is as it was before.
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
        The shape before, and the shape that follows from the inputs. None is an unknown dimension or shape.
    state : str
        ``'uninitialized'``, ``'deferred'``, ``'initialized'``, or ``'materialized'`` by this call.
    block, block_path : str
        The class of the block that holds the parameter, ``'nn.Dense'``, and the path of that block.
    inputs : tuple of shapes, or None
        The shapes of the block's inputs in a forward pass; None if no forward pass reaches the block.
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
        """The size of its values; None if the shape is not known."""
        sizes: Any = self.shape
        return math.prod(sizes) * numpy.dtype(self.dtype).itemsize if is_known(sizes) else None


@dataclass(frozen=True, repr=False)
class ShapeReport(TableReport[ShapeRow]):
    """The result of `resolve_shapes` and `materialize`: one row for each parameter. ``str()`` is a table.

    Attributes
    ----------
    rows : tuple of ShapeRow
        In order of traversal. ``report['features.0.weight']`` is the row of a path or alias.
    seconds, forward : float, bool
        The duration, and whether a real forward pass was needed.
    notes : tuple of str
        Blocks and parameters in containers, which Gluon does not register, and how to register them; and parameters on
        different contexts, with which a forward pass fails.
    """

    rows: Tuple[ShapeRow, ...]
    seconds: float
    forward: bool = False
    notes: Tuple[str, ...] = ()

    @property
    def unresolved(self) -> Tuple[ShapeRow, ...]:
        """The rows of the parameters whose shape is still unknown."""
        return tuple(row for row in self.rows if row.bytes is None)

    @property
    def bytes(self) -> int:
        """The size of all parameters of known shape."""
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
    """Infer the shape of every parameter from the shapes of the inputs. Computes nothing and changes nothing.

    The network's own code runs on arrays that have a shape and no memory. The shapes and errors are those of a real
    first forward pass: the shapes of a hybridized block are inferred from its graph.

    Parameters
    ----------
    net : Block
        May be in any state.
    *inputs
        The network's arguments, nested as in a call: arrays, shapes as tuples ``(2, 5)``, shapes with a dtype
        ``((2, 5), 'int32')``, None, or lists of these. An unknown size is None: ``(None, 5)``.

    Returns
    -------
    ShapeReport
        The parameters of a block that no forward pass reaches keep an unknown shape.

    Raises
    ------
    DeferredInitError
        Shapes contradict each other, or the network's code needs numbers or fails before all shapes are known.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4), mx.gluon.nn.Dense(2))
    >>> report = resolve_shapes(net, (1, 5))
    >>> [(row.path, row.shape) for row in report], report["1.weight"].inputs, report.bytes
    ([('0.weight', (4, 5)), ('0.bias', (4,)), ('1.weight', (2, 4)), ('1.bias', (2,))], ((1, 4),), 136)
    """
    start = time.perf_counter()
    resolution = resolve(net, inputs)
    report = _report(resolution, start)
    if resolution.conflict is not None or (resolution.stop is not None and report.unresolved):
        raise error_of(resolution, inputs)
    return report


def materialize(net: Any, *inputs: Any, select: Optional[Selector] = None, run_forward: bool = False) -> ShapeReport:
    """Complete deferred initialization without computing a forward pass.

    After `initialize` with a seed, the values are bit for bit those that a forward pass would draw. It makes no
    cached graph and changes no statistics.

    Parameters
    ----------
    net : Block
        Initialized by `initialize` or by Gluon's own method.
    *inputs
        As in `resolve_shapes`. Not needed if the shapes of all pending parameters are known, as after ``set_data``.
    select : selector, optional
        Which parameters: a glob over paths, a role, a regular expression, a Block class, or a callable. The others stay
        deferred.
    run_forward : bool
        Whether a real forward pass may run if the network's code needs numbers or fails, or if the shapes of a graph
        contradict each other (operators of a graph do not broadcast). It runs in prediction mode, on the given arrays
        or on zeros, and leaves parameters, statistics, attributes, random generators and recording unchanged.

    Returns
    -------
    ShapeReport

    Raises
    ------
    DeferredInitError
        A shape does not follow from the inputs, or contradicts them; the error lists all such parameters. After this
        and any other exception, the network is as it was before.
    ValueError
        `select` selects no parameter.

    Notes
    -----
    With ``run_forward=True``, a network whose own code samples advances MXNet's generator. Several threads may call
    this at once. Gluon's deferred initialization has no lock: materialize a network before several threads run it.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(4)
    >>> net.initialize()
    >>> [(row.path, row.shape, row.state) for row in materialize(net, (1, 5))]
    [('weight', (4, 5), 'materialized'), ('bias', (4,), 'initialized')]
    """
    with _one_at_a_time:
        start = time.perf_counter()
        resolution = resolve(net, inputs)
        chosen = _chosen(resolution, select)
        # A forward pass settles a conflict, unless MXNet would not check the sizes and read beyond an array's memory.
        needed = _unfinishable(resolution, chosen) if resolution.conflict is None else resolution.conflict.checked
        forward = bool(run_forward and inputs and needed)
        if forward:
            _run_forward(net, inputs, resolution)
        unfinishable = _unfinishable(resolution, chosen)
        if unfinishable or resolution.conflict is not None:
            raise error_of(resolution, inputs, params=unfinishable)
        remember_places(net, {param: place for param, place, _ in resolution.parameters if network_of(param) is None})
        with interrupts_held() as released, restoring(list(chosen)), released():
            for param, info in chosen.items():
                with named_memory_errors(info.label, param):
                    finish_deferred(param, resolution.shapes[param])
            for param, info in chosen.items():  # so that an engine's error is raised by this call
                with named_memory_errors(info.label, param):
                    wait_for([*arrays_of(param), *gradients_of(param)])
        for stale in resolution.stale:
            warn(str(stale))
        return _report(resolution, start, chosen, forward)


_one_at_a_time = fork_safe(threading.RLock())  # then a second thread sees the network materialized


def _chosen(resolution: Resolution, select: Optional[Selector]) -> Dict[Any, ParameterInfo]:
    """The parameters to materialize, in the order in which a forward pass would reach them."""
    matches = (lambda info: True) if select is None else matcher(select)
    selected = {param: info for param, _, info in resolution.parameters if matches(info)}
    if select is not None and not selected:
        refuse_no_match(select, [info for _, _, info in resolution.parameters])
        raise ValueError(f"select={show_selector(select)} matches no parameter of the network")
    pending = {param: info for param, info in selected.items() if info.state != "initialized"}
    return {param: pending[param] for param in (*resolution.order, *pending) if param in pending}


def _unfinishable(resolution: Resolution, chosen: Dict[Any, ParameterInfo]) -> List[Any]:
    """The parameters that cannot be finished: their shape is unknown, or no initialization is pending."""
    return [param for param, info in chosen.items()
            if info.state == "uninitialized" or not is_known(resolution.shapes[param])]  # fmt: skip


def _run_forward(net: Any, inputs: Sequence[Any], resolution: Resolution) -> None:
    """Determine the shapes by a real forward pass."""
    contexts = [ctx for param, _, _ in resolution.parameters for ctx in contexts_of(param)]
    ctx = [*map(context_of, arrays_in(inputs)), *contexts, backend.current_context()][0]
    arrays = [as_arrays(argument, ctx) for argument in inputs]
    try:
        shapes, block_inputs = forward_pass(net, arrays)
    except Exception as error:
        path, block = (resolution.stop.block_path, resolution.stop.block) if resolution.stop else ("", type(None))
        line = next(filter(None, last_lines(frames_of(error))), "")
        resolution.stop = Stop(path, block, line, f"a forward pass raised {error_text(error)}")
        if resolution.conflict is not None and not resolution.conflict.disputes:
            resolution.conflict = None  # no parameter is in dispute: the forward pass's own error is clearer
        return
    resolution.stop = resolution.conflict = None
    resolution.inputs, resolution.entered = block_inputs, set(block_inputs)
    resolution.shapes.update(shapes)
    resolution.order += [param for param, _, info in resolution.parameters if info.block_path in block_inputs]


def _report(
    resolution: Resolution, start: float, done: Optional[Dict[Any, ParameterInfo]] = None, forward: bool = False
) -> ShapeReport:
    """The report of the shapes; `done` are the parameters that were materialized."""
    rows = tuple(
        ShapeRow(info.label, info.aliases, info.name, info.role, info.dtype, info.shape, resolution.shapes[param],
                 "materialized" if done and param in done else info.state,
                 class_name(info.block) if info.block is not None else "", info.block_path,
                 resolution.inputs.get(info.block_path))
        for param, _, info in resolution.parameters
    )  # fmt: skip
    return ShapeReport(rows, time.perf_counter() - start, forward, resolution.notes)


_COLUMNS = (
    path_column(),
    Column("block", attrgetter("block"), of_block=True),
    Column("inputs", lambda row: "not reached" if row.inputs is None else row.inputs, "given", show=inputs_text,
           fold="range", of_block=True),
    shape_column("declared"),
    shape_column(),
    Column("state", attrgetter("state"), hoist=""),
)  # fmt: skip
