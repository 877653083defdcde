"""The global generators: MXNet's, NumPy's and Python's, seeded for a while and left as promised.

MXNet's state can neither be read nor put back: afterwards its generator goes on from a value drawn before.
"""

from contextlib import contextmanager
import random
from typing import Callable, Iterator

from mxnet import context, ndarray
import mxnet.random
import numpy

from .preserve import generators_kept, global_state_lock


def draw_seed() -> int:
    """A number of 62 bits from MXNet's CPU generator, which advances by that."""
    with context.cpu():
        high, low = ndarray.random.randint(0, 2**31 - 1, shape=(2,), dtype="int64").asnumpy()
    return int(high) << 31 | int(low)


@contextmanager
def seeded_generators() -> Iterator[Callable[[bytes], None]]:
    """Inside, the function that it yields seeds all global generators from a key of 16 bytes or more.

    Afterwards NumPy's and Python's are exactly as before, and MXNet's starts from a value drawn from it before. One
    thread at a time: they are the process's, and another's seed between a seed and its draw would change the values.
    """
    with global_state_lock:
        carried = draw_seed() % 2**31
        try:
            with generators_kept():
                yield _seed
        finally:
            mxnet.random.seed(carried)


def _seed(key: bytes) -> None:
    mxnet.random.seed(int.from_bytes(key[:4], "little") % 2**31)
    numpy.random.seed(numpy.frombuffer(key[:16], "<u4").astype("u4"))
    random.seed(int.from_bytes(key[:16], "little"))
