"""Parameter files, read without MXNet and without trust: what is in them, their values, their tie map."""

from .checkpoint import StoredValues, is_path
from .errors import CheckpointError
from .params_format import read_headers
from .stored import StoredArray

__all__ = ["CheckpointError", "StoredArray", "StoredValues", "is_path", "read_headers"]
