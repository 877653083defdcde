"""`TableReport`: the base class of reports, which shows one table as text, HTML, Markdown, pandas or records."""

import dataclasses
import os
import sys
from typing import Any, Dict, Generic, Iterator, List, Optional, Sequence, Tuple, TypeVar, Union

from .fold import text_table, tree_table
from .html import as_page, as_tree
from .table import Table, as_markdown, as_rich, as_text, rendered, terminal_width
from .words import counted, did_you_mean, find_row, printable

Row = TypeVar("Row")
Path = Union[str, "os.PathLike[str]"]

_IN_NOTEBOOK = 1000  # rows that a notebook shows; fewer if there are histograms, which need much HTML
_MOST_LINES = 60  # the most lines of a table that is a repr


class TableReport(Generic[Row]):
    """A report whose `rows` are dataclasses with a `path`. A subclass defines `_table`, the table to show."""

    rows: Tuple[Row, ...]

    def _table(self) -> Table:
        raise NotImplementedError

    def _chosen(self, columns: Optional[Sequence[Any]]) -> Table:
        """The table with the columns of these keys; by default, with its own."""
        table = self._table()
        if columns is None:
            return table
        known = {column.key: column for column in table.columns}
        unknown = [key for key in columns if key not in known]
        if unknown or isinstance(columns, str):
            hint = did_you_mean(str(columns if isinstance(columns, str) else unknown[0]), list(known))
            raise KeyError(f"columns= takes a sequence of keys, found {columns!r:.80}; {hint}")
        chosen = tuple(dataclasses.replace(known[key], hoist=False) for key in columns)
        others = tuple(column for column in table.columns if column.key not in columns)
        return dataclasses.replace(table, columns=chosen, in_title=others)

    @property
    def _entries(self) -> Sequence[Any]:
        return self.rows  # the source of records

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, path: str) -> Any:
        """The row of a path or alias; a KeyError suggests similar paths."""
        return find_row(self.rows, path)

    def _ipython_key_completions_(self) -> List[str]:
        return [path for row in self.rows for path in (row.path, *getattr(row, "aliases", ()))]  # type: ignore

    def to_text(
        self, width: Optional[int] = None, *, all: bool = False, depth: Optional[int] = None,
        columns: Optional[Sequence[Any]] = None,
    ) -> str:  # fmt: skip
        """The table as plain text: a tree by path, in which similar rows are folded into one.

        Parameters
        ----------
        width : int, optional
            In characters; by default the width of the terminal, or the variable COLUMNS. Names are wrapped, never cut.
        all : bool
            Whether to show every row, without folding.
        depth : int, optional
            Fold each block at this depth, with everything inside, into one row: 1 folds the network's children.
        columns : sequence, optional
            Keys of columns. By default the columns that differ between rows, as far as they fit.
        """
        if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
            raise ValueError(f"depth= takes 0 (the whole network in one row), 1, 2, ... or None, found {depth!r}.")
        width = width or terminal_width()
        return as_text(text_table(self._chosen(columns), width, all, depth), width)

    def to_markdown(self, *, depth: Optional[int] = None, columns: Optional[Sequence[Any]] = None) -> str:
        """The table as GitHub Markdown, folded as in `to_text`."""
        return as_markdown(text_table(self._chosen(columns), None, depth=depth, flat=True))

    def to_html(
        self, path: Optional[Path] = None, *, columns: Optional[Sequence[Any]] = None,
        limit: Optional[int] = None, page: bool = True,
    ) -> str:  # fmt: skip
        """A page with a tree that unfolds, light or dark, which loads nothing from the internet.

        Parameters
        ----------
        path : str or PathLike, optional
            The file to write. The result is then this path, otherwise the HTML.
        columns : sequence, optional
            As in `to_text`.
        limit : int, optional
            The largest number of rows to write; by default all.
        page : bool
            Whether to make a complete page instead of a ``<div>``.
        """
        if not isinstance(path, (str, os.PathLike, type(None))):
            raise TypeError(f"to_html takes the path of a file to write, found {path!r:.80}; columns= chooses columns.")
        html = self._html(columns, limit)
        html = as_page(self._table().title, html) if page else html
        if path is None:
            return html
        with open(path, "w", encoding="utf-8") as file:
            file.write(html)
        return os.fspath(path)

    def _html(self, columns: Optional[Sequence[Any]] = None, limit: Optional[int] = None) -> str:
        return as_tree(tree_table(self._chosen(columns), limit))

    def to_records(self, columns: Optional[Sequence[Any]] = None) -> List[Dict[str, Any]]:
        """A dictionary of plain Python values for each row: of these columns; by default, of all its attributes."""
        if columns is None:
            return [dataclasses.asdict(row) for row in self._entries]
        chosen = self._chosen(columns).columns
        return [{column.key: column.read(row) for column in chosen} for row in self._entries]

    def to_pandas(self, columns: Optional[Sequence[Any]] = None) -> Any:
        """The rows as a pandas DataFrame, indexed by path: these columns; by default, all that are not empty."""
        pandas = import_pandas()
        records = self._pandas_records(columns)
        index = pandas.Index([row.path for row in self._entries], name="path", dtype=object)
        values = {key: [record[key] for record in records] for key in (records[0] if records else {}) if key != "path"}
        if columns is None:
            values = {key: cells for key, cells in values.items() if any(cell not in (None, ()) for cell in cells)}
        series = {key: pandas.Series(cells, index, _dtype(cells)) for key, cells in values.items()}
        return pandas.DataFrame(series, index)

    def _pandas_records(self, columns: Optional[Sequence[Any]]) -> List[Dict[str, Any]]:
        return self.to_records(columns)

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        text = str(self)
        if text.count("\n") < _MOST_LINES:
            return text
        rows = counted(len(self.rows), "row")
        return printable(f"<{type(self).__name__}: {self._table().title}; {rows}; print it to see them>")

    def __rich_console__(self, console: Any, options: Any) -> Any:
        yield as_rich(text_table(self._table(), options.max_width))

    def _repr_html_(self) -> str:
        table = self._table()
        return self._html(limit=_IN_NOTEBOOK // (1 + sum(column.html is not None for column in table.columns)))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(rendered(self, terminal=True) if sys.stdout.isatty() else repr(self))


def import_pandas() -> Any:
    """Import pandas; the ImportError says how to install it."""
    try:
        import pandas
    except ImportError:
        raise ImportError("to_pandas needs pandas: pip install pandas", name="pandas") from None
    return pandas


def _dtype(values: Sequence[Any]) -> Any:
    kinds = {type(value) for value in values if value is not None}
    plain, nullable = {int: ("int64", "Int64"), bool: ("bool", "boolean"), float: ("float64",) * 2}.get(
        kinds.pop() if len(kinds) == 1 else object, (object,) * 2)  # fmt: skip
    return nullable if any(value is None for value in values) else plain
