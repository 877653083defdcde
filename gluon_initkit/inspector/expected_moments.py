"""Declared against observed: the moments that a parameter's initializer promises at its shape, and by how many standard
errors the measured ones differ.

What is knowable: an initializer that a layer was given, or the layer's own default, stands in the parameter. The one
given to ``net.initialize(X)`` does not: MXNet forgets it once values are drawn. The caller names it (``init=X``); which
parameters it serves is then decided as `plan` and `initialize` decide it.
"""

import math
from types import SimpleNamespace
from typing import Any, NamedTuple, Optional

from .._mxnet import backend
from .._mxnet.parameter import is_constant as is_gluon_constant
from ..initializer.dispatch import Choice, choose
from ..initializer.distributions import Constant, Distribution, Uniform, distribution_of
from ..initializer.initializer import Initializer, initializer_text
from ..parameters import ParameterInfo
from ..shapes import is_known
from .findings import is_constant
from .records import Declared, Statistics

_UNKNOWN = Initializer()  # in place of a network's initializer that is not known
_FEWEST = 16  # values from which a deviation can be judged


class Expectation(NamedTuple):
    """How a parameter was to be filled: by what initializer, from what distribution, and whether nobody chose it."""

    initializer: str
    distribution: Distribution
    layer_default: bool

    def holds(self, stats: Statistics) -> bool:
        """Whether a parameter that was to be one number still is; True for any other distribution."""
        distribution = self.distribution
        return not isinstance(distribution, Constant) or is_constant(distribution.value, stats)

    def beside(self, stats: Statistics, untouched: bool) -> Declared:
        """What was promised beside what was measured."""
        mean, std = self.distribution.moments()
        size = stats.count - stats.nan - stats.posinf - stats.neginf
        z_mean = z_std = None
        if std and size >= _FEWEST and stats.mean is not None and stats.std is not None:
            z_mean = (stats.mean - mean) / (std / math.sqrt(size))
            z_std = _z_of_variance(stats.std / std, size, self.distribution)
        return Declared(self.initializer, mean, std, z_mean, z_std, untouched)


def expectation_of(param: Any, place: Any, info: ParameterInfo, network: Any = None) -> Optional[Expectation]:
    """How a parameter was to be filled; None where that, or its moments, are not known.

    `network` is the network's initializer, corrected, where it is known.
    """
    if is_gluon_constant(param) or not is_known(info.shape):
        return None
    try:
        choice = choose(network or _UNKNOWN, info, param.init or place.symbol_init)
        if not isinstance(choice, Choice) or (network is None and choice.why not in ("layer", "layer default")):
            return None
        if isinstance(choice.initializer, backend.FusedRNN):
            return None  # each part of its one vector has a distribution of its own
        context = SimpleNamespace(axes=info.axes, global_init=network or _UNKNOWN)
        law = distribution_of(choice.initializer, choice.hook, context, info.shape)  # type: ignore[arg-type]  # it is known
    except (TypeError, ValueError):  # what cannot fill this parameter promises nothing; `plan` says why
        return None
    text = initializer_text(getattr(choice.initializer, "initializer", choice.initializer))
    return Expectation(text, law, choice.why == "layer default") if law is not None and law.moments() else None


def _z_of_variance(ratio: float, size: int, law: Distribution) -> float:
    """By how many standard errors a variance is off, `ratio` being measured over promised deviation.

    By Wilson and Hilferty (1931), for any distribution: that power of a sample variance whose skewness vanishes is
    nearly normal far into its tails. The variance itself is not: of 20 normal values it is easily 6 standard errors too
    large.
    """
    spread, power = _SPREADS[isinstance(law, Uniform)]
    spread /= size - 1
    unbiased = ratio * ratio * size / (size - 1)
    return (unbiased**power - 1 - power * (power - 1) * spread / 2) / (power * math.sqrt(spread))


# By what a squared deviation varies (its variance k2), and the power that undoes its skewness, 1 - k3 / (3 k2^2). A
# truncated normal distribution varies less than a normal one, so that the check is milder there.
_SPREADS = {False: (2.0, 1 / 3), True: (0.8, 1 - (16 / 35) / (3 * 0.8**2))}
