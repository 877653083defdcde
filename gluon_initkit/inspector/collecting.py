"""Collecting: one record a parameter of a live network, without touching the network.

Nothing is run, drawn, moved or cached: what MXNet's own accessors would do to a parameter (fetch rows, drop out, warn,
raise) is passed by, and its memory is read where it lies. Judging is left to `findings`, numbers to `statistics`.
"""

from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy

from .._mxnet import (
    Place,
    block_tree,
    buffer_of,
    contexts_of,
    dtype_name,
    freshness,
    holds_data,
    holds_gradients,
    host_values,
    infers_shapes,
    is_constant,
    may_defer,
    mx,
    pending_data,
    pending_initializer,
    storage_of,
    trained_by,
    updates_of,
)
from ..initializer.configuration import shown
from ..naming import ParameterInfo, describe, matcher
from .declared import expectation_of, is_as_declared, measured
from .equality import equal_bytes, shared_values
from .records import BlockRecord, Declared, ParameterRecord, SharedValues
from .statistics import statistics_of_all

__all__ = ["Collected", "collect"]

Collected = Tuple[Tuple[ParameterRecord, ...], Tuple[BlockRecord, ...], Tuple[SharedValues, ...]]
_Described = Tuple[Any, Place, ParameterInfo]


def collect(
    net: Any, select: Any = None, stats: bool = False, grads: bool = False, trainer: Any = None, init: Any = None
) -> Collected:
    """Records of a network's parameters, of its blocks, and of what is shared. The arguments are `inspect`'s, where
    `grads` and `init` imply `stats`.
    """
    matches = (lambda info: True) if select is None else matcher(select)
    trained = None if trainer is None else _trained(trainer)
    chosen = [each for each in describe(net) if matches(each[2])]
    arrays = [holds_data(param) for param, _, _ in chosen]
    if any(arrays):
        mx.nd.waitall()  # what still writes them; no more is waited for below
    facts = _facts(chosen, arrays, trained)
    if stats:
        _measure(chosen, arrays, facts, grads, init)
    records = tuple(ParameterRecord(**each) for each in facts)
    blocks = tuple(BlockRecord(path, block) for path, block in block_tree(net))
    if select is not None:
        leading = {path for record in records for path in _way_to(record.block_path)}
        blocks = tuple(block for block in blocks if block.path in leading)
    return records, blocks, shared_values(records, lambda number: host_values(arrays[number][0]))


def _trained(trainer: Any) -> Set[int]:
    if not isinstance(trainer, mx.gluon.Trainer):
        raise TypeError(f"trainer is {trainer!r:.80}: expected an mxnet.gluon.Trainer")
    return trained_by(trainer)


def _way_to(path: str) -> Iterator[str]:
    """A block's path and those of the blocks around it, the network's first."""
    yield ""
    parts = path.split(".") if path else []
    for depth in range(1, len(parts) + 1):
        yield ".".join(parts[:depth])


def _facts(
    chosen: Sequence[_Described], arrays: Sequence[List[Any]], trained: Optional[Set[int]]
) -> List[Dict[str, Any]]:
    """What is known of each parameter without a look at its values."""
    buffers: Dict[int, int] = {}
    text, names = _Texts(), _Contexts()
    found = []
    for number, ((param, place, info), held) in enumerate(zip(chosen, arrays)):
        size = _size(info.shape)
        dtype = numpy.dtype(held[0].dtype) if held else numpy.dtype(param.dtype)
        unknown = size is None
        found.append({
            "path": info.label, "aliases": info.aliases, "name": info.name, "role": info.role, "shape": info.shape,
            "dtype": dtype_name(dtype), "block": place.owner.__name__, "block_path": place.owner_path,
            "stype": storage_of(param), "state": info.state,
            "pending": _pending(param, text) if info.state == "deferred" else None,
            "initializer": "Constant" if is_constant(param) else text(param.init or place.symbol_init),
            "contexts": names(contexts_of(param)), "size": size,
            "bytes": None if size is None else size * dtype.itemsize,
            "grad_req": param.grad_req, "lr_mult": param.lr_mult, "wd_mult": param.wd_mult,
            "trained": None if trained is None else id(param) in trained,
            # The address itself would be another in every run.
            "buffer": buffers.setdefault(buffer_of(param) or -number - 1, len(buffers)) if held else None,
            "constant": is_constant(param),
            "inferable": infers_shapes(place.owner) and may_defer(param) if unknown else None,
        })  # fmt: skip
    return found


def _size(shape: Optional[Tuple[Optional[int], ...]]) -> Optional[int]:
    if shape is None:
        return None
    size = 1
    for each in shape:
        if each is None:
            return None
        size *= each
    return size


class _Texts:
    """Initializers as a reader would type them; layers often share one object."""

    def __init__(self) -> None:
        self._known: Dict[Any, str] = {}

    def __call__(self, initializer: Any) -> Optional[str]:
        if initializer is None:
            return None
        if isinstance(initializer, str) and not initializer.startswith("["):
            return initializer
        key = initializer if isinstance(initializer, str) else id(initializer)
        if key not in self._known:
            try:
                # MXNet's operators write initializers into symbols as JSON.
                self._known[key] = shown(mx.init.create(initializer))
            except Exception:  # a dumps() of a user's own may do anything, and is not what was asked for
                self._known[key] = initializer if isinstance(initializer, str) else f"{type(initializer).__name__}(…)"
        return self._known[key]


class _Contexts:
    def __init__(self) -> None:
        self._known: Dict[Any, str] = {}

    def __call__(self, ctxs: Tuple[Any, ...]) -> Tuple[str, ...]:
        return tuple([self._known.get(ctx) or self._known.setdefault(ctx, str(ctx)) for ctx in ctxs])


def _pending(param: Any, text: _Texts) -> Optional[str]:
    return "set_data" if pending_data(param) else text(pending_initializer(param))


def _measure(
    chosen: Sequence[_Described], arrays: Sequence[List[Any]], facts: List[Dict[str, Any]], grads: bool, init: Any
) -> None:
    """Add what the values say: statistics, of gradients too; replicas; declared against observed."""
    gradients = [holds_gradients(param) if grads else [] for param, _, _ in chosen]
    jobs: List[Tuple[Dict[str, Any], str, Any]] = []
    for key, each in (("stats", arrays), ("grad_stats", gradients)):
        jobs += [(fact, key, held[0]) for fact, held in zip(facts, each) if held]
    results = statistics_of_all([host_values(array) for _, _, array in jobs])
    for (fact, key, _), result in zip(jobs, results):
        fact[key] = result
    for (param, _, _), held, fact in zip(chosen, arrays, facts):
        if len(held) > 1:
            first, *others = map(host_values, held)
            fact["replicas_agree"] = all(equal_bytes(first, other) for other in others)
        if "grad_stats" in fact:
            fresh = freshness(param)
            fact["grad_fresh"] = all(fresh)
            fact["stale"] = tuple(ctx for ctx, new in zip(fact["contexts"], fresh) if not new)
            norm = fact["stats"].norm
            fact["grad_ratio"] = fact["grad_stats"].norm / norm if norm else None
    for fact, declared in _declared(chosen, facts, init):
        fact["declared"] = declared


def _declared(
    chosen: Sequence[_Described], facts: Sequence[Dict[str, Any]], init: Any
) -> Iterator[Tuple[Dict[str, Any], Declared]]:
    known = []
    for (param, place, info), fact in zip(chosen, facts):
        expected = expectation_of(param, place, info, init) if "stats" in fact else None
        if expected is not None:
            known.append((fact, expected))
    # A layer's own default that has moved, or an update, says that the network was trained, or loaded from a file:
    # then nothing is as drawn, and that is no finding. Who names the initializer says that it should be.
    untouched = init is not None or not (
        any(updates_of(param) for param, _, _ in chosen)
        or any(expected[2] and not is_as_declared(expected, fact["stats"]) for fact, expected in known)
    )
    for fact, expected in known:
        yield fact, measured(expected, fact["stats"], untouched)
