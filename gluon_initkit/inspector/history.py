"""`History`: statistics of values and gradients over steps, in bounded memory, as plain data.

When it is full it forgets every second step and keeps half as often from then on, so what is left is always evenly
spaced over the whole of the training.
"""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy

from .. import display
from ..parameters import did_you_mean
from .report.columns import STATISTICS

__all__ = ["History"]

_KINDS = ("values", "gradient")


class History:
    """What a `Recorder` has seen.

    Attributes
    ----------
    paths, stats : tuple of str
        The parameters and the statistics.
    every : int
        How far apart kept steps are now.
    capacity : int
        How many steps are kept at most.
    aliases : dict of str to str
        The further paths of shared parameters, each with the one that stands in `paths`.

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
        unknown = [stat for stat in stats if stat not in STATISTICS]
        if isinstance(stats, str) or unknown or not stats:
            found = stats if isinstance(stats, str) else unknown
            raise ValueError(f"stats= takes a sequence of {', '.join(STATISTICS)}; found {found!r}.")
        for name, value, least in (("every", every, 1), ("capacity", capacity, 2)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name}= takes an integer of {least:d} or more, found {value!r}.")
        self.paths, self.stats = tuple(paths), tuple(stats)
        self.every, self.capacity, self.aliases = every, capacity, dict(aliases or {})
        self._next = 0
        self._kept: List[Tuple[int, numpy.ndarray]] = []

    def counts(self) -> bool:
        """Count a step; whether it is one to keep."""
        self._next += 1
        return (self._next - 1) % self.every == 0

    def keep(self, seen: numpy.ndarray) -> None:
        """Keep the step just counted: an array of parameters by (values, gradient) by statistics, NaN for nothing."""
        self._kept.append((self._next - 1, numpy.asarray(seen, numpy.float64)))
        if len(self._kept) > self.capacity:
            self.every *= 2
            self._kept = [(step, each) for step, each in self._kept if step % self.every == 0]

    @property
    def steps(self) -> Tuple[int, ...]:
        """The steps that are kept, the first of all being 0."""
        return tuple(step for step, _ in self._kept)

    @property
    def nbytes(self) -> int:
        """How much memory the kept numbers take."""
        return sum(each.nbytes for _, each in self._kept)

    def __len__(self) -> int:
        return len(self._kept)

    def series(self, path: str, stat: str, of: str = "values") -> List[float]:
        """A statistic of one parameter, by its path or an alias, at each kept step; NaN where there was nothing to see.

        Raises
        ------
        KeyError
            That parameter or statistic is not recorded; the nearest are told.
        """
        named = (*self.paths, *self.aliases)
        for name, value, known in (("path", path, named), ("stat", stat, self.stats), ("of", of, _KINDS)):
            if value not in known:
                raise KeyError(f"{name}={value!r} is not recorded; {did_you_mean(str(value), known)}")
        at = self.paths.index(self.aliases.get(path, path)), _KINDS.index(of), self.stats.index(stat)
        return [float(each[at]) for _, each in self._kept]

    def __repr__(self) -> str:
        steps, parameters = display.counted(len(self), "step"), display.counted(len(self.paths), "parameter")
        return f"<History: {steps} of {parameters} every {self.every}, {self.nbytes:,} B>"

    def to_records(self) -> List[Dict[str, Any]]:
        """One dictionary for each step and parameter; None where there was nothing to see."""
        names = [*self.stats, *(f"grad_{stat}" for stat in self.stats)]
        return [
            {"step": step, "path": path, **dict(zip(names, map(_plain, each[index].ravel().tolist())))}
            for step, each in self._kept
            for index, path in enumerate(self.paths)
        ]

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each step and parameter."""
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas needs pandas: pip install pandas", name="pandas") from None
        names = [*self.stats, *(f"grad_{stat}" for stat in self.stats)]
        index = pandas.MultiIndex.from_product([self.steps, self.paths], names=["step", "path"])
        values = numpy.array([each for _, each in self._kept]).reshape(len(index), len(names))
        return pandas.DataFrame(values, index, names)

    def plot(self, stat: Optional[str] = None, axes: Optional[Sequence[Any]] = None) -> List[Any]:
        """A statistic over steps, a line a parameter: of the values, and of the gradients."""
        stat = stat or ("norm" if "norm" in self.stats else self.stats[0])
        if stat not in self.stats:
            recorded = display.printable(", ".join(self.stats))
            raise ValueError(f"{stat!r} is not recorded; there are {recorded}. Recorder(stats=) chooses.")
        made = display.new_axes(2, 0, height=3.4) if axes is None else list(axes)
        if len(made) != 2:
            raise ValueError(f"values and gradients are drawn on 2 axes, found {len(made)}; pass two, or none.")
        for which, (kind, title) in enumerate(zip(_KINDS, ("values", "gradients"))):
            lines = [(path, self.series(path, stat, kind)) for path in self.paths]
            seen = [line for line in lines if any(value == value for value in line[1])]
            display.draw_lines(made[which], self.steps, seen, f"{stat} of {title}", self._not_finite(which))
        return made

    def _not_finite(self, which: int) -> List[int]:
        """The steps at which any parameter held NaN or an infinity, as far as that was recorded."""
        at = [index for index, stat in enumerate(self.stats) if stat in ("nan", "posinf", "neginf")]
        return [step for step, each in self._kept if numpy.nan_to_num(each[:, which, at]).any()]


def _plain(value: float) -> Optional[float]:
    return None if value != value else value
