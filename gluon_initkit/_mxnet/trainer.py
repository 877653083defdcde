"""The state that a Trainer keeps for the parameters that it updates, and its reset when their values are set.

A Trainer stores the contexts of its parameters when it is made. Its updaters keep the optimizer's state by parameter
number. With `update_on_kvstore` the kvstore holds values and updater, and every step copies the values from there.
"""

from typing import Any, Optional, Sequence, Set, Tuple

from mxnet import gluon, ndarray

from . import backend
from .arrays import classic
from .parameter import contexts_of
from .tree import places


def release(trainer: Any) -> None:
    """Release the parameters that a Trainer updates, for another Trainer, for other contexts or for a tie.

    A parameter keeps its last Trainer, on MXNet 1 also after ``del trainer``. Until the release, `initialize` and
    `load` do not put it on contexts where that Trainer would not update it, and `Sharing` and `untie` do not replace
    it. Do not use the Trainer afterwards: its step updates the old contexts, or restores its kvstore's values.

    Parameters
    ----------
    trainer : Trainer or Block
        The Trainer; or a network: its parameters are released from any Trainer.

    Raises
    ------
    TypeError
        `trainer` is neither.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(1, in_units=1)
    >>> net.initialize()
    >>> trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    >>> ik.release(trainer)
    >>> report = ik.initialize(net, mx.init.One(), ctx=mx.cpu(1), force_reinit=True)
    >>> trainer = mx.gluon.Trainer(net.collect_params(), "sgd")
    """
    if isinstance(trainer, gluon.Block):
        params: Sequence[Any] = list(places(trainer))
    elif isinstance(trainer, gluon.Trainer):
        # Another Trainer updates the others now.
        params = [param for param in trainer._params if backend.trainer_of(param) is trainer]
    else:
        raise TypeError(f"expected a Trainer, or a network whose parameters one has, found {trainer!r:.80}")
    for param in params:
        param._set_trainer(None)


def is_trained(param: gluon.Parameter) -> bool:
    """Whether a Trainer updates the parameter; it does not if `grad_req` is ``'null'``."""
    return backend.trainer_of(param) is not None and param.grad_req != "null"


def kvstore_of(param: gluon.Parameter) -> Any:
    """The kvstore on which a Trainer updates the parameter's values; None if there is none."""
    trainer = backend.trainer_of(param)
    if not (trainer and trainer._kv_initialized and trainer._update_on_kvstore):
        return None
    return None if any(param is other for other in trainer._params_to_init) else trainer._kvstore


def trainer_objection(param: gluon.Parameter, ctxs: Sequence[Any]) -> Optional[Tuple[str, str]]:
    """Why a Trainer prevents setting a parameter's values on these contexts, and what to do; None if it does not."""
    # A parameter that keeps its contexts may be set, even if the Trainer has stored other contexts.
    if not is_trained(param):
        return None
    kvstore, trained = kvstore_of(param), getattr(backend.trainer_of(param), backend.trainer_slot)
    if kvstore is not None and not _is_writable(kvstore):
        return (f"a Trainer updates it on a distributed kvstore ({kvstore.type!r}), which would bring the old values "
                f"back", "do it before the first step")  # fmt: skip
    if trained and list(trained) != list(ctxs) and tuple(ctxs) != contexts_of(param):
        return (f"a Trainer updates it on {trained} and would never update it on {list(ctxs)}",
                "call gluon_initkit.release(trainer), or release(net), and make the Trainer afterwards")  # fmt: skip
    return None


def reset_updates(param: gluon.Parameter) -> None:
    """Make the parameter's Trainer continue from the current values, as if it had never updated the parameter."""
    # `Parameter.set_data` drops the whole kvstore instead, with the optimizer's state of all other parameters; and a
    # kvstore that the user made cannot be filled a second time.
    trainer = backend.trainer_of(param)
    if not isinstance(trainer, gluon.Trainer):
        return
    # On MXNet 2 its key in the kvstore differs from its number in the Trainer if an earlier tied parameter came twice.
    params, key = trainer._params, trainer._param2idx.get(getattr(param, "_uuid", param.name))
    number = key
    if key is None or key >= len(params) or params[key] is not param:
        number = next((index for index, other in enumerate(params) if other is param), None)
    if number is None:
        return
    kvstore, updaters = kvstore_of(param), trainer._updaters
    if kvstore is not None:
        if not _is_writable(kvstore):
            return  # only for a parameter that is not trained; its state is never read
        number = number if key is None else key
        values, updaters = classic(param._data[0]), [kvstore._updater]
        # The kvstore may compress pushed values, so an updater overwrites the stored values instead.
        kvstore._set_updater(lambda key, pushed, stored: values.copyto(stored))
        try:
            kvstore.push(number, ndarray.zeros_like(values))
        finally:
            kvstore._set_updater(updaters[0])
    for updater in updaters:
        updater.states.pop(number, None)
        updater.states_synced.pop(number, None)
    for counts in trainer._optimizer._all_index_update_counts.values():  # Adam's bias correction uses this count
        counts.pop(number, None)


def _is_writable(kvstore: Any) -> bool:
    return "dist" not in kvstore.type and hasattr(kvstore, "_set_updater")  # other libraries' kvstores may lack it


def trained_by(trainer: gluon.Trainer) -> Set[int]:
    """The ids of the parameters that a Trainer updates."""
    return {id(param) for param in trainer._params if param.grad_req != "null"}


def updates_of(param: gluon.Parameter) -> int:
    trainer = backend.trainer_of(param)
    return int(trainer._optimizer.num_update) if isinstance(trainer, gluon.Trainer) else 0


def ignores_multipliers(param: gluon.Parameter) -> bool:
    """Whether the parameter is updated on servers that do not read its `lr_mult` and `wd_mult`."""
    # A distributed kvstore's servers get a pickled optimizer, and `Optimizer.__getstate__` leaves the multipliers out.
    trainer: Any = backend.trainer_of(param)
    kvstore = kvstore_of(param)
    if kvstore is not None:
        return "dist" in kvstore.type
    if not isinstance(trainer, gluon.Trainer) or trainer._kv_initialized:
        return False
    config = trainer._kvstore_params
    kind = getattr(config["kvstore"], "type", config["kvstore"])
    return "dist" in str(kind) and config["update_on_kvstore"] is not False
