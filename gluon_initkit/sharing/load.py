"""`load`: all parameters from a file, or some of them. The network may have the file's ties, other ties or none.

A `LoadPlan` decides which array each parameter takes, and checks everything. Then `load` changes all parameters or
none. A file offers an array for each path in its list of names or its tie map; `files.match` maps these names to the
network's paths. A parameter takes the array offered for any of its paths, if all offered arrays are equal to the bit.
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
    """One parameter of the network, or an array of the file that belongs to no parameter.

    Attributes
    ----------
    path, name : str, str or None
        The path in the network, and the name in the file. An array that only the file has repeats its name as `path`.
    status : str
        ``'loaded'``; ``'missing'``: not in the file; ``'mismatched'``: the file has another shape; ``'unselected'``;
        ``'extra'``: only in the file; ``'refused'``, only in a forecast: the dtype or context differs, or the file has
        different values for one shared parameter.
    shapes, dtypes : tuple
        Those of the network before loading, then those of the file; None for the side that does not have it.
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
    """The result of `load`, and its forecast in `compare`: a row for each parameter, then for each extra array.

    `source` is the file. ``report['0.weight']`` finds a row. In a forecast, `error` is the text of the LoadError that
    `load` would raise; then nothing is loaded, and the status ``'loaded'`` marks the parameters that fit.
    """

    rows: Tuple[LoadRow, ...]
    source: str
    error: Optional[str] = None

    loads = property(lambda self: self.error is None, doc="Whether `load` raises no LoadError.")
    loaded = _paths("loaded", "The paths of the parameters that take the file's values.")
    missing = _paths("missing", "The paths of the parameters that are not in the file.")
    mismatched = _paths("mismatched", "The paths of the parameters that have another shape in the file.")
    extra = _paths("extra", "The names in the file of the arrays that the network does not have.")

    def _table(self) -> Table:
        counts = Counter(row.status for row in self.rows)
        counted_rows = ", ".join(f"{counts[status]} {'fit' if status == 'loaded' and self.error else status}"
                                 for status in _STATUSES if counts[status])  # fmt: skip
        title = f"{self.source}{' would not be loaded' if self.error else ''}: {counted_rows or 'nothing to load'}"
        style = "error" if self.error else "warning"
        notes = tuple(("error", line.strip()) for line in (self.error or "").splitlines())
        return Table(title, _COLUMNS, self.rows, (),
                     lambda row: "" if row.status in ("loaded", "unselected") else style, notes)  # fmt: skip


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
    """Load parameters, and check the ties between them. Values stay the same bits; arrays that do not fit are an error.

    Reads the files of `save`, ``net.save_parameters``, ``net.export``, Module, ``net.save_params``,
    ``net.collect_params().save``, and safetensors files. Where global names in the file differ from the network's,
    `load` looks for one change of prefix, or of the numbers in the names, that makes all of them fit. A shared
    parameter takes the values that the file holds for any of its paths, if all are the same bits. A Trainer continues
    from the loaded values and drops its momentum and master copies.

    Parameters
    ----------
    net : Block
        May be in any state. Loading a parameter cancels its pending initialization, as MXNet does.
    path : str or path-like
    ties : {'check', 'apply', 'ignore'}
        ``'check'``: `net` must have the file's ties; ``'apply'``: `load` makes them; ``'ignore'``: they do not matter.
        A plain file that names a shared parameter once (``deduplicate=True``) has no tie map. If it lists its names as
        `net` would be written, `load` assumes that it had the ties of `net`, and warns; ``'ignore'`` always assumes so.
    ctx, device : Context or list of Context, optional
        Where to put parameters that are not initialized yet; the CPU by default. MXNet 2 calls it `device`.
    allow_missing, ignore_extra : bool
        Whether parameters may be missing in the file, and stay as they are; whether the file may have extra arrays.
    cast_dtype, dtype_source : bool, {'current', 'saved'}
        Whether dtypes may differ; and whether the parameter then keeps its dtype or takes the file's.
    select : selector, optional
        The parameters to load, as for `freeze`; all by default. The other parameters are neither changed nor checked,
        and their arrays in the file do not count as extra.
    rename : dict or callable, optional
        New names for those in the file. A dict maps prefixes or whole names, and the longest match counts:
        ``{'backbone.': 'features.', 'fc.weight': 'output.weight'}``. A callable takes a name in the file, without its
        ``arg:`` or ``aux:``, and returns a path of the network.
    mismatched : {'raise', 'skip'}
        Whether another shape in the file is an error, or leaves the parameter as it is.

    Returns
    -------
    LoadReport
        The status of each parameter, and the unused arrays of the file. ``ik.compare(net, path).load`` forecasts it.
        ``ik.initialize(net, init, seed=7)`` then fills the others, as if it had initialized the whole network.

    Raises
    ------
    CheckpointError
        The file is not a parameter file that `load` reads, or it is damaged.
    ValueError, TypeError
        `select` selects nothing; `rename` has a prefix that no name in the file has, or gives two arrays one name.
    LoadError
        A tie is lost; a shared parameter has different values in the file; a parameter is missing; an array is extra; a
        shape, dtype or context differs; or nothing would be loaded. The error lists all of these, and nothing changes.

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
    assumed = [path for assignment in plan.assignments for path in assignment.absent if not plan.groups]
    if assumed:
        warn(f"{stored.path!r} has no tie map; {', '.join(assumed)} are believed to have been tied as they are in "
             f"the network.")  # fmt: skip
    for group in plan.lost:  # parameters without a context take that of the parameters that they will be tied to
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
    """The report that `load` would return, with the text of the error if it would raise one. Changes nothing."""
    plan = LoadPlan(net, **options)
    with stored.reading() as read:
        return plan.decide(stored, read)


@dataclass
class _Assignment:
    """A parameter, and the array that it takes."""

    path: str
    param: Any
    name: str  # of the array in the file
    transposed: bool
    ctxs: Sequence[Any]
    dtype: Any  # the parameter is first cast to this; None if it keeps its own dtype
    absent: Sequence[str]  # paths of the parameter that are not in the file
    array: Any = None


class _Misfit(KitError):
    """Why a parameter cannot be loaded, how to mend it (often the same for many), and its status in the report."""

    def __init__(self, what: str, mend: str = "", status: str = "refused") -> None:
        super().__init__(what, mend, status)
        self.what, self.mend, self.status = what, mend, status


@dataclass
class LoadPlan:
    """Which array of a file each parameter takes, given the arguments of `load`, and all reasons against it."""

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
        self.lost: List[SharedGroup] = []  # the groups that `load` will tie
        self._arrays: Dict[str, Any] = {}

    def decide(self, stored: StoredValues, read: Callable[[StoredArray], Any]) -> LoadReport:
        """Decide and check everything. Returns the report of `load`, with the text of the error if it raises one."""
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
            array = next((self.offers[place][0] for place, _ in places if place in self.offers), None)
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
            try:  # so that ties are refused before anything is loaded
                self.sharing.apply(dry_run=True)
            except SharingError as refused:
                error = str(refused)
        return LoadReport(tuple(rows), stored.path, error)

    def _match(self, arrays: Sequence[StoredArray], renamed: Dict[str, str]) -> None:
        """Find the array that the file offers each path, whether to transpose it, and the ties in the file.

        Raises a ValueError if two parameters or two arrays have the same path, or the arrays have no names.
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
        # MXNet's ``deduplicate=True`` writes a shared parameter at the position of its first path, under its last path.
        last = {(id(param), transposed): path for path, (param, transposed) in self.held.items()}
        looks_deduplicated = not self.groups and [new_names[array.name] for array in arrays] == list(last.values())
        self.trusting = self.ties == "ignore" or looks_deduplicated

    def _assignment(self, param: Any, places: List[Tuple[str, bool]]) -> _Assignment:
        """Choose the array for the parameter at these paths. Raises a `_Misfit` if none fits."""
        label = places[0][0]
        absent = [path for path, _ in places if path not in self.offers]
        offered: Dict[Tuple[str, bool], str] = {}  # each offered array, and the first path that it is offered for
        for path, transposed in places:
            if path in self.offers:
                array, flip = self.offers[path]
                offered.setdefault((array.name, transposed != flip), path)
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
        for (other, other_flip), path in others:
            if other != name and bits_of(self._array(other), other_flip) != bits_of(self._array(name), flip):
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
        """One array of the file, as an NDArray on the CPU. Raises a CheckpointError if its values cannot be read."""
        if name not in self._arrays:
            header = self.stored.arrays[name]
            try:
                self._arrays[name] = array_from_file(header.stype, header.shape, self._read(header).parts())
            except (mx.MXNetError, OverflowError) as error:
                raise LoadError(f"MXNet cannot hold {name!r}, {header.dtype} of shape {header.shape}, of "
                                f"{self.stored.path!r}: {error}") from error  # fmt: skip
        return self._arrays[name]

    def values(self, assignment: _Assignment) -> Any:
        """The values in the orientation, dtype and storage type of the parameter."""
        array = self._array(assignment.name)
        array = array.T if assignment.transposed else array
        dtype = assignment.param.dtype if assignment.dtype is None else assignment.dtype
        if dtype_name(array.dtype) != dtype_name(dtype):
            array = array.astype(dtype)
        return in_storage_of(assignment.param, array)

    def _other_names(self, rows: Sequence[LoadRow]) -> str:
        """A hint with a `rename` that makes more of the file fit; empty if there is none."""
        used = {row.name: strip_prefix(row.name) for row in rows
                if row.name is not None and row.status in ("loaded", "refused", "unselected")}  # fmt: skip
        files = {strip_prefix(name): array.shape for name, array in self.stored.arrays.items() if name not in used}
        wanted = [row for row in rows if row.status in ("missing", "mismatched")]
        schemes = [{row.path: row.shapes[0] for row in wanted}]
        if backend.load_targets_by_name(self.net) and not any("." in name for name in files):
            schemes.append({self.held[row.path][0].name: row.shapes[0] for row in wanted})
        proposals = [propose_rename(files, shapes, used.values()) for shapes in schemes]
        rename, count = max(proposals, key=lambda proposal: (proposal[1], -len(proposal[0])))
        hint = f"rename={rename!r} finds {count} of {counted(len(wanted), 'parameter')} in the file."
        return hint if 0 < len(rename) <= 100 else ""  # nobody reads a longer one


def _commit(net: Any, assignments: List[_Assignment]) -> None:
    """Change all parameters or none: steps that may fail come first; arrays that are refilled in place come last."""
    _wait(assignments)
    with mx.autograd.pause():  # MXNet refuses to write into a parameter while it records
        held = {id(item.param) for item in assignments if state_of(item.param) == "initialized"}
        fresh = [item for item in assignments if item.dtype is not None or id(item.param) not in held]
        with restoring([item.param for item in fresh]):
            for item in fresh:
                if item.dtype is not None:
                    recast(item.param, item.dtype)
                with named_memory_errors(item.path, item.param, LoadError):
                    if id(item.param) not in held:
                        set_values(item.param, item.array, item.ctxs)
                    _wait([item])
        if any(item.dtype is not None for item in fresh):
            clear_cached_graphs(net)
        kept = [item for item in assignments if id(item.param) in held]
        try:
            _refill(kept)
        except BaseException:  # raised into this thread from outside: old values are overwritten already, so finish
            _refill(kept)
            raise


def _refill(assignments: List[_Assignment]) -> None:
    for assignment in assignments:
        set_values(assignment.param, assignment.array, assignment.ctxs)
    _wait(assignments)


def _wait(assignments: List[_Assignment]) -> None:
    """Wait for the engine, so that its errors are raised in this call."""
    wait_for(array for assignment in assignments for array in arrays_of(assignment.param))
