"""The columns of a report: one registry, which text, Markdown, HTML, JSON and pandas read.

A column knows how to read its value from a `ParameterRecord`, how to fold the values of several records into one (a
folded block, identical layers), and how to show a value. `column` adds one of your own.
"""

from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Union

from ...display import escape
from ...parameters import did_you_mean
from ..records import ParameterRecord

__all__ = ["COLUMNS", "AtLeast", "Column", "chosen_columns", "column", "show_value"]


class AtLeast(int):
    """A sum of which a part is unknown."""


def show_value(value: Any) -> str:
    """A value as tables show it: numbers short, nothing for None.

    Examples
    --------
    >>> show_value(1234567), show_value(0.000123456), show_value(True), show_value(None)
    ('1,234,567', '0.0001235', 'yes', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, AtLeast):
        return f"≥{value:,}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, (tuple, list)):
        return ", ".join(map(show_value, value))
    return str(value)


@dataclass(frozen=True)
class Column:
    """One column of a report.

    Parameters
    ----------
    key : str
        What ``columns=`` calls it, and its key in records, JSON and pandas.
    read : callable
        Its value in a `ParameterRecord`: a number, a string, a bool, a tuple of them, or None where there is none.
    heading : str, optional
        What stands above it; the key by default.
    show : callable
        A value as text.
    fold : str or callable
        How one row speaks for several parameters: ``'sum'``; ``'same'``, the value where all have the same, else
        each once; or a callable that gets their records, a tuple.
    number : bool
        Whether it is set flush right.
    html : callable, optional
        A row's value as HTML, given the value and the row's label; by default what `show` writes.
    hoist : bool
        Whether a default table says it once in its title, where all parameters have the same.
    """

    key: str
    read: Callable[[ParameterRecord], Any]
    heading: str = ""
    show: Callable[[Any], str] = show_value
    fold: Union[str, Callable[[Sequence[ParameterRecord]], Any]] = "same"
    number: bool = False
    html: Optional[Callable[[Any, str], str]] = None
    hoist: bool = False

    def of(self, records: Sequence[ParameterRecord]) -> Any:
        """The value of a row that stands for these parameters."""
        if len(records) == 1:
            return self.read(records[0])
        if callable(self.fold):
            return self.fold(records)
        values = [self.read(record) for record in records]
        if self.fold == "sum":
            known = [value for value in values if value is not None]
            if not known:
                return None
            return AtLeast(sum(known)) if len(known) < len(values) else sum(known)
        different = list({repr(value): value for value in values if value is not None}.values())
        return different[0] if len(different) == 1 else tuple(different) or None

    def sort_value(self, value: Any) -> Any:
        """What a value is sorted by: numbers as such, all else as it is shown, None as None."""
        return value if value is None or isinstance(value, (int, float)) else self.show(value)

    def as_html(self, value: Any, label: str) -> str:
        """A value as HTML."""
        return escape(self.show(value)) if self.html is None else self.html(value, label)


COLUMNS: Dict[str, Column] = {}
"""The registry, by key, in the order in which a table shows them."""

_BUILT_IN: List[str] = []


def column(key: str, read: Optional[Callable[[ParameterRecord], Any]] = None, **options: Any) -> Any:
    """Add a column that every report can show: ``report.to_text(columns=['path', 'rows'])``.

    Parameters
    ----------
    key : str
        What ``columns=`` will call it. A column of yours under the same key is replaced, so a notebook's cell can run
        again; a built-in one is not.
    read : callable, optional
        Its value in a `ParameterRecord`. Without it, `column` is a decorator.
    options
        Further fields of `Column`: `heading`, `show`, `fold`, `number`, `html`, `hoist`.

    Returns
    -------
    Column
        As a decorator, the function that it decorates.

    Raises
    ------
    ValueError
        `key` is a built-in column's.

    Examples
    --------
    >>> made = column("rows", lambda record: record.shape and record.shape[0], number=True)
    >>> made.read(ParameterRecord("0.weight", "dense0_weight", "weight", (4, 3), "float32"))
    4
    """
    if key in _BUILT_IN:
        raise ValueError(f"the column {key!r} is built in; call yours otherwise, such as {'my_' + key!r}.")
    if read is None:

        def decorate(function: Callable[[ParameterRecord], Any]) -> Callable[[ParameterRecord], Any]:
            column(key, function, **options)
            return function

        return decorate
    COLUMNS[key] = Column(key, read, **options)
    return COLUMNS[key]


def built_in(columns: Iterable[Column]) -> None:
    """Put columns into the registry that users cannot replace."""
    for each in columns:
        COLUMNS[each.key] = each
        _BUILT_IN.append(each.key)


def chosen_columns(names: Iterable[Union[str, Column]]) -> List[Column]:
    """The columns of these keys; a `Column` is itself.

    Raises
    ------
    KeyError
        There is no such column; the error knows the nearest, or all.
    TypeError
        `names` is one string rather than a sequence of them.
    """
    if isinstance(names, str):
        raise TypeError(f"columns= takes a sequence of keys, found the string {names!r}; pass columns=[{names!r}].")
    return [name if isinstance(name, Column) else _named(name) for name in names]


def _named(name: str) -> Column:
    if name not in COLUMNS:
        hint = did_you_mean(str(name), list(COLUMNS))
        raise KeyError(f"no column is called {name!r}; {hint} ik.inspector.column({name!r}, ...) adds one.")
    return COLUMNS[name]
