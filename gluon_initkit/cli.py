"""The command line, ``gluon-initkit``: parses, calls, prints; the work is elsewhere.

Exit codes, for scripts and continuous integration: 0; 1 where there are findings that `Report.check` raises, or
differences; 2 on bad usage, a file that cannot be read, or a missing MXNet, with a message on standard error.
"""

import argparse
import io
import os
import sys
from typing import Any, Optional, Sequence

from . import __version__
from .display import counted, printable, size_text

__all__ = ["main"]

_EXAMPLES = """examples:
  gluon-initkit inspect net-0000.params                  what is in a file: names, shapes, types, sizes
  gluon-initkit inspect net-0000.params --stats          its values too: statistics, NaN, suspicious arrays
  gluon-initkit inspect net-0000.params --depth 2        summed by block
  gluon-initkit compare before.params after.params       what was added, renamed, changed, and by how much
  gluon-initkit convert net-0000.params net.safetensors  into another format, and back
  gluon-initkit demo                                     plain MXNet beside the kit, on a real network

exit codes: 0; 1 findings (errors, warnings) or differences; 2 bad usage, or a file that cannot be read.
Files are read from their headers, without MXNet; values where they are asked for."""


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command line of these arguments, the process' own by default; the exit code."""
    if sys.stdout is None:
        return _complain("gluon-initkit: standard output is closed")
    parser = _parser()
    arguments = parser.parse_args(argv)
    if arguments.command is None:
        parser.print_help()
        return 2
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without rules and bars is no fault of the file
    try:
        code = arguments.run(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # `... | head`: the reader has seen enough
        _discard_output()
        return 0
    except (OSError, ValueError, ImportError) as error:  # CheckpointError is a ValueError
        # The lines of an ImportError's text name commands to type; a file's errors may hold names from the file.
        keep = "\n" if isinstance(error, ImportError) else ""
        code = _complain(f"gluon-initkit {arguments.command}: {error}", keep)
        try:
            sys.stdout.flush()
        except (OSError, ValueError):
            _discard_output()
        return code


def _complain(text: str, keep: str = "") -> int:
    """Print an error, where there is a standard error; the exit code. Line ends are escaped unless `keep` has them."""
    if sys.stderr is not None:
        print(printable(text, keep), file=sys.stderr)
    return 2


def _discard_output() -> None:
    """Send unwritten output to nowhere: Python would try to write it at exit, and exit with a code of its own."""
    if not sys.stdout.closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser that prints errors by `_complain`."""

    def error(self, message: str) -> Any:
        if sys.stderr is not None:
            self.print_usage(sys.stderr)
        sys.exit(_complain(f"{self.prog}: error: {message}"))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="gluon-initkit",
        description="The parameter kit for Apache MXNet Gluon.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gluon-initkit {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    inspect = commands.add_parser("inspect", help="what is in a .params file, without a network and without MXNet")
    inspect.add_argument("file", help="a file that save_parameters, export, mx.nd.save or mx.npx.save wrote")
    inspect.add_argument("--stats", action="store_true", help="read the values: statistics and findings")
    inspect.add_argument("--json", action="store_true", help="print JSON, which Report.from_json reads, and no table")
    inspect.add_argument("--html", metavar="OUT", help="write a self-contained page there as well")
    inspect.add_argument("--depth", type=_positive, metavar="N", help="sum up what lies deeper than N parts of a path")
    inspect.set_defaults(run=_inspect)
    compare = commands.add_parser("compare", help="what differs between two .params files")
    compare.add_argument("before", help="a .params file")
    compare.add_argument("after", help="another")
    compare.add_argument("--json", action="store_true", help="print JSON, equal arrays included, and no table")
    compare.set_defaults(run=_compare)
    convert = commands.add_parser("convert", help="write the arrays of a file into one of another format")
    convert.add_argument("source", help="a parameter file")
    convert.add_argument("target", help="the new file: of safetensors where its name ends so, else of MXNet")
    convert.set_defaults(run=_convert)
    demo = commands.add_parser("demo", help="initialize a real network: what plain MXNet does, what the kit does")
    demo.set_defaults(run=_demo)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text!r}")
    return int(text)


def _inspect(arguments: argparse.Namespace) -> int:
    from .inspector import inspect

    if arguments.html and os.path.exists(arguments.html) and os.path.samefile(arguments.html, arguments.file):
        raise ValueError(f"--html {arguments.html!r} would overwrite the file that is inspected: name another")
    report = inspect(arguments.file, stats=arguments.stats)
    if arguments.html:
        with open(arguments.html, "w", encoding="utf-8") as page:
            page.write(report.to_html())
    print(report.to_json() if arguments.json else report.to_text(depth=arguments.depth))
    return int(any(finding.severity != "info" for finding in report.findings))  # as `report.check()` raises


def _compare(arguments: argparse.Namespace) -> int:
    from .inspector import compare

    comparison = compare(arguments.before, arguments.after)
    print(comparison.to_json() if arguments.json else comparison)
    return 0 if comparison.same else 1


def _convert(arguments: argparse.Namespace) -> int:
    from .files.convert import convert

    arrays = convert(arguments.source, arguments.target)
    size = size_text(sum(array.nbytes for array in arrays))
    print(printable(f"{arguments.target}: {counted(len(arrays), 'array')}, {size}"))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import demo

    demo()
    return 0
