"""`Rules`: initializers by selector, what `mx.init.Mixed` promised, on Gluon.

Rules are checked here, and warned of where they decide nothing. What a matching rule does is decided in `dispatch`.
"""

from numbers import Real
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

import numpy

from .._mxnet import mx
from ..display import listed, printable, warn
from ..parameters import explain_no_match, matcher, selector_from_json, selector_to_json, show_selector
from .dispatch import Declared, InitializationError, Rule, decide
from .initializer import Initializer, as_initializer, as_json, corrected, initializer_text


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
        Whether a rule that decides no parameter of the network, since it matches none, or another rule or a layer's own
        initializer goes before, is an error instead of a warning.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(2, in_units=2), mx.gluon.nn.Dense(2, in_units=2))
    >>> net.initialize(Rules([("0.bias", 0.5), ("bias", 0.1)], default="xavier"))
    >>> net[0].bias.data().asnumpy().tolist(), net[1].bias.data().asnumpy().round(3).tolist()
    ([0.5, 0.5], [0.10000000149011612, 0.10000000149011612])
    """

    _rules: List[Rule]

    def __init__(
        self, rules: Sequence[Tuple[Any, Any]], default: Any = None, override_layers: bool = False, strict: bool = False
    ) -> None:
        super().__init__()
        if isinstance(rules, (str, Mapping)) or not isinstance(rules, Iterable):
            raise TypeError(f"rules is {rules!r:.80}: expected a list of pairs (selector, initializer)"
                            f"{'; of a dict, list(rules.items())' if isinstance(rules, Mapping) else ''}")  # fmt: skip
        self.rules = [_checked_rule(number, rule) for number, rule in enumerate(rules, 1)]
        self.default = None if default is None else _checked_initializer("default", default)
        self.override_layers, self.strict = override_layers, strict
        self._rules = [Rule(number, selector, initializer, corrected(initializer))
                       for number, (selector, initializer) in enumerate(self.rules, 1)]  # fmt: skip
        self._corrected_default = None if self.default is None else corrected(self.default)
        self._arguments = None

    def _review(self, network: List[Declared]) -> None:
        super()._review(network)
        infos = [info for info, _, _ in network]
        idle = self._idle_rules(network, [decide(self, declared) for declared in network])
        unmatched = [rule for rule, reason in idle if not reason]
        texts = [f"{rule} decides no parameter: {reason}" for rule, reason in idle if reason]
        if unmatched:
            known = ", ".join(info.label for info in infos[:5])
            text = f"{' and '.join(map(str, unmatched))} matched none of the network's parameters"
            hints = [explain_no_match(rule.selector, infos).rstrip(".") for rule in unmatched]
            texts.insert(0, ". ".join([f"{text} ({known}, ...)", *filter(None, hints)]))
        if texts:
            self._complain(". ".join(texts))

    def _idle_rules(self, network: List[Declared], decisions: List[Any]) -> List[Tuple[Rule, str]]:
        """The rules that decide no parameter of a network, and why; no reason where they match none."""
        why = [getattr(decision, "why", "") for decision in decisions]
        idle = []
        for rule in self._rules:
            if f"rule {rule.number}" in why:
                continue
            reasons: Dict[Tuple[str, str], List[str]] = {}  # the words before and after the paths
            for (info, _, constant), decided_by in zip(network, why):
                if not rule.matches(info):
                    continue
                earlier = next((one for one in self._rules[: rule.number - 1] if one.matches(info)), None)
                if constant:
                    words = "Constants keep their own values: ", ""
                elif decided_by == "layer":
                    words = ("explicit initializers of the layers fill ",
                             " (override_layers=True lets the rule go before them)")  # fmt: skip
                elif earlier:
                    words = f"{earlier} takes ", " before"
                else:
                    words = "the layers' own defaults fill ", ""
                reasons.setdefault(words, []).append(info.label)
            idle.append((rule, "; ".join(f"{start}{listed(of, 3)}{end}" for (start, end), of in reasons.items())))
        return idle

    def _review_without_network(self, param: Any) -> None:
        def needs_network(selector: Any) -> bool:  # a regular expression may match a name, too
            text = "" if param is None else getattr(selector, "pattern", "")
            return isinstance(selector, type) or "." in (selector if isinstance(selector, str) else text)

        rules = " and ".join(str(rule) for rule in self._rules if needs_network(rule.selector))
        if rules and param is not None:
            raise InitializationError(
                f"{rules} cannot be asked of {param.name!r}: collect_params().initialize(...) and "
                f"param.initialize(...) say nothing of the network, so its path and block are not known. Call "
                f"net.initialize(rules), or gluon_initkit.initialize(net, rules, select=...)."
            )
        if rules and Rules not in self._reviewed:
            self._reviewed.add(Rules)
            self._complain(f"{rules} cannot match here. MXNet gives an initializer names here, not paths and blocks: "
                           f"'*_bias' is a glob of names, a Block class matches nothing, and a callable reads "
                           f"info.name")  # fmt: skip

    def _complain(self, message: str) -> None:
        if self.strict:
            raise InitializationError(f"{message}. Mend the rules, or drop strict=True.")
        warn(message)

    def dumps(self) -> str:
        """The rules as JSON, from which ``mx.init.create`` makes them again (callable selectors excepted)."""
        rules = [[selector_to_json(selector), initializer] for selector, initializer in self.rules]
        arguments = {"rules": rules, "default": self.default, "override_layers": self.override_layers,
                     "strict": self.strict}  # fmt: skip
        return as_json([self._registered_name, arguments])

    def __repr__(self) -> str:
        rules = [f"({show_selector(selector)}, {initializer_text(value)})" for selector, value in self.rules]
        default = None if self.default is None else initializer_text(self.default)
        return f"Rules([{', '.join(rules)}], default={default})"


def _checked_rule(number: int, rule: Any) -> Tuple[Any, Any]:
    try:
        selector, initializer = rule
    except (TypeError, ValueError):
        raise TypeError(f"rule {number:d} is {rule!r}: expected a pair (selector, initializer)") from None
    selector = selector_from_json(selector)
    try:
        matcher(selector)
    except TypeError as error:
        raise TypeError(f"rule {number:d}: {printable(str(error))}") from None
    return selector, _checked_initializer(f"rule {number} ({show_selector(selector)})", initializer)


def _checked_initializer(where: str, value: Any) -> Any:
    if isinstance(value, Real) and not isinstance(value, bool):
        return mx.init.Constant(float(value))
    if isinstance(value, (numpy.ndarray, mx.nd.NDArray)):
        return mx.init.Constant(value)
    try:
        return as_initializer(value)
    except (TypeError, ValueError) as error:
        raise type(error)(printable(f"{where}: {error}")) from None
