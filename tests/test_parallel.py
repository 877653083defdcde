"""Running jobs: every one runs once, errors stop the rest, as many threads as asked for."""

import os
import threading
import time

from gluon_initkit.parallel import run, threads
import pytest

LARGE = 1 << 20


@pytest.mark.parametrize("count", ["1", "2", "8"])
@pytest.mark.parametrize("size", [1, LARGE, "some of each"])
def test_every_job_runs_once(count, size, monkeypatch):
    monkeypatch.setenv("GLUON_INITKIT_THREADS", count)
    done, where = [], set()

    def job(number):
        done.append(number)
        where.add(threading.current_thread())

    sizes = [(1, LARGE)[number % 2] if size == "some of each" else size for number in range(100)]
    run([(size + number % 3, lambda number=number: job(number)) for number, size in enumerate(sizes)])
    assert sorted(done) == list(range(100))
    if count == "1" or size == 1:
        assert where == {threading.main_thread()}
    assert not any("ThreadPool" in each.name for each in threading.enumerate())


@pytest.mark.parametrize("in_main", [True, False])
def test_the_first_error_stops_the_rest(in_main, monkeypatch):
    monkeypatch.setenv("GLUON_INITKIT_THREADS", "2")
    done = []

    def job(number):
        if number >= 3 and in_main is (threading.current_thread() is threading.main_thread()):
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
