"""`NetworkObserver`: reports changes of one network's parameters, and undoes changes that fail.

It patches methods of the network's own blocks and parameters. A change of a parameter is reported when it is complete.
If it fails, that parameter is restored; if an outermost call of a block fails, all are. Patches of `forward` slow every
pass a little, so all except the network's own are removed as soon as every parameter has values.
"""

from contextlib import ExitStack, nullcontext
import functools
import threading
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from mxnet import gluon, initializer
from mxnet.base import MXNetError

from .. import backend
from ..arrays import dtype_name
from ..parameter import contexts_of, is_constant
from ..preserve import room_for_patches
from ..state import events_suppressed, listeners, restore, snapshot, suppress_events
from ..tree import Place, blocks_by_path, places
from .call_stack import FORWARD, BlockCall, argument_shapes, innermost, input_shapes, shapes_of_arrays
from .patches import InstancePatches

_GUARDED = {"initialize", "load_parameters", "cast", "infer_shape", "optimize_for", *backend.resolving_methods}
# The attributes that a forward pass sets in a block; MXNet 2 infers a block's shapes once, and sets the last one.
_GRAPH = ("_cached_graph", "_cached_op", "_cached_op_args", "_in_format", "_out_format", "_called_infer_shape_already")
_CHANGES = ("_load_init", "set_data", "cast", backend.reset_method)

_registry = threading.RLock()


class _Thread(threading.local):
    def __init__(self) -> None:
        self.calls: List[BlockCall] = []
        self.filled: Optional[Tuple[Any, str]] = None


class NetworkObserver:
    """Observes a network from `start` to `stop`.

    `on_event` gets the kind of an event (``'resolved'``) and a dict of facts. `on_failure` gets an exception and a dict
    of facts after the network is restored to its state before the call. It returns the exception to raise, or None.
    """

    def __init__(self, net: gluon.Block, on_event: Callable[[str, dict], None], on_failure: Callable) -> None:
        self.net, self._on_event, self._on_failure = net, on_event, on_failure
        self.paths: Dict[gluon.Block, str] = {}
        self.places: Dict[gluon.Parameter, Place] = {}
        self._open: Dict[int, gluon.Parameter] = {}  # the parameters without values, by id
        self._seen: Dict[str, Any] = {}  # the last inputs of each block by path, for `input_shapes`
        self._given: tuple = ()
        self._forwards_patched = False
        self._patches, self._room, self._thread = InstancePatches(), ExitStack(), _Thread()

    def start(self) -> None:
        """Start to observe. Raises a RuntimeError if any part of the network is observed already."""
        with _registry:
            parts: Dict[Any, str] = {block: path for path, block in blocks_by_path(self.net).items()}
            parts.update((param, place.paths[0]) for param, place in places(self.net).items())
            for part, path in parts.items():
                if id(part) in listeners:
                    raise RuntimeError(
                        f"{repr(path) if path else 'the network'} ({repr(type(part).__name__)[1:-1]}) is being traced "
                        f"already, and a trace inside a trace would report everything twice. Leave the first "
                        f"`with ik.trace(...)` before, or trace one network that holds both."
                    )
            self._room.enter_context(room_for_patches())
            try:
                self._patch_new_parts()
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """Stop, and remove every patch and listener."""
        with _registry:
            self._patches.take_all()
            self._room.close()
            for part in (*self.paths, *self.places):
                if listeners.get(id(part)) == self._on_emit:
                    del listeners[id(part)]

    def leaving(self, error: Exception) -> Optional[BaseException]:
        """The exception to raise instead of an error that leaves the whole ``with`` statement, or None."""
        return self._explained(error, innermost(error, self.paths))

    def _patch_new_parts(self) -> None:
        """Patch the blocks and parameters that are new, and that no other observer has patched."""
        with _registry:
            for path, block in blocks_by_path(self.net).items():
                if block not in self.paths and listeners.setdefault(id(block), self._on_emit) == self._on_emit:
                    for name in _GUARDED:
                        self._put(block, name, self._call)
                    self._put(block, "register_child", self._register_child)
                    self._patches.put_copying(block)
                    self.paths[block] = path
                    self._forwards_patched = False
            for param, place in places(self.net).items():
                if param not in self.places and listeners.setdefault(id(param), self._on_emit) == self._on_emit:
                    self.places[param] = place
                    self._put(param, "initialize", self._initialize)
                    self._put(param, "_finish_deferred_init", self._finish)
                    for name in _CHANGES:
                        self._put(param, name, self._change)
                    self._patches.put_copying(param)
                    self._review(param)
            self._observe_forward(self.net)
            self._review()

    def _put(self, obj: Any, name: str, handler: Callable) -> None:
        def patch(original: Callable) -> Callable:
            def patched(*args: Any, **kwargs: Any) -> Any:
                if events_suppressed():
                    return original(*args, **kwargs)
                return handler(obj, name, original, *args, **kwargs)

            return patched

        if hasattr(obj, name):
            self._patches.put(obj, name, patch)

    def _observe_forward(self, *blocks: gluon.Block) -> None:
        for block in blocks:
            for name in FORWARD:
                self._put(block, name, self._call)

    def _review(self, *params: gluon.Parameter) -> None:
        """Update the patches that are needed only while one of these parameters has no values."""
        for param in params:
            if param._data is None:
                self._open[id(param)] = param
                self._put(param, "_check_and_get", self._read)
            elif self._open.pop(id(param), None) is not None:
                self._patches.take(param, "_check_and_get")
        if self._open and not self._forwards_patched:
            self._forwards_patched = True
            self._observe_forward(*self.paths)

    def _unpatch_if_done(self) -> None:
        self._review(*[param for param in self._open.values() if param._data is not None])
        if self._forwards_patched and not self._open:
            self._forwards_patched = False
            for block in self.paths:
                if block is not self.net:
                    for name in FORWARD:
                        self._patches.take(block, name)

    def _register_child(self, block: gluon.Block, name: str, original: Callable, *args: Any, **kwargs: Any) -> None:
        original(*args, **kwargs)
        self._patch_new_parts()

    def _call(self, block: gluon.Block, name: str, original: Callable, *args: Any, **kwargs: Any) -> Any:
        calls = self._thread.calls
        if calls and name in _GUARDED:  # the outer call restores the state if it fails
            return original(*args, **kwargs)
        if name == "initialize":
            self._patch_new_parts()
        call = BlockCall(block, self.paths[block], name, (*args, *kwargs.values()), calls[-1] if calls else None)
        if call.outer is None and block is self.net and call.passes and not call.symbols:
            self._given = argument_shapes(call.args)
        if call.outer is None and self._open:
            call.before = {id(entry[0]): entry for entry in snapshot(list(self._open.values()))}
            if call.is_forward or call.passes:
                call.graphs = [(other, {slot: vars(other)[slot] for slot in _GRAPH if slot in vars(other)})
                               for other in self.paths if isinstance(other, gluon.HybridBlock)]  # fmt: skip
        if call.home is not call:  # it runs on Symbols, as a part of its home's graph
            call.home.symbolic.setdefault(call.path, call.symbols)
        elif call.is_forward and not call.symbols:
            self._seen[call.path] = call.inputs
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
            if call.symbolic and not call.symbols:
                call.graph = getattr(block, "_cached_graph", None)
                self._seen.update(dict.fromkeys(call.symbolic, call))
            if call.outer is None:
                self._unpatch_if_done()

    def _failed(self, error: BaseException, root: Optional[BlockCall], call: str = "") -> Optional[BaseException]:
        """Restore the state before the failed call; return the exception to raise instead, or None."""
        facts = {**innermost(error, self.paths, root), "call": call}
        if root is not None:
            if root.symbolic and not root.symbols:  # before its graph is restored
                self._seen.update(root.inferred)
                facts["inputs"] = facts["inputs"] or root.inferred.get(facts["block"], ())
            # A parameter that another thread has resolved meanwhile keeps its values.
            entries = [entry for key, entry in root.before.items() if entry[0]._data is None or key in root.changed]
            undone = sum(param._data is not None for param in root.changed.values())
            facts.update(call=f"{type(root.block).__name__}.{root.name}", undone=undone)
            restore(entries)
            for block, slots in root.graphs:
                vars(block).update(slots)
                for slot in set(_GRAPH) - set(slots):  # MXNet 1.6 and 1.7 add some of them with the first graph
                    vars(block).pop(slot, None)
            self._review(*[param for param, _ in entries])
        return self._explained(error, facts)

    def _explained(self, error: BaseException, facts: Dict[str, Any]) -> Optional[BaseException]:
        with suppress_events():
            inputs_by_path = {path: input_shapes(path, inputs) for path, inputs in self._seen.items()}
            return self._on_failure(error, {**facts, "seen": inputs_by_path, "given": self._given})

    def _report(self, kind: str, param: gluon.Parameter, **facts: Any) -> None:
        # This runs inside a forward pass, so it only stores values; they are formatted later.
        is_loaded = param._shape is None and param._data  # a SymbolBlock's parameter
        shape = param._data[0].shape if is_loaded else param._shape
        self._on_event(kind, {"path": self.places[param].paths[0], "shape": shape, "dtype": param._dtype, **facts})

    def _on_emit(self, param: gluon.Parameter, what: str, **facts: Any) -> None:
        if events_suppressed():
            return
        if what == "filled":
            self._thread.filled = facts["initializer"], facts["hook"]
        elif what == "initialize":
            name = _initializer_name(facts["initializer"], param)
            self._report(_kind(param, facts["force_reinit"]), param, initializer=name, hook=facts["hook"])
        else:
            self._review(param)
            self._report(what, param)

    def _attempt(self, param: gluon.Parameter, name: str, original: Callable, args: tuple, kwargs: dict) -> int:
        """Call the method, and restore the parameter if it raises; return the time in nanoseconds."""
        calls, before, start = self._thread.calls, snapshot([param]), time.perf_counter_ns()
        if calls:
            calls[0].before.setdefault(id(param), before[0])
        try:
            original(*args, **kwargs)
        except BaseException as error:
            restore(before)
            self._review(param)
            if not calls:
                raise_mended(self._failed(error, None, f"{type(param).__name__}.{name}"), error)
            raise
        if calls:
            calls[0].changed[id(param)] = param
        self._review(param)
        return time.perf_counter_ns() - start

    def _initialize(self, param: gluon.Parameter, name: str, original: Callable, *args: Any, **kwargs: Any) -> None:
        values = dict(zip(("init", "ctx", "default_init", "force_reinit"), args), **kwargs)
        init = next(init for init in (values.get("init"), values.get("default_init"), "Uniform") if init is not None)
        kind = _kind(param, values.get("force_reinit"))
        detail = "ignored: it is initialized already" if param._data is not None and kind == "initialize" else ""
        self._report(kind, param, initializer=_initializer_name(init, param), detail=detail)
        nanoseconds = self._attempt(param, name, original, args, kwargs)
        if param._data is None:
            self._report("deferred", param, nanoseconds=nanoseconds)

    def _finish(self, param: gluon.Parameter, name: str, original: Callable) -> None:
        pending, self._thread.filled = param._deferred_init, None
        if not pending:
            original()
            return
        nanoseconds = self._attempt(param, "initialize", original, (), {})
        filler, hook = _filler(pending, self._thread.filled)
        call = self._thread.calls[-1] if self._thread.calls else None
        within = call if call is None or call.is_forward else call.around
        # The path of the block that runs its `forward`, and its inputs, for `input_shapes`.
        block, caller, inputs = None, backend.resolving_block(), None  # type: Optional[str], Any, Any
        if caller is not None and caller[0] in self.paths:
            block, inputs = self.paths[caller[0]], shapes_of_arrays(caller[1])
        elif within is not None:
            home, holders = within.home, self.places[param].holders if within.home.symbolic else ()
            block = next((path for path in home.symbolic if path in holders), within.path)
            inputs = home.inputs if block == home.path else home
        self._report("resolved", param, initializer=filler and _initializer_name(filler, param), hook=hook, block=block,
                     inputs=inputs, nanoseconds=nanoseconds, arrays=len(param._data or ()), within=within)  # fmt: skip

    def _change(self, param: gluon.Parameter, name: str, original: Callable, *args: Any, **kwargs: Any) -> None:
        kind = "load_parameters" if name == "_load_init" else name
        dtype = dtype_name(param.dtype)
        with suppress_events() if name == "_load_init" else nullcontext():  # `_load_init` calls `set_data`
            nanoseconds = self._attempt(param, kind, original, args, kwargs)
        facts: Dict[str, Any] = {"nanoseconds": nanoseconds, "arrays": len(param._data or ())}
        if name == "set_data":
            facts["detail"] = "" if param._data is not None else "kept until the first forward pass"
        elif name == "cast":
            facts["detail"] = f"{dtype} to {dtype_name(param.dtype)}"
        elif name == backend.reset_method:
            facts["detail"] = "to " + ", ".join(map(str, contexts_of(param) or ()))
        self._report(kind, param, **facts)

    def _read(self, param: gluon.Parameter, name: str, original: Callable, *args: Any, **kwargs: Any) -> Any:
        try:
            return original(*args, **kwargs)
        except (RuntimeError, MXNetError) as error:  # MXNet 1.6 raises both
            # Inside a forward pass Gluon catches this error, and then infers shapes.
            if not self._thread.calls:
                raise_mended(self._failed(error, None), error)
            raise


def raise_mended(mended: Optional[BaseException], error: BaseException) -> None:
    """Raise `mended` from `error`, unless it is None. No frame keeps them: that cycle would keep the network."""
    try:
        if mended is not None:
            raise mended from error
    finally:
        del mended, error


def _kind(param: gluon.Parameter, force_reinit: Any) -> str:
    return "force_reinit" if force_reinit and param._data is not None else "initialize"


def _filler(pending: tuple, reported: Optional[Tuple[Any, str]]) -> Tuple[Any, str]:
    """The initializer that filled a parameter, and its hook that ran."""
    init, _, default, source = pending
    if source is not None:
        choice = getattr(source, "choice", None)
        return (None, "set_data") if choice is None else (choice.initializer, choice.hook)
    if reported is not None:
        return reported
    network = default if isinstance(default, initializer.Initializer) else initializer.create(default)
    if type(network).__call__ is not initializer.Initializer.__call__:
        return network, "__call__"
    return init, "_init_weight"  # `Initializer.__call__` ignores the role if the variable has `__init__`


def _initializer_name(init: Any, param: gluon.Parameter) -> str:
    if is_constant(param):
        return "Constant"
    init = getattr(init, "initializer", init)  # the initializer that `corrected` wraps
    return _registered_name(init) if isinstance(init, str) else type(init).__name__


@functools.lru_cache(maxsize=None)
def _registered_name(name: str) -> str:
    try:
        return type(initializer.create(name)).__name__
    except (AssertionError, KeyError, TypeError, ValueError):
        return name
