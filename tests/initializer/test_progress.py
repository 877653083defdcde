"""The progress bar counts every byte, and shows where somebody looks."""

import io
import os
import pty
import sys

import gluon_initkit as ik
from gluon_initkit import parallel
from gluon_initkit.parallel import ProgressBar, run
import mxnet as mx

LARGE = 1 << 20


def test_the_bar_counts_every_byte(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    for sizes in ([10] * 5, [LARGE] * 5):
        with ProgressBar("initializing", sum(sizes), True) as bar:
            run([(size, lambda: None) for size in sizes], bar)
        assert bar.done == sum(sizes)
    assert "initializing" in sys.stdout.getvalue()


def test_gradients_that_are_cleared_are_counted_too(monkeypatch):
    bars = []
    monkeypatch.setattr(ProgressBar, "__exit__", lambda self, *_: bars.append((self.done, self.total)))
    net = mx.gluon.nn.Dense(2, in_units=2)
    for force in (False, True):
        ik.initialize(net, mx.init.Normal(), force_reinit=force)
    assert bars == [(48, 48)] * 2


class Slow(ik.Initializer):
    """A weight takes so many seconds, by the bar's clock."""

    def __init__(self, seconds):
        super().__init__(seconds=seconds)
        self.seconds = seconds

    def _init_weight(self, desc, arr):
        parallel.time.now += self.seconds
        arr[:] = 0


def written(monkeypatch, terminal, seconds, progress):
    """What initializing three layers writes to standard output."""
    monkeypatch.setattr(parallel, "time", Clock())
    net = mx.gluon.nn.HybridSequential()
    net.add(*(mx.gluon.nn.Dense(2, in_units=2) for _ in range(3)))
    reading, writing = pty.openpty() if terminal else os.pipe()
    with open(reading, "rb", buffering=0) as seen, open(writing, "w") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        patch.setenv("TERM", "xterm")
        ik.initialize(net, Slow(seconds), progress=progress)
        print("done", end="", flush=True)
        text = b""
        while not text.endswith(b"done"):
            text += seen.read(4096)
    return text.decode()


class Clock:
    now = 0.0

    def perf_counter(self):
        return self.now


def test_it_shows_itself_where_somebody_looks_and_it_takes_long(monkeypatch):
    assert "initializing" in written(monkeypatch, True, 0.7, None)
    assert "initializing" in written(monkeypatch, False, 0.0, True)
    for unseen in ((True, 0.3, None), (True, 0.7, False), (False, 0.7, None)):
        assert written(monkeypatch, *unseen) == "done"
