"""The two Gluons: both files say the same words, and nothing else of the package asks which MXNet this is."""

import ast
from pathlib import Path
import re

import gluon_initkit
from gluon_initkit._mxnet import version
import mxnet as mx

ROOT = Path(gluon_initkit.__file__).parent


def said(name):
    """The functions of one of the two files with their arguments, and the other names that it exports."""
    tree = ast.parse((ROOT / "_mxnet" / f"{name}.py").read_text(encoding="utf-8"))
    (exported,) = (ast.literal_eval(node.value) for node in tree.body
                   if isinstance(node, ast.Assign) and node.targets[0].id == "__all__")  # fmt: skip
    functions = {node.name: ast.dump(node.args) for node in tree.body if isinstance(node, ast.FunctionDef)}
    return {word: functions.get(word) for word in exported}


def test_both_say_the_same_words_and_take_the_same_arguments():
    one, two = said("gluon1"), said("gluon2")
    assert list(one) == list(two) and len(one) > 10
    assert not [word for word in one if one[word] and two[word] and one[word] != two[word]]


def test_the_one_that_is_imported_is_this_mxnets():
    assert version.children.__module__ == f"gluon_initkit._mxnet.gluon{mx.__version__[0]}"
    assert version.__all__ == list(said("gluon1"))


def test_no_file_outside_mxnets_room_asks_for_the_version():
    for path in ROOT.rglob("*.py"):
        if path.parent.name != "_mxnet":
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"mx\.__version__ *[<>=\[.]|hasattr\(mx\b", text), path
