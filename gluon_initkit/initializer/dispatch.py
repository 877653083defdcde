"""Which initializer fills a parameter, and through which hook. The one decision that filling and planning share.

First match wins: what the layer was told explicitly; the matching rule; the network-level initializer's hook for the
role, where its class overrides it; the layer's own default; the base class's hook for the role. A class that overrides
`__call__` serves every role by that, and what its ``super().__call__`` does is the rest of this order.
"""

from dataclasses import dataclass, replace
import difflib
import functools
from typing import Any, Dict, FrozenSet, List, Optional, Sequence, Tuple, Union

from .._mxnet import backend, mx
from .._mxnet.initializers import is_layer_default
from ..display import counted, printable
from ..parameters import LAYER_DEFAULTS, ROLES, ParameterInfo, role_of
from .errors import InitializationError

__all__ = ["Choice", "Uncovered", "base_choice", "choose", "explicit_choice", "idle_hooks", "is_users", "misspelt",
           "overrides", "own_hook", "refuse_uncovered", "suspects"]  # fmt: skip

# Endings that MXNet's own Initializer.__call__ serves besides the roles, where it decides by the name of a Symbol's
# variable. In Gluon they mean nothing: `x_max` is a parameter like any other.
_MXNET_ENDINGS = (
    ("moving_inv_var", "_init_zero"),
    ("moving_avg", "_init_zero"),
    ("_min", "_init_zero"),
    ("_max", "_init_one"),
    ("weight_quantize", "_init_quantized_weight"),
    ("bias_quantize", "_init_quantized_bias"),
)


@dataclass(frozen=True)
class Choice:
    """Who fills a parameter: this initializer, through this hook, for this reason."""

    initializer: Any
    hook: str
    why: str
    rest: Optional["Decision"] = None
    """Where the hook is a class's own ``__call__``: what fills the parameter when that calls ``super().__call__``."""


@dataclass(frozen=True)
class Uncovered:
    """Nobody fills it; `reason` says why and `mend` what to add."""

    reason: str
    mend: str


Decision = Union[Choice, Uncovered]


def choose(init: Any, info: ParameterInfo, declared: Any = None, constant: bool = False) -> Decision:
    """Decide for one parameter.

    Parameters
    ----------
    init : gluon_initkit.Initializer
        The network-level initializer.
    info : ParameterInfo
        The parameter's facts.
    declared : Initializer, str or None
        What the parameter itself was declared with: ``Parameter.init``, or the symbol's ``__init__``.
    constant : bool
        Whether it is a `gluon.Constant`, whose own value goes before anything else.

    Returns
    -------
    Choice or Uncovered
    """
    if declared is None or (isinstance(declared, str) and _is_repr(declared)):
        return init._choose(info, None)
    default = is_layer_default(declared) or (
        isinstance(declared, str) and declared in LAYER_DEFAULTS.get(info.role, ())
    )
    if default:
        return init._choose(info, declared)
    if init.override_layers and not constant:
        decision = init._choose(info, None)
        # Overriding is the rules' privilege: where none matches, the layer's word stands.
        if isinstance(decision, Choice) and decision.why.startswith("rule"):
            return decision
    return explicit_choice(backend.complete_initializer(declared, init), info, "layer")


def refuse_uncovered(infos: Sequence[ParameterInfo], found: Sequence[Decision]) -> None:
    """Raise one error that lists every parameter which nothing covers."""
    uncovered = [(info, each) for info, each in zip(infos, found) if isinstance(each, Uncovered)]
    if uncovered:
        listed = "".join(f"\n  {printable(info.label)}: {each.reason}; {each.mend}" for info, each in uncovered)
        count = counted(len(uncovered), "parameter is", "parameters are")
        raise InitializationError(f"{count} covered by nothing:{listed}")


def explicit_choice(declared: Any, info: ParameterInfo, why: str) -> Decision:
    """The choice where an initializer was named for this very parameter.

    One of ours goes by role. MXNet's serve every parameter by their weight hook, as ``bias_initializer=`` does.
    """
    initializer = _create(declared, info)
    if not hasattr(initializer, "_choose"):
        return Choice(initializer, "_init_weight", why)
    decision = initializer._choose(info, None)
    return replace(decision, why=why) if isinstance(decision, Choice) else decision


def base_choice(init: Any, target: Any, info: ParameterInfo, layer_default: Any) -> Decision:
    """The last three steps: `target`'s hook for the role, the layer's default, the base class's hook on `init`."""
    decision = _hook_choice(init, target, info, layer_default)
    return Choice(target, "__call__", "hook", decision) if overrides(target, "__call__") else decision


def _hook_choice(init: Any, target: Any, info: ParameterInfo, layer_default: Any) -> Decision:
    hook = own_hook(target, info)
    if hook is not None:
        return Choice(target, hook, "hook")
    if layer_default is not None:
        return Choice(_default(layer_default, info), "_init_weight", "layer default")
    name = type(target).__name__
    if info.role == "weight":
        return Uncovered(f"{name} defines no _init_weight", f"define _init_weight(self, desc, arr) in {name}")
    if info.role != "default":
        return Choice(init, f"_init_{info.role}", "base")
    if info.path is None or issubclass(info.block or object, mx.gluon.SymbolBlock):
        for ending, hook in _MXNET_ENDINGS:
            if info.name.endswith(ending):
                return Choice(init, hook, "base")
    suffix = info.label.replace(".", "_").rsplit("_", 1)[-1]
    mend = (f"add a rule for it (gluon_initkit.Rules), give the parameter its own init=, or define "
            f"_init_{suffix}(self, desc, arr) in the initializer's class")  # fmt: skip
    if info.path is None:
        mend += "; an input of a Symbol belongs into the Module's data_names or label_names"
    if not overrides(target, "_init_weight"):
        return Uncovered(f"its name tells no role and {name} defines no _init_weight", mend)
    if info.shape is not None and len(info.shape) < 2 and _needs_fans(target):
        return Uncovered(f"{name} needs a fan-in and a fan-out, which an array of shape {info.shape} has not", mend)
    return Choice(target, "_init_weight", "base")


def _needs_fans(target: Any) -> bool:
    """Whether a weight hook counts fans: MXNet's Xavier does, and those of ours that say so."""
    hook = getattr(target._init_weight, "__func__", None)
    return hook is mx.init.Xavier._init_weight or (getattr(target, "_needs_fans", False) and not is_users(hook))


def is_users(hook: Any) -> bool:
    """Whether a hook is neither MXNet's code nor the kit's."""
    module = getattr(hook, "__module__", None) or ""  # what `exec` defines has None
    return module.partition(".")[0] not in ("mxnet", __name__.partition(".")[0])


def own_hook(target: Any, info: ParameterInfo) -> Optional[str]:
    """The hook by which `target`'s own class serves this parameter, or None.

    A hook of a role of the user's own, ``_init_alpha``, serves names that end in ``alpha``; the longest ending wins,
    so ``_init_i2h_bias`` goes before ``_init_bias``.
    """
    for suffix in _own_suffixes(target):
        if _ends_with(info, suffix):
            return f"_init_{suffix}"
    hook = f"_init_{info.role}"
    return hook if overrides(target, hook) else None


def _ends_with(info: ParameterInfo, suffix: str) -> bool:
    return any(name == suffix or name.endswith(("_" + suffix, "." + suffix)) for name in (*info.paths, info.name))


def suspects(target: Any) -> List[str]:
    """The endings of `target`'s hooks that are no role's: those that may be misspelt."""
    return [suffix for suffix in _own_suffixes(target) if role_of(suffix) == "default"]


def misspelt(target: Any, suffix: str, infos: Sequence[ParameterInfo]) -> Optional[str]:
    """The hook that was probably meant by ``_init_<suffix>``, which serves no parameter; None where none is near."""
    if suffix not in suspects(target) or any(_ends_with(info, suffix) for info in infos):
        return None
    names = [*ROLES, *(info.label.rpartition(".")[2] for info in infos)]
    near = difflib.get_close_matches(suffix, names, n=1)
    # Where the class has that hook as well, this one is a method that it calls.
    return f"_init_{near[0]}" if near and not overrides(target, f"_init_{near[0]}") else None


def idle_hooks(targets: Sequence[Any], decisions: Sequence[Decision]) -> List[Tuple[Any, str]]:
    """The hooks of the users' own classes by which none of the parameters is filled, each with its initializer."""
    used, waiting = set(), list(decisions)
    while waiting:
        decision: Any = waiting.pop()
        if isinstance(decision, Choice):
            used.add((type(decision.initializer), decision.hook))
            waiting.append(decision.rest)  # type: ignore[arg-type]  # None is no Choice
    found: Dict[Tuple[type, str], Tuple[Any, str]] = {}
    for target in targets:
        for suffix in (*ROLES, *_own_suffixes(target)):
            hook = f"_init_{suffix}"
            if (type(target), hook) not in used and overrides(target, hook) and is_users(getattr(target, hook)):
                found.setdefault((type(target), hook), (target, hook))
    return list(found.values())


def overrides(target: Any, hook: str) -> bool:
    """Whether `target`'s class (or the object itself) defines `hook` anew."""
    if hook in vars(target):
        return True
    for cls in type(target).__mro__:
        if hook in vars(cls):
            return not _is_base(cls)
    return False


def _own_suffixes(target: Any) -> List[str]:
    own = {name[len("_init_") :] for name in vars(target) if name.startswith("_init_") and callable(vars(target)[name])}
    found = {*own, *_class_suffixes(type(target))}  # type: ignore[arg-type]  # mypy takes no class for hashable
    return sorted(found - _ROLE_SUFFIXES, key=lambda name: (-len(name), name))


_ROLE_SUFFIXES = {"weight", "bias", "gamma", "beta", "running_mean", "running_var", "default"}


@functools.lru_cache(maxsize=None)
def _class_suffixes(cls: type) -> FrozenSet[str]:
    names = {name[len("_init_") :] for name in dir(cls) if name.startswith("_init_") and callable(getattr(cls, name))}
    known = {name[len("_init_") :] for base in cls.__mro__ if _is_base(base) for name in vars(base)}
    return frozenset(names - known)


def _is_base(cls: type) -> bool:
    return cls is mx.init.Initializer or "_is_corrected_base" in vars(cls)


def _is_repr(declared: str) -> bool:
    # GluonCV's feature expanders put an Initializer object into a symbol attribute; what arrives is its repr.
    return declared.startswith("<") and declared.endswith(">")


def _default(declared: Any, info: ParameterInfo) -> Any:
    """What a layer's default is: one object for all that say the same, so that hundreds of them are written once."""
    registered = mx.registry.get_registry(mx.init.Initializer).get(declared) if isinstance(declared, str) else None
    return _create(declared, info) if registered is None else _shared(declared, registered)


@functools.lru_cache(maxsize=None)
def _shared(name: str, registered: type) -> Any:  # by class too: a user may register another under the same name
    return mx.init.create(name)


def _create(declared: Any, info: ParameterInfo) -> Any:
    try:
        return mx.init.create(declared)
    except (AssertionError, TypeError, ValueError) as error:
        raise InitializationError(
            f"Parameter {info.label!r} asks for the initializer {declared!r}, which MXNet cannot make: {error} "
            f"Register the class before (@mx.init.register), or pass an instance as init=."
        ) from error
