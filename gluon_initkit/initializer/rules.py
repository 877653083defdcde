"""`Rules`: initializers by selector. What `mx.init.Mixed` promised, on Gluon.

Which initializer wins is `dispatch`'s; this is only the step "the matching rule" of it. What a rule's initializer does
with a parameter follows from what the rule selects: a rule that takes whole layers (``'*'``, ``nn.Dense``) goes by
roles, as a network-level initializer does; one that would not take the layer's weight as well (``'*.bias'``) names that
parameter, so the initializer fills it as ``bias_initializer=`` would. A constant fills whatever its rule selects.
"""

import dataclasses
from numbers import Real
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

import numpy

from .._mxnet import mx
from ..display import listed, printable, warn
from ..parameters import ParameterInfo, explain_no_match, matcher, selector_from_json, selector_to_json, show_selector
from .corrected import as_initializer, corrected
from .dispatch import Choice, Decision, Uncovered, choose, explicit_choice, overrides, refuse_uncovered
from .errors import InitializationError
from .initializer import Initializer
from .serialization import as_json, shown

__all__ = ["Rules"]


class Rules(Initializer):
    """Initializers by selector; the first rule that matches wins.

    Parameters
    ----------
    rules : sequence of (selector, initializer)
        A selector is a glob over paths (``'*.bias'``), a role (``'bias'``), a compiled regular expression, a Block
        class, or a callable that gets a `ParameterInfo`. An initializer is an instance (another `Rules` too), a
        registered name, a number, or an array of the parameter's shape.
    default : initializer, optional
        For what no rule matches. Without it, layers keep their defaults, and a weight that no rule matches is an error.
    override_layers : bool
        Whether a matching rule goes before an explicit initializer of the layer. A `gluon.Constant` keeps its value.
    strict : bool
        Whether a rule that decides no parameter of the network is an error instead of a warning: it matches none, or
        what it matches is decided before, by another rule or a layer's own initializer.

    Raises
    ------
    TypeError, ValueError
        A selector is none, or an initializer is none. The message names the rule.
    InitializationError
        While filling, before the network's first array is written: parameters that nothing covers, all of them listed;
        with ``strict``, rules that decide nothing.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(2, in_units=2), mx.gluon.nn.Dense(2, in_units=2))
    >>> net.initialize(Rules([("0.bias", 0.5), ("bias", 0.1)], default="xavier"))
    >>> net[0].bias.data().asnumpy().tolist(), net[1].bias.data().asnumpy().round(3).tolist()
    ([0.5, 0.5], [0.10000000149011612, 0.10000000149011612])
    """

    _registered_name = "gluon_initkit.rules"

    def __init__(
        self,
        rules: Sequence[Tuple[Any, Any]],
        default: Any = None,
        override_layers: bool = False,
        strict: bool = False,
    ) -> None:
        super().__init__()
        if isinstance(rules, (str, Mapping)) or not isinstance(rules, Iterable):
            raise TypeError(f"rules is {rules!r:.80}: expected a list of pairs (selector, initializer)"
                            f"{'; of a dict, list(rules.items())' if isinstance(rules, Mapping) else ''}")  # fmt: skip
        self.rules = [_checked(number, rule) for number, rule in enumerate(rules, 1)]
        self.default = None if default is None else _made("default", default)
        self.override_layers = override_layers
        self.strict = strict
        self.__setstate__({})

    def _choose(self, info: ParameterInfo, layer_default: Any) -> Decision:
        for number, (matches, (selector, initializer)) in enumerate(zip(self._matchers, self.rules), 1):
            if not _ask(matches, selector, info):
                continue
            why = f"rule {number}"
            named = isinstance(initializer, _CONSTANTS) or not _ask(matches, selector, _as_weight(info))
            if named and not overrides(initializer, "__call__"):
                return explicit_choice(initializer, info, why)
            decision = corrected(initializer)._choose(info, layer_default)
            if not isinstance(decision, Choice) or decision.why == "layer default":
                return decision
            # The base class fills by its own hooks; a parameter of no role goes to the weight hook of the rule's own.
            own = decision.why != "base" or decision.hook == "_init_weight"
            return dataclasses.replace(decision, why=why) if own else decision
        if self.default is not None:
            return corrected(self.default)._choose(info, layer_default)
        decision = super()._choose(info, layer_default)
        if isinstance(decision, Choice):
            return decision
        return Uncovered("no rule matches it and there is no default", "add a rule, or pass Rules(..., default=)")

    def idle(self, network: Sequence[Tuple[ParameterInfo, Any, bool]]) -> Dict[int, str]:
        """The rules that decide no parameter of a network, by number, and why; no reason where they match none.

        Parameters
        ----------
        network : sequence of (ParameterInfo, initializer, bool)
            Each parameter, what it was declared with, and whether it is a Constant.

        Returns
        -------
        dict of int to str

        Examples
        --------
        >>> bias = ParameterInfo("0.bias", (), "dense0_bias", "bias", (4,), "float32")
        >>> Rules([("*", "xavier"), ("bias", 0.1), ("gamma", 2)]).idle([(bias, "zeros", False)])
        {1: "the layers' own defaults fill 0.bias", 2: "rule 1 ('*') takes 0.bias before", 3: ''}
        """
        decisions = [self._decided(*each) for each in network]
        found: Dict[int, str] = {}
        for number, (matches, (selector, _)) in enumerate(zip(self._matchers, self.rules), 1):
            if f"rule {number}" in decisions:
                continue
            reasons: Dict[Tuple[str, str], List[str]] = {}
            for (info, _, constant), why in zip(network, decisions):
                if _ask(matches, selector, info):
                    reasons.setdefault(self._instead(number, info, why, constant), []).append(info.label)
            found[number] = "; ".join(f"{start}{listed(labels, 3)}{end}" for (start, end), labels in reasons.items())
        return found

    def _decided(self, info: ParameterInfo, declared: Any, constant: bool) -> str:
        try:
            decision = choose(self, info, declared, constant)
        except InitializationError:  # of what is to be filled it was raised before
            return ""
        return decision.why if isinstance(decision, Choice) else ""

    def _instead(self, number: int, info: ParameterInfo, why: str, constant: bool) -> Tuple[str, str]:
        """What decides a parameter that a rule matches instead of that rule: the words around its path."""
        if constant:
            return "Constants keep their own values: ", ""
        if why == "layer":
            return "explicit initializers of the layers fill ", " (override_layers=True lets the rule go before them)"
        for before, (matches, (selector, _)) in enumerate(zip(self._matchers[: number - 1], self.rules), 1):
            if _ask(matches, selector, info):
                return f"rule {before} ({show_selector(selector)}) takes ", " before"
        return "the layers' own defaults fill ", ""

    def _targets(self) -> List[Any]:
        initializers = [initializer for _, initializer in self.rules]
        initializers += [self.default] if self.default is not None else []
        return [target for initializer in initializers for target in corrected(initializer)._targets()]

    def _audits(self) -> bool:
        return True

    def _look_over(self, network: Sequence[Tuple[ParameterInfo, Any, bool]]) -> None:
        refuse_uncovered([info for info, _, _ in network], [choose(self, *each) for each in network])
        self._review(network)

    def _review_without_network(self, param: Any) -> None:
        if param is not None:
            self._refuse_paths(param.name)
            return
        if Rules in self._audited:
            return
        self._audited.add(Rules)
        idle = [f"rule {number} ({show_selector(selector)})" for number, (selector, _) in enumerate(self.rules, 1)
                if isinstance(selector, type) or (isinstance(selector, str) and "." in selector)]  # fmt: skip
        if idle:
            self._complain(f"{' and '.join(idle)} cannot match here. {_BY_NAME}")

    def _complain(self, message: str) -> None:
        if self.strict:
            raise InitializationError(f"{message}. Mend the rules, or drop strict=True.")
        warn(message)

    def _refuse_paths(self, name: str) -> None:
        """Raise where a rule needs the network, and only a parameter of it is known."""
        rules = [f"rule {number} ({show_selector(selector)})" for number, (selector, _) in enumerate(self.rules, 1)
                 if isinstance(selector, type)
                 or (not callable(selector) and "." in getattr(selector, "pattern", selector))]  # fmt: skip
        if rules:
            raise InitializationError(
                f"{' and '.join(rules)} cannot be asked of {name!r}: collect_params().initialize(...) and "
                f"param.initialize(...) say nothing of the network, so its path and block are not known. Call "
                f"net.initialize(rules), or gluon_initkit.initialize(net, rules, select=...)."
            )

    def review(self, infos: Sequence[ParameterInfo]) -> None:
        """Warn of rules that decide none of a network's parameters; with ``strict``, raise.

        Parameters
        ----------
        infos : sequence of ParameterInfo

        Raises
        ------
        InitializationError
            With ``strict``.

        Examples
        --------
        >>> Rules([]).review([])
        """
        self._review([(info, None, False) for info in infos])

    def _review(self, network: Sequence[Tuple[ParameterInfo, Any, bool]]) -> None:
        infos = [info for info, _, _ in network]
        super().review(infos)
        idle = self.idle(network)
        names = {number: f"rule {number} ({show_selector(self.rules[number - 1][0])})" for number in idle}
        unmatched = [number for number, reason in idle.items() if not reason]
        texts = [f"{names[number]} decides no parameter: {reason}" for number, reason in idle.items() if reason]
        if unmatched:
            known = ", ".join(info.label for info in infos[:5])
            text = f"{' and '.join(names[number] for number in unmatched)} matched none of the network's parameters"
            hints = [explain_no_match(self.rules[number - 1][0], infos).rstrip(".") for number in unmatched]
            by_name = [_BY_NAME] if infos and infos[0].path is None else []
            texts.insert(0, ". ".join([f"{text} ({known}, ...)", *filter(None, hints), *by_name]))
        if texts:
            self._complain(". ".join(texts))

    def dumps(self) -> str:
        """The rules as JSON, from which ``mx.init.create`` makes them again (callable selectors excepted).

        Returns
        -------
        str

        Examples
        --------
        >>> mx.init.create(Rules([("bias", 1)]).dumps()) == Rules([("bias", 1)])
        True
        """
        rules = [[selector_to_json(selector), initializer] for selector, initializer in self.rules]
        arguments = {"rules": rules, "default": self.default, "override_layers": self.override_layers,
                     "strict": self.strict}  # fmt: skip
        return as_json([self._registered_name, arguments])

    def __getstate__(self) -> dict:
        return {key: value for key, value in super().__getstate__().items() if key not in ("_matchers", "_arguments")}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._matchers = [matcher(selector) for selector, _ in self.rules]
        self._arguments = None

    def __repr__(self) -> str:
        rules = [f"({show_selector(selector)}, {shown(initializer)})" for selector, initializer in self.rules]
        return f"Rules([{', '.join(rules)}], default={None if self.default is None else shown(self.default)})"


mx.init.alias(Rules._registered_name)(Rules)

_BY_NAME = ("MXNet gives an initializer names here, not paths and blocks: '*_bias' is a glob of names, a Block class "
            "matches nothing, and a callable reads info.name")  # fmt: skip

_CONSTANTS = (mx.init.Constant, mx.init.Zero, mx.init.One)


def _checked(number: int, rule: Any) -> Tuple[Any, Any]:
    try:
        selector, initializer = rule
    except (TypeError, ValueError):
        raise TypeError(f"rule {number:d} is {rule!r}: expected a pair (selector, initializer)") from None
    selector = selector_from_json(selector)
    try:
        matcher(selector)
    except TypeError as error:
        raise TypeError(f"rule {number:d}: {printable(str(error))}") from None
    return selector, _made(f"rule {number} ({show_selector(selector)})", initializer)


def _made(where: str, value: Any) -> Any:
    if isinstance(value, Real) and not isinstance(value, bool):
        return mx.init.Constant(float(value))
    if isinstance(value, (numpy.ndarray, mx.nd.NDArray)):
        return mx.init.Constant(value)
    try:
        return as_initializer(value)
    except (TypeError, ValueError) as error:
        raise type(error)(printable(f"{where}: {error}")) from None


def _ask(matches: Any, selector: Any, info: ParameterInfo) -> bool:
    try:
        return matches(info)
    except Exception as error:
        raise InitializationError(
            f"the selector {show_selector(selector)} raised {type(error).__name__}: {error}, asked for parameter "
            f"{info.label!r}. It gets a ParameterInfo and answers True or False; its shape may be None, and so may its "
            f"path, where MXNet gives a name alone."
        ) from error


def _as_weight(info: ParameterInfo) -> ParameterInfo:
    """The weight that might stand beside a parameter: would the rule take that as well?"""
    if info.role == "weight":
        return info
    beside = tuple(path.rpartition(".")[0] + ".weight" if "." in path else "weight" for path in info.paths)
    return info._replace(path=beside[0], aliases=beside[1:], name="weight", role="weight")
