"""Records of parameters, blocks, statistics and findings: plain data that can be pickled, compared and written as JSON.

Records hold no live MXNet objects and need no MXNet. `inspect` fills them; `findings` checks them.
"""

from dataclasses import dataclass, fields
from typing import Any, FrozenSet, Iterable, Optional, Sequence, Tuple

from ..display import AtLeast, counted, size_text

RUNNING = ("running_mean", "running_var")  # the roles of running statistics, which have no gradient
SEVERITIES = ("error", "warning", "info")  # of findings, most severe first


@dataclass(frozen=True)
class Histogram:
    """Counts of finite values: ``counts[i]`` of them lie in ``[edges[i], edges[i + 1])``. The last bin is closed.

    Attributes
    ----------
    edges : tuple of float
        In ascending order, one more than `counts`.
    counts : tuple of int
    """

    edges: Tuple[float, ...]
    counts: Tuple[int, ...]


@dataclass(frozen=True)
class Statistics:
    """Statistics of one array, over its finite values unless stated otherwise.

    Attributes
    ----------
    count : int
        Number of all values, finite or not.
    mean, std, min, max : float or None
        In float64; `std` is the population standard deviation. None if no value is finite.
    norm : float
        The L2 norm.
    zeros, nan, posinf, neginf : int
        Numbers of zeros, NaN, +inf and -inf.
    quantiles : tuple of (float, float)
        Pairs of probability and value, ``(0.25, value)``; empty without ``stats='full'``.
    histogram : Histogram or None
        None without ``stats='full'``.
    identical_rows : bool
        Whether all rows are the same. False for fewer than two dimensions or fewer than two rows.
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
    """The moments that the declared initializer promises for this shape, and the distance of the measured moments.

    Attributes
    ----------
    initializer : str
        As a user would write it.
    mean, std : float
        The promised moments.
    z_mean, z_std : float or None
        Differences of the measured moments in standard errors; None if `std` is 0 or there are too few values.
    untouched : bool
        Whether the values may still be the drawn ones: the network shows no sign of training or loading.
    """

    initializer: str
    mean: float
    std: float
    z_mean: Optional[float] = None
    z_std: Optional[float] = None
    untouched: bool = True


@dataclass(frozen=True, init=False)
class ParameterRecord:
    """One parameter of a network, or one array of a file. None means unknown.

    Attributes
    ----------
    path : str
        The canonical path; in a file, the name of the array.
    name : str
        MXNet's global name; in a file, the same as `path`.
    role, dtype, stype : str
    shape : tuple of (int or None), or None
        None stands for an unknown dimension, or for an unknown number of dimensions.
    aliases, transposed : tuple of str
        The other paths of a shared Parameter, or of an array in a file with a tie map (`save`); and those among them
        where a transposed tie uses the transpose.
    block, block_path : str
        Class and path of the block that owns it; ``''`` in a file.
    state : str
        ``'uninitialized'``, ``'deferred'``, ``'initialized'``; in a file, ``'stored'``.
    pending, initializer : str or None
        Initializer that will fill a deferred parameter, and its own declared initializer, as a user would write them.
    contexts : tuple of str
        The contexts of its data, present or pending: ``('cpu(0)',)``.
    size, bytes : int or None
        Number of values and bytes of one replica; None if the shape is unknown.
    grad_req : str or None
    lr_mult, wd_mult : float or None
    trained : bool or None
        Whether the given Trainer updates it; None if no Trainer was given.
    trainer, buffer : int or None
        Parameters with the same number belong to the same Trainer, or hold their data in the same memory; None if
        there is no Trainer or no data.
    stats, grad_stats : Statistics or None
    grad_ratio : float or None
        Norm of the gradient divided by the norm of the values.
    grad_fresh : bool or None
        Whether a backward pass wrote the gradient since the last update.
    stale : tuple of str
        The contexts without such a gradient, if `grad_fresh` is False.
    replicas_agree : bool or None
        Whether all contexts hold the same values; None if there is one context, or if values were not read.
    constant : bool
        Whether it is a ``gluon.Constant``.
    declared : Declared or None
        Set if statistics were computed and the initializer's distribution is known.
    inferable : bool or None
        Whether a forward pass can infer the unknown dimensions; None if there are none.

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
        # The generated constructor of a frozen dataclass sets its thirty fields one by one, which takes ten times as
        # long. Default values are read from the class.
        if not facts.keys() <= _FIELDS:
            raise TypeError(f"a ParameterRecord has no {', '.join(map(repr, sorted(facts.keys() - _FIELDS)))}")
        facts.update(path=path, name=name, role=role, shape=shape, dtype=dtype)
        object.__setattr__(self, "__dict__", facts)

    @property
    def paths(self) -> Tuple[str, ...]:
        """All paths, the canonical one first."""
        return (self.path, *self.aliases)


_FIELDS = {field.name for field in fields(ParameterRecord)}


@dataclass(frozen=True)
class BlockRecord:
    """One block of a network: its path, ``''`` for the network itself, and the name of its class.

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
        ``'parameter'``: one Parameter with several paths; ``'buffer'``: several Parameters over one piece of memory;
        ``'values'``: weights with equal values in separate memory, because a tie broke or one is a copy.
    paths : tuple of str
    """

    kind: str
    paths: Tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """A possible problem.

    Attributes
    ----------
    code, severity : str
        A stable, documented code such as ``'nan'``; and ``'error'``, ``'warning'`` or ``'info'``.
    paths : tuple of str
        The parameters concerned.
    evidence, hint : str
        The observation, with numbers, and the remedy.
    """

    code: str
    severity: str
    paths: Tuple[str, ...]
    evidence: str
    hint: str


@dataclass(frozen=True)
class Totals:
    """Totals over all parameters. Values with several paths, or in a buffer of several Parameters, count once.

    Equal values in separate memory count separately. ``str()`` gives one line.

    Attributes
    ----------
    parameters : int
        Number of parameters. One with several paths counts once; two over one buffer count twice.
    size, bytes : int
        Values and bytes of one replica. Shared memory counts once, and unknown shapes count 0.
    unknown : int
        Number of parameters of unknown shape. If there are any, the sums are lower bounds.
    trainable, frozen, auxiliary : int
        Values with a gradient; values without, by ``grad_req='null'``; and values of running statistics and Constants,
        which never have a gradient. All 0 for a file.
    gradients : bool
        Whether anything is known about gradients: False for a file.
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
    """Return the totals of these parameters.

    Examples
    --------
    >>> one = ParameterRecord("0.weight", "dense0_weight", "weight", (2, 3), "float32", size=6, bytes=24)
    >>> print(totals_of([one, ParameterRecord("1.weight", "dense1_weight", "weight", (2, None), "float32")], ()))
    at least 6 values (1 unknown) in 2 parameters; at least 24 bytes (24 B)
    """
    duplicates = counted_elsewhere(records, shared)
    unique = [record for record in records if record.path not in duplicates]
    sizes = {"trainable": 0, "frozen": 0, "auxiliary": 0}
    for record in unique:
        if record.grad_req is not None:
            fixed = record.constant or record.role in RUNNING
            kind = "auxiliary" if fixed else "frozen" if record.grad_req == "null" else "trainable"
            sizes[kind] += record.size or 0
    return Totals(
        parameters=len(records),
        size=sum(record.size or 0 for record in unique),
        bytes=sum(record.bytes or 0 for record in unique),
        unknown=sum(record.size is None for record in unique),
        gradients=any(record.grad_req is not None for record in records),
        **sizes,
    )


def counted_elsewhere(records: Sequence[ParameterRecord], shared: Iterable[SharedValues]) -> FrozenSet[str]:
    """The canonical paths of parameters in a buffer that an earlier parameter of `records` has too."""
    groups = [group.paths for group in shared if group.kind == "buffer"]  # a Parameter with several paths is one record
    canonical = {path: record.path for record in records for path in record.paths} if groups else {}
    canonical_groups = (dict.fromkeys(canonical[path] for path in paths if path in canonical) for paths in groups)
    return frozenset(path for paths in canonical_groups for path in list(paths)[1:])


def sum_of(values: Sequence[Optional[int]]) -> int:
    """The sum; an `AtLeast` if a value is unknown."""
    total = sum(value or 0 for value in values)
    return AtLeast(total) if None in values else total
