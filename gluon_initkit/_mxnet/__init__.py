"""Everything of MXNet that is private to it, or differs between its versions, and nothing else.

The only folder that touches a private attribute of MXNet. Importing it imports MXNet, repaired where that is needed.
`backend` answers where the versions differ; all else is imported from the file that has it.
"""

from typing import Any

from ..importing import import_mxnet

__all__ = ["backend", "mx"]

mx: Any = import_mxnet()

from .gluon import backend  # noqa: E402
