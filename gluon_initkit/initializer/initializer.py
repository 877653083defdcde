"""`Initializer`: the base class that MXNet's own should have been. Every hook that a class defines is called, and the
constructor's arguments are recorded. `corrected`: the same for a class that one cannot edit. `Rules`: initializers by
selector, what `mx.init.Mixed` promised, on Gluon; what a matching rule does is decided in `dispatch`.

Gluon reaches an initializer by two doors, and neither asks for a role: a network-level one by ``__call__`` with the
parameter's own initializer in ``desc.attrs['__init__']``; a layer's own by ``_init_weight``, whatever the parameter is
(MXNet 1.9.1, ``gluon/parameter.py``, `_finish_deferred_init`). So a class's ``_init_weight`` and own ``__call__`` are
wrapped here, to read the role. A hook that gets a `HookContext` was chosen by the kit, or called through ``super()``.
"""

from contextlib import suppress
import functools
import inspect
import json
from numbers import Real
from typing import Any, Callable, ClassVar, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple
import weakref

import numpy

from .._mxnet import mx
from .._mxnet.arrays import classic, dtype_name, is_numpy_array
from .._mxnet.frames import base_arguments, hook_arguments, parameter_being_filled, place_of
from .._mxnet.parameter import is_constant, print_filled
from .._mxnet.preserve import draw_seed
from .._mxnet.state import emit
from .._mxnet.tree import network_of
from ..display import listed, printable, warn
from ..parameters import ParameterInfo, did_you_mean, list_parameters, matcher, parameter_info, role_of
from ..parameters.info import explain_no_match, selector_from_json, selector_to_json, show_selector
from . import dispatch
from .dispatch import Assignment, Choice, InitializationError, Rule, choose, decide
from .random import generator, key_of


class HookContext(mx.init.InitDesc):
    """What a hook gets of the parameter that it fills: MXNet's `InitDesc`, the name, and what else is known.

    Attributes
    ----------
    role, axes : str
        What the parameter is for, ``'weight'``; and what a weight's axes are, ``'OIHW'``: output, input, space.
    path, label : str or None, str
        The canonical path, None where no network is known that holds the parameter; and how messages call it.
    param, key : Parameter or None, bytes or None
        The Parameter, where it is known; and what `rng` starts from, under ``ik.initialize``.
    """

    _rng: Optional[numpy.random.Generator] = None

    def __new__(cls, desc: Any, info: ParameterInfo, param: Any, key: Optional[bytes] = None) -> "HookContext":
        attrs = {name: value for name, value in desc.attrs.items() if name != "__init__"}
        context = super().__new__(cls, desc, attrs, desc.global_init)
        context.role, context.path, context.axes, context.label = info.role, info.path, info.axes, info.label
        context.param, context.key = param, key
        return context

    @property
    def rng(self) -> numpy.random.Generator:
        """Random numbers of the parameter's own: under ``ik.initialize`` a function of the seed and the path, elsewhere
        seeded from MXNet's generator, which advances when `rng` is first asked for."""
        if self._rng is None:
            self._rng = generator(self.key or key_of("drawn", draw_seed()))
        return self._rng


class Initializer(mx.init.Initializer):
    """The corrected base class of initializers: change the base, and ``_init_bias`` is called.

    A subclass defines the hooks of the roles that it serves, each ``(self, desc, arr)``: ``_init_weight``,
    ``_init_bias``, ``_init_gamma``, ``_init_beta``, ``_init_running_mean``, ``_init_running_var``, ``_init_default``,
    or ``_init_<ending>`` for parameters that it names itself (``_init_alpha`` for PReLU's ``alpha``). What it does not
    serve keeps the layer's default, else bias 0, gamma 1, beta 0, running mean 0, running variance 1.

    The constructor's arguments, arrays too, are recorded without ``super().__init__``, for `dumps`, ``==`` and `hash`.

    Attributes
    ----------
    check : bool
        Debug mode, off by default: a hook that leaves its array untouched raises. A hook after which all is zero is
        called once more for that, on a copy full of NaN. Set it on `Initializer` for all, on a class or an instance.

    Examples
    --------
    >>> class MyInit(Initializer):
    ...     def _init_weight(self, desc, arr):
    ...         mx.nd.random.uniform(5, 10, out=arr)
    ...     def _init_bias(self, desc, arr):
    ...         arr[:] = 2
    >>> layer = mx.gluon.nn.Dense(3, in_units=2)
    >>> layer.initialize(MyInit())
    >>> layer.bias.data().asnumpy().tolist()
    [2.0, 2.0, 2.0]
    """

    check: ClassVar[bool] = False
    override_layers = False
    _is_corrected_base = True
    _rules: Any = None  # of `Rules`
    _wrapped: Any = None  # of `corrected`: the initializer whose hooks are called
    _registered_name: Optional[str] = None

    def __new__(cls, *args: Any, **kwargs: Any) -> "Initializer":
        self = super().__new__(cls)
        self._arguments = _constructor_arguments(cls, args, kwargs)
        self._reviewed = weakref.WeakSet()  # the networks that `_review` has seen
        return self

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("_init_weight", "__call__"):
            hooks = (vars(base).get(name) for base in cls.__mro__ if base not in (Initializer, mx.init.Initializer))
            hook = next(filter(None, hooks), None)
            if hook is not None and not hasattr(hook, "_reads_role"):
                setattr(cls, name, _door(name, hook))
        if cls.__module__.partition(".")[0] == __name__.partition(".")[0]:  # so that `create` takes the kit's `dumps`
            cls._registered_name = f"gluon_initkit.{cls.__name__.lower()}"
            mx.init.alias(cls._registered_name)(cls)

    def __call__(self, desc: Any, arr: Any) -> None:
        """Fill the array of the parameter that `desc` names: an InitDesc, or a str, as ``mx.model.FeedForward`` has."""
        if not isinstance(desc, str):
            raise TypeError(f"expected the name of a parameter, an InitDesc or a str, found {desc!r:.80}")
        if not isinstance(desc, mx.init.InitDesc):
            desc = mx.init.InitDesc(desc)
        declared = desc.attrs.get("__init__") or None
        if isinstance(declared, SuperCall) and declared.caller is self:  # in a class's own `__call__`
            declared._init_weight(desc, arr)
        else:
            self._fill_by_role(desc, arr, None if declared is self or isinstance(declared, SuperCall) else declared)

    def _fill_by_role(self, desc: Any, arr: Any, declared: Any) -> None:
        """Read the role, decide, fill, and log where verbose. `declared` is `self` where a layer was given `self`."""
        alone = desc.global_init is None  # else it may be the name of a part of a fused RNN's parameter
        if alone:
            desc.global_init = self
        param = parameter_being_filled(desc)
        if param is None:
            desc, arr = hook_arguments(desc, arr)
            info = ParameterInfo(None, (), str(desc), role_of(desc), tuple(arr.shape), dtype_name(arr.dtype))
        else:
            place = place_of(param)
            info = parameter_info(param, place)
            declared = declared or (place.symbol_init if place is not None else None)
        if declared is not self:
            self._review_network_of(param, alone)
        assignment = choose(self, info, declared, param is not None and is_constant(param))
        context = HookContext(desc, info, param)
        choice = _assigned(assignment, context)
        if param is None and info.role == "default" and choice.why == "base" and desc.endswith("label"):
            warn(f"{str(desc)!r} is filled as a parameter. If it is an input, name it in the Module's label_names.")
        run_hook(choice, context, arr)
        print_filled(self, desc, choice.hook, arr)

    def _review_network_of(self, param: Any, alone: bool) -> None:
        """Review the whole network before its first parameter is filled."""
        if self._rules is None and not any(map(dispatch.suspects, dispatch.targets(self))):
            return
        net = None if param is None else network_of(param)
        if net is None and (param is not None or alone):
            self._review_without_network(param)
        elif net is not None and net not in self._reviewed:
            network = list_parameters(net)
            if self._rules is not None:
                dispatch.choose_all(self, network)
            self._review(network)
            self._reviewed.add(net)

    def _review(self, network: List[tuple]) -> None:
        """Warn of what serves no parameter of a network: hooks that seem misspelt; of `Rules` also idle rules."""
        dispatch.warn_of_misspelt(dispatch.targets(self), [info for _, _, info in network])

    def _review_without_network(self, param: Any) -> None:
        """Say what cannot work where one name, or one Parameter, is given after the other. `Rules` does."""

    def _init_running_mean(self, desc: Any, arr: Any) -> None:
        arr[:] = 0

    def _init_running_var(self, desc: Any, arr: Any) -> None:
        arr[:] = 1

    def set_verbosity(self, verbose: bool = False, print_func: Optional[Callable[[Any], str]] = None) -> "Initializer":
        """Switch on or off one log line a parameter, as MXNet's `set_verbosity` does; returns itself.

        `print_func` gets the filled array and returns the text to log, by default its root mean square.
        """
        # MXNet's own default function is local to the call and so cannot be pickled.
        super().set_verbosity(verbose, print_func or _root_mean_square)
        return self

    def dumps(self) -> str:
        """The initializer as JSON, ``'["myinit", {"scale": 0.5}]'``: the class and the constructor's arguments, arrays
        as nested lists. ``mx.init.create`` makes it again, where its class is registered."""
        name = vars(type(self)).get("_registered_name") or type(self).__name__.lower()
        return as_json([name, base_arguments(self) if self._arguments is None else self._arguments])

    def __getstate__(self) -> dict:
        return {key: value for key, value in vars(self).items() if key != "_reviewed"}

    def __eq__(self, other: Any) -> Any:
        if not isinstance(other, mx.init.Initializer):
            return NotImplemented
        return type(self) is type(other) and self.dumps() == other.dumps()

    def __hash__(self) -> int:
        return hash((type(self), self.dumps()))

    def __repr__(self) -> str:
        return _call_text(self)


def _door(name: str, hook: Callable) -> Callable:
    """A class's ``_init_weight`` or own ``__call__`` as Gluon finds it: it reads the role, where the kit has not."""

    @functools.wraps(hook)
    def door(self: Initializer, desc: Any, arr: Any) -> None:
        chosen = isinstance(desc, HookContext)
        if name == "_init_weight" and not chosen and isinstance(desc, mx.init.InitDesc):
            self._fill_by_role(desc, arr, self)
        elif name == "_init_weight" or (chosen and getattr(desc.attrs.get("__init__"), "caller", None) is self):
            hook(self, desc, arr)
        else:
            Initializer.__call__(self, desc, arr)

    door._reads_role = True  # type: ignore[attr-defined]
    return door


Initializer._init_weight = _door("_init_weight", mx.init.Initializer._init_weight)


class SuperCall(mx.init.Initializer):
    """What ``super().__call__`` does in a class's own ``__call__``: the rest of the order in `dispatch`."""

    # MXNet's `Initializer.__call__` always calls the weight hook of ``desc.attrs['__init__']``, which is this object.
    def __init__(self, caller: Any, rest: Assignment) -> None:
        super().__init__()
        self.caller, self.rest = caller, rest

    def _init_weight(self, desc: Any, arr: Any) -> None:
        choice = _assigned(self.rest, desc)
        _call_hook(getattr(choice.initializer, choice.hook), desc, arr)

    def __repr__(self) -> str:
        return getattr(self.rest, "hook", "nothing")


def _assigned(assignment: Assignment, context: HookContext) -> Choice:
    if isinstance(assignment, Choice):
        return assignment
    raise InitializationError(f"Parameter {context.label!r} has no initializer: {assignment.reason}. To mend it, "
                              f"{assignment.fix}.")  # fmt: skip


def run_hook(choice: Choice, context: HookContext, arr: Any) -> None:
    """Run the chosen hook on an array; what goes wrong in it becomes an error that names the parameter."""
    initializer = choice.initializer
    hook = getattr(initializer, choice.hook)
    who = f"{type(initializer).__name__}.{choice.hook}"
    what = f"Parameter {context.label!r} of shape {tuple(arr.shape)}"
    if choice.rest is not None:
        context.attrs["__init__"] = SuperCall(initializer, choice.rest)
    users = dispatch.is_users(hook)
    check = users and getattr(initializer, "check", Initializer.check)
    warns = users and context.role == "weight" and type(initializer) not in _warned_of_zeros
    emit(context.param, "filled", initializer=initializer, hook=choice.hook)
    try:
        _call_hook(hook, context, arr)
        zero = (check or warns) and arr.size > 0 and not arr.asnumpy().any()
        untouched = check and zero and _writes_nothing(hook, context, arr)
    except InitializationError:
        raise
    except Exception as error:
        raised = f"{who} raised {type(error).__name__}: {error}"
        raise InitializationError(f"{what} and dtype {numpy.dtype(arr.dtype).name} could not be filled: {raised}. "
                                  f"Expected it to write an array of that shape in place; mend the hook, or give the "
                                  f"parameter another initializer by init= or a rule.") from error  # fmt: skip
    if untouched:
        raise InitializationError(f"{what} was left untouched by {who}: it wrote nothing. Expected it to write into "
                                  f"the array it is given: `arr[:] = values` or `out=arr`, not `arr = values`."
                                  )  # fmt: skip
    if zero and warns:
        warn(f"Parameter {context.label!r} is all zero after {who}. A hook writes into the array that it is given: "
             f"`arr[:] = values` or `out=arr`, not `arr = values` or `return values`. Where zeros are meant, "
             f"say mx.init.Zero().")  # fmt: skip
        _warned_of_zeros.add(type(initializer))


_warned_of_zeros: Any = weakref.WeakSet()  # one warning for each class is enough


def _writes_nothing(hook: Callable, context: HookContext, arr: Any) -> bool:
    """Whether a hook that left all zero leaves a copy full of NaN untouched; False where such a copy cannot tell."""
    if arr.stype != "default" or numpy.dtype(arr.dtype).kind != "f":
        return False
    copy = arr.copy()
    classic(copy)[:] = float("nan")
    with suppress(Exception):  # of a hook that reads what it is given, and needs zeros
        _call_hook(hook, context, copy)
        return bool(numpy.isnan(copy.asnumpy()).all())
    return False


def _call_hook(hook: Callable, desc: Any, arr: Any) -> None:
    try:
        hook(desc, arr)
    except (TypeError, IndexError) as error:
        # In NumPy mode the array is an np one, which `mx.nd.random.uniform(out=arr)` of a classic class refuses, and
        # which refuses `arr[:] = mx.nd.ones(...)`; where it is a scalar also `arr[:] = 1`.
        if not (is_numpy_array(arr) and any(words in str(error) for words in _CLASSIC_TAKES)):
            raise
        hook(desc, classic(arr))


_CLASSIC_TAKES = ("legacy", "Cannot assign mx.nd.NDArray", "scalar tensor can only accept")


def _root_mean_square(arr: Any) -> str:
    arr = classic(arr)
    return str((mx.nd.norm(arr) / arr.size**0.5).asscalar())


def corrected(initializer: Any) -> Initializer:
    """An initializer that calls every hook which `initializer`'s class defines, and its weight hook for weights only.

    Parameters
    ----------
    initializer : mx.init.Initializer or str
        Any of MXNet's, a user's own, a registered name, or the JSON of ``dumps()``. One of the kit's is returned as is.

    Examples
    --------
    >>> net = mx.gluon.nn.BatchNorm(in_channels=2)
    >>> net.initialize(corrected(mx.init.Xavier()))
    >>> net.running_var.data().asnumpy().tolist()
    [1.0, 1.0]
    """
    initializer = as_initializer(initializer)
    return initializer if isinstance(initializer, Initializer) else Corrected(initializer)


class Corrected(Initializer):
    def __init__(self, initializer: Any) -> None:
        super().__init__()
        self.initializer = self._wrapped = as_initializer(initializer)

    def __repr__(self) -> str:
        return f"corrected({initializer_text(self.initializer)})"


def as_initializer(value: Any) -> Any:
    """The initializer: an instance, or made from a registered name or JSON; a clear error for anything else."""
    if isinstance(value, mx.init.Initializer):
        return value
    if isinstance(value, str):
        try:
            return mx.init.create(value)
        except Exception as error:
            hint = did_you_mean(value.lower(), sorted(mx.registry.get_registry(mx.init.Initializer)))
            raise ValueError(f"no initializer is registered under the name {value!r} ({printable(str(error))}); "
                             f"{printable(hint)} Register a class of your own with @mx.init.register, or pass an "
                             f"instance such as mx.init.Xavier().") from error  # fmt: skip
    text = f"the network {type(value).__name__}" if isinstance(value, mx.gluon.Block) else f"{value!r:.200}"
    mend = ("It is a class: make an instance of it." if isinstance(value, type) else
            "For numbers, arrays, and what mx.init.Mixed or Load holds, write gluon_initkit.Rules([(selector, value), "
            "...], default=...).")  # fmt: skip
    raise TypeError(f"expected an initializer (an instance, a registered name or its JSON), found "
                    f"{printable(f'{text}. {mend}')}")  # fmt: skip


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
            known = ", ".join(info.label for info in infos[:5])
            text = f"{' and '.join(map(str, unmatched))} matched none of the network's parameters"
            hints = [explain_no_match(rule.selector, infos).rstrip(".") for rule in unmatched]
            texts.insert(0, ". ".join([f"{text} ({known}, ...)", *filter(None, hints)]))
        if texts:
            self._complain(". ".join(texts))

    def _idle_rules(self, network: List[tuple], decisions: List[Any]) -> List[Tuple[Rule, str]]:
        """The rules that decide no parameter of a network, and why; no reason where they match none."""
        why = [getattr(decision, "why", "") for decision in decisions]
        idle = []
        for rule in self._rules:
            if f"rule {rule.number}" in why:
                continue
            reasons: Dict[Tuple[str, str], List[str]] = {}  # the words before and after the paths
            for (param, _, info), decided_by in zip(network, why):
                if not rule.matches(info):
                    continue
                earlier = (f"{one} takes " for one in self._rules[: rule.number - 1] if one.matches(info))
                if is_constant(param):
                    words = "Constants keep their own values: ", ""
                elif decided_by == "layer":
                    words = ("explicit initializers of the layers fill ",
                             " (override_layers=True lets the rule go before them)")  # fmt: skip
                else:
                    before = next(earlier, "")
                    words = (before, " before") if before else ("the layers' own defaults fill ", "")
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


def _constructor_arguments(cls: type, args: tuple, kwargs: dict) -> Optional[Dict[str, Any]]:
    """The keyword arguments that would construct the same object again; None where keywords cannot say it."""
    try:
        signature = inspect.signature(getattr(cls, "__init__"))  # noqa: B009
        bound = signature.bind(None, *args, **kwargs)
    except (TypeError, ValueError):
        return None  # copy and pickle make the object without arguments; a wrong call fails in __init__, clearer
    bound.apply_defaults()
    arguments: Dict[str, Any] = {}
    for parameter, value in list(zip(signature.parameters.values(), bound.arguments.values()))[1:]:
        if parameter.kind is parameter.VAR_KEYWORD:
            arguments.update(value)
        elif parameter.kind not in (parameter.VAR_POSITIONAL, parameter.POSITIONAL_ONLY):
            arguments[parameter.name] = value
        elif value:
            return None
    return arguments


def as_json(value: Any) -> str:
    """JSON of a configuration: arrays as nested lists, initializers as their own dumps, anything else by its repr."""
    return json.dumps(value, default=_as_plain)


def _as_plain(value: Any) -> Any:
    if isinstance(value, mx.nd.NDArray):
        return value.asnumpy().tolist()
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return value.tolist()
    if isinstance(value, mx.init.Initializer):
        return dump(value)
    return sorted(value) if isinstance(value, (set, frozenset)) else repr(value)


def dump(initializer: Any) -> str:
    """The JSON by which an initializer, MXNet's or the kit's, is compared and shown."""
    # MXNet's `Constant.dumps` replaces the array that it holds by a list, and some `dumps` raise.
    if isinstance(initializer, mx.init.Constant):
        return as_json(["constant", {"value": initializer.value}])
    try:
        return initializer.dumps()
    except TypeError:
        return as_json([type(initializer).__name__.lower(), vars(initializer)])


class Constant(mx.init.Constant):
    """MXNet's, with a `dumps` that writes lists and NumPy's numbers too, and an array more than once."""

    # MXNet writes a layer's own initializer when the layer is hybridized; MXNet 2 whenever its values are read.
    dumps = dump


def serializable(initializer: Any) -> Any:
    """The same initializer, as the kit's `Constant` where MXNet's could not be written."""
    written = type(initializer) is not mx.init.Constant or isinstance(initializer.value, (int, float))
    return initializer if written else Constant(initializer.value)


def initializer_text(initializer: Any) -> str:
    """An initializer as a reader would type it, ``Normal(sigma=0.01)``; without `corrected` around it."""
    initializer = getattr(initializer, "_wrapped", None) or initializer
    own_repr = any("__repr__" in vars(cls) for cls in type(initializer).__mro__[:-1])
    return repr(initializer) if own_repr else _call_text(initializer)


def _call_text(initializer: Any) -> str:
    texts = ((key, repr(value)) for key, value in json.loads(dump(initializer))[1].items())
    arguments = (f"{key}={text if len(text) <= 40 else text[:37] + chr(8230)}" for key, text in texts)
    return f"{type(initializer).__name__}({', '.join(arguments)})"
