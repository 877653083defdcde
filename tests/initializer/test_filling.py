"""The progress bar counts every byte, and shows where somebody looks."""

import io
import os
import pty
import subprocess
import sys

from gluon_initkit.initializer.filling import Bar
from gluon_initkit.parallel import run

LARGE = 1 << 20


def test_the_bar_counts_every_byte(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    for sizes in ([10] * 5, [LARGE] * 5):
        with Bar(sum(sizes), True) as bar:
            run([(size, lambda: None) for size in sizes], bar)
        assert bar.done == sum(sizes)
    assert "initializing" in sys.stdout.getvalue()


SCRIPT = """
import time
import gluon_initkit as ik, mxnet as mx
class Slow(ik.Initializer):
    def _init_weight(self, desc, arr):
        time.sleep({seconds})
        arr[:] = 0
net = mx.gluon.nn.HybridSequential()
net.add(*(mx.gluon.nn.Dense(2, in_units=2) for _ in range(3)))
ik.initialize(net, Slow(), progress={progress})
"""


def shown(terminal, seconds=0.0, progress=None):
    command = [sys.executable, "-c", SCRIPT.format(seconds=seconds, progress=progress)]
    if not terminal:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdout=slave, stderr=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    seen = b""
    try:
        while True:
            chunk = os.read(master, 4096)
            if not chunk:
                break
            seen += chunk
    except OSError:
        pass
    assert process.wait(60) == 0
    return seen.decode()


def test_it_shows_itself_where_somebody_looks_and_it_takes_long():
    assert "initializing" in shown(True, seconds=0.7)
    assert "initializing" not in shown(True)
    assert "initializing" not in shown(False, seconds=0.7)
    assert "initializing" in shown(False, progress=True)
    assert "initializing" not in shown(True, seconds=0.7, progress=False)
