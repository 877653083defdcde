"""`Initializer`: the base class that MXNet's own should have been. Every hook that a class defines is called.

Gluon reaches an initializer in two ways, and neither asks for a role: a network-level one by ``__call__`` with the
parameter's own initializer in ``desc.attrs['__init__']``, never empty; a layer's own by ``_init_weight``, whatever the
parameter is (MXNet 1.9.1, ``gluon/parameter.py``, `_finish_deferred_init`; ``initializer.py``, `Initializer.__call__`).
So both doors are made to read the role here: ``__call__`` is overridden, and each subclass's ``_init_weight`` is
wrapped when the class is made. A `Description` tells an inner call (``super()._init_weight``) from Gluon's.
A subclass's own ``__call__`` is wrapped likewise.
"""

import functools
import json
from typing import Any, Callable, ClassVar, Iterable, List, Optional, Sequence, Tuple
import weakref

import numpy

from .._mxnet import mx
from .._mxnet.arrays import classic, dtype_name, is_numpy_array, is_unwritten, prefill
from .._mxnet.frames import arrays_being_filled, parameter_being_filled, place_of
from .._mxnet.initializers import base_arguments, hook_arguments, print_filled
from .._mxnet.instrument.notify import emit
from .._mxnet.networks import network_of
from .._mxnet.parameter import is_constant
from ..display import warn
from ..parameters import ParameterInfo, list_parameters, parameter_info, role_of
from .description import Description
from .dispatch import Choice, Decision, Uncovered, base_choice, choose, is_users, misspelt, suspects
from .errors import InitializationError
from .serialization import as_json, call_of, constructor_arguments

__all__ = ["Initializer", "fill"]


class Initializer(mx.init.Initializer):
    """The corrected base class of initializers: change the base, and ``_init_bias`` is called.

    A subclass defines the hooks of the roles that it serves, each ``(self, desc, arr)``: ``_init_weight``,
    ``_init_bias``, ``_init_gamma``, ``_init_beta``, ``_init_running_mean``, ``_init_running_var``, ``_init_default``,
    or ``_init_<ending>`` for parameters of its own naming (``_init_alpha`` for PReLU's ``alpha``). What it does not
    serve keeps the layer's default, else bias 0, gamma 1, beta 0, running mean 0, running variance 1.

    The constructor's arguments are recorded by themselves, so `dumps`, ``==`` and `hash` are right without passing
    them to ``super().__init__``, also when one is an array.

    Attributes
    ----------
    check : bool
        Debug mode, off by default. When True, a hook that leaves its array untouched raises. To tell that from a hook
        that writes zeros, a hook after which all is zero is called once more, on a copy full of NaN (an integer copy
        is full of its type's smallest value). Set it on `Initializer` for all, on a class or on an instance.

    Raises
    ------
    InitializationError
        While filling: nothing serves the parameter, or its hook failed or wrote nothing. The message names the path.

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
    _registered_name: Optional[str] = None
    _arguments: Any
    _audited: Any  # the networks that were looked at as a whole

    def __new__(cls, *args: Any, **kwargs: Any) -> "Initializer":
        made = super().__new__(cls)
        made._arguments = constructor_arguments(cls, args, kwargs)
        made._audited = weakref.WeakSet()
        return made

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        bases = (Initializer, mx.init.Initializer)
        for name, reading_role in (("_init_weight", _reading_role), ("__call__", _reading_role_of_call)):
            hooks = (vars(base).get(name) for base in cls.__mro__ if base not in bases)
            hook = next(filter(None, hooks), None)
            if hook is not None and not hasattr(hook, "_reads_role"):
                setattr(cls, name, reading_role(hook))

    def __call__(self, desc: Any, arr: Any) -> None:
        """Fill `arr`, the array of the parameter that `desc` names; MXNet calls this for a network-level initializer.

        Parameters
        ----------
        desc : InitDesc or str
            MXNet's name of the parameter and its attributes; or the name alone, as ``mx.model.FeedForward`` gives it.
        arr : NDArray
            The array to fill, of any shape.
        """
        if not isinstance(desc, str):
            raise TypeError(f"expected the name of a parameter, an InitDesc or a str, found {desc!r:.80}")
        if isinstance(desc, mx.init.InitDesc):
            declared = desc.attrs.get("__init__") or None
        else:
            declared = _declared_by(desc)
            desc = mx.init.InitDesc(desc)
        if isinstance(declared, Rest):
            if declared.caller is self:  # ``super().__call__`` in a class's own `__call__`
                declared._init_weight(desc, arr)
                return
            declared = None
        self._serve(desc, arr, None if declared is self else declared)

    def _serve(self, desc: Any, arr: Any, declared: Any) -> None:
        """Read the role, decide, fill, and say so where verbose. `declared` is `self` where a layer named us."""
        alone = desc.global_init is None  # else it may be the name of a part of a fused RNN's parameter
        if alone:
            desc.global_init = self
        param = parameter_being_filled(desc)
        place = place_of(param) if param is not None else None
        if param is None:
            desc, arr = hook_arguments(desc, arr)
            info = _named(desc, arr)
        else:
            info = parameter_info(param, place)
            declared = declared or (place.symbol_init if place is not None else None)
        if declared is not self:
            self._audit(param, alone)
        decision = choose(self, info, declared, param is not None and is_constant(param))
        described = Description(desc, info, param)
        choice = _covering(decision, described)
        if param is None and info.role == "default" and choice.why == "base" and desc.endswith("label"):
            warn(f"{str(desc)!r} is filled as a parameter. If it is an input, name it in the Module's label_names.")
        fill(choice, described, arr)
        print_filled(self, desc, choice.hook, arr)

    def _choose(self, info: ParameterInfo, layer_default: Any) -> Decision:
        """Decide for a parameter that no layer speaks for; `layer_default` is the layer's own default or None."""
        return base_choice(self, self, info, layer_default)

    def _targets(self) -> List[Any]:
        """The initializers whose hooks serve a network."""
        return [self]

    def _audits(self) -> bool:
        """Whether there is anything to say of a whole network."""
        return any(map(suspects, self._targets()))

    def _audit(self, param: Any, alone: bool) -> None:
        """Look at the whole network, or Module, before its first parameter is filled."""
        if not self._audits():
            return
        owner, arrays = arrays_being_filled() if param is None else (network_of(param), {})
        if owner is None and (param is not None or alone):
            self._review_without_network(param)
        if owner is None or owner in self._audited:
            return
        if param is None:
            self._look_over([(_named(name, arr), declared, False) for name, (arr, declared) in arrays.items()])
        else:
            self._look_over([(info, param.init or place.symbol_init, is_constant(param))
                             for param, place, info in list_parameters(owner)])  # fmt: skip
        self._audited.add(owner)

    def _look_over(self, network: Sequence[Tuple[ParameterInfo, Any, bool]]) -> None:
        """Look at each parameter of a network, with what it was declared with, and whether it is a Constant."""
        self._review(network)

    def _review(self, network: Sequence[Tuple[ParameterInfo, Any, bool]]) -> None:
        """`review`, where it is known what the parameters were declared with."""
        self.review([info for info, _, _ in network])

    def _review_without_network(self, param: Any) -> None:
        """Say what cannot work where somebody gives one name, or one Parameter, after the other. `Rules` does."""

    def review(self, infos: Sequence[ParameterInfo]) -> None:
        """Look at a whole network's parameters before any is filled, and warn of hooks that seem to be misspelt.

        `Rules` also warns of rules that decide nothing.

        Parameters
        ----------
        infos : sequence of ParameterInfo

        Examples
        --------
        >>> Initializer().review([])
        """
        warn_of_misspelt(self._targets(), infos)

    def _init_running_mean(self, desc: Any, arr: Any) -> None:
        arr[:] = 0

    def _init_running_var(self, desc: Any, arr: Any) -> None:
        arr[:] = 1

    def set_verbosity(self, verbose: bool = False, print_func: Optional[Callable[[Any], str]] = None) -> "Initializer":
        """Switch on or off one log line a parameter, as `mx.init.Initializer.set_verbosity` does.

        Parameters
        ----------
        verbose : bool
            Whether to log.
        print_func : callable, optional
            Gets the filled array and returns the text to log. By default its root mean square.

        Returns
        -------
        Initializer
            Itself.

        Examples
        --------
        >>> init = Initializer().set_verbosity(True)
        """
        # MXNet's own default function is local to the call and so cannot be pickled.
        super().set_verbosity(verbose, print_func or _root_mean_square)
        return self

    def dumps(self) -> str:
        """The initializer as JSON: ``mx.init.create`` makes it again, where its class is registered.

        Returns
        -------
        str
            ``'["myinit", {"scale": 0.5}]'``: the lower-case class name and the constructor's arguments. Arrays are
            written as nested lists.

        Examples
        --------
        >>> Initializer().dumps()
        '["initializer", {}]'
        """
        name = vars(type(self)).get("_registered_name") or type(self).__name__.lower()
        return as_json([name, base_arguments(self) if self._arguments is None else self._arguments])

    def __getstate__(self) -> dict:
        return {key: value for key, value in vars(self).items() if key != "_audited"}

    def __eq__(self, other: Any) -> Any:
        if not isinstance(other, mx.init.Initializer):
            return NotImplemented
        return type(self) is type(other) and self.dumps() == other.dumps()

    def __hash__(self) -> int:
        return hash((type(self), self.dumps()))

    def __repr__(self) -> str:
        return call_of(type(self).__name__, json.loads(self.dumps())[1])


def _named(name: str, arr: Any) -> ParameterInfo:
    """What is known of an array by its name alone."""
    return ParameterInfo(None, (), str(name), role_of(name), tuple(arr.shape), dtype_name(arr.dtype))


def _reading_role(hook: Callable) -> Callable:
    """`hook`, the ``_init_weight`` of a class, as Gluon finds it: for a weight itself, for others their own hook."""

    @functools.wraps(hook)
    def _init_weight(self: Initializer, desc: Any, arr: Any) -> None:
        if isinstance(desc, mx.init.InitDesc) and not isinstance(desc, Description):
            self._serve(desc, arr, self)
        else:
            hook(self, desc, arr)

    _init_weight._reads_role = True  # type: ignore[attr-defined]
    return _init_weight


Initializer._init_weight = _reading_role(mx.init.Initializer._init_weight)


def _reading_role_of_call(call: Callable) -> Callable:
    """`call`, a class's own ``__call__``, behind the base's, which asks it only for what it is to serve."""

    @functools.wraps(call)
    def __call__(self: Initializer, desc: Any, arr: Any) -> None:
        rest = desc.attrs.get("__init__") if isinstance(desc, Description) else None
        if isinstance(rest, Rest) and rest.caller is self:
            call(self, desc, arr)
        else:
            Initializer.__call__(self, desc, arr)

    __call__._reads_role = True  # type: ignore[attr-defined]
    return __call__


class Rest(mx.init.Initializer):
    """What ``super().__call__`` does in a class's own ``__call__``: the rest of the order in `dispatch`.

    It stands in ``desc.attrs['__init__']``, whose weight hook MXNet's `Initializer.__call__` calls in any case.
    """

    def __init__(self, caller: Any, decision: Decision) -> None:
        super().__init__()
        self.caller, self.decision = caller, decision

    def _init_weight(self, desc: Any, arr: Any) -> None:
        choice = _covering(self.decision, desc)
        _run(getattr(choice.initializer, choice.hook), desc, arr)

    def __repr__(self) -> str:
        return getattr(self.decision, "hook", "nothing")


def _covering(decision: Decision, desc: Description) -> Choice:
    """The decision, where somebody fills the parameter; an error where nobody does."""
    if isinstance(decision, Uncovered):
        raise InitializationError(
            f"Parameter {desc.label!r} has no initializer: {decision.reason}. To mend it, {decision.mend}."
        )
    return decision


def _declared_by(name: str) -> Any:
    """The initializer by which MXNet fills an array of this plain name, whatever else it is told; None for most."""
    if name.startswith("upsampling"):
        return mx.init.Bilinear()
    if name.startswith("stn_loc"):  # of a spatial transformer, which begins as the identity
        if name.endswith("weight"):
            return mx.init.Zero()
        if name.endswith("bias"):
            return mx.init.Constant(numpy.array([1.0, 0, 0, 0, 1.0, 0]))
    return None


def fill(choice: Choice, desc: Description, arr: Any) -> None:
    """Run the chosen hook; what goes wrong in it becomes one error that names the parameter."""
    hook = getattr(choice.initializer, choice.hook)
    who = f"{type(choice.initializer).__name__}.{choice.hook}"
    if choice.rest is not None:
        desc.attrs["__init__"] = Rest(choice.initializer, choice.rest)
    kind, users = type(choice.initializer), is_users(hook)
    check = users and getattr(choice.initializer, "check", Initializer.check)
    doubted = users and desc.role == "weight" and kind not in _warned_of_zeros
    emit(desc.param, "filled", initializer=choice.initializer, hook=choice.hook)
    try:
        _run(hook, desc, arr)
        zero = (check or doubted) and arr.size > 0 and not arr.asnumpy().any()
        forgot = check and zero and _writes_nothing(hook, desc, arr)
    except InitializationError:
        raise
    except Exception as error:
        raise InitializationError(
            f"Parameter {desc.label!r} of shape {tuple(arr.shape)} and dtype {numpy.dtype(arr.dtype).name} could not "
            f"be filled: {who} raised {type(error).__name__}: {error}. Expected it to write an array of that shape in "
            f"place; mend the hook, or give the parameter another initializer by init= or a rule."
        ) from error
    if forgot:
        raise InitializationError(
            f"Parameter {desc.label!r} of shape {tuple(arr.shape)} was left untouched by {who}: it wrote nothing. "
            f"Expected it to write into the array it is given: `arr[:] = values` or `out=arr`, not `arr = values`."
        )
    if zero and doubted:
        warn(f"Parameter {desc.label!r} is all zero after {who}. A hook writes into the array that it is given: "
             f"`arr[:] = values` or `out=arr`, not `arr = values` or `return values`. Where zeros are meant, "
             f"say mx.init.Zero().")  # fmt: skip
        _warned_of_zeros.add(kind)


_warned_of_zeros: Any = weakref.WeakSet()  # classes: one warning each is enough


def _writes_nothing(hook: Callable, desc: Description, arr: Any) -> bool:
    """Whether a hook leaves an array of this kind as it was; a kind that cannot be watched is taken for written."""
    copy = arr.copy()
    sentinel = prefill(copy)
    if sentinel is None:
        return False
    try:
        _run(hook, desc, copy)
    except Exception:  # it reads what it is given, and needs zeros
        return False
    return is_unwritten(copy, sentinel)


def _run(hook: Callable, desc: Description, arr: Any) -> None:
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


def warn_of_misspelt(targets: Iterable[Any], infos: Sequence[ParameterInfo]) -> None:
    """Warn of hooks of these initializers' classes that serve no parameter of a network and seem to be misspelt."""
    for target in {type(target): target for target in targets}.values():
        for suffix in suspects(target):
            meant = misspelt(target, suffix, infos)
            if meant is not None:
                warn(f"{type(target).__name__}._init_{suffix} serves no parameter of the network; "
                     f"did you mean {meant}?")  # fmt: skip
