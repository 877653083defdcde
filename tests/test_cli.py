"""The command line, in processes of its own: what it prints, its exit codes, and that it needs no MXNet for files."""

import io
import json
import os
import subprocess
import sys

import gluon_initkit as ik
from gluon_initkit.cli import main
import mxnet as mx
from mxnet.gluon import nn
import numpy as np
import pytest
from vocabulary import nd, tied


def run(*arguments, cwd=None, width="100"):
    command = [sys.executable, "-m", "gluon_initkit", *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": width, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd, env=environment)


def net():
    made = nn.HybridSequential()
    made.add(nn.Dense(4, in_units=3), nn.Dense(2, in_units=4))
    made.initialize(mx.init.Xavier())
    return made


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    mx.random.seed(1)
    first = net()
    first.save_parameters(str(folder / "a.params"))
    first.save_parameters(str(folder / "same.params"))
    first[0].weight.set_data(first[0].weight.data() * 2)
    first.save_parameters(str(folder / "b.params"))
    first[0].weight.set_data(first[0].weight.data() * np.nan)
    first.save_parameters(str(folder / "nan.params"))
    ik.save(first, str(folder / "whole.params"))  # not a zip file, as MXNet 2's own
    (folder / "broken.params").write_bytes((folder / "whole.params").read_bytes()[:100])
    return folder


def test_help_and_version_and_bad_usage(capsys):
    assert run("--version").stdout.strip() == f"gluon-initkit {ik.__version__}"
    bare = run()
    assert bare.returncode == 2 and all(word in bare.stdout for word in ("inspect", "compare", "demo", "exit codes"))
    done = run("nonsense")
    assert done.returncode == 2 and "invalid choice" in done.stderr and not done.stdout
    for wrong in (["inspect"], ["compare", "a"], ["inspect", "a", "--depth", "0"], ["inspect", "a", "--depth", "x"]):
        with pytest.raises(SystemExit) as caught:
            main(wrong)
        said = capsys.readouterr().err
        assert caught.value.code == 2 and "usage: gluon-initkit" in said and "_positive" not in said
    with pytest.raises(SystemExit) as caught:
        main(["inspect", "--help"])
    said = capsys.readouterr().out
    assert caught.value.code == 0 and all(word in said for word in ("--stats", "--html", "\n  1  findings"))


def test_inspect(files):
    done = run("inspect", "a.params", cwd=files)
    assert (done.returncode, done.stderr) == (0, "")
    assert "0.weight" in done.stdout and "(4, 3)" in done.stdout and "float32" in done.stdout
    assert run("inspect", "a.params", "--depth", "1", cwd=files).returncode == 0


def test_inspect_with_statistics_finds_nan_and_says_so_by_its_exit_code(files):
    assert run("inspect", "a.params", "--stats", cwd=files).returncode in (0, 1)  # what Xavier drew may look suspicious
    done = run("inspect", "nan.params", "--stats", "--json", cwd=files)
    assert done.returncode == 1
    assert "nan" in [finding["code"] for finding in json.loads(done.stdout)["findings"]]
    assert run("inspect", "nan.params", cwd=files).returncode == 0  # nobody looked


def test_a_terminal_without_unicode(files, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    done = run("inspect", "a.params", cwd=files)
    assert (done.returncode, done.stderr) == (0, "") and "0.weight" in done.stdout and "?????" in done.stdout


def test_numbers_of_any_size_are_summed(tmp_path):
    """Their squares are no float64: a file may hold anything."""
    huge = net()
    huge.cast("float64")
    huge.initialize(mx.init.Constant(1e308), force_reinit=True)
    ik.save(huge, str(tmp_path / "huge.params"))
    done = run("inspect", "huge.params", "--stats", "--depth", "1", "--html", "huge.html", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (1, "") and "1e+308" in done.stdout  # constant weights
    assert "inf" in (tmp_path / "huge.html").read_text(encoding="utf-8")


def test_equal_arrays_in_a_file_are_information(tmp_path):
    net = mx.gluon.nn.HybridSequential()
    net.add(mx.gluon.nn.Dense(4, in_units=4))
    net.add(tied(mx.gluon.nn.Dense, net[0], 4, in_units=4))
    net.initialize(mx.init.Xavier(magnitude=2))
    net.save_parameters(str(tmp_path / "tied.params"))
    done = run("inspect", "tied.params", "--stats", "--json", cwd=tmp_path)
    assert [finding["code"] for finding in json.loads(done.stdout)["findings"]] == ["broken-tie"]
    assert done.returncode == 0


def test_inspect_writes_json_and_a_page(files):
    done = run("inspect", "a.params", "--json", "--html", "page.html", cwd=files)
    assert done.returncode == 0
    paths = [record["path"] for record in json.loads(done.stdout)["records"]]
    assert paths == ["0.weight", "0.bias", "1.weight", "1.bias"]
    page = (files / "page.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and 'title="0.weight">weight</span><span>' in page


@pytest.mark.parametrize("name, reason", [("missing.params", "No such file"), ("broken.params", "at byte 64: array 0"),
                                          (".", "a directory or a device")])  # fmt: skip
def test_a_bad_file_is_exit_code_2_and_one_line(name, reason, files):
    for command in (("inspect", name), ("compare", "a.params", name)):
        done = run(*command, cwd=files)
        assert done.returncode == 2 and not done.stdout
        assert reason in done.stderr and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr


def test_compare(files):
    same = run("compare", "a.params", "same.params", cwd=files)
    assert same.returncode == 0 and "4 equal" in same.stdout
    done = run("compare", "a.params", "b.params", cwd=files)
    assert done.returncode == 1 and "1 changed, 3 equal" in done.stdout and "0.weight" in done.stdout
    told = json.loads(run("compare", "a.params", "b.params", "--json", cwd=files).stdout)
    assert told["rows"][0]["change"] == pytest.approx(1) and told["same"] is False


def said(capsys, *arguments, code=0):
    """What a command prints in this process."""
    assert main(list(map(str, arguments))) == code
    return capsys.readouterr().out


def test_rows_and_columns_are_chosen(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    ask = ("inspect", "a.params", "--select", "*.weight", "--sort", "size", "--columns")
    out = said(capsys, *ask, "size,role")
    assert out == said(capsys, *ask, "path,size,role")
    rows = [line.split()[:2] for line in out.splitlines() if "weight" in line]
    assert rows == [["0.weight", "12"], ["1.weight", "8"]]
    assert "bias" not in out and "shape" not in out
    assert max(map(len, said(capsys, "inspect", "a.params", "--width", "50").splitlines())) <= 50
    for wrong, words in ((["--columns", "sise"], "did you mean 'size'"), (["--sort", "sise"], "did you mean 'size'"),
                         (["--select", "0.wieght"], "did you mean '0.weight'")):  # fmt: skip
        assert main(["inspect", "a.params", *wrong]) == 2
        assert words in capsys.readouterr().err


def test_several_files(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    out = said(capsys, "inspect", "a.params", "b.params")
    assert "a.params" in out and "b.params" in out
    assert main(["inspect", "a.params", "missing.params", "b.params", "--json"]) == 2
    out, err = capsys.readouterr()
    assert [json.loads(line)["source"] for line in out.splitlines()] == ["a.params", "b.params"]
    assert err.count("\n") == 1 and "missing.params" in err
    assert main(["inspect", "a.params", "b.params", "--html", "both.html"]) == 2
    assert not (files / "both.html").exists()


def test_standard_input_and_output(files, capsys, monkeypatch):
    for path in ("-", "/dev/stdin"):
        with open(files / "a.params", "rb") as file:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
            assert json.loads(said(capsys, "inspect", path, "--stats", "--json", code=0))["source"] == "standard input"
    done = shell("cat a.params | $PYTHON -m gluon_initkit inspect - --html -", files)
    assert done.returncode == 0 and done.stdout.startswith("<!DOCTYPE html>") and done.stdout.endswith("</html>\n")
    assert shell("cat a.params | $PYTHON -m gluon_initkit compare - same.params", files).returncode == 0
    done = shell("head -c 70 a.params | $PYTHON -m gluon_initkit inspect -", files)
    assert done.returncode == 2 and "standard input" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_page_of_what_differs(files, capsys, monkeypatch):
    monkeypatch.chdir(files)
    assert "1 changed" in said(capsys, "compare", "a.params", "b.params", "--html", "differs.html", code=1)
    page = (files / "differs.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>") and "1 changed, 3 equal" in page and "weight" in page


def test_the_summary_of_a_symbol_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = nn.HybridSequential()
    made.add(nn.Conv2D(8, 3), nn.BatchNorm(), nn.Dense(2))
    made.initialize()
    made.hybridize()
    made(nd.ones((1, 3, 8, 8)))
    made.export("net")
    ask = ["summary", "net-symbol.json", "--input", "data=2,3,8,8"]
    told = json.loads(said(capsys, *ask, "--json"))
    expected = ik.summary(made, (2, 3, 8, 8))
    assert (told["macs"], told["parameters"]) == (expected.macs, expected.parameters) == (2 * (7776 + 576), 834)
    assert [row["macs"] for row in told["rows"]] == [row.macs for row in expected.rows]
    assert "net-symbol.json given data=(2, 3, 8, 8)" in said(capsys, *ask, "--columns", "macs,dtype")
    for wrong, words in ((["summary", "net-symbol.json", "--input", "dta=1"], "did you mean 'data'"),
                         (["summary", "net-0000.params", "--input", "data=1"], "is no symbol file"),
                         (["summary", "net-symbol.json", "--input", "data=2,3,2,2"], "do not fit in the network"),
                         (["summary", "missing.json", "--input", "data=1"], "No such file")):  # fmt: skip
        assert main(wrong) == 2
        assert words in capsys.readouterr().err


def test_files_are_looked_at_without_mxnet(files):
    code = """
import sys
from gluon_initkit.cli import main
assert main(["inspect", "a.params", "--stats"]) in (0, 1) and main(["compare", "a.params", "same.params"]) == 0
assert "mxnet" not in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=files, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def test_the_demo_without_mxnet_says_what_to_type(files):
    code = """
import importlib.machinery, sys
real = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = staticmethod(
    lambda name, path=None, target=None: None if name.split(".")[0] == "mxnet" else real(name, path, target))
from gluon_initkit.cli import main
assert main(["inspect", "a.params"]) == 0
sys.exit(main(["demo"]))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=files, capture_output=True, text=True, env=environment)
    command = "pip install 'gluon-initkit[cpu]'" if sys.version_info < (3, 13) else "pip install --no-deps mxnet==1.9.1"
    assert done.returncode == 2 and command in done.stderr


def test_a_reader_that_has_seen_enough(files):
    """`gluon-initkit inspect a.params | head`"""
    command = f"{sys.executable} -m gluon_initkit inspect a.params | true; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(["bash", "-c", command], cwd=files, capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and "Traceback" not in done.stderr


def shell(command, cwd):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHON": sys.executable}
    return subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("arguments", ["inspect a.params", "compare a.params same.params", "--help", "--version", ""])
def test_a_closed_output_is_no_difference(files, arguments):
    """`gluon-initkit compare a.params b.params >&-`: 1 would mean that they differ."""
    done = shell(f"$PYTHON -m gluon_initkit {arguments} >&-", files)
    assert (done.returncode, done.stderr) == (2, "gluon-initkit: standard output is closed\n")
    assert shell(f"$PYTHON -m gluon_initkit {arguments} >&- 2>&-", files).returncode == 2


def test_errors_without_anywhere_to_say_them_keep_their_exit_code(files):
    for arguments in ("inspect missing.params", "inspect", "nonsense"):
        done = shell(f"$PYTHON -m gluon_initkit {arguments} 2>&-", files)
        assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])  # the error comes of the last flush, or of printing
def test_an_output_that_takes_nothing_more_is_an_error_in_one_line(files, unbuffered):
    done = shell(f"PYTHONUNBUFFERED={unbuffered} $PYTHON -m gluon_initkit inspect a.params > /dev/full", files)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "No space left" in done.stderr


def test_names_in_arguments_do_not_steer_the_terminal(files):
    for arguments in (["inspect", "\x1b[2J\r.params"], ["compare", "a.params", "\u202e"], ["\x1b[2J"], ["--\x1b", "x"]):
        done = run(*arguments, cwd=files)
        assert done.returncode == 2 and done.stderr.replace("\n", "").isprintable()


@pytest.mark.parametrize("way", ["itself", "symbolic link", "hard link", "another way to write it"])
def test_a_page_is_never_written_over_the_file_that_is_inspected(way, tmp_path, capsys):
    path, page = tmp_path / "a.params", tmp_path / "page"
    mx.nd.save(str(path), {"w": mx.nd.ones((2, 2))})
    before = path.read_bytes()
    if way == "symbolic link":
        page.symlink_to(path)
    elif way == "hard link":
        page.hardlink_to(path) if hasattr(page, "hardlink_to") else path.link_to(page)
    else:
        page = path if way == "itself" else tmp_path / ".." / tmp_path.name / "a.params"
    assert main(["inspect", str(path), "--html", str(page)]) == 2
    assert path.read_bytes() == before and "would overwrite a file that is read" in capsys.readouterr().err
