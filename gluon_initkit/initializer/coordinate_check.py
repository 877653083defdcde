"""`coordinate_check`: whether the outputs of layers keep their size when a network that learns gets wider."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy

from .._mxnet import mx
from .._mxnet.arrays import arrays_in
from .._mxnet.forward import observed
from .._mxnet.preserve import parameters_of
from ..display import Column, Table, TableReport, new_axes, path_column, printable
from ..parameters import check_block
from .arguments import count, number


@dataclass(frozen=True)
class CoordinateRow:
    """How the outputs of one layer, of class `block`, depend on the width.

    `sizes` are the means of ``|output|`` at each width, after the steps. `slope` is that of ``log(size)`` over
    ``log(width)``: 0 where the width does not matter, None where a size is 0 or not finite.
    """

    path: str
    block: str
    sizes: Tuple[float, ...]
    slope: Optional[float]
    aliases: Tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class CoordinateCheck(TableReport[CoordinateRow]):
    """What `coordinate_check` returns: a row a layer, in order of execution; ``check['0']`` finds one by its path.

    `losses` are the losses of each step, for each of the `widths`.
    """

    rows: Tuple[CoordinateRow, ...]
    widths: Tuple[int, ...]
    losses: Tuple[Tuple[float, ...], ...]

    def _table(self) -> Table:
        def size(index: int) -> Column:
            return Column(f"width {self.widths[index]}", lambda row: row.sizes[index], fold="range", number=True)

        columns = (
            path_column("layer"),
            Column("block", attrgetter("block"), "class"),
            *map(size, range(len(self.widths))),
            Column("slope", attrgetter("slope"), show=_slope_text, fold="range", number=True),
        )
        steps = len(self.losses[0]) if self.losses else 0
        return Table(f"Mean |output| after {steps} steps", columns, self.rows, blocks=True)

    def plot(self, axes: Optional[Any] = None) -> Any:
        """Plot sizes over widths, a line a layer, named with its slope; on new axes by default. Returns the axes."""
        axes = new_axes(1, 1, height=3.4)[0] if axes is None else axes
        for row in self.rows:
            slope = "" if row.slope is None else f" ({_slope_text(row.slope)})"
            axes.plot(self.widths, row.sizes, marker="o", markersize=3, label=printable(row.path or "network") + slope)
        axes.set_xscale("log", base=2)
        axes.set(yscale="log", xlabel="width")
        axes.set_title(self._table().title, loc="left", fontsize="medium")
        axes.grid(color="0.9", linewidth=0.6)
        axes.legend(fontsize="small", edgecolor="none", title="layer (slope)", title_fontsize="small")
        return axes


def _slope_text(slope: Any) -> str:
    return f"{slope:+.2f}" if isinstance(slope, float) else slope or ""


def coordinate_check(
    build: Callable[[int], Any],
    widths: Sequence[int],
    step: Callable[[Any, Any], Any],
    *,
    optimizer: str = "adam",
    learning_rate: float = 0.01,
    steps: int = 4,
    repeats: int = 1,
) -> CoordinateCheck:
    """Train networks of several widths for a few steps and measure the outputs of their layers.

    Where sizes grow with the width, a wide network needs another learning rate than a narrow one; after `mup` they do
    not (Yang et al. 2022, arXiv:2203.03466, appendix D.1).

    Parameters
    ----------
    build : callable
        Gets a width and returns an initialized network. It runs un-hybridized.
    widths : sequence of int
        Two or more, in ascending order.
    step : callable
        Gets a network and its Trainer, makes one step of training and returns the loss. Outputs are measured
        afterwards, in prediction mode, on the inputs of its last call of the network.
    optimizer : str
    learning_rate : float
    steps : int
    repeats : int
        How many networks of each width are built; sizes are their geometric mean.

    Returns
    -------
    CoordinateCheck
        A row for each block with parameters of its own.

    Examples
    --------
    >>> def build(width):
    ...     net = mx.gluon.nn.HybridSequential()
    ...     net.add(mx.gluon.nn.Dense(width, in_units=4), mx.gluon.nn.Dense(1, in_units=width))
    ...     report = ik.initialize(net, mx.init.Xavier(), seed=1)
    ...     return net
    >>> x = mx.nd.ones((8, 4))
    >>> def step(net, trainer):
    ...     with mx.autograd.record():
    ...         loss = (net(x) - 1)**2
    ...     loss.backward()
    ...     trainer.step(8)
    ...     return loss
    >>> check = ik.coordinate_check(build, [16, 64], step)
    >>> [row.path for row in check], len(check["1"].sizes), len(check.losses[0])
    (['0', '1'], 2, 4)
    """
    widths = tuple(count("widths", width) for width in widths)
    if len(widths) < 2 or sorted(set(widths)) != list(widths):
        raise ValueError(f"widths is {widths!r}: expected two or more, in ascending order")
    steps, repeats = count("steps", steps), count("repeats", repeats)
    learning_rate = number("learning_rate", learning_rate, above=0)
    sizes: Dict[Tuple[str, str], List[List[float]]] = {}
    losses: List[Tuple[float, ...]] = []
    for width in widths:
        trained = [_train(build(width), step, optimizer, learning_rate, steps) for _ in range(repeats)]
        for key in trained[0][0]:
            sizes.setdefault(key, []).append([found[key] for found, _ in trained if key in found])
        losses.append(tuple(float(numpy.mean(each)) for each in zip(*(loss for _, loss in trained))))
    rows = [_row(key, values, widths) for key, values in sizes.items() if len(values) == len(widths)]
    return CoordinateCheck(tuple(rows), widths, tuple(losses))


def _train(
    net: Any, step: Callable[[Any, Any], Any], optimizer: str, learning_rate: float, steps: int
) -> Tuple[Dict[Tuple[str, str], float], List[float]]:
    """The sizes of the outputs of each layer after the steps, and the losses."""
    check_block(net)
    trainer = mx.gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": learning_rate})
    inputs: List[Any] = []
    net.hybridize(False)  # the hooks of a hybridized network see its first call alone in MXNet 2
    hook = net.register_forward_pre_hook(lambda block, arguments: inputs.__setitem__(slice(None), arguments))
    losses = [_mean(arrays_in(step(net, trainer))) for _ in range(steps)]
    hook.detach()
    if not inputs:
        raise ValueError("step does not call the network that it gets")
    sizes: Dict[Tuple[str, str], float] = {}

    def observer(path: str, block: Any, arguments: Tuple[Any, ...], run: Callable[[], Any]) -> Any:
        key = path, type(block).__name__
        if parameters_of({"": block}):
            sizes[key] = 0.0  # its place is that of its begin
        output = run()
        if key in sizes:
            sizes[key] = _mean(arrays_in(output), numpy.abs)
        return output

    with observed(net, observer), mx.autograd.pause(train_mode=False):
        net(*inputs)
    return sizes, losses


def _mean(arrays: Sequence[Any], of: Callable[[Any], Any] = numpy.asarray) -> float:
    """The mean of all values, or of a function of them, in float64; NaN where there is none."""
    values = [of(array.asnumpy().astype(numpy.float64)).reshape(-1) for array in arrays]
    return float(numpy.concatenate(values).mean()) if values else float("nan")


def _row(key: Tuple[str, str], values: List[List[float]], widths: Tuple[int, ...]) -> CoordinateRow:
    with numpy.errstate(divide="ignore", invalid="ignore"):
        logs = numpy.array([numpy.log(each).mean() for each in values])
    known = bool(numpy.isfinite(logs).all())
    slope = float(numpy.polyfit(numpy.log(widths), logs, 1)[0]) if known else None
    return CoordinateRow(*key, tuple(numpy.exp(logs).tolist()), slope)
