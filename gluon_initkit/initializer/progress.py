"""A progress bar by bytes, shown where somebody looks and it takes long. `parallel.run` moves it."""

import time
from typing import Any, List, Optional

from ..parallel import Job

__all__ = ["ProgressBar"]


class ProgressBar:
    """A progress bar; ``show=None`` shows it after a second, on a terminal or in Jupyter."""

    every = 0.1  # seconds after which `parallel.run` moves it

    def __init__(self, total: int, show: Optional[bool]) -> None:
        self.total, self.show, self.done = total, show, 0
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

        self._progress = Progress(TextColumn("initializing"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._task = self._progress.add_task("initializing", total=self.total, completed=self.done)
        self._progress.start()

    def __exit__(self, *_: Any) -> None:
        if self._progress is not None:
            self._progress.stop()


def _is_watched() -> bool:
    from rich.console import Console

    console = Console()
    return console.is_terminal or console.is_jupyter
