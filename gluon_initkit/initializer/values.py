"""Reads, writes and compares the values of parameters, by fingerprints also between the workers of a kvstore."""

from concurrent.futures import Future, TimeoutError
from contextlib import suppress
from functools import partial
import hashlib
import itertools
import math
import threading
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy

from .._mxnet import mx
from .._mxnet.arrays import host_values, wait_for
from .._mxnet.parameter import arrays_of
from .._mxnet.state import after_refill, interrupts_held
from .._mxnet.trainer import kvstore_of
from ..display import counted, counted_of, listed, printable
from ..parallel import run
from ..parameters import ParameterInfo, list_parameters
from .dispatch import InitializationError


def parameters_with_values(net: Any, purpose: str) -> List[Tuple[Any, ParameterInfo]]:
    """Every parameter of a network with its info. Raises an error if one has "no values `purpose`"."""
    parameters = [(param, info) for param, _, info in list_parameters(net)]
    empty = [f"{printable(info.label)} is {info.state}" for param, info in parameters if not arrays_of(param)]
    if empty:
        raise InitializationError(
            f"{counted(len(empty), 'parameter has', 'parameters have')} no values {purpose}: {listed(empty, 8)}.\n"
            f"Initialize the network, and give deferred parameters their shapes by ik.materialize(net, input)."
        )
    return parameters


def replace_values(arrays: Sequence[Tuple[Any, Any]]) -> None:
    """Write an array into each parameter on all contexts, and make its Trainer use the new values. Signals wait."""
    with interrupts_held():
        for param, array in arrays:
            after_refill(param, array)


def flat_values(arrays: Sequence[Any]) -> numpy.ndarray:
    """All values of these arrays as one float64 vector; one NaN if there are no values."""
    values = [array.asnumpy().astype(numpy.float64).ravel() for array in arrays if array.size]
    return numpy.concatenate(values or [numpy.array([numpy.nan])])


def fingerprint(net: Any) -> str:
    """A SHA-256 over paths, shapes, dtypes and values of a network's parameters.

    Equal fingerprints mean equal values, bit for bit; names and contexts may differ. Only the first replica is read.

    Parameters
    ----------
    net : Block
        An initialized network. If parameters have no values, the error names all of them.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> fingerprint(net)[:16]
    '7d1a37f56c405ae8'
    """
    return combined(digests(net))


def combined(path_digests: List[Tuple[str, bytes]]) -> str:
    """The fingerprint of a network whose parameters have these digests."""
    sha = hashlib.sha256()
    for path, digest in path_digests:
        text = path.encode("utf-8", "surrogatepass")
        sha.update(len(text).to_bytes(8, "little") + text + digest)
    return sha.hexdigest()


def digests(net: Any) -> List[Tuple[str, bytes]]:
    """The canonical path and SHA-256 of every parameter, in order of traversal."""
    parameters = parameters_with_values(net, "to take a fingerprint of")
    arrays = [arrays_of(param)[0] for param, _ in parameters]
    hashes = [hashlib.sha256() for _ in arrays]
    wait_for(arrays)
    run([(4 * math.prod(array.shape), partial(_update, sha, array)) for sha, array in zip(hashes, arrays)])
    return [(info.label, sha.digest()) for (_, info), sha in zip(parameters, hashes)]


def _update(sha: Any, array: Any) -> None:
    values = host_values(array)
    little_endian = numpy.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    sha.update(f"{tuple(map(int, array.shape))} {values.dtype.name} ".encode())
    sha.update(little_endian.reshape(-1).view("u1"))


_DIGEST, _COUNT, _DETAIL = 32, 8, 16  # bytes
# Integer keys like a Trainer's, far above these. Workers use the same keys, since they make the same calls in order.
_keys: Iterator[Any] = itertools.count(1 << 30)


def check_workers(net: Any, kv: Any, timeout: Optional[float] = 600) -> str:
    """Compare the parameters of all workers of a distributed kvstore bit for bit, and return their fingerprint.

    Every worker must call it.

    Parameters
    ----------
    net, kv : Block, KVStore
        An initialized network, and ``mx.kv.create('dist_sync')`` before a Trainer's optimizer runs on it.
    timeout : float, optional
        How many seconds to wait for the other workers; None waits for ever, as MXNet does.

    Raises
    ------
    InitializationError
        On all workers, if they differ (the message names ranks and the first path that differs) or some have no values,
        such as deferred parameters. If a worker did not call it in time: the kvstore then still waits, and MXNet may
        abort a process that ends. If `kv` is asynchronous, or runs an optimizer, which changes pushed values.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> check_workers(net, mx.kv.create("local"))[:16]
    '7d1a37f56c405ae8'
    """
    if not hasattr(kv, "push"):
        raise TypeError(f"expected a kvstore, such as mx.kv.create('dist_sync'), found {kv!r:.80}")
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout is {timeout!r}: expected a number of seconds above 0, or None to wait for ever")
    if "async" in kv.type:
        raise InitializationError(f"a kvstore of type {kv.type!r} waits for no worker, so it has no sum of what they "
                                  f"push; call check_workers(net, kv) with mx.kv.create('dist_sync').")  # fmt: skip
    own_digests, failure = [], None
    try:
        own_digests = digests(net)
    except Exception as error:  # any error, since the other workers wait for this one
        if kv.num_workers == 1:
            raise
        failure = error
    if failure is None and any(kvstore_of(param) is kv for param, _, _ in list_parameters(net)):
        raise InitializationError("a Trainer's optimizer runs on this kvstore, and would change what is pushed there; "
                                  "call check_workers(net, kv) before the first trainer.step.")  # fmt: skip
    result = combined(own_digests)
    summary = bytes.fromhex(result) + len(own_digests).to_bytes(_COUNT, "little") + bytes([failure is not None])
    summaries = _exchange(kv, summary, len(summary), timeout)
    if failure is not None:
        text = f"{type(failure).__name__}: {failure}"
        raise InitializationError(f"rank {kv.rank} has nothing to compare, so nothing is compared: {text}") from failure
    failed = summaries[:, -1].nonzero()[0]
    if len(failed):
        workers = counted_of(len(failed), len(summaries), "worker", "has", "have")
        raise InitializationError(f"{workers} nothing to compare: rank {', '.join(map(str, failed))}, which says why")
    if (summaries == summaries[0]).all():
        return result
    counts = [int.from_bytes(row[_DIGEST : _DIGEST + _COUNT].tobytes(), "little") for row in summaries]
    details = b"".join(bytes.fromhex(combined([entry])[: 2 * _DETAIL]) for entry in own_digests)
    rows = _exchange(kv, details, max(counts) * _DETAIL, timeout)
    raise InitializationError(_difference(rows, counts, [path for path, _ in own_digests], kv.rank))


def _exchange(kv: Any, row: bytes, size: int, timeout: Optional[float]) -> numpy.ndarray:
    """The rows of bytes of all workers, by rank. MXNet's call has no timeout, so a thread makes it."""
    answer: Future = Future()

    def wait() -> None:
        try:
            answer.set_result(_push_and_pull(kv, numpy.frombuffer(row.ljust(size, b"\0"), numpy.uint8)))
        except Exception as error:
            answer.set_exception(error)

    threading.Thread(target=wait, daemon=True).start()
    with suppress(TimeoutError):
        return answer.result(timeout)
    raise InitializationError(f"rank {kv.rank} has waited {timeout:g} seconds for all {kv.num_workers} workers to call "
                              f"check_workers(net, kv): one has ended, or does not call it. See what they printed; "
                              f"timeout= says how long to wait.")  # fmt: skip


def _push_and_pull(kv: Any, row: numpy.ndarray) -> numpy.ndarray:
    # The kvstore adds up the pushed tables. In each worker's table, the rows of other workers are 0.
    rank, key = kv.rank, next(_keys)
    table = numpy.zeros((kv.num_workers, row.size), "float32")
    try:
        kv.init(key, mx.nd.array(table))
    except mx.MXNetError as error:
        if "Mixed key types" not in str(error):
            raise
        key = str(key)  # other code uses this kvstore with str keys, and not with integers like a Trainer
        kv.init(key, mx.nd.array(table))
    table[rank] = row
    kv.push(key, mx.nd.array(table))
    pulled = mx.nd.zeros(table.shape)
    kv.pull(key, out=pulled)
    rows = pulled.asnumpy()
    if not (rows[rank] == row).all():
        raise InitializationError("the kvstore changed what was pushed: an optimizer runs on it, or it compresses; "
                                  "call check_workers(net, kv) with one that does neither.")  # fmt: skip
    return rows.astype(numpy.uint8)


def _difference(rows: numpy.ndarray, counts: List[int], paths: List[str], rank: int) -> str:
    """The message that names the workers that differ and the first parameter that differs."""
    details = rows.reshape(len(rows), -1, _DETAIL)
    first = int((details != details[0]).any(axis=(0, 2)).argmax())
    groups: Dict[bytes, List[int]] = {}
    for worker, detail in enumerate(details[:, first]):
        groups.setdefault(detail.tobytes(), []).append(worker)
    one, *others = (f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}" for ranks in groups.values())
    differ = "differs" if len(next(iter(groups.values()))) == 1 else "differ"
    *fewer, most = sorted(set(counts))
    totals = " and ".join([*map(str, fewer), counted(most, "parameter")])
    path = repr(paths[first]) if first < len(paths) else f"parameter {first}, which rank {rank} lacks"
    return (f"workers hold different parameters: {one} {differ} from {' and from '.join(others)}, first in {path} "
            f"(of {totals}). Expected the same bits everywhere: gluon_initkit.initialize(net, init, seed=...) with one "
            f"seed on all workers.")  # fmt: skip
