"""What changes a parameter, watched: initializing, resolving, `set_data`, loading, `cast`, `reset_ctx`; early reads.

Each of these is an attempt: it is told when it is done, and leaves the parameter as it was when it fails, where plain
MXNet forgets what was pending. `Watch` adds the blocks around the parameters.
"""

from contextlib import ExitStack
import functools
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from mxnet import gluon, initializer
from mxnet.base import MXNetError
import numpy

from .. import backend
from ..frames import resolving_block
from ..parameter import contexts_of, is_constant
from ..state import restore, snapshot
from ..tree import Place, places
from .call_stack import TIMED, BlockCall, argument_shapes, block_paths, innermost, input_shapes, shapes_of_arrays
from .notify import events_suppressed, listeners, suppress_events
from .patches import InstancePatches, room_for_patches


class _Thread(threading.local):
    def __init__(self) -> None:
        self.calls: List[BlockCall] = []
        self.loading = False
        self.filled: Optional[Tuple[Any, str]] = None


class Changes:
    """The watch over the parameters alone."""

    def __init__(self, on_event: Callable[[str, dict], None]) -> None:
        self._on_event = on_event
        self.paths: Dict[gluon.Block, str] = {}
        self.places: Dict[gluon.Parameter, Place] = {}
        self._open: Dict[int, gluon.Parameter] = {}
        """The parameters without values, by id."""
        self._wrappers = InstancePatches()
        self._thread = _Thread()

    def _tell(self, kind: str, param: gluon.Parameter, facts: dict) -> None:
        # This happens in the middle of a forward pass: what can be read out of these later is left for later.
        shape = param._shape
        if shape is None and param._data:  # a SymbolBlock's parameter that was loaded
            shape = param._data[0].shape
        facts["path"], facts["shape"], facts["dtype"] = self.places[param].paths[0], shape, param._dtype
        self._on_event(kind, facts)

    def _wake(self) -> None:
        """A parameter without values has come up."""

    def _failed(self, error: BaseException, under: Optional[BlockCall], call: str = "") -> Optional[BaseException]:
        """What to raise instead of an error that leaves the watch."""

    def _put(self, thing: Any, name: str, around: Callable, *named: Any) -> None:
        def made(original: Callable) -> Callable:
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                if events_suppressed():
                    return original(*args, **kwargs)
                return around(thing, *named, original, *args, **kwargs)

            return wrapper

        if hasattr(thing, name):
            self._wrappers.put(thing, name, made)

    def _watch(self, param: gluon.Parameter) -> None:
        self._put(param, "initialize", self._initialize)
        self._put(param, "_finish_deferred_init", self._finish)
        self._put(param, "_load_init", self._load)
        self._put(param, "set_data", self._set_data)
        self._put(param, "cast", self._cast)
        self._put(param, backend.reset_method, self._reset_ctx)
        self._wrappers.put_copying(param)
        self._settle(param)

    def _settle(self, param: gluon.Parameter) -> None:
        """Let what stands in the way of every forward pass be there only while the parameter has no values."""
        if param._data is None:
            self._open[id(param)] = param
            self._put(param, "_check_and_get", self._read)
            self._put(param, "var", self._var)
            self._wake()
        elif self._open.pop(id(param), None) is not None:
            self._wrappers.take(param, "_check_and_get")
            self._wrappers.take(param, "var")

    def _told(self, param: gluon.Parameter, what: str, **facts: Any) -> None:
        """What `tell` says of a parameter."""
        if events_suppressed():
            return
        if what == "filled":
            self._thread.filled = facts["initializer"], facts["hook"]
            return
        if what == "initialize":
            name = _name(facts["initializer"], param)
            self._tell(_kind(param, facts["force_reinit"]), param, {"initializer": name, "hook": facts["hook"]})
        else:
            self._settle(param)
            self._tell(what, param, {})

    def _attempt(self, param: gluon.Parameter, original: Callable, args: tuple, kwargs: dict, doing: str) -> int:
        """Do it, or leave the parameter as it was; nanoseconds."""
        calls, before, start = self._thread.calls, snapshot([param]), time.perf_counter_ns()
        if calls:
            calls[0].before.setdefault(id(param), before[0])
        try:
            original(*args, **kwargs)
        except BaseException as error:
            restore(before)
            self._settle(param)
            if not calls:
                raise_mended(self._failed(error, None, f"{type(param).__name__}.{doing}"), error)
            raise
        if calls:
            calls[0].changed[id(param)] = param
        self._settle(param)
        return time.perf_counter_ns() - start

    def _initialize(self, param: gluon.Parameter, original: Callable, *args: Any, **kwargs: Any) -> None:
        given = dict(zip(("init", "ctx", "default_init", "force_reinit"), args), **kwargs)
        init = next((each for each in (given.get("init"), given.get("default_init")) if each is not None), "Uniform")
        kept = param._data is not None and not given.get("force_reinit")
        facts = {"initializer": _name(init, param), "detail": "ignored: it is initialized already" if kept else ""}
        self._tell(_kind(param, given.get("force_reinit")), param, facts)
        nanoseconds = self._attempt(param, original, args, kwargs, "initialize")
        if param._data is None:
            self._tell("deferred", param, {"nanoseconds": nanoseconds})

    def _finish(self, param: gluon.Parameter, original: Callable) -> None:
        pending, self._thread.filled = param._deferred_init, None
        if not pending:
            original()
            return
        nanoseconds = self._attempt(param, original, (), {}, "initialize")
        filler, hook = _filler(pending, self._thread.filled)
        calls = self._thread.calls
        within = calls[-1].forwarding if calls else None
        block, inputs = self._where(param, within)
        self._tell("resolved", param, {
            "initializer": filler and _name(filler, param), "hook": hook, "block": block, "inputs": inputs,
            "nanoseconds": nanoseconds, "arrays": _arrays(param), "within": within,
        })  # fmt: skip

    def _where(self, param: gluon.Parameter, call: Optional[BlockCall]) -> Tuple[Optional[str], Any]:
        """The path of the block in whose forward this happens, and what that was given, as `given_to` reads it."""
        caller = resolving_block()
        if caller is not None and caller[0] in self.paths:
            return self.paths[caller[0]], shapes_of_arrays(caller[1])
        if call is None:
            return None, None
        home, path = call.home, call.path
        if home.symbolic:
            # A SymbolBlock inside a graph asks no parameter for its variable.
            owner = self.places[param].owner_path
            path = (home.used or {}).get(id(param), owner if owner in home.symbolic else path)
        return path, home.inputs if path == home.path else home

    def _load(self, param: gluon.Parameter, original: Callable, *args: Any, **kwargs: Any) -> None:
        self._thread.loading = True
        try:
            nanoseconds = self._attempt(param, original, args, kwargs, "load_parameters")
        finally:
            self._thread.loading = False
        self._tell("load_parameters", param, {"nanoseconds": nanoseconds, "arrays": _arrays(param)})

    def _set_data(self, param: gluon.Parameter, original: Callable, *args: Any, **kwargs: Any) -> None:
        nanoseconds = self._attempt(param, original, args, kwargs, "set_data")
        if not self._thread.loading:
            detail = "" if param._data is not None else "kept until the first forward pass"
            self._tell("set_data", param, {"nanoseconds": nanoseconds, "arrays": _arrays(param), "detail": detail})

    def _cast(self, param: gluon.Parameter, original: Callable, *args: Any, **kwargs: Any) -> None:
        before = numpy.dtype(param.dtype).name
        nanoseconds = self._attempt(param, original, args, kwargs, "cast")
        detail = f"{before} to {numpy.dtype(param.dtype).name}"
        self._tell("cast", param, {"nanoseconds": nanoseconds, "arrays": _arrays(param), "detail": detail})

    def _reset_ctx(self, param: gluon.Parameter, original: Callable, *args: Any, **kwargs: Any) -> None:
        nanoseconds = self._attempt(param, original, args, kwargs, backend.reset_method)
        detail = "to " + ", ".join(map(str, contexts_of(param) or ()))
        facts = {"nanoseconds": nanoseconds, "arrays": _arrays(param), "detail": detail}
        self._tell(backend.reset_method, param, facts)

    def _read(self, param: gluon.Parameter, original: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except (RuntimeError, MXNetError) as error:  # two families in MXNet 1.6
            # Inside a forward pass it is how Gluon finds out that it has to infer shapes.
            if not self._thread.calls:
                raise_mended(self._failed(error, None), error)
            raise

    def _var(self, param: gluon.Parameter, original: Callable) -> Any:
        call = self._thread.calls[-1].forwarding if self._thread.calls else None
        if call is not None:
            call.uses(param)
        return original()


def raise_mended(mended: Optional[BaseException], error: BaseException) -> None:
    """Raise an error from the one that it explains, if there is any.

    No frame goes on holding it: the error's traceback holds the frames, and that cycle would keep the network.
    """
    try:
        if mended is not None:
            raise mended from error
    finally:
        del mended, error


def _kind(param: gluon.Parameter, force_reinit: Any) -> str:
    return "force_reinit" if force_reinit and param._data is not None else "initialize"


def _arrays(param: gluon.Parameter) -> int:
    return len(param._data or ())


def _filler(pending: tuple, told: Optional[Tuple[Any, str]]) -> Tuple[Any, str]:
    """The initializer that filled a parameter, and the hook of it that ran."""
    init, _, default, source = pending
    if source is not None:
        choice = getattr(source, "choice", None)
        return (None, "set_data") if choice is None else (choice.initializer, choice.hook)
    if told is not None:
        return told
    network = default if isinstance(default, initializer.Initializer) else initializer.create(default)
    if type(network).__call__ is not initializer.Initializer.__call__:
        return network, "__call__"
    return init, "_init_weight"  # always: `Initializer.__call__` asks for no role where `__init__` is given


def _name(init: Any, param: gluon.Parameter) -> str:
    if is_constant(param):
        return "Constant"
    init = getattr(init, "initializer", init)  # what `corrected` stands for
    return _registered(init) if isinstance(init, str) else type(init).__name__


@functools.lru_cache(maxsize=None)
def _registered(name: str) -> str:
    try:
        return type(initializer.create(name)).__name__
    except (AssertionError, KeyError, TypeError, ValueError):
        return name


_GUARDED = {"initialize", "load_parameters", "cast", "infer_shape", "optimize_for", *backend.resolving_methods}


# What a forward pass leaves in a block; MXNet 2 asks a block for its shapes once, and notes that it did.
_GRAPH = ("_cached_graph", "_cached_op", "_cached_op_args", "_in_format", "_out_format", "_called_infer_shape_already")


_watched: Dict[int, "NetworkObserver"] = {}


_registry = threading.RLock()


class NetworkObserver(Changes):
    """Watches a network from `start` to `stop`.

    Parameters
    ----------
    net : Block
    on_event : callable
        Gets what happened (``'resolved'``), and a dict of facts.
    on_failure : callable
        Gets an exception, and a dict of facts; answers the exception to raise in its place, or None. The network is as
        it was before the call by then.
    """

    def __init__(self, net: gluon.Block, on_event: Callable, on_failure: Callable) -> None:
        super().__init__(on_event)
        self.net, self._on_failure = net, on_failure
        self._seen: Dict[str, Any] = {}
        """What each block was given last, by the block's path, as `given_to` reads it."""
        self._given: tuple = ()
        self._awake = False
        self._room = ExitStack()

    def start(self) -> None:
        """Begin. Raises a RuntimeError where any part of the network is watched already."""
        with _registry:
            parts = {**block_paths(self.net), **{param: place.paths[0] for param, place in places(self.net).items()}}
            for part, path in parts.items():
                if id(part) in _watched:
                    raise RuntimeError(
                        f"{repr(path) if path else 'the network'} ({repr(type(part).__name__)[1:-1]}) is being traced "
                        f"already, and a trace inside a trace would tell everything twice. Leave the first "
                        f"`with ik.trace(...)` before, or trace one network that holds both."
                    )
            self._room.enter_context(room_for_patches())
            try:
                self._look()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End, and leave nothing behind."""
        with _registry:
            self._wrappers.take_all()
            self._room.close()
            for part in (*self.paths, *self.places):
                if _watched.get(id(part)) is self:
                    del _watched[id(part)]
                    listeners.pop(id(part), None)

    def leaving(self, error: Exception) -> Optional[BaseException]:
        """What to raise instead of an error that leaves the whole watch, if anything."""
        return self._explained(error, innermost(error, self.paths))

    def _look(self) -> None:
        """Take in the blocks and parameters that are new, and not watched by another."""
        with _registry:
            paths, found = block_paths(self.net), places(self.net)
            for block, path in paths.items():
                if block not in self.paths and _watched.setdefault(id(block), self) is self:
                    for name in _GUARDED:
                        self._put(block, name, self._call, name)
                    self._put(block, "register_child", self._registered)
                    self._wrappers.put_copying(block)
                    self.paths[block] = path
                    self._awake = False
            for param, place in found.items():
                if param not in self.places and _watched.setdefault(id(param), self) is self:
                    listeners[id(param)] = self._told
                    self.places[param] = place
                    self._watch(param)
            self._put_timed(self.net)
            self._wake()

    def _put_timed(self, block: gluon.Block) -> None:
        for name in TIMED:
            self._put(block, name, self._call, name)

    def _wake(self) -> None:
        if self._open and not self._awake:
            self._awake = True
            for block in self.paths:
                self._put_timed(block)

    def _sleep_if_done(self) -> None:
        for param in list(self._open.values()):
            if param._data is not None:
                self._settle(param)
        if self._awake and not self._open:
            self._awake = False
            for block in self.paths:
                if block is not self.net:
                    for name in TIMED:
                        self._wrappers.take(block, name)

    def _call(self, block: gluon.Block, name: str, original: Callable, *args: Any, **kwargs: Any) -> Any:
        calls = self._thread.calls
        if calls and name in _GUARDED:  # the call around it is guarded
            return original(*args, **kwargs)
        if name == "initialize":
            self._look()
        call = BlockCall(block, self.paths[block], name, (*args, *kwargs.values()), calls[-1] if calls else None)
        self._begin(call)
        calls.append(call)
        try:
            return original(*args, **kwargs)
        except BaseException as error:
            if call.outer is not None:
                raise
            raise_mended(self._failed(error, call), error)
            raise
        finally:
            calls.pop()
            self._end(call)

    def _begin(self, call: BlockCall) -> None:
        if call.root is call and call.block is self.net and call.passes and not call.symbols:
            self._given = argument_shapes(call.args)
        if call.root is call and self._open:
            call.before = {id(entry[0]): entry for entry in snapshot(list(self._open.values()))}
            if call.timed or call.passes:
                graphs = [block for block in self.paths if isinstance(block, gluon.HybridBlock)]
                call.graphs = [(block, {slot: vars(block)[slot] for slot in _GRAPH if slot in vars(block)})
                               for block in graphs]  # fmt: skip
        if call.home is not call:
            call.draws()
        elif call.timed and not call.symbols:
            self._seen[call.path] = call.inputs

    def _end(self, call: BlockCall) -> None:
        if call.symbolic and not call.symbols:
            call.graph = getattr(call.block, "_cached_graph", None)
            self._seen.update(dict.fromkeys(call.symbolic, call))
        if call.root is call:
            self._sleep_if_done()

    def _registered(self, block: gluon.Block, original: Callable, *args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        self._look()

    def _failed(self, error: BaseException, under: Optional[BlockCall], call: str = "") -> Optional[BaseException]:
        """Put everything back; what to raise instead, if anything."""
        facts = {**innermost(error, self.paths, under), "call": call}
        if under is not None:
            if under.symbolic and not under.symbols:  # before its graph is put back
                self._seen.update(under.inferred())
                facts["inputs"] = facts["inputs"] or under.inferred().get(facts["block"], ())
            facts.update(call=f"{type(under.block).__name__}.{under.name}", undone=self._undo(under))
        return self._explained(error, facts)

    def _explained(self, error: BaseException, facts: Dict[str, Any]) -> Optional[BaseException]:
        with suppress_events():
            seen = {path: input_shapes(path, inputs) for path, inputs in self._seen.items()}
            return self._on_failure(error, {**facts, "seen": seen, "given": self._given})

    def _undo(self, call: BlockCall) -> int:
        # A parameter that another thread has resolved meanwhile is left to it.
        mine = [each for key, each in call.before.items() if each[0]._data is None or key in call.changed]
        undone = sum(1 for param in call.changed.values() if param._data is not None)
        restore(mine)
        for block, slots in call.graphs:
            vars(block).update(slots)
            for slot in set(_GRAPH) - set(slots):  # MXNet 1.6 and 1.7 make some of them with the first graph
                vars(block).pop(slot, None)
        for param, _ in mine:
            self._settle(param)
        return undone
