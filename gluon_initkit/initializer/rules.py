"""`Rules`: initializers by selector, for the job that Gluon refuses to `mx.init.Mixed`.

This file checks rules, writes them as JSON, and warns of rules that decide no parameter. `dispatch` applies them.
"""

from numbers import Real
from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

import numpy

from .._mxnet import mx
from .._mxnet.parameter import is_constant
from ..display import listed, printable, warn
from ..parameters.info import explain_no_match, matcher, selector_from_json, selector_to_json, show_selector
from .dispatch import InitializationError, Rule, decide
from .initializer import Initializer, as_initializer, as_json, corrected, initializer_text


class Rules(Initializer):
    """Initializers by selector; the first rule that matches wins.

    Parameters
    ----------
    rules : sequence of (selector, initializer)
        A selector is a glob over paths (``'*.bias'``), a role (``'bias'``), a compiled regular expression, a Block
        class, or a callable that takes a `ParameterInfo`. An initializer is an instance (also another `Rules`), a
        registered name, a number, or an array of the parameter's shape.
    default : initializer, optional
        For parameters that no rule matches. Without it, they get the layer's default, and a weight raises an error.
    override_layers : bool
        Whether a matching rule overrides an explicit initializer of the layer. A `gluon.Constant` keeps its value.
    strict : bool
        Whether a rule that decides no parameter of the network is an error instead of a warning. Such a rule matches
        nothing, or another rule or the layers' own initializers override it.

    Examples
    --------
    >>> net = mx.gluon.nn.HybridSequential()
    >>> net.add(mx.gluon.nn.Dense(2, in_units=2), mx.gluon.nn.Dense(2, in_units=2))
    >>> net.initialize(Rules([("0.bias", 0.5), ("bias", 0.1)], default="xavier"))
    >>> net[0].bias.data().asnumpy().tolist(), net[1].bias.data().asnumpy().round(3).tolist()
    ([0.5, 0.5], [0.10000000149011612, 0.10000000149011612])
    """

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
        self.__setstate__({})

    def __getstate__(self) -> dict:
        return {**super().__getstate__(), "_rules": None, "_corrected_default": None, "_arguments": None}

    def __setstate__(self, attributes: dict) -> None:
        self.__dict__.update(attributes)
        self._rules = [Rule(number, selector, matcher(selector), initializer, corrected(initializer))
                       for number, (selector, initializer) in enumerate(self.rules, 1)]  # fmt: skip
        self._corrected_default = None if self.default is None else corrected(self.default)
        self._arguments = None

    def _review(self, network: List[tuple]) -> None:
        super()._review(network)
        infos = [info for _, _, info in network]
        idle = self._idle_rules(network, [decide(self, entry) for entry in network])
        unmatched = [rule for rule, reason in idle if not reason]
        texts = [f"{rule} decides no parameter: {reason}" for rule, reason in idle if reason]
        if unmatched:
            labels = ", ".join(info.label for info in infos[:5])
            text = f"{' and '.join(map(str, unmatched))} matched none of the network's parameters"
            hints = [explain_no_match(rule.selector, infos).rstrip(".") for rule in unmatched]
            texts.insert(0, ". ".join([f"{text} ({labels}, ...)", *filter(None, hints)]))
        if texts:
            self._complain(". ".join(texts))

    def _idle_rules(self, network: List[tuple], decisions: List[Any]) -> List[Tuple[Rule, str]]:
        """The rules that decide no parameter of a network, each with the reason, which is "" if it matches nothing."""
        why = [getattr(decision, "why", "") for decision in decisions]
        idle = []
        for rule in self._rules:
            if f"rule {rule.number}" in why:
                continue
            reasons: Dict[Tuple[str, str], List[str]] = {}  # paths by the words before and after them
            for (param, _, info), decided_by in zip(network, why):
                if not rule.matches(info):
                    continue
                earlier = (f"{other} takes " for other in self._rules[: rule.number - 1] if other.matches(info))
                if is_constant(param):
                    words = "Constants keep their own values: ", ""
                elif decided_by == "layer":
                    words = ("explicit initializers of the layers fill ",
                             " (override_layers=True lets the rule go before them)")  # fmt: skip
                else:
                    before = next(earlier, "")
                    words = (before, " before") if before else ("the layers' own defaults fill ", "")
                reasons.setdefault(words, []).append(info.label)
            idle.append((rule, "; ".join(f"{start}{listed(paths, 3)}{end}" for (start, end), paths in reasons.items())))
        return idle

    def _review_without_network(self, param: Any) -> None:
        def needs_network(selector: Any) -> bool:  # a regular expression without a network may match a name
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
        """The rules as JSON, from which ``mx.init.create`` makes them again (except callable selectors)."""
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
