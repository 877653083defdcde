"""Values that parameters hold already: asking for them, and writing others in their place."""

from typing import Any, List, Tuple

from .._mxnet.parameter import arrays_of
from ..display import counted, listed, printable
from ..parameters import ParameterInfo, list_parameters
from .errors import InitializationError

__all__ = ["parameters_with_values"]


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
