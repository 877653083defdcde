"""Declared against observed: the moments that a parameter's initializer promises at its shape, and how surprising the
measured ones are.

What is knowable: an initializer that a layer was given, or the layer's own default, stands in the parameter. The one
given to ``net.initialize(X)`` does not: MXNet forgets it once values are drawn. It has to be told (``init=X``); which
parameters it serves is then decided as `plan` and `initialize` decide it.
"""

import math
from types import SimpleNamespace
from typing import Any, Optional, Tuple

from ..._mxnet import backend
from ..._mxnet.parameter import is_constant
from ...initializer.corrected import corrected
from ...initializer.dispatch import Choice, choose
from ...initializer.distributions import Constant, Law, Uniform
from ...initializer.initializer import Initializer
from ...initializer.mxnet_distributions import law_of
from ...initializer.serialization import shown
from ...parameters import ParameterInfo
from ...shapes import is_known
from ..records import Declared, Statistics
from .values import is_throughout

__all__ = ["Expectation", "expectation_of", "is_as_declared", "measured"]

_NOBODY = Initializer()  # stands where a network's initializer is not known
_FEWEST = 16  # values from which a deviation can be told

Expectation = Tuple[str, Law, bool]
"""The initializer as a reader would type it, its law, and whether that is a layer's default that nobody chose."""


def expectation_of(param: Any, place: Any, info: ParameterInfo, init: Any = None) -> Optional[Expectation]:
    """By what law a parameter was to be filled; None where that, or its moments, are not known."""
    if is_constant(param) or not is_known(info.shape):
        return None
    network = _NOBODY if init is None else corrected(init)
    try:
        found = choose(network, info, param.init or place.symbol_init)
        if not isinstance(found, Choice) or (init is None and found.why not in ("layer", "layer default")):
            return None
        if isinstance(found.initializer, backend.FusedRNN):
            return None  # a law for each part of one vector
        asked = SimpleNamespace(axes=info.axes, global_init=network)
        law = law_of(found.initializer, found.hook, asked, info.shape)  # type: ignore[arg-type]  # it is known
    except (TypeError, ValueError):  # what cannot fill this parameter promises nothing; `plan` says why
        return None
    text = shown(getattr(found.initializer, "initializer", found.initializer))
    return (text, law, found.why == "layer default") if law is not None and law.moments() else None


def measured(expected: Expectation, stats: Statistics, untouched: bool) -> Declared:
    """What was promised beside what was measured."""
    text, law, _ = expected
    mean, std = law.moments()
    size = stats.count - stats.nan - stats.posinf - stats.neginf
    if std == 0 or size < _FEWEST or stats.mean is None or stats.std is None:
        return Declared(text, mean, std, untouched=untouched)
    z_mean = (stats.mean - mean) / (std / math.sqrt(size))
    return Declared(text, mean, std, z_mean, _z_of_variance(stats.std / std, size, law), untouched)


def is_as_declared(expected: Expectation, stats: Statistics) -> bool:
    """Whether a parameter that was to be one number still is; True for any other law."""
    law = expected[1]
    return not isinstance(law, Constant) or is_throughout(law.value, stats)


def _z_of_variance(ratio: float, size: int, law: Law) -> float:
    """How many standard errors a variance is off, `ratio` being measured over promised deviation.

    By Wilson and Hilferty (1931), for any law: that power of a sample variance whose skewness vanishes is nearly normal
    far into its tails. The variance itself is not: of 20 normal values it is easily 6 standard errors too large.
    """
    spread, power = _SPREADS[isinstance(law, Uniform)]
    spread /= size - 1
    unbiased = ratio * ratio * size / (size - 1)
    return (unbiased**power - 1 - power * (power - 1) * spread / 2) / (power * math.sqrt(spread))


# By what a squared deviation varies (its variance k2), and the power that undoes its skewness, 1 - k3 / (3 k2^2). A
# truncated normal law varies less than a normal one, so that the check is milder there.
_SPREADS = {False: (2.0, 1 / 3), True: (0.8, 1 - (16 / 35) / (3 * 0.8**2))}
