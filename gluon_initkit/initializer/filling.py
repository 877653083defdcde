"""A progress bar, where somebody is looking and it takes long. The work itself is `parallel`'s to run."""

import time
from typing import Any, List, Optional

from ..parallel import Job

__all__ = ["Bar"]


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

    def expecting(self, jobs: List[Job]) -> List[Job]:
        """The same jobs; their bytes are more than was said before."""
        self.total += sum(size for size, _ in jobs)
        if self._progress is not None:
            self._progress.update(self._task, total=self.total)
        return jobs

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
