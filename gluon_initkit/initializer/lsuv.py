"""`lsuv` scales each layer's weight until its output has the standard deviation 1."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Callable, List, Set, Tuple

from .._mxnet import mx, parameter
from .._mxnet.arrays import arrays_in, classic
from .._mxnet.forward import observed
from .._mxnet.preserve import parameters_of
from .._mxnet.trainer import trainer_objection
from ..display import Column, Table, TableReport, number_columns, path_column
from ..display.words import counted, listed, printable
from ..parameters import matcher, refuse_no_match
from .arguments import count, number
from .dispatch import InitializationError
from .values import flat_values, parameters_with_values, replace_values


@dataclass(frozen=True)
class LsuvRow:
    """A weight that `lsuv` multiplied by `scale`, in a number of `iterations`.

    `before` and `after` are the deviations of its layer's output before and after this; earlier layers are scaled
    already. `block` is the layer's class.
    """

    path: str
    aliases: Tuple[str, ...]
    block: str
    before: float
    after: float
    scale: float
    iterations: int


@dataclass(frozen=True, repr=False)
class LsuvReport(TableReport[LsuvRow]):
    """The result of `lsuv`: one row per scaled weight, in order of execution; ``report['0.weight']`` finds one.

    `kept` are selected weights that were not scaled. Their layers have several weights (recurrent ones) or did not run.
    """

    rows: Tuple[LsuvRow, ...]
    kept: Tuple[str, ...] = ()

    def _table(self) -> Table:
        after = [row.after for row in self.rows]
        deviations = f", deviations {min(after):.4g} to {max(after):.4g}" if after else ""
        weights = counted(len(self.kept), "weight is", "weights are")
        footnote = ("info", f"{weights} as before, having no layer of its own that ran: {listed(self.kept)}")
        columns = (path_column("weight"), Column("block", attrgetter("block"), "layer", of_block=True),
                   *number_columns("before", "after", "scale", "iterations", fold="range"))  # fmt: skip
        return Table(f"LSUV: {counted(len(after), 'layer')}{deviations}", columns, self.rows,
                     footnotes=(footnote,) if self.kept else ())  # fmt: skip


def lsuv(net: Any, *inputs: Any, tol: float = 0.01, select: Any = "weight", max_iterations: int = 10) -> LsuvReport:
    """Scale each layer's weight until the layer's output has deviation 1 (layer-sequential unit variance).

    Call it after ``ik.initialize(net, mx.init.Orthogonal(), seed=1)``, with a batch of real inputs (Mishkin and Matas
    2016, arXiv:1511.06422). Layers are scaled in order of execution, in prediction mode, so that each gets the output
    of scaled layers. Outputs are measured before an ``activation=``. A shared weight is scaled once, when first used.

    Parameters
    ----------
    net, inputs : Block, NDArray
        A network whose parameters have values, and the arguments of its call.
    tol, max_iterations : float, int
        The allowed distance of a deviation from 1, and how often a weight is scaled at most.
    select : selector
        The weights; by default all. Selected arrays of fewer than two dimensions are ignored.

    Raises
    ------
    InitializationError
        A parameter has no values; a layer's output is constant or not finite, or does not come to deviation 1; or a
        Trainer would restore the old values. No weight is then changed.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(*[mx.gluon.nn.Dense(32, in_units=32, activation="relu") for _ in range(9)])
    >>> report = ik.initialize(net, mx.init.Orthogonal(), seed=1)
    >>> batch = mx.nd.random.uniform(shape=(64, 32)) - 0.5
    >>> report = ik.lsuv(net, batch)
    >>> len(report), all(abs(row.after - 1) < 0.01 for row in report)
    (9, True)
    """
    tol, max_iterations = number("tol", tol, above=0), count("max_iterations", max_iterations)
    selected = matcher(select)
    parameters = parameters_with_values(net, "to scale")
    weights = {id(param): (param, info) for param, info in parameters if len(info.shape or ()) > 1 and selected(info)}
    if not weights:
        refuse_no_match(select, [info for _, info in parameters])
        raise ValueError("no weight of two dimensions or more is selected")
    for param, info in weights.values():
        objection = trainer_objection(param, parameter.contexts_of(param))
        if objection is not None:
            raise InitializationError(f"{printable(info.label)}: {'; '.join(objection)}")
    rows: List[LsuvRow] = []
    visited: Set[int] = set()
    before_activation: List[Any] = []

    def observer(path: str, block: Any, arguments: Tuple[Any, ...], run: Callable[[], Any]) -> Any:
        if isinstance(block, mx.gluon.nn.Activation):
            before_activation[:] = arrays_in(arguments)
            return run()
        layer_weights = {id(parameter.source_of(param)) for param in parameters_of({"": block})} & weights.keys()
        if len(layer_weights) != 1 or layer_weights <= visited:
            return run()
        visited.update(layer_weights)
        param, info = weights[layer_weights.pop()]
        deviations: List[float] = []
        scale = 1.0
        while True:
            before_activation.clear()
            output = run()
            stdev = float(flat_values(before_activation or arrays_in(output)).std())
            row = LsuvRow(info.label, info.aliases, type(block).__name__, (deviations or [stdev])[0], stdev, scale,
                          len(deviations))  # fmt: skip
            if abs(stdev - 1) <= tol:
                rows.append(row)
                return output
            deviations.append(stdev)
            if not 0 < stdev < float("inf") or row.iterations == max_iterations:
                reason = f"is {'not finite' if stdev else 'the same everywhere'}, so that no scale gives it deviation 1"
                advice = f"select=lambda info: info.role == 'weight' and info.path != {info.label!r} leaves it out"
                if row.iterations:
                    recent = ", ".join(f"{value:.4g}" for value in deviations[-3:])
                    reason = f"does not come to deviation 1; the last deviations are {recent}"
                else:
                    advice = f"Give it other inputs, or {advice}"
                raise InitializationError(f"the output of {printable(row.block)} with the weight "
                                          f"{printable(info.label)} {reason}.\n{advice}.")  # fmt: skip
            scale /= stdev
            for array in map(classic, parameter.arrays_of(param)):
                array *= 1 / stdev

    with observed(net, observer, lent=[param for param, _ in weights.values()]):
        with mx.autograd.pause(train_mode=False):
            net(*inputs)
        scaled = [(param, classic(parameter.arrays_of(param)[0])) for param, _ in map(weights.__getitem__, visited)]
    replace_values(scaled)
    paths = {row.path for row in rows}
    return LsuvReport(tuple(rows), tuple(info.label for _, info in weights.values() if info.label not in paths))
