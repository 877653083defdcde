"""Selectors over records, which are `parameters`'; a Block class goes by its name, since plain data has no classes."""

from typing import Any, Callable, Iterator, Sequence

from ..display import printable
from ..parameters import matcher, show_selector
from .records import BlockRecord, ParameterRecord

__all__ = ["check_selector", "record_matcher"]


def record_matcher(selector: Any, blocks: Sequence[BlockRecord]) -> Callable[[Any], bool]:
    """The predicate over records that a selector stands for; a callable gets the `ParameterRecord`.

    A Block class is sought by its name, and by those of its subclasses, among the blocks around a parameter.

    Examples
    --------
    >>> record = ParameterRecord("body.0.bias", "dense0_bias", "bias", (4,), "float32")
    >>> record_matcher("*.bias", ())(record), record_matcher("weight", ())(record)
    (True, False)
    """
    if not isinstance(selector, type):
        return matcher(selector)
    names = {cls.__name__ for cls in _with_subclasses(selector)}
    prefixes = tuple(f"{block.path}." if block.path else "" for block in blocks if block.block in names)
    return lambda record: record.block in names or any(path.startswith(prefixes) for path in record.paths)


def check_selector(selector: Any, records: Sequence[ParameterRecord], source: str) -> None:
    """Refuse a Block class where there are no blocks, in a file: it would silently select nothing.

    Raises
    ------
    ValueError
        `selector` is a class, and none of the records says of what block it is.
    """
    if isinstance(selector, type) and records and not any(record.block for record in records):
        first = records[0].path
        glob = f"{first.rsplit('.', 1)[0]}.*" if "." in first else f"{first[:3]}*"
        raise ValueError(
            f"{show_selector(selector)} is a class of blocks, and {printable(source)} is a file: it has arrays by name "
            f"({first!r}, ...) and does not say of what blocks. Select by a glob over names ({glob!r}), a role "
            f"({records[0].role!r}), a compiled regular expression or a callable; or inspect the network."
        )


def _with_subclasses(cls: type) -> Iterator[type]:
    yield cls
    subclass: type
    for subclass in cls.__subclasses__():
        yield from _with_subclasses(subclass)
