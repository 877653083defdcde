"""Make and unmake ties. `Sharing` ties parameters of an existing network: it checks all ties, then makes all or none.
`shared_layers` and `sharing_scope` tie new blocks by the same builder. `untie` gives a path its own parameter.
"""

from contextlib import contextmanager
from dataclasses import dataclass
import math
from operator import attrgetter
from typing import Any, Callable, Dict, FrozenSet, Iterator, List, NamedTuple, Optional, Tuple

import numpy

from .._mxnet import backend, mx
from .._mxnet.arrays import bits_of, wait_for
from .._mxnet.instrument.patches import new_blocks
from .._mxnet.parameter import allows_deferral, arrays_of, contexts_of, source_of, state_of
from .._mxnet.state import interrupts_held, restoring
from .._mxnet.ties import (
    Move,
    Transposed,
    copy_state,
    exchange,
    independent_copy,
    mean_arrays,
    redeclare,
    replace_arrays,
    slots,
)
from .._mxnet.trainer import is_trained
from .._mxnet.tree import parameters_in_containers, walk
from ..display import Column, Table, TableReport, braced_paths, path_column, shape_column
from ..display.words import counted, listed, printable, size_text, warn
from ..parameters import check_block, did_you_mean_path, list_parameters, matcher, named_memory_errors, show_selector
from .checks import has_chosen_initializer, merged_shape, problems, why_fixed
from .errors import SharingError, sharing_refused
from .groups import SharedGroup
from .targets import Declaration, Member, Targets, TieGroup, selectors_in


@dataclass(frozen=True)
class SharingRow:
    """One group of paths that share a parameter. The parameter of the canonical path is kept.

    Attributes
    ----------
    path, aliases, transposed : str, tuple of str, tuple of str
        The fields of the `group`.
    shape : tuple of (int or None), or None
        The shape, with each size that at least one of the parameters knows.
    saved : int
        The bytes of values that the tie saves or would save, over all contexts. Gradients save the same again.
    dropped : tuple of str
        The paths that had other values. These are lost, or part of the mean with ``values='average'``.
    values_from : str or None
        The path whose values are kept: the canonical one, or another if it has no values yet. None if no parameter has
        values, or if the mean is taken.
    """

    group: SharedGroup
    shape: Optional[Tuple[Optional[int], ...]]
    dtype: str
    saved: int
    dropped: Tuple[str, ...]
    values_from: Optional[str]

    path = property(attrgetter("group.canonical"))
    aliases = property(attrgetter("group.aliases"))
    transposed = property(attrgetter("group.transposed"))


@dataclass(frozen=True, repr=False)
class SharingReport(TableReport[SharingRow]):
    """The result of ``Sharing.apply()``: a row for each group, in order of traversal.

    `values` is ``'keep'`` or ``'average'``; `applied` is False after ``dry_run=True``.
    """

    rows: Tuple[SharingRow, ...]
    values: str
    applied: bool

    groups = property(lambda self: tuple(row.group for row in self.rows), doc="All groups, for `check_sharing`.")
    saved = property(lambda self: sum(row.saved for row in self.rows), doc="The bytes of values saved by all groups.")
    dropped = property(lambda self: tuple(path for row in self.rows for path in row.dropped),
                       doc="All paths whose values differed from the kept ones.")  # fmt: skip

    def _table(self) -> Table:
        what = "Shared" if self.applied else "Would be shared (dry run)"
        title = f"{what}: {counted(len(self.rows), 'group')}, {size_text(self.saved)} saved"
        were = "were averaged" if self.values == "average" else "are dropped"
        note = f"{counted(len(self.dropped), 'path')} had other values, which {were}: {listed(self.dropped, 6)}."
        return Table(title, _COLUMNS, self.rows, (note,) if self.dropped else (),
                     lambda row: "changed" if row.dropped else "")  # fmt: skip


_COLUMNS = (
    path_column(),
    shape_column(),
    Column("dtype", attrgetter("dtype"), hoist="{}"),
    Column("saved", attrgetter("saved"), show=size_text, fold="sum", number=True),
    Column("values of", lambda row: "averaged" if row.dropped and not row.values_from else
           row.values_from if row.values_from != row.path else None),
    Column("other values", lambda row: ", ".join(braced_paths(row.dropped))),
)  # fmt: skip


class Sharing:
    """Declare which parameters of a network become one shared parameter. Nothing changes until `apply`.

    A tie replaces the Parameter objects themselves, so it survives `hybridize`, `cast`, a Trainer, files and
    `copy.deepcopy`. The order of declarations never matters. Another network that holds a replaced parameter keeps it.

    Parameters
    ----------
    net : Block
        The outermost network, before a Trainer is made. If a hybridized network around it has run, that one uses the
        old Parameters until its ``hybridize()`` is called; `inspect` reports this.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Embedding(9, 4), mx.gluon.nn.Dense(9, in_units=4, flatten=False))
    >>> report = Sharing(net).tie("1.weight", "0.weight").apply()
    >>> report.groups
    (SharedGroup(canonical='0.weight', aliases=('1.weight',), transposed=()),)
    >>> net[0].weight is net[1].weight
    True
    """

    _newborn: FrozenSet[Any] = frozenset()  # the parameters of blocks that were just built

    def __init__(self, net: Any) -> None:
        check_block(net)
        self._net = net
        self._declared: List[Declaration] = []
        self._asked = False  # whether `apply` was called

    def tie(self, *targets: Any, to: Any = None, transpose: bool = False) -> "Sharing":
        """Declare that all these parameters become one; returns this builder.

        Parameters
        ----------
        *targets, to : path, selector, Parameter or Block
            A path is ``'decoder.weight'``; selectors are those of `freeze`. A Block means its only parameter. `to` is
            the Parameter to keep, and belongs to the tie too; by default the first in order of traversal is kept.
        transpose : bool
            Whether the first target is the transpose of the second. Takes two targets, or one target and `to`.

        Examples
        --------
        >>> net = mx.gluon.nn.HybridSequential()
        >>> net.add(mx.gluon.nn.Dense(3, in_units=4), mx.gluon.nn.Dense(4, in_units=3))
        >>> report = Sharing(net).tie("1.weight", "0.weight", transpose=True).apply()
        >>> net[1].weight.shape, net[0].weight.shape, report.groups[0].transposed
        ((4, 3), (3, 4), ('1.weight',))
        """
        for target in (*targets, *([] if to is None else [to])):
            if not isinstance(target, (mx.gluon.Parameter, mx.gluon.Block)):
                matcher(target)
        self._declared.append(Declaration(targets, to, transpose=transpose))
        return self

    def tie_blocks(self, *targets: Any, to: Any = None, only: Any = None) -> "Sharing":
        """Declare that blocks of one structure share their parameters, each with its counterpart; returns this builder.

        Parameters
        ----------
        *targets, to : path, glob, regular expression, Block class or Block
            A path is ``'encoder.layers.1'``. Of nested blocks, a pattern or a class names the outermost. `to` is the
            block of the Parameters to keep; by default the first in order of traversal.
        only : selector or list of selectors, optional
            The parameters to share, selected by their full paths or their paths within the block: ``'weight'``,
            ``['hidden.*', 'head.bias']``.
        """
        for target in (*targets, *([] if to is None else [to])):
            names = isinstance(target, (str, mx.gluon.Block)) or hasattr(target, "search")
            if not names and not (isinstance(target, type) and issubclass(target, mx.gluon.Block)):
                raise TypeError(f"{show_selector(target)} names no blocks; expected a path, a glob over blocks' paths, "
                                f"a compiled regular expression, a Block class, or a Block")  # fmt: skip
        for selector in selectors_in(only):
            matcher(selector)
        self._declared.append(Declaration(targets, to, blocks=True, only=only))
        return self

    def apply(self, values: str = "keep", dry_run: bool = False) -> SharingReport:
        """Check everything, then make all ties. If there are problems, raise a `SharingError` and change nothing.

        Parameters
        ----------
        values : str
            If values differ, ``'keep'`` keeps the kept parameter's, ``'average'`` takes the mean of all. A kept
            parameter without values takes those of the first parameter that has some.
        dry_run : bool
            Whether to only check and report.
        """
        self._asked = True
        if values not in ("keep", "average"):
            raise ValueError(f"values={values!r}: expected 'keep' or 'average'")
        groups, reasons = Targets(self._net).groups(self._declared)
        reasons += problems(self._net, groups, values, self._newborn)
        if reasons:
            raise sharing_refused(reasons)
        outcomes = [_outcome(group, values) for group in groups]
        report = SharingReport(tuple(outcome.row for outcome in outcomes), values, not dry_run)
        if dry_run:
            return report
        outcomes = [outcome for outcome in outcomes if outcome.group.dropped]
        moves: List[Move] = []
        for group, *_ in outcomes:
            transpose = Transposed(group.kept.param)
            moves += [(slot, transpose if transposed else group.kept.param)
                      for member in group.dropped for slot, transposed in member.places]  # fmt: skip
        changed = restoring([outcome.group.kept.param for outcome in outcomes])
        # An interrupt between the two contexts would restore the values, and leave the ties.
        with interrupts_held(), changed, exchange(self._net, moves):
            for group, row, init, source, averaged in outcomes:
                kept = group.kept
                with named_memory_errors(kept.path, kept.param, SharingError):
                    deferrable = any(allows_deferral(member.param) for member in group.members)
                    redeclare(kept.param, row.shape, init, deferrable)
                    if source is not None and source is not kept:
                        copy_state(kept.param, source.param, source.transposed)
                    if averaged:
                        replace_arrays(kept.param, mean_arrays(averaged))
                    wait_for(arrays_of(kept.param))
        self._declared.clear()  # it is applied, and Parameters named in it need not be kept alive
        return report

    def __del__(self) -> None:
        if getattr(self, "_declared", None) and not self._asked:
            warn("a Sharing was declared and forgotten, so nothing is shared: call .apply() on it")

    def __repr__(self) -> str:
        declared = "; ".join(map(str, self._declared)) or "nothing is declared"
        return printable(f"<{type(self).__name__} of {type(self._net).__name__}: {declared:.200}>")


class _Outcome(NamedTuple):
    """The future of a group's parameter."""

    group: TieGroup
    row: SharingRow
    init: Any  # an initializer that a user chose, else a layer's default
    source: Optional[Member]  # the member whose values it takes: the first initialized one, else the first deferred one
    averaged: List[Tuple[Any, bool]]  # the Parameters of which it is the mean, and whether each is transposed


def _outcome(group: TieGroup, values: str) -> _Outcome:
    initialized = [member for member in group.members if arrays_of(member.param)]
    differing = []
    if len(initialized) > 1:
        bits = (bits_of(arrays_of(member.param)[0], member.transposed) for member in initialized)
        first = next(bits)
        differing = [member.path for member, other in zip(initialized[1:], bits) if other != first]
    declared = [member for member in group.members if member.param.init is not None]
    chosen = max(declared, key=lambda member: has_chosen_initializer(member.param), default=group.kept)
    pending = [member for member in (chosen, *group.members) if state_of(member.param) == "deferred"]
    source = next(iter(initialized or pending), None)
    averaged = [(member.param, member.transposed) for member in initialized if values == "average" and differing]
    dtype, shape = numpy.dtype(group.kept.param.dtype), merged_shape(group)[0]
    size = dtype.itemsize * math.prod(size or 0 for size in (shape if shape is not None else (0,)))
    saved = size * sum(len(contexts_of(member.param) or (None,)) for member in group.dropped)
    values_from = None if source is None or averaged else source.path
    row = SharingRow(group.group, shape, dtype.name, saved, tuple(differing), values_from)
    return _Outcome(group, row, chosen.param.init, source, averaged)


def untie(net: Any, path: str) -> None:
    """Give one path of a shared parameter its own copy, with values, gradients, initializer and multipliers.

    The other paths stay tied. After an error nothing has changed.

    Parameters
    ----------
    net, path : Block, str
        The network, as for `Sharing`; and a path of a shared parameter, ``'decoder.weight'``.

    Raises
    ------
    SharingError
        The path is not shared, or cannot get its own parameter; the message says why.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(*ik.shared_layers(lambda: mx.gluon.nn.Dense(4, in_units=4), n=2))
    >>> untie(net, "1.weight")
    >>> net[1].weight is net[0].weight, net[1].bias is net[0].bias
    (False, True)
    """
    check_block(net)
    by_path = {slot.path: slot for slot in slots(net)}
    if path not in by_path:
        hint = did_you_mean_path(path, [info for _, _, info in list_parameters(net)])
        raise sharing_refused([f"no parameter has the path {path!r}; {hint}"])
    slot = by_path.pop(path)
    source = source_of(slot.param)
    others = [other for other in by_path.values() if source_of(other.param) is source]
    if not others:
        raise sharing_refused([f"{path!r} shares its parameter with no other path; shared_groups(net) tells what is "
                               f"shared"])  # fmt: skip
    reasons = [f"{path!r} and {other.path!r} are one parameter of one block that stands in the network twice, where no "
               f"slot of its own is: build two blocks and tie what they share"
               for other in others if other.block is slot.block and other.key == slot.key][:1]  # fmt: skip
    subject = f"{path!r} and {others[0].path!r} cannot be parted:"
    reason = why_fixed(slot, parameters_in_containers([(path.rpartition(".")[0], slot.block)]))
    if reason:
        reasons.append(f"{subject} {reason}; untie the other path")
    if is_trained(source):
        reasons.append(f"{subject} a Trainer updates their parameter, and would not update the copy; call "
                     f"gluon_initkit.release(trainer), untie, and make another Trainer")  # fmt: skip
    if reasons:
        raise sharing_refused(reasons)
    leaving, transposed = [slot], slot.param is not source
    if not transposed and all(other.param is not source for other in others):
        leaving, transposed = others, True  # all others see it transposed: the copy is theirs, and is not transposed
    used_names = {place.param.name for place in (slot, *by_path.values())}
    name = wanted = f"{backend.prefix_of(leaving[0].block)}{leaving[0].key}"  # the name that Gluon would give it
    number = 1
    while name in used_names:
        name, number = f"{wanted}{number}", number + 1
    with named_memory_errors(path, source, SharingError):
        copy = independent_copy(source, name, transposed)
        wait_for(arrays_of(copy))
    with interrupts_held(), exchange(net, [(place, copy) for place in leaving]):
        pass


def shared_layers(factory: Callable[[], Any], n: int, only: Any = None) -> List[Any]:
    """Build `n` layers that share their parameters, as ALBERT's do (Lan et al., 2019, arXiv:1909.11942).

    A shape that one of them infers becomes the shape of all.

    Parameters
    ----------
    factory, n : callable, int
        Called `n` times; builds and returns a new Block each time. In a ``name_scope()``, names are as usual.
    only : selector or list of selectors, optional
        The parameters to share, ``'weight'``; all by default.

    Raises
    ------
    SharingError
        The layers differ in structure, or `factory` returned one Block twice.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(*shared_layers(lambda: mx.gluon.nn.Dense(4), n=3, only="weight"))
    >>> net.initialize()
    >>> _ = net(mx.nd.ones((2, 4)))
    >>> net[2].weight is net[0].weight, net[2].weight.shape
    (True, (4, 4))
    """
    if isinstance(factory, mx.gluon.Block) or not callable(factory):
        raise TypeError(f"factory is {factory!r:.80}: expected a function that makes a Block, `lambda: nn.Dense(4)`")
    if n < 1:
        raise ValueError(f"n={n!r}: expected at least one layer")
    layers = [factory() for _ in range(n)]
    for layer in layers:
        if not isinstance(layer, mx.gluon.Block):
            kind = printable(type(layer).__name__)
            raise TypeError(f"factory returned {layer!r:.80}, a {kind}; expected a new Block each time")
    if len({id(layer) for layer in layers}) < n:
        raise SharingError("factory returned one Block more than once, which shares everything, and its place in the "
                           "network too; expected a new Block each time: pass `lambda: nn.Dense(...)`")  # fmt: skip
    _tie({str(number): layer for number, layer in enumerate(layers)}, only)
    return layers


@contextmanager
def sharing_scope(donor: Any, only: Any = None) -> Iterator[None]:
    """Blocks that are built in this context take the parameters of `donor`. They must have its structure.

    MXNet 1's ``params=`` matches names, and silently creates missing parameters; this matches paths, and raises.

    Parameters
    ----------
    donor, only : Block, selector or list of selectors
        The block whose Parameters are taken; and a selection of these, ``'weight'``, all by default.

    Raises
    ------
    SharingError
        At the end of the context: a block differs from the donor in structure or declarations, or none was built.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4, in_units=4))
    >>> with sharing_scope(net[0]):
    ...     net.add(mx.gluon.nn.Dense(4, in_units=4, activation="relu"))
    >>> net[1].weight is net[0].weight
    True
    """
    if not isinstance(donor, mx.gluon.Block):
        raise TypeError(f"expected a Block to share with, found {printable(type(donor).__name__)}: {donor!r:.80}")
    with new_blocks() as living:
        yield
    built = [block for block in living if not isinstance(block, _Holder)]
    within = {id(below) for block in built for path, below in walk(block) if path}
    takers = [block for block in built if id(block) not in within and slots(block)]
    if not takers:
        raise SharingError("sharing_scope: no block with parameters was built inside, by this thread")
    named = {f"the {type(donor).__name__} to share with": donor}
    for number, block in enumerate(takers, 1):
        count = f", number {number}" if len(takers) > 1 else ""
        named[f"the {type(block).__name__} built inside{count}"] = block
    _tie(named, only)


class _Holder(mx.gluon.Block):
    """A temporary network around the blocks that are being tied."""


def _tie(named: Dict[str, Any], only: Any) -> None:
    """Tie blocks to the first of them. `named` has the names for messages."""
    donor, *others = named.values()
    if others:
        holder = backend.unnamed(_Holder)  # so that Gluon's counters, and with them later names, do not change
        for name, block in named.items():
            holder.register_child(block, name)
        sharing = Sharing(holder).tie_blocks(*others, to=donor, only=only)
        sharing._newborn = frozenset(slot.param for block in others for slot in slots(block))
        sharing.apply()
