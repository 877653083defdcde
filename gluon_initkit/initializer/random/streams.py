"""Streams of random numbers that are a function of a key, the same bits on every NumPy from 1.17 to 1.26.

A key is a cryptographic hash over what the values depend on; a large array is cut into chunks, each with a stream of
its own, so chunks can be filled in any order and on any thread. The generator is SFC64 (Doty-Humphrey 2010), its state
set from the hash directly: NumPy's ``SeedSequence`` mixes spawn keys otherwise since 1.19.

Of NumPy's generator only what never changed is used: raw words and doubles. Its single-precision uniform and both its
ziggurats did change, so numbers are made of words here, many at a time; which is faster, too.
"""

import hashlib
import threading
from typing import Any

import numpy

__all__ = ["BLOCK", "CHUNK", "derive", "generator", "key_of", "stream", "uniforms", "words"]

CHUNK = 1 << 18
"""Values in a chunk, which has a stream of its own: enough to hide what Python costs, few enough to share out."""

BLOCK = 1 << 16
"""Values that are worked on at a time: few enough to stay in a core's cache."""

_thread = threading.local()


def key_of(*parts: Any) -> bytes:
    """256 bits of BLAKE2b over the parts, each with its length before it, so ("ab", "c") is not ("a", "bc").

    Examples
    --------
    >>> key_of("ab", "c") == key_of("a", "bc"), len(key_of(7, "0.weight", (2, 3), "float32"))
    (False, 32)
    """
    texts = [str(part).encode("utf-8", "surrogatepass") for part in parts]
    whole = b"".join([len(text).to_bytes(8, "little") + text for text in texts])
    return hashlib.blake2b(whole, digest_size=32, person=b"gluon_initkit 1").digest()


def derive(key: bytes, name: str) -> bytes:
    """The key of a part of what `key` is for."""
    return key_of(key.hex(), name)


def generator(key: bytes) -> numpy.random.Generator:
    """A generator of one's own at the beginning of a key's stream."""
    bits = numpy.random.SFC64(0)
    _position(bits, key, 0)
    return numpy.random.Generator(bits)


def stream(key: bytes, index: int) -> numpy.random.Generator:
    """This thread's generator, put at the beginning of the stream of chunk `index`; good until the next call."""
    if not hasattr(_thread, "bits"):
        _thread.bits = numpy.random.SFC64(0)
        _thread.generator = numpy.random.Generator(_thread.bits)
    _position(_thread.bits, key, index)
    return _thread.generator


def _position(bits: Any, key: bytes, index: int) -> None:
    words = hashlib.blake2b(index.to_bytes(8, "little"), key=key, digest_size=24).digest()
    state = numpy.ones(4, numpy.uint64)  # three words and the counter, which starts at 1
    state[:3] = numpy.frombuffer(words, "<u8")
    bits.state = {"bit_generator": "SFC64", "state": {"state": state}, "has_uint32": 0, "uinteger": 0}


def words(rng: numpy.random.Generator, size: int, bits: int) -> numpy.ndarray:
    """`size` random unsigned integers of 32 or 64 bits."""
    raw = rng.bit_generator.random_raw(-(-size * bits // 64)).astype("<u8", copy=False)
    return raw.view(f"<u{bits // 8}")[:size]


def uniforms(rng: numpy.random.Generator, out: numpy.ndarray, low: float = 0.0, high: float = 1.0) -> None:
    """Fill a float32 or float64 vector with numbers from [low, high), of 24 or 53 bits."""
    width, low = out.dtype.type(high - low), out.dtype.type(low)
    if out.dtype == numpy.float64:
        rng.random(out=out)
        out *= width
        out += low
        return
    width *= numpy.float32(2**-24)  # a power of 2: rounded as it would be in two steps
    for start in range(0, out.size, BLOCK):
        block = out[start : start + BLOCK]
        drawn = words(rng, block.size, 32)
        drawn >>= numpy.uint32(8)
        numpy.copyto(block, drawn.view(numpy.int32), casting="unsafe")
        block *= width
        block += low
