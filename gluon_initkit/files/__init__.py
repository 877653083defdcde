"""Read the headers, values and tie maps of parameter files, without MXNet. Their contents are not trusted."""

from .checkpoint import StoredValues, is_path, read_headers
from .stored_array import CheckpointError, StoredArray
from .tie_map import parsed_json, written_ties

__all__ = ["CheckpointError", "StoredArray", "StoredValues", "is_path", "parsed_json", "read_headers", "written_ties"]
