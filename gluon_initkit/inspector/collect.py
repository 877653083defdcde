"""Collect the records of a live network without changing it; `Live` reads single values later.

Nothing is run, drawn, moved or cached. MXNet's own accessors may fetch rows, apply dropout, warn or raise, so the
memory of parameters is read directly. A parameter keeps the initializer or the default of its layer. MXNet forgets the
initializer of ``net.initialize(X)`` once values are drawn, so the caller has to name it (``init=X``). Which parameters
it serves is then decided as in `plan` and `initialize`.
"""

from functools import lru_cache
from itertools import accumulate
import math
from types import SimpleNamespace
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple
import weakref

import numpy

from .._mxnet import backend, mx, parameter
from .._mxnet.arrays import dtype_name, host_values, wait_for, wait_for_writers
from .._mxnet.trainer import trained_by, updates_of
from .._mxnet.tree import Place, name_clashes, path_clashes, places_and_blocks, stale_graphs, unregistered_blocks
from ..display import printable
from ..initializer.dispatch import Choice, choose
from ..initializer.distributions import Constant, Distribution, Uniform, distribution_of
from ..initializer.initializer import Initializer, corrected, initializer_text
from ..parameters import list_parameters, matcher, parameter_info, refuse_no_match, role_of
from ..shapes import is_known
from .findings import is_constant
from .records import BlockRecord, Declared, Finding, ParameterRecord, SharedValues, Statistics
from .statistics import equal_bytes, shared_values, statistics_of_all

_Places = Dict[Any, Place]
_Facts = Dict[str, Any]
Collected = Tuple[Tuple[ParameterRecord, ...], Tuple[BlockRecord, ...], Tuple[SharedValues, ...], List[Finding]]

_UNKNOWN = Initializer()  # stands for an unknown initializer of a network
_FEWEST = 16  # least number of values for which moments are judged


def collect(net: Any, select: Any, stats: Any, grads: bool, trainer: Any, init: Any) -> Collected:
    """Return the parameters and blocks of a network, its shared values, and findings about its structure.

    The arguments are those of `inspect`.
    """
    network_init = None if init is None else corrected(init)  # refuses a wrong argument first
    if trainer is not None and not isinstance(trainer, mx.gluon.Trainer):
        raise TypeError(f"trainer is {trainer!r:.80}: expected an mxnet.gluon.Trainer")
    places, tree = places_and_blocks(net)
    if select is not None:
        matches = matcher(select)
        infos = {param: parameter_info(param, place) for param, place in places.items()}
        places = {param: place for param, place in places.items() if matches(infos[param])}
        if not places:
            refuse_no_match(select, infos.values())
    arrays = [parameter.arrays_of(param) for param in places]
    gradients = [parameter.gradients_of(param) if grads else [] for param in places]
    # Nothing below waits for the engine, and the addresses of all arrays are read.
    measured = stats or grads or init is not None
    (wait_for if measured else wait_for_writers)([array for replicas in (*arrays, *gradients) for array in replicas])
    facts = _facts(places, None if trainer is None else trained_by(trainer))
    values: List[Any] = []
    if measured:
        values = [host_values(replicas[0]) if replicas else None for replicas in arrays]
        jobs = [(fact, "stats", array) for fact, array in zip(facts, values) if array is not None]
        jobs += [(fact, "grad_stats", host_values(replicas[0])) for fact, replicas in zip(facts, gradients) if replicas]
        results = statistics_of_all([array for _, _, array in jobs], stats == "full")
        for (fact, key, _), result in zip(jobs, results):
            fact[key] = result
        for param, replicas, first, fact in zip(places, arrays, values, facts):
            if len(replicas) > 1:
                fact["replicas_agree"] = all(equal_bytes(first, host_values(other)) for other in replicas[1:])
            if "grad_stats" in fact:
                fresh = parameter.gradient_freshness(param)
                fact["grad_fresh"] = all(fresh)
                fact["stale"] = tuple([ctx for ctx, new in zip(fact["contexts"], fresh) if not new])
                norm = fact["stats"].norm
                fact["grad_ratio"] = fact["grad_stats"].norm / norm if norm else None
        _add_declared(places, facts, network_init)
    records = tuple([ParameterRecord(**fact) for fact in facts])
    blocks = tuple([BlockRecord(path, type(block).__name__) for path, block in tree])
    if select is not None:
        names = [record.block_path.split(".") for record in records]
        ancestors = {"", *(path for parts in names for path in accumulate(parts, "{}.{}".format))}
        blocks = tuple([block for block in blocks if block.path in ancestors])
    return records, blocks, shared_values(records, values), list(_structure(net, tree, places))


def _structure(net: Any, tree: Sequence[Tuple[str, Any]], places: _Places) -> Iterator[Finding]:
    """Findings about the structure of the network, rather than about one parameter."""
    paths = [path for place in places.values() for path in place.paths]
    repeated = len(set(paths)) < len(paths)
    for path in path_clashes(net) if repeated else ():
        if path in paths:
            yield Finding("colliding-path", "error", (path,), "two parameters have this path: values are drawn, saved "
                          "and loaded by path", "give the children of each Block, and its parameters, names without a "
                          "dot")  # fmt: skip
    for flaw in unregistered_blocks(tree):
        yield Finding("unregistered-block", "warning", (flaw.path,), flaw.said, flaw.mend)
    for flaw in stale_graphs(net):
        yield Finding("stale-graph", "error", flaw.paths or (flaw.path,), flaw.said, flaw.mend)
    for params in name_clashes([block for _, block in tree]):
        clashing = tuple([places[param].paths[0] for param in params if param in places])
        if len(clashing) > 1:
            yield Finding("colliding-name", "warning", clashing, f"they have one global name, {params[0].name!r}: "
                          "collect_params raises, and so do net.initialize, a Trainer of it and hybridize",
                          "give each layer a prefix of its own")  # fmt: skip


def _facts(places: _Places, trained: Optional[Set[int]]) -> List[_Facts]:
    """The fields of each parameter's record that do not depend on its values."""
    buffers: Dict[int, int] = {}  # numbers, since addresses differ between runs
    trainers: Dict[int, int] = {}
    texts: Dict[Any, str] = {}  # of initializers, which layers often share
    last: Sequence[Any] = ()  # the last parameter's contexts, which seldom change and are slow to convert to text
    contexts: Tuple[str, ...] = ()
    facts: List[_Facts] = []
    for (param, place), (dtype, address, ctxs) in zip(places.items(), list(parameter.buffers_of(places))):
        shape, constant = parameter.shape_of(param), parameter.is_constant(param)
        state = parameter.state_of(param) if dtype is None else "initialized"
        dtype, size, memory = _extent(param.dtype if dtype is None else dtype, shape)
        fact: _Facts = {
            "path": place.paths[0],
            "name": param.name,
            "role": role_of(backend.role_name(param, place.paths[0])),
            "shape": shape,
            "dtype": dtype,
            "block": place.owner.__name__,
            "block_path": place.owner_path,
            "stype": parameter.storage_type_of(param),
            "state": state,
            "initializer": "Constant" if constant else _initializer_text(param.init or place.symbol_init, texts),
            "size": size,
            "bytes": memory,
            "grad_req": param.grad_req,
            "lr_mult": param.lr_mult,
            "wd_mult": param.wd_mult,
            "aliases": place.paths[1:],
            "transposed": place.transposed,
            "constant": constant,
        }
        if state == "deferred":
            ctxs = parameter.contexts_of(param)
            by_data = parameter.has_pending_data(param)
            fact["pending"] = "set_data" if by_data else _initializer_text(parameter.pending_initializer(param), texts)
        elif state == "initialized":
            fact["buffer"] = buffers.setdefault(address or -1 - len(facts), len(buffers))
        if ctxs != last:
            last, contexts = ctxs, tuple(map(str, ctxs))
        fact["contexts"] = contexts
        trainer = backend.trainer_of(param)
        if trainer is not None:
            fact["trainer"] = trainers.setdefault(id(trainer), len(trainers))
        if trained is not None:
            fact["trained"] = id(param) in trained
        if size is None:
            fact["inferable"] = backend.infers_shapes(place.owner) and parameter.allows_deferral(param)
        facts.append(fact)
    return facts


@lru_cache(maxsize=1024)
def _extent(dtype: Any, shape: Optional[Tuple[Optional[int], ...]]) -> Tuple[str, Optional[int], Optional[int]]:
    """Name of the dtype, number of values, and number of bytes."""
    size: Any = math.prod(shape) if is_known(shape) else None  # type: ignore[arg-type]
    return dtype_name(dtype), size, None if size is None else size * numpy.dtype(dtype).itemsize


def _initializer_text(initializer: Any, texts: Dict[Any, str]) -> Optional[str]:
    """An initializer as a user would write it."""
    if initializer is None or (isinstance(initializer, str) and not initializer.startswith("[")):
        return initializer
    key = initializer if isinstance(initializer, str) else id(initializer)
    if key not in texts:
        try:
            # MXNet's operators write initializers into symbols as JSON.
            texts[key] = initializer_text(mx.init.create(initializer))
        except Exception:  # a user's dumps() may raise anything, which must not stop a report
            texts[key] = initializer if isinstance(initializer, str) else f"{type(initializer).__name__}(…)"
    return texts[key]


def _add_declared(places: _Places, facts: Sequence[_Facts], network_init: Any) -> None:
    """Add the moments that initializers promise, and the distance of the measured moments from them."""
    promises = []
    defaults_changed = False
    for (param, place), fact in zip(places.items(), facts):
        promise = _promise(param, place, network_init) if "stats" in fact else None
        if promise is not None:
            promises.append((fact, *promise))
            _, distribution, layer_default = promise
            has_changed = isinstance(distribution, Constant) and not is_constant(distribution.value, fact["stats"])
            defaults_changed = defaults_changed or (layer_default and has_changed)
    # If values of a layer default have changed, or an optimizer has updates, the network was trained or loaded. Then
    # other moments are no finding, unless the caller names the initializer and so expects its moments.
    untouched = network_init is not None or not (defaults_changed or any(map(updates_of, places)))
    for fact, text, distribution, _ in promises:
        stats: Statistics = fact["stats"]
        mean, std = distribution.moments()
        size = stats.count - stats.nan - stats.posinf - stats.neginf
        z_mean = z_std = None
        if std and size >= _FEWEST and stats.mean is not None and stats.std is not None:
            z_mean = (stats.mean - mean) / (std / math.sqrt(size))
            z_std = _z_of_variance(stats.std / std, size, distribution)
        fact["declared"] = Declared(text, mean, std, z_mean, z_std, untouched)


def _promise(param: Any, place: Place, network: Any) -> Optional[Tuple[str, Any, bool]]:
    """A parameter's initializer as text, its distribution, and whether it is only the layer's default.

    None if these or the moments are unknown. `network` is the network's initializer, corrected, if it is known.
    """
    if parameter.is_constant(param):
        return None
    info = parameter_info(param, place)
    try:
        choice = choose(network or _UNKNOWN, info, param.init or place.symbol_init)
        if not isinstance(choice, Choice) or (network is None and choice.why not in ("layer", "layer default")):
            return None
        if isinstance(choice.initializer, backend.FusedRNN):
            return None  # each part of its vector has its own distribution
        context = SimpleNamespace(axes=info.axes, global_init=network or _UNKNOWN)
        promised = distribution_of(choice.initializer, choice.hook, context, info.shape)  # type: ignore[arg-type]
    except (TypeError, ValueError):  # it cannot fill this parameter; `plan` says why
        return None
    text = initializer_text(getattr(choice.initializer, "initializer", choice.initializer))
    return (text, promised, choice.why == "layer default") if promised is not None and promised.moments() else None


def _z_of_variance(ratio: float, size: int, distribution: Distribution) -> float:
    """Error of a variance in standard errors. `ratio` is the measured deviation divided by the promised one.

    As Wilson and Hilferty (1931), for any distribution: the power of a sample variance that has no skewness is nearly
    normal far into its tails. The variance itself is not: for 20 normal values it is easily 6 standard errors too
    large.
    """
    spread, power = _SPREADS[isinstance(distribution, Uniform)]
    spread /= size - 1
    unbiased = ratio * ratio * size / (size - 1)
    return (unbiased**power - 1 - power * (power - 1) * spread / 2) / (power * math.sqrt(spread))


# For normal and for uniform distributions: the variance k2 of a squared deviation, and the power that removes its
# skewness, 1 - k3 / (3 k2^2). A truncated normal distribution varies less than a normal one: its check is milder.
_SPREADS = {False: (2.0, 1 / 3), True: (0.8, 1 - (16 / 35) / (3 * 0.8**2))}


class Live:
    """Reads values and gradients of an inspected network on request.

    It holds a weak reference to the network, since a report must not keep a network alive.
    """

    def __init__(self, net: Any) -> None:
        self._net, self._class = weakref.ref(net), type(net).__name__

    def values(self, path: str) -> numpy.ndarray:
        """A copy of a parameter's current values, from the first context."""
        return self._first(path, parameter.arrays_of, "values yet")

    def gradient(self, path: str) -> numpy.ndarray:
        """A copy of a parameter's current gradient, from the first context."""
        return self._first(path, parameter.gradients_of, "gradient")

    def _first(self, path: str, arrays_of: Any, what: str) -> numpy.ndarray:
        net = self._net()
        if net is None:
            raise ReferenceError(
                f"the {printable(self._class)} of which {path!r} was a parameter is gone: a report does not keep it "
                f"alive. Keep the network, or what you need of the report: inspect(net, stats=True)."
            )
        param = next((param for param, _, info in list_parameters(net) if path in info.paths), None)
        if param is None:
            raise KeyError(f"the {self._class} has no parameter {path!r} any more: inspect it again")
        arrays = arrays_of(param)
        if not arrays:
            lack, remedy = f"{what}: it is {parameter.state_of(param)}", _HOW.get(parameter.state_of(param))
            if what == "gradient" and param.grad_req == "null":
                lack, remedy = "gradient: its grad_req is 'null'", "Set grad_req='write'."
            raise RuntimeError(f"Parameter {path!r} has no {lack}. {remedy}")
        wait_for(arrays[:1])
        return numpy.array(host_values(arrays[0]))


_HOW = {
    "uninitialized": "Initialize the network: ik.initialize(net).",
    "deferred": "Its shape is not known: pass one batch of data through the network, or give the layer its input size.",
}
