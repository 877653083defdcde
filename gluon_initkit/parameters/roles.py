"""Roles: what a parameter is for, read from the end of its name as MXNet's own `Initializer.__call__` reads it."""

from typing import Optional

__all__ = ["LAYER_DEFAULTS", "ROLES", "role_of"]

ROLES = ("weight", "bias", "gamma", "beta", "running_mean", "running_var", "default")

# In MXNet's order. The Symbol API and GluonCV's feature expanders write `moving_*` for `running_*`.
_ENDINGS = (
    ("weight", "weight"),
    ("bias", "bias"),
    ("gamma", "gamma"),
    ("beta", "beta"),
    ("running_mean", "running_mean"),
    ("moving_mean", "running_mean"),
    ("running_var", "running_var"),
    ("moving_var", "running_var"),
)

# The initializers that layers of gluon.nn and gluon.rnn declare by themselves, which nobody chose for this network.
# The JSON forms are what MXNet's operators attach to the variables that they make.
_ZEROS, _ONES, _SLOPE = ("zeros", '["zero", {}]'), ("ones", '["one", {}]'), ('["Constant", {"value": 0.25}]',)
LAYER_DEFAULTS = {
    "bias": _ZEROS,
    "gamma": _ONES + _SLOPE,  # LeakyReLU calls its slopes gamma
    "beta": _ZEROS,
    "running_mean": _ZEROS,
    "running_var": _ONES,
    "default": _SLOPE,
}


def role_of(name: Optional[str]) -> str:
    """The role of a parameter with this name or path; ``'default'`` where the end of the name tells none.

    Examples
    --------
    >>> role_of("features.0.weight"), role_of("bn0_moving_var"), role_of("prelu0_alpha")
    ('weight', 'running_var', 'default')
    """
    for ending, role in _ENDINGS:
        if name is not None and name.endswith(ending):
            return role
    return "default"
