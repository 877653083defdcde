"""Room on Python's stack for the kit's wrappers of `forward`, while they stand there.

Blocks call each other, so a network that is nested n deep takes n times the frames of one block's call, and Python's
limit of 1,000 ends at about 230 blocks in MXNet 1. Wrappers add up to three frames to the two of a `Sequential`. There
is no other way to go as deep as plain Gluon does: hooks, which add no frame, do not see a `forward` that raises.
"""

from contextlib import contextmanager
import sys
import threading
from typing import Dict, Iterator

__all__ = ["room_for_wrappers"]

_TIMES = 3
_lock = threading.Lock()
_state: Dict[str, int] = {"users": 0, "before": 0}


@contextmanager
def room_for_wrappers() -> Iterator[None]:
    """Inside, Python's recursion limit is higher; afterwards it is as before, unless somebody else has changed it."""
    with _lock:
        if not _state["users"]:
            _state["before"] = sys.getrecursionlimit()
            sys.setrecursionlimit(_TIMES * _state["before"])
        _state["users"] += 1
    try:
        yield
    finally:
        with _lock:
            _state["users"] -= 1
            if not _state["users"] and sys.getrecursionlimit() == _TIMES * _state["before"]:
                sys.setrecursionlimit(_state["before"])
