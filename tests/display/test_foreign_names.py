"""One door for foreign names: whatever a parameter, a block or a file is called, no message has control characters."""

import ast
import builtins
import contextlib
import importlib
from pathlib import Path
import warnings

import gluon_initkit
import gluon_initkit as ik
from gluon_initkit import cli
from gluon_initkit.display import KitError, rendered
from gluon_initkit.regression import InitRegression
import mxnet as mx
from mxnet.gluon import nn
import pytest
from vocabulary import GLUON_2, nd

ROOT = Path(gluon_initkit.__file__).parent
# The other MXNet alone can import these.
OTHER = {"imperative.py", "meta_arrays.py"} if GLUON_2 else {"deferred_compute.py"}
# `importing` stands below all else, and names libraries only.
FILES = sorted(path for path in ROOT.rglob("*.py")
               if path.name not in OTHER | {"__main__.py"} and path.parent.name != "importing")  # fmt: skip
# What steers a terminal, what hides what is written, and what is no character at all.
HOSTILE = "a\x1b[2J\x9b31m\r\x07\u202eb\u2066c\u200b\udc80"


# Local names that hold the kit's own words: of arguments, and of what is wrong with them.
OWN = {
    "initializer.arguments": {"name"},
    "inspector.inspect": {"name"},
    "inspector.report_json": {"where", "kind", "expected"},
    "inspector.collect": {"lack", "remedy"},
    "inspector.recorder": {"name", "recorded", "message"},
    "inspector.report": {"method"},
    "parameters.attributes": {"name"},  # one of three, by a line above
    "parameters.info": {"hint", "description", "message"},  # by printable, a line above
    "sharing.builder": {"kind"},  # by printable, a line above
    "_mxnet.tree": {"more", "where"},
    "_mxnet.inference.imperative": {"structure", "block"},  # MXNet's words for how arguments are nested
    "_mxnet.inference.record": {"inputs", "listed"},
    "testing": {"explanation", "table"},  # tables escape what they show
    "sharing.load": {"name"},
}


class _Word(str):
    def __getattr__(self, name):
        return _Word(self)


def label(module):
    return module.__name__.partition(".")[2]


class _Kind(type):
    """The type of `_Foreign` has a hostile name too: a class of blocks may be called anything."""

    def __getattr__(cls, name):
        return _Foreign()


class _Foreign(str, metaclass=_Kind):
    """A hostile name, which is what all else that may stand in a message answers as well."""

    def __new__(cls, *_, **__):
        return str.__new__(cls, HOSTILE)

    def __getattr__(self, name):
        if name.startswith("__") and name not in ("__name__", "__version__"):
            raise AttributeError(name)
        return _Foreign()

    def __call__(self, *_, **__):
        return _Foreign()

    def __getitem__(self, index):
        return _Foreign() if isinstance(index, (int, str)) else str.__getitem__(self, index)

    def __format__(self, layout):
        try:
            return format(str(self), layout)
        except ValueError:  # the layout of a number
            return "1"

    def __iter__(self):
        return iter([_Foreign(), _Foreign()])

    def __sub__(self, other):
        return _Foreign()

    index = count = property(lambda self: _Foreign())
    __rsub__ = __add__ = __radd__ = __mod__ = __sub__
    __hash__ = str.__hash__


_Foreign.__name__ = "B" + HOSTILE.encode("ascii", "ignore").decode()


def raised(path):
    """Every ``raise`` of a file that makes its error, as (line, expression, the functions of the file by name).

    Those that a function of the file imports are among them.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    package = ".".join(("gluon_initkit", *path.relative_to(ROOT).parts[:-1]))
    late = [node for function in functions.values() for node in ast.walk(function)
            if isinstance(node, ast.ImportFrom) and node.level and node.module]  # fmt: skip
    for node in late:
        with contextlib.suppress(ImportError):  # what belongs to the other MXNet
            module = importlib.import_module("." * node.level + node.module, package)
            functions.update({alias.asname or alias.name: getattr(module, alias.name) for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            yield node.lineno, node.exc, functions


def answers_a_kit_error(callee, functions, module):
    name = callee.attr if isinstance(callee, ast.Attribute) else getattr(callee, "id", "")
    function = functions.get(name, getattr(module, name, None))
    returns = function.returns if isinstance(function, ast.AST) else None
    kind = getattr(module, returns.id) if isinstance(returns, ast.Name) else (
        getattr(function, "__annotations__", {}).get("return"))  # fmt: skip
    return isinstance(kind, type) and issubclass(kind, KitError)


def with_foreign_names(expression, module):
    """The value of an expression in which every local name is a foreign one."""
    names = {node.id for node in ast.walk(expression) if isinstance(node, ast.Name)}
    shown = {node.value.id for node in ast.walk(expression)
             if isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name)}  # fmt: skip
    known = {**vars(builtins), "type": lambda *_: _Foreign}
    known = {**{name: known[name] for name in set(known) - shown}, **vars(module)}
    code = compile(ast.fix_missing_locations(ast.Expression(expression)), module.__name__, "eval")
    return eval(code, {**known, **{name: _Foreign() for name in names - set(known) - OWN.get(label(module), set())},
                       **{name: _Word("a word") for name in OWN.get(label(module), ())}})  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT.parent)))
def test_every_error_that_is_raised_escapes_what_is_put_into_it(path):
    name = ".".join(("gluon_initkit", *path.relative_to(ROOT).with_suffix("").parts))
    module = importlib.import_module(name.replace(".__init__", ""))
    shown = []
    for line, expression, functions in raised(path):
        if answers_a_kit_error(expression.func, functions, module):
            continue
        kind = getattr(module, getattr(expression.func, "id", ""), None) or vars(builtins).get(
            getattr(expression.func, "id", "")
        )
        # Of a KeyError Python shows the repr; an AttributeError is given the name alone.
        if isinstance(kind, type) and issubclass(kind, (KitError, KeyError, AttributeError)):
            continue
        for argument in expression.args:
            text = with_foreign_names(argument, module)
            if isinstance(text, str) and not text.replace("\n", "").isprintable():
                shown.append(f"{path.name}:{line} {text!r}")
    assert not shown, "\n".join(["name them by !r, or raise an error of the kit's", *shown])


def test_an_error_of_the_kit_keeps_what_it_was_given_and_shows_it_escaped():
    error = KitError(HOSTILE)
    assert error.args == (HOSTILE,) and str(error).isprintable()
    errors = [kind for kind in map(gluon_initkit.__getattr__, gluon_initkit.__all__)
              if isinstance(kind, type) and issubclass(kind, Exception)]  # fmt: skip
    assert len(errors) >= 5 and all(issubclass(kind, KitError) for kind in errors)


NAME = "a\x1b[2J\x9b31m\r\x07\n\u202eb\u2066c\u200b"


class Hostile(nn.HybridBlock):
    """A network whose children, and with them its parameters, have hostile names."""

    def __init__(self, *layers):
        super().__init__()
        for number, layer in enumerate(layers):
            setattr(self, f"{NAME}{number}", layer)

    def forward(self, x):
        for child in self._children.values():
            x = (child() if GLUON_2 else child)(x)
        return x


Hostile.__name__ = f"B{NAME}"


def faces(thing):
    """All that a reader sees of a report, an event, an error, a warning."""
    yield from (str(thing), repr(thing))
    yield from (getattr(thing, name)() for name in ("_repr_html_", "to_html", "to_markdown", "to_json")
                if hasattr(thing, name))  # fmt: skip
    if hasattr(thing, "__rich__"):
        yield rendered(thing)


def errors(calls):
    for call in calls:
        with pytest.raises(Exception) as caught:
            call()
        yield caught.value


def seen_of_a_network(folder):
    pending, net, tied = (Hostile(nn.Dense(4, **size), nn.Dense(4, **size)) for size in ({}, *[{"in_units": 4}] * 2))
    first, _, second, _ = (record.path for record in ik.inspect(net).records)
    yield from errors([lambda: ik.fingerprint(pending), lambda: ik.save(pending, "x"),
                       lambda: ik.testing.assert_initialized(pending), lambda: ik.materialize(pending)])  # fmt: skip
    with ik.trace(pending, live=True) as traced:
        pending.initialize()
        yield from (ik.explain(pending), ik.explain(pending).error, ik.explain(pending, (2, 5)), ik.inspect(pending))
        yield from (ik.resolve_shapes(pending, (2, 5)), ik.plan(pending, mx.init.Xavier()))
        pending(nd.ones((2, 5)))
    yield from (traced, *traced.events)
    yield ik.initialize(net, mx.init.Xavier())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        ik.initialize(net, mx.init.Xavier())
        ik.initialize(net, ik.Rules([("nothing*", 1.0)], default=mx.init.Xavier()), force_reinit=True)
    assert len(caught) >= 2
    yield from (each.message for each in caught)
    yield from errors([
        lambda: ik.initialize(net, ik.Rules([("nothing*", 1.0)], strict=True), force_reinit=True),
        lambda: ik.Sharing(net).tie(first, "x").apply(), lambda: ik.untie(net, first),
        lambda: ik.testing.assert_shared(net, first, second), lambda: ik.load(net, str(folder / f"{NAME}x")),
        lambda: ik.Recorder(net, select="x*"), lambda: InitRegression(folder / NAME, "x").check(net),
    ])  # fmt: skip
    recorder = ik.Recorder(net, select="*")
    recorder.step()
    yield from (recorder, recorder.history, ik.Rules([(NAME, 1.0), (Hostile, 2.0)]), ik.Sharing(net).tie(first, second))
    tied.initialize()
    yield from (ik.Sharing(tied).tie(first, second).apply(), *ik.shared_groups(tied), ik.inspect(tied, stats=True))
    next(iter(net.collect_params().values())).set_data(nd.array([[float("nan")] * 4] * 4))
    report = ik.inspect(net, stats=True)
    yield from (report, *report, *report.findings, ik.compare(net, tied))
    read_back = ik.Report.from_json(report.to_json())
    yield from errors([report.check, lambda: report["x"], next(iter(read_back)).data])
    other = Hostile(nn.Dense(4, in_units=4))
    yield from seen_of_a_file(net, other, folder)


def seen_of_a_file(net, other, folder):
    path = str(folder / f"{NAME}.params")
    ik.save(net, path)
    report = ik.inspect(path, stats=True)
    comparison = ik.compare(other, path)
    yield from (report, report.live, comparison, comparison.load, *report)
    cut = f"{path}.cut"
    Path(cut).write_bytes(Path(path).read_bytes()[:100])
    yield from errors([lambda: ik.load(other, path), lambda: ik.inspect(cut), lambda: ik.load(other, cut),
                       lambda: ik.inspect(path, select=Hostile), lambda: report.live.values("x"), report.check,
                       lambda: report.live.gradient(report.records[0].path)])  # fmt: skip
    for arguments in (["inspect", cut], ["inspect", f"{path}x"], ["inspect", path, "--stats"], ["compare", path, cut]):
        cli.main(arguments)


def test_nothing_that_a_reader_sees_of_a_hostile_name_steers_a_terminal(tmp_path, capsys):
    for thing in seen_of_a_network(tmp_path):
        for text in faces(thing):
            assert text.replace("\n", "").isprintable(), type(thing)
            assert "\\x07\n\\u202e" not in text.replace("│", "") or "<" in text or "──" in text, type(thing)
    written = capsys.readouterr()
    assert written.out.replace("\n", "").isprintable() and written.err.replace("\n", "").isprintable()
    assert len(written.err.splitlines()) == 3
