"""What MXNet's initializers keep to themselves: arguments, verbosity, the parts of an RNN."""

from typing import Any, Dict, Tuple

from mxnet.initializer import InitDesc, Initializer

from .frames import fused_rnn_being_filled


def base_arguments(initializer: Initializer) -> Dict[str, Any]:
    """The arguments that a class handed on to ``super().__init__``."""
    return initializer._kwargs


def is_verbose(initializer: Any) -> bool:
    """Whether `set_verbosity` asked it to print what it fills."""
    return getattr(initializer, "_verbose", False)  # a class that never calls `super().__init__` has none


def print_filled(initializer: Initializer, desc: InitDesc, hook: str, arr: Any) -> None:
    """Print that a hook has filled an array, where that is asked for."""
    if is_verbose(initializer):
        initializer._verbose_print(desc, hook.replace("_init_", "", 1), arr)


def hook_arguments(desc: InitDesc, arr: Any) -> Tuple[InitDesc, Any]:
    """The name and the array that an initializer should see for the ones that MXNet hands it.

    MXNet 2's `RNNFused` hands out flat parts of its vector, called ``_i2h_weight_initializer``: a weight gets its rows
    back.
    """
    fused = fused_rnn_being_filled() if desc.endswith("_initializer") else None
    if fused is None:
        return desc, arr
    connection, kind = desc.strip("_").split("_")[:2]
    if kind == "weight":
        rows = fused.projection_size if connection == "h2r" else fused.gates * fused.num_hidden
        # The classic reshape shares memory, which the NumPy one does not.
        arr = arr.as_nd_ndarray().reshape((int(rows), -1)).as_np_ndarray()
    return InitDesc(f"{connection}_{kind}", desc.attrs, desc.global_init), arr
