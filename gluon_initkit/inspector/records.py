"""What is known of a parameter, a network and a file, as plain data: it pickles, compares and goes to JSON.

Nothing here holds a live MXNet object or needs MXNet. `inspect` fills these records; `findings` judges them.
"""

from dataclasses import dataclass, fields
from typing import Any, FrozenSet, Iterable, Optional, Sequence, Tuple

from ..display import AtLeast, counted, size_text

RUNNING = ("running_mean", "running_var")  # the roles of statistics, which no gradient reaches
SEVERITIES = ("error", "warning", "info")  # of findings, the gravest first


@dataclass(frozen=True)
class Histogram:
    """Counts of finite values: ``counts[i]`` in ``[edges[i], edges[i + 1])``, the last bin being closed.

    Attributes
    ----------
    edges : tuple of float
        Ascending, one more than `counts`.
    counts : tuple of int
    """

    edges: Tuple[float, ...]
    counts: Tuple[int, ...]


@dataclass(frozen=True)
class Statistics:
    """Statistics of one array, over its finite values where not said otherwise.

    Attributes
    ----------
    count : int
        How many values there are, finite or not.
    mean, std, min, max : float or None
        In float64; `std` is the population's. None where no value is finite.
    norm : float
        The L2 norm.
    zeros, nan, posinf, neginf : int
        How many values are that.
    quantiles : tuple of (float, float)
        Pairs ``(0.25, value)``; empty without ``stats='full'``.
    histogram : Histogram or None
        None without ``stats='full'``.
    identical_rows : bool
        Whether an array of two dimensions or more has at least two rows, and all are the same.
    """

    count: int
    mean: Optional[float]
    std: Optional[float]
    min: Optional[float]
    max: Optional[float]
    norm: float
    zeros: int
    nan: int
    posinf: int
    neginf: int
    quantiles: Tuple[Tuple[float, float], ...] = ()
    histogram: Optional[Histogram] = None
    identical_rows: bool = False


@dataclass(frozen=True)
class Declared:
    """What the declared initializer promises at this shape, and how far the measured values are from it.

    Attributes
    ----------
    initializer : str
        As a reader would type it.
    mean, std : float
        The moments of its distribution.
    z_mean, z_std : float or None
        By how many standard errors the measured ones differ; None of one number, or of too few values to tell.
    untouched : bool
        Whether the values may still be the drawn ones: no sign of training or loading was seen in the network.
    """

    initializer: str
    mean: float
    std: float
    z_mean: Optional[float] = None
    z_std: Optional[float] = None
    untouched: bool = True


@dataclass(frozen=True, init=False)
class ParameterRecord:
    """One parameter of a network, or one array of a file. None stands for what is not known.

    Attributes
    ----------
    path : str
        The canonical path; in a file, the name under which the array stands.
    name : str
        MXNet's global name; in a file, the same as `path`.
    role, dtype, stype : str
    shape : tuple of (int or None), or None
        None stands for an unknown dimension, and for an unknown number of dimensions.
    aliases, transposed : tuple of str
        The other paths of a shared Parameter, or of one array of a file that has a tie map (`save`); and those of them
        at which it stands transposed, through a transposed tie, its shape reversed.
    block, block_path : str
        The class of the block that owns it, and that block's path; ``''`` in a file.
    state : str
        ``'uninitialized'``, ``'deferred'``, ``'initialized'``; in a file, ``'stored'``.
    pending, initializer : str or None
        What a deferred parameter will be filled by, and its own declared initializer, as a reader would type them.
    contexts : tuple of str
        Where it lives, or will: ``('cpu(0)',)``.
    size, bytes : int or None
        Values and bytes of one replica; None where the shape is unknown.
    grad_req : str or None
    lr_mult, wd_mult : float or None
    trained : bool or None
        Whether the given Trainer updates it; None where no Trainer was given.
    trainer, buffer : int or None
        Parameters with the same number were given to the same Trainer, or hold their data in the same memory; None
        where there is none.
    stats, grad_stats : Statistics or None
    grad_ratio : float or None
        Norm of the gradient over norm of the values.
    grad_fresh : bool or None
        Whether a backward pass wrote the gradient since the last update.
    stale : tuple of str
        The contexts on which none did, where `grad_fresh` is False.
    replicas_agree : bool or None
        Whether all contexts hold the same values; None where there is one, or it was not asked.
    constant : bool
        Whether it is a ``gluon.Constant``.
    declared : Declared or None
        With statistics, where it is known by what distribution the values were to be drawn.
    inferable : bool or None
        Whether a forward pass can tell what is unknown of the shape; None where nothing is.

    Examples
    --------
    >>> record = ik.inspect(mx.gluon.nn.Dense(4)).records[0]
    >>> record.path, record.role, record.shape, record.state, record.size
    ('weight', 'weight', (4, None), 'uninitialized', None)
    """

    path: str
    name: str
    role: str
    shape: Optional[Tuple[Optional[int], ...]]
    dtype: str
    aliases: Tuple[str, ...] = ()
    block: str = ""
    block_path: str = ""
    stype: str = "default"
    state: str = "stored"
    pending: Optional[str] = None
    initializer: Optional[str] = None
    contexts: Tuple[str, ...] = ()
    size: Optional[int] = None
    bytes: Optional[int] = None
    grad_req: Optional[str] = None
    lr_mult: Optional[float] = None
    wd_mult: Optional[float] = None
    trained: Optional[bool] = None
    trainer: Optional[int] = None
    buffer: Optional[int] = None
    stats: Optional[Statistics] = None
    grad_stats: Optional[Statistics] = None
    grad_ratio: Optional[float] = None
    grad_fresh: Optional[bool] = None
    replicas_agree: Optional[bool] = None
    constant: bool = False
    declared: Optional[Declared] = None
    inferable: Optional[bool] = None
    stale: Tuple[str, ...] = ()
    transposed: Tuple[str, ...] = ()

    def __init__(
        self, path: str, name: str, role: str, shape: Optional[Tuple[Optional[int], ...]], dtype: str, **facts: Any
    ) -> None:
        # The constructor of a frozen dataclass sets its thirty fields one by one, which takes ten times as long. The
        # class itself has the defaults.
        if not facts.keys() <= _FIELDS:
            raise TypeError(f"a ParameterRecord has no {', '.join(map(repr, sorted(facts.keys() - _FIELDS)))}")
        facts.update(path=path, name=name, role=role, shape=shape, dtype=dtype)
        object.__setattr__(self, "__dict__", facts)

    @property
    def paths(self) -> Tuple[str, ...]:
        """Every path of it, the canonical one first."""
        return (self.path, *self.aliases)


_FIELDS = {field.name for field in fields(ParameterRecord)}


@dataclass(frozen=True)
class BlockRecord:
    """One block of a network's tree, in order of traversal: its path, ``''`` for the network itself, and its class.

    Attributes
    ----------
    path, block : str
    """

    path: str
    block: str


@dataclass(frozen=True)
class SharedValues:
    """Parameters that share their values.

    Attributes
    ----------
    kind : str
        ``'parameter'``: one Parameter under several paths; ``'buffer'``: several over one piece of memory;
        ``'values'``: weights of equal values in memory of their own, a tie that broke or a copy.
    paths : tuple of str
    """

    kind: str
    paths: Tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes
    ----------
    code, severity : str
        Stable and documented, ``'nan'``; and ``'error'``, ``'warning'`` or ``'info'``.
    paths : tuple of str
        The parameters that it is about.
    evidence, hint : str
        What was seen, with numbers, and what to do about it.
    """

    code: str
    severity: str
    paths: Tuple[str, ...]
    evidence: str
    hint: str


@dataclass(frozen=True)
class Totals:
    """What all parameters come to, each counted once, however many paths lead to it and whoever else holds its buffer.

    Parameters of equal values in memory of their own are as many as they are. ``str()`` says it in a line.

    Attributes
    ----------
    parameters : int
        How many there are, one over several paths counted once, two over one buffer counted twice.
    size, bytes : int
        Values and bytes of one replica, whatever is shared counted once; of what is known.
    unknown : int
        How many parameters have no known shape, so that the sums are lower bounds.
    trainable, frozen, auxiliary : int
        How the values divide: those with a gradient; those without, by ``grad_req='null'``; and running statistics and
        Constants, which never have one. All 0 for a file, which does not say.
    gradients : bool
        Whether gradients were known of: a file has none.
    """

    parameters: int
    size: int
    bytes: int
    unknown: int
    trainable: int
    frozen: int
    auxiliary: int
    gradients: bool

    def __str__(self) -> str:
        least = "at least " if self.unknown else ""
        unknown = f" ({self.unknown:,} unknown)" if self.unknown else ""
        text = f"{least}{counted(self.size, 'value')}{unknown} in {counted(self.parameters, 'parameter')}"
        if self.gradients:
            text += f", {least}{self.trainable:,} trainable"
        return f"{text}; {least}{counted(self.bytes, 'byte')} ({size_text(self.bytes)})"


def totals_of(records: Sequence[ParameterRecord], shared: Iterable[SharedValues]) -> Totals:
    """The totals of these parameters.

    Examples
    --------
    >>> one = ParameterRecord("0.weight", "dense0_weight", "weight", (2, 3), "float32", size=6, bytes=24)
    >>> print(totals_of([one, ParameterRecord("1.weight", "dense1_weight", "weight", (2, None), "float32")], ()))
    at least 6 values (1 unknown) in 2 parameters; at least 24 bytes (24 B)
    """
    again = counted_elsewhere(records, shared)
    once = [record for record in records if record.path not in again]
    sizes = {"trainable": 0, "frozen": 0, "auxiliary": 0}
    for record in once:
        if record.grad_req is not None:
            fixed = record.constant or record.role in RUNNING
            kind = "auxiliary" if fixed else "frozen" if record.grad_req == "null" else "trainable"
            sizes[kind] += record.size or 0
    return Totals(
        parameters=len(records),
        size=sum(record.size or 0 for record in once),
        bytes=sum(record.bytes or 0 for record in once),
        unknown=sum(record.size is None for record in once),
        gradients=any(record.grad_req is not None for record in records),
        **sizes,
    )


def counted_elsewhere(records: Sequence[ParameterRecord], shared: Iterable[SharedValues]) -> FrozenSet[str]:
    """The canonical paths of parameters whose buffer another one of `records` holds already."""
    groups = [group.paths for group in shared if group.kind == "buffer"]  # a Parameter over several paths is one record
    canonical = {path: record.path for record in records for path in record.paths} if groups else {}
    known = (dict.fromkeys(canonical[path] for path in paths if path in canonical) for paths in groups)
    return frozenset(path for paths in known for path in list(paths)[1:])


def sum_of(values: Sequence[Optional[int]]) -> int:
    """The sum; at least that, where a part is not known."""
    total = sum(value or 0 for value in values)
    return AtLeast(total) if None in values else total
