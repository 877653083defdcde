"""`freeze`, `unfreeze`, `set_attributes`: which parameters learn, and how fast. Gluon keeps three attributes on each
Parameter, `grad_req`, `lr_mult` and `wd_mult`, which a Trainer reads in every step.
"""

from contextlib import ExitStack
from dataclasses import dataclass
import math
from numbers import Real
from operator import attrgetter
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Set, Tuple

from ..display import Column, Table, TableReport, counted, did_you_mean, listed, path_column, printable
from .info import ParameterInfo, Selector, list_parameters, select_parameters, show_selector

_Change = Tuple[Any, ParameterInfo, str, Any]  # a Parameter, its info, the attribute and the new value


@dataclass(frozen=True)
class AttributeRow:
    """One attribute of one parameter that was changed: ``'grad_req'``, ``'lr_mult'`` or ``'wd_mult'``."""

    path: str
    aliases: Tuple[str, ...]
    attribute: str
    before: Any
    after: Any


@dataclass(frozen=True, repr=False)
class AttributeReport(TableReport[AttributeRow]):
    """The changes by `freeze`, `unfreeze` or `set_attributes`: one row for each attribute of a parameter.

    `selected` is the number of selected parameters, including those that already had the new value.
    """

    rows: Tuple[AttributeRow, ...]
    selected: int

    def _table(self) -> Table:
        changed = len({row.path for row in self.rows})
        title = f"{counted(changed, 'parameter')} changed, {self.selected} selected"
        return Table(title, _COLUMNS, self.rows)


_COLUMNS = (
    path_column(),
    Column("attribute", attrgetter("attribute")),
    *(Column(when, attrgetter(when), number=True) for when in ("before", "after")),
)


def freeze(net: Any, select: Selector = "*") -> AttributeReport:
    """Stop parameters from learning: no gradient is computed for them, and no Trainer changes them.

    Parameters
    ----------
    net : Block
        May be in any state: deferred or not, hybridized or not, with a Trainer or without one.
    select : selector
        Which parameters: a glob over paths, a role, a compiled regular expression, a Block class, or a callable; by
        default all. A selector that selects nothing raises a ValueError.

    Returns
    -------
    AttributeReport
        The parameters whose `grad_req` is ``'null'`` now and was not before.

    Notes
    -----
    A Trainer skips a frozen parameter, including its weight decay. Its momentum continues after `unfreeze`.
    BatchNorm's running statistics are not trainable parameters: they change in a backward pass through the layer, if
    earlier parameters learn. ``use_global_stats=True`` keeps them.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(8, in_units=4), mx.gluon.nn.Dense(2, in_units=8))
    >>> [row.path for row in ik.freeze(net, "0.*")]
    ['0.weight', '0.bias']
    """
    chosen = _selected(net, select)
    return _apply([(param, info, "grad_req", "null") for param, info in chosen], len(chosen))


def unfreeze(net: Any, select: Selector = "*") -> AttributeReport:
    """Undo `freeze`: each frozen parameter gets its earlier `grad_req` again. Other parameters do not change.

    Parameters
    ----------
    net : Block
    select : selector
        As for `freeze`.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(2, in_units=8)
    >>> ik.freeze(net)["weight"].after, ik.unfreeze(net, "weight")["weight"].after, net.bias.grad_req
    ('null', 'write', 'null')
    """
    from .._mxnet.parameter import frozen_from

    chosen = _selected(net, select)
    changes = [(param, info, "grad_req", frozen_from(param)) for param, info in chosen if frozen_from(param)]
    return _apply(changes, len(chosen))


def set_attributes(net: Any, settings: Sequence[Tuple[Selector, Mapping[str, Any]]]) -> AttributeReport:
    """Set `grad_req`, `lr_mult` and `wd_mult` of selected parameters. If one setting fails, nothing changes.

    Parameters
    ----------
    net : Block
        As for `freeze`.
    settings : sequence of (selector, dict)
        Such as ``[('features.*', {'lr_mult': 0.1}), ('*.bias', {'wd_mult': 0})]``. If two entries set the same
        attribute of a parameter, the later one wins.

    Raises
    ------
    ValueError, TypeError
        A selector is invalid or selects nothing; an attribute is not one of the three; a value is invalid (`grad_req`
        is ``'write'``, ``'add'`` or ``'null'``, a multiplier is a finite number of at least 0); `grad_req` is set on
        parameters that have no gradient; or a multiplier is set while a Trainer updates on the servers of a
        distributed kvstore, which ignore multipliers.

    Notes
    -----
    In layer-wise decay [1]_, the rate of layer ``i`` of ``n``, counted from the input, is ``decay ** (n - i)`` times
    the rate of the head.

    .. [1] Clark et al., "ELECTRA", 2020, arXiv:2003.10555, appendix A.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(*(mx.gluon.nn.Dense(4, in_units=4) for _ in range(3)))
    >>> decay, last = 0.5, len(net) - 1
    >>> report = ik.set_attributes(net, [(f"{i}.*", {"lr_mult": decay ** (last - i)}) for i in range(len(net))])
    >>> [layer.weight.lr_mult for layer in net]
    [0.25, 0.5, 1.0]
    """
    from .._mxnet.parameter import may_learn
    from .._mxnet.trainer import ignores_multipliers

    if isinstance(settings, Mapping):
        settings = list(settings.items())
    pairs = list(settings) if isinstance(settings, Iterable) and not isinstance(settings, str) else [settings]
    for pair in pairs:
        if not (isinstance(pair, (tuple, list)) and len(pair) == 2 and isinstance(pair[1], Mapping)):
            raise TypeError(printable(f"expected pairs of a selector and a dict, such as ('features.*', "
                                      f"{{'lr_mult': 0.1}}), found {pair!r:.80}"))  # fmt: skip
    changes: Dict[Tuple[int, str], _Change] = {}
    selected_paths: Set[Any] = set()
    for selector, attributes in pairs:
        chosen = _selected(net, selector)
        selected_paths.update(info.path for _, info in chosen)
        for name, value in attributes.items():
            _check(name, value)
            targets = chosen
            if name == "grad_req" and value != "null":
                targets = [(param, info) for param, info in chosen if may_learn(param)]
                if not targets:
                    paths = listed([info.label for _, info in chosen], 10)
                    raise ValueError(printable(f"grad_req={value!r} is for parameters that learn; "
                                               f"{show_selector(selector)} selects constants or running statistics "
                                               f"alone: {paths}"))  # fmt: skip
            for param, info in targets:
                if name != "grad_req" and ignores_multipliers(param) and getattr(param, name) != value:
                    raise ValueError(f"{printable(info.label)}: {name} would have no effect, since a Trainer updates "
                                     f"it on the servers of a distributed kvstore, which know no multipliers. Make the "
                                     f"Trainer with update_on_kvstore=False.")  # fmt: skip
                changes[id(param), name] = param, info, name, value
    return _apply(list(changes.values()), len(selected_paths))


def _check(name: str, value: Any) -> None:
    if name == "grad_req":
        valid, expected = value in ("write", "add", "null"), "'write', 'add' or 'null'"
    elif name in ("lr_mult", "wd_mult"):
        number = isinstance(value, Real) and not isinstance(value, bool)
        valid, expected = number and math.isfinite(value) and value >= 0, "a finite number of at least 0"
    else:
        hint = did_you_mean(name, ["grad_req", "lr_mult", "wd_mult"])
        raise ValueError(printable(f"{name!r} is no attribute that can be set here; {hint}"))
    if not valid:
        raise ValueError(printable(f"{name} is {value!r}: expected {expected}"))


def _selected(net: Any, selector: Any) -> List[Tuple[Any, ParameterInfo]]:
    return [(param, info) for param, _, info in select_parameters(list_parameters(net), selector)]


def _apply(changes: Sequence[_Change], selected: int) -> AttributeReport:
    """Make the changes that change a value: all of them, or none if one fails."""
    from .._mxnet.state import interrupts_held, set_grad_req

    changes = [change for change in changes if getattr(change[0], change[2]) != change[3]]
    rows = tuple(AttributeRow(info.label, info.aliases, name, getattr(param, name), value)
                 for param, info, name, value in changes)  # fmt: skip
    with interrupts_held(), ExitStack() as undo:
        for param, _, name, value in changes:
            if name == "grad_req":
                undo.callback(set_grad_req(param, value))
            else:
                undo.callback(setattr, param, name, getattr(param, name))
                setattr(param, name, value)
        undo.pop_all()
    return AttributeReport(rows, selected)
