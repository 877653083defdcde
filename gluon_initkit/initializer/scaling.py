"""Scales beyond what is drawn: `lsuv`, by which each layer's output has deviation 1; `mup`, by which a wide network
learns as a narrow one does; and `coordinate_check`, which shows whether it does.
"""

from dataclasses import dataclass
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

import numpy

from .._mxnet import mx, parameter
from .._mxnet.arrays import arrays_in, classic
from .._mxnet.forward import observed
from .._mxnet.preserve import parameters_of
from .._mxnet.trainer import trainer_objection
from ..display import Column, Table, TableReport, new_axes, path_column, shape_column
from ..display.words import counted, listed, printable, shape_text
from ..parameters import ParameterInfo, check_block, list_parameters, matcher, refuse_no_match
from ..shapes import is_known
from .arguments import count, number, one_of
from .dispatch import Choice, InitializationError, choose_for
from .distributions import VarianceScaling, channel_axes, distribution_of
from .initialize import initialize
from .initializer import corrected
from .values import flat_values, parameters_with_values, replace_values


@dataclass(frozen=True)
class LsuvRow:
    """What `lsuv` did with one weight: by what `scale` it was multiplied, in how many `iterations`.

    `before` and `after` are the deviations of its layer's output, when all layers before were scaled; `block` is the
    layer's class.
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

    `kept` are selected weights that were not scaled: of layers with several (recurrent ones), or that did not run.
    """

    rows: Tuple[LsuvRow, ...]
    kept: Tuple[str, ...] = ()

    def _table(self) -> Table:
        after = [row.after for row in self.rows]
        deviations = f", deviations {min(after):.4g} to {max(after):.4g}" if after else ""
        weights = counted(len(self.kept), "weight is", "weights are")
        footnote = ("info", f"{weights} as before, having no layer of its own that ran: {listed(self.kept)}")
        columns = (path_column("weight"), Column("block", attrgetter("block"), "layer", of_block=True),
                   *_numbers("before", "after", "scale", "iterations", fold="range"))  # fmt: skip
        return Table(f"LSUV: {counted(len(after), 'layer')}{deviations}", columns, self.rows,
                     footnotes=(footnote,) if self.kept else ())  # fmt: skip


def _numbers(*keys: str, **options: Any) -> List[Column]:
    return [Column(key, attrgetter(key), number=True, **options) for key in keys]


def lsuv(net: Any, *inputs: Any, tol: float = 0.01, select: Any = "weight", max_iterations: int = 10) -> LsuvReport:
    """Scale each layer's weight until its output has deviation 1: layer-sequential unit variance.

    Call it after ``ik.initialize(net, mx.init.Orthogonal(), seed=1)``, with a batch of real inputs (Mishkin and Matas
    2016, arXiv:1511.06422). Layers are scaled as they run in prediction mode, each on the output of the scaled ones
    before it, measured before an ``activation=``. A shared weight is scaled once, where it runs first.

    Parameters
    ----------
    net, inputs : Block, NDArray
        A network whose parameters have values, and the arguments of its call.
    tol, max_iterations : float, int
        How far from 1 a deviation may be, and how often one weight is scaled at most.
    select : selector
        Which weights; by default all. Of what is selected, arrays of two dimensions or more count.

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
            last = float(flat_values(before_activation or arrays_in(output)).std())
            row = LsuvRow(info.label, info.aliases, type(block).__name__, (deviations or [last])[0], last, scale,
                          len(deviations))  # fmt: skip
            if abs(last - 1) <= tol:
                rows.append(row)
                return output
            deviations.append(last)
            if not 0 < last < float("inf") or row.iterations == max_iterations:
                why = f"is {'not finite' if last else 'the same everywhere'}, so that no scale gives it deviation 1"
                mend = f"select=lambda info: info.role == 'weight' and info.path != {info.label!r} leaves it out"
                if row.iterations:
                    seen = ", ".join(f"{each:.4g}" for each in deviations[-3:])
                    why = f"does not come to deviation 1; the last deviations are {seen}"
                else:
                    mend = f"Give it other inputs, or {mend}"
                raise InitializationError(f"the output of {printable(row.block)} with the weight "
                                          f"{printable(info.label)} {why}.\n{mend}.")  # fmt: skip
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


@dataclass(frozen=True)
class MupRow:
    """How one parameter grows with the width: its shape in the network, and in the base.

    `kind` is ``'input'`` (its outputs grow; biases too), ``'hidden'`` (inputs and outputs do), ``'output'`` (its inputs
    do), or ``'fixed'``. Its values were multiplied by `scale`, its learning rate is multiplied by `lr_mult`.
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
    """What `mup` returns: a row a parameter, in order of traversal; ``report['0.weight']`` finds one.

    `seed` is given or drawn; `optimizer` is ``'adam'`` or ``'sgd'``.
    """

    rows: Tuple[MupRow, ...]
    seed: int
    optimizer: str

    def _table(self) -> Table:
        columns = (path_column(), shape_column(), shape_column("base_shape", "in the base"),
                   Column("kind", attrgetter("kind")), *_numbers("scale", "lr_mult"))  # fmt: skip
        return Table(f"Maximal update parametrization for {self.optimizer}, seed {self.seed}", columns, self.rows)


def mup(
    net: Any, base: Any, wider: Any, init: Any = VarianceScaling(),  # noqa: B008
    seed: Optional[int] = None, optimizer: str = "adam",
) -> MupReport:  # fmt: skip
    """Initialize a network so that the learning rate of a narrow one suits it: maximal update parametrization.

    `base` and `wider` are made by the same code as `net`, at two widths; they stay as they are, and need known shapes
    but no values. A dimension in which they differ grows with the width. Where a weight has ``n`` times the inputs that
    it has in the base, and ``m`` times the outputs, its deviation becomes that in the base times
    ``n**-0.5 * min(1, (m/n)**0.5)``, and `lr_mult` that of the base times ``1/n`` for Adam or ``m/n`` for SGD (Yang et
    al. 2022, arXiv:2203.03466, Table 3). The Trainer may be made before or afterwards: it reads `lr_mult` at each step.

    Parameters
    ----------
    net, base, wider : Block
        The first is initialized anew.
    init, seed : Initializer or str, int
        As for `initialize`. Deviations in the base are those that its distributions promise. Where they are not known
        (a hook of your own, ``Orthogonal``), they are taken to be in proportion to ``inputs**-0.5``.
    optimizer : str
        ``'adam'``, also for its relatives, or ``'sgd'``.

    Raises
    ------
    ValueError
        The three networks have other parameters, or dimensions that do not fit; a shape is not known; or one weight is
        both an input and an output weight. Nothing has changed then.

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
    chosen = corrected(init)
    bases, widers = ({info.label: (param, info) for param, _, info in list_parameters(each)} for each in (base, wider))
    listed = list_parameters(net)
    paths = [info.label for _, _, info in listed]
    if not paths == list(bases) == list(widers):
        other = next((path for path in {**dict.fromkeys(paths), **bases, **widers}
                      if not (path in paths and path in bases and path in widers)), "the order of all")  # fmt: skip
        raise ValueError(f"net, base and wider do not have the same parameters: {printable(other)} differs")
    rows: List[MupRow] = []
    for param, place, info in listed:
        base_param, base_info = bases[info.label]
        inputs, outputs, kind = _growth(info, base_info, widers[info.label][1], bool(place.transposed))
        usual = inputs**-0.5  # how deviations shrink by an initializer that counts inputs
        wanted = usual * min(1.0, (outputs / inputs) ** 0.5)
        assignment = choose_for(chosen, (param, place, info))
        narrow, wide = (_deviation(assignment, chosen, info, shape) for shape in (base_info.shape, info.shape))
        drawn = usual if narrow is None or wide is None else wide / narrow if narrow and wide else wanted
        rate = (1 if optimizer == "adam" else outputs) / inputs
        rows.append(MupRow(info.label, info.aliases, info.shape, base_info.shape,  # type: ignore[arg-type]  # known
                           kind, wanted / drawn, base_param.lr_mult * rate))  # fmt: skip
    ctx = next((param.list_ctx() for param, _, _ in listed if parameter.arrays_of(param)), None)
    report = initialize(net, init, seed=seed, force_reinit=True, ctx=ctx)
    replace_values([(param, classic(parameter.arrays_of(param)[0]) * row.scale)
                    for (param, _, _), row in zip(listed, rows) if row.scale != 1])  # fmt: skip
    for (param, _, _), row in zip(listed, rows):
        param.lr_mult = row.lr_mult
    return MupReport(tuple(rows), report.seed, optimizer)


def _growth(
    info: ParameterInfo, base: ParameterInfo, wider: ParameterInfo, transposed: bool
) -> Tuple[float, float, str]:
    """By what the inputs and the outputs of a parameter are more than in the base, and of which kind it is."""
    shapes: Any = (info.shape, base.shape, wider.shape)
    own, narrow, wide = map(shape_text, shapes)
    problem = ""
    if not all(map(is_known, shapes)) or len(set(map(len, shapes))) > 1:
        problem = (f"has the shapes {own}, {narrow}, {wide} in net, base and wider: expected known shapes of as many "
                   f"dimensions; give the layers their input sizes")  # fmt: skip
    elif info.label.endswith("rnn_param"):
        problem = "holds weights of several kinds in one vector, which have one lr_mult: use cells"
    elif any(in_net != in_base == in_wider for in_net, in_base, in_wider in zip(*shapes)):
        problem = (f"has the shape {own}; base and wider have {narrow} and {wide}: what is the same in these must be "
                   f"so in net")  # fmt: skip
    if problem:
        raise ValueError(printable(f"{info.label} {problem}"))
    sizes = list(zip(*shapes))
    grows = [in_base != in_wider for _, in_base, in_wider in sizes]
    ratios = [in_net / in_base if more else 1.0 for (in_net, in_base, _), more in zip(sizes, grows)]
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
    """The deviation that the initializer promises at a shape; None where that is not known."""
    if not isinstance(assignment, Choice):
        return None  # `initialize` says why nobody fills it
    context = SimpleNamespace(axes=info.axes, global_init=init)
    try:
        distribution = distribution_of(assignment.initializer, assignment.hook, context, shape)
    except ValueError:
        return None  # `initialize` says why it cannot fill such a shape
    moments = None if distribution is None else distribution.moments()
    return None if moments is None else moments[1]


@dataclass(frozen=True)
class CoordinateRow:
    """How the outputs of one layer, of class `block`, depend on the width.

    `sizes` are the means of ``|output|`` at each width. `slope` is that of ``log(size)`` over ``log(width)``: 0 where
    the width does not matter, None where a size is 0 or not finite.
    """

    path: str
    block: str
    sizes: Tuple[float, ...]
    slope: Optional[float]
    aliases: Tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class CoordinateCheck(TableReport[CoordinateRow]):
    """What `coordinate_check` returns: a row a layer, in order of execution; ``check['0']`` finds one by its path.

    `losses` are those of each step, for each of the `widths`.
    """

    rows: Tuple[CoordinateRow, ...]
    widths: Tuple[int, ...]
    losses: Tuple[Tuple[float, ...], ...]

    def _table(self) -> Table:
        def size(index: int, width: int) -> Column:
            return Column(f"width {width}", lambda row: row.sizes[index], fold="range", number=True)

        columns = (path_column("layer"), Column("block", attrgetter("block"), "class"),
                   *map(size, range(len(self.widths)), self.widths),
                   *_numbers("slope", show=_slope_text, fold="range"))  # fmt: skip
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
    build: Callable[[int], Any], widths: Sequence[int], step: Callable[[Any, Any], Any], *,
    optimizer: str = "adam", learning_rate: float = 0.01, steps: int = 4, repeats: int = 1,
) -> CoordinateCheck:  # fmt: skip
    """Train networks of several widths for a few steps and measure the outputs of their layers.

    Where sizes grow with the width, a wide network needs another learning rate than a narrow one; after `mup` they do
    not (Yang et al. 2022, arXiv:2203.03466, appendix D.1). Each block with parameters of its own has a row.

    Parameters
    ----------
    build, widths : callable, sequence of int
        Gets each of two or more ascending widths, and returns an initialized network. It runs un-hybridized.
    step : callable
        Gets a network and its Trainer, makes one step of training and returns the loss. Outputs are measured
        afterwards, in prediction mode, on the inputs of its last call of the network.
    optimizer, learning_rate, steps, repeats : str, float, int, int
        Of the training; and how many networks of each width are trained. Sizes are their geometric mean.

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
    losses = (tuple(float(numpy.mean(each)) for each in zip(*(losses for _, losses in runs))) for runs in trained)
    rows = []
    for key in trained[0][0][0]:
        values = [[sizes[key] for sizes, _ in runs if key in sizes] for runs in trained]
        if all(values):
            with numpy.errstate(divide="ignore", invalid="ignore"):
                logs = numpy.array([numpy.log(each).mean() for each in values])
            known = bool(numpy.isfinite(logs).all())
            slope = float(numpy.polyfit(numpy.log(widths), logs, 1)[0]) if known else None
            rows.append(CoordinateRow(*key, tuple(numpy.exp(logs).tolist()), slope))
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
    losses = [float(flat_values(arrays_in(step(net, trainer))).mean()) for _ in range(steps)]
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
            sizes[key] = float(numpy.abs(flat_values(arrays_in(output))).mean())
        return output

    with observed(net, observer), mx.autograd.pause(train_mode=False):
        net(*inputs)
    return sizes, losses
