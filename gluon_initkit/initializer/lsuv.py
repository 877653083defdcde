"""`lsuv`: weights scaled layer by layer, until what each layer puts out has deviation 1 (Mishkin and Matas 2016)."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Callable, List, Set, Tuple

from .._mxnet import mx, parameter
from .._mxnet.arrays import arrays_in, classic
from .._mxnet.forward import observed
from .._mxnet.preserve import parameters_of
from .._mxnet.trainer import trainer_objection
from ..display import Column, Table, TableReport, counted, listed, path_column, printable
from ..parameters import matcher, refuse_no_match
from .arguments import count, number
from .dispatch import InitializationError
from .values import flat_values, parameters_with_values, replace_values


@dataclass(frozen=True)
class LsuvRow:
    """What `lsuv` did with one weight: by what `scale` it was multiplied, in how many `iterations`.

    `before` and `after` are the deviations of the layer's output by the old weight and by the new one, when all layers
    before it were scaled. `block` is the class of the layer.
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
    """What `lsuv` returns: a row a scaled weight, in order of execution; ``report['0.weight']`` finds one.

    `kept` are the selected weights that were not scaled: those of a layer that has several (recurrent layers, whose
    output is bounded), and those of a layer that did not run.
    """

    rows: Tuple[LsuvRow, ...]
    kept: Tuple[str, ...] = ()

    def _table(self) -> Table:
        after = [row.after for row in self.rows]
        deviations = f", deviations {min(after):.4g} to {max(after):.4g}" if after else ""
        weights = counted(len(self.kept), "weight is", "weights are")
        footnote = ("info", f"{weights} as before, having no layer of its own that ran: {listed(self.kept)}")
        return Table(f"LSUV: {counted(len(after), 'layer')}{deviations}", _COLUMNS, self.rows,
                     footnotes=(footnote,) if self.kept else ())  # fmt: skip


_COLUMNS = (
    path_column("weight"),
    Column("block", attrgetter("block"), "layer", of_block=True),
    *(Column(key, attrgetter(key), fold="range", number=True) for key in ("before", "after", "scale", "iterations")),
)


def lsuv(net: Any, *inputs: Any, tol: float = 0.01, select: Any = "weight", max_iterations: int = 10) -> LsuvReport:
    """Scale each layer's weight until its output has deviation 1: layer-sequential unit variance.

    Call it after ``ik.initialize(net, mx.init.Orthogonal(), seed=1)``, with a batch of real inputs (Mishkin and Matas
    2016, arXiv:1511.06422). Layers are scaled in the order in which they run, in prediction mode, each on the output of
    the scaled layers before it; with ``activation=`` the output before the activation is measured. A shared weight is
    scaled once, where it runs first. Running statistics stay as they are.

    Parameters
    ----------
    net : Block
        A network whose parameters have values.
    inputs : NDArray
        The arguments of the network's call.
    tol : float
        How far from 1 a deviation may be.
    select : selector
        Which weights; by default all. Of what is selected, arrays of two dimensions or more count.
    max_iterations : int
        How often one weight is scaled at most.

    Raises
    ------
    InitializationError
        A parameter has no values; a layer's output is constant or not finite; it does not come to deviation 1; or a
        Trainer would bring the old values back. Then no weight has changed.

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
    begun: Set[int] = set()
    before_activation: List[Any] = []

    def observer(path: str, block: Any, arguments: Tuple[Any, ...], run: Callable[[], Any]) -> Any:
        if isinstance(block, mx.gluon.nn.Activation):
            before_activation[:] = arrays_in(arguments)
            return run()
        own = {id(parameter.source_of(param)) for param in parameters_of({"": block})} & weights.keys()
        if len(own) != 1 or own <= begun:
            return run()
        begun.update(own)
        param, info = weights[own.pop()]
        deviations: List[float] = []
        scale = 1.0
        while True:
            before_activation.clear()
            output = run()
            values = flat_values(before_activation or arrays_in(output))
            last = float(values.std()) if values.size else 0.0
            row = LsuvRow(info.label, info.aliases, type(block).__name__, (deviations or [last])[0], last, scale,
                          len(deviations))  # fmt: skip
            if abs(last - 1) <= tol:
                rows.append(row)
                return output
            deviations.append(last)
            if not 0 < last < float("inf") or row.iterations == max_iterations:
                raise InitializationError(_refusal(row, deviations))
            scale /= last
            for array in map(classic, parameter.arrays_of(param)):
                array *= 1 / last

    with observed(net, observer, lent=[param for param, _ in weights.values()]):
        with mx.autograd.pause(train_mode=False):
            net(*inputs)
        scaled = [(param, classic(parameter.arrays_of(param)[0])) for param, _ in map(weights.__getitem__, begun)]
    replace_values(scaled)
    done = {row.path for row in rows}
    return LsuvReport(tuple(rows), tuple(info.label for _, info in weights.values() if info.label not in done))


def _refusal(row: LsuvRow, deviations: List[float]) -> str:
    weight = f"{printable(row.block)} with the weight {printable(row.path)}"
    left_out = f"select=lambda info: info.role == 'weight' and info.path != {row.path!r} leaves it out"
    if row.iterations:
        seen = ", ".join(f"{each:.4g}" for each in deviations[-3:])
        return f"the output of {weight} does not come to deviation 1; the last deviations are {seen}.\n{left_out}."
    why = "is the same everywhere" if row.before == 0 else "is not finite"
    return f"the output of {weight} {why}, so that no scale gives it deviation 1.\nGive it other inputs, or {left_out}."
