"""`ParameterInfo`: the facts of one parameter that users name it by, as plain data; `describe` collects them.

What an initializer, a selector or a table needs to know of a parameter stands here; values and statistics do not.
MXNet is imported when a network is looked at, and not before: the arrays of a file are named without it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, FrozenSet, List, Optional, Tuple

from ..display import printable
from .making import made
from .roles import role_of

if TYPE_CHECKING:
    from .._mxnet import Place

__all__ = ["ParameterInfo", "check_block", "describe", "info_of"]


@dataclass(frozen=True)
class ParameterInfo:
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
        One of `ROLES`.
    shape : tuple of (int or None), or None
        None stands for an unknown dimension, and for an unknown number of dimensions.
    dtype : str
        Such as ``'float32'``.
    state : str
        ``'uninitialized'``, ``'deferred'`` or ``'initialized'``.
    block : type or None
        The class of the block that holds the parameter.
    block_path : str
        That block's path.
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
        """How messages call the parameter: by path, else by name."""
        return self.path if self.path is not None else self.name

    @property
    def paths(self) -> Tuple[str, ...]:
        """All names that a path selector may match: every path, or MXNet's name where no path is known."""
        return (self.name,) if self.path is None else (self.path, *self.aliases)


def describe(net: Any) -> List[Tuple[Any, "Place", ParameterInfo]]:
    """Every parameter of a network in order of traversal: the Parameter, its place, its facts. Changes nothing."""
    from .._mxnet import places

    check_block(net)
    return [(param, place, info_of(param, place)) for param, place in places(net).items()]


def check_block(net: Any) -> None:
    """Raise a TypeError unless `net` is a Gluon Block; from then on the kit has seen it."""
    from .._mxnet import mx, see

    if not isinstance(net, mx.gluon.Block):
        collected = hasattr(net, "initialize") or isinstance(net, dict)
        hint = " For what collect_params() gives, pass the network it came from." if collected else ""
        found = printable(f"{type(net).__name__}: {net!r:.80}")
        raise TypeError(f"expected a network (an mxnet.gluon.Block), found {found}.{hint}")
    see(net)


def info_of(param: Any, place: Optional["Place"]) -> ParameterInfo:
    """The facts of one Gluon parameter; `place` is None where it stands in no known network."""
    from .._mxnet import dtype_name, said_role, shape_of, state_of

    paths: Tuple[str, ...] = (None,) if place is None else place.paths  # type: ignore[assignment]
    return made(ParameterInfo, {
        "path": paths[0],
        "aliases": paths[1:],
        "name": param.name,
        "role": role_of(param.name if place is None else said_role(param, paths[0])),
        "shape": shape_of(param),
        "dtype": dtype_name(param.dtype),
        "state": state_of(param),
        "block": None if place is None else place.owner,
        "block_path": "" if place is None else place.owner_path,
        "inside": _NOTHING if place is None else place.inside,
        "axes": "OI" if place is None else place.axes,
    })  # fmt: skip


_NOTHING: FrozenSet[type] = frozenset()
