"""Runs many small jobs on all cores, with a progress bar. Jobs fill arrays, hash them or compute their statistics.

Needs no MXNet. Threads live for one call only, so that none of them can disturb a fork or an exit.
"""

from concurrent.futures import ThreadPoolExecutor
import os
import time
from typing import Any, Callable, Iterable, List, Optional, Sequence, Tuple

Job = Tuple[int, Callable[[], None]]
"""The number of bytes that a job works on, and the job's function."""

_TINY = 1 << 14  # bytes: it takes longer to hand a smaller job to a thread than to run it
_SMALL = 1 << 20  # bytes: it takes longer to start threads than to run smaller jobs


def threads() -> int:
    """The number of threads: ``GLUON_INITKIT_THREADS``, or else the number of cores that this process may use."""
    setting = os.environ.get("GLUON_INITKIT_THREADS", "")
    if not setting:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not (setting.isdigit() and int(setting) > 0):
        raise ValueError(f"GLUON_INITKIT_THREADS is {setting!r}: expected a number of threads, 1 or more")
    return int(setting)


def run(jobs: Sequence[Job], bar: Optional["ProgressBar"] = None) -> None:
    """Run all jobs. The first exception, or a Ctrl-C in the main thread, stops the other jobs and is raised."""
    workers = threads()
    stopped: List[bool] = []
    finished: List[int] = []
    large = sorted((job for job in jobs if job[0] >= _TINY), key=lambda job: -job[0])
    if workers == 1 or sum(size for size, _ in large) < _SMALL:
        large = []

    def work(queue: Iterable[Job], worker_bar: Optional["ProgressBar"]) -> None:
        try:
            for size, job in queue:
                if stopped:
                    return
                job()
                finished.append(size)
                while finished and worker_bar is not None:
                    worker_bar.advance(finished.pop())
        except BaseException:
            stopped.append(True)
            raise

    work([job for job in jobs if not large or job[0] < _TINY], bar)
    if large:
        queue = iter(large)  # shared: each job goes to one thread only
        with ThreadPoolExecutor(workers - 1) as pool:
            futures = [pool.submit(work, queue, None) for _ in range(workers - 1)]
            work(queue, bar)  # only this thread moves the bar
            for future in futures:
                future.result()
        if bar is not None:
            bar.advance(sum(finished))


class ProgressBar:
    """A progress bar that counts bytes. ``show=None`` shows it after one second, on a terminal or in Jupyter."""

    def __init__(self, label: str, total: int, show: Optional[bool]) -> None:
        self.label, self.total, self.show, self.done = label, total, show, 0
        self._start = time.perf_counter()
        self._progress: Any = None

    def __enter__(self) -> "ProgressBar":
        self.advance(0)
        return self

    def advance(self, size: int) -> None:
        """Add `size` bytes to those that are done."""
        self.done += size
        if self.show is None and time.perf_counter() - self._start > 1:
            from rich.console import Console

            console = Console()
            self.show = console.is_terminal or console.is_jupyter
        if self.show and self._progress is None:
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(TextColumn(self.label), BarColumn(), DownloadColumn(), TimeRemainingColumn())
            self._task = self._progress.add_task(self.label)
            self._progress.start()
        if self._progress is not None:
            self._progress.update(self._task, total=self.total, completed=self.done)

    def expect(self, jobs: List[Job]) -> List[Job]:
        """Add the bytes of these jobs to the total, and return the jobs."""
        self.total += sum(size for size, _ in jobs)
        return jobs

    def __exit__(self, *_: Any) -> None:
        if self._progress is not None:
            self._progress.stop()
