"""Statistics of several arrays together, from the statistics of each: exact, without a second look at the values."""

import math
from typing import Iterable, List, Optional

from .records import Statistics
from .summing import total

__all__ = ["pooled"]


def pooled(parts: Iterable[Optional[Statistics]]) -> Optional[Statistics]:
    """The statistics of all values of several arrays; None where there are none.

    Counts add, extremes are the extremes', the norm is the root of the squares' sum, and the variance is the mean
    variance plus the variance of the means, each by its number of finite values (Chan, Golub and LeVeque, 1979).
    Quantiles and histograms cannot be pooled and are left out.

    Examples
    --------
    >>> one = Statistics(1, 1.0, 0.0, 1.0, 1.0, 1.0, 0, 0, 0, 0)
    >>> three = Statistics(1, 3.0, 0.0, 3.0, 3.0, 3.0, 0, 0, 0, 0)
    >>> both = pooled([one, three, None])
    >>> both.mean, both.std, both.max
    (2.0, 1.0, 3.0)
    """
    known = [part for part in parts if part is not None]
    if len(known) < 2:
        return known[0] if known else None
    finite = [part for part in known if part.mean is not None]
    weights = [part.count - part.nan - part.posinf - part.neginf for part in finite]
    mean = std = None
    if sum(weights):
        mean = _weighted([part.mean or 0.0 for part in finite], weights)
        spread = [_square(part.std or 0.0) + _square((part.mean or 0.0) - mean) for part in finite]
        std = math.sqrt(_weighted(spread, weights))
    return Statistics(
        count=sum(part.count for part in known),
        mean=mean,
        std=std,
        min=min((part.min for part in finite if part.min is not None), default=None),
        max=max((part.max for part in finite if part.max is not None), default=None),
        norm=math.sqrt(total(_square(part.norm) for part in known)),
        zeros=sum(part.zeros for part in known),
        nan=sum(part.nan for part in known),
        posinf=sum(part.posinf for part in known),
        neginf=sum(part.neginf for part in known),
    )


def _weighted(values: List[float], weights: List[int]) -> float:
    return total(value * weight for value, weight in zip(values, weights)) / sum(weights)


def _square(value: float) -> float:
    return value * value  # which is inf where ``value**2`` raises
