"""The values that parameters hold: read, written, and compared by fingerprint, also over the workers of a kvstore."""

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
    """Every parameter of a network with its info; where one has no values, an error: "no values `purpose`"."""
    parameters = [(param, info) for param, _, info in list_parameters(net)]
    empty = [f"{printable(info.label)} is {info.state}" for param, info in parameters if not arrays_of(param)]
    if empty:
        raise InitializationError(
            f"{counted(len(empty), 'parameter has', 'parameters have')} no values {purpose}: {listed(empty, 8)}.\n"
            f"Initialize the network, and give deferred parameters their shapes by ik.materialize(net, input)."
        )
    return parameters


def replace_values(arrays: Sequence[Tuple[Any, Any]]) -> None:
    """Write an array into each parameter, on all its contexts; its Trainer goes on from there. Signals wait."""
    with interrupts_held():
        for param, array in arrays:
            after_refill(param, array)


def flat_values(arrays: Sequence[Any]) -> numpy.ndarray:
    """All values of these arrays, in float64; NaN where there is none."""
    values = [array.asnumpy().astype(numpy.float64).ravel() for array in arrays if array.size]
    return numpy.concatenate(values or [numpy.array([numpy.nan])])


def fingerprint(net: Any) -> str:
    """A SHA-256 over paths, shapes, dtypes and values of a network's parameters.

    Equal fingerprints mean equal values, bit for bit; not equal names or contexts. Of replicas the first counts.

    Parameters
    ----------
    net : Block
        Initialized: parameters without values are an error, which names all of them.

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
    whole = hashlib.sha256()
    for path, digest in path_digests:
        text = path.encode("utf-8", "surrogatepass")
        whole.update(len(text).to_bytes(8, "little") + text + digest)
    return whole.hexdigest()


def digests(net: Any) -> List[Tuple[str, bytes]]:
    """Canonical path and SHA-256 of every parameter, in order of traversal."""
    parameters = parameters_with_values(net, "to take a fingerprint of")
    arrays = [arrays_of(param)[0] for param, _ in parameters]
    hashes = [hashlib.sha256() for _ in arrays]
    wait_for(arrays)
    run([(4 * math.prod(array.shape), partial(_update, sha, array)) for sha, array in zip(hashes, arrays)])
    return [(info.label, sha.digest()) for (_, info), sha in zip(parameters, hashes)]


def _update(sha: Any, array: Any) -> None:
    values = host_values(array)
    little = numpy.ascontiguousarray(values).astype(values.dtype.newbyteorder("<"), copy=False)
    sha.update(f"{tuple(map(int, array.shape))} {values.dtype.name} ".encode())
    sha.update(little.reshape(-1).view("u1"))


_DIGEST, _COUNT, _DETAIL = 32, 8, 16  # bytes
# Keys, numbers as a Trainer's are, far from them; the same on all workers, which make the same calls in the same order.
_keys: Iterator[Any] = itertools.count(1 << 30)


def check_workers(net: Any, kv: Any, timeout: Optional[float] = 600) -> str:
    """Compare the parameters of all workers of a distributed kvstore bit for bit: the fingerprint that they share.

    Every worker must call it.

    Parameters
    ----------
    net, kv : Block, KVStore
        Initialized; and ``mx.kv.create('dist_sync')``, before a Trainer has put its optimizer there.
    timeout : float, optional
        After how many seconds without all workers to give up; None to wait for ever, as MXNet does.

    Raises
    ------
    InitializationError
        On all workers: they differ (the message names ranks and the first path that differs), or some have nothing to
        compare, such as deferred parameters. A worker did not come in time; the kvstore still waits for it, and MXNet
        may abort a process that ends then. Or `kv` is asynchronous, or runs an optimizer, which changes what is pushed.

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
    own, failure = [], None
    try:
        own = digests(net)
    except Exception as error:  # whatever it is: the others wait for this worker
        if kv.num_workers == 1:
            raise
        failure = error
    if failure is None and any(kvstore_of(param) is kv for param, _, _ in list_parameters(net)):
        raise InitializationError("a Trainer's optimizer runs on this kvstore, and would change what is pushed there; "
                                  "call check_workers(net, kv) before the first trainer.step.")  # fmt: skip
    shared = combined(own)
    facts = bytes.fromhex(shared) + len(own).to_bytes(_COUNT, "little") + bytes([failure is not None])
    everybody = _exchange(kv, facts, len(facts), timeout)
    if failure is not None:
        why = f"{type(failure).__name__}: {failure}"
        raise InitializationError(f"rank {kv.rank} has nothing to compare, so nothing is compared: {why}") from failure
    failed = everybody[:, -1].nonzero()[0]
    if len(failed):
        workers = counted_of(len(failed), len(everybody), "worker", "has", "have")
        raise InitializationError(f"{workers} nothing to compare: rank {', '.join(map(str, failed))}, which says why")
    if (everybody == everybody[0]).all():
        return shared
    counts = [int.from_bytes(row[_DIGEST : _DIGEST + _COUNT].tobytes(), "little") for row in everybody]
    details = b"".join(bytes.fromhex(combined([entry])[: 2 * _DETAIL]) for entry in own)
    rows = _exchange(kv, details, max(counts) * _DETAIL, timeout)
    raise InitializationError(_difference(rows, counts, [path for path, _ in own], kv.rank))


def _exchange(kv: Any, row: bytes, size: int, timeout: Optional[float]) -> numpy.ndarray:
    """Everybody's rows of bytes, by rank, if all workers come in time. MXNet waits for ever, so a thread does."""
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
    # The kvstore adds up what workers push; each leaves the others' rows 0.
    rank, key = kv.rank, next(_keys)
    table = numpy.zeros((kv.num_workers, row.size), "float32")
    try:
        kv.init(key, mx.nd.array(table))
    except mx.MXNetError as error:
        if "Mixed key types" not in str(error):
            raise
        key = str(key)  # somebody else uses this kvstore with keys of another type than a Trainer's
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
    """Which workers differ, and in which parameter first."""
    details = rows.reshape(len(rows), -1, _DETAIL)
    first = int((details != details[0]).any(axis=(0, 2)).argmax())
    groups: Dict[bytes, List[int]] = {}
    for worker, detail in enumerate(details[:, first]):
        groups.setdefault(detail.tobytes(), []).append(worker)
    one, *others = (f"rank{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}" for ranks in groups.values())
    differ = "differs" if len(next(iter(groups.values()))) == 1 else "differ"
    *fewer, most = sorted(set(counts))
    many = " and ".join([*map(str, fewer), counted(most, "parameter")])
    path = repr(paths[first]) if first < len(paths) else f"parameter {first}, which rank {rank} lacks"
    return (f"workers hold different parameters: {one} {differ} from {' and from '.join(others)}, first in {path} "
            f"(of {many}). Expected the same bits everywhere: gluon_initkit.initialize(net, init, seed=...) with one "
            f"seed on all workers.")  # fmt: skip
