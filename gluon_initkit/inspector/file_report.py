"""The `Report` of a ``.params`` file, without a network and without MXNet: `files` says what stands where."""

from functools import lru_cache
import math
import os
from typing import Any, Dict, Iterator, Optional, Tuple

from ..files import StoredArray, StoredValues
from ..parameters import made, role_of
from .findings import findings_of
from .records import ParameterRecord, Statistics
from .report.report import Report
from .shared_values import shared_values
from .statistics import statistics_of_all

__all__ = ["read_checkpoint"]


def read_checkpoint(path: Any, stats: bool = False) -> Report:
    """What is in a ``.params`` file, from its headers.

    Parameters
    ----------
    path : str or path-like
        A file that MXNet wrote: ``save_parameters``, ``export``, ``mx.nd.save``, ``mx.npx.save``; MXNet 2's zip files
        of arrays too (``mx.npx.savez``), and NumPy's.
    stats : bool
        Whether to compute statistics, for which the values are read. An array whose values cannot be had has none: one
        saved before its shape was known, or a sparse or deflated one that would become 64 times as large as what is
        stored (and over 16 MiB), or of which a file holds so many that they would become 2 GiB more than that.

    Returns
    -------
    Report
        Its records are in the order of the file; a record's path is the name in the file, ``arg:`` included; an array
        without a name is called by its number. ``report.live`` is the `StoredValues`.

    Raises
    ------
    CheckpointError
        The file is none of MXNet's, is cut off, or says what cannot be; with the offset and the reason.
    OSError
        It cannot be read at all.

    Examples
    --------
    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "a.params")
    >>> mx.nd.save(path, {"0.weight": mx.nd.ones((3, 2))})
    >>> report = read_checkpoint(path)
    >>> [(record.path, record.role, record.shape, record.bytes) for record in report.records]
    [('0.weight', 'weight', (3, 2), 24)]
    >>> report.live.values("0.weight").tolist()
    [[1.0, 1.0], [1.0, 1.0], [1.0, 1.0]]
    """
    live = StoredValues(path)
    arrays = list(live.arrays.values())
    if not stats:
        records = tuple([_record(array, None) for array in arrays])
        shared = shared_values(records, lambda number: None)
    else:
        with live.reading() as values:
            read = list(_affordable(live))
            found = dict(zip([array.name for array in read], statistics_of_all([values(array) for array in read])))
            records = tuple([_record(array, found.get(array.name)) for array in arrays])
            shared = shared_values(records, lambda number: values(arrays[number]))
    findings = findings_of(records, shared) if stats else ()
    return Report(records=records, shared=shared, findings=findings, source=str(os.fspath(path)), live=live)


_MOST = 1 << 31  # bytes that all of a file's sparse and deflated arrays may become, besides 64 for each stored one


def _affordable(live: StoredValues) -> Iterator[StoredArray]:
    """The arrays that have values which may be read. Many small lies are no better than a great one."""
    left = _MOST
    for array in live.arrays.values():
        if live.has_values(array):
            left -= live.growth(array)
            if left >= 0:
                yield array


@lru_cache(maxsize=64)
def _contexts(context: str) -> Tuple[str]:
    return (context,)


def _record(array: StoredArray, stats: Optional[Statistics]) -> ParameterRecord:
    facts: Dict[str, Any] = {
        "path": array.name,
        "name": array.name,
        "role": role_of(array.name),
        "shape": array.shape,
        "dtype": array.dtype,
    }
    # What is as in most arrays is left to the class: of a million records each entry takes memory.
    told = {"stats": stats, "aliases": array.aliases, "transposed": array.transposed}
    facts.update({name: value for name, value in told.items() if value})
    if array.stype != "default":
        facts["stype"] = array.stype
    if array.parts:
        if array.context:
            facts["contexts"] = _contexts(array.context)
        facts["size"] = math.prod(array.shape)  # type: ignore[arg-type]  # no dimension is None
        facts["bytes"] = sum([part.size for part in array.parts])
    return made(ParameterRecord, facts)
