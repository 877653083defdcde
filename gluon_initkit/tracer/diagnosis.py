"""Why parameters have no values: `explain` reports it, and `DeferredInitError` replaces MXNet's errors about it.

A message begins with the call that came too early, or with the shapes that contradict each other. Then it lists the
parameters by block, each with its reason and its fix. It ends with the call that solves the problem.
"""

from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple

from .. import display
from .._mxnet import backend, mx
from .._mxnet.instrument.call_stack import ArrayArgument, ValueArgument
from .._mxnet.layers import constructor_call
from .._mxnet.parameter import allows_deferral, arrays_of, contexts_of, is_constant, source_of
from .._mxnet.tree import Place, blocks_by_path, class_name
from ..display import Column, KitError, Table, counted, counted_of, inputs_text, listed, printable, shape_text
from ..parameters import ParameterInfo
from ..shapes import Shape, is_known
from .resolve import Observed, Resolution, arguments_text, error_text, has_arrays, resolve
from .source import Frame, code_owner, frames_of, last_lines

INPUTS = Column("inputs", attrgetter("inputs"), "given", show=inputs_text, fold="range", of_block=True)
_COLUMNS = (display.path_column(), display.shape_column(), Column("block", attrgetter("block"), of_block=True), INPUTS)
_MOST = 10  # parameters in a message, and fixes in a text; `unresolved` and `fixes` have all

_DEFERRED = "deferred"
_NOT_DEFERRABLE = "its shape is not known, and it may not be deferred"
_NOT_INFERRED = "no forward pass infers its shape: "
# MXNet clears the pending initialization before it fills: after a failure the parameter looks as if never initialized.
_NEVER_INITIALIZED = "initialize was never called on it, or filling it failed"
_UNREGISTERED = "no Block of this network registers the parameter that was needed"

# MXNet's messages (gluon/parameter.py, gluon/block.py) about parameters without values and about wrong shapes.
_UNKNOWN = "has parameters with unknown shape. You need to"  # MXNet 2, for a block without infer_shape
_BEGINNINGS = ("Deferred initialization failed", "Cannot initialize Parameter", "Expected shape", "Unknown input to")
# MXNet's recurrent layers raise these when states are nested differently than they expect.
_RAISED_FOR_STATES = (mx.MXNetError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
_READS = ("data", "list_data", "grad", "list_grad", "list_ctx", "list_device", "zero_grad", "row_sparse_data",
          "list_row_sparse_data")  # fmt: skip
_SAVES = ("save_parameters", "export", "save", "save_params")


@dataclass(frozen=True)
class Unresolved:
    """One parameter that has no values yet, or whose shape is in dispute.

    Attributes
    ----------
    path, shape : str, tuple of (int or None) or None
        The canonical path, and the shape. None is an unknown dimension, or an unknown number of dimensions.
    block, block_path : str
        The class of the block that holds the parameter, as code (``'nn.Dense'``), and the path of that block.
    inputs : tuple of shapes, or None
        The shapes of the arrays that the block gets in a forward pass; None if they are not known.
    fix, reason : str
        The code to write instead, such as ``'features.0: nn.Dense(4, in_units=5)'``; why the parameter is unresolved.
    """

    path: str
    shape: Shape
    block: str
    block_path: str
    inputs: Optional[Tuple[Shape, ...]]
    fix: str
    reason: str


class DeferredInitError(
    KitError, mx.gluon.parameter.DeferredInitializationError, ValueError, AssertionError, RuntimeError
):
    """Parameters have no values because their shapes are unknown, or their shapes contradict the input.

    The message lists the unresolved parameters, and `unresolved` has an `Unresolved` for each. The base classes are the
    errors that plain MXNet raises in the same places, so older ``except`` clauses still work.
    """

    def __init__(self, message: str, unresolved: Tuple[Unresolved, ...] = ()) -> None:
        super().__init__(message)
        self.unresolved = tuple(unresolved)


@dataclass(frozen=True, repr=False)
class Explanation(display.TableReport[Unresolved]):
    """The result of `explain`: one row for each parameter without values. ``str()`` is a table and at most ten fixes.

    Attributes
    ----------
    rows : tuple of Unresolved
        In order of traversal.
    summary, message : str
        The problem in one sentence; and the full message of `error`.
    notes : tuple of str
        Blocks and parameters in containers, which Gluon does not register, and how to register them; parameters on
        different contexts; and MXNet's own message.
    """

    rows: Tuple[Unresolved, ...]
    summary: str
    message: str
    notes: Tuple[str, ...] = ()

    @property
    def fixes(self) -> Tuple[str, ...]:
        """The code to write, once for each block: ``'features.0: nn.Dense(4, in_units=5)'``."""
        return tuple(dict.fromkeys(row.fix for row in self.rows))

    @property
    def error(self) -> Optional[DeferredInitError]:
        """The same as an error to raise; None if there is no problem."""
        return DeferredInitError(self.message, self.rows) if self.message else None

    def _table(self) -> Table:
        # Where `initialize` was forgotten, the message's second line says what to write.
        advice = [line for line in self.message.splitlines()[1:2] if self.rows and not line.startswith("  ")]
        notes = tuple(note for note in self.notes if note not in self.summary)
        paths_by_code: Dict[str, Dict[str, None]] = {}  # blocks with the same fix share one line
        for row in self.rows:
            path = row.block_path if row.fix.startswith(f"{row.block_path}: ") else ""
            paths_by_code.setdefault(row.fix[len(path) + 2 :] if path else row.fix, {})[path] = None
        fixes = [": ".join(filter(None, (listed(display.braced_paths(list(paths)), 4), code)))
                 for code, paths in paths_by_code.items()]  # fmt: skip
        fix_lines = ["To avoid it, write", *(f"  {fix}" for fix in fixes[:_MOST])]
        fix_lines += [f"  and {len(fixes) - _MOST:,} more, which `fixes` has"] * (len(fixes) > _MOST)
        reason = Column("reason", lambda row: None if row.reason == _DEFERRED else row.reason, "why",
                        hoist="" if advice else False)  # fmt: skip
        return Table("\n".join([self.summary.rstrip(":"), *advice]), (*_COLUMNS, reason), self.rows,
                     notes if self.rows else (), lambda row: "" if row.reason == _DEFERRED else "error",
                     tuple(("", line) for line in (fix_lines if self.rows else notes)))  # fmt: skip

    def _html(self, columns: Optional[Sequence[Any]] = None, limit: Optional[int] = None) -> str:
        table = self._chosen(columns)
        fixes = Column("fix", attrgetter("fix"), "write", of_block=True)
        columns = table.columns if columns else (*table.columns, fixes)
        footnotes = table.footnotes if not self.rows else ()
        return display.as_tree(display.tree_table(replace(table, columns=columns, footnotes=footnotes), limit))


def explain(net: Any, *inputs: Any, error: Optional[BaseException] = None) -> Explanation:
    """Explain for every parameter without values what is unknown, why, and which constructor argument would give it.

    Parameters
    ----------
    net : Block
        May be in any state, and is not changed.
    *inputs
        The network's arguments, as in `resolve_shapes`. With them the fixes contain the sizes. They also reveal blocks
        that no forward pass reaches, code that needs numbers, and shapes that contradict each other.
    error : Exception, optional
        The error that MXNet raised. The summary then names the call that came too early.

    Returns
    -------
    Explanation
        ``raise explanation.error`` raises it as one `DeferredInitError`.

    Raises
    ------
    TypeError
        `net` is not a Block, or `error` is not an exception.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(8), mx.gluon.nn.BatchNorm(), mx.gluon.nn.Dense(2))
    >>> net.initialize()
    >>> explain(net).fixes
    ('0: nn.Dense(8, in_units=?)', '1: nn.BatchNorm(in_channels=?)', '2: nn.Dense(2, in_units=?)')
    >>> explain(net, (1, 3, 8, 8)).fixes
    ('0: nn.Dense(8, in_units=192)', '1: nn.BatchNorm(in_channels=8)', '2: nn.Dense(2, in_units=8)')
    """
    if not isinstance(error, (BaseException, type(None))):
        raise TypeError(f"error is {error!r:.80}: expected the exception that was caught, `except Exception as error`")
    if isinstance(error, DeferredInitError):
        text = str(error)
        quotations = tuple(line for line in text.splitlines()[1:] if line.startswith("MXNet said: "))
        return Explanation(error.unresolved, text.splitlines()[0], text, quotations)
    resolution = resolve(net, inputs)
    rows = _unresolved(resolution)
    if not rows and resolution.conflict is None and error is None:
        count = counted(len(resolution.parameters), "parameter holds", "parameters hold")
        summary = f"{'' if len(resolution.parameters) == 1 else 'all '}{count} values"
        if not resolution.parameters:
            summary = "the network has no parameters"
        empty = any(not arrays_of(param) for flaw in resolution.unregistered for param in flaw.parameters)
        return Explanation((), summary, "\n".join([summary, *resolution.notes]) if empty else "", resolution.notes)
    text = _message(resolution, rows, inputs, error)
    summary = text.splitlines()[0]
    return Explanation(rows, summary, text, (*resolution.notes, *_quotation(error, summary)))


def diagnosed_failure(
    net: Any, error: BaseException, inputs: Sequence[Any], observed: Observed
) -> Optional[DeferredInitError]:
    """The error that a trace raises instead of `error`; None if `error` is not about deferred parameters."""
    wrong_states = _wrong_states(observed) if isinstance(error, _RAISED_FOR_STATES) else None
    if wrong_states is not None:
        rows, line = _unresolved(resolve(net, ())), last_lines(frames_of(error, observed.caught_in))[0]
        headline, advice = wrong_states
        headline += f", at {line}" if line else ""
        return DeferredInitError("\n".join([headline, f"  {error_text(error)}", *_row_lines(rows), advice]), rows)
    if not _is_about_deferral(error) and not isinstance(error, mx.MXNetError):
        return None
    resolution = resolve(net, inputs, observed)
    if not _is_about_deferral(error) and (resolution.conflict is None or not resolution.conflict.disputes):
        return None
    cause, _ = _cause(error, frames_of(error, observed.caught_in), resolution)
    return None if cause.startswith(_UNREGISTERED) else error_of(resolution, inputs, error)


def _is_about_deferral(error: BaseException) -> bool:
    """Whether MXNet's own message says that a parameter has no values or another shape."""
    if isinstance(error, mx.gluon.parameter.DeferredInitializationError):
        return True
    text = str(error)
    if type(error) is RuntimeError:
        return (text.startswith("Parameter ") and "has not been initialized" in text) or _UNKNOWN in text
    return type(error) in (ValueError, AssertionError) and text.startswith(_BEGINNINGS)


def _wrong_states(observed: Observed) -> Optional[Tuple[str, str]]:
    """A headline and advice if a recurrent block failed on states of a wrong number or nesting; else None."""
    # A cell reads the first row of an array as its first state; MXNet's error is then about a weight or an index.
    path, block, args = observed.failing or ("", None, ())
    kind: Any = type(block)
    custom = not kind.__module__.startswith("mxnet.gluon.")  # its states may be nested in any way
    if custom or not hasattr(block, "state_info") or len(args) < 2 or args[1] == ValueArgument(None):
        return None
    states, count = args[1], len(block.state_info())  # type: ignore[union-attr]
    if isinstance(states, (list, tuple)) and [type(state) for state in states] == [ArrayArgument] * count:
        return None
    takes = f"takes a list of {counted(count, 'state')}, and was given {_nested_text(states)}"
    return (f"{place_text(path)} ({class_name(kind)}) {takes}",
            f"Pass the states as one flat list, [{', '.join(['state'] * count)}]; begin_state(batch_size=...) makes "
            f"it.")  # fmt: skip


def _nested_text(states: Any) -> str:
    if isinstance(states, (list, tuple)):
        return f"[{', '.join(map(_nested_text, states))}]"
    return f"an array {shape_text(states.shape)}" if isinstance(states, ArrayArgument) else repr(states.value)


def error_of(
    resolution: Resolution, inputs: Sequence[Any], error: Optional[BaseException] = None,
    params: Optional[Iterable] = None,
) -> DeferredInitError:
    """The error that lists these parameters; by default, all parameters without values."""
    rows = _unresolved(resolution, params)
    return DeferredInitError(_message(resolution, rows, inputs, error), rows)


def _message(
    resolution: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any], error: Optional[BaseException] = None
) -> str:
    """The full text of the error. `error` is MXNet's exception, if there is one."""
    frames = [] if error is None else frames_of(error, resolution.observed.caught_in)
    cause, cause_advice = ("", "") if error is None else _cause(error, frames, resolution)
    headline, state_advice = _state(resolution, rows, inputs, last_lines(frames)[0])
    headline, advice = cause or headline, cause_advice or state_advice
    # `forgotten`: `initialize` was not called for any parameter, and nothing else is wrong.
    states = {info.state for param, _, info in resolution.parameters if not is_constant(param)}
    refused = any(row.reason == _NOT_DEFERRABLE for row in rows)  # so `initialize` was called
    forgotten = states == {"uninitialized"} and not refused and resolution.conflict is None and resolution.stop is None
    if forgotten:
        cause = cause.replace(f", and {_NEVER_INITIALIZED}", "")
        headline = f"initialize was never called on this network{f': {cause}' if cause else ''}"
    notes = [note for note in resolution.notes if note not in headline]
    text = [*_row_lines(rows), *notes, *_quotation(error, headline)]
    if forgotten:
        return "\n".join([headline, advice, *text])
    return "\n".join([headline, *text, *([advice] if cause_advice or rows or resolution.conflict is not None else [])])


def _row_lines(rows: Sequence[Unresolved]) -> List[str]:
    text: List[str] = []
    for _, group in groupby(rows[:_MOST], lambda row: (row.block_path, row.fix, row.reason, row.inputs)):
        members = list(group)
        first = members[0]
        names = ", ".join(f"{printable(row.path)} {shape_text(row.shape)}" for row in members)
        inputs = f", given {inputs_text(first.inputs)}" if first.inputs and any(first.inputs) else ""
        text += [f"  {names} of {first.block}{inputs}: {first.reason}", f"      {printable(first.fix)}"]
    return text + [f"  and {len(rows) - _MOST} more, which the error's `unresolved` lists"] * (len(rows) > _MOST)


def _quotation(error: Optional[BaseException], headline: str) -> Tuple[str, ...]:
    """MXNet's own message as a line, unless the headline contains it or there is no error."""
    return () if error is None or error_text(error) in headline else (f"MXNet said: {error_text(error)}",)


def _cause(error: BaseException, frames: Sequence[Frame], resolution: Resolution) -> Tuple[str, str]:
    """The cause of MXNet's error in a sentence, and advice; both are empty if the parameters' state explains the error.

    MXNet's message names a parameter by its global name, or not at all; MXNet's frames hold the parameter itself.
    """
    line, text = next(filter(None, last_lines(frames)), ""), str(error)
    at = f", at {line}" if line else ""
    calls = [(frame.f_code.co_name, frame.f_globals.get("__name__", ""), frame.f_locals) for frame, _ in frames
             if code_owner(frame) == "mxnet"]  # fmt: skip
    records = {param: info for param, _, info in resolution.parameters}
    readers: List[Any] = [local.get("self") for name, module, local in calls
                          if module == "mxnet.gluon.parameter" and name in _READS]  # fmt: skip
    read = [source_of(param) for param in readers if isinstance(param, mx.gluon.Parameter)]
    ids = set(map(id, read))
    # In a hybridized network, parameters in a container become inputs of the graph, and no parameter fills these.
    container = next((flaw for flaw in resolution.unregistered for param in flaw.parameters
                      if id(param) in ids or ("Unknown input" in text and param.name in text)), None)  # fmt: skip
    if container is not None:
        return f"{container} One was needed{at}", "Register them, and initialize the network again."
    if read and read[-1] not in records:
        return (f"{_UNREGISTERED}{at}",
                "Make it an attribute of one, and initialize the network again; or initialize it by itself.")
    pending = sum(info.state != "initialized" for info in records.values())
    for name, module, _ in calls:
        trains = module == "mxnet.gluon.trainer"
        if trains or (name in _SAVES and module.startswith("mxnet.gluon")):
            values = counted_of(pending, len(records), "parameter", "holds", "hold")
            return f"{'Trainer.' if trains else ''}{name} was called while {values} no values{at}", ""
    for name, module, local in calls:
        param = local.get("self")
        info: Any = records.get(param) if module == "mxnet.gluon.parameter" else None
        if info is None:
            continue
        if name == "set_data":
            new_shape = shape_text(tuple(getattr(local.get("data"), "shape", ())))
            origin = resolution.observed.origin(info.label, info.shape)
            has = f"{info.label} has the shape {shape_text(info.shape)}{origin and f', {origin}'}"
            return (f"{has}, and set_data was given {new_shape}{at}",
                    "Call set_data with an array of that shape, or build the layer for this one.")  # fmt: skip
        if name == "initialize":
            return f"{info.label} was to be initialized, and its shape is {shape_text(info.shape)}{at}", ""
        if name in _READS and info.state == "uninitialized":
            return f"{info.label} was read, and {_NEVER_INITIALIZED}{at}", ""
        if name in _READS and info.state != "initialized":
            return f"{info.label} was read by {name}() before it holds values{at}", ""
        contexts, wanted = contexts_of(param), local.get("ctx", local.get("device"))
        if contexts and isinstance(wanted, backend.Context) and wanted not in contexts:
            moves = f". Give inputs that are there; or {backend.reset_call} moves it"
            hint = "" if resolution.context_mismatch else moves
            return f"{info.label} is on {', '.join(map(str, contexts))}, and was read on {wanted}{at}{hint}", ""
    if text.startswith("Unknown input to"):
        return (f"the graph of a hybridized block has the input {text.rpartition(' ')[2]!r}, which is no argument and "
                f"no parameter of the network{at}",
                "Give the layer all of its arguments, and register each block as an attribute.")  # fmt: skip
    unresolved = resolution.has_inputs and pending and _is_about_deferral(error)
    on_other_context = resolution.context_mismatch and "same context" in text
    if (resolution.conflict or resolution.stop or unresolved) and not on_other_context:
        return "", ""
    return f"MXNet raised {error_text(error)}{at}", ""


def _state(resolution: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any], line: str) -> Tuple[str, str]:
    """The problem as the parameters' state shows it, in a sentence, and the call that solves it."""
    conflict, stop, reasons = resolution.conflict, resolution.stop, [row.reason for row in rows]
    arguments = arguments_text(inputs)
    materialize = f"gluon_initkit.materialize(net, {arguments or '(batch, ...)'}"

    def counted_parameters(count: int, one: str, many: str) -> str:
        return counted_of(count, len(resolution.parameters), "parameter", one, many)

    not_inferred = [row for row in rows if row.reason.startswith(_NOT_INFERRED)]
    if conflict is not None:
        place = f"{place_text(conflict.block_path)}, given {inputs_text(conflict.inputs)}"
        words = f", at {line}\n  {conflict.message}" if line else f": {conflict.message}"
        headline = f"shapes {'contradict each other' if conflict.disputes else 'do not fit'} in {place}{words}"
        advice = "Give the block an input of the earlier size, or build it for this one and initialize it again."
        if not conflict.disputes:
            advice = (f"Give the block inputs of other sizes, or declare the shapes of its parameters. Where its code "
                    f"broadcasts, call {materialize}, run_forward=True).")  # fmt: skip
    elif stop is None:
        unresolved = sum(reason != _DEFERRED for reason in reasons)
        headline = f"{counted_parameters(len(rows), 'holds', 'hold')} no values yet:"
        if resolution.has_inputs and unresolved:
            headline = f"{counted_parameters(unresolved, 'is', 'are')} not resolved by the inputs {arguments}:"
        advice = f"Write that, or call {materialize}) before: the shape of one batch is enough."
        if any(row.fix.endswith("call it in forward, or remove it") for row in rows):
            advice = ("To leave such a block deferred, select the others: gluon_initkit.materialize(net, ..., "
                    "select=...); a Trainer refuses it all the same.")  # fmt: skip
    else:
        place = f"{place_text(stop.block_path)} ({class_name(stop.block)})"
        advice = "A forward pass stops there too: mend the code, or give it what it takes."
        if not stop.line:
            failure = f"{place} does not take {arguments}: {stop.message}"
            advice = "Give the arguments that its forward takes, arrays or shapes, nested as it takes them."
        elif not has_arrays(inputs):
            shape = inputs and all(type(size) is int for size in inputs)
            hint = f" (a shape is a tuple: did you mean ({arguments}{',' * (len(inputs) == 1)})?)" if shape else ""
            failure = f"the network was given {arguments}, with no array or shape in it{hint}, and stopped"
            advice = ("Give arrays or their shapes, gluon_initkit.materialize(net, (2, 5)), with a dtype ((2, 5), "
                    "'int32'), or a list, tuple or dict of such, as the network takes them.")  # fmt: skip
        elif any(row.block_path == stop.block_path for row in not_inferred):
            failure = f"{place} reads a parameter whose shape no forward pass infers,"
        elif stop.numbers:
            failure = f"{place} needs numbers, where shapes alone were given,"
            advice = (f"Call {materialize}, run_forward=True) to allow one forward pass, which leaves nothing else "
                      f"behind.")  # fmt: skip
        else:
            failure = f"{place} stops, as in a forward pass,"
        open_rows = f"\n{counted_parameters(len(rows), 'is', 'are')} not resolved:" if rows else ""
        headline = f"{failure} at {stop.line}\n  {stop.message}{open_rows}" if stop.line else failure
    if _NOT_DEFERRABLE in reasons:
        advice = "Write that, or make the parameter with allow_deferred_init=True; then call net.initialize(...)."
    elif _NEVER_INITIALIZED in reasons:
        advice = "Call net.initialize(...) or gluon_initkit.initialize(net, ...) first."
    elif not_inferred and conflict is None:
        paths = [row.path for row in not_inferred]
        advice = f"Write that for {', '.join(paths[:3])}{', ...' if paths[3:] else ''}: no input gives it."
    return headline, advice


def _unresolved(resolution: Resolution, params: Optional[Iterable[Any]] = None) -> Tuple[Unresolved, ...]:
    """The records of these parameters (by default, all without values) and of those whose shape is in dispute."""
    blocks = blocks_by_path(resolution.net)
    if params is None:
        params = [param for param, _, info in resolution.parameters if info.state != "initialized"]
    chosen = {*map(id, params), *map(id, resolution.conflict.disputes if resolution.conflict else ())}
    return tuple(
        Unresolved(info.label, info.shape, class_name(info.block or type(None)), info.block_path,
                   resolution.inputs.get(info.block_path), _fix(resolution, blocks, param, place, info),
                   _reason(resolution, blocks, param, place, info))
        for param, place, info in resolution.parameters
        if id(param) in chosen
    )  # fmt: skip


def _reason(resolution: Resolution, blocks: Dict[str, Any], param: Any, place: Place, info: ParameterInfo) -> str:
    conflict = resolution.conflict
    dispute = conflict.disputes.get(param) if conflict else None
    if conflict is not None and dispute is not None:
        origin = resolution.observed.origin(info.label, dispute.earlier)
        user = f" in {place_text(dispute.block_path)}, given {inputs_text(dispute.inputs)}"
        before = f", {origin}" if origin else user if dispute.inputs else " before"
        return (f"it has to be {shape_text(dispute.needed)} in {place_text(conflict.block_path)}, given "
                f"{inputs_text(conflict.inputs)}, and was {shape_text(dispute.earlier)}{before}")  # fmt: skip
    if info.state == "uninitialized":
        return _NEVER_INITIALIZED if is_known(info.shape) or allows_deferral(param) else _NOT_DEFERRABLE
    if is_known(resolution.shapes[param]):
        return _DEFERRED
    owner: Any = info.block
    holder_types = [type(blocks[path]) for path in place.holders if path in blocks]
    if owner is not None and not any(map(backend.infers_shapes, holder_types)):
        lack = "has no infer_shape" if issubclass(owner, mx.gluon.HybridBlock) else "is no HybridBlock"
        return f"{_NOT_INFERRED}{class_name(owner)} {lack}"
    if resolution.stop is not None and param not in resolution.order:
        return "not reached before the code stopped"
    if _is_unreached(resolution, place):
        return f"no forward pass reaches {place_text(info.block_path)}"
    if not resolution.has_inputs or conflict is not None:
        return _DEFERRED
    if param not in resolution.order:
        return f"the forward of {place_text(info.block_path)} does not use it"
    return "its size does not follow from the shapes of the inputs"


def _is_unreached(resolution: Resolution, place: Place) -> bool:
    return bool(resolution.entered) and resolution.stop is None and not resolution.entered & place.holders


def _fix(resolution: Resolution, blocks: Dict[str, Any], param: Any, place: Place, info: ParameterInfo) -> str:
    """The code to write instead: the block's constructor or, if that is not known, the parameter's name and axes."""
    block: Any = blocks.get(info.block_path)
    kind: Any = type(block)
    at = f"{info.block_path}: " if info.block_path else ""
    disputes = resolution.conflict.disputes if resolution.conflict else {}
    if _is_unreached(resolution, place):
        return f"{at}call it in forward, or remove it"
    if resolution.conflict and param in disputes and disputes[param].inputs:
        users = sorted({disputes[param].block_path, resolution.conflict.block_path})
        if len(users) == 1:
            return f"{at}call it with inputs of one size"
        both = " and ".join(map(place_text, users))
        return f"{both} share it: give them inputs of one size, or parameters of their own"
    if param not in disputes and is_known(info.shape):
        return f"{at}{'gluon_initkit.materialize(net)' if info.state == 'deferred' else 'net.initialize(...)'}"
    if block is not None and backend.defers_always(block):
        return f"{at}gluon_initkit.materialize(net, ...), as MXNet 2 always defers {class_name(kind)}"
    shapes = {**resolution.shapes, **{disputed: dispute.needed for disputed, dispute in disputes.items()}}
    code = None if block is None or isinstance(block, mx.gluon.SymbolBlock) else constructor_call(block, shapes.get)
    return at + (code or _declaration(block, info, shapes[param]))


def _declaration(block: Any, info: ParameterInfo, shape: Shape) -> str:
    name, known = info.label.rpartition(".")[2], info.shape or (None,) * len(shape or ())
    sizes = [f"axis {axis} is {'?' if size is None else size}"
             for axis, (size, before) in enumerate(zip(shape or (), known))
             if size != before or size is None]  # fmt: skip
    axes = ", ".join([name, *(sizes or ["of no known number of axes"])])
    if isinstance(block, mx.gluon.SymbolBlock):
        return f"{axes}; a SymbolBlock's shapes come from its inputs"
    code = f"{axes}: {backend.declaration_code(name, shape_text(shape))}"
    if isinstance(block, mx.gluon.HybridBlock) and not backend.infers_shapes(type(block)):
        return f"{code}, or an infer_shape(self, ...) that sets self.{name}.shape"
    return code


def place_text(path: str) -> str:
    """The name of a block in messages."""
    return printable(path) or "the network"
