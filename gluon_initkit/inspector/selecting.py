"""Selectors over records: `parameters`'s, where a Block class goes by its name, since plain data holds no classes."""

from typing import Any, Callable, Iterator, Sequence

from ..display import printable
from ..parameters import ParameterInfo, matcher, show_selector
from .records import BlockRecord, ParameterRecord

__all__ = ["check_selector", "record_matcher"]


def record_matcher(selector: Any, blocks: Sequence[BlockRecord]) -> Callable[[ParameterRecord], bool]:
    """The test that a selector stands for; a callable gets the `ParameterRecord`.

    A Block class is sought by its name, and by those of its subclasses, among the blocks around a parameter.

    Examples
    --------
    >>> record = ParameterRecord("body.0.bias", "dense0_bias", "bias", (4,), "float32")
    >>> record_matcher("*.bias", ())(record), record_matcher("weight", ())(record)
    (True, False)
    """
    if isinstance(selector, type):
        names = {each.__name__ for each in _with_subclasses(selector)}
        around = [block.path for block in blocks if block.block in names]
        return lambda record: record.block in names or any(_is_inside(record, path) for path in around)
    matches: Callable[[Any], bool] = matcher(selector)
    if callable(selector):
        return matches
    facts = ("path", "aliases", "name", "role", "shape", "dtype")
    return lambda record: matches(ParameterInfo(**{name: getattr(record, name) for name in facts}))


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


def _with_subclasses(kind: type) -> Iterator[type]:
    yield kind
    below: type
    for below in kind.__subclasses__():
        yield from _with_subclasses(below)


def _is_inside(record: ParameterRecord, block: str) -> bool:
    return not block or any(path.startswith(block + ".") for path in (record.path, *record.aliases))
