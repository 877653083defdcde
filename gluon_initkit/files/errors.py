"""What the readers of files raise."""

__all__ = ["CheckpointError"]


class CheckpointError(ValueError):
    """A file that is no ``.params`` file, or a broken one.

    Attributes
    ----------
    source : str
        The file.
    offset : int
        The byte at which the number stands that cannot be, or at which something is missing.
    reason : str
        What was found there, and what was expected.

    Examples
    --------
    >>> str(CheckpointError("a.params", 24, "an array of -3 rows"))
    'a.params: at byte 24: an array of -3 rows'
    """

    def __init__(self, source: str, offset: int, reason: str) -> None:
        super().__init__(source, offset, reason)
        self.source, self.offset, self.reason = source, offset, reason

    def __str__(self) -> str:
        return f"{self.source}: at byte {self.offset}: {self.reason}"
