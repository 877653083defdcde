"""`Initializer`: the base class that MXNet's own should have been. Every hook that a class defines is called.

Gluon reaches an initializer in two ways, and neither asks for a role: a network-level one by ``__call__`` with the
parameter's own initializer in ``desc.attrs['__init__']``, never empty; a layer's own by ``_init_weight``, whatever the
parameter is (MXNet 1.9.1, ``gluon/parameter.py``, `_finish_deferred_init`; ``initializer.py``, `Initializer.__call__`).
So both doors are made to read the role here: ``__call__`` is overridden, and each subclass's ``_init_weight`` is
wrapped when the class is made. A `Description` tells an inner call (``super()._init_weight``) from Gluon's.
"""

import functools
import json
from typing import Any, Callable, ClassVar, Optional, Sequence

import numpy

from .._mxnet import (
    base_arguments,
    classic,
    is_constant,
    is_numpy_array,
    mx,
    parameter_being_filled,
    part_named,
    place_of,
    prefill,
    say_filled,
    tell,
    unwritten,
)
from ..naming import ParameterInfo, info_of, role_of
from .choosing import Choice, Decision, Uncovered, base_choice, choose
from .configuration import as_json, call_of, constructor_arguments
from .description import Description
from .errors import InitializationError

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
        Debug mode, off by default. When True, arrays are filled with NaN before each hook (an integer array with its
        type's smallest value), and a hook that leaves its array untouched raises. Set it on `Initializer` for all, on
        a class or on an instance.

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

    def __new__(cls, *args: Any, **kwargs: Any) -> "Initializer":
        made = super().__new__(cls)
        made._arguments = constructor_arguments(cls, args, kwargs)
        return made

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        bases = (Initializer, mx.init.Initializer)
        hooks = (vars(base).get("_init_weight") for base in cls.__mro__ if base not in bases)
        hook = next(filter(None, hooks), None)
        if hook is not None and not hasattr(hook, "_reads_role"):
            cls._init_weight = _reading_role(hook)

    def __call__(self, desc: Any, arr: Any) -> None:
        """Fill `arr`, the array of the parameter that `desc` names; MXNet calls this for a network-level initializer.

        Parameters
        ----------
        desc : InitDesc
            MXNet's name of the parameter and its attributes.
        arr : NDArray
            The array to fill, of any shape.
        """
        if not isinstance(desc, mx.init.InitDesc):
            super().__call__(desc, arr)  # a plain str: MXNet's deprecated form, by name alone
            return
        declared = desc.attrs.get("__init__") or None
        self._serve(desc, arr, None if declared is self else declared)

    def _serve(self, desc: Any, arr: Any, declared: Any) -> None:
        """Read the role, decide, fill, and say so where verbose. `declared` is `self` where a layer named us."""
        if desc.global_init is None:
            desc.global_init = self
        param = parameter_being_filled(desc)
        place = place_of(param) if param is not None else None
        if param is None:
            desc, arr = part_named(desc, arr)
            info = ParameterInfo(None, (), str(desc), role_of(desc), tuple(arr.shape), str(arr.dtype))
        else:
            info = info_of(param, place)
            declared = declared or (place.symbol_init if place is not None else None)
        if declared is not self:
            self._audit(param)
        decision = choose(self, info, declared, param is not None and is_constant(param))
        described = Description(desc, info, param)
        if isinstance(decision, Uncovered):
            raise InitializationError(
                f"Parameter {described.label!r} has no initializer: {decision.reason}. To mend it, {decision.mend}."
            )
        fill(decision, described, arr)
        say_filled(self, desc, decision.hook, arr)

    def _choose(self, info: ParameterInfo, layer_default: Any) -> Decision:
        """Decide for a parameter that no layer speaks for; `layer_default` is the layer's own default or None."""
        return base_choice(self, self, info, layer_default)

    def _audit(self, param: Any) -> None:
        """Look at the whole network before its first parameter is filled. `Rules` does."""

    def review(self, infos: Sequence[ParameterInfo]) -> None:
        """Look at a whole network's parameters before any is filled; `Rules` warns of rules that match nothing.

        Parameters
        ----------
        infos : sequence of ParameterInfo

        Examples
        --------
        >>> Initializer().review([])
        """

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

    def __eq__(self, other: Any) -> Any:
        if not isinstance(other, mx.init.Initializer):
            return NotImplemented
        return type(self) is type(other) and self.dumps() == other.dumps()

    def __hash__(self) -> int:
        return hash((type(self), self.dumps()))

    def __repr__(self) -> str:
        return call_of(type(self).__name__, json.loads(self.dumps())[1])


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


def fill(choice: Choice, desc: Description, arr: Any) -> None:
    """Run the chosen hook; what goes wrong in it becomes one error that names the parameter."""
    hook = getattr(choice.initializer, choice.hook)
    who = f"{type(choice.initializer).__name__}.{choice.hook}"
    sentinel = prefill(arr) if getattr(choice.initializer, "check", Initializer.check) else None
    tell(desc.param, "filled", initializer=choice.initializer, hook=choice.hook)
    try:
        _run(hook, desc, arr)
    except InitializationError:
        raise
    except Exception as error:
        raise InitializationError(
            f"Parameter {desc.label!r} of shape {tuple(arr.shape)} and dtype {numpy.dtype(arr.dtype).name} could not "
            f"be filled: {who} raised {type(error).__name__}: {error}. Expected it to write an array of that shape in "
            f"place; mend the hook, or give the parameter another init=."
        ) from error
    if sentinel is not None and unwritten(arr, sentinel):
        raise InitializationError(
            f"Parameter {desc.label!r} of shape {tuple(arr.shape)} was left untouched by {who}: it wrote nothing. "
            f"Expected it to write into the array it is given: `arr[:] = values` or `out=arr`, not `arr = values`."
        )


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
