"""`load`: parameters from a file, into a network tied as the file says, not tied, or tied otherwise.

Everything is decided and checked first (`matching`); then all is changed, or nothing.
"""

from dataclasses import replace
import os
from typing import Any, Dict, List, Sequence, Tuple

from .._mxnet import backend, mx
from .._mxnet.arrays import wait_to_read
from .._mxnet.interrupts import interrupts_held
from .._mxnet.parameter import arrays_of, context_argument, state_of
from .._mxnet.state import recast, restoring, set_values
from .._mxnet.tree import clear_cached_graphs
from ..display import counted, warn
from ..files import StoredValues
from ..files.match import match_names
from ..parameters import check_block, named_memory_errors
from .builder import Sharing
from .errors import LoadSharingError
from .groups import SharedGroup, lost_ties, sources
from .matching import Contents, Match, Problem, Rules, matched
from .saving import Path

__all__ = ["load"]


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
    device: Any = None,
) -> None:
    """Load parameters and see to it that what was shared stays so: bit-exact, or an error, and never in silence.

    Files of `save` and of ``net.save_parameters``, with ``deduplicate=True`` or without, saved in NumPy mode or not;
    and whatever else MXNet writes parameters into: ``net.export``, Module, ``net.save_params``, and
    ``net.collect_params().save``. Those hold MXNet's global names, which count what was built before: where they are
    others, but one change of prefix, or of the numbers in their order, makes all of them fit, that is made. A parameter
    that the network shares takes whatever the file holds for any of its paths, if it is the same bits. An existing
    Trainer goes on from the loaded values, without the momentum and master copies that it had of them.

    Parameters
    ----------
    net : Block
        In any state; a pending initialization of what is loaded is over then, as in MXNet.
    path : str or path-like
    ties : {'check', 'apply', 'ignore'}
        What becomes of the ties that the file knows of. ``'check'``: they must hold in `net`. ``'apply'``: `net` is
        tied so. ``'ignore'``: every path takes its values, tied or not. A file that names a shared parameter once and
        has no tie map (plain ``deduplicate=True``) tells of its ties by the order of its names alone: where that is the
        order in which `net` would be written, the network is believed, with a warning; ``'ignore'`` believes it anyway.
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
    device : Device or list of Device, optional
        What MXNet 2 calls `ctx`.

    Raises
    ------
    CheckpointError
        The file is none of MXNet's, or a broken one: the same error as of `inspect`.
    LoadError
        Ties are lost; a shared parameter has different values in the file; something is missing, too much, or of
        another shape, dtype or context; or nothing would be loaded. All is named at once, and the network is as before.
        It is a `SharingError` too.
    ValueError
        `ties` or `dtype_source` is none of the above.

    Examples
    --------
    >>> import os, tempfile
    >>> import gluon_initkit as ik
    >>> def network(tied):
    ...     net = mx.gluon.nn.HybridSequential()
    ...     net.add(*(mx.gluon.nn.Dense(1, in_units=1, use_bias=False) for _ in range(2)))
    ...     if tied: ik.Sharing(net).tie("*.weight").apply()
    ...     return net
    >>> saved, loaded = network(tied=True), network(tied=False)
    >>> saved.initialize(mx.init.One())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ik.save(saved, os.path.join(folder, "tied.params"))
    ...     ik.load(loaded, os.path.join(folder, "tied.params"), ties="ignore")
    >>> loaded[1].weight.data().asnumpy().tolist()
    [[1.0]]
    """
    for name, value, known in (("ties", ties, ("check", "apply", "ignore")),
                               ("dtype_source", dtype_source, ("current", "saved"))):  # fmt: skip
        if value not in known:
            raise ValueError(f"{name} is {value!r}: expected one of {', '.join(map(repr, known))}")
    ctx = context_argument(ctx, device)
    ctxs = [ctx] if isinstance(ctx, backend.Context) else None if ctx is None else list(ctx)
    rules = Rules(ctxs, allow_missing, cast_dtype, dtype_source)
    check_block(net)
    stored = StoredValues(os.fsdecode(path))
    with stored.reading() as read:
        held, contents, lost, matches = _matched(net, stored, read, ties, ignore_extra, rules)
        for match in matches:
            with named_memory_errors(match.path, match.param, LoadSharingError):
                match.read(contents)
    believed = [] if contents.groups else [each for match in matches for each in match.trusted]
    if believed:
        warn(f"{stored.path!r} has no tie map; {', '.join(believed)} are believed to have been tied as they are in "
             f"the network.")  # fmt: skip
    tying = tuple(dict.fromkeys(group for group, _, _ in lost)) if ties == "apply" else ()
    sharing = _declared(net, tying)
    if tying:
        sharing.apply(dry_run=True)  # what it refuses, it refuses before anything is loaded
        _settle(matches, [[held[path][0] for path in group.paths] for group in tying])
    with interrupts_held():
        _commit(net, matches)
        if tying:
            sharing.apply()


def _matched(net: Any, stored: StoredValues, read: Any, ties: str, ignore_extra: bool, rules: Rules) -> Any:
    """What the network holds, what the file holds for it, lost ties, and what every parameter takes; or an error."""
    arrays = list(stored.arrays.values())
    if not all(array.named for array in arrays):
        raise LoadSharingError(f"{stored.path!r} holds {counted(len(arrays), 'array')} without names, so no parameters "
                               f"of a network. Expected a file of gluon_initkit.save.")  # fmt: skip
    renaming = match_names(net, arrays)
    held = sources(net, unregistered=renaming.scheme == "names")
    contents = Contents(stored, read, held, renaming)
    lost = lost_ties(held, _within(contents.groups, held))
    problems = [Problem(why, "ties='apply' ties what the file ties, ties='ignore' does not ask.")
                for _, _, why in lost if ties == "check"]  # fmt: skip
    trusting = ties == "ignore" or _looks_deduplicated(contents, held)
    matches, unmatched = matched(held, contents, replace(rules, trusting=trusting))
    problems += unmatched
    if not ignore_extra:
        extra = [each for each in contents.offers if each not in held]
        problems += [Problem(f"{each!r} is in the file, and the network has no such path",
                             "ignore_extra=True passes over what the network has not.") for each in extra]  # fmt: skip
    if not (matches or problems) and (held or contents.offers):
        problems = [_nothing(held, contents)]
    if problems:
        more = f"  and {len(problems) - 10} more"
        lines = [f"{stored.path!r} does not fit the network, which is left as it was:",
                 *(f"  {problem.what}" for problem in problems[:10]), *([more] if len(problems) > 10 else ()),
                 *dict.fromkeys(problem.mend for problem in problems if problem.mend)]  # fmt: skip
        raise LoadSharingError("\n".join(lines))
    return held, contents, lost, matches


def _nothing(held: Dict[str, Any], contents: Contents) -> Problem:
    """Why a file is refused of which nothing would be loaded, whatever may be missing or too much."""
    ours, theirs = (", ".join([repr(name) for name in names][:3]) + ", ..." * (len(names) > 3) or "nothing"
                    for names in (list(held), list(contents.stored.arrays)))  # fmt: skip
    return Problem(f"nothing would be loaded: the network has {ours}, the file has {theirs}",
                   f"gluon_initkit.compare(net, {contents.stored.path!r}) tells what belongs together.")  # fmt: skip


def _within(groups: Tuple[SharedGroup, ...], held: Dict[str, Any]) -> Tuple[SharedGroup, ...]:
    """The ties between those paths that the network has."""
    found: List[SharedGroup] = []
    for group in groups:
        transposed = set(group.transposed)
        paths = [path for path in group.paths if path in held]
        if len(paths) > 1:
            canonical, *aliases = paths
            turned = [path for path in aliases if (path in transposed) != (canonical in transposed)]
            found.append(SharedGroup(canonical, tuple(aliases), tuple(turned)))
    return tuple(found)


def _looks_deduplicated(contents: Contents, held: Dict[str, Tuple[Any, bool]]) -> bool:
    """Whether plain MXNet's ``deduplicate=True`` would have written these names, in this order, of this network.

    It lists a parameter where its first path stands, under its last path: a network tied otherwise seldom does alike.
    """
    last = {(id(param), odd): path for path, (param, odd) in held.items()}
    return not contents.groups and list(contents.stored.arrays) == list(last.values())


def _declared(net: Any, groups: Sequence[SharedGroup]) -> Sharing:
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


def _settle(matches: Sequence[Match], tied: Sequence[Sequence[Any]]) -> None:
    """Of parameters that will be one, those that are nowhere yet go where the others are."""
    found = {id(match.param): match for match in matches}
    for params in tied:
        members = [found[id(param)] for param in params if id(param) in found]
        there = next((each.ctxs for each in members if state_of(each.param) != "uninitialized"), None)
        for each in members:
            each.ctxs = there or each.ctxs


def _commit(net: Any, matches: List[Match]) -> None:
    """Change everything or nothing: what may still fail comes first, arrays that are refilled in place last."""
    _wait(matches)
    with mx.autograd.pause():  # where MXNet records, it refuses a write into a parameter
        fresh = [match for match in matches if match.dtype is not None or state_of(match.param) != "initialized"]
        done = {id(match.param) for match in fresh if not arrays_of(match.param)}
        with restoring([match.param for match in fresh]):
            for match in fresh:
                if match.dtype is not None:
                    recast(match.param, match.dtype)
                with named_memory_errors(match.path, match.param, LoadSharingError):
                    if state_of(match.param) != "initialized":
                        set_values(match.param, match.array, match.ctxs)
                    _wait([match])
        if any(match.dtype is not None for match in matches):
            clear_cached_graphs(net)
        kept = [match for match in matches if id(match.param) not in done]
        try:
            _refill(kept)
        except BaseException:  # thrown at this thread: the old values are gone, so what has begun is finished
            _refill(kept)
            raise


def _refill(matches: List[Match]) -> None:
    for match in matches:
        set_values(match.param, match.array, match.ctxs)
    _wait(matches)


def _wait(matches: List[Match]) -> None:
    """An engine's error belongs to this call."""
    wait_to_read(array for match in matches for array in arrays_of(match.param))
