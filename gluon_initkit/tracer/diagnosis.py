"""What is unresolved in a network, and why: the message of `DeferredInitError`."""

from typing import Any, Dict, Optional, Sequence

from ..naming import describe
from .errors import DeferredInitError, Unresolved

__all__ = ["diagnose"]


def diagnose(
    net: Any, error: Optional[BaseException] = None, inputs: Sequence[Any] = (), seen: Optional[Dict[str, Any]] = None
) -> DeferredInitError:
    """The one error for a network whose deferred parameters were used, or could not be resolved."""
    unresolved = tuple(
        Unresolved(
            info.label, info.shape, info.block.__name__ if info.block else "", info.block_path,
            (seen or {}).get(info.block_path), "", "pending",
        )
        for _, _, info in describe(net) if info.state == "deferred"
    )  # fmt: skip
    listed = "".join(f"\n  {each.path} {each.shape}: {each.reason}" for each in unresolved)
    return DeferredInitError(f"{len(unresolved)} parameters are unresolved ({error}):{listed}", unresolved)
