"""Importing MXNet where MXNet cannot import itself, and not before it is needed: each case in a process of its own."""

import subprocess
import sys
import zipfile

import numpy as np
from vocabulary import said

NUMPY = tuple(map(int, np.__version__.split(".")[:2]))
REPAIRED = NUMPY >= (1, 24) or sys.version_info >= (3, 12)


def run(code, *flags):
    return subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, timeout=120)


def test_importing_imports_no_mxnet_until_a_name_needs_it():
    code = """
import sys, gluon_initkit as ik
from gluon_initkit import parameters
assert set(ik.__all__) < set(dir(ik)) and "initializer" in dir(ik) and ik.__version__
info = ik.ParameterInfo("a.bias", (), "a.bias", "bias", (2,), "float32")
assert [parameters.matcher(each)(info) for each in ("bias", "a.*", "*.weight")] == [True, True, False]
assert "mxnet" not in sys.modules
assert ik.plan is ik.initializer.plan is vars(ik)["plan"] and "mxnet" in sys.modules
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_the_first_look_leaves_pythons_generator_alone():
    code = """
import random, gluon_initkit as ik, mxnet as mx
random.seed(3)
before = random.getstate()
print(ik.plan(mx.gluon.nn.Dense(1, in_units=1)), ik.trace, ik.inspect, ik.Sharing)
assert random.getstate() == before
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_there_and_no_other():
    code = """
from gluon_initkit import *
import gluon_initkit as ik
assert len(set(ik.__all__)) == len(ik.__all__) and all(getattr(ik, name) is globals()[name] for name in ik.__all__)
ik.inittialize
"""
    assert "AttributeError: module 'gluon_initkit' has no attribute 'inittialize'" in run(code).stderr


def test_importing_prints_nothing_even_where_warnings_are_errors():
    done = run("import gluon_initkit as ik; ik.plan; import mxnet as mx; mx.nd.ones(2).asnumpy()", "-W", "error")
    assert (done.returncode, done.stdout, said(done.stderr)) == (0, "", "")


def test_mxnet_21165():
    """apache/mxnet#21165, awslabs/gluonts#2509, aws/amazon-sagemaker-examples#4516: NumPy 1.24 ends `import mxnet`."""
    code = "import mxnet as mx; print(mx.np.array([True, False], dtype=bool).asnumpy().tolist())"
    assert (run(code).returncode != 0) == REPAIRED
    repaired = run("import gluon_initkit; " + code)
    assert repaired.returncode == 0 and repaired.stdout == "[True, False]\n", repaired.stderr


def test_numpy_is_left_as_it_is():
    code = """
import numpy; before = dict(vars(numpy))
import gluon_initkit as ik, mxnet as mx
ik.plan(mx.gluon.nn.Dense(1)); mx.nd.ones(2).asnumpy(); mx.np.bool
after = {name: value for name, value in vars(numpy).items() if name not in before or before[name] is not value}
assert all(type(value) is type(numpy) for value in after.values()), after  # submodules that NumPy loads on demand
assert not set(before) - set(vars(numpy))
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_the_classes_of_mxnet_are_left_alone():
    code = """
import sys
import gluon_initkit as ik, mxnet as mx
from mxnet import registry
classes = [mx.gluon.Block, mx.gluon.HybridBlock, mx.gluon.SymbolBlock, mx.gluon.Parameter,
           getattr(mx.gluon, "ParameterDict", mx.gluon.Trainer),  # MXNet 2 has none
           mx.init.Initializer, mx.init.Xavier, mx.init.InitDesc, mx.nd.NDArray]
before, names = [dict(vars(c)) for c in classes], set(registry.get_registry(mx.init.Initializer))
modules = [dict(vars(m)) for m in (mx.init, mx.gluon, mx.gluon.parameter, mx.gluon.block)]
[getattr(ik, name) for name in ik.__all__]
assert before == [dict(vars(c)) for c in classes]
assert modules == [dict(vars(m)) for m in (mx.init, mx.gluon, mx.gluon.parameter, mx.gluon.block)]
new = set(registry.get_registry(mx.init.Initializer)) - names
assert new and all(name.startswith("gluon_initkit.") for name in new), new
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


HALF = """
import warnings; warnings.simplefilter("ignore")
import numpy
def gone(name): raise AttributeError(name)
numpy.__getattr__ = gone                                      # as NumPy 1.24 did
vars(numpy).pop("bool", None)
try: import mxnet
except (AttributeError, ImportError): pass
else: raise SystemExit("MXNet did not break")
import gluon_initkit
"""

HIDDEN = """
import importlib.machinery, sys
real = importlib.machinery.PathFinder.find_spec
def find_spec(name, path=None, target=None):
    return None if name.split(".")[0] in {hidden!r} else real(name, path, target)
importlib.machinery.PathFinder.find_spec = staticmethod(find_spec)
sys.meta_path = [finder for finder in sys.meta_path if "Distutils" not in type(finder).__name__]
import gluon_initkit as ik
"""


def message(code):
    done = run(code)
    assert done.returncode != 0 and "ImportError: " in done.stderr, done.stderr
    return done.stderr.split("ImportError: ", 1)[1]


def test_half_imported_says_what_to_import_first():
    for asked in ("import mxnet", "gluon_initkit.plan"):
        assert "import gluon_initkit      # first" in message(HALF + asked)


# The version is another one only while the kit is imported, which chooses its words then.
PRETENDED = f"""
import sys
true = sys.version_info
sys.version_info = {{version!r}}
{HIDDEN}
sys.version_info = true
"""


def test_no_mxnet_names_the_extras_and_the_cuda_wheels():
    code = PRETENDED.format(version=(3, 12, 9), hidden=["mxnet"])
    said = message(code + "print('imported'); ik.ParameterInfo; ik.plan")
    assert "pip install 'gluon-initkit[cpu]'" in said and "mxnet-cu110" in said and "[cu112]" in said


def test_where_pip_does_not_bring_mxnet_only_what_does_is_named():
    said = message(PRETENDED.format(version=(3, 13, 0), hidden=["mxnet"]) + "ik.plan")
    commands = [line.split("#")[0].strip() for line in said.splitlines()[1:]]
    assert commands == ["pip install --no-deps mxnet==1.9.1", "pip install --no-deps mxnet-cu112==1.9.1"]


def test_the_command_line_says_so_in_lines():
    code = HIDDEN.format(hidden=["mxnet"]) + "from gluon_initkit.cli import main; sys.exit(main(['demo']))"
    done = run(code)
    assert done.returncode == 2 and "gluon-initkit demo: gluon_initkit works on MXNet" in done.stderr
    assert len([line for line in done.stderr.splitlines() if line.startswith("  pip install ")]) > 1


def test_without_mxnet_the_kit_imports():
    done = run(HIDDEN.format(hidden=["mxnet"]) + "ik.ParameterInfo; assert 'numpy' not in sys.modules")
    assert done.returncode == 0, done.stderr


def test_who_only_asks_whether_there_is_mxnet_gets_an_answer():
    code = """
import gluon_initkit, sys
from importlib.util import find_spec
print(bool(find_spec("mxnet")), "mxnet" in sys.modules)
"""
    assert run(code).stdout == "True False\n"


def test_importing_loads_no_numpy_and_where_mxnet_needs_no_repair_no_hook_stays():
    code = """
import sys; finders = list(sys.meta_path)
import gluon_initkit
assert "numpy" not in sys.modules and len(sys.meta_path) == len(finders) + 1
import mxnet, builtins, mxnet.gluon
assert "exec_module" not in vars(mxnet.__spec__.loader)
assert "exec_module" not in vars(mxnet.gluon.__spec__.loader)
hooks = [each for each in sys.meta_path if type(each).__module__.startswith("gluon_initkit")]
own = mxnet.gluon.__builtins__ is not vars(builtins)
print(len(hooks), own, "gluon_initkit.importing.repair" in sys.modules)
"""
    done = run(code)
    assert done.stdout == ("1 True True\n" if REPAIRED else "0 False True\n"), done.stderr


def test_reloading_leaves_one_hook():
    code = """
import importlib, sys
import gluon_initkit as ik
hooks = lambda: [each for each in sys.meta_path if type(each).__module__.startswith("gluon_initkit")]
importlib.reload(ik); importlib.reload(ik)
assert len(hooks()) == 1
import mxnet as mx
importlib.reload(ik); ik.plan
assert len(hooks()) <= 1
assert importlib.reload(mx) is mx and importlib.reload(mx.recordio) is mx.recordio
"""
    done = run(code)
    assert done.returncode == 0, done.stderr


FAKE = """
import sys; sys.path.insert(0, {folder!r})
import gluon_initkit as ik
"""


def package(folder, text):
    (folder / "mxnet").mkdir()
    (folder / "mxnet" / "__init__.py").write_text(text)
    (folder / "mxnet" / "part.py").write_text("")
    return FAKE.format(folder=str(folder))


def test_an_import_that_failed_half_way_says_again_why(tmp_path):
    """Where MXNet's library does not load, say: the second try is not told to import the kit first, which it did."""
    fake = package(tmp_path, "from . import part; raise OSError('libcudart.so.11.0: cannot open shared object file')")
    said = message(fake + "try: import mxnet\nexcept OSError: ik.plan")
    assert "It said\n  OSError: libcudart.so.11.0" in said and "start a new process" in said and "first" not in said


def test_a_folder_that_is_called_mxnet_is_no_mxnet(tmp_path):
    (tmp_path / "mxnet").mkdir()
    other = HIDDEN.replace("return None if", "return real(name, [{folder!r}]) if")
    code = other.format(hidden=["mxnet"], folder=str(tmp_path)) + "ik.plan"
    assert "no module `mxnet` is installed" in message(code)


def test_whoever_finds_mxnet_it_is_mended_and_other_modules_are_left_alone(tmp_path):
    """A finder of somebody else's, as of an editable install, whose one loader serves all of its modules."""
    fake = package(tmp_path, "from . import part; import numpy; gluon = numpy.bool")
    done = run(fake + """
import importlib.util
from importlib.machinery import PathFinder, SourceFileLoader, ModuleSpec
from importlib.util import spec_from_file_location
class Loader(SourceFileLoader):
    def exec_module(self, module): print(module.__name__); super().exec_module(module)
one = Loader("mxnet", sys.path[0] + "/mxnet/__init__.py")
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return spec_from_file_location(name, one.path, loader=one) if name == "mxnet" else None
sys.meta_path.insert(1, Finder)
import numpy; vars(numpy).pop("bool", None); numpy.__version__ = "1.26.0"
importlib.util.find_spec("mxnet"); assert "exec_module" not in vars(one)
import mxnet
assert mxnet.gluon is bool and "exec_module" not in vars(one)
""")  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "mxnet\n"), done.stderr


def test_a_module_in_a_zip_file_does_not_disturb(tmp_path):
    package(tmp_path, "from . import part; import other; gluon = 1")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as file:
        for name in ("mxnet/__init__.py", "mxnet/part.py"):
            file.write(tmp_path / name, name)
        file.writestr("other.py", "")
    done = run(FAKE.format(folder=str(tmp_path / "all.zip")) + "import mxnet; print(mxnet.gluon)")
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
