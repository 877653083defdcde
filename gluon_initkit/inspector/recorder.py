"""`Recorder`: statistics of weights and gradients over the steps of a training, in two lines of its loop.

It only looks: no operator runs, nothing is drawn, no gradient is cleared. What it has seen is a `History`, plain data.
"""

from typing import Any, Dict, List, Optional, Sequence

import numpy

from .._mxnet import mx
from .._mxnet.arrays import host_values, wait_to_read
from .._mxnet.parameter import arrays_of, gradients_of
from ..display import printable
from ..parameters import list_parameters, matcher, refuse_no_match, show_selector
from .history import History
from .statistics import statistics_of_all

__all__ = ["Recorder"]


class Recorder:
    """Watch parameters and gradients over time.

    ``recorder = ik.Recorder(net)`` before the loop, ``recorder.step()`` in it, after ``backward()``. A step that is not
    kept costs nothing. Freezing (``grad_req='null'``), deferred parameters, NaN and new contexts leave gaps or counts,
    and stop nothing.

    Parameters
    ----------
    net : Block
        In any state; its parameters are those of now.
    select : selector, optional
        Which parameters: a glob over paths, a role, a compiled regular expression, a Block class, a callable that gets
        a `ParameterInfo`. All that are learnt, by default: those with a gradient now.
    stats : sequence of str
        Which statistics: ``'mean'``, ``'std'``, ``'min'``, ``'max'``, ``'norm'``, ``'zeros'``, ``'nan'``,
        ``'posinf'``, ``'neginf'``.
    every : int
        Look at each such step only.
    capacity : int
        How many steps to keep. When they are full every second one is forgotten and `every` doubles, so the history
        always spans the whole training, evenly, and holds ``2 * parameters * len(stats) * capacity`` numbers at most.

    Raises
    ------
    TypeError
        `net` is no Block, or `select` no selector.
    ValueError
        There is no such statistic, no parameter is selected, or `every` or `capacity` is too small.

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
    ) -> None:
        described = list_parameters(net)
        chosen = None if select is None else matcher(select)
        watched = [(param, info) for param, _, info in described
                   if (param.grad_req != "null" if chosen is None else chosen(info))]  # fmt: skip
        self._watched = {info.label: param for param, info in watched}
        if not self._watched:
            refuse_no_match(select, [info for _, _, info in described])
            paths = ", ".join(info.label for _, _, info in described[:6]) + (", …" if len(described) > 6 else "")
            asked = f"is selected by {show_selector(select)}" if chosen else "has a gradient; select='*' watches all"
            raise ValueError(printable(f"no parameter of this {type(net).__name__} {asked}; it has {paths or 'none'}."))
        aliases = {alias: info.label for _, info in watched for alias in info.aliases}
        self.history = History(tuple(self._watched), stats, every, capacity, aliases)

    def step(self) -> None:
        """Count a step, and look if it is one to keep.

        Examples
        --------
        >>> net = mx.gluon.nn.Dense(1, in_units=2)
        >>> net.initialize()
        >>> recorder = Recorder(net, every=2)
        >>> for _ in range(5):
        ...     recorder.step()
        >>> recorder.history.steps
        (0, 2, 4)
        """
        if self.history.counts():
            self.history.keep(self._look())

    def _look(self) -> numpy.ndarray:
        watched = self._watched.values()
        held = [arrays[:1] for param in watched for arrays in (arrays_of(param), gradients_of(param))]
        there = [index for index, arrays in enumerate(held) if arrays]  # of several contexts, the first
        wait_to_read(held[index][0] for index in there)
        seen = numpy.full((len(held), len(self.history.stats)), numpy.nan)
        arrays = [host_values(held[index][0]) for index in there]
        for index, found in zip(there, statistics_of_all(arrays)):
            nothing = found.count and found.mean is None  # no number is finite: their norm is not 0, there is none
            values = [None if nothing and stat == "norm" else getattr(found, stat) for stat in self.history.stats]
            seen[index] = [numpy.nan if value is None else value for value in values]
        return seen.reshape(len(watched), 2, -1)

    def handler(self) -> Any:
        """An event handler for ``mxnet.gluon.contrib.estimator``: a step after each batch of training.

        Returns
        -------
        EventHandler
            For ``estimator.fit(..., event_handlers=[recorder.handler()])``.

        Raises
        ------
        ImportError
            This MXNet has no estimator.

        Examples
        --------
        >>> net = mx.gluon.nn.Dense(1)
        >>> type(Recorder(net).handler()).__mro__[1].__name__
        'BatchEnd'
        """
        try:
            from mxnet.gluon.contrib.estimator import BatchEnd
        except ImportError:
            message = f"MXNet {mx.__version__} has no gluon.contrib.estimator; call recorder.step() after backward()."
            raise ImportError(message, name="mxnet.gluon.contrib.estimator") from None
        recorder = self

        class StepOfRecorder(BatchEnd):
            priority = -1500  # after the gradients' update, which leaves them as they are; before what may stop

            def batch_end(self, estimator: Any, *args: Any, **kwargs: Any) -> None:
                recorder.step()

        return StepOfRecorder()

    def to_records(self) -> List[Dict[str, Any]]:
        """What was seen, as dictionaries of plain Python values.

        Returns
        -------
        list of dict
            One for each step and parameter: ``step``, ``path``, each statistic, and each of the gradient's,
            ``grad_mean``; None where there was nothing to see.

        Examples
        --------
        >>> net = mx.gluon.nn.Dense(1, in_units=2, use_bias=False)
        >>> net.initialize(mx.init.One())
        >>> recorder = Recorder(net, stats=["mean"])
        >>> recorder.step()
        >>> recorder.to_records()
        [{'step': 0, 'path': 'weight', 'mean': 1.0, 'grad_mean': 0.0}]
        """
        return self.history.to_records()

    def to_pandas(self) -> Any:
        """What was seen, as a DataFrame with a row for each step and parameter.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            pandas is not installed.

        Examples
        --------
        >>> net = mx.gluon.nn.Dense(1, in_units=2)
        >>> net.initialize(mx.init.One())
        >>> recorder = Recorder(net, stats=["mean"])
        >>> recorder.step()
        >>> float(recorder.to_pandas().loc[(0, "weight"), "mean"])
        1.0
        """
        return self.history.to_pandas()

    def plot(self, stat: Optional[str] = None, axes: Optional[Sequence[Any]] = None) -> List[Any]:
        """A statistic over steps, a line a parameter: of the values, and of the gradients.

        Parameters
        ----------
        stat : str, optional
            Which; the norm by default, or the first that is recorded.
        axes : sequence of matplotlib.axes.Axes, optional
            Two axes to draw on; by default those of a new figure.

        Returns
        -------
        list of matplotlib.axes.Axes

        Raises
        ------
        ValueError
            That statistic is not recorded.
        ImportError
            Matplotlib is not installed.

        Examples
        --------
        >>> net = mx.gluon.nn.Dense(1, in_units=2)
        >>> net.initialize()
        >>> recorder = Recorder(net)
        >>> recorder.step()
        >>> [axes.get_title("left") for axes in recorder.plot("std")]
        ['std of values', 'std of gradients']
        """
        return self.history.plot(stat, axes)

    def __repr__(self) -> str:
        return repr(self.history).replace(History.__name__, type(self).__name__, 1)
