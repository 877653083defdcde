"""Statistics of arrays (placeholder: NumPy in float64)."""

from typing import Any, List, Sequence

import numpy

from .records import Histogram, Statistics

__all__ = ["statistics_of", "statistics_of_all"]


def statistics_of_all(arrays: Sequence[numpy.ndarray]) -> List[Statistics]:
    """The statistics of many arrays."""
    return [statistics_of(array) for array in arrays]


def statistics_of(array: numpy.ndarray) -> Statistics:
    """The statistics of one array."""
    values = numpy.asarray(array)
    flat = values.astype(numpy.float64).ravel()
    finite = flat[numpy.isfinite(flat)]
    some = finite.size > 0
    counts: Any
    edges: Any
    counts, edges = numpy.histogram(finite, 50) if some else ([], [])
    return Statistics(
        count=flat.size,
        mean=float(finite.mean()) if some else None,
        std=float(finite.std()) if some else None,
        min=float(finite.min()) if some else None,
        max=float(finite.max()) if some else None,
        norm=float(numpy.sqrt(numpy.square(finite).sum())),
        zeros=int((flat == 0).sum()),
        nan=int(numpy.isnan(flat).sum()),
        posinf=int((flat == numpy.inf).sum()),
        neginf=int((flat == -numpy.inf).sum()),
        quantiles=tuple((q, float(numpy.quantile(finite, q))) for q in (0.01, 0.25, 0.5, 0.75, 0.99)) if some else (),
        histogram=Histogram(tuple(map(float, edges)), tuple(map(int, counts))) if some else None,
        identical_rows=values.ndim > 1 and len(values) > 1 and bool((values == values[:1]).all()),
    )
