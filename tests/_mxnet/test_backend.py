"""The two Gluons stand behind one abstract class, and nothing else of the package asks which MXNet this is."""

from pathlib import Path
import re

import gluon_initkit
from gluon_initkit._mxnet import backend
from gluon_initkit._mxnet.gluon import Backend
import mxnet as mx
import pytest

ROOT = Path(gluon_initkit.__file__).parent


def test_the_backend_is_this_mxnets():
    assert type(backend).__name__ == f"Gluon{mx.__version__[0]}"


def test_a_version_that_leaves_a_method_out_cannot_be_made():
    class Gluon3(Backend):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Gluon3()


def test_no_file_outside_mxnets_room_asks_for_the_version():
    for path in ROOT.rglob("*.py"):
        if path.parent.name != "_mxnet":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"mx\.__version__ *[<>=\[.]|hasattr\(mx\b", text), path
