"""Running many small jobs on all cores, with a progress bar where somebody is looking.

The threads live for one call: nothing is left behind that a fork or an exit could trip over.
"""

from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
import os
import time
from typing import Any, Callable, List, Optional, Sequence, Tuple

__all__ = ["Bar", "run", "threads"]

Job = Tuple[int, Callable[[], None]]
_TINY = 1 << 14  # bytes that are filled sooner than handed over
_SMALL = 1 << 20  # bytes that are filled sooner than threads start


def threads() -> int:
    """How many threads fill arrays: ``GLUON_INITKIT_THREADS``, else the cores that this process may use."""
    asked = os.environ.get("GLUON_INITKIT_THREADS", "")
    if asked:
        if not (asked.isdigit() and int(asked) > 0):
            raise ValueError(f"GLUON_INITKIT_THREADS is {asked!r}: expected a number of threads, 1 or more")
        return int(asked)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(jobs: Sequence[Job], bar: Optional["Bar"] = None) -> None:
    """Run all jobs; the first exception stops the rest and is raised, also a Ctrl-C in the main thread."""
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
        futures = [pool.submit(work, number) for number in range(workers)]
        try:
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


class Bar:
    """A progress bar by bytes; ``show=None`` shows it after a second, on a terminal or in Jupyter."""

    every = 0.1

    def __init__(self, total: int, show: Optional[bool]) -> None:
        self.total, self.show, self.done = total, show, 0
        self._start = time.perf_counter()
        self._progress: Any = None

    def __enter__(self) -> "Bar":
        if self.show:
            self._open()
        return self

    def advance(self, size: int) -> None:
        """So many bytes more are done."""
        self.done += size
        late = self.show is None and time.perf_counter() - self._start > 1
        if self._progress is None and late and _somebody_looks():
            self._open()
        if self._progress is not None:
            self._progress.update(self._task, completed=self.done)

    def _open(self) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("initializing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns)
        self._task = self._progress.add_task("initializing", total=self.total, completed=self.done)
        self._progress.start()

    def __exit__(self, *_: Any) -> None:
        if self._progress is not None:
            self._progress.stop()


def _somebody_looks() -> bool:
    from rich.console import Console

    console = Console()
    return console.is_terminal or console.is_jupyter

