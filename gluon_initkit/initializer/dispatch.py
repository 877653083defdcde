"""Which initializer fills a parameter, and through which hook, in the order that `plan` tells. `plan`, `initialize` and
Gluon's own door all ask here.
"""

import difflib
from functools import lru_cache
from typing import Any, Dict, FrozenSet, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from .._mxnet import backend, mx
from .._mxnet.parameter import is_constant, is_layer_default
from ..display import KitError, counted, printable, warn
from ..parameters import LAYER_DEFAULTS, ROLES, ParameterInfo, role_of, show_selector


class InitializationError(KitError, mx.MXNetError, ValueError):
    """A parameter could not be filled: no initializer serves it, or the hook that serves it failed.

    Plain MXNet raises `MXNetError` and `ValueError` in the same places, so older ``except`` clauses go on working. The
    message names the parameter's path, what was found, and what mends it.
    """


class Choice(NamedTuple):
    """The initializer that fills a parameter, its hook, and the reason."""

    initializer: Any
    hook: str
    why: str
    rest: Optional["Assignment"] = None  # what ``super().__call__`` does, where the hook is a class's own `__call__`


class Unassigned(NamedTuple):
    """No initializer fills the parameter: why, and what to add."""

    reason: str
    fix: str


Assignment = Union[Choice, Unassigned]


class Rule(NamedTuple):
    """A rule of `Rules`: its number, selector and predicate; its initializer as given, and as one of the kit's."""

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
            what = f"{show_selector(self.selector)} raised {type(error).__name__}: {error}"
            raise InitializationError(f"the selector {what}, asked for parameter {info.label!r}. It gets a "
                                      f"ParameterInfo and answers True or False; its shape may be None, and so may its "
                                      f"path, where MXNet gives a name alone.") from error  # fmt: skip


def choose(init: Any, info: ParameterInfo, declared: Any = None, constant: bool = False) -> Assignment:
    """Decide for one parameter.

    `init` is the network-level initializer, `declared` the parameter's own (a str or None too); a `gluon.Constant` is
    `constant`.
    """
    name = declared if isinstance(declared, str) else ""
    # GluonCV's feature expanders put an Initializer object into a symbol attribute; what arrives is its repr.
    if declared is None or (name.startswith("<") and name.endswith(">")):
        return _network_choice(init, info, None)
    if name in LAYER_DEFAULTS.get(info.role, ()) or is_layer_default(declared):
        return _network_choice(init, info, declared)
    if init.override_layers and not constant:
        choice = _network_choice(init, info, None)
        if isinstance(choice, Choice) and choice.why.startswith("rule"):  # it alone goes before the layer's initializer
            return choice
    return _explicit_choice(backend.complete_initializer(declared, init), info, "layer")


def choose_for(init: Any, entry: tuple) -> Assignment:
    """Decide for an entry of `list_parameters`."""
    param, place, info = entry
    return choose(init, info, param.init or place.symbol_init, is_constant(param))


def decide(init: Any, entry: tuple) -> Any:
    """What `choose_for` returns, or the error that it raises."""
    try:
        return choose_for(init, entry)
    except InitializationError as error:
        return error


def _network_choice(init: Any, info: ParameterInfo, layer_default: Any) -> Assignment:
    """All but the layer's own initializer, for a network-level initializer of the kit."""
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
    """What a matching rule does with a parameter follows from what else it selects.

    A rule for whole layers (``'*'``, ``nn.Dense``) goes by roles, as a network-level initializer does. A rule that
    would not select the layer's weight (``'*.bias'``) names the parameter, so its initializer fills that as
    ``bias_initializer=`` would. A constant fills whatever its rule selects.
    """
    why, beside = f"rule {rule.number}", info
    constant = isinstance(rule.initializer, (mx.init.Constant, mx.init.Zero, mx.init.One))
    if info.role != "weight":  # the weight that might stand beside it in its layer
        path, *aliases = (path.rpartition(".")[0] + ".weight" if "." in path else "weight" for path in info.paths)
        beside = info._replace(path=path, aliases=tuple(aliases), name="weight", role="weight")
    named = constant or not rule.matches(beside)
    if named and not overrides(rule.initializer, "__call__"):
        return _explicit_choice(rule.initializer, info, why)
    choice = _network_choice(rule.corrected, info, layer_default)
    if not isinstance(choice, Choice) or choice.why == "layer default":
        return choice
    # The base class fills by its own hooks; a parameter of no role goes to the weight hook of the rule's initializer.
    return choice._replace(why=why) if choice.why != "base" or choice.hook == "_init_weight" else choice


def _explicit_choice(declared: Any, info: ParameterInfo, why: str) -> Assignment:
    """The choice where an initializer was given for this very parameter."""
    initializer = _create(declared, info)
    if not hasattr(initializer, "_is_corrected_base"):  # MXNet's serve all by their weight hook; the kit's go by role
        return Choice(initializer, "_init_weight", why)
    choice = _network_choice(initializer, info, None)
    return choice._replace(why=why) if isinstance(choice, Choice) else choice


def _hook_choice(init: Any, target: Any, info: ParameterInfo, layer_default: Any) -> Assignment:
    """`target`'s hook for the role, else the layer's default, else the base class's hook, which `init` has."""
    # A hook of a user's own role, `_init_alpha`, serves names that end in `alpha`. The longest ending wins, so
    # `_init_i2h_bias` goes before `_init_bias`.
    own = (suffix for suffix in _own_suffixes(target) if _ends_with(info, suffix))
    hook = f"_init_{next(own, info.role)}"
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
    # MXNet's Xavier counts fans, and those of the kit that say so.
    run = getattr(target._init_weight, "__func__", None)
    fans = run is mx.init.Xavier._init_weight or (getattr(target, "_needs_fans", False) and not is_users(run))
    if info.shape is not None and len(info.shape) < 2 and fans:
        return Unassigned(f"{name} needs a fan-in and a fan-out, which an array of shape {info.shape} has not", fix)
    return Choice(target, "_init_weight", "base")


# Endings that MXNet's own Initializer.__call__ serves besides the roles, where it decides by the name of a Symbol's
# variable. In Gluon they mean nothing: `x_max` is a parameter like any other.
_MXNET_ENDINGS = (("moving_inv_var", "_init_zero"), ("moving_avg", "_init_zero"), ("_min", "_init_zero"),
                  ("_max", "_init_one"), ("weight_quantize", "_init_quantized_weight"),
                  ("bias_quantize", "_init_quantized_bias"))  # fmt: skip


def choose_all(init: Any, network: Sequence[tuple]) -> List[Choice]:
    """Decide for all of `list_parameters`; one error lists what no initializer fills."""
    assignments = [choose_for(init, entry) for entry in network]
    lines = [f"\n  {printable(info.label)}: {choice.reason}; {choice.fix}"
             for (_, _, info), choice in zip(network, assignments) if isinstance(choice, Unassigned)]  # fmt: skip
    if lines:
        count = counted(len(lines), "parameter is", "parameters are")
        raise InitializationError(f"{count} covered by nothing:{''.join(lines)}")
    return assignments  # type: ignore[return-value]  # none is Unassigned


def _ends_with(info: ParameterInfo, suffix: str) -> bool:
    return any(name == suffix or name.endswith(("_" + suffix, "." + suffix)) for name in (*info.paths, info.name))


def overrides(target: Any, hook: str) -> bool:
    """Whether `target`'s class, or the object itself, defines `hook` anew."""
    if hook in vars(target):
        return True
    for cls in type(target).__mro__:
        if hook in vars(cls):
            return not _is_base(cls)
    return False


def is_users(hook: Any) -> bool:
    """Whether a hook is neither MXNet's code nor the kit's."""
    module = getattr(hook, "__module__", None) or ""  # what `exec` defines has None
    return module.partition(".")[0] not in ("mxnet", __name__.partition(".")[0])


def target_of(init: Any) -> Any:
    """The initializer that has the hooks: for `corrected(x)` it is x."""
    return init if init._wrapped is None else init._wrapped


def targets(init: Any) -> List[Any]:
    """The initializers that have the hooks: for `Rules` those of all rules."""
    if init._rules is None:
        return [target_of(init)]
    nested = [rule.corrected for rule in init._rules] + [init._corrected_default] * (init.default is not None)
    return [target for initializer in nested for target in targets(initializer)]


def suspects(target: Any) -> List[str]:
    """The endings of `target`'s hooks that tell no role: hooks that may be misspelt."""
    return [suffix for suffix in _own_suffixes(target) if role_of(suffix) == "default"]


def warn_of_misspelt(initializers: Iterable[Any], infos: Sequence[ParameterInfo]) -> None:
    """Warn of hooks of these initializers' classes that serve no parameter of a network and seem to be misspelt."""
    for text, meant in idle_hooks(initializers, (), infos):
        if meant:
            warn(text)


def idle_hooks(
    initializers: Iterable[Any], assignments: Iterable[Any], infos: Sequence[ParameterInfo]
) -> Iterator[Tuple[str, bool]]:
    """A sentence on each hook of users' own classes that was chosen for none; and whether it seems to be misspelt."""
    choices = [each for choice in assignments for each in (choice, getattr(choice, "rest", None))]
    chosen = {(type(choice.initializer), choice.hook) for choice in choices if isinstance(choice, Choice)}
    idle: Dict[Tuple[type, str], Any] = {}
    for target in initializers:
        for suffix in (*ROLES, *_own_suffixes(target)):
            hook = f"_init_{suffix}"
            if (type(target), hook) not in chosen and overrides(target, hook) and is_users(getattr(target, hook)):
                idle.setdefault((type(target), suffix), target)
    for (kind, suffix), target in idle.items():
        meant: List[str] = []
        if suffix in suspects(target) and not any(_ends_with(info, suffix) for info in infos):
            names = [*ROLES, *(info.label.rpartition(".")[2] for info in infos)]
            meant = difflib.get_close_matches(suffix, names, n=1)
        # Where the class has that hook too, this one is a method that it calls.
        near = "".join(f"; did you mean _init_{name}?" for name in meant if not overrides(target, f"_init_{name}"))
        yield f"{kind.__name__}._init_{suffix} serves no parameter of the network{near or '.'}", bool(near)


def _own_suffixes(target: Any) -> List[str]:
    """The endings of the hooks that `target` or its class adds to those of the roles, the longest first."""
    own = {name for name, value in vars(target).items() if name.startswith("_init_") and callable(value)}
    hooks = own.union(_class_hooks(type(target)))  # type: ignore[arg-type]  # mypy takes no class for hashable
    suffixes = {name[len("_init_") :] for name in hooks}.difference(ROLES)
    return sorted(suffixes, key=lambda name: (-len(name), name))


@lru_cache(maxsize=None)
def _class_hooks(cls: type) -> FrozenSet[str]:
    known = {name for base in cls.__mro__ if _is_base(base) for name in vars(base)}
    names = {name for name in dir(cls) if name.startswith("_init_") and callable(getattr(cls, name))}
    return frozenset(names - known)


def _is_base(cls: type) -> bool:
    return cls is mx.init.Initializer or "_is_corrected_base" in vars(cls)


def _create(declared: Any, info: ParameterInfo) -> Any:
    registered = mx.registry.get_registry(mx.init.Initializer).get(declared) if isinstance(declared, str) else None
    try:
        return mx.init.create(declared) if is_users(registered) else _create_once(declared, registered)
    except (AssertionError, TypeError, ValueError) as error:
        raise InitializationError(f"Parameter {info.label!r} asks for the initializer {declared!r}, which MXNet cannot "
                                  f"make: {error} Register the class before (@mx.init.register), or pass an instance "
                                  f"as init=.") from error  # fmt: skip


# One object for all layers, so that it is serialized once.
_create_once = lru_cache(maxsize=None)(lambda name, registered: mx.init.create(name))
