"""Access to MXNet's private attributes, and all code that differs between MXNet's versions.

No other folder uses a private attribute of MXNet. Importing this one imports MXNet, with repairs where it needs them.
`backend` covers the differences between versions; import everything else from its own file.
"""

from typing import Any

from ..importing import import_mxnet

__all__ = ["backend", "mx"]

mx: Any = import_mxnet()

from .gluon import backend  # noqa: E402
