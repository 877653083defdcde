"""The `Report` of a ``.params`` file, without a network and without MXNet: `files` says what stands where."""

import math
import os
from typing import Any, Dict, Optional

from ..files import StoredArray, StoredValues, read_headers
from ..naming import made, role_of
from .equality import shared_values
from .findings import findings_of
from .records import ParameterRecord, Statistics
from .report import Report
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
        stored (and over 16 MiB).

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
    arrays = read_headers(path)
    live = StoredValues(path, arrays)
    found: Dict[str, Statistics] = {}
    if stats:
        read = [array.name for array in arrays if live.has_values(array)]
        values = (live.values(name) for name in read)
        found = dict(zip(read, statistics_of_all([each if each.size else each.reshape(-1) for each in values])))
    records = tuple([_record(array, found.get(array.name)) for array in arrays])
    shared = shared_values(records, lambda number: live.values(records[number].path))
    findings = findings_of(records, shared) if stats else ()
    return Report(records=records, shared=shared, findings=findings, source=str(os.fspath(path)), live=live)


def _record(array: StoredArray, stats: Optional[Statistics]) -> ParameterRecord:
    facts: Dict[str, Any] = {
        "path": array.name,
        "name": array.name,
        "role": role_of(array.name),
        "shape": array.shape,
        "dtype": array.dtype,
        "stype": array.stype,
        "stats": stats,
        "aliases": array.aliases,
        "transposed": array.transposed,
    }
    if array.parts:
        facts["contexts"] = (array.context,) if array.context else ()
        facts["size"] = math.prod(array.shape)  # type: ignore[arg-type]  # no dimension is None
        facts["bytes"] = sum([part.size for part in array.parts])
    return made(ParameterRecord, facts)
