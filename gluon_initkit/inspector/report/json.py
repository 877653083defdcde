"""Reports as JSON, and back: dataclasses as objects, tuples as arrays, and what JSON has no number for as text.

Reading trusts nothing: a value of the wrong kind is an error that says where it stands.
"""

from collections import Counter
import dataclasses
import json
import math
from typing import Any, Callable, Dict, List, Optional, Tuple, Union, get_type_hints

from ...display import counted
from ...files import parsed_json
from ..records import BlockRecord, Finding, Histogram, ParameterRecord, SharedValues, Statistics

__all__ = ["SCHEMA", "decoded", "encoded", "from_plain", "to_plain"]

SCHEMA = 1
"""The version of the JSON; it grows when a reader of the old one would misread the new."""

_KIND = "gluon_initkit.report"
_PARTS = {
    "source": str,
    "records": Tuple[ParameterRecord, ...],
    "blocks": Tuple[BlockRecord, ...],
    "shared": Tuple[SharedValues, ...],
    "findings": Tuple[Finding, ...],
}


def encoded(report: Any, rows: Optional[List[Dict[str, Any]]], indent: Optional[int]) -> str:
    """A report as JSON, with `rows` besides where there are any."""
    document: Dict[str, Any] = {"schema": _KIND, "version": SCHEMA}
    document.update({name: to_plain(getattr(report, name)) for name in _PARTS})
    if rows is not None:
        document["rows"] = [{key: to_plain(value) for key, value in row.items()} for row in rows]
    return json.dumps(document, indent=indent, allow_nan=False)


def decoded(text: str) -> Dict[str, Any]:
    """The fields of a report that `encoded` wrote."""
    document = parsed_json(text)
    if not isinstance(document, dict) or document.get("schema") != _KIND:
        raise ValueError(f"expected the JSON of a report, an object whose 'schema' is {_KIND!r}, found {text!r:.60}")
    version = document.get("version")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA:
        raise ValueError(f"expected a report of version 1 to {SCHEMA}, found version {version!r}; a later one is read "
                         "by a later gluon_initkit: pip install -U gluon-initkit")  # fmt: skip
    fields = {name: from_plain(kind, document.get(name), name) for name, kind in _PARTS.items()}
    paths = [path for record in fields["records"] for path in record.paths]
    if len(set(paths)) < len(paths):
        twice = next(path for path, count in Counter(paths).items() if count > 1)
        raise ValueError(f"records: two parameters have the path {twice!r:.80}")
    return fields


def to_plain(value: Any) -> Any:
    """A record as dictionaries, lists and scalars that JSON holds; NaN and infinities by their names.

    Examples
    --------
    >>> to_plain((1, float("inf"), None))
    [1, 'inf', None]
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: to_plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def from_plain(kind: Any, value: Any, where: str = "") -> Any:
    """What `to_plain` wrote of a value of the type `kind`.

    Keys that a dataclass does not know are passed over, so that a later version may add fields.

    Raises
    ------
    ValueError
        `value` is none such; the message says where.
    """
    origin, arguments = getattr(kind, "__origin__", None), getattr(kind, "__args__", ())
    if origin is Union:
        if value is None and type(None) in arguments:
            return None
        (inner,) = (each for each in arguments if each is not type(None))
        return from_plain(inner, value, where)
    if origin in (tuple, Tuple):
        return _tuple(arguments, value, where)
    if dataclasses.is_dataclass(kind):
        return _record(kind, value, where)
    if kind is float and isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    expected = {float: (int, float)}.get(kind, (kind,))
    if not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{where or 'the value'}: expected {kind.__name__}, found {value!r:.80}")
    if type(value) is int and abs(value) >> 63:
        raise ValueError(f"{where or 'the value'}: expected a number of 64 bits, found one of {value.bit_length():,}")
    return float(value) if kind is float else value


def _tuple(arguments: Tuple[Any, ...], value: Any, where: str) -> Tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where or 'the value'}: expected a list, found {value!r:.80}")
    kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else list(arguments)
    if len(kinds) != len(value):
        raise ValueError(f"{where}: expected {counted(len(kinds), 'value')}, found {len(value)}")
    return tuple(from_plain(kind, each, f"{where}[{index}]") for index, (kind, each) in enumerate(zip(kinds, value)))


def _record(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where or 'the value'}: expected an object, found {value!r:.80}")
    found: Dict[str, Any] = {}
    hints = _hints(kind)
    for each in dataclasses.fields(kind):
        if each.name in value:
            found[each.name] = from_plain(hints[each.name], value[each.name], f"{where}.{each.name}")
        elif each.default is dataclasses.MISSING:
            raise ValueError(f"{where or 'the value'}: {each.name!r} is missing")
    record = kind(**found)
    is_sound, expected = _SOUND.get(kind, (None, ""))
    if is_sound is not None and not is_sound(record):
        raise ValueError(f"{where or 'the value'}: expected {expected}, found {value!r:.80}")
    return record


def _is_statistics(found: Statistics) -> bool:
    others = (found.nan, found.posinf, found.neginf)
    return min(found.count, found.zeros, *others) >= 0 and sum(others) + found.zeros <= found.count


def _is_histogram(found: Histogram) -> bool:
    ascending = all(map(math.isfinite, found.edges)) and list(found.edges) == sorted(found.edges)
    return len(found.edges) == len(found.counts) + 1 > 1 and ascending and min(found.counts) >= 0


# What the types alone do not say.
_SOUND: Dict[Any, Tuple[Callable[[Any], bool], str]] = {
    Histogram: (_is_histogram, "one more finite, ascending edge than counts"),
    Statistics: (_is_statistics, "counts of 0 or more, not more of zeros, NaN and infinities than of values"),
    Finding: (lambda found: found.severity in ("error", "warning", "info"), "the severity error, warning or info"),
    ParameterRecord: (
        lambda found: min([0, found.size or 0, found.bytes or 0, *filter(None, found.shape or ())]) == 0,
        "sizes of 0 or more",
    ),
}


def _hints(kind: Any) -> Dict[str, Any]:
    if kind not in _known:
        _known[kind] = get_type_hints(kind)
    return _known[kind]


_known: Dict[Any, Dict[str, Any]] = {}
