"""Everything of MXNet that is private to it, or differs between its versions, and nothing else.

The only folder that touches a private attribute of MXNet. Importing it imports MXNet, repaired where that is needed.
`backend` answers where the versions differ; all else is imported from the file that has it.
"""

from typing import Any

from ..importing import import_mxnet
from .base import Backend

__all__ = ["backend", "mx"]

mx: Any = import_mxnet()


def _backend() -> Backend:
    if hasattr(mx.gluon, "ParameterDict"):
        from .v1 import Gluon1

        return Gluon1()
    from .v2 import Gluon2

    return Gluon2()


backend: Backend = _backend()
