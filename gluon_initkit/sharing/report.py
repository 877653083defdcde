"""`SharingReport`: what a tie makes of a network, one row a group, rendered like the other tables."""

from dataclasses import dataclass
from operator import attrgetter
from typing import Iterator, Optional, Tuple

from ..display import Column, Table, TableReport, counted, path_column, shape_column, size_text
from .groups import SharedGroup


@dataclass(frozen=True)
class SharingRow:
    """One group of paths that share a parameter.

    Attributes
    ----------
    group : SharedGroup
        Its paths. The canonical one's Parameter is the one that is kept.
    shape : tuple of (int or None), or None
        What all the shapes say together.
    dtype : str
        Such as ``'float32'``.
    saved : int
        The bytes of values that are, or would have been, held once more, over all contexts; gradients save as many.
    dropped : tuple of str
        The paths whose values were others, and are lost; with ``values='average'`` those that went into the mean.
    values_from : str or None
        The path whose values are kept: another than the canonical one where that has none yet. None where no values
        are there, or where they are averaged.
    """

    group: SharedGroup
    shape: Optional[Tuple[Optional[int], ...]]
    dtype: str
    saved: int
    dropped: Tuple[str, ...]
    values_from: Optional[str]

    @property
    def path(self) -> str:
        """The canonical path."""
        return self.group.canonical

    @property
    def aliases(self) -> Tuple[str, ...]:
        """The other paths."""
        return self.group.aliases

    @property
    def transposed(self) -> Tuple[str, ...]:
        """Those at which the parameter stands transposed."""
        return self.group.transposed


@dataclass(frozen=True, repr=False)
class SharingReport(TableReport[SharingRow]):
    """What ``Sharing.apply()`` returns: one row a group. ``str()`` is a table, Jupyter shows it as HTML.

    Attributes
    ----------
    rows : tuple of SharingRow
        In order of traversal.
    values : str
        ``'keep'`` or ``'average'``.
    applied : bool
        False after ``dry_run=True``.
    """

    rows: Tuple[SharingRow, ...]
    values: str
    applied: bool

    @property
    def groups(self) -> Tuple[SharedGroup, ...]:
        """The groups, as `check_sharing` takes them."""
        return tuple(row.group for row in self.rows)

    @property
    def saved(self) -> int:
        """The bytes of values saved by all groups."""
        return sum(row.saved for row in self.rows)

    @property
    def dropped(self) -> Tuple[str, ...]:
        """All paths whose values were others than those that are kept."""
        return tuple(path for row in self.rows for path in row.dropped)

    def _table(self) -> Table:
        what = "Shared" if self.applied else "Would be shared (dry run)"
        title = f"{what}: {counted(len(self.rows), 'group')}, {size_text(self.saved)} saved"
        return Table(title, _COLUMNS, self.rows, tuple(self._notes()), lambda row: "changed" if row.dropped else "")

    def _notes(self) -> Iterator[str]:
        if self.dropped:
            were = "were averaged" if self.values == "average" else "are dropped"
            yield f"{counted(len(self.dropped), 'path')} had other values, which {were}: {', '.join(self.dropped)}."


_COLUMNS = (
    path_column(),
    shape_column(),
    Column("dtype", attrgetter("dtype"), hoist="{}"),
    Column("saved", attrgetter("saved"), show=size_text, fold="sum", number=True),
    Column("values of", lambda row: "averaged" if row.dropped and not row.values_from else
           row.values_from if row.values_from != row.path else None),
    Column("other values", lambda row: ", ".join(row.dropped)),
)  # fmt: skip
