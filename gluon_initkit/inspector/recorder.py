"""`Recorder`: statistics of weights and gradients over the steps of a training, with two lines in the training loop.

It runs no operator, draws no random number and clears no gradient. It fills a `History`: plain data of limited size,
which needs no MXNet.
"""

from dataclasses import dataclass
from functools import partial
import math
from operator import attrgetter
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy

from .. import display
from ..parameters import did_you_mean, list_parameters, select_parameters
from .outputs import OutputReport
from .outputs import outputs as measure_outputs
from .records import Statistics
from .report import STATISTICS
from .statistics import equal_bytes, statistics_of_all

_KINDS = ("values", "gradient")


@dataclass(frozen=True)
class _Series:
    """One row of a history's table: a statistic of one parameter over the steps."""

    path: str
    aliases: Tuple[str, ...]
    values: List[float]
    gradient: List[float]
    bad: int  # number of kept steps with values that are not finite


class History(display.TableReport[_Series]):
    """The statistics that a `Recorder` has kept. Its table has a row for each parameter, with a line over the steps.

    When it is full, it drops every second step and from then on keeps half as many. The kept steps are therefore always
    evenly spaced over the whole training.

    Attributes
    ----------
    paths, stats : tuple of str
        The recorded parameters and statistics.
    every, capacity : int
        Current distance between kept steps, and maximum number of kept steps.
    aliases : dict of str to str
        The other paths of shared parameters, each with the path that stands in `paths`.
    counted : int
        Number of counted steps.

    Examples
    --------
    >>> history = History(["0.weight"], ["mean"], capacity=2)
    >>> for step in range(5):
    ...     if history.counts():
    ...         history.keep(numpy.full((1, 2, 1), step))
    >>> history.steps, history.every, history.series("0.weight", "mean")
    ((0, 4), 4, [0.0, 4.0])
    """

    def __init__(
        self,
        paths: Sequence[str],
        stats: Sequence[str],
        every: int = 1,
        capacity: int = 512,
        aliases: Optional[Mapping[str, str]] = None,
    ) -> None:
        unknown: Any = stats if isinstance(stats, str) else [stat for stat in stats if stat not in STATISTICS]
        if unknown or not stats:
            raise ValueError(f"stats= takes a sequence of {', '.join(STATISTICS)}; found {unknown!r}.")
        for name, value, least in (("every", every, 1), ("capacity", capacity, 2)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name}= takes an integer of {least:d} or more, found {value!r}.")
        self.paths, self.stats = tuple(paths), tuple(stats)
        self.every, self.capacity, self.aliases = every, capacity, dict(aliases or {})
        self.counted = 0
        self._stat = "norm" if "norm" in self.stats else self.stats[0]
        self._names = [*self.stats, *(f"grad_{stat}" for stat in self.stats)]
        self._kept: Dict[int, numpy.ndarray] = {}  # by step

    def counts(self) -> bool:
        """Count a step. Returns whether to keep it."""
        self.counted += 1
        return (self.counted - 1) % self.every == 0

    def keep(self, seen: numpy.ndarray) -> None:
        """Keep the step just counted, as an array (parameters, 2, statistics): values and gradient; NaN if missing."""
        self._kept[self.counted - 1] = numpy.asarray(seen, numpy.float64)
        if len(self._kept) > self.capacity:
            self.every *= 2
            self._kept = {step: numbers for step, numbers in self._kept.items() if step % self.every == 0}

    @property
    def steps(self) -> Tuple[int, ...]:
        """The kept steps. The first step of the training is 0."""
        return tuple(self._kept)

    @property
    def nbytes(self) -> int:
        """Size of the kept numbers in bytes."""
        return sum(numbers.nbytes for numbers in self._kept.values())

    def _numbers(self) -> numpy.ndarray:
        """All kept numbers, as an array (steps, parameters, 2, statistics); 2 stands for values and gradient."""
        shape = (len(self._kept), len(self.paths), len(_KINDS), len(self.stats))
        return numpy.array(list(self._kept.values())).reshape(shape)

    def _bad(self) -> numpy.ndarray:
        """Whether a value was not finite, as an array (steps, parameters, 2); 2 stands for values and gradient."""
        counts = [name in ("nan", "posinf", "neginf") for name in self.stats]
        return numpy.nan_to_num(self._numbers()[..., counts]).any(axis=-1)

    def __len__(self) -> int:
        return len(self._kept)

    def series(self, path: str, stat: str, of: str = "values") -> List[float]:
        """Return a statistic of one parameter, given by its path or an alias, at each kept step; NaN if missing.

        Raises a KeyError if the parameter or the statistic is not recorded.
        """
        named = (*self.paths, *self.aliases)
        for name, value, known in (("path", path, named), ("stat", stat, self.stats), ("of", of, _KINDS)):
            if value not in known:
                raise KeyError(f"{name}={value!r} is not recorded; {did_you_mean(str(value), known)}")
        index = self.paths.index(self.aliases.get(path, path)), _KINDS.index(of), self.stats.index(stat)
        return [float(numbers[index]) for numbers in self._kept.values()]

    @property
    def rows(self) -> Tuple[_Series, ...]:  # type: ignore[override]
        """One row for each parameter."""
        series = self._numbers()[..., self.stats.index(self._stat)].transpose(1, 2, 0).tolist()
        bad = self._bad().any(axis=-1).sum(axis=0).tolist()
        aliases = [tuple(alias for alias, known in self.aliases.items() if known == path) for path in self.paths]
        return tuple(map(_Series, self.paths, aliases, *zip(*series), bad)) if self.paths else ()

    def _table(self) -> display.Table:
        stat, shown = self._stat, display.series_text
        steps, parameters = display.counted(len(self), "step"), display.counted(len(self.paths), "parameter")
        title = f"History: {steps} of {parameters} every {self.every}, {self.nbytes:,} B; {stat}, first to last"
        # A column with `html` gets a minimum width in HTML, which the line needs.
        line = partial(display.Column, number=True, show=shown, html=lambda numbers, path: shown(numbers))
        columns = (
            display.path_column(),
            line("values", attrgetter("values"), stat),
            display.Column("ends", lambda row: _ends(row.values), "from, to", number=True),
            line("gradient", attrgetter("gradient"), f"gradient {stat}"),
            display.Column("gradient_ends", lambda row: _ends(row.gradient), "from, to", number=True),
            display.Column("bad", attrgetter("bad"), "not finite", lambda bad: str(bad or ""), "sum", True, hoist=""),
        )  # fmt: skip
        many = len(self.paths) > display.MOST_ROWS  # then the parameters that moved most come first
        return display.Table(title, columns, self.rows, emphasis=lambda row: "error" if row.bad else "",
                             order=(display.Column("moved", _moved, "how far it moved"), True) if many else None)

    def to_records(self, columns: Optional[Sequence[Any]] = None) -> List[Dict[str, Any]]:
        """Return a dictionary for each step and parameter: ``step``, ``path``, ``mean``, ``grad_mean`` and so on.

        A missing number is None.
        """
        return [{"step": step, "path": path, **{name: None if number != number else number
                                                for name, number in zip(self._names, statistics.ravel().tolist())}}
                for step, numbers in self._kept.items() for path, statistics in zip(self.paths, numbers)]  # fmt: skip

    def to_pandas(self, columns: Optional[Sequence[Any]] = None) -> Any:
        """Return a `pandas.DataFrame` with a row for each step and parameter."""
        pandas = display.import_pandas()
        index = pandas.MultiIndex.from_product([self.steps, self.paths], names=["step", "path"])
        return pandas.DataFrame(self._numbers().reshape(len(index), len(self._names)), index, self._names)

    def plot(self, stat: Optional[str] = None, axes: Optional[Sequence[Any]] = None) -> List[Any]:
        """Draw a statistic of values and of gradients over the steps, with a line for each parameter. Returns the axes.

        Parameters
        ----------
        stat : str, optional
            By default the norm, or else the first that is recorded. Raises a ValueError if it is not recorded.
        axes : sequence of matplotlib.axes.Axes, optional
            Two axes to draw on; by default those of a new figure.
        """
        stat = stat or self._stat
        if stat not in self.stats:
            recorded = display.printable(", ".join(self.stats))
            raise ValueError(f"{stat!r} is not recorded; there are {recorded}. Recorder(stats=) chooses.")
        panels = display.new_axes(2, 0, height=3.4) if axes is None else list(axes)
        if len(panels) != 2:
            raise ValueError(f"values and gradients are drawn on 2 axes, found {len(panels)}; pass two, or none.")
        bad = self._bad().any(axis=1)
        for which, title in enumerate(("values", "gradients")):
            series = self._numbers()[:, :, which, self.stats.index(stat)].T
            lines = [(path, numbers) for path, numbers in zip(self.paths, series) if not numpy.isnan(numbers).all()]
            marked = [step for step, is_bad in zip(self.steps, bad[:, which]) if is_bad]
            display.draw_lines(panels[which], self.steps, lines, f"{stat} of {title}", marked)
        return panels


def _ends(numbers: Sequence[float]) -> Optional[str]:
    known = [number for number in numbers if number == number]
    return f"{known[0]:.3g}, {known[-1]:.3g}" if known else None


def _moved(row: _Series) -> float:
    """How far a statistic, or that of the gradient, grew or shrank, as a logarithm; inf if a step was not finite."""
    sizes = [[abs(number) for number in numbers if number and math.isfinite(number)]
             for numbers in (row.values, row.gradient)]  # fmt: skip
    return math.inf if row.bad else max(abs(math.log(size[-1]) - math.log(size[0])) if size else 0.0 for size in sizes)


class Recorder(display.TableReport[_Series]):
    """Record statistics of parameters and gradients during training.

    Write ``recorder = ik.Recorder(net)`` before the loop, and ``recorder.step()`` in it, after ``backward()``. Steps
    that are not kept cost nothing. Without ``outputs=`` no operator runs. Frozen (``grad_req='null'``) or deferred
    parameters, NaN and new contexts raise no error: they leave gaps or are counted. With several contexts, values are
    those of the first context, and gradients are the sum over contexts, whether or not a Trainer has summed them yet.

    Parameters
    ----------
    net : Block
        May be in any state. Parameters that it gets later are not recorded.
    select : selector, optional
        Which parameters: a glob over paths, a role, a compiled regular expression, a Block class, or a callable that
        takes a `ParameterInfo`. By default all that have a gradient now.
    stats : sequence of str
        ``'mean'``, ``'std'``, ``'min'``, ``'max'``, ``'norm'``, ``'zeros'``, ``'nan'``, ``'posinf'`` or ``'neginf'``.
    every, capacity : int
        Distance between kept steps, and maximum number of kept steps. A full history drops every second step and
        doubles `every`, so it always spans the whole training evenly. It holds at most ``2 * parameters * len(stats) *
        capacity`` numbers.
    outputs : NDArray or tuple of NDArray, optional
        A batch for measuring the outputs of all blocks at each kept step, as `ik.outputs` does. The attribute `outputs`
        is their `History`, by the paths of blocks; None before the first step.
    on_nan : callable, optional
        Called with a path and the step's number if a kept step has a value that is not finite. The path is that of the
        first block with such an output, or else that of the first parameter with such a value or gradient.

    Raises
    ------
    TypeError, ValueError
        `net` is not a Block, `select` matches nothing, a statistic is unknown, or `every` or `capacity` is too small.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> trainer = mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5})
    >>> recorder = Recorder(net, stats=["mean", "nan"])
    >>> for _ in range(3):
    ...     with mx.autograd.record():
    ...         loss = net(mx.nd.ones((1, 2)))
    ...     loss.backward()
    ...     trainer.step(1)
    ...     recorder.step()
    >>> recorder.history.series("weight", "mean")
    [0.5, 0.0, -0.5]
    >>> recorder.history.series("weight", "mean", of="gradient")
    [1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        net: Any,
        select: Any = None,
        stats: Sequence[str] = ("mean", "std", "norm", "nan"),
        every: int = 1,
        capacity: int = 512,
        outputs: Any = None,
        on_nan: Optional[Callable[[str, int], Any]] = None,
    ) -> None:
        self._net, self._on_nan = net, on_nan
        self._inputs = None if outputs is None else tuple(outputs) if isinstance(outputs, (tuple, list)) else (outputs,)
        self.outputs: Optional[History] = None
        listed = list_parameters(net)
        if select is not None:
            listed = select_parameters(listed, select)
        elif not any(param.grad_req != "null" for param, _, _ in listed):
            paths = display.listed([info.label for _, _, info in listed], 6) or "none"
            raise ValueError(display.printable(f"no parameter of this {type(net).__name__} has a gradient; select='*' "
                                               f"watches all; it has {paths}."))  # fmt: skip
        listed = [entry for entry in listed if select is not None or entry[0].grad_req != "null"]
        self._watched = [param for param, _, _ in listed]
        aliases = {alias: info.label for _, _, info in listed for alias in info.aliases}
        self.history = History([info.label for _, _, info in listed], stats, every, capacity, aliases)

    def step(self) -> None:
        """Count a step, and measure it if it is to be kept."""
        step, kept = self.history.counted, self.history.counts()
        if self.outputs is not None:
            self.outputs.counts()
        if not kept:
            return
        bad = self._keep_parameters()
        if self._inputs is not None:
            report = measure_outputs(self._net, *self._inputs)
            bad = bad if report.first_bad is None else report.first_bad
            self._keep_outputs(report)
        if bad is not None and self._on_nan is not None:
            self._on_nan(bad, step)

    def _keep_parameters(self) -> Optional[str]:
        """Measure values and gradients. Returns the path of the first parameter with a NaN or an infinity in them."""
        from .._mxnet.arrays import host_values, wait_for  # imported here since a history needs no MXNet
        from .._mxnet.parameter import arrays_of, gradients_of

        held = [arrays for param in self._watched for arrays in (arrays_of(param)[:1], gradients_of(param))]
        indices = [index for index, arrays in enumerate(held) if arrays]
        wait_for([array for arrays in held for array in arrays])
        replicas = [[host_values(array) for array in held[index]] for index in indices]
        # After a Trainer that updates on the contexts has summed the gradients, all contexts hold the sum.
        summed = all(equal_bytes(arrays[0], other) for arrays in replicas for other in arrays[1:])
        reduced = [arrays[0] if summed or len(arrays) == 1 else sum(arrays) for arrays in replicas]
        measured = dict(zip(indices, statistics_of_all(reduced)))
        numbers = [self._recorded(measured.get(index)) for index in range(len(held))]
        self.history.keep(numpy.reshape(numbers, (len(self._watched), 2, -1)))
        bad = (index for index, stats in measured.items() if stats.nan + stats.posinf + stats.neginf)
        return next((self.history.paths[index // 2] for index in bad), None)

    def _keep_outputs(self, report: OutputReport) -> None:
        history = self.history
        if self.outputs is None:
            blocks = {alias: row.path for row in report for alias in row.aliases}
            paths = [row.path for row in report]
            self.outputs = History(paths, history.stats, history.every, history.capacity, blocks)
            self.outputs.counted = history.counted
        measured = {row.path: row.stats for row in report}
        missing = self._recorded(None)
        self.outputs.keep(numpy.array([[self._recorded(measured.get(path)), missing] for path in self.outputs.paths]))

    def _recorded(self, stats: Optional[Statistics]) -> List[float]:
        """The recorded statistics of an array, with NaN for missing ones."""
        no_norm = stats and stats.count and stats.mean is None  # no value is finite: `stats` has norm 0
        numbers = [None if no_norm and name == "norm" else getattr(stats, name, None) for name in self.history.stats]
        return [numpy.nan if number is None else number for number in numbers]

    def handler(self) -> Any:
        """Return an event handler for ``mxnet.gluon.contrib.estimator`` that calls `step` after each training batch.

        For ``estimator.fit(..., event_handlers=[recorder.handler()])``. Raises an ImportError if MXNet lacks it.
        """
        try:
            from mxnet.gluon.contrib.estimator import BatchEnd
        except ImportError:
            message = "This MXNet has no gluon.contrib.estimator; call recorder.step() after backward()."
            raise ImportError(message, name="mxnet.gluon.contrib.estimator") from None
        recorder = self

        class RecorderHandler(BatchEnd):
            priority = -1500  # after the update, which keeps gradients; before handlers that may stop training

            def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
                recorder.step()

        return RecorderHandler()

    rows = property(attrgetter("history.rows"), doc="One row for each parameter.")

    def _table(self) -> display.Table:
        return self.history._table()

    def to_records(self, columns: Optional[Sequence[Any]] = None) -> List[Dict[str, Any]]:
        """Return a dictionary for each step and parameter, as `History.to_records` does."""
        return self.history.to_records()

    def to_pandas(self, columns: Optional[Sequence[Any]] = None) -> Any:
        """Return a DataFrame with a row for each step and parameter, as `History.to_pandas` does."""
        return self.history.to_pandas()

    def plot(self, stat: Optional[str] = None, axes: Optional[Sequence[Any]] = None) -> List[Any]:
        """Draw a statistic over the steps, as `History.plot` does."""
        return self.history.plot(stat, axes)
