"""`load`: parameters from a file, into a network tied as the file says, not tied, or tied otherwise; all, or a part.

First it is decided which array each parameter takes, and everything is checked, which is all that `forecast_load` does;
then all is changed, or nothing. A file offers an array for each path that it names, by itself or in its tie map
(`files.match` finds which name of a file is which path). A parameter takes the arrays that are offered for any of its
paths, if all agree to the bit.
"""

from dataclasses import dataclass
import os
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.arrays import array_from_file, bits_of, dtype_name, dtype_named, wait_for
from .._mxnet.parameter import arrays_of, context_argument, shape_of, state_of
from .._mxnet.state import in_storage_of, interrupts_held, load_contexts, recast, restoring, set_values
from .._mxnet.trainer import trainer_objection
from .._mxnet.tree import clear_cached_graphs
from ..display import KitError, counted, warn
from ..files import StoredArray, StoredValues
from ..files.match import Rename, match_names, propose_rename, renamed_names, strip_prefix
from ..parameters import check_block, list_parameters, named_memory_errors, select_parameters
from ..shapes import agree, is_known
from .builder import Sharing
from .errors import LoadError, SharingError, ten_lines
from .groups import SharedGroup, Sources, group_of, lost_ties, sources
from .load_report import LoadReport, LoadRow
from .save import Path


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

    Reads every parameter file that MXNet writes: of `save`, ``net.save_parameters``, ``net.export``, Module,
    ``net.save_params``, ``net.collect_params().save``; and safetensors files. Where a file's global names are others
    than the network's, but one change of prefix, or of the numbers in their order, makes all of them fit, that is made.
    A parameter that the network shares takes whatever the file holds for any of its paths, if it is the same bits. An
    existing Trainer goes on from the loaded values, without the momentum and master copies that it had of them.

    Parameters
    ----------
    net : Block
        In any state; a pending initialization of what is loaded is over then, as in MXNet.
    path : str or path-like
    ties : {'check', 'apply', 'ignore'}
        Whether the file's ties must hold in `net`, are made there, or do not matter. A file that names a shared
        parameter once and has no tie map (plain ``deduplicate=True``) shows its ties by the order of its names alone:
        where `net` would be written in that order, its ties are believed, with a warning; with ``'ignore'`` anyway.
    ctx : Context or list of Context, optional
        For what is not initialized yet; the CPU by default.
    allow_missing : bool
        Whether parameters that the file does not know stay as they are.
    ignore_extra : bool
        Whether the file may know paths that `net` has not.
    cast_dtype : bool
        Whether dtypes may differ.
    dtype_source : {'current', 'saved'}
        Then, whether the parameter's dtype stays or the file's is taken.
    select : selector, optional
        Which of the network's parameters are loaded, as for `freeze`; all by default. The others are neither changed
        nor checked, and what the file has for them is not extra.
    rename : dict or callable, optional
        Other names for those in the file: a dict of prefixes or whole names, of which the longest that fits is changed,
        once, ``{'backbone.': 'features.', 'fc.weight': 'output.weight'}``; or a callable from a name in the file,
        without its ``arg:`` or ``aux:``, to a path of the network.
    mismatched : {'raise', 'skip'}
        Whether a parameter that has another shape in the file is an error, or stays as it is.
    device : Device or list of Device, optional
        What MXNet 2 calls `ctx`.

    Returns
    -------
    LoadReport
        What became of each parameter, and what of the file was not used; ``ik.compare(net, path).load`` foretells it.
        ``ik.initialize(net, init, seed=7)`` then fills what is left, with the bits of a whole initialization.

    Raises
    ------
    CheckpointError
        The file is none of MXNet's, or a broken one: the same error as of `inspect`.
    ValueError, TypeError
        `select` selects nothing; no name in the file begins with a prefix in `rename`, or two arrays would have one
        name.
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
    >>> report = ik.initialize(net, mx.init.Xavier(), seed=7, select="1.*")  # the new head

    Other names in the file:

    >>> whole = mx.gluon.nn.HybridSequential()
    >>> whole.add(network(1000))
    >>> ik.load(whole, path, rename={"": "0."}).loaded
    ('0.0.weight', '0.0.bias', '0.1.weight', '0.1.bias')
    """
    options = LoadOptions(ties, ctx, allow_missing, ignore_extra, cast_dtype, dtype_source, select, rename, mismatched,
                          device).checked()  # fmt: skip
    check_block(net)
    stored = StoredValues(os.fsdecode(path))
    with stored.reading() as read:
        report, offers, assignments, lost = _decide(net, stored, read, options)
        if report.error is not None:
            raise LoadError(report.error)
        for assignment in assignments:
            with named_memory_errors(assignment.path, assignment.param, LoadError):
                assignment.array = _read(assignment, offers)
    believed = [path for assignment in assignments for path in assignment.absent if not offers.groups]
    if believed:
        warn(f"{stored.path!r} has no tie map; {', '.join(believed)} are believed to have been tied as they are in "
             f"the network.")  # fmt: skip
    for group in lost:
        _place_together(assignments, [offers.held[path][0] for path in group.paths])
    with interrupts_held():
        _commit(net, assignments)
        if lost:
            _sharing(net, lost).apply()
    return report


class LoadOptions(NamedTuple):
    """What `load` is asked for."""

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

    def checked(self) -> "LoadOptions":
        """The same, with a list of contexts or None; an error where a word is none that is known."""
        for name, known in (("ties", ("check", "apply", "ignore")), ("dtype_source", ("current", "saved")),
                            ("mismatched", ("raise", "skip"))):  # fmt: skip
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}: expected one of {', '.join(map(repr, known))}")
        ctx = context_argument(self.ctx, self.device)
        return self._replace(ctx=[ctx] if isinstance(ctx, backend.Context) else None if ctx is None else list(ctx))


def forecast_load(net: Any, stored: StoredValues, options: LoadOptions) -> LoadReport:
    """The report that `load` would return, or that of an error which it would raise. Changes nothing."""
    with stored.reading() as read:
        return _decide(net, stored, read, options)[0]


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


class _Offers:
    """What a file offers a network: by path, the name of an array and whether it is to be transposed; and ties."""

    def __init__(
        self, net: Any, stored: StoredValues, read: Callable[[StoredArray], Any], renamed: Dict[str, str]
    ) -> None:
        arrays = list(stored.arrays.values())
        self.stored, self._read = stored, read
        self._arrays: Dict[str, Any] = {}
        match = match_names(net, arrays, renamed)
        self.held: Sources = sources(net, unregistered=match.scheme == "names")
        self.names = {path: renamed.get(path, path) for array in arrays for path in (array.name, *array.aliases)}
        self.groups = tuple(SharedGroup(self.names[array.name], *(tuple([self.names[path] for path in paths])
                                                                  for paths in (array.aliases, array.transposed)))
                            for array in arrays if array.aliases)  # fmt: skip
        self.by_path: Dict[str, Tuple[str, bool]] = {}
        self.extra: Dict[str, StoredArray] = {}  # by name, aliases included
        by_name = {new: name for name, new in match.names.items() if match.scheme == "names"}
        for array in arrays:
            for path in (array.name, *array.aliases):
                new = match.names.get(path, "" if path in renamed else path)
                if new in self.held and (new not in by_name or path in renamed):
                    self.by_path[new] = array.name, path in array.transposed
                elif path not in match.names:
                    self.extra[path] = array
        for path, (param, transposed) in self.held.items():
            if param.name in by_name:
                offer = by_name[param.name], transposed
                if self.by_path.setdefault(path, offer)[0] != offer[0]:
                    raise LoadError(f"rename= puts both {self.by_path[path][0]!r} and {offer[0]!r} of the file on "
                                    f"{path!r}")  # fmt: skip

    def array(self, name: str) -> Any:
        """One array of the file as an NDArray on the CPU; a CheckpointError where its values cannot be read."""
        if name not in self._arrays:
            header = self.stored.arrays[name]
            try:
                self._arrays[name] = array_from_file(header.stype, header.shape, self._read(header).parts())
            except (mx.MXNetError, OverflowError) as error:
                raise LoadError(f"MXNet cannot hold {name!r}, {header.dtype} of shape {header.shape}, of "
                                f"{self.stored.path!r}: {error}") from error  # fmt: skip
        return self._arrays[name]

    def look_deduplicated(self) -> bool:
        """Whether plain MXNet's ``deduplicate=True`` would have written these names, in this order, of this network.

        MXNet lists a shared parameter in the place of its first path, under its last path.
        """
        last = {(id(param), transposed): path for path, (param, transposed) in self.held.items()}
        return not self.groups and [self.names[name] for name in self.stored.arrays] == list(last.values())


def _decide(
    net: Any, stored: StoredValues, read: Callable[[StoredArray], Any], options: LoadOptions
) -> Tuple[LoadReport, Any, List[_Assignment], Sequence[SharedGroup]]:
    """The report; without an error also what the file offers, what each parameter takes, and the groups to be tied."""
    chosen = None if options.select is None else {
        id(param) for param, _, _ in select_parameters(list_parameters(net), options.select)}  # fmt: skip
    names = [path for array in stored.arrays.values() for path in (array.name, *array.aliases)]
    renamed = renamed_names(options.rename, names)
    if not all(array.named for array in stored.arrays.values()):
        error = (f"{stored.path!r} holds {counted(len(stored.arrays), 'array')} without names, so no parameters of a "
                 f"network. Expected a file of gluon_initkit.save.")  # fmt: skip
        return LoadReport((), stored.path, error), None, [], ()
    try:
        offers = _Offers(net, stored, read, renamed)
    except ValueError as refused:  # two parameters have one path, or two arrays
        return LoadReport((), stored.path, str(refused)), None, [], ()
    held = {path: source for path, source in offers.held.items() if chosen is None or id(source[0]) in chosen}
    within = [group_of([path for path in group.paths if path in held], set(group.transposed))
              for group in offers.groups if any(path in held for path in group.paths)]  # fmt: skip
    lost = lost_ties(held, within)
    misfits = [_Misfit(reason, "ties='apply' ties what the file ties, ties='ignore' does not ask.")
               for _, _, reason in lost if options.ties == "check"]  # fmt: skip
    trusting = options.ties == "ignore" or offers.look_deduplicated()
    members: Dict[Any, List[Tuple[str, bool]]] = {}
    for path, (param, transposed) in offers.held.items():
        members.setdefault(param, []).append((path, transposed))
    assignments, rows = [], []
    for param, places in members.items():
        status = "loaded"
        try:
            if chosen is not None and id(param) not in chosen:
                status = "unselected"
            else:
                assignments.append(_assignment(param, places, offers, options, trusting))
        except _Misfit as misfit:
            status = misfit.status
            if not {"missing": options.allow_missing, "mismatched": options.mismatched == "skip"}.get(status):
                misfits.append(misfit)
        rows.append(_row(param, places, offers, status))
    rows += [LoadRow(path, (), path, "extra", (None, array.shape), (None, array.dtype))
             for path, array in offers.extra.items()]  # fmt: skip
    if not options.ignore_extra:
        misfits += [_Misfit(f"{path!r} is in the file, and the network has no such path",
                            "ignore_extra=True passes over what the network has not.")
                    for path in offers.extra]  # fmt: skip
    if not (assignments or misfits) and (held or stored.arrays):
        ours, theirs = (", ".join(map(repr, names[:3])) + ", ..." * (len(names) > 3) or "nothing"
                        for names in (list(held), list(stored.arrays)))  # fmt: skip
        misfits = [_Misfit(f"nothing would be loaded: the network has {ours}, the file has {theirs}",
                           f"gluon_initkit.compare(net, {stored.path!r}) tells what belongs together.")]
    error = ""
    if misfits:
        mends = dict.fromkeys(misfit.mend for misfit in misfits)
        hint = "" if options.rename is not None else _other_names(net, rows, offers)
        start = f"{stored.path!r} does not fit the network, which is left as it was:"
        error = "\n".join([start + ten_lines([misfit.what for misfit in misfits]), *filter(None, [*mends, hint])])
    groups = list(dict.fromkeys(group for group, _, _ in lost)) if options.ties == "apply" else []
    if groups and not error:
        try:  # what it refuses, it refuses before anything is loaded
            _sharing(net, groups).apply(dry_run=True)
        except SharingError as refused:
            error = str(refused)
    return LoadReport(tuple(rows), stored.path, error or None), offers, assignments, groups


def _row(param: Any, places: List[Tuple[str, bool]], offers: _Offers, status: str) -> LoadRow:
    (path, _), *aliases = places
    name = next((offers.by_path[each][0] for each, _ in places if each in offers.by_path), None)
    array = None if name is None else offers.stored.arrays[name]
    shapes, dtypes = (shape_of(param), array and array.shape), (dtype_name(param.dtype), array and array.dtype)
    return LoadRow(path, tuple(alias for alias, _ in aliases), name, status, shapes, dtypes)


def _other_names(net: Any, rows: Sequence[LoadRow], offers: _Offers) -> str:
    """The `rename` under which more of the file fits; empty where there is none."""
    used = {row.name: strip_prefix(row.name) for row in rows
            if row.name is not None and row.status in ("loaded", "refused", "unselected")}  # fmt: skip
    files = {strip_prefix(name): array.shape for name, array in offers.stored.arrays.items() if name not in used}
    wanted = [row for row in rows if row.status in ("missing", "mismatched")]
    schemes = [{row.path: row.shapes[0] for row in wanted}]
    if backend.load_targets_by_name(net) and not any("." in name for name in files):
        schemes.append({offers.held[row.path][0].name: row.shapes[0] for row in wanted})
    proposals = [propose_rename(files, shapes, used.values()) for shapes in schemes]
    rename, found = max(proposals, key=lambda proposal: (proposal[1], -len(proposal[0])))
    readable = 0 < len(rename) <= 100
    return f"rename={rename!r} finds {found} of {counted(len(wanted), 'parameter')} in the file." if readable else ""


def _assignment(
    param: Any, places: List[Tuple[str, bool]], offers: _Offers, options: LoadOptions, trusting: bool
) -> _Assignment:
    """The array for a parameter with these paths; a `_Misfit` where there is none."""
    label = places[0][0]
    absent = [path for path, _ in places if path not in offers.by_path]
    offered: Dict[Tuple[str, bool], str] = {}  # each array with the first path that leads to it
    for path, transposed in places:
        if path in offers.by_path:
            name, turned = offers.by_path[path]
            offered.setdefault((name, transposed != turned), path)
    if not offered:
        mend = "allow_missing=True leaves what is missing as it is."
        if not offers.groups:
            mend += (" A file that plain MXNet wrote with deduplicate=True names a shared parameter once and has no "
                     "tie map: tie the network as it was, and load it again.")  # fmt: skip
        raise _Misfit(f"{label!r} is missing in the file", mend, "missing")
    ((name, flip), first), *others = offered.items()
    if absent and not options.allow_missing and offers.groups:
        raise _Misfit(f"{absent[0]!r} is missing in the file, which does not tie it to {first!r} as the network does",
                      f"allow_missing=True lets {absent[0]!r} have the values of {first!r}.")  # fmt: skip
    if absent and not options.allow_missing and not trusting:
        raise _Misfit(f"{absent[0]!r} is missing in the file, which has no tie map, and lists its names otherwise than "
                      f"a network would that has it tied to {first!r}, as this one has",
                      "ties='ignore' believes that they were tied.")  # fmt: skip
    for (other, turned), path in others:
        if other != name and bits_of(offers.array(other), turned) != bits_of(offers.array(name), flip):
            raise _Misfit(f"{first!r} and {path!r} share one parameter in the network, and the file holds different "
                          f"values for them, as {name!r} and {other!r}",
                          f"gluon_initkit.untie(net, {path!r}) gives {path!r} a parameter of its own.")  # fmt: skip
    array = offers.stored.arrays[name]
    _check_shape(param, label, array, flip, offers.stored)
    dtype, ctxs = _dtype(param, label, array, options), load_contexts(param, options.ctx)
    if ctxs is None:
        raise _Misfit(f"{label!r} is on {load_contexts(param, None)}, and asked for on {options.ctx}",
                      f"A parameter's {backend.reset_method}(...) moves it; or ask for none.")  # fmt: skip
    objection = trainer_objection(param, ctxs)
    if objection is not None:
        reason, mend = objection
        raise _Misfit(f"{label!r}: {reason}", f"{mend[0].upper()}{mend[1:]}.")
    return _Assignment(label, param, name, flip, ctxs, dtype, absent)


def _in_file(label: str, array: StoredArray) -> str:
    return "in the file" if array.name == label or label in array.aliases else f"in the file (as {array.name!r})"


def _check_shape(param: Any, label: str, array: StoredArray, flip: bool, stored: StoredValues) -> None:
    in_file, shape, expected = _in_file(label, array), array.shape, shape_of(param)
    if not array.parts or shape is None:
        raise _Misfit(f"{label!r} has no values {in_file}: it was saved before its shape was known")
    if flip and len(shape) != 2:
        raise _Misfit(f"{label!r} is tied transposed, and has shape {shape} {in_file}; expected two dimensions",
                      status="mismatched")  # fmt: skip
    shape = shape[::-1] if flip else shape
    if expected is not None and not agree(expected, shape):
        shown = str(tuple("?" if size is None else size for size in expected)).replace("'?'", "?")
        raise _Misfit(f"{label!r} has shape {shape} {in_file}, expected {shown}",
                      "mismatched='skip' leaves what has another shape as it is.", "mismatched")  # fmt: skip
    if not is_known(expected) and not stored.has_values(array):
        raise _Misfit(f"{label!r} is too large to be unpacked {in_file}, and the network does not know its shape",
                      "Give the network its shapes first: by a forward pass, or in_units= and the like.")  # fmt: skip


def _dtype(param: Any, label: str, array: StoredArray, options: LoadOptions) -> Any:
    """The dtype to which the parameter is to be cast; None where it keeps its own."""
    if dtype_name(param.dtype) == array.dtype:
        return None
    if not options.cast_dtype:
        raise _Misfit(f"{label!r} is {array.dtype} {_in_file(label, array)}, expected {dtype_name(param.dtype)}",
                      "cast_dtype=True lets dtypes differ.")  # fmt: skip
    if options.dtype_source == "current":
        return None
    dtype = dtype_named(array.dtype)
    if dtype is None:
        raise _Misfit(f"{label!r} is {array.dtype} {_in_file(label, array)}, which this MXNet has not",
                      "dtype_source='current' keeps the network's dtypes.")  # fmt: skip
    return dtype


def _read(assignment: _Assignment, offers: _Offers) -> Any:
    """The values, as the parameter takes them."""
    array = offers.array(assignment.name)
    array = array.T if assignment.transposed else array
    dtype = assignment.param.dtype if assignment.dtype is None else assignment.dtype
    if dtype_name(array.dtype) != dtype_name(dtype):
        array = array.astype(dtype)
    return in_storage_of(assignment.param, array)


def _sharing(net: Any, groups: Sequence[SharedGroup]) -> Sharing:
    """A builder that is to tie the network so."""
    sharing = Sharing(net)
    for group in groups:
        transposed = set(group.transposed)
        plain = [path for path in group.paths if path not in transposed]
        if len(plain) > 1:
            sharing.tie(*plain, to=group.canonical)
        for path in group.transposed:
            sharing.tie(path, group.canonical, transpose=True, to=group.canonical)
    return sharing


def _place_together(assignments: Sequence[_Assignment], params: Sequence[Any]) -> None:
    """Of parameters that will be one, those that are nowhere yet go where the others are."""
    wanted = {id(param) for param in params}
    members = [assignment for assignment in assignments if id(assignment.param) in wanted]
    ctxs = next((member.ctxs for member in members if state_of(member.param) != "uninitialized"), None)
    for member in members:
        member.ctxs = ctxs or member.ctxs


def _commit(net: Any, assignments: List[_Assignment]) -> None:
    """Change everything or nothing: what may still fail comes first, arrays that are refilled in place last."""
    _wait(assignments)
    with mx.autograd.pause():  # where MXNet records, it refuses a write into a parameter
        fresh = [each for each in assignments if each.dtype is not None or state_of(each.param) != "initialized"]
        done = {id(each.param) for each in fresh if not arrays_of(each.param)}
        with restoring([each.param for each in fresh]):
            for each in fresh:
                if each.dtype is not None:
                    recast(each.param, each.dtype)
                with named_memory_errors(each.path, each.param, LoadError):
                    if state_of(each.param) != "initialized":
                        set_values(each.param, each.array, each.ctxs)
                    _wait([each])
        if any(each.dtype is not None for each in assignments):
            clear_cached_graphs(net)
        kept = [each for each in assignments if id(each.param) not in done]
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
