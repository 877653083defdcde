"""The house: floors, no circles, nothing of MXNet's private parts outside `_mxnet/`."""

import ast
from pathlib import Path

import gluon_initkit
import pytest

ROOT = Path(gluon_initkit.__file__).parent
FLOORS = {"importing": 0, "shapes": 0, "_mxnet": 1, "display": 1, "parallel": 1, "parameters": 2,
          "files": 3, "initializer": 4, "sharing": 4, "tracer": 4, "inspector": 5, "demo": 6, "regression": 6,
          "testing": 6, "cli": 7, "pytest_plugin": 7, "__main__": 8, "__init__": 9}  # fmt: skip
PRIVATE = {
    "_deferred_init", "_finish_deferred_init", "_init_impl", "_reg_params", "_cached_graph", "_clear_cached_op",
    "_ctx_list", "_ctx_map", "_params", "_children", "_shape", "_data", "_grad", "_trainer",
    "_collect_params_with_prefix", "_grad_req", "_grad_stype", "_stype", "_ctx", "_kvstore", "_kv_initialized",
    "_update_on_kvstore", "_reset_kvstore", "_contexts", "_params_to_init", "_fresh_grad", "_init_grad",
    "_act_type", "_activation", "_active", "_allow_deferred_init", "_cached_op", "_cached_op_args", "_check_and_get",
    "_compose", "_counter", "_differentiable", "_dir", "_dtype", "_flags", "_forward_hooks", "_forward_pre_hooks",
    "_in_format", "_layout", "_load_init", "_mode", "_op_name", "_optimizer", "_out_format", "_reduce", "_regroup",
    "_current", "_scope", "_set_symbol_class", "_set_trainer", "_use_sequence_length", "_var",
    "_call_cached_op", "_called_infer_shape_already", "_new_alloc_handle", "_np_ndarray_cls", "_uuid", "_var_name",
    "_get_graph", "_get_np_boolean_indexing",
}  # fmt: skip
FILES = sorted(ROOT.rglob("*.py"))
# Private by name, and not MXNet's: of namedtuples, of sys, of multiprocessing, and a mark that the kit sets on a hook.
THEIRS = {"_config", "_replace", "_getframe", "_reads_role"}


def room(path):
    return path.relative_to(ROOT).parts[0].replace(".py", "")


def imports(path):
    """The modules of the package that a file imports, as path parts below the package."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package[: len(package) - node.level + 1]
            inner = tuple(node.module.split(".")) if node.module else ()
            targets = [base + inner] if inner else [(*base, alias.name) for alias in node.names]
            yield from targets
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            assert not any((name or "").startswith("gluon_initkit") for name in names), "imports within are relative"


def label(path):
    return str(path.relative_to(ROOT.parent))


@pytest.mark.parametrize("path", FILES, ids=label)
def test_a_file_imports_from_floors_below_or_its_own_folder(path):
    here = room(path)
    for target in imports(path):
        there = target[0] if target and target[0] in FLOORS else "__init__"
        if there == "__init__":
            assert FLOORS[here] >= 6, f"{label(path)} imports the package itself"
        elif there != here:
            assert FLOORS[there] < FLOORS[here], f"{label(path)} imports {there}"


def test_no_circles():
    def module(path):
        return path.relative_to(ROOT).with_suffix("").parts

    known = {module(path) for path in FILES}
    graph = {module(path): {target for target in imports(path) if target in known} for path in FILES}
    done, under_way = set(), []

    def visit(node):
        assert node not in under_way, f"a circle: {under_way[under_way.index(node):]}"
        if node not in done:
            under_way.append(node)
            for target in graph[node]:
                visit(target)
            done.add(under_way.pop())

    for node in graph:
        visit(node)
    assert len(done) == len(FILES)


OUTSIDE = [path for path in FILES if room(path) != "_mxnet"]


@pytest.fixture(scope="module")
def own():
    """The names that the rooms outside `_mxnet` give: to functions, to variables, to attributes of their own."""
    nodes = [node for path in OUTSIDE for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
    found = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    found |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return found | {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
                    and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")}  # fmt: skip


@pytest.mark.parametrize("path", OUTSIDE, ids=label)
def test_no_private_attribute_of_mxnet_outside_its_room(path, own):
    """None of `PRIVATE`, in whatever way; and none at all that the kit has not made, but an initializer's hooks."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    written = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    assert not (used | written) & PRIVATE
    asked = {name.value for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
             and node.func.id in ("getattr", "setattr", "hasattr", "delattr") for name in node.args[1:2]
             if isinstance(name, ast.Constant)}  # fmt: skip
    private = {name for name in used | asked if name.startswith("_") and not name.startswith(("__", "_init_"))}
    assert not private - own - THEIRS


@pytest.mark.parametrize("path", FILES, ids=label)
def test_a_file_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "no opening paragraph"


@pytest.mark.parametrize("path", [path for path in FILES if room(path) == "display"], ids=label)
def test_display_knows_nothing_of_mxnet(path):
    text = path.read_text(encoding="utf-8")
    assert not any(f"{word} mxnet" in text for word in ("import", "from"))
