"""What `Block.load_parameters` looks at: the parameters under the paths by which it looks for them."""

from typing import Dict

from mxnet import gluon
from mxnet.util import is_np_shape

__all__ = ["loaded_by_path", "unknown_size"]


def loaded_by_path(net: gluon.Block) -> Dict[str, gluon.Parameter]:
    """The parameters that `load_parameters` fills from a file of paths, under each of their paths.

    Raises
    ------
    AttributeError
        The network holds an RNN layer of eleven or more layers, on whose names MXNet breaks.
    """
    return net._collect_params_with_prefix()


def unknown_size() -> int:
    """How MXNet writes a dimension that is not known, here and now."""
    return -1 if is_np_shape() else 0
