"""`inspect`: collect the records of a network or a file, check them, and make a report. Nothing is changed."""

from contextlib import nullcontext
from functools import partial
import math
import os
from typing import Any, Dict, Optional, Union

from ..display import printable
from ..files import StoredArray, StoredValues
from ..parameters import check_block, list_parameters, matcher, role_of
from .findings import Ignored, drop_ignored, findings_of
from .records import ParameterRecord, Statistics
from .report import Report, record_matcher
from .statistics import shared_values, statistics_of_all

_MOST = 1 << 31  # limit in bytes for all unpacked arrays of a file, beyond 64 times the stored bytes


def inspect(
    net_or_file: Any,
    *inputs: Any,
    select: Any = None,
    stats: Union[bool, str] = False,
    grads: bool = False,
    trainer: Any = None,
    init: Any = None,
    ignore: Ignored = (),
) -> Report:
    """Report on a network or a parameter file. Changes nothing.

    No forward pass runs, and nothing is initialized, drawn, moved or cached. The network may be in any state.

    Parameters
    ----------
    net_or_file : Block, str or path
        A network, any block of one (``net[0]``), or a file: ``.params`` of MXNet 1 or 2, zip files of arrays by MXNet 2
        or NumPy, ``.safetensors``. Paths are then the names in the file, or the numbers of arrays without names.
    *inputs
        Not accepted, since no forward pass runs. `outputs` and `summary` take a network's inputs.
    select : selector, optional
        Which parameters: a glob over paths (``'*.bias'``), which may match nothing, or a path; a role, a compiled
        regular expression, a Block class, or a callable that takes a `ParameterInfo` (for files a `ParameterRecord`).
    stats : bool or ``'full'``
        Whether to read the values. The report then has their moments and counts, equal weights, whether replicas
        agree, and the distance of the moments from those that the initializer promises. ``'full'`` adds quantiles and
        a histogram for plots, and takes several times as long. The totals are the same with and without.
    grads : bool
        Whether to read the gradients as well. It implies `stats`.
    trainer : Trainer, optional
        Adds to each record whether this Trainer updates the parameter.
    init : Initializer or str, optional
        The initializer of ``net.initialize``, which MXNet forgets once values are drawn. Without it, only initializers
        of layers are compared with measured values, and only if nothing shows that the network was trained or loaded.
        It implies `stats`.
    ignore : sequence of str or (str, selector)
        Findings to leave out: a code, or a pair of a code and a selector, ``('broken-tie', 'teacher.*')``.

    Returns
    -------
    Report
        A record of each parameter, totals, shared values, and findings.

    Raises
    ------
    TypeError, ValueError
        An argument is none of the above, `select` is a path that no parameter has, or an argument needs a network and
        a file is given, as a Block class does.
    CheckpointError, OSError
        The file has an unknown format, is damaged (the message has offset and reason), or cannot be read.
    MXNetError
        An operator that was called before failed. MXNet raises its error in the next wait, and a report waits.

    Notes
    -----
    With several contexts, values and gradients are those of the first; gradients of different contexts belong to
    different parts of a batch until a Trainer adds them. An array of a file has no statistics if it was saved before
    its shape was known. Neither has a sparse or deflated array that would unpack to 64 times its stored size (and over
    16 MiB), or with others to 2 GiB more than that.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(2, in_units=3), mx.gluon.nn.Dense(4))
    >>> for record in inspect(net).records:
    ...     print(record.path, record.shape, record.state)
    0.weight (2, 3) uninitialized
    0.bias (2,) uninitialized
    1.weight (4, None) uninitialized
    1.bias (4,) uninitialized
    """
    if inputs:
        raise TypeError("inspect runs no forward pass and takes no inputs: ik.outputs(net, x) measures what blocks put "
                        "out, ik.summary(net, x) their shapes and multiply-adds")  # fmt: skip
    if isinstance(stats, str) and stats != "full":
        raise ValueError(f"stats is {stats!r}: expected False, True or 'full'")
    if isinstance(net_or_file, (str, os.PathLike)):
        for name, is_set in (("grads", grads), ("trainer", trainer is not None), ("init", init is not None)):
            if is_set:
                raise ValueError(f"{name}= is about a network, and {os.fspath(net_or_file)!r} is a file: "
                                 "pass the network instead")  # fmt: skip
        return _inspect_file(net_or_file, select, stats, ignore)
    from .collect import Live, collect  # imported here since files need no MXNet

    try:
        check_block(net_or_file)
    except TypeError as error:
        raise TypeError(f"{printable(str(error))} A file is given by its path, a str or an os.PathLike.") from None
    records, blocks, shared, structure = collect(net_or_file, select, stats, grads, trainer, init)
    findings = findings_of(records, shared, structure)
    if ignore:
        infos = {info.label: info for _, _, info in list_parameters(net_or_file)}
        findings = drop_ignored(findings, ignore, infos, matcher)
    return Report(records, blocks, shared, findings, type(net_or_file).__name__, Live(net_or_file))


def _inspect_file(path: Any, select: Any, stats: Any, ignore: Ignored) -> Report:
    live, source = StoredValues(path), str(os.fspath(path))
    arrays = list(live.arrays.values())
    values: Dict[str, Any] = {}
    budget = _MOST  # for all arrays, since many small ones may unpack to as much as a large one
    reading: Any = live.reading() if stats else nullcontext()
    with reading as open_values:
        for array in arrays if stats else ():
            if live.has_values(array):
                budget -= live.growth(array)
                if budget >= 0:
                    values[array.name] = open_values(array)
        statistics = dict(zip(values, statistics_of_all(list(values.values()), full=stats == "full")))
        records = tuple([_record(array, statistics.get(array.name)) for array in arrays])
        shared = shared_values(records, [values.get(array.name) for array in arrays] if stats else ())
    findings = findings_of(records, shared)
    if ignore:
        matching = partial(record_matcher, records=records, blocks=(), source=source)
        findings = drop_ignored(findings, ignore, {record.path: record for record in records}, matching)
    report = Report(records, (), shared, findings, source, live)
    return report if select is None else report.select(select)


def _record(array: StoredArray, stats: Optional[Statistics]) -> ParameterRecord:
    # Common values are left to the defaults of the class, since a file may have a million records.
    facts: Dict[str, Any] = {}
    if stats is not None:
        facts["stats"] = stats
    if array.aliases:
        facts.update(aliases=array.aliases, transposed=array.transposed)
    if array.stype != "default":
        facts["stype"] = array.stype
    name, shape, parts = array.name, array.shape, array.parts
    if parts:
        if array.context:
            facts["contexts"] = (array.context,)
        facts["size"] = math.prod(shape)  # type: ignore[arg-type]  # no dimension is None
        facts["bytes"] = parts[0].size if len(parts) == 1 else sum(part.size for part in parts)
    return ParameterRecord(name, name, role_of(name), shape, array.dtype, **facts)
