"""Whether a parameter learns: its `grad_req`, what it was before the kit stopped it, and who obeys its multipliers."""

from typing import Any, Callable, Optional

from mxnet import gluon

from . import backend
from .trainer import kvstore_of

_MARK = "_grad_req_before"  # in the Parameter's __dict__, so that copies and pickles of the network know it too


def frozen_from(param: gluon.Parameter) -> Optional[str]:
    """The `grad_req` that a parameter had before `set_grad_req` set it to ``'null'``; None where it did not."""
    return vars(param).get(_MARK) if param.grad_req == "null" else None


def may_learn(param: gluon.Parameter) -> bool:
    """Whether a parameter can have a gradient; MXNet ignores another `grad_req` of constants and running statistics."""
    return param._differentiable and not isinstance(param, gluon.Constant)


def set_grad_req(param: gluon.Parameter, value: str) -> Callable[[], None]:
    """Set `grad_req`, and remember what it was if that stops the parameter. The answer undoes it."""
    names = ("_grad_req", "_data", "_grad", _MARK)
    before = {name: vars(param)[name] for name in names if name in vars(param)}

    def undo() -> None:
        vars(param).pop(_MARK, None)
        vars(param).update(before)

    try:
        if value == "null":
            vars(param)[_MARK] = param.grad_req
        else:
            vars(param).pop(_MARK, None)
        param.grad_req = value
    except BaseException:
        undo()
        raise
    return undo


def ignores_multipliers(param: gluon.Parameter) -> bool:
    """Whether the parameter's Trainer updates it where its `lr_mult` and `wd_mult` are never read.

    The servers of a distributed kvstore get a pickled optimizer, and `Optimizer.__getstate__` leaves the parameters
    out.
    """
    trainer: Any = backend.trainer_of(param)
    kvstore = kvstore_of(param)
    if kvstore is not None:
        return "dist" in kvstore.type
    if not isinstance(trainer, gluon.Trainer) or trainer._kv_initialized:
        return False
    config = trainer._kvstore_params
    kind = getattr(config["kvstore"], "type", config["kvstore"])
    return "dist" in str(kind) and config["update_on_kvstore"] is not False
