"""`KitError`: the base of the kit's errors, which shows foreign names escaped, however a message was put together.

Names of parameters, blocks, arrays and files come from somebody else, and may hold what steers a terminal. Attributes
and ``args`` keep them as they are; what a reader sees goes through `printable`. An error of Python's own type names
them by ``!r``, which escapes the same characters.
"""

from .units import printable

__all__ = ["KitError"]


class KitError(Exception):
    """An error whose text holds no control character, and no invisible formatting character.

    Examples
    --------
    >>> str(KitError("0.weight" + chr(27) + "[2J"))
    '0.weight\\\\x1b[2J'
    """

    def __str__(self) -> str:
        return printable(super().__str__(), keep="\n")
