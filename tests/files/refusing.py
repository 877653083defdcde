"""What every damaged or hostile file meets, whatever its format."""

import os
import pickle
import tracemalloc

from gluon_initkit.inspector import CheckpointError, inspect
import pytest


def assert_refused(path, offset, reason):
    """Reading it is an error that says at which byte and why, in little memory."""
    tracemalloc.start()
    with pytest.raises(CheckpointError) as caught:
        inspect(path, stats=True)
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()
    assert isinstance(caught.value, ValueError) and caught.value.offset == offset
    assert reason in caught.value.reason
    assert str(caught.value) == f"{path}: at byte {offset}: {caught.value.reason}"
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def survives(path):
    """Whether a file was read whole; anything else than a CheckpointError comes out of here."""
    try:
        report = inspect(path, stats=True)
        for record in report.records:
            if record.size is not None:
                report.live.values(record.path).sum()
        return True
    except CheckpointError as error:
        assert 0 <= error.offset <= os.path.getsize(path) and error.reason
        return False


def assert_refused_wherever_cut(path):
    """A whole file is read, and no beginning of it."""
    assert survives(path)
    for length in range(os.path.getsize(path) - 1, -1, -1):
        os.truncate(path, length)
        assert not survives(path), length
