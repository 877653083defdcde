"""Statistics of arrays, in float64: `survey` computes them, and all cores share the work."""

from functools import partial
from typing import Any, Callable, Iterable, List, Sequence, Tuple

import numpy

from ..parallel import Job, run
from .records import Statistics
from .survey import PIECE, Survey, cut, readable


def statistics_of(array: numpy.ndarray) -> Statistics:
    """All statistics of one array of numbers, with quantiles and a histogram.

    Raises
    ------
    TypeError
        The array does not hold real numbers.
    """
    return statistics_of_all([array], full=True)[0]


def statistics_of_all(arrays: Sequence[Any], full: bool = False) -> List[Statistics]:
    """Moments and counts of many arrays, which share the cores; with `full`, quantiles and histograms as well.

    An array may be the `Values` of a file. For moments no more of it is in memory than the blocks that are being read,
    unless it has to be unpacked.
    """
    surveys = [Survey(readable(array), full) for array in arrays]
    large = [survey for survey in surveys if survey.array.size > 2 * PIECE and not survey.array.forward]
    pieces = [(survey, begin, end) for survey in large for begin, end in cut(survey.array.size, PIECE)]
    apart = set(map(id, large))
    run([*_jobs(pieces, Survey.read), *((each.array.nbytes, each.whole) for each in surveys if id(each) not in apart)])
    for survey in large:
        survey.choose()
    run(_jobs(pieces, Survey.look_again))
    run([(survey.array.nbytes, survey.finish) for survey in large])
    return [survey.result for survey in surveys]


def _jobs(pieces: Iterable[Tuple[Survey, int, int]], what: Callable[[Survey, int, int], None]) -> List[Job]:
    return [((end - begin) * survey.array.itemsize, partial(what, survey, begin, end)) for survey, begin, end in pieces]
