"""`inspect`: collect what is known of a network or a file, judge it, and report. Nothing is changed."""

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

_MOST = 1 << 31  # bytes that all of a file's sparse and deflated arrays may become, besides 64 for each stored one


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
    """Look at a network, or at a parameter file, and change nothing.

    No forward pass is run, nothing is initialized, drawn, moved or cached, whatever state the network is in.

    Parameters
    ----------
    net_or_file : Block, str or path
        A network, any block of one (``net[0]``), or a file: ``.params`` of MXNet 1 or 2, MXNet 2's and NumPy's zip
        files of arrays, ``.safetensors``. Paths are then the names in the file; an array without one has its number.
    *inputs
        None are taken, since no forward pass is run: `outputs` and `summary` take a network's inputs.
    select : selector, optional
        Which parameters: a glob over paths (``'*.bias'``), which may select none, or a path; a role, a compiled
        regular expression, a Block class, or a callable that gets a `ParameterInfo`, of a file a `ParameterRecord`.
    stats : bool or ``'full'``
        Whether to read the values: moments and counts of each, whether replicas agree, weights that are equal, and how
        far the values are from what their initializer promises. ``'full'`` adds quantiles and a histogram, which plots
        show, and takes several times as long. The totals are the same with and without.
    grads : bool
        Whether to read the gradients as well. It implies `stats`.
    trainer : Trainer, optional
        To say of each parameter whether this Trainer updates it.
    init : Initializer or str, optional
        What ``net.initialize`` was given. MXNet forgets it once values are drawn, so without it only the initializers
        that layers were given themselves are compared with what is measured, and only while nothing shows that the
        network was trained or loaded. It implies `stats`.
    ignore : sequence of str or (str, selector)
        Findings to leave out: a code, or a code and a selector of parameters, ``('broken-tie', 'teacher.*')``.

    Returns
    -------
    Report
        A record of each parameter, totals, what is shared, and findings.

    Raises
    ------
    TypeError, ValueError
        An argument is none of the above, `select` is a path that no parameter has, or something is asked of a file that
        only a network knows: a Block class, for instance.
    CheckpointError, OSError
        The file is none of MXNet's, or damaged, with the offset and the reason; or cannot be read at all.
    MXNetError
        An operator that was called before failed: MXNet says so to whoever waits next, and a report waits.

    Notes
    -----
    Of several contexts the first one's values and gradients are shown; gradients of different contexts belong to
    different parts of a batch until a Trainer adds them. An array of a file has no statistics where it was saved before
    its shape was known; or is sparse or deflated, and would become 64 times as large as what is stored (and over 16
    MiB), or with others 2 GiB larger than that.

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
        for name, given in (("grads", grads), ("trainer", trainer is not None), ("init", init is not None)):
            if given:
                raise ValueError(f"{name}= is about a network, and {os.fspath(net_or_file)!r} is a file: "
                                 "pass the network instead")  # fmt: skip
        return _inspect_file(net_or_file, select, stats, ignore)
    from .collect import Live, collect  # not before: a file is inspected without MXNet

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
    left = _MOST  # many small lies are no better than a great one
    reading: Any = live.reading() if stats else nullcontext()
    with reading as open_values:
        for array in arrays if stats else ():
            if live.has_values(array):
                left -= live.growth(array)
                if left >= 0:
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
    # What is as in most arrays is left to the class: of a million records each entry takes memory.
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
