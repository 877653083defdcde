"""Where names, calls and sentences break when they are longer than a line: where a reader would break them.

A sentence breaks at its blanks, a name after its dots; only what is still too long breaks after brackets and commas,
then after underscores, and last anywhere. Neither a shape nor ``{0..11}`` is torn while there is room for it, nor a
number of bytes from its unit.
"""

import re
from typing import List

from .units import escape

__all__ = ["breakable_html", "longest_piece", "wrapped"]

_DOT = r"(?<=(?<!\.)\.)(?!\.)"
_NO_SHAPE = r"(?![\d?, ]+\))"
_NO_UNIT = r"(?!(?:[KMGT]i)?B\b)"
_BLANK, _INNER = rf"(?<=\s)(?!\s){_NO_SHAPE}{_NO_UNIT}", rf"(?<=[(,/]){_NO_SHAPE}"
_LEVELS = [re.compile(each) for each in (_BLANK, _DOT, _INNER, r"(?<=[_=])", r"(?<=.)(?=.)")]
_BLANKS, _DOTS, _INSIDE = 0, 1, 3


def wrapped(text: str, width: int, name: bool = False) -> str:
    """Text broken into lines of that width; a name's blanks are no places to break.

    Examples
    --------
    >>> wrapped("layer.{0..11}.running_mean x12", 20, name=True).split(chr(10))
    ['layer.{0..11}.', 'running_mean x12']
    >>> wrapped("Xavier(rnd_type='uniform', magnitude=3)", 20).split(chr(10))
    ['Xavier(', "rnd_type='uniform',", 'magnitude=3)']
    >>> wrapped("177,664 bytes (173.5 KiB)", 22).split(chr(10))
    ['177,664 bytes', '(173.5 KiB)']
    """
    if len(text) <= width:
        return text
    lines = [""]
    for piece in _pieces(text, width, _DOTS if name else _BLANKS):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def longest_piece(text: str, name: bool = False, forced: bool = False) -> int:
    """How narrow a column may be before this text is broken where it should not be, or, `forced`, before it is torn."""
    start = _DOTS if name else _BLANKS
    pieces = [text]
    for level in _LEVELS[start : (_INSIDE if forced else start) + 1]:
        pieces = [part for piece in pieces for part in level.split(piece)]
    return max(len(piece.rstrip()) for piece in pieces)


def breakable_html(text: str) -> str:
    """Text as HTML that says where it may break.

    Examples
    --------
    >>> breakable_html("{0..11}.running_mean")
    '{0..11}.<wbr>running_<wbr>mean'
    """
    return re.sub(_DOT + "|(?<=_)", "<wbr>", escape(text))


def _pieces(text: str, width: int, level: int) -> List[str]:
    """The parts of a text that may stand on lines of their own, none longer than the width."""
    if len(text.rstrip()) <= width or level == len(_LEVELS):
        return [text]
    return [piece for part in _LEVELS[level].split(text) for piece in _pieces(part, width, level + 1)]
