"""Find the shared parameters of a network, and check that expected ties still hold. Changes nothing.

A tie is two paths that lead to one Parameter object, or to a Parameter and its transpose. Two Parameters over one
buffer are not a tie: each has its own gradient and optimizer state, and the next `cast` separates them.
"""

from dataclasses import dataclass
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from .._mxnet.tree import parameters_by_path
from ..display import counted
from ..parameters import check_block
from .errors import SharingError, ten_lines

Sources = Dict[str, Tuple[Any, bool]]  # by path: the Parameter that holds the values, and whether it is seen transposed


@dataclass(frozen=True)
class SharedGroup:
    """Paths that share one parameter. Plain data: it can be pickled, compared and written as JSON.

    Messages name the parameter by its `canonical` path. `aliases` are its other paths in order of traversal, and
    `transposed` are the aliases at which it appears transposed.
    """

    canonical: str
    aliases: Tuple[str, ...]
    transposed: Tuple[str, ...] = ()

    paths = property(lambda self: (self.canonical, *self.aliases), doc="The canonical path, then the aliases.")


def shared_groups(net: Any) -> Tuple[SharedGroup, ...]:
    """Find the shared parameters of a network, tied by ``params=`` or MXNet 2's ``share_parameters``, by one block used
    twice, by one Parameter assigned to several attributes, or by `gluon_initkit`.

    The groups are in order of traversal. The canonical path is the first at which the parameter is not transposed.

    Parameters
    ----------
    net : Block
        May be in any state.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(*ik.shared_layers(lambda: mx.gluon.nn.Dense(4, in_units=4, use_bias=False), n=2))
    >>> [group.paths for group in ik.shared_groups(net)]
    [('0.weight', '1.weight')]
    """
    return groups_of(sources(net))


def groups_of(held: Sources) -> Tuple[SharedGroup, ...]:
    """The groups among the sources of a network."""
    paths: Dict[int, List[str]] = {}
    for path, (source, _) in held.items():
        paths.setdefault(id(source), []).append(path)
    return tuple(group_of(group, {path for path in group if held[path][1]})
                 for group in paths.values() if len(group) > 1)  # fmt: skip


def group_of(paths: Iterable[str], transposed: Set[str], canonical: Optional[str] = None) -> SharedGroup:
    """The group of these paths; `transposed` are all paths with one of the two orientations."""
    paths = list(paths)
    if canonical is None:
        canonical = next((path for path in paths if path not in transposed), paths[0])
    flipped = canonical in transposed
    aliases = tuple(path for path in paths if path != canonical)
    return SharedGroup(canonical, aliases, tuple(path for path in aliases if (path in transposed) != flipped))


def sources(net: Any, unregistered: bool = True) -> Sources:
    """By path, in order of traversal: the Parameter that holds the values, and whether the path sees it transposed."""
    check_block(net)
    return {path: source_and_side(param) for path, param in parameters_by_path(net, unregistered).items()}


def source_and_side(param: Any) -> Tuple[Any, bool]:
    """The Parameter that holds the values of `param`, and whether `param` shows them transposed."""
    transposed = False
    while getattr(param, "transposed_of", None) is not None:
        param, transposed = param.transposed_of, not transposed
    return param, transposed


def check_sharing(net: Any, groups: Any) -> None:
    """Raise a `SharingError` unless every tie of `groups` still holds in `net`. It names both paths of each lost tie.

    Parameters
    ----------
    net : Block
    groups : SharedGroup, iterable of SharedGroup, or SharingReport
        An earlier result of `shared_groups` or ``Sharing.apply()``. It does not matter which path is canonical, or
        which other parameters are shared.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(4, in_units=4), mx.gluon.nn.Dense(4, in_units=4))
    >>> check_sharing(net, SharedGroup("0.weight", ("1.weight",)))
    Traceback (most recent call last):
    gluon_initkit.sharing.errors.SharingError: 1 tie is lost:
      '1.weight' should share the parameter of '0.weight', and is another parameter.
    Tie them again: gluon_initkit.Sharing(net).tie('1.weight', '0.weight').apply().
    """
    expected = (groups,) if isinstance(groups, SharedGroup) else tuple(getattr(groups, "groups", groups))
    for group in expected:
        if not isinstance(group, SharedGroup):
            raise TypeError(f"expected SharedGroup records, or a SharingReport, found {group!r:.80}")
    lost = lost_ties(sources(net), expected)
    if not lost:
        return
    group, alias, _ = lost[0]
    transpose = ", transpose=True" if alias in group.transposed else ""
    raise SharingError(
        f"{counted(len(lost), 'tie is', 'ties are')} lost:{ten_lines([f'{reason}.' for _, _, reason in lost])}\n"
        f"Tie them again: gluon_initkit.Sharing(net).tie({alias!r}, {group.canonical!r}{transpose}).apply()."
    )


def lost_ties(held: Sources, groups: Iterable[SharedGroup]) -> List[Tuple[SharedGroup, str, str]]:
    """Every tie of `groups` that does not hold: its group, the alias, and a sentence with the reason."""
    lost = []
    for group in groups:
        transposed_aliases = set(group.transposed)
        for alias in group.aliases:
            missing = next((path for path in (alias, group.canonical) if path not in held), None)
            source, flipped = held.get(group.canonical, (None, False))
            alias_source, alias_flipped = held.get(alias, (None, False))
            transposed = alias in transposed_aliases
            reason = (f"the network has no parameter {missing!r}" if missing is not None else
                      "is another parameter" if source is not alias_source else
                      "" if (flipped != alias_flipped) == transposed else
                      "shares it untransposed" if transposed else "shares it transposed")  # fmt: skip
            if reason:
                lost.append((group, alias, f"{alias!r} should share the parameter of {group.canonical!r}"
                                           f"{', transposed' if transposed else ''}, and {reason}"))  # fmt: skip
    return lost
