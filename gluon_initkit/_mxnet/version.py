"""Which MXNet this is: the one place that asks. `gluon1` and `gluon2` say the same words, each of its own Gluon."""

from mxnet import gluon

if hasattr(gluon, "ParameterDict"):
    from .gluon1 import *  # noqa: F403
    from .gluon1 import __all__ as __all__
else:
    from .gluon2 import *  # noqa: F403
    from .gluon2 import __all__ as __all__
