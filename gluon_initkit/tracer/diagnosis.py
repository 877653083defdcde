"""Why parameters have no values: `explain`, and the one `DeferredInitError`, whatever MXNet has raised, if anything.

A sentence says what was done too early, or which shapes contradict each other; then come the parameters, by block, each
with the reason and with what to write instead; then the call that mends it.
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
_MOST = 10  # parameters that a message shows, and fixes that a text does; `unresolved` and `fixes` have all

_DEFERRED = "deferred"
_NOT_DEFERRABLE = "its shape is not known, and it may not be deferred"
_UNTOLD = "no forward pass infers its shape: "
# MXNet forgets what was pending before it fills: after a failure the parameter is like one that was never initialized.
_UNTOUCHED = "initialize was never called on it, or filling it failed"
_OF_NO_BLOCK = "no Block of this network registers the parameter that was needed"

# What MXNet says (gluon/parameter.py, gluon/block.py) of parameters without values and of wrong shapes.
_UNKNOWN = "has parameters with unknown shape. You need to"  # MXNet 2 of a block without infer_shape
_BEGINNINGS = ("Deferred initialization failed", "Cannot initialize Parameter", "Expected shape", "Unknown input to")
# What its code comes to when states are nested otherwise than it expects.
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
        The canonical path, and the dimensions; None stands for an unknown one, or for an unknown number of them.
    block, block_path : str
        The class of the block that holds it, as one writes it (``'nn.Dense'``), and that block's path.
    inputs : tuple of shapes, or None
        The shapes of the arrays that the block is given in a forward pass; None where that is not known.
    fix, reason : str
        What to write instead, to be pasted, ``'features.0: nn.Dense(4, in_units=5)'``; and why it is unresolved.
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
    """Parameters are used, or are to be resolved, and their shapes are not known or contradict the input.

    The message lists every unresolved parameter, and `unresolved` has an `Unresolved` of each. The bases are what plain
    MXNet raises in the same places, so older ``except`` clauses go on working.
    """

    def __init__(self, message: str, unresolved: Tuple[Unresolved, ...] = ()) -> None:
        super().__init__(message)
        self.unresolved = tuple(unresolved)


@dataclass(frozen=True, repr=False)
class Explanation(display.TableReport[Unresolved]):
    """What `explain` returns: one row for each parameter without values. ``str()`` is a table and ten fixes at most.

    Attributes
    ----------
    rows : tuple of Unresolved
        In order of traversal.
    summary, message : str
        What is the matter, in a sentence; and the whole message of `error`.
    notes : tuple of str
        What the network holds in a container, so that it is no part of it, and how to register it; parameters on
        different contexts; and what MXNet said.
    """

    rows: Tuple[Unresolved, ...]
    summary: str
    message: str
    notes: Tuple[str, ...] = ()

    @property
    def fixes(self) -> Tuple[str, ...]:
        """What to write, once a block: ``'features.0: nn.Dense(4, in_units=5)'``."""
        return tuple(dict.fromkeys(row.fix for row in self.rows))

    @property
    def error(self) -> Optional[DeferredInitError]:
        """The same as an error to raise; None where nothing is the matter."""
        return DeferredInitError(self.message, self.rows) if self.message else None

    def _table(self) -> Table:
        # The message's second line, where that says what to write: where `initialize` was forgotten.
        mend = [line for line in self.message.splitlines()[1:2] if self.rows and not line.startswith("  ")]
        notes = tuple(note for note in self.notes if note not in self.summary)
        places: Dict[str, Dict[str, None]] = {}  # what to write the same is one line
        for row in self.rows:
            place = row.block_path if row.fix.startswith(f"{row.block_path}: ") else ""
            places.setdefault(row.fix[len(place) + 2 :] if place else row.fix, {})[place] = None
        fixes = [": ".join(filter(None, (listed(display.braced_paths(list(where)), 4), code)))
                 for code, where in places.items()]  # fmt: skip
        below = ["To avoid it, write", *(f"  {fix}" for fix in fixes[:_MOST])]
        below += [f"  and {len(fixes) - _MOST:,} more, which `fixes` has"] * (len(fixes) > _MOST)
        reason = Column("reason", lambda row: None if row.reason == _DEFERRED else row.reason, "why",
                        hoist="" if mend else False)  # fmt: skip
        return Table("\n".join([self.summary.rstrip(":"), *mend]), (*_COLUMNS, reason), self.rows,
                     notes if self.rows else (), lambda row: "" if row.reason == _DEFERRED else "error",
                     tuple(("", line) for line in (below if self.rows else notes)))  # fmt: skip

    def _html(self, columns: Optional[Sequence[Any]] = None, limit: Optional[int] = None) -> str:
        table = self._chosen(columns)
        fixes = Column("fix", attrgetter("fix"), "write", of_block=True)
        columns = table.columns if columns else (*table.columns, fixes)
        footnotes = table.footnotes if not self.rows else ()
        return display.as_tree(display.tree_table(replace(table, columns=columns, footnotes=footnotes), limit))


def explain(net: Any, *inputs: Any, error: Optional[BaseException] = None) -> Explanation:
    """Say of every parameter without values what is not known of it, why, and which argument would have told.

    Parameters
    ----------
    net : Block
        In any state; it is left as it is.
    *inputs
        The network's arguments as in `resolve_shapes`. With them the arguments get their values, and blocks that no
        forward pass reaches, code that needs numbers and shapes that contradict each other are found.
    error : Exception, optional
        What MXNet raised: the summary then says what was called too early.

    Returns
    -------
    Explanation
        ``raise explanation.error`` makes one `DeferredInitError` of it.

    Raises
    ------
    TypeError
        `net` is no Block, or `error` no exception.

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
        said = tuple(line for line in text.splitlines()[1:] if line.startswith("MXNet said: "))
        return Explanation(error.unresolved, text.splitlines()[0], text, said)
    found = resolve(net, inputs)
    rows = _unresolved(found)
    if not rows and found.conflict is None and error is None:
        count = counted(len(found.parameters), "parameter holds", "parameters hold")
        summary = f"{'' if len(found.parameters) == 1 else 'all '}{count} values"
        if not found.parameters:
            summary = "the network has no parameters"
        empty = any(not arrays_of(param) for each in found.unregistered for param in each.parameters)
        return Explanation((), summary, "\n".join([summary, *found.notes]) if empty else "", found.notes)
    text = _message(found, rows, inputs, error)
    summary = text.splitlines()[0]
    return Explanation(rows, summary, text, (*found.notes, *_quotation(error, summary)))


def diagnosed_failure(
    net: Any, error: BaseException, inputs: Sequence[Any], observed: Observed
) -> Optional[DeferredInitError]:
    """The one error to raise from `error` in a trace; None where `error` is not about deferred parameters."""
    wrong = _wrong_states(observed) if isinstance(error, _RAISED_FOR_STATES) else None
    if wrong is not None:
        rows, line = _unresolved(resolve(net, ())), last_lines(frames_of(error, observed.around))[0]
        headline, mend = wrong
        at = f", at {line}" if line else ""
        return DeferredInitError("\n".join([f"{headline}{at}", f"  {error_text(error)}", *_listed(rows), mend]), rows)
    if not _is_about_deferral(error) and not isinstance(error, mx.MXNetError):
        return None
    found = resolve(net, inputs, observed)
    told = _is_about_deferral(error) or (found.conflict is not None and found.conflict.disputes)
    foreign = told and _cause(error, frames_of(error, observed.around), found)[0].startswith(_OF_NO_BLOCK)
    return error_of(found, inputs, error) if told and not foreign else None


def _is_about_deferral(error: BaseException) -> bool:
    """Whether MXNet says of itself that a parameter has no values, or another shape."""
    if isinstance(error, mx.gluon.parameter.DeferredInitializationError):
        return True
    text = str(error)
    if type(error) is RuntimeError:
        return (text.startswith("Parameter ") and "has not been initialized" in text) or _UNKNOWN in text
    return type(error) in (ValueError, AssertionError) and text.startswith(_BEGINNINGS)


def _wrong_states(observed: Observed) -> Optional[Tuple[str, str]]:
    """Why a recurrent block failed whose states were given in another number or nesting than it has; and the mend."""
    # A cell takes the first row of an array for its first state, and MXNet then speaks of a weight's shape or an index.
    path, block, args = observed.failing or ("", None, ())
    kind: Any = type(block)
    own = not kind.__module__.startswith("mxnet.gluon.")  # whose states may be nested in any way
    if own or not hasattr(block, "state_info") or len(args) < 2 or args[1] == ValueArgument(None):
        return None
    states, wanted = args[1], len(block.state_info())  # type: ignore[union-attr]
    if isinstance(states, (list, tuple)) and [type(each) for each in states] == [ArrayArgument] * wanted:
        return None
    takes = f"takes a list of {counted(wanted, 'state')}, and was given {_nested(states)}"
    return (f"{place_text(path)} ({class_name(kind)}) {takes}",
            f"Pass the states as one flat list, [{', '.join(['state'] * wanted)}]; begin_state(batch_size=...) makes "
            f"it.")  # fmt: skip


def _nested(given: Any) -> str:
    if isinstance(given, (list, tuple)):
        return f"[{', '.join(map(_nested, given))}]"
    return f"an array {shape_text(given.shape)}" if isinstance(given, ArrayArgument) else repr(given.value)


def error_of(
    found: Resolution, inputs: Sequence[Any], error: Optional[BaseException] = None, params: Optional[Iterable] = None
) -> DeferredInitError:
    """The error that lists these parameters; by default all that hold no values."""
    rows = _unresolved(found, params)
    return DeferredInitError(_message(found, rows, inputs, error), rows)


def _message(
    found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any], error: Optional[BaseException] = None
) -> str:
    """The whole text of the error: of `error`, where MXNet has raised one."""
    frames = [] if error is None else frames_of(error, found.observed.around)
    cause, mend = ("", "") if error is None else _cause(error, frames, found)
    headline, usual_mend = _state(found, rows, inputs, last_lines(frames)[0])
    headline, last = cause or headline, mend or usual_mend
    # Whether nothing stands in the way but that `initialize` was never called, of any parameter.
    states = {info.state for param, _, info in found.parameters if not is_constant(param)}
    refused = any(row.reason == _NOT_DEFERRABLE for row in rows)  # by an `initialize` that was called
    forgotten = states == {"uninitialized"} and not refused and found.conflict is None and found.stop is None
    if forgotten:
        cause = cause.replace(f", and {_UNTOUCHED}", "")
        headline = f"initialize was never called on this network{f': {cause}' if cause else ''}"
    text = [*_listed(rows), *(note for note in found.notes if note not in headline), *_quotation(error, headline)]
    if forgotten:
        return "\n".join([headline, last, *text])
    return "\n".join([headline, *text, *([last] if mend or rows or found.conflict is not None else [])])


def _listed(rows: Sequence[Unresolved]) -> List[str]:
    text: List[str] = []
    for _, group in groupby(rows[:_MOST], lambda row: (row.block_path, row.fix, row.reason, row.inputs)):
        members = list(group)
        first = members[0]
        names = ", ".join(f"{printable(row.path)} {shape_text(row.shape)}" for row in members)
        given = f", given {inputs_text(first.inputs)}" if first.inputs and any(first.inputs) else ""
        text += [f"  {names} of {first.block}{given}: {first.reason}", f"      {printable(first.fix)}"]
    return text + [f"  and {len(rows) - _MOST} more, which the error's `unresolved` lists"] * (len(rows) > _MOST)


def _quotation(error: Optional[BaseException], headline: str) -> Tuple[str, ...]:
    """What MXNet said, as a line, unless the headline has it; nothing without an error."""
    return () if error is None or error_text(error) in headline else (f"MXNet said: {error_text(error)}",)


def _cause(error: BaseException, frames: Sequence[Frame], found: Resolution) -> Tuple[str, str]:
    """What led to MXNet's error, in a sentence, and how to mend it; both empty where the parameters' state says all.

    MXNet's messages name a parameter by its global name, or none; its frames hold the parameter itself.
    """
    line, text = next(filter(None, last_lines(frames)), ""), str(error)
    at = f", at {line}" if line else ""
    calls = [(frame.f_code.co_name, frame.f_globals.get("__name__", ""), frame.f_locals) for frame, _ in frames
             if code_owner(frame) == "mxnet"]  # fmt: skip
    records = {param: info for param, _, info in found.parameters}
    readers: List[Any] = [local.get("self") for name, module, local in calls
                          if module == "mxnet.gluon.parameter" and name in _READS]  # fmt: skip
    read = [source_of(param) for param in readers if isinstance(param, mx.gluon.Parameter)]
    ids = set(map(id, read))
    # A hybridized network's graph has inputs by the names of parameters in a container, and no parameter for them.
    container = next((flaw for flaw in found.unregistered for param in flaw.parameters
                      if id(param) in ids or ("Unknown input" in text and param.name in text)), None)  # fmt: skip
    if container is not None:
        return f"{container} One was needed{at}", "Register them, and initialize the network again."
    if read and read[-1] not in records:
        return (f"{_OF_NO_BLOCK}{at}",
                "Make it an attribute of one, and initialize the network again; or initialize it by itself.")
    waiting = sum(info.state != "initialized" for info in records.values())
    for name, module, _ in calls:
        trains = module == "mxnet.gluon.trainer"
        if trains or (name in _SAVES and module.startswith("mxnet.gluon")):
            values = counted_of(waiting, len(records), "parameter", "holds", "hold")
            return f"{'Trainer.' if trains else ''}{name} was called while {values} no values{at}", ""
    for name, module, local in calls:
        param = local.get("self")
        info: Any = records.get(param) if module == "mxnet.gluon.parameter" else None
        if info is None:
            continue
        if name == "set_data":
            given = shape_text(tuple(getattr(local.get("data"), "shape", ())))
            origin = found.observed.origin(info.label, info.shape)
            has = f"{info.label} has the shape {shape_text(info.shape)}{origin and f', {origin}'}"
            return (f"{has}, and set_data was given {given}{at}",
                    "Call set_data with an array of that shape, or build the layer for this one.")  # fmt: skip
        if name == "initialize":
            return f"{info.label} was to be initialized, and its shape is {shape_text(info.shape)}{at}", ""
        if name in _READS and info.state == "uninitialized":
            return f"{info.label} was read, and {_UNTOUCHED}{at}", ""
        if name in _READS and info.state != "initialized":
            return f"{info.label} was read by {name}() before it holds values{at}", ""
        here, asked = contexts_of(param), local.get("ctx", local.get("device"))
        if here and isinstance(asked, backend.Context) and asked not in here:
            mend = "" if found.context_mismatch else f". Give inputs that are there; or {backend.reset_call} moves it"
            return f"{info.label} is on {', '.join(map(str, here))}, and was read on {asked}{at}{mend}", ""
    if text.startswith("Unknown input to"):
        return (f"the graph of a hybridized block has the input {text.rpartition(' ')[2]!r}, which is no argument and "
                f"no parameter of the network{at}",
                "Give the layer all of its arguments, and register each block as an attribute.")  # fmt: skip
    explained = found.conflict or found.stop or (found.has_inputs and waiting and _is_about_deferral(error))
    if explained and not (found.context_mismatch and "same context" in text):
        return "", ""
    return f"MXNet raised {error_text(error)}{at}", ""


def _state(found: Resolution, rows: Sequence[Unresolved], inputs: Sequence[Any], line: str) -> Tuple[str, str]:
    """What the parameters' state says, in a sentence, and the call that mends it."""
    conflict, stop, given, reasons = found.conflict, found.stop, arguments_text(inputs), [row.reason for row in rows]
    materialize = f"gluon_initkit.materialize(net, {given or '(batch, ...)'}"

    def of_all(count: int, one: str, many: str) -> str:
        return counted_of(count, len(found.parameters), "parameter", one, many)

    untold = [row for row in rows if row.reason.startswith(_UNTOLD)]
    if conflict is not None:
        where = f"{place_text(conflict.block_path)}, given {inputs_text(conflict.inputs)}"
        words = f", at {line}\n  {conflict.message}" if line else f": {conflict.message}"
        headline = f"shapes {'contradict each other' if conflict.disputes else 'do not fit'} in {where}{words}"
        mend = "Give the block an input of the earlier size, or build it for this one and initialize it again."
        if not conflict.disputes:
            mend = (f"Give the block inputs of other sizes, or declare the shapes of its parameters. Where its code "
                    f"broadcasts, call {materialize}, run_forward=True).")  # fmt: skip
    elif stop is None:
        stuck = sum(reason != _DEFERRED for reason in reasons)
        headline = f"{of_all(len(rows), 'holds', 'hold')} no values yet:"
        if found.has_inputs and stuck:
            headline = f"{of_all(stuck, 'is', 'are')} not resolved by the inputs {given}:"
        mend = f"Write that, or call {materialize}) before: the shape of one batch is enough."
        if any(row.fix.endswith("call it in forward, or remove it") for row in rows):
            mend = ("To leave such a block deferred, select the others: gluon_initkit.materialize(net, ..., "
                    "select=...); a Trainer refuses it all the same.")  # fmt: skip
    else:
        where = f"{place_text(stop.block_path)} ({class_name(stop.block)})"
        mend = "A forward pass stops there too: mend the code, or give it what it takes."
        if not stop.line:
            what = f"{where} does not take {given}: {stop.message}"
            mend = "Give the arguments that its forward takes, arrays or shapes, nested as it takes them."
        elif not has_arrays(inputs):
            shape = inputs and all(type(each) is int for each in inputs)
            meant = f" (a shape is a tuple: did you mean ({given}{',' * (len(inputs) == 1)})?)" if shape else ""
            what = f"the network was given {given}, with no array or shape in it{meant}, and stopped"
            mend = ("Give arrays or their shapes, gluon_initkit.materialize(net, (2, 5)), with a dtype ((2, 5), "
                    "'int32'), or a list, tuple or dict of such, as the network takes them.")  # fmt: skip
        elif any(row.block_path == stop.block_path for row in untold):
            what = f"{where} reads a parameter whose shape no forward pass infers,"
        elif stop.numbers:
            what = f"{where} needs numbers, where shapes alone were given,"
            mend = f"Call {materialize}, run_forward=True) to allow one forward pass, which leaves nothing else behind."
        else:
            what = f"{where} stops, as in a forward pass,"
        open_rows = f"\n{of_all(len(rows), 'is', 'are')} not resolved:" if rows else ""
        headline = f"{what} at {stop.line}\n  {stop.message}{open_rows}" if stop.line else what
    if _NOT_DEFERRABLE in reasons:
        mend = "Write that, or make the parameter with allow_deferred_init=True; then call net.initialize(...)."
    elif _UNTOUCHED in reasons:
        mend = "Call net.initialize(...) or gluon_initkit.initialize(net, ...) first."
    elif untold and conflict is None:
        paths = [row.path for row in untold]
        mend = f"Write that for {', '.join(paths[:3])}{', ...' if paths[3:] else ''}: no input gives it."
    return headline, mend


def _unresolved(found: Resolution, params: Optional[Iterable[Any]] = None) -> Tuple[Unresolved, ...]:
    """The records of these parameters and of those whose shape is in dispute; by default of all that hold no values."""
    blocks = blocks_by_path(found.net)
    if params is None:
        params = [param for param, _, info in found.parameters if info.state != "initialized"]
    chosen = {*map(id, params), *map(id, found.conflict.disputes if found.conflict else ())}
    return tuple(
        Unresolved(info.label, info.shape, class_name(info.block or type(None)), info.block_path,
                   found.inputs.get(info.block_path), _fix(found, blocks, param, place, info),
                   _reason(found, blocks, param, place, info))
        for param, place, info in found.parameters
        if id(param) in chosen
    )  # fmt: skip


def _reason(found: Resolution, blocks: Dict[str, Any], param: Any, place: Place, info: ParameterInfo) -> str:
    conflict = found.conflict
    dispute = conflict.disputes.get(param) if conflict else None
    if conflict is not None and dispute is not None:
        origin = found.observed.origin(info.label, dispute.earlier)
        user = f" in {place_text(dispute.block_path)}, given {inputs_text(dispute.inputs)}"
        before = f", {origin}" if origin else user if dispute.inputs else " before"
        return (f"it has to be {shape_text(dispute.needed)} in {place_text(conflict.block_path)}, given "
                f"{inputs_text(conflict.inputs)}, and was {shape_text(dispute.earlier)}{before}")  # fmt: skip
    if info.state == "uninitialized":
        return _UNTOUCHED if is_known(info.shape) or allows_deferral(param) else _NOT_DEFERRABLE
    if is_known(found.shapes[param]):
        return _DEFERRED
    owner: Any = info.block
    around = [type(blocks[path]) for path in place.holders if path in blocks]
    if owner is not None and not any(map(backend.infers_shapes, around)):
        lack = "has no infer_shape" if issubclass(owner, mx.gluon.HybridBlock) else "is no HybridBlock"
        return f"{_UNTOLD}{class_name(owner)} {lack}"
    if found.stop is not None and param not in found.order:
        return "not reached before the code stopped"
    if _is_unreached(found, place):
        return f"no forward pass reaches {place_text(info.block_path)}"
    if not found.has_inputs or conflict is not None:
        return _DEFERRED
    if param not in found.order:
        return f"the forward of {place_text(info.block_path)} does not use it"
    return "its size does not follow from the shapes of the inputs"


def _is_unreached(found: Resolution, place: Place) -> bool:
    return bool(found.entered) and found.stop is None and not found.entered & place.holders


def _fix(found: Resolution, blocks: Dict[str, Any], param: Any, place: Place, info: ParameterInfo) -> str:
    """What to write instead: the block's constructor, or the parameter's name and axes where that is not known."""
    block: Any = blocks.get(info.block_path)
    kind: Any = type(block)
    at = f"{info.block_path}: " if info.block_path else ""
    disputes = found.conflict.disputes if found.conflict else {}
    if _is_unreached(found, place):
        return f"{at}call it in forward, or remove it"
    if found.conflict and param in disputes and disputes[param].inputs:
        users = sorted({disputes[param].block_path, found.conflict.block_path})
        if len(users) == 1:
            return f"{at}call it with inputs of one size"
        both = " and ".join(map(place_text, users))
        return f"{both} share it: give them inputs of one size, or parameters of their own"
    if param not in disputes and is_known(info.shape):
        return f"{at}{'gluon_initkit.materialize(net)' if info.state == 'deferred' else 'net.initialize(...)'}"
    if block is not None and backend.defers_always(block):
        return f"{at}gluon_initkit.materialize(net, ...), as MXNet 2 always defers {class_name(kind)}"
    shapes = {**found.shapes, **{each: dispute.needed for each, dispute in disputes.items()}}
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
    """A block as messages name it."""
    return printable(path) or "the network"
