"""`TraceEvent`: one thing that happened to a parameter while its network was traced.

Plain data, no live MXNet object, so that events outlive the network, compare, pickle, and go to JSON.
"""

from dataclasses import dataclass
from typing import Optional, Tuple

from ..display import inputs_text, printable, shape_text, size_text

__all__ = ["Shape", "TraceEvent", "seconds_text"]

Shape = Optional[Tuple[Optional[int], ...]]


@dataclass(frozen=True)
class TraceEvent:
    """One thing that happened while a network was traced. ``str()`` is one line.

    Attributes
    ----------
    kind : str
        ``'initialize'`` and ``'force_reinit'``: it was asked for. ``'deferred'``: not possible yet. ``'resolved'``: the
        parameter got its values. ``'set_data'``, ``'load_parameters'``, ``'cast'``, ``'reset_ctx'``. ``'failed'``: a
        call raised, and what it had resolved was put back.
    path : str or None
        The parameter; None for a failure, which is the whole network's.
    shape : tuple of (int or None), or None
        Its shape afterwards. None stands for an unknown dimension, and for an unknown number of dimensions.
    dtype : str or None
    block : str or None
        The path of the block in whose forward it happened, ``''`` for the network's own; None outside of any.
    inputs : tuple of shapes, or None
        What that block was given.
    initializer, hook : str or None
        Who fills it, and by which method. An ``'initialize'`` of plain MXNet's names the network-level initializer.
    bytes : int
        Of the parameter's values, over all contexts; 0 while it has none.
    time, seconds : float
        When it began, in seconds since the trace did, and how long it took.
    call : str
        What the user called: ``'HybridSequential.initialize'``.
    file, line : str and int, or None
        The user's own source line: the innermost frame outside of MXNet and this kit.
    thread : int
        The operating system's number of the thread.
    detail : str
        What else is to say: ``'float32 to float16'``.
    """

    kind: str
    path: Optional[str]
    shape: Shape
    dtype: Optional[str]
    block: Optional[str] = None
    inputs: Optional[Tuple[Shape, ...]] = None
    initializer: Optional[str] = None
    hook: Optional[str] = None
    bytes: int = 0
    time: float = 0.0
    seconds: float = 0.0
    call: str = ""
    file: Optional[str] = None
    line: Optional[int] = None
    thread: int = 0
    detail: str = ""

    @property
    def unknown(self) -> Tuple[int, ...]:
        """The axes whose size is not known; of a shape of unknown length, none can be named."""
        return tuple(axis for axis, size in enumerate(self.shape or ()) if size is None)

    @property
    def source(self) -> str:
        """The user's line as messages show it: the end of the file's path, ``cell`` in a notebook, and the line."""
        *_, folder, name = ("", *(self.file or "").replace("\\", "/").split("/"))
        name = "cell" if folder.startswith("ipykernel_") else name  # which Jupyter names by a hash of what it holds
        return f"{name}:{self.line}" if self.file else ""

    @property
    def filled_by(self) -> str:
        """The initializer and its hook in one word."""
        return ".".join(part for part in (self.initializer, self.hook) if part)

    @property
    def headline(self) -> str:
        """The kind, the parameter and its shape."""
        return " ".join((self.kind, *((self.path, shape_text(self.shape)) if self.path is not None else ())))

    @property
    def facts(self) -> Tuple[str, ...]:
        """What else is known, as text."""
        given = inputs_text(self.inputs) or "?"
        where = "" if self.block is None else f"in {self.block or 'the network'} on {given}"
        size = size_text(self.bytes) if self.bytes else ""
        took = seconds_text(self.seconds) if self.kind not in ("initialize", "force_reinit", "deferred") else ""
        return tuple(part for part in (where, self.filled_by, size, took, self.detail) if part)

    def __str__(self) -> str:
        return printable(" · ".join(part for part in (self.headline, *self.facts, self.source) if part))


def seconds_text(seconds: Optional[float]) -> str:
    """A time as tables show it; nothing for None."""
    if seconds is None or seconds < 5e-7:
        return ""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1e3:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
