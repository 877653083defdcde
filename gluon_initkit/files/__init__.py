"""Parameter files, read without MXNet and without trust: what is in them, their values, their tie map."""

from .checkpoint import StoredValues, is_path
from .json_text import parsed_json
from .params_format import read_headers
from .stored_array import CheckpointError, StoredArray
from .tie_map import written_ties

__all__ = ["CheckpointError", "StoredArray", "StoredValues", "is_path", "parsed_json", "read_headers", "written_ties"]
