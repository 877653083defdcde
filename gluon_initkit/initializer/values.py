"""Values that parameters hold already: asking for them, and writing others in their place."""

from typing import Any, List, Sequence, Tuple

from .._mxnet.interrupts import interrupts_held
from .._mxnet.parameter import arrays_of, contexts_of
from .._mxnet.state import after_refill
from .._mxnet.trainer import trainer_objection
from ..display import counted, listed, printable
from ..parameters import ParameterInfo, list_parameters
from .errors import InitializationError

__all__ = ["parameters_with_values", "refuse_trainers", "replace_values"]


def parameters_with_values(net: Any, purpose: str) -> List[Tuple[Any, ParameterInfo]]:
    """Every parameter of a network with its record; an `InitializationError` where one has no values.

    Parameters
    ----------
    net : Block
    purpose : str
        What the values are for, as the message says it: ``'to take a fingerprint of'``.
    """
    parameters = [(param, info) for param, _, info in list_parameters(net)]
    empty = [f"{printable(info.label)} is {info.state}" for param, info in parameters if not arrays_of(param)]
    if empty:
        raise InitializationError(
            f"{counted(len(empty), 'parameter has', 'parameters have')} no values {purpose}: {listed(empty, 8)}.\n"
            f"Initialize the network, and give deferred parameters their shapes by ik.materialize(net, input)."
        )
    return parameters


def refuse_trainers(parameters: Sequence[Tuple[Any, ParameterInfo]]) -> None:
    """Raise an `InitializationError` where a Trainer would bring the old values of a parameter back."""
    for param, info in parameters:
        objection = trainer_objection(param, contexts_of(param))
        if objection is not None:
            raise InitializationError(f"{printable(info.label)}: {'; '.join(objection)}")


def replace_values(arrays: Sequence[Tuple[Any, Any]]) -> None:
    """Write an array into each parameter, on all its contexts; its Trainer goes on from there. Signals wait."""
    with interrupts_held():
        for param, array in arrays:
            after_refill(param, array)
