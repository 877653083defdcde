"""What every test shares: MXNet importable and in its own mode, and the only reasons for which a test may skip."""

import importlib.util
import os
import shutil
import signal

import gluon_initkit  # noqa: F401  (before mxnet, which it makes importable)
import mxnet as mx
import pytest
from vocabulary import GLUON_2

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts its background jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["pytester"]
_BROWSER = all(map(importlib.util.find_spec, ("selenium", "nbclient", "nbconvert", "ipykernel"))) and (
    (shutil.which("chromium") or shutil.which("google-chrome")) and shutil.which("chromedriver")
)
_NOTEBOOK = all(map(importlib.util.find_spec, ("nbclient", "ipykernel", "matplotlib")))
_ZOO = importlib.util.find_spec("gluoncv") and importlib.util.find_spec("gluonnlp")


def pytest_collection_modifyitems(items):
    reasons = {
        "zoo": None if _ZOO else "GluonCV and GluonNLP are not here: pip install '.[zoo]'",
        "gpu": None if mx.context.num_gpus() else "MXNet sees no CUDA GPU",
        "browser": None if _BROWSER else "no Chromium (apt-get install chromium chromium-driver), or Python 3.8",
        "notebook": None if _NOTEBOOK else "no nbclient, ipykernel or matplotlib: pip install '.[test]'",
        "internet": None if os.environ.get("GLUON_INITKIT_INTERNET") else "GLUON_INITKIT_INTERNET is not set",
    }  # fmt: skip
    for item in items:
        marker, version = ("mxnet1", 2) if GLUON_2 else ("mxnet2", 1)
        only = item.get_closest_marker(marker)
        if only:  # before what could be installed: that would not help
            item.add_marker(pytest.mark.skip(reason=f"MXNet {version} has no {only.args[0]}"))
        for marker, reason in reasons.items():
            if reason and item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _mxnets_own_mode_and_a_quiet_engine():
    yield
    mx.nd.waitall()
    mx.npx.set_np() if GLUON_2 else mx.npx.reset_np()
