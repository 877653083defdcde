"""`materialize`: deferred initialization completed without a forward pass, or not at all.

Shapes first, all of them; then the values, each drawn by whatever was pending; whatever fails, every parameter is as it
was, and a corrected second try finds what was pending.
"""

import threading
import time
from typing import Any, List, Optional, Sequence

from .._mxnet import backend
from .._mxnet.arrays import wait_for
from .._mxnet.forward import run_forward as forward_pass
from .._mxnet.interrupts import interrupts_held
from .._mxnet.parameter import arrays_of, contexts_of, gradients_of
from .._mxnet.preserve import fork_safe
from .._mxnet.state import finish_deferred, restoring
from .._mxnet.tree import network_of, remember_places
from ..display import warn
from ..parameters import Selector, matcher, named_memory_errors, refuse_no_match, show_selector
from ..shapes import is_known
from .diagnosis import error_of
from .inputs import as_arrays, contexts_in
from .resolve import Resolution, forward_stop, resolve
from .shapes import ShapeReport, shape_report

__all__ = ["materialize"]


def materialize(net: Any, *inputs: Any, select: Optional[Selector] = None, run_forward: bool = False) -> ShapeReport:
    """Complete deferred initialization without computing a forward pass.

    The values are those that a forward pass would have given, bit for bit under `initialize` with a seed; what a
    forward pass leaves besides (cached graphs, statistics) does not come about.

    Parameters
    ----------
    net : Block
        Initialized, by `initialize` or by Gluon's own.
    *inputs
        The network's arguments as in `resolve_shapes`: arrays or shapes, nested as the network takes them. None are
        needed where every pending parameter has its shape, after ``set_data``.
    select : selector, optional
        Which parameters: a glob over paths, a role, a regular expression, a Block class, or a callable. The rest stay
        deferred.
    run_forward : bool
        Whether a real forward pass may be run where the network's code needs numbers or stops, or where a graph, on
        which no operator broadcasts by itself, contradicts itself: in prediction mode, on the arrays given or zeros.
        Parameters, statistics, attributes, generators and recording are untouched by it.

    Returns
    -------
    ShapeReport

    Raises
    ------
    DeferredInitError
        A shape does not follow from the inputs, or contradicts them; all such parameters are listed. Everything is
        then as it was, as after any other exception.
    ValueError
        `select` selects no parameter.

    Notes
    -----
    MXNet counts the draws of its generator only forwards: a network whose own code samples in a forward pass of
    ``run_forward=True`` leaves it advanced. Several threads may call this at once; Gluon's own deferral is not locked:
    materialize a network before threads run it.

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
        _finish(found, chosen)
        for stale in found.stale:
            warn(str(stale))
        return shape_report(found, start, chosen, forward)


_one_at_a_time = fork_safe(threading.RLock())  # a second thread that asks for the same network finds it done


def _chosen(found: Resolution, select: Optional[Selector]) -> List[Any]:
    """The parameters to do, in the order in which a forward pass would come to them."""
    matches = (lambda info: True) if select is None else matcher(select)
    selected = [(param, info) for param, _, info in found.parameters if matches(info)]
    if select is not None and not selected:
        refuse_no_match(select, [info for _, _, info in found.parameters])
        raise ValueError(f"select={show_selector(select)} matches no parameter of the network")
    position = {id(param): number for number, param in enumerate(found.order)}
    waiting = [param for param, info in selected if info.state != "initialized"]
    return sorted(waiting, key=lambda param: position.get(id(param), len(position)))


def _unfinishable(found: Resolution, chosen: Sequence[Any]) -> List[Any]:
    """Those that cannot be finished: a shape is not known, or nothing is pending."""
    untouched = {id(param) for param, _, info in found.parameters if info.state == "uninitialized"}
    return [each for each in chosen if id(each) in untouched or not is_known(found.shapes[each])]


def _run_forward(net: Any, inputs: Sequence[Any], found: Resolution) -> None:
    """Find the shapes by a real forward pass."""
    pending = [ctx for param, _, _ in found.parameters for ctx in contexts_of(param)]
    ctxs = [*contexts_in(inputs), *pending, backend.current_context()]
    arrays = [as_arrays(each, ctxs[0]) for each in inputs]
    try:
        shapes, given = forward_pass(net, arrays)
    except Exception as error:
        found.stop = forward_stop(error, found.stop)
        if found.conflict is not None and not found.conflict.needed:
            found.conflict = None  # no parameter is in dispute: why the forward pass failed says more
        return
    found.stop = found.conflict = None
    found.inputs, found.entered = given, set(given)
    known = set(map(id, found.order))
    for param, _, info in found.parameters:
        found.shapes[param] = shapes.get(param, found.shapes[param])
        if id(param) not in known and info.block_path in given:
            found.order.append(param)


def _finish(found: Resolution, chosen: Sequence[Any]) -> None:
    remember_places(found.net, {param: place for param, place, _ in found.parameters if network_of(param) is None})
    labels = {id(param): info.label for param, _, info in found.parameters}
    with interrupts_held() as released, restoring(chosen), released():
        for param in chosen:
            with named_memory_errors(labels[id(param)], param):
                finish_deferred(param, found.shapes[param])
        for param in chosen:  # an engine's error belongs to this call
            with named_memory_errors(labels[id(param)], param):
                wait_for([*arrays_of(param), *gradients_of(param)])
