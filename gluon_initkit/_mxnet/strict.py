"""Symbols that refuse to be taken for arrays where MXNet would not notice: ``x[0]`` of a Symbol is the Symbol itself.

Where code is run on Symbols to learn shapes, a wrong answer is worse than none, so a user's code that indexes,
iterates over or measures a Symbol of one output is stopped. NumPy's Symbols slice as arrays do, and refuse the rest.
"""

from contextlib import contextmanager
import sys
import threading
from typing import Any, Iterator, Tuple

from mxnet import symbol
from mxnet.gluon.utils import shape_is_known

__all__ = ["NeedsNumbers", "strict", "strict_symbols"]


class NeedsNumbers(TypeError):
    """Code asked a Symbol, or an array without numbers, for what only an array of numbers has."""


class _Strict(symbol.Symbol):
    """A Symbol that does not take an array's index for the number of an output, nor one output for an array's rows."""

    __slots__ = ()

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, str):
            _refuse_array_use(self, f"indexed with [{index!r}]")
        return strict(super().__getitem__(index))

    def __iter__(self) -> Iterator[Any]:
        _refuse_array_use(self, "iterated over")
        return (strict(each) for each in super().__iter__())

    def __len__(self) -> int:
        _refuse_array_use(self, "asked for its len()")
        return super().__len__()

    @property
    def shape(self) -> Tuple[int, ...]:
        """Code that asks an array for its shape alone can go on: it follows from the inputs'."""
        if not getattr(_running, "runs", 0):
            raise AttributeError("'Symbol' object has no attribute 'shape'")
        shape = self.infer_shape_partial()[1][0]
        if not shape_is_known(shape):
            raise NeedsNumbers("an array was asked for its shape, which does not follow from those of the inputs")
        return tuple(shape)

    def __reduce__(self) -> Any:
        return symbol.Symbol, (None,), self.__getstate__()


_Strict.__name__ = _Strict.__qualname__ = "Symbol"  # what a user's error message calls it

_running = threading.local()
_swapping = threading.RLock()
_users = [0]


def _refuse_array_use(made: Any, how: str) -> None:
    """Stop a user's code, not MXNet's, that takes a Symbol of one output for an array."""
    if not getattr(_running, "runs", 0) or sys._getframe(2).f_globals.get("__name__", "").startswith("mxnet."):
        return
    if super(_Strict, made).__len__() == 1:
        raise NeedsNumbers(f"an array was {how}, and a Symbol has no rows")


def strict(made: Any) -> Any:
    if type(made) is symbol.Symbol:
        made.__class__ = _Strict
    return made


@contextmanager
def strict_symbols() -> Iterator[None]:
    """Operators answer strict Symbols; those that other threads get meanwhile behave as ever."""
    with _swapping:
        _users[0] += 1
        symbol._internal._set_symbol_class(_Strict)
    _running.runs = getattr(_running, "runs", 0) + 1
    try:
        yield
    finally:
        _running.runs -= 1
        with _swapping:
            _users[0] -= 1
            if not _users[0]:
                symbol._internal._set_symbol_class(symbol.Symbol)
