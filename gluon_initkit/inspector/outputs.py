"""`outputs`: statistics of each block's outputs in one forward pass, and the first block with NaN or infinity."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import numpy

from ..display import Column, Table, TableReport, counted, find_row, inputs_text, listed, path_column, printable
from .records import Statistics
from .report import COLUMNS
from .statistics import statistics_of
from .survey import merge


@dataclass(frozen=True)
class OutputRow:
    """The outputs of one block.

    Attributes
    ----------
    path, block : str
        The path, ``''`` for the network itself, and the name of the class.
    calls : int
        Number of calls.
    shapes : tuple of tuple of int
        Shapes of the arrays that its first call returned.
    stats : Statistics or None
        Over all arrays of all calls; for a single call with quantiles and a histogram. None if it returned no array.
    grad_stats : Statistics or None
        Statistics of the gradient of the loss by these outputs, if requested.
    aliases : tuple of str
        The other paths of a block that has several.
    """

    path: str
    block: str
    calls: int
    shapes: Tuple[Tuple[int, ...], ...]
    stats: Optional[Statistics]
    grad_stats: Optional[Statistics] = None
    aliases: Tuple[str, ...] = ()


@dataclass(frozen=True, repr=False)
class OutputReport(TableReport[OutputRow]):
    """The result of `outputs`, with a row for each block, in the order in which blocks were first called.

    Attributes
    ----------
    rows : tuple of OutputRow
        ``report['features.0']`` finds a row by its path.
    first_bad : str or None
        The path of the block that first made a NaN or an infinity: a leaf, or a block with children if an operator in
        its own `forward` made it. None if all outputs are finite.
    reason : str
        The cause: a bad input, a bad parameter, or an operator that overflowed. Empty if all outputs are finite.
    unused : tuple of str
        The paths of the blocks that did not run.
    """

    rows: Tuple[OutputRow, ...]
    first_bad: Optional[str] = None
    reason: str = ""
    unused: Tuple[str, ...] = ()

    def __getitem__(self, path: str) -> OutputRow:
        return find_row(self.rows, path, "block that ran")

    def _table(self) -> Table:
        broken = self.first_bad is not None
        title = f"Outputs of {counted(len(self.rows), 'block')}: {'not all' if broken else 'all'} finite"
        footnotes = []
        if broken:
            footnotes.append(("error", f"first not finite: {printable(self.first_bad or '(network)')}: {self.reason}"))
        if self.unused:
            footnotes.append(("info", f"{counted(len(self.unused), 'block')} did not run: {listed(self.unused)}"))
        return Table(title, _COLUMNS, self.rows, blocks=True, footnotes=tuple(footnotes),
                     emphasis=lambda row: "error" if _not_finite(row.stats) else "",
                     first_to_go=("block", "zeros", "max", "min", "histogram", "grad_std", "mean"))  # fmt: skip


def _not_finite(stats: Optional[Statistics]) -> str:
    counts = ((stats.nan, "NaN"), (stats.posinf, "+inf"), (stats.neginf, "-inf")) if stats else ()
    return ", ".join(f"{count:,} {name}" for count, name in counts if count)


def _zeros(row: OutputRow) -> Optional[float]:
    return row.stats.zeros / row.stats.count if row.stats and row.stats.zeros else None


_COLUMNS = (
    path_column("block"),
    Column("block", attrgetter("block"), "class"),
    Column("shapes", attrgetter("shapes"), "output", show=inputs_text, fold="range"),
    Column("calls", attrgetter("calls"), number=True, hoist=""),
    *(COLUMNS[key] for key in ("mean", "std", "min", "max")),
    Column("zeros", _zeros, show=lambda value: "" if value is None else f"{value:.0%}", number=True,
           fold=lambda rows: sum(_zeros(row) or 0 for row in rows) / len(rows) or None),
    Column("not_finite", lambda row: _not_finite(row.stats) or None, "not finite", hoist=""),
    *(COLUMNS[key] for key in ("histogram", "grad_std", "grad_histogram")),
)  # fmt: skip


def outputs(
    net: Any, *inputs: Any, grads: bool = False, loss: Optional[Callable[[Any], Any]] = None, train_mode: bool = False
) -> OutputReport:
    """Measure every block's outputs in one forward pass, and find the first block with NaN or infinity.

    The pass leaves values, running statistics, gradients, hooks, cached graphs and the generators of NumPy and Python
    unchanged. MXNet's generator moves only if the network draws, as Dropout does in training mode. A hybridized network
    runs un-hybridized meanwhile.

    Parameters
    ----------
    net : Block
        An initialized network.
    inputs : NDArray
        The network's arguments.
    grads : bool
        Whether to run a backward pass too, and measure the gradient by each output. Parameters keep their gradients.
    loss : callable, optional
        Function from the network's output to the loss; by default the sum of all outputs.
    train_mode : bool
        Whether layers behave as in training: batch normalization uses the batch's statistics, and Dropout drops.

    Returns
    -------
    OutputReport

    Raises
    ------
    InitializationError, TypeError
        A parameter has no values yet; `net` is not a Block.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4, in_units=3), mx.gluon.nn.Dense(1, in_units=4))
    >>> report = ik.initialize(net, mx.init.Constant(3e38))
    >>> report = ik.outputs(net, mx.nd.ones((2, 3)))
    >>> report.first_bad, [row.path for row in report]
    ('0', ['', '0', '1'])
    >>> report.reason
    'its inputs (up to 1) and parameters (up to 3e+38) are finite, so an operator of its own overflowed'
    """
    # MXNet is imported only here, since reports of files do not need it.
    from .._mxnet import mx
    from .._mxnet.forward import observed
    from .._mxnet.tree import walk
    from ..initializer.values import parameters_with_values

    labels = {id(param): info.label for param, info in parameters_with_values(net, "to compute outputs by")}
    observer = _Observer(labels, grads)
    with observed(net, observer):
        if not grads:
            with mx.autograd.pause(train_mode=train_mode):
                net(*inputs)
        else:
            with mx.autograd.record(train_mode=train_mode):
                returned = net(*inputs)
                results = _arrays(returned if loss is None else loss(returned))
                losses = [array.sum() for array in results if numpy.dtype(array.dtype).kind == "f"]
            observer.differentiate(losses, train_mode)
    paths: Dict[int, List[str]] = {}
    for path, block in walk(net):
        paths.setdefault(id(block), []).append(path)
    unused = tuple(path for path, *_ in paths.values() if path not in observer.blocks)
    aliases = {path: tuple(others) for path, *others in paths.values()}
    rows = tuple(OutputRow(path, block, len(calls), shapes[0], merge(calls), merge(gradients), aliases[path])
                 for path, (block, shapes, calls, gradients) in observer.blocks.items())  # fmt: skip
    first_bad, reason = observer.first_bad or (None, "")
    return OutputReport(rows, first_bad, reason, unused)


class _Observer:
    """Measures each call of a block, and finds the cause of the first output that is not finite."""

    def __init__(self, labels: Dict[int, str], grads: bool) -> None:
        self.labels, self.grads = labels, grads
        self.blocks: Dict[str, Tuple[str, List, List, List]] = {}  # by path: class, shapes, statistics, gradients
        self.first_bad: Optional[Tuple[str, str]] = None
        self._call_stack: List[Tuple[str, Any, Tuple[Any, ...]]] = []  # path, block, arguments of each call
        self._probes: Dict[int, Tuple[Any, Any]] = {}  # by an output's id: the output, an array with its gradient
        self._probed: List[Tuple[str, int]] = []  # paths, and the ids of their outputs

    def __call__(self, path: str, block: Any, arguments: Tuple[Any, ...], run: Callable[[], Any]) -> Any:
        from .._mxnet.arrays import with_arrays

        _, shapes, calls, _ = self.blocks.setdefault(path, (type(block).__name__, [], [], []))
        self._call_stack.append((path, block, arguments))
        output = run()
        arrays = _arrays(output)
        stats = statistics_of(_values(arrays)) if arrays else None
        calls.append(stats)
        shapes.append(tuple(tuple(array.shape) for array in arrays))
        if self.first_bad is None and _not_finite(stats):
            self.first_bad = self._cause(path)
        self._call_stack.pop()
        return with_arrays(output, lambda array: self._probe(path, array)) if self.grads else output

    def _probe(self, path: str, array: Any) -> Any:
        from .._mxnet.forward import gradient_probe

        if numpy.dtype(array.dtype).kind != "f":
            return array
        if id(array) not in self._probes:  # else this block returns an inner block's output unchanged
            array, zeros = gradient_probe(array)
            self._probes[id(array)] = array, zeros
        self._probed.append((path, id(array)))
        return array

    def differentiate(self, losses: Sequence[Any], train_mode: bool) -> None:
        """Measure the gradient of the sum of `losses` by every output."""
        from .._mxnet.forward import gradients_by

        gradients = dict(zip(self._probes, gradients_by(losses, list(self._probes.values()), train_mode)))
        for path, key in self._probed:
            self.blocks[path][3].append(statistics_of(_values([gradients[key]])))

    def _cause(self, path: str) -> Tuple[str, str]:
        """The innermost block with finite inputs, which made an output that is not finite, and the reason."""
        for caller, block, arguments in reversed(self._call_stack):
            bad = _not_finite_in(arguments)
            if not bad:
                return caller, self._own_fault(block, arguments)
        return path, f"the network's input holds {bad}"

    def _own_fault(self, block: Any, arguments: Tuple[Any, ...]) -> str:
        from .._mxnet.parameter import arrays_of
        from .._mxnet.preserve import parameters_of

        pairs = [(self.labels.get(id(param), param.name), arrays_of(param)[:1]) for param in parameters_of({"": block})]
        bad = [(label, text) for label, arrays in pairs for text in [_not_finite_in(arrays)] if text]
        if bad:
            return f"its parameter {listed([f'{printable(label)} holds {text}' for label, text in bad])}"
        inputs = f"its inputs (up to {_largest(arguments):.3g})"
        parameters = f" and parameters (up to {_largest([arrays for _, arrays in pairs]):.3g})" if pairs else ""
        return f"{inputs}{parameters} are finite, so an operator of its own overflowed"


def _arrays(values: Any) -> List[Any]:
    from .._mxnet.arrays import arrays_in

    return list(arrays_in(values))


def _values(arrays: Sequence[Any]) -> numpy.ndarray:
    """The values of all arrays as one array; not copied if there is only one."""
    from .._mxnet.arrays import host_values, wait_for

    wait_for(arrays)
    values = [host_values(array) for array in arrays]
    return values[0] if len(values) == 1 else numpy.concatenate([array.reshape(-1) for array in values])


def _not_finite_in(values: Any) -> str:
    arrays = _arrays(values)
    return _not_finite(statistics_of(_values(arrays))) if arrays else ""


def _largest(values: Any) -> float:
    return max((float(numpy.abs(_values([array])).max(initial=0)) for array in _arrays(values)), default=0.0)
