"""Every example in the package's docstrings runs, and every public name has one."""

import dataclasses
import doctest
import importlib
import inspect
import pkgutil

import gluon_initkit as ik
from gluon_initkit import regression
import mxnet as mx
import pytest

MODULES = [info.name for info in pkgutil.walk_packages(ik.__path__, "gluon_initkit.") if "__main__" not in info.name]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    failures = []
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder().find(module, name, extraglobs={"mx": mx}):
        runner.run(test, out=failures.append)
    assert not failures, "".join(failures)


def public_callables():
    named = [(name, getattr(ik, name)) for name in ik.__all__]
    named += [(name, getattr(module, name)) for module in (ik.testing, regression) for name in module.__all__]
    for name, thing in named:
        yield name, thing
        if inspect.isclass(thing):
            yield from ((f"{name}.{key}", value) for key, value in vars(thing).items()
                        if inspect.isfunction(value) and not key.startswith("_"))  # fmt: skip


@pytest.mark.parametrize("name", [name for name, _ in public_callables()])
def test_every_public_name_has_a_docstring_with_its_parts(name):
    thing = dict(public_callables())[name]
    doc = inspect.getdoc(thing)
    assert doc and len(doc.split("\n")[0]) > 15
    if dataclasses.is_dataclass(thing):
        assert "Attributes\n----------" in doc
        return
    assert "Examples\n--------" in doc or name.endswith(".to_records"), f"{name} has no example"
    if inspect.isclass(thing) and issubclass(thing, Exception):
        return
    parameters = set(inspect.signature(thing).parameters) - {"self", "args", "kwargs"}
    if not inspect.isclass(thing) and parameters:
        assert "Parameters\n----------" in doc and all(parameter in doc for parameter in parameters)
