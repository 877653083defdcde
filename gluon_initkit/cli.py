"""The command line: ``gluon-initkit demo``. Parses, calls, prints; the work is elsewhere."""

import argparse
from typing import Optional, Sequence

from . import __version__

__all__ = ["main"]


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; the process' own by default.

    Returns
    -------
    int
        The exit code: 0, or 2 on bad usage.

    Examples
    --------
    >>> main(["demo"])  # doctest: +SKIP
    0
    """
    parser = argparse.ArgumentParser(prog="gluon-initkit", description="The parameter kit for Apache MXNet Gluon.")
    parser.add_argument("--version", action="version", version=f"gluon-initkit {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    commands.add_parser("demo", help="initialize a real network: what plain MXNet does, what the kit does")
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 2
    from .demo import demo

    demo()
    return 0
