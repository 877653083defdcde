"""`ParameterInfo`: what is known of one parameter without its values, as plain data; `list_parameters` collects it.

A role, what a parameter is for, is read from the end of its name as MXNet's own `Initializer.__call__` reads it.
MXNet is imported when a network is looked at, not before: the arrays of a file are described without MXNet.
"""

from typing import TYPE_CHECKING, Any, FrozenSet, List, NamedTuple, Optional, Tuple

from ..display import printable

if TYPE_CHECKING:
    from .._mxnet.tree import Place

__all__ = ["LAYER_DEFAULTS", "ROLES", "ParameterInfo", "check_block", "list_parameters", "parameter_info", "role_of"]


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


class ParameterInfo(NamedTuple):
    """One parameter, as selectors see it. A callable selector gets this record.

    Attributes
    ----------
    path : str or None
        The canonical path; None where only MXNet's name is known.
    aliases : tuple of str
        The other paths of a shared parameter, also those at which it stands transposed.
    name : str
        MXNet's global name, which depends on what else was built in the process.
    role : str
        ``'weight'``, ``'bias'``, ``'gamma'``, ``'beta'``, ``'running_mean'``, ``'running_var'`` or ``'default'``.
    shape : tuple of (int or None), or None
        None stands for an unknown dimension, and for an unknown number of dimensions.
    dtype : str
        Such as ``'float32'``.
    state : str
        ``'uninitialized'``, ``'deferred'`` or ``'initialized'``.
    block : type or None
        The class of the block that holds the parameter.
    block_path : str
        The path of that block.
    inside : frozenset of type
        The classes of all blocks around the parameter.
    axes : str
        What a weight's axes are, ``'OIHW'``: O output, I input, the others in space.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(4)
    >>> net.initialize(ik.Rules([(lambda info: info.role == "weight" and info.block is mx.gluon.nn.Dense, 0.5)]))
    >>> ParameterInfo("0.weight", ("1.weight",), "dense0_weight", "weight", (4, None), "float32").paths
    ('0.weight', '1.weight')
    """

    path: Optional[str]
    aliases: Tuple[str, ...]
    name: str
    role: str
    shape: Optional[Tuple[Optional[int], ...]]
    dtype: str
    state: str = "uninitialized"
    block: Optional[type] = None
    block_path: str = ""
    inside: FrozenSet[type] = frozenset()
    axes: str = "OI"

    @property
    def label(self) -> str:
        """How messages call the parameter: by path, or by MXNet's name where no path is known."""
        return self.name if self.path is None else self.path

    @property
    def paths(self) -> Tuple[str, ...]:
        """All names that a path selector may match: every path, or MXNet's name where no path is known."""
        return (self.name,) if self.path is None else (self.path, *self.aliases)


def list_parameters(net: Any) -> List[Tuple[Any, "Place", ParameterInfo]]:
    """Every parameter of a network in order of traversal: the Parameter, its place, and its info."""
    from .._mxnet.tree import places

    check_block(net)
    return [(param, place, parameter_info(param, place)) for param, place in places(net).items()]


def check_block(net: Any) -> None:
    """Raise a TypeError unless `net` is a Gluon Block."""
    from .._mxnet import mx

    if not isinstance(net, mx.gluon.Block):
        collected = hasattr(net, "initialize") or isinstance(net, dict)
        if isinstance(net, type) and issubclass(net, mx.gluon.Block):
            raise TypeError(printable(f"expected a network (an mxnet.gluon.Block), found a class: make one, "
                                      f"{net.__name__}(...)."))  # fmt: skip
        hint = " For what collect_params() gives, pass the network it came from." if collected else ""
        found = printable(f"{type(net).__name__}: {net!r:.80}")
        raise TypeError(f"expected a network (an mxnet.gluon.Block), found {found}.{hint}")


def parameter_info(param: Any, place: Optional["Place"]) -> ParameterInfo:
    """The info of one Gluon parameter; `place` is None where the network that holds it is not known."""
    from .._mxnet import backend
    from .._mxnet.arrays import dtype_name
    from .._mxnet.parameter import shape_of, state_of

    shape, dtype, state = shape_of(param), dtype_name(param.dtype), state_of(param)
    if place is None:
        return ParameterInfo(None, (), param.name, role_of(param.name), shape, dtype, state)
    path, *aliases = place.paths
    role = role_of(backend.role_name(param, path))
    return ParameterInfo(path, tuple(aliases), param.name, role, shape, dtype, state,
                         place.owner, place.owner_path, place.inside, place.axes)  # fmt: skip
