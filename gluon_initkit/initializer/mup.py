"""`mup` lets a wide network train like a narrow one, and `coordinate_check` shows whether it does."""

from dataclasses import dataclass
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy

from .._mxnet import mx, parameter
from .._mxnet.arrays import arrays_in, classic
from .._mxnet.forward import observed
from .._mxnet.preserve import parameters_of
from ..display import Column, Table, TableReport, new_axes, number_columns, path_column, shape_column
from ..display.words import printable, shape_text
from ..parameters import ParameterInfo, check_block, list_parameters
from ..shapes import is_known
from .arguments import count, number, one_of
from .dispatch import Choice, choose_for
from .distributions import VarianceScaling, channel_axes, distribution_of
from .initialize import initialize
from .initializer import corrected
from .values import flat_values, replace_values


@dataclass(frozen=True)
class MupRow:
    """How one parameter grows with the width: its shape in the network and in the base.

    `kind` is ``'input'`` (outputs grow; also biases), ``'hidden'`` (inputs and outputs grow), ``'output'`` (inputs
    grow), or ``'fixed'``. Values were multiplied by `scale`; the learning rate is multiplied by `lr_mult`.
    """

    path: str
    aliases: Tuple[str, ...]
    shape: Tuple[int, ...]
    base_shape: Tuple[int, ...]
    kind: str
    scale: float
    lr_mult: float


@dataclass(frozen=True, repr=False)
class MupReport(TableReport[MupRow]):
    """The result of `mup`: one row per parameter, in order of traversal; ``report['0.weight']`` finds one.

    `seed` is given or drawn; `optimizer` is ``'adam'`` or ``'sgd'``.
    """

    rows: Tuple[MupRow, ...]
    seed: int
    optimizer: str

    def _table(self) -> Table:
        columns = (path_column(), shape_column(), shape_column("base_shape", "in the base"),
                   Column("kind", attrgetter("kind")), *number_columns("scale", "lr_mult"))  # fmt: skip
        return Table(f"Maximal update parametrization for {self.optimizer}, seed {self.seed}", columns, self.rows)


def mup(
    net: Any, base: Any, wider: Any, init: Any = VarianceScaling(),  # noqa: B008
    seed: Optional[int] = None, optimizer: str = "adam",
) -> MupReport:  # fmt: skip
    """Initialize a network so that the learning rate of a narrow one suits it (maximal update parametrization).

    The same code makes `net`, `base` and `wider`, at different widths. `base` and `wider` are not changed. Their shapes
    must be known, but they need no values. A dimension in which they differ grows with the width. Let a weight have
    ``n`` times the inputs and ``m`` times the outputs that it has in `base`. Then its deviation is the deviation in
    `base` times ``n**-0.5 * min(1, (m/n)**0.5)``, and its `lr_mult` is that in `base` times ``1/n`` for Adam or ``m/n``
    for SGD (Yang et al. 2022, arXiv:2203.03466, Table 3). Make the Trainer before or after: it reads `lr_mult` later.

    Parameters
    ----------
    net, base, wider : Block
        Only `net` is initialized, also if it has values.
    init, seed : Initializer or str, int
        As for `initialize`. Deviations are those of the initializer's distributions. If these are not known (a hook of
        your own, ``Orthogonal``), deviations are assumed to be proportional to ``inputs**-0.5``.
    optimizer : str
        ``'adam'``, also for variants of Adam, or ``'sgd'``.

    Raises
    ------
    ValueError
        The networks have different parameters, or dimensions that do not match; a shape is not known; or one weight is
        both an input and an output weight. Nothing is then changed.

    Examples
    --------
    >>> def mlp(width):
    ...     net = mx.gluon.nn.HybridSequential()
    ...     net.add(mx.gluon.nn.Dense(width, in_units=8), mx.gluon.nn.Dense(width, in_units=width),
    ...             mx.gluon.nn.Dense(2, in_units=width))
    ...     return net
    >>> report = ik.mup(mlp(256), mlp(64), mlp(128), seed=1)
    >>> [(row.path, row.kind, row.scale, row.lr_mult) for row in report if row.path.endswith("weight")]
    [('0.weight', 'input', 1.0, 1.0), ('1.weight', 'hidden', 1.0, 0.25), ('2.weight', 'output', 0.5, 0.25)]
    """
    one_of("optimizer", optimizer, ("adam", "sgd"))
    initializer = corrected(init)
    bases, widers = ({info.label: (param, info) for param, _, info in list_parameters(root)} for root in (base, wider))
    network = list_parameters(net)
    paths = [info.label for _, _, info in network]
    if not paths == list(bases) == list(widers):
        mismatch = next((path for path in {**dict.fromkeys(paths), **bases, **widers}
                         if not (path in paths and path in bases and path in widers)), "the order of all")  # fmt: skip
        raise ValueError(f"net, base and wider do not have the same parameters: {printable(mismatch)} differs")
    rows: List[MupRow] = []
    for param, place, info in network:
        base_param, base_info = bases[info.label]
        inputs, outputs, kind = _growth(info, base_info, widers[info.label][1], bool(place.transposed))
        fan_in_ratio = inputs**-0.5  # net's deviation over base's, by an initializer that goes by the fan-in
        target_ratio = fan_in_ratio * min(1.0, (outputs / inputs) ** 0.5)
        assignment = choose_for(initializer, (param, place, info))
        narrow, wide = (_deviation(assignment, initializer, info, shape) for shape in (base_info.shape, info.shape))
        ratio = fan_in_ratio if narrow is None or wide is None else wide / narrow if narrow and wide else target_ratio
        rate = (1 if optimizer == "adam" else outputs) / inputs
        rows.append(MupRow(info.label, info.aliases, info.shape, base_info.shape,  # type: ignore[arg-type]  # known
                           kind, target_ratio / ratio, base_param.lr_mult * rate))  # fmt: skip
    ctx = next((param.list_ctx() for param, _, _ in network if parameter.arrays_of(param)), None)
    report = initialize(net, init, seed=seed, force_reinit=True, ctx=ctx)
    replace_values([(param, classic(parameter.arrays_of(param)[0]) * row.scale)
                    for (param, _, _), row in zip(network, rows) if row.scale != 1])  # fmt: skip
    for (param, _, _), row in zip(network, rows):
        param.lr_mult = row.lr_mult
    return MupReport(tuple(rows), report.seed, optimizer)


def _growth(
    info: ParameterInfo, base: ParameterInfo, wider: ParameterInfo, transposed: bool
) -> Tuple[float, float, str]:
    """The factors by which a parameter's inputs and outputs exceed those in the base, and its kind."""
    shapes: Any = (info.shape, base.shape, wider.shape)
    in_net, in_base, in_wider = map(shape_text, shapes)
    problem = ""
    if not all(map(is_known, shapes)) or len(set(map(len, shapes))) > 1:
        problem = (f"has the shapes {in_net}, {in_base}, {in_wider} in net, base and wider: expected known shapes of "
                   f"as many dimensions; give the layers their input sizes")  # fmt: skip
    elif info.label.endswith("rnn_param"):
        problem = "holds weights of several kinds in one vector, which have one lr_mult: use cells"
    elif any(size != narrow == wide for size, narrow, wide in zip(*shapes)):
        problem = (f"has the shape {in_net}; base and wider have {in_base} and {in_wider}: what is the same in these "
                   f"must be so in net")  # fmt: skip
    if problem:
        raise ValueError(printable(f"{info.label} {problem}"))
    sizes = list(zip(*shapes))
    grows = [narrow != wide for _, narrow, wide in sizes]
    ratios = [size / narrow if narrow != wide else 1.0 for size, narrow, wide in sizes]
    if len(grows) < 2 or info.role != "weight":
        return 1.0, max(ratios, default=1.0), "input" if any(grows) else "fixed"
    output, into = channel_axes(shapes[0], info)
    both = {"Dense", "Embedding"} <= {kind.__name__ for kind in info.inside}
    if grows[output] != grows[into] and (transposed or (info.aliases and both)):
        raise ValueError(printable(f"{info.label} is shared by an input layer and an output layer, which are scaled "
                                   f"differently; ik.untie(net, {info.label!r}) gives each its own"))  # fmt: skip
    kind = (("fixed", "input"), ("output", "hidden"))[grows[into]][grows[output]]
    return ratios[into], ratios[output], kind


def _deviation(assignment: Any, init: Any, info: ParameterInfo, shape: Any) -> Optional[float]:
    """The deviation of the initializer's distribution for a shape; None if it is not known."""
    if not isinstance(assignment, Choice):
        return None  # `initialize` raises an error that says why
    context = SimpleNamespace(axes=info.axes, global_init=init)
    try:
        distribution = distribution_of(assignment.initializer, assignment.hook, context, shape)
    except ValueError:
        return None  # `initialize` raises an error that says why
    moments = None if distribution is None else distribution.moments()
    return None if moments is None else moments[1]


@dataclass(frozen=True)
class CoordinateRow:
    """How the outputs of one layer, of class `block`, depend on the width.

    `sizes` are the means of ``|output|`` at each width. `slope` is the slope of ``log(size)`` over ``log(width)``: 0 if
    the width does not matter, None if a size is 0 or not finite.
    """

    path: str
    block: str
    sizes: Tuple[float, ...]
    slope: Optional[float]
    aliases: Tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class CoordinateCheck(TableReport[CoordinateRow]):
    """The result of `coordinate_check`: one row per layer, in order of execution; ``check['0']`` finds one by its path.

    `losses` has the loss of each step, for each of the `widths`.
    """

    rows: Tuple[CoordinateRow, ...]
    widths: Tuple[int, ...]
    losses: Tuple[Tuple[float, ...], ...]

    def _table(self) -> Table:
        def size(index: int, width: int) -> Column:
            return Column(f"width {width}", lambda row: row.sizes[index], fold="range", number=True)

        columns = (path_column("layer"), Column("block", attrgetter("block"), "class"),
                   *map(size, range(len(self.widths)), self.widths),
                   *number_columns("slope", show=_slope_text, fold="range"))  # fmt: skip
        steps = len(self.losses[0]) if self.losses else 0
        return Table(f"Mean |output| after {steps} steps", columns, self.rows, blocks=True)

    def plot(self, axes: Optional[Any] = None) -> Any:
        """Plot sizes over widths, one line per layer, labelled with its slope, by default on new axes; return these."""
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
    build: Callable[[int], Any], widths: Sequence[int], step: Callable[[Any, Any], Any], *,
    optimizer: str = "adam", learning_rate: float = 0.01, steps: int = 4, repeats: int = 1,
) -> CoordinateCheck:  # fmt: skip
    """Train networks of several widths for a few steps and measure the outputs of their layers.

    If sizes grow with the width, a wide network needs another learning rate than a narrow one. After `mup` they do not
    grow (Yang et al. 2022, arXiv:2203.03466, appendix D.1). Each block with parameters of its own has a row.

    Parameters
    ----------
    build, widths : callable, sequence of int
        `build` takes a width and returns an initialized network, run un-hybridized. `widths` ascend, two or more.
    step : callable
        Takes a network and its Trainer, makes one step of training and returns the loss. After all steps, outputs are
        measured in prediction mode, on the inputs of the last call of the network.
    optimizer, learning_rate, steps, repeats : str, float, int, int
        The training's settings, and how many networks of each width to train. Sizes are geometric means over these.

    Examples
    --------
    >>> def build(width):
    ...     net = mx.gluon.nn.Dense(width, in_units=4)
    ...     net.initialize(mx.init.Xavier())
    ...     return net
    >>> def step(net, trainer):
    ...     with mx.autograd.record():
    ...         loss = (net(mx.nd.ones((8, 4))) - 1)**2
    ...     loss.backward()
    ...     trainer.step(8)
    ...     return loss
    >>> check = ik.coordinate_check(build, [16, 64], step)
    >>> [row.block for row in check], len(check[""].sizes), len(check.losses[0])
    (['Dense'], 2, 4)
    """
    widths = tuple(count("widths", width) for width in widths)
    if len(widths) < 2 or sorted(set(widths)) != list(widths):
        raise ValueError(f"widths is {widths!r}: expected two or more, in ascending order")
    steps, repeats = count("steps", steps), count("repeats", repeats)
    learning_rate = number("learning_rate", learning_rate, above=0)
    trained = [[_train(build(width), step, optimizer, learning_rate, steps) for _ in range(repeats)]
               for width in widths]  # fmt: skip
    losses = (tuple(float(numpy.mean(values)) for values in zip(*(losses for _, losses in runs))) for runs in trained)
    rows = []
    for key in trained[0][0][0]:
        values = [[sizes[key] for sizes, _ in runs if key in sizes] for runs in trained]
        if all(values):
            with numpy.errstate(divide="ignore", invalid="ignore"):
                logs = numpy.array([numpy.log(sizes).mean() for sizes in values])
            finite = bool(numpy.isfinite(logs).all())
            slope = float(numpy.polyfit(numpy.log(widths), logs, 1)[0]) if finite else None
            rows.append(CoordinateRow(*key, tuple(numpy.exp(logs).tolist()), slope))
    return CoordinateCheck(tuple(rows), widths, tuple(losses))


def _train(
    net: Any, step: Callable[[Any, Any], Any], optimizer: str, learning_rate: float, steps: int
) -> Tuple[Dict[Tuple[str, str], float], List[float]]:
    """The sizes of the outputs of each layer after the steps, and the losses."""
    check_block(net)
    trainer = mx.gluon.Trainer(net.collect_params(), optimizer, {"learning_rate": learning_rate})
    inputs: List[Any] = []
    net.hybridize(False)  # in MXNet 2, the hooks of a hybridized network run in its first call only
    hook = net.register_forward_pre_hook(lambda block, arguments: inputs.__setitem__(slice(None), arguments))
    losses = [float(flat_values(arrays_in(step(net, trainer))).mean()) for _ in range(steps)]
    hook.detach()
    if not inputs:
        raise ValueError("step does not call the network that it gets")
    sizes: Dict[Tuple[str, str], float] = {}

    def observer(path: str, block: Any, arguments: Tuple[Any, ...], run: Callable[[], Any]) -> Any:
        key = path, type(block).__name__
        if parameters_of({"": block}):
            sizes[key] = 0.0  # keys are in the order in which blocks begin
        output = run()
        if key in sizes:
            sizes[key] = float(numpy.abs(flat_values(arrays_in(output))).mean())
        return output

    with observed(net, observer), mx.autograd.pause(train_mode=False):
        net(*inputs)
    return sizes, losses
