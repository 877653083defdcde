"""Collecting: one record a parameter of a live network, without touching the network.

Nothing is run, drawn, moved or cached: what MXNet's own accessors would do to a parameter (fetch rows, drop out, warn,
raise) is passed by, and its memory is read where it lies. Judging is left to `findings`, numbers to `statistics`.
"""

import math
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import numpy

from .._mxnet import backend, mx
from .._mxnet.arrays import dtype_name, host_values, wait_to_read
from .._mxnet.containers import unregistered_blocks
from .._mxnet.parameter import (
    allows_deferral,
    arrays_of,
    buffers_of,
    contexts_of,
    gradient_freshness,
    gradients_of,
    has_pending_data,
    is_constant,
    pending_initializer,
    shape_of,
    state_of,
    storage_type_of,
)
from .._mxnet.stale_graphs import stale_graphs
from .._mxnet.trainer import trained_by, updates_of
from .._mxnet.tree import Place, name_clashes, path_clashes, places_and_blocks
from ..initializer.corrected import corrected
from ..initializer.serialization import shown
from ..parameters import made, matcher, parameter_info, refuse_no_match, role_of
from ..shapes import is_known
from .findings.expected_moments import expectation_of, is_as_declared, measured
from .findings.structure import Structure
from .records import BlockRecord, Declared, ParameterRecord, SharedValues
from .shared_values import equal_bytes, shared_values
from .statistics import statistics_of_all

__all__ = ["Collected", "collect"]

Collected = Tuple[Tuple[ParameterRecord, ...], Tuple[BlockRecord, ...], Tuple[SharedValues, ...], Structure]
_Chosen = Dict[Any, Place]


def collect(
    net: Any, select: Any = None, stats: bool = False, grads: bool = False, trainer: Any = None, init: Any = None
) -> Collected:
    """Records of a network's parameters, of its blocks, of what is shared, and of how it is put together. The arguments
    are `inspect`'s, where `grads` and `init` imply `stats`.
    """
    if init is not None:
        corrected(init)  # what is no initializer is refused before anything is looked at
    trained = None if trainer is None else _trained(trainer)
    chosen, tree = places_and_blocks(net)
    if select is not None:
        matches = matcher(select)
        found = {param: place for param, place in chosen.items() if matches(parameter_info(param, place))}
        if not found:
            refuse_no_match(select, [parameter_info(param, place) for param, place in chosen.items()])
        chosen = found
    arrays = list(map(arrays_of, chosen))
    gradients = map(gradients_of, chosen) if grads else ()
    wait_to_read(array for held in (*arrays, *gradients) for array in held)  # no more is waited for below
    facts = _facts(chosen, trained)
    if stats:
        _measure(chosen, arrays, facts, grads, init)
    records = tuple([made(ParameterRecord, each) for each in facts])
    blocks = tuple([made(BlockRecord, {"path": path, "block": type(block).__name__}) for path, block in tree])
    if select is not None:
        leading = {path for record in records for path in _way_to(record.block_path)}
        blocks = tuple(block for block in blocks if block.path in leading)
    shared = shared_values(records, lambda number: host_values(arrays[number][0]))
    return records, blocks, shared, _structure(net, tree, chosen)


def _structure(net: Any, tree: Sequence[Tuple[str, Any]], chosen: _Chosen) -> Structure:
    named = [(params[0].name, [chosen[param].paths[0] for param in params if param in chosen])
             for params in name_clashes(block for _, block in tree)]  # fmt: skip
    paths = [path for place in chosen.values() for path in place.paths]
    again = len(set(paths)) < len(paths)
    return Structure(
        unregistered=tuple((each.path, each.said, each.mend) for each in unregistered_blocks(tree)),
        same_paths=tuple(path for path in path_clashes(net) if path in paths) if again else (),
        same_names=tuple((name, tuple(paths)) for name, paths in named if len(paths) > 1),
        stale_graphs=tuple((each.paths or (each.path,), each.said, each.mend) for each in stale_graphs(net)),
    )


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


def _facts(chosen: _Chosen, trained: Optional[Set[int]]) -> List[Dict[str, Any]]:
    """What is known of each parameter without a look at its values: the fields of its record."""
    buffers: Dict[int, int] = {}
    trainers: Dict[int, int] = {}
    extents: Dict[Any, Tuple[str, Optional[int], Optional[int]]] = {}  # few differ, of thousands of parameters
    text, names = _Texts(), _Contexts()
    found: List[Dict[str, Any]] = []
    for (param, place), (dtype, address, ctxs) in zip(chosen.items(), buffers_of(chosen)):
        paths, owner, owner_path, _, _, symbol_init, transposed = place
        shape, name, constant = shape_of(param), param.name, is_constant(param)
        held = dtype is not None
        state = "initialized" if held else state_of(param)
        kind = dtype if held else param.dtype, shape
        if kind not in extents:
            extents[kind] = _extent(*kind)
        dtype, size, memory = extents[kind]
        fact = {
            "path": paths[0],
            "name": name,
            "role": role_of(backend.role_name(param, paths[0])),
            "shape": shape,
            "dtype": dtype,
            "block": owner.__name__,
            "block_path": owner_path,
            "stype": storage_type_of(param),
            "state": state,
            "initializer": "Constant" if constant else text(param.init or symbol_init),
            "size": size,
            "bytes": memory,
            "grad_req": param.grad_req,
            "lr_mult": param.lr_mult,
            "wd_mult": param.wd_mult,
        }
        if len(paths) > 1:
            fact["aliases"], fact["transposed"] = paths[1:], transposed
        if constant:
            fact["constant"] = True
        if state == "deferred":
            ctxs = contexts_of(param)
            fact["pending"] = "set_data" if has_pending_data(param) else text(pending_initializer(param))
        if held:
            # The address itself would be another in every run.
            fact["buffer"] = buffers.setdefault(address or -len(found) - 1, len(buffers))
        fact["contexts"] = names(ctxs)
        trainer = backend.trainer_of(param)
        if trainer is not None:
            fact["trainer"] = trainers.setdefault(id(trainer), len(trainers))
        if trained is not None:
            fact["trained"] = id(param) in trained
        if size is None:
            fact["inferable"] = backend.infers_shapes(owner) and allows_deferral(param)
        found.append(fact)
    return found


def _extent(dtype: Any, shape: Optional[Tuple[Optional[int], ...]]) -> Tuple[str, Optional[int], Optional[int]]:
    """The dtype's name, how many values an array has, and bytes."""
    size: Any = math.prod(shape) if is_known(shape) else None  # type: ignore[arg-type]
    return dtype_name(dtype), size, None if size is None else size * numpy.dtype(dtype).itemsize


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
    """Contexts as text. Hardly ever are they others than the last parameter's, and a Context is slow to hash."""

    def __init__(self) -> None:
        self._last: Sequence[Any] = ()
        self._names: Tuple[str, ...] = ()

    def __call__(self, ctxs: Sequence[Any]) -> Tuple[str, ...]:
        if ctxs != self._last:
            self._last, self._names = ctxs, tuple(map(str, ctxs))
        return self._names


def _measure(chosen: _Chosen, arrays: Sequence[List[Any]], facts: List[Dict[str, Any]], grads: bool, init: Any) -> None:
    """Add what the values say: statistics, of gradients too; replicas; declared against observed."""
    gradients = [gradients_of(param) if grads else [] for param in chosen]
    jobs: List[Tuple[Dict[str, Any], str, Any]] = []
    for key, each in (("stats", arrays), ("grad_stats", gradients)):
        jobs += [(fact, key, held[0]) for fact, held in zip(facts, each) if held]
    results = statistics_of_all([host_values(array) for _, _, array in jobs])
    for (fact, key, _), result in zip(jobs, results):
        fact[key] = result
    for param, held, fact in zip(chosen, arrays, facts):
        if len(held) > 1:
            first, *others = map(host_values, held)
            fact["replicas_agree"] = all(equal_bytes(first, other) for other in others)
        if "grad_stats" in fact:
            fresh = gradient_freshness(param)
            fact["grad_fresh"] = all(fresh)
            fact["stale"] = tuple(ctx for ctx, new in zip(fact["contexts"], fresh) if not new)
            norm = fact["stats"].norm
            fact["grad_ratio"] = fact["grad_stats"].norm / norm if norm else None
    for fact, declared in _declared(chosen, facts, init):
        fact["declared"] = declared


def _declared(chosen: _Chosen, facts: Sequence[Dict[str, Any]], init: Any) -> Iterator[Tuple[Dict[str, Any], Declared]]:
    known = []
    for (param, place), fact in zip(chosen.items(), facts):
        expected = expectation_of(param, place, parameter_info(param, place), init) if "stats" in fact else None
        if expected is not None:
            known.append((fact, expected))
    # A layer's own default that has moved, or an update, says that the network was trained, or loaded from a file:
    # then nothing is as drawn, and that is no finding. Who names the initializer says that it should be.
    untouched = init is not None or not (
        any(map(updates_of, chosen))
        or any(expected[2] and not is_as_declared(expected, fact["stats"]) for fact, expected in known)
    )
    for fact, expected in known:
        yield fact, measured(expected, fact["stats"], untouched)
