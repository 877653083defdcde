"""Statistics of one array, exact and in blocks (placeholder)."""

from typing import List, Sequence

import numpy

from .records import Statistics

__all__ = ["statistics_of", "statistics_of_all"]


def statistics_of(array: numpy.ndarray) -> Statistics:
    """The statistics of an array, in float64."""
    values = numpy.asarray(array, dtype=numpy.float64).reshape(-1)
    finite = values[numpy.isfinite(values)]
    some = bool(finite.size)
    return Statistics(
        count=values.size,
        mean=float(finite.mean()) if some else None,
        std=float(finite.std()) if some else None,
        min=float(finite.min()) if some else None,
        max=float(finite.max()) if some else None,
        norm=float(numpy.sqrt((finite * finite).sum())),
        zeros=int((values == 0).sum()),
        nan=int(numpy.isnan(values).sum()),
        posinf=int((values == numpy.inf).sum()),
        neginf=int((values == -numpy.inf).sum()),
    )


def statistics_of_all(arrays: Sequence[numpy.ndarray]) -> List[Statistics]:
    """The statistics of many arrays."""
    return [statistics_of(array) for array in arrays]
