"""Running many small jobs on all cores: what fills arrays, hashes them, and computes their statistics.

The threads live for one call: nothing is left behind that a fork or an exit could trip over. Needs no MXNet.
"""

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
import os
from typing import Any, Callable, List, Sequence, Tuple

__all__ = ["Job", "run", "threads"]

Job = Tuple[int, Callable[[], None]]
_TINY = 1 << 14  # bytes that are done sooner than handed over
_SMALL = 1 << 20  # bytes that are done sooner than threads start


def threads() -> int:
    """How many threads work on arrays: ``GLUON_INITKIT_THREADS``, else the cores that this process may use."""
    asked = os.environ.get("GLUON_INITKIT_THREADS", "")
    if asked:
        if not (asked.isdigit() and int(asked) > 0):
            raise ValueError(f"GLUON_INITKIT_THREADS is {asked!r}: expected a number of threads, 1 or more")
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(jobs: Sequence[Job], bar: Any = None) -> None:
    """Run all jobs; the first exception stops the rest and is raised, also a Ctrl-C in the main thread.

    A job comes with the bytes that it works on. `bar` may be anything with ``advance(bytes)`` and ``every`` seconds.
    """
    workers = threads()
    large = [each for each in jobs if each[0] >= _TINY]
    if workers == 1 or sum(size for size, _ in large) < _SMALL:
        large = []
    for size, job in jobs:
        if not large or size < _TINY:
            job()
            if bar is not None:
                bar.advance(size)
    if not large:
        return
    waiting, done = iter(sorted(large, key=lambda job: -job[0])), [0] * workers
    stopped: List[bool] = []

    def work(number: int) -> None:
        for size, job in waiting:  # a list's iterator hands each job to one thread only
            if stopped:
                return
            job()
            done[number] += size

    with ThreadPoolExecutor(workers) as pool:
        try:
            futures = [pool.submit(work, number) for number in range(workers)]
            shown = 0
            while True:
                finished, left = wait(futures, None if bar is None else bar.every, FIRST_EXCEPTION)
                if bar is not None:
                    bar.advance(sum(done) - shown)
                    shown = sum(done)
                for future in finished:
                    future.result()
                if not left:
                    return
        except BaseException:
            stopped.append(True)
            raise
