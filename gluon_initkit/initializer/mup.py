"""`mup`: initial scales and learning rates by which a wide network learns as a narrow one does (maximal update)."""

from dataclasses import dataclass
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Dict, List, Optional, Tuple

from .._mxnet.arrays import classic
from .._mxnet.parameter import arrays_of
from ..display import Column, Table, TableReport, path_column, printable, shape_column, shape_text
from ..parameters import ParameterInfo, list_parameters
from ..shapes import is_known
from .arguments import one_of
from .dispatch import Choice, choose, declared_parameters
from .initialize import initialize
from .initializer import corrected
from .initializers import VarianceScaling, channel_axes
from .mxnet_distributions import distribution_of
from .values import replace_values


@dataclass(frozen=True)
class MupRow:
    """How one parameter grows with the width: its shape in the network, and in the base.

    `kind` is ``'input'`` (its outputs grow with the width; biases and the like too), ``'hidden'`` (inputs and outputs
    do), ``'output'`` (its inputs do), or ``'fixed'``. Its initial values were multiplied by `scale`, its learning rate
    is multiplied by `lr_mult`.
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
        return Table(f"Maximal update parametrization for {self.optimizer}, seed {self.seed}", _COLUMNS, self.rows)


_COLUMNS = (
    path_column(),
    shape_column(),
    shape_column("base_shape", "in the base"),
    Column("kind", attrgetter("kind")),
    *(Column(key, attrgetter(key), number=True) for key in ("scale", "lr_mult")),
)


def mup(
    net: Any,
    base: Any,
    wider: Any,
    init: Any = VarianceScaling(),  # noqa: B008
    seed: Optional[int] = None,
    optimizer: str = "adam",
) -> MupReport:
    """Initialize a network so that the learning rate of a narrow one suits it: maximal update parametrization.

    `base` and `wider` are made by the same code as `net`, at two widths; they stay as they are, and need known shapes
    but no values. A dimension in which they differ grows with the width. Where a weight has ``n`` times the inputs that
    it has in the base, and ``m`` times the outputs, its deviation becomes that in the base times
    ``n**-0.5 * min(1, (m/n)**0.5)``, and `lr_mult` that of the base times ``1/n`` for Adam or ``m/n`` for SGD (Yang et
    al. 2022, arXiv:2203.03466, Table 3). At the width of the base nothing is multiplied. The Trainer may be made before
    or afterwards: it reads `lr_mult` at each step.

    Parameters
    ----------
    net : Block
        It is initialized anew.
    base, wider : Block
    init : Initializer or str
        As for `initialize`. Deviations in the base are those that its distributions promise. Where they are not known
        (a hook of your own, ``Orthogonal``), they are taken to be in proportion to ``inputs**-0.5``.
    seed : int, optional
        As for `initialize`.
    optimizer : str
        ``'adam'``, also for its relatives, or ``'sgd'``.

    Returns
    -------
    MupReport

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
    for (_, place, info), declared in zip(listed, declared_parameters(listed)):
        base_param, base_info = bases[info.label]
        growth = _growth(info, base_info, widers[info.label][1], bool(place.transposed))
        assignment = choose(chosen, *declared)
        rows.append(_row(info, base_info, growth, assignment, chosen, base_param.lr_mult, optimizer))
    report = initialize(net, init, seed=seed, force_reinit=True, ctx=_contexts(listed))
    by_path: Dict[str, Any] = {info.label: param for param, _, info in listed}
    replace_values([(by_path[row.path], classic(arrays_of(by_path[row.path])[0]) * row.scale)
                    for row in rows if row.scale != 1])  # fmt: skip
    for row in rows:
        by_path[row.path].lr_mult = row.lr_mult
    return MupReport(tuple(rows), report.seed, optimizer)


_Growth = Tuple[float, float, str]


def _growth(info: ParameterInfo, base: ParameterInfo, wider: ParameterInfo, transposed: bool) -> _Growth:
    """By what the inputs and the outputs of a parameter are more than in the base, and of which kind it is."""
    name = info.label
    shapes: Any = (info.shape, base.shape, wider.shape)
    if not all(map(is_known, shapes)) or len(set(map(len, shapes))) > 1:
        listed = ", ".join(map(shape_text, shapes))
        raise ValueError(printable(f"{name} has the shapes {listed} in net, base and wider: expected known shapes of "
                                   f"as many dimensions; give the layers their input sizes"))  # fmt: skip
    if info.label.endswith("rnn_param"):
        raise ValueError(
            printable(f"{name} holds weights of several kinds in one vector, which have one lr_mult: use cells"))
    ratios = [1.0 if narrow == wide else own / narrow for own, narrow, wide in zip(*shapes)]
    fixed = [own for own, narrow, wide in zip(*shapes) if own != narrow == wide]
    if fixed:
        own, narrow, wide = map(shape_text, shapes)
        raise ValueError(printable(f"{name} has the shape {own}; base and wider have {narrow} and {wide}: what is the "
                                   f"same in these must be so in net"))  # fmt: skip
    grows = [narrow != wide for _, narrow, wide in zip(*shapes)]
    if len(grows) < 2 or info.role != "weight":
        growth = max(ratios, default=1.0)
        return 1.0, growth, "input" if any(grows) else "fixed"
    output, into = channel_axes(shapes[0], info.axes)
    both = {"Dense", "Embedding"} <= {kind.__name__ for kind in info.inside}
    if grows[output] != grows[into] and (transposed or (info.aliases and both)):
        raise ValueError(printable(f"{name} is shared by an input layer and an output layer, which are scaled "
                                   f"differently; ik.untie(net, {name!r}) gives each its own"))  # fmt: skip
    kinds = {(False, True): "input", (True, True): "hidden", (True, False): "output", (False, False): "fixed"}
    return ratios[into], ratios[output], kinds[grows[into], grows[output]]


def _row(
    info: ParameterInfo, base: ParameterInfo, growth: _Growth, assignment: Any, init: Any,
    lr_mult: float, optimizer: str,
) -> MupRow:  # fmt: skip
    inputs, outputs, kind = growth
    usual = inputs**-0.5  # how deviations shrink by an initializer that counts inputs
    wanted = usual * min(1.0, (outputs / inputs) ** 0.5)
    narrow, wide = (_deviation(assignment, init, info, shape) for shape in (base.shape, info.shape))
    drawn = usual if narrow is None or wide is None else wide / narrow if narrow and wide else wanted
    rate = (1 if optimizer == "adam" else outputs) / inputs
    return MupRow(info.label, info.aliases, info.shape, base.shape,  # type: ignore[arg-type]  # they are known
                  kind, wanted / drawn, lr_mult * rate)  # fmt: skip


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


def _contexts(listed: Any) -> Optional[List[Any]]:
    """Where the network lives now, if it has values."""
    held = [param.list_ctx() for param, _, _ in listed if arrays_of(param)]
    return held[0] if held else None
