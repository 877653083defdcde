"""`Initializer` corrects MXNet's base class: it calls every hook that a class defines and records the constructor's
arguments. `corrected` does the same for a class that one cannot edit. `Rules` chooses initializers by selector, which
`mx.init.Mixed` cannot do on Gluon. `dispatch` decides what a matching rule does.

Gluon calls an initializer in two ways, and both ignore the role. It calls a network-level one by ``__call__``, with the
parameter's own initializer in ``desc.attrs['__init__']``. It calls a layer's one by ``_init_weight``, also for a bias
(MXNet 1.9.1, ``gluon/parameter.py``, `_finish_deferred_init`). So this module wraps a class's ``_init_weight`` and
``__call__`` to read the role. If a hook gets a `HookContext`, the kit chose it or ``super()`` called it.
"""

from contextlib import suppress
import functools
import inspect
import json
from typing import Any, Callable, ClassVar, Dict, List, Optional
import weakref

import numpy

from .._mxnet import mx
from .._mxnet.arrays import classic, dtype_name, is_numpy_array
from .._mxnet.frames import base_arguments, hook_arguments, parameter_being_filled, place_of
from .._mxnet.parameter import is_constant, print_filled
from .._mxnet.preserve import draw_seed
from .._mxnet.state import emit
from .._mxnet.tree import network_of
from ..display import printable, warn
from ..parameters import ParameterInfo, did_you_mean, list_parameters, parameter_info, role_of
from . import dispatch
from .dispatch import Assignment, Choice, InitializationError, choose
from .random import generator, key_of


class HookContext(mx.init.InitDesc):
    """Description of the parameter that a hook fills: MXNet's `InitDesc`, which is the name, with more attributes.

    Attributes
    ----------
    role, axes : str
        The parameter's role, such as ``'weight'``; and a weight's axes, such as ``'OIHW'``: output, input, space.
    path, label : str or None, str
        The canonical path, None if the parameter's network is not known; and the parameter's name in messages.
    param, key : Parameter or None, bytes or None
        The Parameter, if it is known; and the key that seeds `rng` under ``ik.initialize``.
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
        """The parameter's own random generator. ``ik.initialize`` seeds it from the seed and the path. Elsewhere it is
        seeded from MXNet's generator, which advances at the first access to `rng`."""
        if self._rng is None:
            self._rng = generator(self.key or key_of("drawn", draw_seed()))
        return self._rng


class Initializer(mx.init.Initializer):
    """The corrected base class of initializers. With it as the base, a class's ``_init_bias`` is called.

    A subclass defines a hook ``(self, desc, arr)`` for each role that it serves: ``_init_weight``, ``_init_bias``,
    ``_init_gamma``, ``_init_beta``, ``_init_running_mean``, ``_init_running_var``, ``_init_default``, or
    ``_init_<ending>`` for parameters with another name (``_init_alpha`` for PReLU's ``alpha``). Other parameters get
    the layer's default, or else bias 0, gamma 1, beta 0, running mean 0, running variance 1.

    The constructor's arguments are recorded for `dumps`, ``==`` and `hash`, also without ``super().__init__``.

    Attributes
    ----------
    check : bool
        Debug mode, off by default: a hook that does not write into its array raises an error. A hook that leaves only
        zeros is called again on a copy full of NaN to check this. Set it on `Initializer`, a class or an instance.

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
    _rules: Any = None  # set by `Rules`
    _wrapped: Any = None  # set by `corrected`: the initializer whose hooks are called
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
                setattr(cls, name, _role_reader(name, hook))
        if cls.__module__.partition(".")[0] == __name__.partition(".")[0]:  # so that `create` reads the kit's `dumps`
            cls._registered_name = f"gluon_initkit.{cls.__name__.lower()}"
            mx.init.alias(cls._registered_name)(cls)

    def __call__(self, desc: Any, arr: Any) -> None:
        """Fill the array of the parameter `desc`: an InitDesc, or a str as ``mx.model.FeedForward`` passes it."""
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
        """Read the role, choose a hook, fill, and log if verbose. `declared` is `self` if a layer was given `self`."""
        outermost = desc.global_init is None  # else `desc` may name a part of a fused RNN's parameter
        if outermost:
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
            self._review_network_of(param, outermost)
        assignment = choose(self, info, declared, param is not None and is_constant(param))
        context = HookContext(desc, info, param)
        choice = _choice_or_raise(assignment, context)
        if param is None and info.role == "default" and choice.why == "base" and desc.endswith("label"):
            warn(f"{str(desc)!r} is filled as a parameter. If it is an input, name it in the Module's label_names.")
        run_hook(choice, context, arr)
        print_filled(self, desc, choice.hook, arr)

    def _review_network_of(self, param: Any, outermost: bool) -> None:
        """Review the whole network before its first parameter is filled."""
        if self._rules is None and not any(map(dispatch.unknown_suffixes, dispatch.targets(self))):
            return
        net = None if param is None else network_of(param)
        if net is None and (param is not None or outermost):
            self._review_without_network(param)
        elif net is not None and net not in self._reviewed:
            network = list_parameters(net)
            if self._rules is not None:
                dispatch.choose_all(self, network)
            self._review(network)
            self._reviewed.add(net)

    def _review(self, network: List[tuple]) -> None:
        """Warn of hooks that serve no parameter of a network and seem misspelt. `Rules` also warns of idle rules."""
        dispatch.warn_of_misspelt(dispatch.targets(self), [info for _, _, info in network])

    def _review_without_network(self, param: Any) -> None:
        """Warn of rules that need the network, or refuse them, if it is not known. `Rules` overrides this."""

    def _init_running_mean(self, desc: Any, arr: Any) -> None:
        arr[:] = 0

    def _init_running_var(self, desc: Any, arr: Any) -> None:
        arr[:] = 1

    def set_verbosity(self, verbose: bool = False, print_func: Optional[Callable[[Any], str]] = None) -> "Initializer":
        """Switch one log line per parameter on or off, as MXNet's `set_verbosity` does; returns itself.

        `print_func` takes the filled array and returns the text to log, by default the array's root mean square.
        """
        # MXNet's default function is local to the call, so it cannot be pickled.
        super().set_verbosity(verbose, print_func or _root_mean_square)
        return self

    def dumps(self) -> str:
        """The initializer as JSON, ``'["myinit", {"scale": 0.5}]'``: the class and the constructor's arguments, with
        arrays as nested lists. If the class is registered, ``mx.init.create`` makes the initializer again."""
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


def _role_reader(name: str, hook: Callable) -> Callable:
    """Wrap a class's ``_init_weight`` or ``__call__`` so that it reads the role, unless the kit has chosen the hook."""

    @functools.wraps(hook)
    def wrapper(self: Initializer, desc: Any, arr: Any) -> None:
        chosen = isinstance(desc, HookContext)
        if name == "_init_weight" and not chosen and isinstance(desc, mx.init.InitDesc):
            self._fill_by_role(desc, arr, self)
        elif name == "_init_weight" or (chosen and getattr(desc.attrs.get("__init__"), "caller", None) is self):
            hook(self, desc, arr)
        else:
            Initializer.__call__(self, desc, arr)

    wrapper._reads_role = True  # type: ignore[attr-defined]
    return wrapper


Initializer._init_weight = _role_reader("_init_weight", mx.init.Initializer._init_weight)


class SuperCall(mx.init.Initializer):
    """Fills a parameter when a class's own ``__call__`` calls ``super().__call__``, by the next step of `dispatch`."""

    # MXNet's `Initializer.__call__` always calls the weight hook of ``desc.attrs['__init__']``, which is this object.
    def __init__(self, caller: Any, assignment: Assignment) -> None:
        super().__init__()
        self.caller, self.assignment = caller, assignment

    def _init_weight(self, desc: Any, arr: Any) -> None:
        choice = _choice_or_raise(self.assignment, desc)
        _call_hook(getattr(choice.initializer, choice.hook), desc, arr)

    def __repr__(self) -> str:
        return getattr(self.assignment, "hook", "nothing")


def _choice_or_raise(assignment: Assignment, context: HookContext) -> Choice:
    if isinstance(assignment, Choice):
        return assignment
    raise InitializationError(f"Parameter {context.label!r} has no initializer: {assignment.reason}. To mend it, "
                              f"{assignment.fix}.")  # fmt: skip


def run_hook(choice: Choice, context: HookContext, arr: Any) -> None:
    """Run the chosen hook on an array. An exception in the hook becomes an error that names the parameter."""
    initializer = choice.initializer
    hook = getattr(initializer, choice.hook)
    hook_name = f"{type(initializer).__name__}.{choice.hook}"
    param_text = f"Parameter {context.label!r} of shape {tuple(arr.shape)}"
    if choice.super_call is not None:
        context.attrs["__init__"] = SuperCall(initializer, choice.super_call)
    custom = dispatch.is_custom(hook)
    check = custom and getattr(initializer, "check", Initializer.check)
    warns = custom and context.role == "weight" and type(initializer) not in _warned_of_zeros
    emit(context.param, "filled", initializer=initializer, hook=choice.hook)
    try:
        _call_hook(hook, context, arr)
        all_zero = (check or warns) and arr.size > 0 and not arr.asnumpy().any()
        untouched = check and all_zero and _writes_nothing(hook, context, arr)
    except InitializationError:
        raise
    except Exception as error:
        cause = f"{hook_name} raised {type(error).__name__}: {error}"
        raise InitializationError(f"{param_text} and dtype {numpy.dtype(arr.dtype).name} could not be filled: {cause}. "
                                  f"Expected it to write an array of that shape in place; mend the hook, or give the "
                                  f"parameter another initializer by init= or a rule.") from error  # fmt: skip
    if untouched:
        raise InitializationError(f"{param_text} was left untouched by {hook_name}: it wrote nothing. Expected it to "
                                  f"write into the array it is given: `arr[:] = values` or `out=arr`, not "
                                  f"`arr = values`.")  # fmt: skip
    if all_zero and warns:
        warn(f"Parameter {context.label!r} is all zero after {hook_name}. A hook writes into the array that it is "
             f"given: `arr[:] = values` or `out=arr`, not `arr = values` or `return values`. Where zeros are meant, "
             f"say mx.init.Zero().")  # fmt: skip
        _warned_of_zeros.add(type(initializer))


_warned_of_zeros: Any = weakref.WeakSet()  # classes that were warned of: one warning for each is enough


def _writes_nothing(hook: Callable, context: HookContext, arr: Any) -> bool:
    """Whether a hook that left zeros leaves a copy full of NaN untouched; False if the hook or array refuses NaN."""
    if arr.stype != "default" or numpy.dtype(arr.dtype).kind != "f":
        return False
    copy = arr.copy()
    classic(copy)[:] = float("nan")
    with suppress(Exception):  # the hook may read its array and rely on zeros
        _call_hook(hook, context, copy)
        return bool(numpy.isnan(copy.asnumpy()).all())
    return False


def _call_hook(hook: Callable, desc: Any, arr: Any) -> None:
    try:
        hook(desc, arr)
    except (TypeError, IndexError) as error:
        # In NumPy mode `arr` is an mx.np array. `mx.nd.random.uniform(out=arr)` refuses it. It refuses
        # `arr[:] = mx.nd.ones(...)` and, as a scalar, `arr[:] = 1`. A classic array accepts all three.
        if not (is_numpy_array(arr) and any(words in str(error) for words in _NUMPY_ARRAY_ERRORS)):
            raise
        hook(desc, classic(arr))


_NUMPY_ARRAY_ERRORS = ("legacy", "Cannot assign mx.nd.NDArray", "scalar tensor can only accept")


def _root_mean_square(arr: Any) -> str:
    arr = classic(arr)
    return str((mx.nd.norm(arr) / arr.size**0.5).asscalar())


def corrected(initializer: Any) -> Initializer:
    """Make an initializer that calls every hook of `initializer`'s class, and its weight hook for weights only.

    Parameters
    ----------
    initializer : mx.init.Initializer or str
        MXNet's or your own, a registered name, or the JSON of ``dumps()``. One of the kit is returned as it is.

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
    """Return an instance as it is, or make one from a registered name or JSON; raise a clear error otherwise."""
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
    advice = ("It is a class: make an instance of it." if isinstance(value, type) else
              "For numbers, arrays, and what mx.init.Mixed or Load holds, write gluon_initkit.Rules([(selector, "
              "value), ...], default=...).")  # fmt: skip
    raise TypeError(f"expected an initializer (an instance, a registered name or its JSON), found "
                    f"{printable(f'{text}. {advice}')}")  # fmt: skip


def _constructor_arguments(cls: type, args: tuple, kwargs: dict) -> Optional[Dict[str, Any]]:
    """The keyword arguments that construct the same object again; None if keywords cannot pass them all."""
    try:
        signature = inspect.signature(getattr(cls, "__init__"))  # noqa: B009
        bound = signature.bind(None, *args, **kwargs)
    except (TypeError, ValueError):
        return None  # copy and pickle pass no arguments; for a wrong call, __init__ raises a clearer error
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
    """JSON of a configuration, with arrays as nested lists, initializers as their `dumps`, other objects by repr."""
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
    """JSON of an initializer of MXNet or the kit, for comparing and showing it."""
    # MXNet's `Constant.dumps` replaces its own array by a list, and the `dumps` of some classes raises.
    if isinstance(initializer, mx.init.Constant):
        return as_json(["constant", {"value": initializer.value}])
    try:
        return initializer.dumps()
    except TypeError:
        return as_json([type(initializer).__name__.lower(), vars(initializer)])


class Constant(mx.init.Constant):
    """MXNet's `Constant` with a `dumps` that also writes lists and NumPy numbers, and can write an array repeatedly."""

    # MXNet 1 writes a layer's initializer when the layer is hybridized, MXNet 2 at each read of the layer's values.
    dumps = dump


def serializable(initializer: Any) -> Any:
    """Return the initializer, or the kit's `Constant` in place of MXNet's if JSON cannot hold its value."""
    unchanged = type(initializer) is not mx.init.Constant or isinstance(initializer.value, (int, float))
    return initializer if unchanged else Constant(initializer.value)


def initializer_text(initializer: Any) -> str:
    """An initializer as code, ``Normal(sigma=0.01)``, without `corrected` around it."""
    initializer = getattr(initializer, "_wrapped", None) or initializer
    own_repr = any("__repr__" in vars(cls) for cls in type(initializer).__mro__[:-1])
    return repr(initializer) if own_repr else _call_text(initializer)


def _call_text(initializer: Any) -> str:
    texts = ((key, repr(value)) for key, value in json.loads(dump(initializer))[1].items())
    arguments = (f"{key}={text if len(text) <= 40 else text[:37] + chr(8230)}" for key, text in texts)
    return f"{type(initializer).__name__}({', '.join(arguments)})"
