"""Every example in the package's docstrings runs, and every public name has one."""

import doctest
import importlib
import inspect
import pkgutil
import re
import sys

import gluon_initkit as ik
from gluon_initkit import regression
import gluon_initkit._mxnet
import mxnet as mx
import pytest
from vocabulary import GLUON_2

# What another version of MXNet has imported.
OF_ONE_VERSION = ("v1", "v2", "inference.deferred_compute", "inference.imperative", "inference.meta_arrays")
NOT_HERE = {f"gluon_initkit._mxnet.{name}" for name in OF_ONE_VERSION} - sys.modules.keys()
MODULES = [info.name for info in pkgutil.walk_packages(ik.__path__, "gluon_initkit.")
           if "__main__" not in info.name and info.name not in NOT_HERE]  # fmt: skip


def examples():
    for name in MODULES:
        for test in doctest.DocTestFinder().find(importlib.import_module(name), name, extraglobs={"mx": mx, "ik": ik}):
            if test.examples:
                yield pytest.param(test, id=test.name)


@pytest.mark.parametrize("test", examples())
def test_examples_run(test):
    if GLUON_2:  # whose layers take NumPy arrays, where the examples write classic ones
        for example in test.examples:
            if "mx.nd.save" not in example.source:
                example.source = re.sub(r"mx\.nd\.(?=ones|zeros|array|arange)", "mx.np.", example.source)
                example.source = example.source.replace("mx.nd.random.uniform(shape=", "mx.np.random.uniform(size=")
    failures = []
    doctest.DocTestRunner().run(test, out=failures.append)
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
def test_every_public_name_has_a_docstring_and_a_function_explains_its_arguments(name):
    thing = dict(public_callables())[name]
    doc = inspect.getdoc(thing)
    assert doc and len(doc.split("\n")[0]) > 15
    if inspect.isfunction(thing) and "." not in name:
        assert re.search(r"^Examples\n--------\n(.*\n)*?>>> ", doc, re.MULTILINE), f"{name} has no example"
        assert set(inspect.signature(thing).parameters) - {"args", "kwargs"} <= entries(doc, "Parameters")


def entries(doc, part):
    """The names that stand in a part of a docstring: ``name : type``, ``one, two : type``, or names alone."""
    found = re.search(rf"^{part}\n-+\n((?:.+\n?|\n(?! *\w+\n *-))*)", doc, re.MULTILINE)
    lines = re.findall(r"^(\S.*?)(?: : .*)?$", found.group(1), re.MULTILINE) if found else []
    return {name.lstrip("*") for line in lines for name in line.split(", ")}
