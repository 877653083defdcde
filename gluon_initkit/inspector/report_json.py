"""Conversion of reports to JSON and back: dataclasses as objects, tuples as arrays, NaN and infinities as text.

The reader checks everything: a value of the wrong type raises an error that says where it stands.
"""

from collections import Counter
import dataclasses
import functools
import json
import math
from typing import Any, Callable, Dict, List, Optional, Tuple, Union, get_type_hints

from ..display import counted
from ..files import parsed_json
from .records import SEVERITIES, BlockRecord, Finding, Histogram, ParameterRecord, SharedValues, Statistics

SCHEMA = 1
"""The version of the JSON. It grows when a reader of the old version would misread the new one."""

_KIND = "gluon_initkit.report"
_PARTS = {
    "source": str,
    "records": Tuple[ParameterRecord, ...],
    "blocks": Tuple[BlockRecord, ...],
    "shared": Tuple[SharedValues, ...],
    "findings": Tuple[Finding, ...],
}
# Checks of a record beyond its types, each with a text of what is expected.
_SOUND: Dict[Any, Tuple[Callable[[Any], bool], str]] = {
    Histogram: (
        lambda record: len(record.edges) == len(record.counts) + 1 > 1 and min(record.counts) >= 0
        and all(map(math.isfinite, record.edges)) and list(record.edges) == sorted(record.edges),
        "one more finite, ascending edge than counts"),
    Statistics: (
        lambda record: min(record.count, record.zeros, record.nan, record.posinf, record.neginf) >= 0
        and record.zeros + record.nan + record.posinf + record.neginf <= record.count,
        "counts of 0 or more, not more of zeros, NaN and infinities than of values"),
    Finding: (lambda record: record.severity in SEVERITIES, "the severity error, warning or info"),
    ParameterRecord: (
        lambda record: min([0, record.size or 0, record.bytes or 0, *filter(None, record.shape or ())]) == 0,
        "sizes of 0 or more"),
}  # fmt: skip


def encoded(report: Any, rows: Optional[List[Dict[str, Any]]], indent: Optional[int]) -> str:
    """A report as JSON, with `rows` added if given."""
    parts = {name: getattr(report, name) for name in _PARTS}
    document = {"schema": _KIND, "version": SCHEMA, **parts, **({} if rows is None else {"rows": rows})}
    return json.dumps(to_plain(document), indent=indent, allow_nan=False)


def decoded(text: str) -> Dict[str, Any]:
    """The fields of a report that `encoded` wrote."""
    document = parsed_json(text)
    if not isinstance(document, dict) or document.get("schema") != _KIND:
        raise ValueError(f"expected the JSON of a report, an object whose 'schema' is {_KIND!r}, found {text!r:.60}")
    version = document.get("version")
    if not isinstance(version, int) or not 1 <= version <= SCHEMA:
        raise ValueError(f"expected a report of version 1 to {SCHEMA}, found version {version!r}; a later one is read "
                         "by a later gluon_initkit: pip install -U gluon-initkit")  # fmt: skip
    parts = {name: _from_plain(kind, document.get(name), name) for name, kind in _PARTS.items()}
    for path, count in Counter(path for record in parts["records"] for path in record.paths).items():
        if count > 1:
            raise ValueError(f"records: two parameters have the path {path!r:.80}")
    return parts


def to_plain(value: Any) -> Any:
    """Convert a record to dictionaries, lists and scalars of JSON; NaN and infinities become text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (tuple, list)):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _from_plain(kind: Any, value: Any, where: str) -> Any:
    """Convert the output of `to_plain` back to the type `kind`. A wrong value raises a ValueError with its place.

    Unknown keys of a dataclass are ignored, so that a later version may add fields.
    """
    origin, arguments = getattr(kind, "__origin__", None), list(getattr(kind, "__args__", ()))
    if origin is Union:  # Optional
        return None if value is None else _from_plain(arguments[0], value, where)
    if origin in (tuple, Tuple):
        _expect(isinstance(value, list), "a list", value, where)
        kinds = [arguments[0]] * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) != len(value):
            raise ValueError(f"{where}: expected {counted(len(kinds), 'value')}, found {len(value)}")
        return tuple(_from_plain(kind, item, f"{where}[{n}]") for n, (kind, item) in enumerate(zip(kinds, value)))
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        _expect(isinstance(value, dict), "an object", value, where)
        facts: Dict[str, Any] = {}
        for field in dataclasses.fields(kind):
            if field.name in value:
                facts[field.name] = _from_plain(_hints(kind)[field.name], value[field.name], f"{where}.{field.name}")
            elif field.default is dataclasses.MISSING:
                raise ValueError(f"{where}: {field.name!r} is missing")
        record = kind(**facts)
        sound, expected = _SOUND.get(kind, (lambda record: True, ""))
        _expect(sound(record), expected, value, where)
        return record
    if kind is float and value in ("nan", "inf", "-inf"):
        return float(value)
    is_kind = isinstance(value, (int, float) if kind is float else kind)
    _expect(is_kind and (kind is bool or not isinstance(value, bool)), kind.__name__, value, where)
    if type(value) is int and abs(value) >> 63:
        raise ValueError(f"{where}: expected a number of 64 bits, found one of {value.bit_length():,}")
    return float(value) if kind is float else value


_hints = functools.lru_cache(maxsize=None)(get_type_hints)


def _expect(holds: bool, expected: str, value: Any, where: str) -> None:
    if not holds:
        raise ValueError(f"{where}: expected {expected}, found {value!r:.80}")
