"""Chooses the initializer and the hook that fill a parameter, in the order that `plan` documents. `plan`, `initialize`
and the initializers that Gluon calls all use this module.
"""

import difflib
from functools import lru_cache
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from .._mxnet import backend, mx
from .._mxnet.parameter import is_constant, is_layer_default
from ..display import KitError, counted, printable, warn
from ..parameters import LAYER_DEFAULTS, ROLES, ParameterInfo, role_of, show_selector


class InitializationError(KitError, mx.MXNetError, ValueError):
    """A parameter could not be filled: no initializer serves it, or its hook failed.

    Plain MXNet raises `MXNetError` and `ValueError` in the same places, so existing ``except`` clauses keep working.
    The message gives the parameter's path, the problem and its remedy.
    """


class Choice(NamedTuple):
    """The initializer that fills a parameter, its hook, and the reason."""

    initializer: Any
    hook: str
    why: str
    super_call: Optional["Assignment"] = None  # used by ``super().__call__``, if the hook is a class's own `__call__`


class Unassigned(NamedTuple):
    """The reason why no initializer fills a parameter, and the remedy."""

    reason: str
    fix: str


Assignment = Union[Choice, Unassigned]


class Rule(NamedTuple):
    """A rule of `Rules`: number, selector and predicate; the initializer as given, and as `corrected` returns it."""

    number: int
    selector: Any
    predicate: Any
    initializer: Any
    corrected: Any

    def __str__(self) -> str:
        return f"rule {self.number} ({show_selector(self.selector)})"

    def matches(self, info: ParameterInfo) -> bool:
        try:
            return self.predicate(info)
        except Exception as error:
            failure = f"{show_selector(self.selector)} raised {type(error).__name__}: {error}"
            raise InitializationError(f"the selector {failure}, asked for parameter {info.label!r}. It gets a "
                                      f"ParameterInfo and answers True or False; its shape may be None, and so may its "
                                      f"path, where MXNet gives a name alone.") from error  # fmt: skip


def choose(init: Any, info: ParameterInfo, declared: Any = None, constant: bool = False) -> Assignment:
    """Choose for one parameter.

    `init` is the network-level initializer; `declared` is the parameter's own initializer, which may be a str or None;
    `constant` tells whether the parameter is a `gluon.Constant`.
    """
    name = declared if isinstance(declared, str) else ""
    # GluonCV's feature expanders put an Initializer object into a symbol attribute, which then holds its repr.
    if declared is None or (name.startswith("<") and name.endswith(">")):
        return _network_choice(init, info, None)
    if name in LAYER_DEFAULTS.get(info.role, ()) or is_layer_default(declared):
        return _network_choice(init, info, declared)
    if init.override_layers and not constant:
        choice = _network_choice(init, info, None)
        if isinstance(choice, Choice) and choice.why.startswith("rule"):  # only a rule overrides the layer
            return choice
    return _explicit_choice(backend.complete_initializer(declared, init), info, "layer")


def choose_for(init: Any, entry: tuple) -> Assignment:
    """Choose for an entry of `list_parameters`."""
    param, place, info = entry
    return choose(init, info, param.init or place.symbol_init, is_constant(param))


def decide(init: Any, entry: tuple) -> Any:
    """Like `choose_for`, but return an InitializationError instead of raising it."""
    try:
        return choose_for(init, entry)
    except InitializationError as error:
        return error


def _network_choice(init: Any, info: ParameterInfo, layer_default: Any) -> Assignment:
    """Choose by a network-level initializer of the kit, for a parameter without an explicit initializer."""
    for rule in init._rules or ():
        if rule.matches(info):
            return _rule_choice(rule, info, layer_default)
    if init._rules is not None and init.default is not None:
        return _network_choice(init._corrected_default, info, layer_default)
    target = target_of(init)
    choice = _hook_choice(init, target, info, layer_default)
    if overrides(target, "__call__"):
        return Choice(target, "__call__", "hook", choice)
    if init._rules is not None and isinstance(choice, Unassigned):
        return Unassigned("no rule matches it and there is no default", "add a rule, or pass Rules(..., default=)")
    return choice


def _rule_choice(rule: Rule, info: ParameterInfo, layer_default: Any) -> Assignment:
    """Choose by a matching rule. The choice depends on the other parameters that the rule matches.

    A rule for whole layers (``'*'``, ``nn.Dense``) goes by roles, as a network-level initializer does. A rule that
    does not match the layer's weight (``'*.bias'``) names the parameter, so its initializer fills the parameter as
    ``bias_initializer=`` would. A constant fills every parameter that its rule matches.
    """
    why, weight_info = f"rule {rule.number}", info
    constant = isinstance(rule.initializer, (mx.init.Constant, mx.init.Zero, mx.init.One))
    if info.role != "weight":  # a weight of the same layer, which need not exist
        path, *aliases = (path.rpartition(".")[0] + ".weight" if "." in path else "weight" for path in info.paths)
        weight_info = info._replace(path=path, aliases=tuple(aliases), name="weight", role="weight")
    named = constant or not rule.matches(weight_info)
    if named and not overrides(rule.initializer, "__call__"):
        return _explicit_choice(rule.initializer, info, why)
    choice = _network_choice(rule.corrected, info, layer_default)
    if not isinstance(choice, Choice) or choice.why == "layer default":
        return choice
    # The base class's hooks are not the rule's, except that a parameter without a role gets the rule's weight hook.
    return choice._replace(why=why) if choice.why != "base" or choice.hook == "_init_weight" else choice


def _explicit_choice(declared: Any, info: ParameterInfo, why: str) -> Assignment:
    """Choose for a parameter that has an initializer of its own."""
    initializer = _create(declared, info)
    if not hasattr(initializer, "_is_corrected_base"):  # MXNet's initializers use their weight hook for all roles
        return Choice(initializer, "_init_weight", why)
    choice = _network_choice(initializer, info, None)
    return choice._replace(why=why) if isinstance(choice, Choice) else choice


def _hook_choice(init: Any, target: Any, info: ParameterInfo, layer_default: Any) -> Assignment:
    """Choose `target`'s hook for the role, else the layer's default, else the base class's hook of `init`."""
    # A user's hook `_init_alpha` serves names that end in `alpha`. The longest ending wins, so `_init_i2h_bias` comes
    # before `_init_bias`.
    suffixes = (suffix for suffix in _own_suffixes(target) if _ends_with(info, suffix))
    hook = f"_init_{next(suffixes, info.role)}"
    if overrides(target, hook):
        return Choice(target, hook, "hook")
    if layer_default is not None:
        return Choice(_create(layer_default, info), "_init_weight", "layer default")
    name = type(target).__name__
    if info.role == "weight":
        return Unassigned(f"{name} defines no _init_weight", f"define _init_weight(self, desc, arr) in {name}")
    if info.role != "default":
        return Choice(init, f"_init_{info.role}", "base")
    if info.path is None or issubclass(info.block or object, mx.gluon.SymbolBlock):
        for ending, hook in _MXNET_ENDINGS:
            if info.name.endswith(ending):
                return Choice(init, hook, "base")
    suffix = info.label.replace(".", "_").rpartition("_")[2]
    fix = (f"add a rule for it (gluon_initkit.Rules), give the parameter its own init=, or define "
           f"_init_{suffix}(self, desc, arr) in the initializer's class")  # fmt: skip
    if info.path is None:
        fix += "; an input of a Symbol belongs into the Module's data_names or label_names"
    if not overrides(target, "_init_weight"):
        return Unassigned(f"its name tells no role and {name} defines no _init_weight", fix)
    # MXNet's Xavier needs fans, and so do initializers of the kit with `_needs_fans`.
    function = getattr(target._init_weight, "__func__", None)
    needs_fans = getattr(target, "_needs_fans", False) and not is_custom(function)
    if info.shape is not None and len(info.shape) < 2 and (needs_fans or function is mx.init.Xavier._init_weight):
        return Unassigned(f"{name} needs a fan-in and a fan-out, which an array of shape {info.shape} has not", fix)
    return Choice(target, "_init_weight", "base")


# Name endings besides the roles that MXNet's Initializer.__call__ serves. They are for variables of a Symbol. In Gluon
# they mean nothing: `x_max` is an ordinary parameter.
_MXNET_ENDINGS = (("moving_inv_var", "_init_zero"), ("moving_avg", "_init_zero"), ("_min", "_init_zero"),
                  ("_max", "_init_one"), ("weight_quantize", "_init_quantized_weight"),
                  ("bias_quantize", "_init_quantized_bias"))  # fmt: skip


def choose_all(init: Any, network: Sequence[tuple]) -> List[Choice]:
    """Choose for all of `list_parameters`; one error lists all parameters that no initializer fills."""
    assignments = [choose_for(init, entry) for entry in network]
    lines = [f"\n  {printable(info.label)}: {result.reason}; {result.fix}"
             for (_, _, info), result in zip(network, assignments) if isinstance(result, Unassigned)]  # fmt: skip
    if lines:
        count = counted(len(lines), "parameter is", "parameters are")
        raise InitializationError(f"{count} covered by nothing:{''.join(lines)}")
    return assignments  # type: ignore[return-value]  # none is Unassigned


def _ends_with(info: ParameterInfo, suffix: str) -> bool:
    return any(name == suffix or name.endswith(("_" + suffix, "." + suffix)) for name in (*info.paths, info.name))


def overrides(target: Any, hook: str) -> bool:
    """Whether the object `target` or its class overrides the base class's `hook`."""
    if hook in vars(target):
        return True
    for cls in type(target).__mro__:
        if hook in vars(cls):
            return not _is_base(cls)
    return False


def is_custom(hook: Any) -> bool:
    """Whether a hook is neither MXNet's code nor the kit's."""
    module = getattr(hook, "__module__", None) or ""  # None for a function that `exec` defines
    return module.partition(".")[0] not in ("mxnet", __name__.partition(".")[0])


def target_of(init: Any) -> Any:
    """The initializer whose class defines the hooks; for `corrected(x)` this is x."""
    return init if init._wrapped is None else init._wrapped


def targets(init: Any) -> List[Any]:
    """The initializers whose classes define the hooks; for `Rules` these are the initializers of all rules."""
    if init._rules is None:
        return [target_of(init)]
    nested = [rule.corrected for rule in init._rules] + [init._corrected_default] * (init.default is not None)
    return [target for initializer in nested for target in targets(initializer)]


def unknown_suffixes(target: Any) -> List[str]:
    """The name endings of `target`'s hooks that belong to no role. Such hooks may be misspelt."""
    return [suffix for suffix in _own_suffixes(target) if role_of(suffix) == "default"]


def warn_of_misspelt(initializers: Iterable[Any], infos: Sequence[ParameterInfo]) -> None:
    """Warn of hooks of these initializers' classes that serve no parameter of a network and seem to be misspelt."""
    for text, misspelt in idle_hooks(initializers, (), infos):
        if misspelt:
            warn(text)


def idle_hooks(
    initializers: Iterable[Any], assignments: Iterable[Any], infos: Sequence[ParameterInfo]
) -> Iterator[Tuple[str, bool]]:
    """A sentence on each hook of a user's class that fills no parameter, and whether the hook seems misspelt."""
    choices = [choice for outer in assignments for choice in (outer, getattr(outer, "super_call", None))]
    chosen = {(type(choice.initializer), choice.hook) for choice in choices if isinstance(choice, Choice)}
    idle: Dict[Tuple[type, str], Any] = {}
    for target in initializers:
        for suffix in (*ROLES, *_own_suffixes(target)):
            hook = f"_init_{suffix}"
            if (type(target), hook) not in chosen and overrides(target, hook) and is_custom(getattr(target, hook)):
                idle.setdefault((type(target), suffix), target)
    for (cls, suffix), target in idle.items():
        matches: List[str] = []
        if suffix in unknown_suffixes(target) and not any(_ends_with(info, suffix) for info in infos):
            names = [*ROLES, *(info.label.rpartition(".")[2] for info in infos)]
            matches = difflib.get_close_matches(suffix, names, n=1)
        # If the class also defines the hook with the similar name, this method is its helper.
        hint = "".join(f"; did you mean _init_{name}?" for name in matches if not overrides(target, f"_init_{name}"))
        yield f"{cls.__name__}._init_{suffix} serves no parameter of the network{hint or '.'}", bool(hint)


def _own_suffixes(target: Any) -> List[str]:
    """The name endings of hooks that `target` or its class adds to the hooks of roles, the longest first."""
    instance_hooks = {name for name, value in vars(target).items() if name.startswith("_init_") and callable(value)}
    hooks = instance_hooks.union(_class_hooks(type(target)))  # type: ignore[arg-type]  # mypy: a class is not hashable
    suffixes = {name[len("_init_") :] for name in hooks}.difference(ROLES)
    return sorted(suffixes, key=lambda name: (-len(name), name))


@lru_cache(maxsize=None)
def _class_hooks(cls: type) -> FrozenSet[str]:
    base_names = {name for base in cls.__mro__ if _is_base(base) for name in vars(base)}
    names = {name for name in dir(cls) if name.startswith("_init_") and callable(getattr(cls, name))}
    return frozenset(names - base_names)


def _is_base(cls: type) -> bool:
    return cls is mx.init.Initializer or "_is_corrected_base" in vars(cls)


def _create(declared: Any, info: ParameterInfo) -> Any:
    registered = mx.registry.get_registry(mx.init.Initializer).get(declared) if isinstance(declared, str) else None
    try:
        return mx.init.create(declared) if is_custom(registered) else _create_once(declared, registered)
    except (AssertionError, TypeError, ValueError) as error:
        raise InitializationError(f"Parameter {info.label!r} asks for the initializer {declared!r}, which MXNet cannot "
                                  f"make: {error} Register the class before (@mx.init.register), or pass an instance "
                                  f"as init=.") from error  # fmt: skip


# All layers share one object, so that it is serialized once.
_create_once = lru_cache(maxsize=None)(lambda name, registered: mx.init.create(name))
