"""The notebooks run, top to bottom in a fresh kernel, and what is stored in them is what they show.

Only the text is compared: printed lines, tables and trees. Pictures differ with Matplotlib, so of them it is only asked
that they are there. A cell tagged `varies` says itself why its numbers are others each time: its words are compared.
``python tests/test_notebooks.py 03 05`` runs those notebooks and stores what they show now.
"""

import copy
import os
from pathlib import Path
import re
import sys

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.notebook,
    pytest.mark.mxnet1("layers that take classic arrays, as the notebooks' do"),
]

ROOT = Path(__file__).parent.parent
NAMES = (
    "01-initialize-and-access",
    "02-custom-initializers",
    "03-deferred-initialization",
    "04-sharing-parameters",
    "05-reproducible-and-distributed",
    "06-inspecting-a-real-model",
    "07-fine-tuning",
    "08-deep-and-wide",
)
ALL = [pytest.param(name, marks=pytest.mark.zoo if name.startswith("06") else ()) for name in NAMES]


def stored(name):
    import nbformat

    return nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)


def executed(notebook):
    """The notebook as a reader's Jupyter would show it, run where it lies."""
    import matplotlib.font_manager  # noqa: F401  (whose first import ever says on stderr that it builds a cache)
    import nbclient

    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]  # whether the package is installed or not
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "80"}
    env.pop("PYTEST_CURRENT_TEST", None)  # where it stands, a kernel does not show what C++ writes, such as MXNet's log
    resources = {"metadata": {"path": str(ROOT / "notebooks")}}
    options = {"timeout": 120, "kernel_name": "python3", "resources": resources, "coalesce_streams": True}
    client = nbclient.NotebookClient(notebook, **options)
    client.execute(env=env)
    return notebook


def shown(cell):
    """What a reader sees below a cell, as text: of HTML what stands between the tags, of a picture that it is one."""
    pieces = []
    for output in cell.get("outputs", []):
        if output.output_type == "stream":
            pieces.append(output.text)
        elif "text/html" in output.data:
            seen = re.sub(r"<(style|script)>.*?</\1>|<wbr>", "", output.data["text/html"], flags=re.DOTALL)
            pieces.append(re.sub(r"(?:<[^>]*>\s*)+", " ", seen))
        else:
            pieces.append("(picture)" if "image/png" in output.data else output.data["text/plain"])
    return "\n".join("".join(pieces).splitlines())


def words(text):
    """A text without its numbers, their units, and the bars of its distributions."""
    return re.sub(r"[▁▂▃▄▅▆▇█ ]*[▁▂▃▄▅▆▇█]", "", re.sub(r"-?\d[\d.,]*(e-?\d+)?( (ms|µs|s)\b)?", "#", text))


def complaints(notebook):
    """Errors and warnings that a reader would see: whatever came on stderr, and a `Warning` anywhere."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    stderr = [output.text for output in outputs if output.output_type == "stream" and output.name == "stderr"]
    errors = [output.evalue for output in outputs if output.output_type == "error"]
    return stderr + errors + [text for text in map(shown, notebook.cells) if re.search(r"\w*Warning\b", text)]


@pytest.mark.mxnet1("`hybrid_forward` and classic arrays, in which the notebooks speak")
@pytest.mark.parametrize("name", ALL)
def test_it_runs_and_shows_what_is_stored(name):
    before = stored(name)
    after = executed(before)
    assert complaints(after) == []
    for number, (old, new) in enumerate(zip(before.cells, after.cells)):
        same = words if "varies" in old.metadata.get("tags", []) else str
        assert same(shown(new)) == same(shown(old)), f"cell {number}: {old.source}"


@pytest.mark.parametrize("name", NAMES)
def test_it_is_stored_whole_and_clean(name):
    import nbformat

    notebook = stored(name)
    nbformat.validate(notebook)
    assert complaints(notebook) == []
    assert notebook.metadata.kernelspec.name == "python3" and set(notebook.metadata) == {"kernelspec", "language_info"}
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(shown(cell)) for cell in code) >= len(code) - 2, "only imports and a script show nothing"
    assert all(set(cell.metadata) <= {"tags"} for cell in notebook.cells), "no times of execution"
    assert {tag for cell in notebook.cells for tag in cell.metadata.get("tags", [])} <= {"varies"}, "no leave to raise"
    assert not any(re.search(r"/tmp/|/home/|/root/", shown(cell)) for cell in code), "no paths of one machine"


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_one_will_be_able_to_do_and_what_to_try_next(name):
    first, *others, last = stored(name).cells
    assert 10 <= len(others) + 2 <= 20
    assert first.cell_type == last.cell_type == "markdown"
    assert first.source.startswith("# ") and "After this notebook you can" in first.source
    assert last.source.startswith("## What to try next")
    links = re.findall(r"\]\(([^)]+\.ipynb)\)", "\n".join(cell.source for cell in (first, *others, last)))
    assert all((ROOT / "notebooks" / link).exists() for link in links)
    following = NAMES[NAMES.index(name) + 1 :][:1]
    assert not following or f"{following[0]}.ipynb" in last.source


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_no_walls(name):
    for output in (output for cell in stored(name).cells for output in cell.get("outputs", [])):
        lines = output.get("text", "").splitlines()
        assert len(lines) <= 32 and max(map(len, lines), default=0) <= 140
        assert output.get("data", {}).get("text/html", "").count("<tr") <= 24


@pytest.mark.parametrize("name", NAMES)
def test_few_outputs_vary_and_their_cells_say_why(name):
    varying = [cell for cell in stored(name).cells if "varies" in cell.metadata.get("tags", [])]
    assert len(varying) <= 2
    assert all(re.search(r"# .*(depend on|differ)", cell.source) for cell in varying)


def test_whatever_a_reader_would_not_like_to_see_is_noticed():
    import nbclient
    import nbformat

    cells = [
        "print('nothing to complain of')",
        "import warnings; warnings.warn('in the cell')",
        "import logging; logging.warning('in the log')",
        # The kernel reads it in a thread, and tells nothing of what it reads after the cell has ended.
        "import os, time; os.write(2, b'[12:00:00] src/by.cc: as C++ writes'); time.sleep(2)",
        "print('a DeprecationWarning that somebody prints')",
    ]
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
    seen = "\n".join(complaints(executed(notebook)))
    assert all(each in seen for each in ("in the cell", "in the log", "as C++ writes", "somebody prints"))
    assert "nothing" not in seen
    notebook.cells.append(nbformat.v4.new_code_cell("1 / 0"))
    with pytest.raises(nbclient.exceptions.CellExecutionError):
        executed(notebook)


def test_these_are_all():
    assert sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")) == list(NAMES)


def store(name):
    """Run a notebook and write it without what is of this run only: times, and the plain text of what has HTML."""
    import nbformat

    notebook = executed(stored(name))
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                output.data.pop("text/plain", None)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    nbformat.write(notebook, ROOT / "notebooks" / f"{name}.ipynb")


if __name__ == "__main__":
    for name in NAMES:
        if name.startswith(tuple(sys.argv[1:])):
            store(name)
