"""Streams of random numbers that are a function of a key, the same bits on every NumPy since 1.17.

A key is a cryptographic hash over everything that the values depend on. A large array is cut into chunks, each with a
stream of its own, so that chunks can be filled in any order and on any thread. The generator is SFC64 (Doty-Humphrey
2010), whose state is set from the hash: NumPy's ``SeedSequence`` mixes spawn keys in another way since 1.19.

Of NumPy's generator only raw words and doubles are used, which never changed. Its float32 uniform and its ziggurats
did change, so those numbers are made of raw words here, many at a time, which is also faster.
"""

import hashlib
import threading
from typing import Any

import numpy

CHUNK = 1 << 18
"""Values in a chunk, which has a stream of its own: enough to hide Python's cost, few enough to share out."""

BLOCK = 1 << 16
"""Values that are worked on at a time: few enough to stay in a core's cache."""

_thread = threading.local()


def key_of(*parts: Any) -> bytes:
    """256 bits of BLAKE2b over the parts, each preceded by its length, so that ("ab", "c") is not ("a", "bc")."""
    texts = [str(part).encode("utf-8", "surrogatepass") for part in parts]
    whole = b"".join([len(text).to_bytes(8, "little") + text for text in texts])
    return hashlib.blake2b(whole, digest_size=32, person=b"gluon_initkit 1").digest()


def derive(key: bytes, name: str) -> bytes:
    """The key of a named part of the array of `key`."""
    return key_of(key.hex(), name)


def generator(key: bytes) -> numpy.random.Generator:
    """A new generator at the beginning of a key's stream."""
    bits = numpy.random.SFC64(0)
    _set_position(bits, key, 0)
    return numpy.random.Generator(bits)


def stream(key: bytes, index: int) -> numpy.random.Generator:
    """This thread's generator, set to the beginning of the stream of chunk `index`; valid until the next call."""
    if not hasattr(_thread, "bits"):
        _thread.bits = numpy.random.SFC64(0)
        _thread.generator = numpy.random.Generator(_thread.bits)
    _set_position(_thread.bits, key, index)
    return _thread.generator


def _set_position(bits: Any, key: bytes, index: int) -> None:
    words = hashlib.blake2b(index.to_bytes(8, "little"), key=key, digest_size=24).digest()
    state = numpy.ones(4, numpy.uint64)  # three words, and the counter, which starts at 1
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
        raw = words(rng, block.size, 32)
        raw >>= numpy.uint32(8)
        numpy.copyto(block, raw.view(numpy.int32), casting="unsafe")
        block *= width
        block += low
