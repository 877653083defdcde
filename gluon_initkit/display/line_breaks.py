"""Where names, calls and sentences break when they are longer than a line.

A sentence breaks at its blanks, a path after its dots. What is still too long breaks after brackets and commas, then
after underscores, and last anywhere. A shape, ``{0..11}`` and a number of bytes with its unit stay whole while there is
room for them.
"""

import re
from typing import List

from .units import escape

__all__ = ["breakable_html", "longest_piece", "wrapped"]

_DOT = r"(?<=(?<!\.)\.)(?!\.)"
_NO_SHAPE = r"(?![\d?,. ]+\))"
_BLANK = rf"(?<=\s)(?!\s){_NO_SHAPE}(?!(?:[KMGT]i)?B\b)"
_LEVELS = [re.compile(level) for level in (_BLANK, _DOT, rf"(?<=[(,/]){_NO_SHAPE}", r"(?<=[_=])", r"(?<=.)(?=.)")]


def wrapped(text: str, width: int, path: bool = False) -> str:
    """Text broken into lines of that width; a path is not broken at its blanks.

    Examples
    --------
    >>> wrapped("layer.{0..11}.running_mean x12", 20, path=True).split(chr(10))
    ['layer.{0..11}.', 'running_mean x12']
    >>> wrapped("Xavier(rnd_type='uniform', magnitude=3)", 20).split(chr(10))
    ['Xavier(', "rnd_type='uniform',", 'magnitude=3)']
    """
    if len(text) <= width:
        return text
    lines = [""]
    for piece in _pieces(text, width, int(path)):
        if lines[-1] and len(lines[-1]) + len(piece.rstrip()) > width:
            lines.append("")
        lines[-1] += piece
    return "\n".join(line.rstrip() for line in lines)


def _pieces(text: str, width: int, level: int) -> List[str]:
    """The parts of a text that may stand on lines of their own, none longer than the width."""
    if len(text.rstrip()) <= width or level == len(_LEVELS):
        return [text]
    return [piece for part in _LEVELS[level].split(text) for piece in _pieces(part, width, level + 1)]


def longest_piece(text: str, path: bool, forced: bool) -> int:
    """How narrow a column may be while its text breaks at blanks or dots only, or, `forced`, at any sign."""
    pieces = [text]
    for level in _LEVELS[int(path) : 4 if forced else int(path) + 1]:
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
