"""Many small jobs on all cores, with a progress bar: what fills arrays, hashes them, and computes their statistics.

Needs no MXNet. The threads live for one call: nothing is left behind that a fork or an exit could trip over.
"""

from concurrent.futures import ThreadPoolExecutor
import os
import time
from typing import Any, Callable, List, Optional, Sequence, Tuple

Job = Tuple[int, Callable[[], None]]
"""The bytes that a job works on, and what it does."""

_TINY = 1 << 14  # bytes: such a job is done sooner than handed to a thread
_SMALL = 1 << 20  # bytes: so much is done sooner than threads start


def threads() -> int:
    """How many threads work on arrays: ``GLUON_INITKIT_THREADS``, else the cores that this process may use."""
    asked = os.environ.get("GLUON_INITKIT_THREADS", "")
    if not asked:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (asked.isdigit() and int(asked) > 0):
        raise ValueError(f"GLUON_INITKIT_THREADS is {asked!r}: expected a number of threads, 1 or more")
    return int(asked)


def run(jobs: Sequence[Job], bar: Any = None) -> None:
    """Run all jobs; the first exception stops the rest and is raised, also a Ctrl-C in the main thread.

    `bar` is a `ProgressBar`.
    """
    workers = threads()
    large = [job for job in jobs if job[0] >= _TINY]
    if workers == 1 or sum(size for size, _ in large) < _SMALL:
        large = []
    for size, job in jobs:
        if not large or size < _TINY:
            job()
            if bar is not None:
                bar.advance(size)
    if large:
        _run_in_threads(large, workers, bar)


def _run_in_threads(jobs: Sequence[Job], workers: int, bar: Any) -> None:
    """Share the jobs between this thread, which moves the bar, and others."""
    waiting, done, shown = iter(sorted(jobs, key=lambda job: -job[0])), [0] * workers, 0
    stopped: List[bool] = []

    def work(number: int) -> None:
        nonlocal shown
        try:
            for size, job in waiting:  # a list's iterator hands each job to one thread only
                if stopped:
                    return
                job()
                done[number] += size
                if number == 0 and bar is not None:
                    bar.advance(sum(done) - shown)
                    shown = sum(done)
        except BaseException:
            stopped.append(True)
            raise

    with ThreadPoolExecutor(workers - 1) as pool:
        others = [pool.submit(work, number) for number in range(1, workers)]
        work(0)
        for other in others:
            other.result()
    if bar is not None:
        bar.advance(sum(done) - shown)


class ProgressBar:
    """A progress bar by bytes; ``show=None`` shows it after a second, on a terminal or in Jupyter."""

    def __init__(self, label: str, total: int, show: Optional[bool]) -> None:
        self.label, self.total, self.show, self.done = label, total, show, 0
        self._start = time.perf_counter()
        self._progress: Any = None

    def __enter__(self) -> "ProgressBar":
        if self.show:
            self._open()
        return self

    def advance(self, size: int) -> None:
        """So many bytes more are done."""
        self.done += size
        if self.show is None and time.perf_counter() - self._start > 1:
            self.show = _is_watched()
            if self.show:
                self._open()
        if self._progress is not None:
            self._progress.update(self._task, completed=self.done)

    def expect(self, jobs: List[Job]) -> List[Job]:
        """Add the bytes of these jobs to the total; the same jobs."""
        self.total += sum(size for size, _ in jobs)
        if self._progress is not None:
            self._progress.update(self._task, total=self.total)
        return jobs

    def _open(self) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(TextColumn(self.label), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._task = self._progress.add_task(self.label, total=self.total, completed=self.done)
        self._progress.start()

    def __exit__(self, *_: Any) -> None:
        if self._progress is not None:
            self._progress.stop()


def _is_watched() -> bool:
    from rich.console import Console

    console = Console()
    return console.is_terminal or console.is_jupyter
