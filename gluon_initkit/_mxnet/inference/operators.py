"""The shapes that one operator of MXNet 1 answers, by MXNet's own inference, from the shapes of its inputs.

An operator is made into a Symbol of its own, over variables, and asked. Answers are kept: a network asks the same again
and again.
"""

import ctypes
from functools import lru_cache
import re
from typing import Any, NamedTuple, Optional, Sequence, Tuple

from mxnet import symbol
from mxnet.base import _LIB, MXNetError, c_handle_array, c_str, c_str_array, check_call, mx_uint, py_str
from mxnet.util import is_np_shape
import numpy

from ...shapes import agree
from .record import Shape, ShapeConflict, infer_shapes


class Inferred(NamedTuple):
    """Shapes of an operator's inputs and outputs, and dtypes of its outputs; None is not known."""

    inputs: Tuple[Optional[Shape], ...]
    outputs: Tuple[Optional[Shape], ...]
    dtypes: Tuple[Any, ...]


# A network repeats its layers; a bound keeps what a long session asks from growing for ever.
@lru_cache(maxsize=65536)
def infer(
    operator: int,
    attributes: Tuple[Tuple[str, str], ...],
    shapes: Tuple[Optional[Shape], ...],
    dtypes: Tuple[Any, ...],
    np_shape: bool,
) -> Inferred:
    """What MXNet infers for one operator, by its handle, from the shapes and dtypes of its inputs.

    A ShapeConflict where the shapes contradict each other; an MXNetError where MXNet refuses for another reason.
    """
    graph = _composed(operator, attributes, len(shapes))
    inputs, outputs = _shapes(graph, shapes)
    if any(shape is not None and None in shape for shape in inputs):
        # Some operators (PReLU's) fill in a shape of which nothing is known, and not a size in one of a known rank.
        again, _ = _shapes(graph, [None if shape and None in shape else shape for shape in inputs])
        inputs = tuple(new if new is not None and agree(new, old) else old for new, old in zip(again, inputs))
    return Inferred(inputs, outputs, _types(graph, dtypes, len(outputs)))


_DRAWING = re.compile(
    r"_?random_(?!pdf)|_?sample_|_?shuffle$|uniform$|normal$|(_npx_)?[dD]ropout$|(_npx_)?_image_random|"
    r"_npi_(bernoulli|choice|exponential|gamma|gumbel|logistic|multinomial|normal(_n)?|pareto|powerd|random_\w+|"
    r"rayleigh|shuffle|uniform(_n)?|weibull)$"
)


@lru_cache(maxsize=None)
def draws_numbers(operator: int) -> bool:
    """Whether an operator takes numbers from MXNet's generator, judged by its name, since MXNet does not tell."""
    return bool(_DRAWING.match(operator_name(operator)))


def operator_name(operator: int) -> str:
    """The name under which MXNet registers an operator: ``'FullyConnected'``."""
    return _described(operator)[0]


def encoded(shape: Optional[Shape]) -> Optional[Tuple[int, ...]]:
    """A shape as MXNet writes it, which has its own number for a size that is not known."""
    unknown = -1 if is_np_shape() else 0
    return None if shape is None else tuple(unknown if size is None else int(size) for size in shape)


def decoded(shape: Optional[Tuple[int, ...]]) -> Optional[Shape]:
    """A shape as we write it: None for a size that is not known."""
    unknown = -1 if is_np_shape() else 0
    if shape is None or (shape == () and unknown == 0):
        return None
    return tuple(None if size == unknown else size for size in shape)


def _shapes(graph: Any, shapes: Sequence[Optional[Shape]]) -> Tuple[Tuple[Optional[Shape], ...], ...]:
    """The shapes of a graph's inputs and outputs."""
    try:
        by_name, outputs = infer_shapes(graph, {f"input{number}": encoded(each) for number, each in enumerate(shapes)})
    except MXNetError as error:
        raise ShapeConflict from error
    return tuple(decoded(by_name[f"input{number}"]) for number in range(len(shapes))), tuple(map(decoded, outputs))


def _types(graph: Any, dtypes: Sequence[Any], count: int) -> Tuple[Any, ...]:
    """The outputs' dtypes; the first input's where MXNet does not say, since a shape was given without a dtype."""
    first = dtypes[0] if dtypes else numpy.float32
    try:
        _, outputs, _ = graph.infer_type_partial(**{f"input{number}": dtype for number, dtype in enumerate(dtypes)})
    except MXNetError:
        outputs = None
    return tuple(first if each is None else numpy.dtype(each).type for each in outputs or [None] * count)


def _composed(operator: int, attributes: Sequence[Tuple[str, str]], count: int) -> Any:
    name, counted_by = _described(operator)
    attributes = list(attributes)
    if counted_by and all(key != counted_by for key, _ in attributes):
        attributes.append((counted_by, str(count)))  # which an imperative call leaves to MXNet
    handle = ctypes.c_void_p()
    keys, values = c_str_array([key for key, _ in attributes]), c_str_array([value for _, value in attributes])
    check_call(_LIB.MXSymbolCreateAtomicSymbol(ctypes.c_void_p(operator), mx_uint(len(attributes)), keys, values,
                                               ctypes.byref(handle)))  # fmt: skip
    graph = symbol.Symbol(handle)
    inputs = [_variable(number) for number in range(count)]
    check_call(_LIB.NNSymbolCompose(graph.handle, c_str("operator"), mx_uint(count), None, c_handle_array(inputs)))
    wanted = len(graph.list_inputs())
    if wanted != count:
        raise MXNetError(f"Operator {name!r} expects {wanted!r} inputs, but got {count!r} instead.")
    return graph


@lru_cache(maxsize=None)
def _variable(number: int) -> Any:
    return symbol.var(f"input{number}")


@lru_cache(maxsize=None)
def _described(operator: int) -> Tuple[str, str]:
    """An operator's name, and the attribute that counts its inputs, where it takes any number of them."""
    name, text, counted_by, returned = (ctypes.c_char_p() for _ in range(4))
    count, lists = mx_uint(), [ctypes.POINTER(ctypes.c_char_p)() for _ in range(3)]
    check_call(_LIB.MXSymbolGetAtomicSymbolInfo(
        ctypes.c_void_p(operator), ctypes.byref(name), ctypes.byref(text), ctypes.byref(count),
        *map(ctypes.byref, lists), ctypes.byref(counted_by), ctypes.byref(returned)))  # fmt: skip
    return py_str(name.value), py_str(counted_by.value or b"")
