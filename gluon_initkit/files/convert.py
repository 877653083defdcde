"""From one format of parameter files into another, without MXNet."""

import os
from typing import Any, List

import numpy

from .atomic import replacing
from .checkpoint import StoredValues
from .params_format import write_params
from .safetensors_format import SUFFIX, write_safetensors
from .stored_array import StoredArray, stored_type

__all__ = ["convert"]


def convert(source: Any, target: Any) -> List[StoredArray]:
    """Write the arrays of a file into another, under their names, with their ties and the same bits; what was written.

    The new file is a safetensors file where its name ends so, else one of MXNet's lists. What is sparse becomes dense.
    """
    stored, target = StoredValues(source), os.fsdecode(target)
    for array in stored.arrays.values():
        stored.require_values(array)

    def values(array: StoredArray) -> List[numpy.ndarray]:
        array = stored.arrays[array.name]
        bits = stored_type(array.dtype)  # of bfloat16, not the float32 that they mean
        parts = array.parts[0]._replace(dtype=bits), *array.parts[1:]
        array = array._replace(dtype=bits, parts=parts)
        return [numpy.ascontiguousarray(read(array).whole())]

    # MXNet reads a file's arrays in one mode alone, and in the classic one it has neither scalars nor empty arrays.
    version = 2 if all(array.shape and 0 not in array.shape for array in stored.arrays.values()) else 3
    dense = [array._replace(stype="default", version=version) for array in stored.arrays.values()]
    with stored.reading() as read, replacing(target, dense) as part:
        (write_safetensors if target.endswith(SUFFIX) else write_params)(part, dense, values)
    return dense
