"""`load`: parameters from a file, into a network tied as the file says, not tied, or tied otherwise.

Everything is decided and checked first (`matching`); then all is changed, or nothing.
"""

import os
from typing import Any, Dict, List, Sequence, Tuple

from .._mxnet import (
    Context,
    contexts_asked,
    forget_graphs,
    holds_data,
    interrupts_held,
    mx,
    put,
    read_arrays,
    recast,
    restore,
    snapshot,
    state_of,
    warn,
)
from ..display import counted
from .builder import Sharing
from .errors import SharingError
from .groups import SharedGroup, lost_ties, sources
from .matching import Contents, Match, Problem, Rules, matched
from .saving import Path
from .trailer import read_groups

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

    Files of `save` and of ``net.save_parameters``, with ``deduplicate=True`` or without, saved in NumPy mode or not.
    A parameter that the network shares takes whatever the file holds for any of its paths, if it is the same bits. An
    existing Trainer goes on from the loaded values, without the momentum and master copies that it had of them.

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
    SharingError
        Ties are lost; a shared parameter has different values in the file; something is missing, too much, or of
        another shape, dtype or context. Everything is named at once, and the network is as before.
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
    ctx = contexts_asked(ctx, device)
    ctxs = [ctx] if isinstance(ctx, Context) else None if ctx is None else list(ctx)
    held = sources(net, unregistered=False)
    contents = _read(os.fspath(path))
    groups = _within(contents.groups, held)
    lost = lost_ties(held, groups)
    problems = [Problem(why, "ties='apply' ties what the file ties, ties='ignore' does not ask.")
                for _, _, why in lost if ties == "check"]  # fmt: skip
    trusting = ties == "ignore" or _looks_deduplicated(contents, held)
    rules = Rules(ctxs, allow_missing, cast_dtype, dtype_source, trusting)
    matches, unmatched = matched(held, contents, rules)
    problems += unmatched
    if not ignore_extra:
        extra = [each for each in contents.paths if each not in held]
        problems += [Problem(f"{each!r} is in the file, and the network has no such path",
                             "ignore_extra=True passes over what the network has not.") for each in extra]  # fmt: skip
    if problems:
        lines = [f"{os.fspath(path)!r} does not fit the network, which is left as it was:",
                 *(f"  {problem.what}" for problem in problems),
                 *dict.fromkeys(problem.mend for problem in problems if problem.mend)]  # fmt: skip
        raise SharingError("\n".join(lines))
    believed = [] if contents.groups else [path for match in matches for path in match.trusted]
    if believed:
        warn(f"{os.fspath(path)!r} has no tie map; {', '.join(believed)} are believed to have been tied as they are in "
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


def _read(path: str) -> Contents:
    groups = read_groups(path)
    try:
        arrays = read_arrays(path)
    except mx.MXNetError as error:
        said = str(error).strip().splitlines()[-1]
        raise SharingError(f"{path!r} is no .params file, or a broken one ({said}). Expected a file of "
                           f"gluon_initkit.save or net.save_parameters; gluon_initkit.inspect({path!r}) tells more."
                           ) from error  # fmt: skip
    if isinstance(arrays, list):
        if arrays:
            count = counted(len(arrays), "array")
            raise SharingError(f"{path!r} holds {count} without names, so no parameters of a network. "
                               f"Expected a file of gluon_initkit.save or net.save_parameters.")  # fmt: skip
        arrays = {}
    return Contents(arrays, groups)


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
    return not contents.groups and list(contents.arrays) == list(last.values())


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
    mx.nd.waitall()
    with mx.autograd.pause():  # where MXNet records, it refuses a write into a parameter
        fresh = [match for match in matches if match.dtype is not None or state_of(match.param) != "initialized"]
        before = snapshot([match.param for match in fresh])
        done = {id(match.param) for match in fresh if not holds_data(match.param)}
        try:
            for match in fresh:
                if match.dtype is not None:
                    recast(match.param, match.dtype)
                if state_of(match.param) != "initialized":
                    put(match.param, match.array, match.ctxs)
            mx.nd.waitall()
        except BaseException:
            restore(before)
            raise
        if any(match.dtype is not None for match in matches):
            forget_graphs(net)
        for match in matches:
            if id(match.param) not in done:
                put(match.param, match.array, match.ctxs)
        mx.nd.waitall()
