"""What MXNet's `Initializer` keeps to itself: the arguments that it was given, and what `set_verbosity` asked for."""

from typing import Any, Dict

from mxnet.initializer import InitDesc, Initializer

__all__ = ["base_arguments", "is_verbose", "say_filled"]


def base_arguments(initializer: Initializer) -> Dict[str, Any]:
    """The arguments that a class handed on to ``super().__init__``."""
    return initializer._kwargs


def is_verbose(initializer: Any) -> bool:
    """Whether it is to say what it fills; what is no `Initializer` is not."""
    return getattr(initializer, "_verbose", False)


def say_filled(initializer: Initializer, desc: InitDesc, hook: str, arr: Any) -> None:
    """Say that a hook has filled an array, where that is asked for."""
    if is_verbose(initializer):  # which a class that never calls `super().__init__` knows nothing of
        initializer._verbose_print(desc, hook.replace("_init_", "", 1), arr)
