"""`summary`: a network's blocks with their output shapes, parameters, multiply-adds and bytes of activations.

Nothing is computed. The network's own code runs on arrays without memory (`resolve`), and the operators are counted.
"""

from collections import Counter
from dataclasses import dataclass, field, fields, replace
import json
import math
from operator import attrgetter
import re
from typing import Any, Callable, ClassVar, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy

from ..display import AtLeast, Column, Table, TableReport, find_row, inputs_text, size_text
from ..parameters import check_block
from ..shapes import is_known
from .inspect import inspect
from .records import ParameterRecord, Totals, counted_elsewhere, sum_of, totals_of
from .report import chosen_columns

Shape = Optional[Tuple[Optional[int], ...]]
_Rule = Callable[[Any], int]  # from an operator to its multiply-adds


@dataclass(frozen=True)
class SummaryRow:
    """One block with all blocks inside it, or one operator of a SymbolBlock.

    Attributes
    ----------
    path, block : str
        The path, ``''`` for the network itself; the name of the class, or of the operator.
    depth, calls : int
        Number of blocks around it, and number of calls in one forward pass.
    output_shapes : tuple of shapes
        Shapes of the arrays that its first call returns; empty if it is not called. `output_shape` is the first.
    parameters : int
        Number of values of its parameters. Shared values count in the row where they appear first.
    share : float
        `parameters` divided by the network's total, from 0 to 1.
    macs, activation_bytes : int
        Multiply-adds of all calls, and bytes of its operators' outputs, which training keeps for the backward pass.
    columns : dict
        Values of the extra ``columns=`` of `summary`, by key.
    aliases : tuple of str
        The other paths of a block that has several.

    A number is an `AtLeast` if a part of it is unknown.
    """

    path: str
    depth: int
    block: str
    output_shapes: Tuple[Shape, ...]
    parameters: int
    share: float
    macs: int
    activation_bytes: int
    calls: int
    columns: Dict[str, Any] = field(default_factory=dict)
    aliases: Tuple[str, ...] = ()

    @property
    def output_shape(self) -> Shape:
        """The first of `output_shapes`; None if there is none."""
        return self.output_shapes[0] if self.output_shapes else None


@dataclass(frozen=True, repr=False)
class Summary(TableReport[SummaryRow]):
    """The result of `summary`, with a row for each block. ``str()`` is a table that shows equal neighbours as one row.

    Attributes
    ----------
    rows : tuple of SummaryRow
        The blocks in order of traversal, the network itself first. ``summary['features.0']`` finds a row.
    source : str
        The network's class and its inputs.
    totals : Totals
        Totals of its parameters.
    uncounted : dict
        Number of calls of each operator whose multiply-adds are unknown: ``{'_foreach': 1}``.
    extra : tuple of Column
        The columns of ``columns=``.

    Examples
    --------
    >>> summary = ik.summary(mx.gluon.nn.Dense(4), (1, 5))
    >>> summary.parameters, summary.macs, summary.activation_bytes, summary.rows[0].output_shape
    (24, 20, 16, (1, 4))
    """

    COLUMNS: ClassVar[Tuple[Column, ...]]
    rows: Tuple[SummaryRow, ...]
    source: str
    totals: Totals
    uncounted: Dict[str, int] = field(default_factory=dict)
    extra: Tuple[Column, ...] = ()

    def __getitem__(self, path: str) -> SummaryRow:
        return find_row(self.rows, path, "block")

    @property
    def macs(self) -> int:
        """Multiply-adds of one forward pass."""
        return self.rows[0].macs

    @property
    def parameters(self) -> int:
        """Number of values of all parameters, each counted once."""
        return self.rows[0].parameters

    @property
    def activation_bytes(self) -> int:
        """Bytes of the outputs of all operators in one forward pass."""
        return self.rows[0].activation_bytes

    def to_json(self) -> str:
        """The rows and the totals as JSON."""
        keys = ("source", "parameters", "macs", "activation_bytes", "uncounted")
        return json.dumps({**{key: getattr(self, key) for key in keys}, "rows": self.to_records()}, default=str)

    def _table(self) -> Table:
        # A column of `inspect` becomes a column of blocks. Its value in a block is that of all parameters inside.
        columns = (*self.COLUMNS, *(
            replace(column, read=lambda row, key=column.key: row.columns.get(key),  # type: ignore[misc]
                    fold=column.fold if isinstance(column.fold, str) else "same") for column in self.extra
        ))  # fmt: skip
        unknown = ", ".join(f"{name} (x{count})" for name, count in self.uncounted.items())
        notes = [("warning", f"multiply-adds are not known of {unknown}")] if unknown else []
        title = (f"{self.source}: {_short(self.macs)} multiply-adds; {_bytes(self.activation_bytes)} of activations; "
                 f"{self.totals}")  # fmt: skip
        return Table(title, columns, self.rows, footnotes=tuple(notes), blocks=True, noun="block",
                     alike=lambda row: (row.parameters, row.macs, row.activation_bytes, row.calls),
                     first_to_go=("share", "activation_bytes"))  # fmt: skip


def summary(net: Any, *inputs: Any, columns: Sequence[Union[str, Column]] = ()) -> Summary:
    """Count a network's parameters, multiply-adds and activations, with output shapes. Nothing is computed or changed.

    Multiply-adds are counted for convolutions, dense and recurrent layers, and matrix products. As in papers,
    elementwise operators, normalization, pooling and embeddings count 0. `Summary.uncounted` lists matrix products
    without a rule. A block that is called several times has the sum of its calls. Bytes of activations assume the
    dtype of the largest parameter.

    Parameters
    ----------
    net : Block
        Initialized or not, hybridized or not.
    *inputs
        The network's arguments, as for `resolve_shapes`: arrays, or shapes as tuples.
    columns : sequence
        Further columns of `inspect`: ``['dtype', 'grad_req']``. Columns of statistics read the values.

    Returns
    -------
    Summary

    Raises
    ------
    DeferredInitError
        The network's code has contradictory shapes, fails, or needs values. The message says where.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Conv2D(8, 3), mx.gluon.nn.Dense(2))
    >>> [(row.path, row.output_shape, row.parameters, row.macs) for row in ik.summary(net, (1, 3, 8, 8)).rows]
    [('', (1, 2), 802, 8352), ('0', (1, 8, 6, 6), 224, 7776), ('1', (1, 2), 578, 576)]
    """
    from ..tracer.diagnosis import error_of  # imported here since files need no MXNet
    from ..tracer.resolve import arguments_text, resolve

    check_block(net)
    if not inputs:
        raise TypeError("summary needs the network's arguments or their shapes: ik.summary(net, (1, 3, 224, 224))")
    extra = tuple(chosen_columns(columns))
    report = inspect(net, **_statistics([column.key for column in extra]))
    resolution = resolve(net, inputs)
    run = resolution.run
    if run is None or run.error is not None or resolution.conflict is not None:
        raise error_of(resolution, inputs, params=())
    shapes = {info.path: resolution.shapes[param] for param, _, info in resolution.parameters}
    records = [_with_shape(record, shapes[record.path]) for record in report.records]
    totals, duplicates = totals_of(records, report.shared), counted_elsewhere(records, report.shared)
    largest = max(records, key=lambda record: record.size or 0, default=None)
    itemsize = numpy.dtype(largest.dtype if largest else "float32").itemsize
    parts = _parts(net, run.operators)
    uncounted: Counter = Counter()
    owner: Dict[Tuple[str, str], _Part] = {}  # operators of a SymbolBlock, by its path and parameters
    for operator in run.operators:
        macs = multiply_adds(operator)
        if macs is None:
            uncounted[operator.name] += 1
        part = parts[operator.block_path]
        node = parts.get(_node_path(operator), part)
        if node.is_operator:
            part = node
            part.shapes = part.shapes or operator.outputs
            owner.update(((operator.block_path, name), part) for name in operator.variables)
        part.macs.append(macs)
        sizes = [math.prod(shape) if is_known(shape) else None for shape in operator.outputs]  # type: ignore
        part.bytes += [None if size is None else size * itemsize for size in sizes]
    for call in run.entered:
        part = parts[call.path]
        part.shapes, part.calls = part.shapes or call.answered, part.calls + 1
    for record in records:
        block = record.block_path
        local = record.path[len(block) + 1 :] if block else record.path
        part = owner.get((block, local)) or owner.get((block, record.name)) or parts[block]
        part.records.append(record)
    rows = []
    listed = list(parts.values())
    for index, part in enumerate(listed):
        end = next((later for later in range(index + 1, len(listed)) if listed[later].depth <= part.depth), len(listed))
        inside = listed[index:end]
        params = [record for member in inside for record in member.records]
        count = sum_of([record.size for record in params if record.path not in duplicates])
        rows.append(SummaryRow(
            part.path, part.depth, part.block, part.shapes, count, count / totals.size if totals.size else 0.0,
            sum_of([macs for member in inside for macs in member.macs]),
            sum_of([size for member in inside for size in member.bytes]),
            part.calls, {column.key: column.of(params) for column in extra} if params else {}, tuple(part.aliases),
        ))  # fmt: skip
    return Summary(tuple(rows), f"{report.source} given {arguments_text(inputs)}", totals, dict(uncounted), extra)


@dataclass
class _Part:
    """One row without the blocks inside it."""

    path: str
    depth: int
    block: str
    is_operator: bool = False
    calls: int = 0
    shapes: Tuple[Shape, ...] = ()
    aliases: List[str] = field(default_factory=list)
    macs: List[Optional[int]] = field(default_factory=list)
    bytes: List[Optional[int]] = field(default_factory=list)
    records: List[ParameterRecord] = field(default_factory=list)


def _parts(net: Any, operators: Iterable[Any]) -> Dict[str, _Part]:
    """A part for each block, by its first path, and for each operator of a SymbolBlock, by its node's path."""
    from .._mxnet import mx
    from .._mxnet.tree import walk

    parts: Dict[str, _Part] = {}
    first: Dict[int, _Part] = {}
    ancestors: List[str] = []
    for path, block in walk(net):
        while ancestors and ancestors[-1] and not path.startswith(ancestors[-1] + "."):
            ancestors.pop()
        ancestors.append(path)
        if id(block) in first:
            first[id(block)].aliases.append(path)
            continue
        first[id(block)] = parts[path] = _Part(path, len(ancestors) - 1, type(block).__name__)
        if isinstance(block, mx.gluon.SymbolBlock):
            nodes = ((_node_path(operator), operator.name) for operator in operators if operator.block_path == path)
            parts.update((node, _Part(node, len(ancestors), name, is_operator=True, calls=1)) for node, name in nodes)
    return parts


def _node_path(operator: Any) -> str:
    return ".".join(filter(None, (operator.block_path, operator.node.replace(".", "_"))))


def _with_shape(record: ParameterRecord, shape: Shape) -> ParameterRecord:
    """The record with the shape that the network's inputs determine."""
    if shape is None or shape == record.shape or not is_known(shape):
        return record
    size = math.prod(shape)  # type: ignore[arg-type]  # all dimensions are known
    return replace(record, shape=shape, size=size, bytes=size * numpy.dtype(record.dtype).itemsize)


def _statistics(keys: Sequence[str]) -> Dict[str, Any]:
    """The arguments of `inspect` that these columns need. A user-defined column may read statistics."""
    full = any(key.endswith(("quantiles", "histogram")) for key in keys)
    plain = {item.name for item in fields(ParameterRecord)} - {"replicas_agree", "declared", "stats"}
    grads = any(key.startswith("grad_") and key != "grad_req" for key in keys)
    return {"stats": "full" if full else not plain.issuperset(keys), "grads": grads}


def _short(value: int) -> str:
    """A number of operations with a decimal prefix: ``1.814 G``."""
    power = min((len(str(int(value))) - 1) // 3, 4)
    return f"{'≥' * isinstance(value, AtLeast)}{value / 1000**power:.4g} {' KMGT'[power]}".rstrip()


def _bytes(value: int) -> str:
    return "≥" * isinstance(value, AtLeast) + size_text(value)


Summary.COLUMNS = (
    Column("path", lambda row: row.path or "(network)", "block", path=True),
    Column("block", attrgetter("block"), "class"),
    Column("output_shapes", lambda row: row.output_shapes if row.calls or row.activation_bytes
           or isinstance(row.activation_bytes, AtLeast) else None,  # no call of it or of a block inside it
           "output", show=lambda shapes: "not reached" if shapes is None else inputs_text(shapes), fold="range"),
    Column("parameters", attrgetter("parameters"), fold="sum", number=True),
    Column("share", attrgetter("share"), show="{:.1%}".format, fold="sum", number=True),
    Column("macs", attrgetter("macs"), "mult-adds", show=_short, fold="sum", number=True),
    Column("activation_bytes", attrgetter("activation_bytes"), "activations", show=_bytes, fold="sum", number=True),
    Column("calls", attrgetter("calls"), show=lambda calls: str(calls) if calls > 1 else "", number=True),
)  # fmt: skip

# As in papers, only matrix products count, and operators that can be written as one.
_PRODUCT = re.compile(
    r"conv|dot|matmul|gemm|einsum|linalg|rnn|correlation|kron|khatri|custom|foreach|while_?loop|cond$|fft|attention|"
    r"selfatt|sldwinatten|encdec|fullyconnected|solve|svd|qr$|eigh?$|eigvalsh?$|cholesky|(?<!erf)inv$|lstsq|sgmkldnn|sgonednn|cachedop",
)
_NO_PRODUCT = re.compile(r"convert|paramconcat|linalg(make|extract|sumlogdiag|det|slogdet)")


def multiply_adds(operator: Any) -> Any:
    """The multiply-adds of one `Operator`; None if a size is unknown, or if a matrix product has no rule.

    Examples
    --------
    >>> from gluon_initkit._mxnet.inference import Operator
    >>> multiply_adds(Operator("FullyConnected", {}, ((2, 5), (4, 5), (4,)), ((2, 4),), "0"))
    40
    """
    # Without the prefixes of MXNet's namespaces: fullyconnected.
    name = re.sub(r"^_?(npi_|npx_|np_|contrib_|sparse_)?", "", operator.name).replace("_", "").lower()
    if name not in _RULES:
        return None if _PRODUCT.search(name) and not _NO_PRODUCT.search(name) else 0
    try:
        return _RULES[name](operator)
    except (TypeError, IndexError, KeyError):  # a shape or a size is unknown
        return None


def _true(operator: Any, key: str) -> bool:
    return operator.attributes.get(key, "False") in ("True", "true", "1")


def _convolution(weight: int, positions: str = "outputs") -> _Rule:
    """Input number `weight` is the weight. Its filters are applied at each position of the arrays in `positions`."""
    return lambda operator: math.prod(getattr(operator, positions)[0]) * math.prod(operator.inputs[weight][1:])


def _matrices(transposed: int) -> _Rule:
    """Each output value is a sum over an axis of the first input: the last, or `transposed` with ``transpose_a``."""

    def rule(operator: Any) -> int:
        if operator.attributes.get("axis", "-2") != "-2":
            raise KeyError("axis")
        if () in operator.inputs:  # a scalar times an array
            return 0
        return math.prod(operator.outputs[0]) * operator.inputs[0][transposed if _true(operator, "transpose_a") else -1]

    return rule


def _tensordot(operator: Any) -> int:
    """Inputs of m*k and k*n values and an output of m*n take m*k*n multiply-adds, whichever axes k spans."""
    return math.isqrt(math.prod(operator.inputs[0]) * math.prod(operator.inputs[1]) * math.prod(operator.outputs[0]))


def _einsum(operator: Any) -> int:
    """For two arrays with at least one summed index, one multiply-add for each combination of all indices; else 0."""
    terms, arrow, output = operator.attributes["subscripts"].replace(" ", "").partition("->")
    names = terms.split(",")
    if "..." in terms or not arrow or len(names) > 2:
        raise KeyError("subscripts")
    sizes = {name: size for term, shape in zip(names, operator.inputs) for name, size in zip(term, shape)}
    return math.prod(sizes.values()) if len(names) == 2 and set(sizes) - set(output) else 0


def _rnn(operator: Any) -> int:
    """Fused recurrent layer: in each step, each direction of each layer multiplies its input and its state."""
    attributes, (steps, batch, width) = operator.attributes, operator.inputs[0]
    gates = {"lstm": 4, "gru": 3}.get(attributes["mode"], 1)
    hidden, directions = int(attributes["state_size"]), 1 + _true(operator, "bidirectional")
    projection = attributes.get("projection_size", "None")
    state = hidden if projection == "None" else int(projection)
    total = 0
    for _ in range(int(attributes["num_layers"])):
        total += directions * (gates * hidden * (width + state) + (0 if projection == "None" else hidden * state))
        width = directions * state
    return steps * batch * total


def _attention(interleaved: int, parts: int, scores: Callable[[Any], Any]) -> _Rule:
    """GluonNLP's attention. Input `interleaved` holds `parts` arrays; a score is a sum over the units of one head."""
    return lambda operator: (operator.inputs[interleaved][-1] // parts // int(operator.attributes["heads"])
                             * math.prod(scores(operator)))  # fmt: skip


_RULES: Dict[str, _Rule] = {
    "convolution": _convolution(1),
    "deconvolution": _convolution(1, "inputs"),
    "deformableconvolution": _convolution(2),
    "modulateddeformableconvolution": _convolution(3),
    "fullyconnected": _convolution(1),
    **dict.fromkeys(("batchdot", "matmul", "linalggemm", "linalggemm2"), _matrices(-2)),
    "dot": _matrices(0),  # of classic and of NumPy arrays
    **dict.fromkeys(("tensordot", "tensordotintaxes"), _tensordot),
    "einsum": _einsum,
    "rnn": _rnn,
    "interleavedmatmulselfattqk": _attention(0, 3, lambda operator: operator.outputs[0]),
    "interleavedmatmulselfattvalatt": _attention(0, 3, lambda operator: operator.inputs[1]),
    "interleavedmatmulencdecqk": _attention(1, 2, lambda operator: operator.outputs[0]),
    "interleavedmatmulencdecvalatt": _attention(0, 2, lambda operator: operator.inputs[1]),
}
