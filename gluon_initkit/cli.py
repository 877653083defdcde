"""The command line, ``gluon-initkit``: it parses arguments, calls the kit's functions and prints their reports."""

import argparse
from contextlib import contextmanager
from dataclasses import replace
import io
import os
import shutil
import sys
import tempfile
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple
import warnings

from . import __version__
from .display import KitError, counted, did_you_mean, printable, size_text

_EXIT_CODES = """exit codes:
  0  there is nothing to say: no errors or warnings, no differences
  1  findings that are errors or warnings, or differences
  2  wrong usage, a file that cannot be read, or no MXNet where it is needed"""
_EXAMPLES = f"""examples:
  gluon-initkit inspect net-0000.params                  what is in a file: names, shapes, types, sizes
  gluon-initkit inspect *.params --stats                 their values too: statistics, NaN, suspicious arrays
  gluon-initkit inspect net-0000.params --depth 2        summed by block
  gluon-initkit summary net-symbol.json --input data=1,3,224,224     operators, parameters, multiply-adds
  gluon-initkit compare before.params after.params       what was added, renamed, changed, and by how much
  gluon-initkit convert net-0000.params net.safetensors  into another format, and back
  gluon-initkit demo                                     plain MXNet beside the kit, on a real network

A file called - is read from standard input; --html - writes the page to standard output.
Parameter files are read from their headers, without MXNet; values where they are asked for.

{_EXIT_CODES}"""


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
        sys.stdout.reconfigure(errors="replace")  # a terminal's encoding may lack the characters of bars and rules
    try:
        code = _attempt(arguments.command, lambda: arguments.run(arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader is gone, as with `... | head`
        _discard_output()
        return 0
    except (OSError, ValueError) as error:  # from the flush; `_attempt` has printed all others
        _discard_output()
        return 2 if code == 2 else _complain(f"gluon-initkit {arguments.command}: {error}")


def _attempt(command: str, run: Callable[[], int]) -> int:
    """Run a part of a command and return its exit code; an error is printed as one line."""
    try:
        return run()
    except BrokenPipeError:
        raise
    except (OSError, ValueError, KeyError, ImportError, KitError) as error:  # CheckpointError is a ValueError
        # Line ends are kept where the kit wrote them; an error about a file may quote names from that file.
        keep = "\n" if isinstance(error, (ImportError, KitError)) and not isinstance(error, ValueError) else ""
        text = error.args[0] if isinstance(error, KeyError) else error
        return _complain(f"gluon-initkit {command}: {text}", keep)


def _complain(text: str, keep: str = "") -> int:
    """Print an error, if standard error is open, and return the exit code. Line ends not in `keep` are escaped."""
    if sys.stderr is not None:
        print(printable(text, keep), file=sys.stderr)
    return 2


def _discard_output() -> None:
    """Drop unwritten output: otherwise Python tries to write it at exit, and exits with its own code."""
    if not sys.stdout.closed:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Parser(argparse.ArgumentParser):
    """A parser that reports errors through `_complain`."""

    def error(self, message: str) -> Any:
        if sys.stderr is not None:
            self.print_usage(sys.stderr)
        sys.exit(_complain(f"{self.prog}: error: {message}"))


def _parser() -> argparse.ArgumentParser:
    table = argparse.ArgumentParser(add_help=False)  # the options of all commands that print a table
    table.add_argument("--json", action="store_true", help="print JSON, and no table")
    table.add_argument("--html", metavar="OUT", help="write a self-contained page there as well")
    table.add_argument("--columns", type=lambda text: list(dict.fromkeys(["path", *text.split(",")])), metavar="A,B",
                       help="the columns")  # fmt: skip
    table.add_argument("--width", type=_positive, metavar="N", help="in characters; the terminal's by default")
    parser = _Parser("gluon-initkit", description="The parameter kit for Apache MXNet Gluon.", epilog=_EXAMPLES,
                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--version", action="version", version=f"gluon-initkit {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")

    def command(name: str, run: Any, text: str, *parents: Any) -> Any:
        subparser = commands.add_parser(name, help=text, description=text, parents=parents, epilog=_EXIT_CODES,
                                        formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
        subparser.set_defaults(run=run)
        return subparser

    inspect = command("inspect", _inspect, "what is in parameter files, without a network and without MXNet", table)
    inspect.add_argument("files", nargs="+", metavar="file", help="of MXNet, NumPy or safetensors")
    inspect.add_argument("--stats", action="store_true", help="read the values: statistics and findings")
    inspect.add_argument("--select", metavar="GLOB", help="show these alone: a glob over paths, or a role")
    inspect.add_argument("--sort", metavar="COLUMN", help="in the order of this column, the largest numbers first")
    inspect.add_argument("--depth", type=_positive, metavar="N", help="sum up what lies deeper than N parts of a path")
    summary = command("summary", _summary, "operators, parameters and multiply-adds of a symbol file", table)
    summary.add_argument("file", help="a net-symbol.json that export wrote")
    summary.add_argument("--input", type=_input, action="append", required=True, metavar="NAME=SHAPE", dest="inputs",
                         help="the shape of an input, data=1,3,224,224; once for each")  # fmt: skip
    compare = command("compare", _compare, "what differs between two parameter files", table)
    compare.add_argument("before", help="a parameter file")
    compare.add_argument("after", help="another")
    convert = command("convert", _convert, "write the arrays of a file into one of another format")
    convert.add_argument("source", help="a parameter file")
    convert.add_argument("target", help="the new file: of safetensors where its name ends so, else of MXNet")
    command("demo", _demo, "initialize a real network: what plain MXNet does, what the kit does")
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text!r}")
    return int(text)


def _input(text: str) -> Tuple[str, Tuple[int, ...]]:
    name, _, sizes = text.rpartition("=")
    if not name:
        raise argparse.ArgumentTypeError(f"expected a name and a shape, data=1,3,224,224, found {text!r}")
    return name, tuple(map(_positive, sizes.strip("()").rstrip(",").split(",")))


@contextmanager
def _on_disk(path: str) -> Iterator[str]:
    """A path that can be read twice and at any position; standard input is copied to a file first."""
    if path not in ("-", "/dev/stdin"):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "standard input")
        with open(copy, "wb") as file:
            shutil.copyfileobj(sys.stdin.buffer, file)
        yield copy


def _show(report: Any, arguments: argparse.Namespace, sources: Sequence[str], **options: Any) -> None:
    """Print a report as text or JSON, and write its HTML page if `--html` was given."""
    page = arguments.html
    if page == "-":
        print(report.to_html(columns=arguments.columns), end="")
        return
    if page and any(os.path.exists(page) and os.path.samefile(page, source) for source in sources):
        raise ValueError(f"--html {page!r} would overwrite a file that is read: name another")
    if page:
        report.to_html(page, columns=arguments.columns)
    if arguments.json:
        print(report.to_json())
    else:
        print(report.to_text(arguments.width, columns=arguments.columns, **options))


def _inspect(arguments: argparse.Namespace) -> int:
    files: List[str] = arguments.files
    if arguments.html and len(files) > 1:
        raise ValueError("--html writes the page of one file, and several are given")
    codes = []
    for number, file in enumerate(files):
        if number and not arguments.json:
            print()
        codes.append(_attempt("inspect", lambda file=file: _inspect_one(arguments, file)))  # type: ignore[misc]
    return max(codes)


def _inspect_one(arguments: argparse.Namespace, file: str) -> int:
    from .inspector import inspect

    with _on_disk(file) as path:
        report = inspect(path, stats=arguments.stats, select=arguments.select)
        report = replace(report, source="standard input" if path != file else file)
        if arguments.sort:
            report = report.sort(arguments.sort)
        _show(report, arguments, [path], depth=arguments.depth)
    return int(any(finding.severity != "info" for finding in report.findings))  # as `report.check()` raises


def _summary(arguments: argparse.Namespace) -> int:
    from .files import parsed_json

    inputs = dict(arguments.inputs)
    with _on_disk(arguments.file) as path:
        try:
            with open(path, encoding="utf-8") as file:
                nodes = parsed_json(file.read())["nodes"]
            variables = [node["name"] for node in nodes if node["op"] == "null"]
            numpy = any(node["op"].startswith("_np") for node in nodes)
        except (KeyError, TypeError, ValueError):
            raise ValueError(f"{arguments.file!r} is no symbol file, as export writes it, net-symbol.json") from None
        for name in inputs:
            if name not in variables:
                raise ValueError(f"the network takes no {name!r}; {did_you_mean(name, variables)}")
        report = _summarized(path, inputs, numpy, arguments.columns or ())
        shapes = ", ".join(f"{name}={shape}" for name, shape in inputs.items())
        source = "standard input" if path != arguments.file else arguments.file
        _show(replace(report, source=f"{source} given {shapes}"), arguments, [path])
    return 0


def _summarized(path: str, inputs: Dict[str, Tuple[int, ...]], numpy: bool, columns: Sequence[str]) -> Any:
    """The summary of a symbol file; `numpy` tells whether its operators take arrays of NumPy mode."""
    from ._mxnet import backend, mx
    from .inspector import Summary, summary

    numpy = numpy or not backend.infers_on_symbols
    with warnings.catch_warnings(), mx.util.np_shape(numpy), mx.util.np_array(numpy):
        warnings.simplefilter("ignore")  # MXNet warns of types that it cannot infer
        try:
            net = mx.gluon.SymbolBlock.imports(path, list(inputs))
        except mx.MXNetError as error:
            raise ValueError(printable(str(error).strip().partition("\n")[0])) from None
        own = {column.key for column in Summary.COLUMNS}
        return summary(net, *inputs.values(), columns=[column for column in columns if column not in own])


def _compare(arguments: argparse.Namespace) -> int:
    from .inspector import compare

    given = (arguments.before, arguments.after)
    with _on_disk(given[0]) as before, _on_disk(given[1]) as after:
        comparison = replace(compare(before, after), sources=given)
        _show(comparison, arguments, (before, after))
    return 0 if comparison.same else 1


def _convert(arguments: argparse.Namespace) -> int:
    from .files.write import convert

    arrays = convert(arguments.source, arguments.target)
    size = size_text(sum(array.nbytes for array in arrays))
    print(printable(f"{arguments.target}: {counted(len(arrays), 'array')}, {size}"))
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from .demo import demo

    demo()
    return 0
