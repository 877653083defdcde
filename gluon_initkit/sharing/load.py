"""`load`: parameters from a file, into a network tied as the file says, not tied, or tied otherwise; all, or a part.

First a `LoadPlan` decides which array each parameter takes, and checks everything; then all is changed, or nothing. A
file offers an array for each path that it names, by itself or in its tie map (`files.match` finds which name of a file
is which path). A parameter takes the arrays that are offered for any of its paths, if all agree to the bit.
"""

from collections import Counter
from dataclasses import dataclass
import os
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.arrays import array_from_file, bits_of, dtype_name, dtype_named, wait_for
from .._mxnet.parameter import arrays_of, context_argument, shape_of, state_of
from .._mxnet.state import in_storage_of, interrupts_held, load_contexts, recast, restoring, set_values
from .._mxnet.trainer import trainer_objection
from .._mxnet.tree import clear_cached_graphs
from ..display import Column, KitError, Table, TableReport, counted, listed, shape_text, warn
from ..display.report import Path
from ..files import StoredArray, StoredValues
from ..files.match import Rename, match_names, propose_rename, renamed_names, strip_prefix
from ..parameters import check_block, list_parameters, named_memory_errors, select_parameters
from ..shapes import Shape, agree, is_known
from .builder import Sharing
from .errors import LoadError, SharingError, ten_lines
from .groups import SharedGroup, group_of, lost_ties, sources


@dataclass(frozen=True)
class LoadRow:
    """One parameter of the network, or an array of the file that belongs to none.

    Attributes
    ----------
    path, name : str, str or None
        The path in the network, and the name in the file. Of what the file alone has both are the name.
    status : str
        ``'loaded'``; ``'missing'``: not in the file; ``'mismatched'``: of another shape in the file; ``'unselected'``;
        ``'extra'``: in the file alone; ``'refused'``, in a forecast alone: of another dtype or context, or different
        values for one shared parameter.
    shapes, dtypes : tuple
        The network's, before it was loaded, and the file's; None where it is not there.
    """

    path: str
    aliases: Tuple[str, ...]
    name: Optional[str]
    status: str
    shapes: Tuple[Shape, Shape]
    dtypes: Tuple[Optional[str], Optional[str]]


def _paths(status: str, doc: str) -> Any:
    return property(lambda self: tuple(row.path for row in self.rows if row.status == status), doc=doc)


@dataclass(frozen=True, repr=False)
class LoadReport(TableReport[LoadRow]):
    """What `load` returns, and `compare` foretells: one row a parameter, then what only the file `source` has.

    ``report['0.weight']`` finds a row. `error` is, in a forecast, the text of the LoadError that `load` would raise;
    nothing is loaded then, and ``'loaded'`` is what fits.
    """

    rows: Tuple[LoadRow, ...]
    source: str
    error: Optional[str] = None

    loads = property(lambda self: self.error is None, doc="Whether nothing is refused.")
    loaded = _paths("loaded", "The paths of the parameters that have the file's values.")
    missing = _paths("missing", "The paths of the parameters that the file has not.")
    mismatched = _paths("mismatched", "The paths of the parameters that have another shape in the file.")
    extra = _paths("extra", "What the file has, under its names there, and the network has not.")

    def _table(self) -> Table:
        counts = Counter(row.status for row in self.rows)
        counted_rows = ", ".join(f"{counts[status]} {'fit' if status == 'loaded' and self.error else status}"
                                 for status in _STATUSES if counts[status])  # fmt: skip
        title = f"{self.source}{' would not be loaded' if self.error else ''}: {counted_rows or 'nothing to load'}"
        wrong = "error" if self.error else "warning"
        below = tuple(("error", line.strip()) for line in (self.error or "").splitlines())
        return Table(title, _COLUMNS, self.rows, (),
                     lambda row: "" if row.status in ("loaded", "unselected") else wrong, below)  # fmt: skip


_STATUSES = ("loaded", "missing", "mismatched", "refused", "unselected", "extra")


def _both(ours: str, theirs: str) -> str:
    return ours if ours == theirs or not theirs else f"{ours} <- {theirs}" if ours else theirs


_COLUMNS = (
    Column("status", lambda row: row.status),
    Column("parameter", lambda row: (row.path, *(f"= {alias}" for alias in row.aliases)), path=True),
    Column("in the file as", lambda row: "" if row.name in (None, row.path) else row.name),
    Column("shape", lambda row: _both(*("" if dtype is None else shape_text(shape)
                                        for shape, dtype in zip(row.shapes, row.dtypes)))),
    Column("dtype", lambda row: _both(*(dtype or "" for dtype in row.dtypes)), hoist="{}"),
)  # fmt: skip


def load(
    net: Any,
    path: Path,
    ties: str = "check",
    *,
    ctx: Any = None,
    allow_missing: bool = False,
    ignore_extra: bool = False,
    cast_dtype: bool = False,
    dtype_source: str = "current",
    select: Any = None,
    rename: Rename = None,
    mismatched: str = "raise",
    device: Any = None,
) -> LoadReport:
    """Load parameters with the ties between them: bit-exact, or an error, and never in silence.

    Reads the files of `save`, ``net.save_parameters``, ``net.export``, Module, ``net.save_params``,
    ``net.collect_params().save``, and safetensors files. Where global names in the file are others than the network's,
    one change of prefix, or of the numbers in their order, that makes all of them fit is made. A shared parameter takes
    what the file holds for any of its paths, if it is the same bits. A Trainer goes on from the loaded values, without
    the momentum and master copies that it had.

    Parameters
    ----------
    net : Block
        In any state; a pending initialization of what is loaded is over then, as in MXNet.
    path : str or path-like
    ties : {'check', 'apply', 'ignore'}
        Whether the file's ties must hold in `net`, are made there, or do not matter. A plain file that names a shared
        parameter once (``deduplicate=True``) has no tie map: where `net` would be written in the order of its names,
        its ties are believed, with a warning; with ``'ignore'`` anyway.
    ctx, device : Context or list of Context, optional
        For what is not initialized yet; the CPU by default. `device` is MXNet 2's name of it.
    allow_missing, ignore_extra : bool
        Whether parameters that the file does not know stay as they are; whether it may know paths that `net` has not.
    cast_dtype, dtype_source : bool, {'current', 'saved'}
        Whether dtypes may differ; and whether the parameter's stays then, or the file's is taken.
    select : selector, optional
        Which of the network's parameters are loaded, as for `freeze`; all by default. The others are neither changed
        nor checked, and what the file has for them is not extra.
    rename : dict or callable, optional
        Other names for those in the file: a dict of prefixes or whole names, of which the longest that fits is changed,
        ``{'backbone.': 'features.', 'fc.weight': 'output.weight'}``; or a callable from a name in the file, without its
        ``arg:`` or ``aux:``, to a path of the network.
    mismatched : {'raise', 'skip'}
        Whether a parameter that has another shape in the file is an error, or stays as it is.

    Returns
    -------
    LoadReport
        What became of each parameter, and what of the file was not used; ``ik.compare(net, path).load`` foretells it.
        ``ik.initialize(net, init, seed=7)`` then fills what is left, with the bits of a whole initialization.

    Raises
    ------
    CheckpointError
        The file is none of MXNet's, or a broken one.
    ValueError, TypeError
        `select` selects nothing; `rename` has a prefix of no name in the file, or gives two arrays one name.
    LoadError
        Ties are lost; a shared parameter has different values in the file; something is missing, too much, or of
        another shape, dtype or context; or nothing would be loaded. One error lists everything, and nothing changes.

    Examples
    --------
    >>> import os, tempfile
    >>> def network(classes):
    ...     net = mx.gluon.nn.HybridSequential()
    ...     net.add(mx.gluon.nn.Dense(8, in_units=4), mx.gluon.nn.Dense(classes, in_units=8))
    ...     return net
    >>> trained, net = network(1000), network(7)
    >>> trained.initialize(mx.init.One())
    >>> path = os.path.join(tempfile.mkdtemp(), "trained.params")
    >>> ik.save(trained, path)
    >>> report = ik.load(net, path, mismatched="skip")  # or a part: select="0.*"
    >>> report.loaded, report.mismatched, report.missing, report.extra
    (('0.weight', '0.bias'), ('1.weight', '1.bias'), (), ())
    >>> ik.compare(net, path).load.loads
    False
    """
    plan = LoadPlan(net, ties, ctx, allow_missing, ignore_extra, cast_dtype, dtype_source, select, rename, mismatched,
                    device)  # fmt: skip
    stored = StoredValues(os.fsdecode(path))
    with stored.reading() as read:
        report = plan.decide(stored, read)
        if report.error is not None:
            raise LoadError(report.error)
        for assignment in plan.assignments:
            with named_memory_errors(assignment.path, assignment.param, LoadError):
                assignment.array = plan.values(assignment)
    believed = [path for assignment in plan.assignments for path in assignment.absent if not plan.groups]
    if believed:
        warn(f"{stored.path!r} has no tie map; {', '.join(believed)} are believed to have been tied as they are in "
             f"the network.")  # fmt: skip
    for group in plan.lost:  # of parameters that will be one, those that are nowhere yet go where the others are
        wanted = {id(plan.held[path][0]) for path in group.paths}
        members = [assignment for assignment in plan.assignments if id(assignment.param) in wanted]
        ctxs = next((member.ctxs for member in members if state_of(member.param) != "uninitialized"), None)
        for member in members:
            member.ctxs = ctxs or member.ctxs
    with interrupts_held():
        _commit(net, plan.assignments)
        if plan.lost:
            plan.sharing.apply()
    return report


def forecast_load(net: Any, stored: StoredValues, **options: Any) -> LoadReport:
    """The report that `load` would return, or that of an error which it would raise. Changes nothing."""
    plan = LoadPlan(net, **options)
    with stored.reading() as read:
        return plan.decide(stored, read)


@dataclass
class _Assignment:
    """A parameter and the array that it takes."""

    path: str
    param: Any
    name: str  # of the array in the file
    transposed: bool
    ctxs: Sequence[Any]
    dtype: Any  # to which the parameter is cast first; None where it keeps its own
    absent: Sequence[str]  # paths that the file knows nothing of
    array: Any = None


class _Misfit(KitError):
    """Why something cannot be loaded, what mends it, which many may have in common, and its status in the report."""

    def __init__(self, what: str, mend: str = "", status: str = "refused") -> None:
        super().__init__(what, mend, status)
        self.what, self.mend, self.status = what, mend, status


@dataclass
class LoadPlan:
    """Which array of a file each parameter takes, by the arguments of `load`, and what speaks against it."""

    net: Any
    ties: str = "check"
    ctx: Any = None
    allow_missing: bool = False
    ignore_extra: bool = False
    cast_dtype: bool = False
    dtype_source: str = "current"
    select: Any = None
    rename: Rename = None
    mismatched: str = "raise"
    device: Any = None

    def __post_init__(self) -> None:
        for name, known in (("ties", ("check", "apply", "ignore")), ("dtype_source", ("current", "saved")),
                            ("mismatched", ("raise", "skip"))):  # fmt: skip
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected one of {', '.join(map(repr, known))}")
        ctx = context_argument(self.ctx, self.device)
        self.ctx = [ctx] if isinstance(ctx, backend.Context) else None if ctx is None else list(ctx)
        check_block(self.net)
        self.assignments: List[_Assignment] = []
        self.lost: List[SharedGroup] = []  # the groups to be tied
        self._arrays: Dict[str, Any] = {}

    def decide(self, stored: StoredValues, read: Callable[[StoredArray], Any]) -> LoadReport:
        """Decide and check everything; the report that `load` returns, or that of the error which it raises."""
        self.stored, self._read = stored, read
        selected = None if self.select is None else select_parameters(list_parameters(self.net), self.select)
        arrays, error = list(stored.arrays.values()), None
        renamed = renamed_names(self.rename, [path for array in arrays for path in array.paths])
        try:
            self._match(arrays, renamed)
        except ValueError as refused:
            return LoadReport((), stored.path, str(refused))
        chosen = set(self.members) if selected is None else {param for param, _, _ in selected}
        held = {path: source for path, source in self.held.items() if source[0] in chosen}
        within = [group_of([path for path in group.paths if path in held], set(group.transposed))
                  for group in self.groups if any(path in held for path in group.paths)]  # fmt: skip
        lost = lost_ties(held, within)
        misfits = [_Misfit(reason, "ties='apply' ties what the file ties, ties='ignore' does not ask.")
                   for _, _, reason in lost if self.ties == "check"]  # fmt: skip
        rows = []
        for param, places in self.members.items():
            status = "loaded"
            try:
                if param not in chosen:
                    status = "unselected"
                else:
                    self.assignments.append(self._assignment(param, places))
            except _Misfit as misfit:
                status = misfit.status
                if not {"missing": self.allow_missing, "mismatched": self.mismatched == "skip"}.get(status):
                    misfits.append(misfit)
            (path, *aliases), _ = zip(*places)
            array = next((self.offers[each][0] for each, _ in places if each in self.offers), None)
            rows.append(LoadRow(path, tuple(aliases), array and array.name, status,
                                (shape_of(param), array and array.shape),
                                (dtype_name(param.dtype), array and array.dtype)))  # fmt: skip
        rows += [LoadRow(name, (), name, "extra", (None, array.shape), (None, array.dtype))
                 for name, array in self.extra.items()]  # fmt: skip
        misfits += [_Misfit(f"{path!r} is in the file, and the network has no such path",
                            "ignore_extra=True passes over what the network has not.")
                    for path in self.extra if not self.ignore_extra]  # fmt: skip
        if not (self.assignments or misfits) and (held or arrays):
            ours, theirs = (listed(list(map(repr, names)), 3) or "nothing" for names in (held, stored.arrays))
            misfits = [_Misfit(f"nothing would be loaded: the network has {ours}, the file has {theirs}",
                               f"gluon_initkit.compare(net, {stored.path!r}) tells what belongs together.")]
        if misfits:
            mends = dict.fromkeys(misfit.mend for misfit in misfits)
            hint = "" if self.rename is not None else self._other_names(rows)
            start = f"{stored.path!r} does not fit the network, which is left as it was:"
            error = "\n".join([start + ten_lines([misfit.what for misfit in misfits]), *filter(None, [*mends, hint])])
        elif lost and self.ties == "apply":
            self.lost, self.sharing = list(dict.fromkeys(group for group, _, _ in lost)), Sharing(self.net)
            for group in self.lost:
                transposed = set(group.transposed)
                plain = [path for path in group.paths if path not in transposed]
                if len(plain) > 1:
                    self.sharing.tie(*plain, to=group.canonical)
                for path in group.transposed:
                    self.sharing.tie(path, group.canonical, transpose=True, to=group.canonical)
            try:  # what it refuses, it refuses before anything is loaded
                self.sharing.apply(dry_run=True)
            except SharingError as refused:
                error = str(refused)
        return LoadReport(tuple(rows), stored.path, error)

    def _match(self, arrays: Sequence[StoredArray], renamed: Dict[str, str]) -> None:
        """Find what the file offers each path: an array, and whether it is to be transposed; and what it ties.

        A ValueError where two parameters have one path, or two arrays, or the arrays have no names.
        """
        if not all(array.named for array in arrays):
            raise LoadError(f"{self.stored.path!r} holds {counted(len(arrays), 'array')} without names, so no "
                            f"parameters of a network. Expected a file of gluon_initkit.save.")  # fmt: skip
        by_name, names = match_names(self.net, arrays, renamed)
        self.held = sources(self.net, unregistered=by_name)
        self.members: Dict[Any, List[Tuple[str, bool]]] = {}
        for path, (param, transposed) in self.held.items():
            self.members.setdefault(param, []).append((path, transposed))
        named = {param.name: places for param, places in self.members.items()} if by_name else {}
        self.offers: Dict[str, Tuple[StoredArray, bool]] = {}
        self.extra: Dict[str, StoredArray] = {}  # by name, aliases included
        for array in arrays:
            for name in array.paths:
                new = names.get(name, "" if name in renamed else name)
                places = [(new, False)] if new in self.held else []
                if name in names and not (name in renamed and places):
                    places = named.get(new, places)
                if not places and name not in names:
                    self.extra[name] = array
                for path, transposed in places:
                    other = self.offers.setdefault(path, (array, transposed != (name in array.transposed)))[0]
                    if other is not array:
                        raise LoadError(f"{'rename= puts ' * bool(renamed)}both {other.name!r} and {array.name!r} of "
                                        f"the file {'are ' * (not renamed)}on {path!r}")  # fmt: skip
        new_names = {path: renamed.get(path, path) for array in arrays for path in array.paths}
        self.groups = [SharedGroup(new_names[array.name], *(tuple([new_names[path] for path in paths])
                                                            for paths in (array.aliases, array.transposed)))
                       for array in arrays if array.aliases]  # fmt: skip
        # MXNet's ``deduplicate=True`` lists a shared parameter in the place of its first path, under its last path.
        last = {(id(param), transposed): path for path, (param, transposed) in self.held.items()}
        looks_deduplicated = not self.groups and [new_names[array.name] for array in arrays] == list(last.values())
        self.trusting = self.ties == "ignore" or looks_deduplicated

    def _assignment(self, param: Any, places: List[Tuple[str, bool]]) -> _Assignment:
        """The array for a parameter with these paths; a `_Misfit` where there is none."""
        label = places[0][0]
        absent = [path for path, _ in places if path not in self.offers]
        offered: Dict[Tuple[str, bool], str] = {}  # each array with the first path that leads to it
        for path, transposed in places:
            if path in self.offers:
                array, turned = self.offers[path]
                offered.setdefault((array.name, transposed != turned), path)
        if not offered:
            mend = "allow_missing=True leaves what is missing as it is."
            if not self.groups:
                mend += (" A file that plain MXNet wrote with deduplicate=True names a shared parameter once and has "
                         "no tie map: tie the network as it was, and load it again.")  # fmt: skip
            raise _Misfit(f"{label!r} is missing in the file", mend, "missing")
        ((name, flip), first), *others = offered.items()
        if absent and not self.allow_missing and self.groups:
            raise _Misfit(f"{absent[0]!r} is missing in the file, which does not tie it to {first!r} as the network "
                          f"does", f"allow_missing=True lets {absent[0]!r} have the values of {first!r}.")  # fmt: skip
        if absent and not self.allow_missing and not self.trusting:
            raise _Misfit(f"{absent[0]!r} is missing in the file, which has no tie map, and lists its names otherwise "
                          f"than a network would that has it tied to {first!r}, as this one has",
                          "ties='ignore' believes that they were tied.")  # fmt: skip
        for (other, turned), path in others:
            if other != name and bits_of(self._array(other), turned) != bits_of(self._array(name), flip):
                raise _Misfit(f"{first!r} and {path!r} share one parameter in the network, and the file holds "
                              f"different values for them, as {name!r} and {other!r}",
                              f"gluon_initkit.untie(net, {path!r}) gives {path!r} a parameter of its own.")  # fmt: skip
        array = self.stored.arrays[name]
        there = "in the file" if label in array.paths else f"in the file (as {name!r})"
        shape, expected = array.shape, shape_of(param)
        if not array.parts or shape is None:
            raise _Misfit(f"{label!r} has no values {there}: it was saved before its shape was known")
        if flip and len(shape) != 2:
            raise _Misfit(f"{label!r} is tied transposed, and has shape {shape} {there}; expected two dimensions",
                          status="mismatched")  # fmt: skip
        shape = shape[::-1] if flip else shape
        if expected is not None and not agree(expected, shape):
            shown = str(tuple("?" if size is None else size for size in expected)).replace("'?'", "?")
            raise _Misfit(f"{label!r} has shape {shape} {there}, expected {shown}",
                          "mismatched='skip' leaves what has another shape as it is.", "mismatched")  # fmt: skip
        if not is_known(expected) and not self.stored.has_values(array):
            raise _Misfit(f"{label!r} is too large to be unpacked {there}, and the network does not know its shape",
                          "Give the network its shapes first: by a forward pass, or in_units= and the like.")
        dtype = None
        if dtype_name(param.dtype) != array.dtype:
            if not self.cast_dtype:
                raise _Misfit(f"{label!r} is {array.dtype} {there}, expected {dtype_name(param.dtype)}",
                              "cast_dtype=True lets dtypes differ.")  # fmt: skip
            dtype = None if self.dtype_source == "current" else dtype_named(array.dtype)
            if dtype is None and self.dtype_source != "current":
                raise _Misfit(f"{label!r} is {array.dtype} {there}, which this MXNet has not",
                              "dtype_source='current' keeps the network's dtypes.")  # fmt: skip
        ctxs = load_contexts(param, self.ctx)
        if ctxs is None:
            raise _Misfit(f"{label!r} is on {load_contexts(param, None)}, and asked for on {self.ctx}",
                          f"A parameter's {backend.reset_method}(...) moves it; or ask for none.")  # fmt: skip
        objection = trainer_objection(param, ctxs)
        if objection is not None:
            reason, mend = objection
            raise _Misfit(f"{label!r}: {reason}", f"{mend[0].upper()}{mend[1:]}.")
        return _Assignment(label, param, name, flip, ctxs, dtype, absent)

    def _array(self, name: str) -> Any:
        """One array of the file as an NDArray on the CPU; a CheckpointError where its values cannot be read."""
        if name not in self._arrays:
            header = self.stored.arrays[name]
            try:
                self._arrays[name] = array_from_file(header.stype, header.shape, self._read(header).parts())
            except (mx.MXNetError, OverflowError) as error:
                raise LoadError(f"MXNet cannot hold {name!r}, {header.dtype} of shape {header.shape}, of "
                                f"{self.stored.path!r}: {error}") from error  # fmt: skip
        return self._arrays[name]

    def values(self, assignment: _Assignment) -> Any:
        """The values, as the parameter takes them."""
        array = self._array(assignment.name)
        array = array.T if assignment.transposed else array
        dtype = assignment.param.dtype if assignment.dtype is None else assignment.dtype
        if dtype_name(array.dtype) != dtype_name(dtype):
            array = array.astype(dtype)
        return in_storage_of(assignment.param, array)

    def _other_names(self, rows: Sequence[LoadRow]) -> str:
        """The `rename` under which more of the file fits; empty where there is none."""
        used = {row.name: strip_prefix(row.name) for row in rows
                if row.name is not None and row.status in ("loaded", "refused", "unselected")}  # fmt: skip
        files = {strip_prefix(name): array.shape for name, array in self.stored.arrays.items() if name not in used}
        wanted = [row for row in rows if row.status in ("missing", "mismatched")]
        schemes = [{row.path: row.shapes[0] for row in wanted}]
        if backend.load_targets_by_name(self.net) and not any("." in name for name in files):
            schemes.append({self.held[row.path][0].name: row.shapes[0] for row in wanted})
        proposals = [propose_rename(files, shapes, used.values()) for shapes in schemes]
        rename, found = max(proposals, key=lambda proposal: (proposal[1], -len(proposal[0])))
        hint = f"rename={rename!r} finds {found} of {counted(len(wanted), 'parameter')} in the file."
        return hint if 0 < len(rename) <= 100 else ""  # what is longer nobody reads


def _commit(net: Any, assignments: List[_Assignment]) -> None:
    """Change everything or nothing: what may still fail comes first, arrays that are refilled in place last."""
    _wait(assignments)
    with mx.autograd.pause():  # where MXNet records, it refuses a write into a parameter
        held = {id(each.param) for each in assignments if state_of(each.param) == "initialized"}
        fresh = [each for each in assignments if each.dtype is not None or id(each.param) not in held]
        with restoring([each.param for each in fresh]):
            for each in fresh:
                if each.dtype is not None:
                    recast(each.param, each.dtype)
                with named_memory_errors(each.path, each.param, LoadError):
                    if id(each.param) not in held:
                        set_values(each.param, each.array, each.ctxs)
                    _wait([each])
        if any(each.dtype is not None for each in fresh):
            clear_cached_graphs(net)
        kept = [each for each in assignments if id(each.param) in held]
        try:
            _refill(kept)
        except BaseException:  # thrown at this thread: the old values are gone, so what has begun is finished
            _refill(kept)
            raise


def _refill(assignments: List[_Assignment]) -> None:
    for assignment in assignments:
        set_values(assignment.param, assignment.array, assignment.ctxs)
    _wait(assignments)


def _wait(assignments: List[_Assignment]) -> None:
    """An engine's error belongs to this call."""
    wait_for(array for assignment in assignments for array in arrays_of(assignment.param))
