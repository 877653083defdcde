"""`Sharing`: ties declared on a network that exists, checked as a whole, and made all at once or not at all."""

from typing import Any, FrozenSet, List, Tuple

from .._mxnet import mx
from ..parameters import check_block, matcher, show_selector
from .apply import apply_ties, report_row
from .checks import problems
from .errors import SharingError, sharing_refused
from .merge import Tie, TieGroup, tie_groups
from .report import SharingReport
from .targets import Declaration, TargetNotFound, Targets, selectors_in

__all__ = ["Sharing"]


class Sharing:
    """Declare which parameters of a network are to be one. Nothing changes until `apply`.

    A tie replaces the Parameter objects themselves, so it holds through whatever comes after: `hybridize`, `cast`, a
    Trainer, files, `copy.deepcopy`. The order of declarations never matters. Pass the outermost network: a block does
    not know what is around it, so a hybridized network around `net` that has run goes on with the old Parameters until
    its ``hybridize()`` is called; `inspect` says so. A parameter that stands in another network too stays there.

    Parameters
    ----------
    net : Block
        The network, in any state that no Trainer has been made for yet.

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

    def __init__(self, net: Any) -> None:
        check_block(net)
        self._net = net
        self._declared: List[Declaration] = []

    def tie(self, *targets: Any, to: Any = None, transpose: bool = False) -> "Sharing":
        """Declare that all parameters named are one; returns this builder.

        Parameters
        ----------
        *targets : path, selector, Parameter or Block
            A path is ``'decoder.weight'``; selectors are those of `freeze`. A Block stands for its only parameter.
        to : path, selector, Parameter or Block, optional
            Whose Parameter is kept; it belongs to the tie too. Without it, the first in order of traversal is kept.
        transpose : bool
            Whether what the first target names is the transpose of what the second does: two targets, or one and `to`.

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
        *targets : path, glob, regular expression, Block class or Block
            A path is ``'encoder.layers.1'``; of blocks inside each other a pattern or a class names the outermost.
        to : path, glob, regular expression, Block class or Block, optional
            Whose Parameters are kept; it belongs to the tie too. Without it, the first in order of traversal.
        only : selector or list of selectors, optional
            Which of the parameters to share, by their whole paths or by those within the block: ``'weight'``,
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
        """Check everything, then make all ties; where anything speaks against one, change nothing.

        Parameters
        ----------
        values : str
            What becomes of values that differ: ``'keep'`` the kept parameter's, or ``'average'`` all of them. Where the
            kept one has none yet, the first that has some gives them.
        dry_run : bool
            Whether to check and report only.

        Raises
        ------
        SharingError
            All that speaks against it, each problem with both paths.
        """
        return self._apply(values, dry_run, frozenset())

    def _apply(self, values: str, dry_run: bool, yielding: FrozenSet[Any]) -> SharingReport:
        if values not in ("keep", "average"):
            raise ValueError(f"values={values!r}: expected 'keep' or 'average'")
        groups, wrong = self._groups()
        wrong += problems(self._net, groups, values, yielding)
        if wrong:
            raise sharing_refused(wrong)
        report = SharingReport(tuple(report_row(group, values) for group in groups), values, not dry_run)
        if not dry_run:
            apply_ties(self._net, groups, values)
            self._declared.clear()  # what was declared is done, and a Parameter named in it may go
        return report

    def _groups(self) -> Tuple[List[TieGroup], List[str]]:
        """The groups declared, and what of the declarations cannot be."""
        targets = Targets(self._net)
        ties: List[Tie] = []
        wrong: List[str] = []
        for declared in self._declared:
            try:
                ties += targets.ties(declared)
            except TargetNotFound as reason:
                wrong.append(str(reason))
        try:
            return tie_groups(ties, targets.slots), wrong
        except SharingError as contradiction:
            return [], [*wrong, str(contradiction).rstrip(".")]
