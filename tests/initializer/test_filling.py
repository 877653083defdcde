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
import sys, time
import gluon_initkit as ik, mxnet as mx
class Slow(ik.Initializer):
    def __init__(self, seconds):
        super().__init__(seconds=seconds)
        self.seconds = seconds
    def _init_weight(self, desc, arr):
        time.sleep(self.seconds)
        arr[:] = 0
for seconds, progress in {cases}:
    net = mx.gluon.nn.HybridSequential()
    net.add(*(mx.gluon.nn.Dense(2, in_units=2) for _ in range(3)))
    ik.initialize(net, Slow(seconds), progress=progress)
    print("case", flush=True)
"""


def shown(terminal, *cases):
    """What each case writes to standard output, in one process."""
    command = [sys.executable, "-c", SCRIPT.format(cases=cases)]
    if not terminal:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.split("case")[:-1]
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
    return seen.decode().split("case")[:-1]


def test_it_shows_itself_where_somebody_looks_and_it_takes_long():
    quick, slow, silenced = shown(True, (0.0, None), (0.7, None), (0.7, False))
    assert "initializing" in slow and "initializing" not in quick + silenced
    unseen, asked = shown(False, (0.7, None), (0.0, True))
    assert "initializing" in asked and "initializing" not in unseen
