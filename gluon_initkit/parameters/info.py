"""`ParameterInfo`: what is known of one parameter without its values, as plain data; `list_parameters` collects it.
And the errors that every module raises in the same words: other contexts, no memory.

A role, what a parameter is for, is read from the end of its name as MXNet's own `Initializer.__call__` reads it.
MXNet is imported when a network is read, not before: the arrays of a file are described without MXNet.
"""

from contextlib import contextmanager
import math
from typing import TYPE_CHECKING, Any, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from ..display import listed, printable, size_text

if TYPE_CHECKING:
    from .._mxnet.tree import Place

ROLES = ("weight", "bias", "gamma", "beta", "running_mean", "running_var", "default")

# The Symbol API and GluonCV's feature expanders write `moving_*` for `running_*`.
_ENDINGS = {**{role: role for role in ROLES[:-1]}, "moving_mean": "running_mean", "moving_var": "running_var"}

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
    """The role of a parameter with this name or path; ``'default'`` where the end of the name tells none."""
    for ending, role in _ENDINGS.items():
        if name is not None and name.endswith(ending):
            return role
    return "default"


class ParameterInfo(NamedTuple):
    """One parameter, as selectors see it. A callable selector gets this record.

    Attributes
    ----------
    path, aliases : str or None, tuple of str
        The canonical path (None where only MXNet's name is known), and the other paths of a shared parameter, also
        those at which it is transposed.
    name : str
        MXNet's global name, which depends on what else was built in the process.
    role : str
        ``'weight'``, ``'bias'``, ``'gamma'``, ``'beta'``, ``'running_mean'``, ``'running_var'`` or ``'default'``.
    shape : tuple of (int or None), or None
        None stands for an unknown dimension, and for an unknown number of dimensions.
    state : str
        ``'uninitialized'``, ``'deferred'`` or ``'initialized'``.
    block, block_path : type or None, str
        The class of the block that holds the parameter, and its path.
    inside : frozenset of type
        The classes of all blocks around the parameter.
    axes : str
        The axes of a weight, ``'OIHW'``: O output, I input, the others in space.

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


def context_mismatch(contexts: Iterable[Tuple[str, Any]]) -> Optional[str]:
    """The message for parameters, given by path and contexts, that are on different contexts; None where all agree.

    A parameter without contexts does not count.
    """
    groups: Dict[Tuple[str, ...], List[str]] = {}
    for path, ctxs in contexts:
        if ctxs:
            groups.setdefault(tuple(map(str, ctxs)), []).append(path)
    if len(groups) < 2:
        return None
    from .._mxnet import backend

    there = "; ".join(f"{listed(paths, 3)} on {', '.join(ctxs)}" for ctxs, paths in groups.items())
    return f"The parameters are on different contexts: {there}. {backend.reset_call} puts all on the same."


@contextmanager
def named_memory_errors(label: str, param: Any, error_class: Any = None) -> Iterator[None]:
    """Context in which a failed allocation raises `error_class` (MXNet's error by default), naming the parameter."""
    try:
        yield
    except Exception as error:
        import numpy  # not before: the names of a file's arrays are shown without NumPy and MXNet

        from .._mxnet import mx
        from .._mxnet.parameter import shape_of

        last_line = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        is_memory = isinstance(error, MemoryError) or (
            isinstance(error, mx.MXNetError) and any(words in last_line.lower() for words in _NO_MEMORY))  # fmt: skip
        if last_line.startswith(_START) or not is_memory:
            raise
        shape, dtype = shape_of(param), numpy.dtype(param.dtype)
        size = math.prod(length or 0 for length in shape or ()) * dtype.itemsize
        message = printable(
            f"{_START} {label!r} of shape {shape} and dtype {dtype.name}: each of its arrays "
            f"(values on each context, gradients) takes {size:,} bytes, {size_text(size)}; {last_line}. Nothing was "
            f"changed. Choose a smaller shape or dtype, or grad_req='null' where it is not trained."
        )
        raise (error_class or mx.MXNetError)(message) from error


_START = "There is no memory for parameter"
# "Failed to allocate CPU Memory", "cudaMalloc retry failed: out of memory", "Failed to allocate GPU Memory"
_NO_MEMORY = ("allocate", "out of memory", "bad_alloc")
