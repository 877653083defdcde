"""A watch over one network: what happens to its parameters, told as it happens; what fails, undone.

It stands before methods of the network's own blocks and parameters, on these objects alone (`wrapping`). The wrappers
of `forward` cost a little in every pass, so all but the network's own come off as soon as no parameter is left without
values. What the facts mean is for others to say.
"""

from contextlib import ExitStack
import threading
import time
from typing import Any, Callable, Dict, Optional

from mxnet import gluon

from .blocks import places
from .changing import Changes, raise_mended
from .memory import restore, snapshot
from .recursion import room_for_wrappers
from .telling import listeners, quietly
from .underway import TIMED, BlockCall, block_paths, given_to, innermost, shapes_given
from .version import BESIDE_FORWARD

__all__ = ["Watch"]

_GUARDED = {"initialize", "load_parameters", "cast", "infer_shape", "optimize_for", *BESIDE_FORWARD}
# What a forward pass leaves in a block; MXNet 2 asks a block for its shapes once, and notes that it did.
_GRAPH = ("_cached_graph", "_cached_op", "_cached_op_args", "_in_format", "_out_format", "_called_infer_shape_already")

_watched: Dict[int, "Watch"] = {}
_registry = threading.RLock()


class Watch(Changes):
    """Watches a network from `start` to `stop`.

    Parameters
    ----------
    net : Block
    on_event : callable
        Gets what happened (``'resolved'``), and a dict of facts.
    on_failure : callable
        Gets an exception, and a dict of facts; answers the exception to raise in its place, or None. The network is as
        it was before the call by then.
    on_calls : callable
        Gets the calls of `forward` inside an outermost call in which a parameter changed.
    """

    def __init__(self, net: gluon.Block, on_event: Callable, on_failure: Callable, on_calls: Callable) -> None:
        super().__init__(on_event)
        self.net, self._on_failure, self._on_calls = net, on_failure, on_calls
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
            self._room.enter_context(room_for_wrappers())
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
            self._given = shapes_given(call.args)
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
        call.end = time.perf_counter_ns()
        if call.symbolic and not call.symbols:
            call.graph = getattr(call.block, "_cached_graph", None)
            self._seen.update(dict.fromkeys(call.symbolic, call))
        if call.timed:
            call.root.inner.append(call)
        if call.root is call:
            inner, call.inner = call.inner, []  # it is in this list itself
            if call.changed:
                self._on_calls(sorted(inner, key=lambda each: each.start))
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
        with quietly():
            seen = {path: given_to(path, inputs) for path, inputs in self._seen.items()}
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
