"""Importing MXNet where MXNet cannot import itself.

MXNet 1.x reads ``numpy.bool``, which NumPy dropped in 1.24, and imports ``distutils``, which Python dropped in 3.12.
Both are put back here, and nothing else: MXNet reads ``numpy.bool`` again at run time (``mxnet/numpy/multiarray.py``),
so the name has to stay. Four situations cannot be mended from inside and get an `ImportError` that says what to type.

It is done at the moment when MXNet is imported, by whomever, and not before (`mend_when_imported`): so ``import
gluon_initkit`` costs next to nothing, not even NumPy's import, and fails for nothing that is not asked for.
"""

from copy import copy
from importlib.machinery import ModuleSpec
import importlib.util
import sys
from types import ModuleType
from typing import Any, Optional
import warnings

__all__ = ["import_mxnet", "mend_when_imported"]

_NOT_INSTALLED = """gluon_initkit works on MXNet, and no module `mxnet` is installed. Type one of
  pip install 'gluon-initkit[cpu]'      # MXNet for the CPU
  pip install 'gluon-initkit[cu112]'    # MXNet for CUDA 11.2
  pip install mxnet-cu110               # for CUDA 11.0; likewise mxnet-cu102, mxnet-cu101, ..."""

_NUMPY_2 = """MXNet cannot work with NumPy {found}: it needs NumPy below 2. Type
  pip install 'numpy<2'"""

_BROKEN = """An earlier `import mxnet` failed half-way in this process and left a broken module behind. \
Start a new process (or restart the notebook's kernel) and
  import gluon_initkit      # first: it repairs what `import mxnet` trips over
  import mxnet"""

_FAILED = """An earlier `import mxnet` failed half-way in this process and left a broken module behind. It said
  {error}
Mend that, and start a new process (or restart the notebook's kernel)."""

_NO_DISTUTILS = """MXNet imports `distutils`, which Python {python} no longer has; setuptools brings it. Type
  pip install setuptools"""


def mend_when_imported() -> None:
    """Let the next ``import mxnet`` of this process repair what it trips over, first thing.

    Where MXNet is imported already, nothing is done; once it is, nothing of this stays behind.
    """
    if not _imported() and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds what the finders behind it find, and has `mxnet` mended before its first line runs.

    Not when it is found: who only asks whether there is an MXNet gets an answer, and never an error.
    """

    failed = ""  # what an import of MXNet said that broke off

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if name != "mxnet":
            return None
        behind = sys.meta_path[sys.meta_path.index(self) + 1 :]
        found = (finder.find_spec(name, path, target) for finder in behind if hasattr(finder, "find_spec"))
        spec = next(filter(None, found), None)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return None
        spec.loader = copy(spec.loader)  # a loader may be one for many modules, as a zip file's is
        run = spec.loader.exec_module  # type: ignore[union-attr]

        def exec_module(module: ModuleType) -> None:
            _mend(self.failed)
            try:
                run(module)
            except BaseException as error:
                self.failed = f"{type(error).__name__}: {error}"
                raise
            del spec.loader.exec_module  # type: ignore[union-attr]
            if self in sys.meta_path:
                sys.meta_path.remove(self)

        spec.loader.exec_module = exec_module  # type: ignore[union-attr, method-assign]
        return spec


def import_mxnet() -> ModuleType:
    """Import MXNet, after repairing what its import trips over.

    Returns
    -------
    module
        ``mxnet``. When it is imported already, nothing is touched.

    Raises
    ------
    ImportError
        MXNet is not installed; NumPy is 2 or newer; an earlier ``import mxnet`` broke off half-way; or Python is 3.12
        or newer and setuptools is missing. The message says what to type.
    """
    if not _imported():
        spec = importlib.util.find_spec("mxnet")
        if spec is None or spec.origin is None:  # no origin: a mere folder of that name
            raise ImportError(_NOT_INSTALLED, name="mxnet")
    with warnings.catch_warnings():
        # MXNet's sources hold invalid escape sequences and use deprecated version classes: nothing a user can mend.
        warnings.simplefilter("ignore")
        import mxnet  # waits where another thread is at it
    return mxnet


def _mend(failed: str) -> None:
    if _imported():  # `importlib.reload(mxnet)`
        return
    if any(name.startswith("mxnet.") for name in sys.modules):
        raise ImportError(_FAILED.format(error=failed) if failed else _BROKEN, name="mxnet")
    import numpy

    version = tuple(int(part) for part in numpy.__version__.split(".")[:2])
    if version >= (2,):
        raise ImportError(_NUMPY_2.format(found=numpy.__version__), name="numpy")
    # Not hasattr: up to NumPy 1.23 the name exists, from 1.24 on asking for it warns.
    if "bool" not in vars(numpy) and version >= (1, 24):
        numpy.bool = bool  # type: ignore[attr-defined]
    _restore_distutils()


def _imported() -> bool:
    # Its package imports gluon late: a module without it is the rest of an import that failed.
    return hasattr(sys.modules.get("mxnet"), "gluon")


def _restore_distutils() -> None:
    # Where setuptools' start-up hook is at work, `import distutils` finds its copy by itself; asking it costs 0.1 s.
    hooked = any(type(finder).__name__ == "DistutilsMetaFinder" for finder in sys.meta_path)
    if sys.version_info < (3, 12) or hooked or importlib.util.find_spec("distutils") is not None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import setuptools  # noqa: F401  (importing it makes its own copy importable as `distutils`)
    except ImportError:
        python = ".".join(map(str, sys.version_info[:2]))
        raise ImportError(_NO_DISTUTILS.format(python=python), name="setuptools") from None
