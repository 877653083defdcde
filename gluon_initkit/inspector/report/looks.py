"""What a report looks like: on a terminal, in Jupyter, as Markdown, as a page, in pandas, as a plot.

The methods only: tables are `tabulating`'s, the tree `page`'s, plots `plotting`'s; all read one registry of columns.
"""

import dataclasses
from typing import Any, Dict, List, Optional, Sequence, Tuple

from ... import display
from ..records import ParameterRecord
from .columns import COLUMNS, chosen_columns
from .plot import plot_distributions
from .table import table_of
from .tree import LIMIT, MOST, html_of

__all__ = ["Looks"]

LINES = 10_000
"""How many rows a text shows before it says how to see the rest."""


class Looks:
    """The faces of a `Report`, which inherits them."""

    def to_text(
        self,
        depth: Optional[int] = None,
        columns: Optional[Sequence[Any]] = None,
        width: Optional[int] = None,
        collapse: Optional[bool] = None,
        limit: Optional[int] = LINES,
    ) -> str:
        """A table as plain text; names are wrapped, never cut.

        Parameters
        ----------
        depth : int, optional
            Fold the blocks at this depth, and all below, into a row each: 1 folds the network's own children. Their
            sums are exact, and so are their statistics but for quantiles and histograms.
        columns : sequence, optional
            Keys of columns, or `Column` objects. By default those that tell the parameters apart, as far as they fit.
        width : int, optional
            In characters; the terminal's by default (the variable COLUMNS says otherwise).
        collapse : bool, optional
            Whether identical siblings become one row, ``layer.{0..11} x12``. By default where there are no statistics,
            which would tell them apart.
        limit : int, optional
            How many rows to write at most; a note tells how to see the others. None writes all.

        Returns
        -------
        str

        Raises
        ------
        KeyError
            There is no such column.
        """
        _check_depth(depth)
        return display.as_text(_Shown(self, depth, columns, collapse, limit), width)

    def to_markdown(
        self, depth: Optional[int] = None, columns: Optional[Sequence[Any]] = None, collapse: Optional[bool] = None
    ) -> str:
        """The table of `to_text` as GitHub's Markdown.

        Parameters
        ----------
        depth, columns, collapse
            As in `to_text`; by default all columns that tell parameters apart, since there is no width to fit.

        Returns
        -------
        str
        """
        _check_depth(depth)
        return display.as_markdown(table_of(self, depth, columns, None, collapse))

    def to_html(self, columns: Optional[Sequence[Any]] = None, limit: Optional[int] = None, page: bool = True) -> str:
        """A tree of blocks that unfold, as a page of its own: no script, nothing from a network, light and dark.

        Parameters
        ----------
        columns : sequence, optional
            As in `to_text`.
        limit : int, optional
            How many parameters to write at most; a note tells how to see the others. By default all.
        page : bool
            Whether to write a whole page, to be saved as a file, rather than a ``<div>``.

        Returns
        -------
        str
        """
        fragment = html_of(self, columns, limit)
        return display.as_page(getattr(self, "source", "") or "Report", fragment) if page else fragment

    def to_records(self, columns: Optional[Sequence[Any]] = None) -> List[Dict[str, Any]]:
        """The parameters as dictionaries of plain Python values.

        Parameters
        ----------
        columns : sequence, optional
            The columns to put into them, by their keys; by default the attributes of `ParameterRecord`.

        Returns
        -------
        list of dict
            One a parameter.
        """
        if columns is None:
            return [dataclasses.asdict(record) for record in _records(self)]
        chosen = chosen_columns(columns)
        return [{column.key: column.read(record) for column in chosen} for record in _records(self)]

    def to_pandas(self, columns: Optional[Sequence[Any]] = None) -> Any:
        """The parameters as a DataFrame, a row each, by path.

        Parameters
        ----------
        columns : sequence, optional
            Keys of columns, or `Column` objects; by default all that any parameter has a value in.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ImportError("to_pandas needs pandas: pip install pandas", name="pandas") from None
        records = _records(self)
        chosen = list(COLUMNS.values()) if columns is None else chosen_columns(columns)
        values = {column.key: [column.read(record) for record in records] for column in chosen}
        if columns is None:
            values = {key: each for key, each in values.items() if any(value not in (None, ()) for value in each)}
        values.pop("path", None)
        index = pandas.Index([record.path for record in records], name="path", dtype=object)
        return pandas.DataFrame({key: pandas.Series(each, index, _dtype(each)) for key, each in values.items()}, index)

    def plot(self, axes: Optional[Sequence[Any]] = None) -> List[Any]:
        """The distribution of every layer's weights, and of their gradients where the report has them.

        Of all parameters if none is a weight; ``report.select('bias').plot()`` shows others.

        Parameters
        ----------
        axes : sequence of matplotlib.axes.Axes, optional
            Where to draw: one, or two where there are gradients. By default on a new figure.

        Returns
        -------
        list of matplotlib.axes.Axes

        Raises
        ------
        ImportError
            Matplotlib is not installed.
        ValueError
            The report has no statistics.
        """
        return plot_distributions(self, axes)

    def __str__(self) -> str:
        return self.to_text()

    def __rich__(self) -> Any:
        return display.as_rich(_Shown(self, None, None, None, LINES))

    def _repr_html_(self) -> str:
        return html_of(self, None, LIMIT, MOST)


class _Shown:
    """A table that is made when it is known how wide it may be."""

    def __init__(self, report: Any, depth: Any, columns: Any, collapse: Optional[bool], limit: Optional[int]) -> None:
        self.arguments = (report, depth, columns)
        self.collapse, self.limit = collapse, limit

    def at(self, width: int) -> display.Table:
        return table_of(*self.arguments, width, self.collapse, self.limit)


def _records(report: Any) -> Tuple[ParameterRecord, ...]:
    return report.records


def _check_depth(depth: Optional[int]) -> None:
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise ValueError(f"depth= takes 0 (the whole network in one row), 1, 2, ... or None, found {depth!r}.")


def _dtype(values: Sequence[Any]) -> Any:
    """Integers with gaps stay integers, and bools bools."""
    kinds = {type(value) for value in values if value is not None}
    gaps = any(value is None for value in values)
    if kinds == {int}:
        return "Int64" if gaps else "int64"
    if kinds == {bool}:
        return "boolean" if gaps else "bool"
    return "float64" if kinds == {float} else object
