"""What a trace has seen of a failure, beyond the network's state: what blocks got, and where shapes came from.

What went wrong is found out from it elsewhere, the same way as without a trace.
"""

from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Dict, Optional, Sequence, Tuple

from .events import Shape, TraceEvent, inputs_text

__all__ = ["Observed"]


@dataclass
class Observed:
    """What somebody who watched knows.

    Attributes
    ----------
    seen : dict
        The input shapes that blocks got last, by block path.
    passed : bool
        Whether those are from forward passes that came to their end.
    failing : (str, Block, tuple), optional
        The innermost call of a block that failed: its path, and its arguments.
    events : sequence of TraceEvent
    around : frame, optional
        Where the error was caught, while the user's call is under way.
    """

    seen: Dict[str, Tuple[Shape, ...]] = field(default_factory=dict)
    passed: bool = False
    failing: Optional[Tuple[str, Any, Tuple[Any, ...]]] = None
    events: Sequence[TraceEvent] = ()
    around: Optional[FrameType] = None

    @property
    def whole(self) -> bool:
        """Whether the network's own forward pass was seen, from its beginning to its end."""
        return self.passed and "" in self.seen

    def origin(self, path: str, shape: Shape) -> str:
        """What gave a parameter this shape: ``'resolved in 0, given (2, 5), at file:7'``; empty where nobody saw it."""
        for event in reversed(self.events):
            if event.path != path or event.shape != shape:
                continue
            at = f", at {event.file}:{event.line}" if event.file else ""
            if event.kind in ("set_data", "load_parameters"):
                return f"given by {event.kind}{at}"
            if event.kind == "resolved" and event.block is not None:
                return f"resolved in {event.block or 'the network'}, given {inputs_text(event.inputs)}{at}"
        return ""
