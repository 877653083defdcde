"""Filling: every job runs once, errors and interrupts stop the rest, the bar shows where somebody looks."""

import io
import os
import pty
import subprocess
import sys
import threading
import time

from gluon_initkit.initializer.filling import Bar, run, threads
import pytest

LARGE = 1 << 20


@pytest.mark.parametrize("count", ["1", "2", "8"])
@pytest.mark.parametrize("size", [1, LARGE])
def test_every_job_runs_once(count, size, monkeypatch):
    monkeypatch.setenv("GLUON_INITKIT_THREADS", count)
    done, where = [], set()

    def job(number):
        done.append(number)
        where.add(threading.current_thread())

    run([(size + number % 3, lambda number=number: job(number)) for number in range(100)])
    assert sorted(done) == list(range(100))
    if count == "1" or size == 1:
        assert where == {threading.main_thread()}
    assert threading.active_count() == 1 or not any("ThreadPool" in each.name for each in threading.enumerate())


def test_the_first_error_stops_the_rest(monkeypatch):
    monkeypatch.setenv("GLUON_INITKIT_THREADS", "2")
    done = []

    def job(number):
        if number == 3:
            raise RuntimeError("here")
        time.sleep(0.002)
        done.append(number)

    with pytest.raises(RuntimeError, match="here"):
        run([(LARGE, lambda number=number: job(number)) for number in range(500)])
    assert len(done) < 100


def test_threads_as_asked(monkeypatch):
    monkeypatch.delenv("GLUON_INITKIT_THREADS", raising=False)
    assert threads() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("GLUON_INITKIT_THREADS", "3")
    assert threads() == 3
    for wrong in ("0", "-1", "two"):
        monkeypatch.setenv("GLUON_INITKIT_THREADS", wrong)
        with pytest.raises(ValueError, match=f"GLUON_INITKIT_THREADS is '{wrong}'"):
            threads()


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
