"""`inspect`: the front door, for networks and files."""

import os
from typing import Any, Callable, Dict

from ..display import printable
from ..parameters import ParameterInfo, check_block, list_parameters, matcher, refuse_no_match
from .findings import Ignored, findings_of, kept
from .records import ParameterRecord
from .report.report import Report
from .selecting import check_selector

__all__ = ["inspect"]


def inspect(
    net_or_file: Any,
    *,
    select: Any = None,
    stats: bool = False,
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
        A network, any block of one (``net[0]``), or a ``.params`` file, of MXNet 1 or 2.
    select : selector, optional
        Which parameters: a glob over paths (``'*.bias'``), a role, a compiled regular expression, a Block class, or a
        callable that gets a `ParameterInfo`. All by default. A glob may select none; a path has to be a parameter's.
    stats : bool
        Whether to read the values: statistics of each, whether replicas agree, weights that are equal, and how far the
        values are from what their initializer promises. The totals are the same with and without.
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
    CheckpointError
        The file is none of MXNet's, or damaged.
    MXNetError
        An operator that was called before failed: MXNet says so to whoever waits next, and values are waited for.

    Notes
    -----
    Of several contexts the first one's values and gradients are shown; gradients of different contexts belong to
    different parts of a batch until a Trainer adds them.

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
    if isinstance(net_or_file, (str, os.PathLike)):
        return _file(net_or_file, select, stats, grads, trainer, init, ignore)
    from .collect import collect  # not before: a file is inspected without MXNet
    from .live import Live

    try:
        check_block(net_or_file)
    except TypeError as error:
        raise TypeError(f"{printable(str(error))} A file is given by its path, a str or an os.PathLike.") from None
    measured = stats or grads or init is not None
    records, blocks, shared, structure = collect(net_or_file, select, measured, grads, trainer, init)
    findings = findings_of(records, shared, structure)
    if ignore:
        findings = kept(findings, ignore, _matching({info.label: info for _, _, info in list_parameters(net_or_file)}))
    return Report(
        records=records,
        blocks=blocks,
        shared=shared,
        findings=findings,
        source=type(net_or_file).__name__,
        live=Live(net_or_file),
    )


def _file(file: Any, select: Any, stats: bool, grads: bool, trainer: Any, init: Any, ignore: Ignored) -> Report:
    for name, given in (("grads", grads), ("trainer", trainer is not None), ("init", init is not None)):
        if given:
            raise ValueError(f"{name}= is about a network, and {os.fspath(file)!r} is a file: pass the network instead")
    from .file_report import read_checkpoint

    report = read_checkpoint(file, stats=stats)
    if select is None and not ignore:
        return report
    for selector in [select, *(rule[1] for rule in ignore if isinstance(rule, tuple) and len(rule) == 2)]:
        check_selector(selector, report.records, repr(report.source))
    infos = {record.path: _info(record) for record in report.records}
    matching = _matching(infos)
    records = tuple(record for record in report.records if select is None or matching(select, record.path))
    paths = {record.path for record in records}
    if not paths:
        refuse_no_match(select, infos.values())
    return Report(
        records=records,
        blocks=report.blocks,
        shared=tuple(group for group in report.shared if paths.issuperset(group.paths)),
        findings=kept((each for each in report.findings if paths.issuperset(each.paths)), ignore, matching),
        source=report.source,
        live=report.live,
    )


def _matching(infos: Dict[str, ParameterInfo]) -> Callable[[Any, str], bool]:
    def info(path: str) -> ParameterInfo:  # of an attribute that is no parameter the path alone can be selected
        return infos.get(path) or ParameterInfo(path, (), path, "default", None, "")

    return lambda selector, path: matcher(selector)(info(path))


def _info(record: ParameterRecord) -> Any:
    facts = ("path", "aliases", "name", "role", "shape", "dtype", "state")
    return ParameterInfo(**{name: getattr(record, name) for name in facts})
