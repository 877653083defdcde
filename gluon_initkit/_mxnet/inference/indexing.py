"""What indexing does to a shape, by NumPy's own rules, on arrays of one number's memory."""

from typing import Any

from mxnet import nd
import numpy

from .record import NeedsNumbers


def counterfeit(shape: Any) -> Any:
    """A NumPy array of this shape, in the memory of one number."""
    return numpy.lib.stride_tricks.as_strided(numpy.zeros(()), shape, (0,) * len(shape))


def indexed(shape: Any, key: Any) -> Any:
    """The shape of what an index selects from an array of this shape."""
    return counterfeit(shape)[tuple(map(_index, key)) if isinstance(key, tuple) else _index(key)].shape


def check_written(shape: Any, key: Any, value: Any) -> None:
    """Refuse to write a value of another shape than what the index selects."""
    target = indexed(shape, key)
    given = tuple(value.shape if isinstance(value, nd.NDArray) else numpy.shape(value))
    while len(given) > len(target) and given[0] == 1:  # as MXNet does
        given = given[1:]
    if numpy.broadcast(counterfeit(given), counterfeit(target)).shape != target:
        raise ValueError(f"an array of shape {given!r} cannot be written into one of {target!r}")


def _index(key: Any) -> Any:
    """What has an index's effect on a shape: the numbers of an array of indexes have none, but those of a mask do."""
    if not isinstance(key, (list, numpy.ndarray, nd.NDArray)):
        return key
    array = key if isinstance(key, nd.NDArray) else numpy.asarray(key)
    if numpy.dtype(array.dtype) != bool:
        return numpy.zeros(array.shape, int)
    try:
        return array.asnumpy() if isinstance(array, nd.NDArray) else array
    except NeedsNumbers:
        raise NeedsNumbers("an array was indexed with a mask: its shape, which depends on numbers") from None
