"""Many small jobs on all cores, with a progress bar: what fills arrays, hashes them, and computes their statistics.

Needs no MXNet. The threads live for one call: nothing is left behind that a fork or an exit could trip over.
"""

from concurrent.futures import ThreadPoolExecutor
import os
import time
from typing import Any, Callable, Iterable, List, Optional, Sequence, Tuple

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


def run(jobs: Sequence[Job], bar: Optional["ProgressBar"] = None) -> None:
    """Run all jobs; the first exception stops the rest and is raised, also a Ctrl-C in the main thread."""
    workers = threads()
    stopped: List[bool] = []
    done: List[int] = []
    large = sorted((job for job in jobs if job[0] >= _TINY), key=lambda job: -job[0])
    if workers == 1 or sum(size for size, _ in large) < _SMALL:
        large = []

    def work(waiting: Iterable[Job], shown: Optional["ProgressBar"]) -> None:
        try:
            for size, job in waiting:
                if stopped:
                    return
                job()
                done.append(size)
                while done and shown is not None:
                    shown.advance(done.pop())
        except BaseException:
            stopped.append(True)
            raise

    work([job for job in jobs if not large or job[0] < _TINY], bar)
    if large:
        waiting = iter(large)  # which hands each job to one thread only
        with ThreadPoolExecutor(workers - 1) as pool:
            others = [pool.submit(work, waiting, None) for _ in range(workers - 1)]
            work(waiting, bar)  # this thread alone moves the bar
            for other in others:
                other.result()
        if bar is not None:
            bar.advance(sum(done))


class ProgressBar:
    """A progress bar by bytes; ``show=None`` shows it after a second, on a terminal or in Jupyter."""

    def __init__(self, label: str, total: int, show: Optional[bool]) -> None:
        self.label, self.total, self.show, self.done = label, total, show, 0
        self._start = time.perf_counter()
        self._progress: Any = None

    def __enter__(self) -> "ProgressBar":
        self.advance(0)
        return self

    def advance(self, size: int) -> None:
        """So many bytes more are done."""
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
        """Add the bytes of these jobs to the total; the same jobs."""
        self.total += sum(size for size, _ in jobs)
        return jobs

    def __exit__(self, *_: Any) -> None:
        if self._progress is not None:
            self._progress.stop()
