"""What `Block.load_parameters` looks at: the parameters under the names by which it looks for them."""

from typing import Any, Dict

from mxnet import gluon
from mxnet.util import is_np_array, is_np_shape

__all__ = ["loaded_by_name", "loaded_by_path", "numpy_mode"]


def loaded_by_path(net: gluon.Block) -> Dict[str, gluon.Parameter]:
    """The parameters that `load_parameters` fills from a file of paths, under each of their paths.

    Raises
    ------
    AttributeError
        The network holds an RNN layer of eleven or more layers, on whose names MXNet breaks.
    """
    return net._collect_params_with_prefix()


def loaded_by_name(net: gluon.Block) -> Dict[str, gluon.Parameter]:
    """The parameters that `load_parameters` fills from a file without a dot in its names, by MXNet's global names."""
    return dict(net.collect_params().items())


def numpy_mode() -> Any:
    """Whether NumPy's arrays, and NumPy's shapes, are switched on."""
    return is_np_array(), is_np_shape()
