"""Importing MXNet where MXNet cannot import itself.

MXNet was written for NumPy 1.23 and Python 3.11. On newer versions `repair` mends each module of MXNet while it is
imported. Only MXNet sees the mended names; the module `numpy` itself is never changed. Where MXNet works unrepaired,
nothing is done. The repair waits until somebody imports MXNet, so ``import gluon_initkit`` imports not even NumPy.
"""

from copy import copy
from importlib.machinery import ModuleSpec
import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, Optional
import warnings

if TYPE_CHECKING:
    from .repair import Repair

__all__ = ["import_mxnet", "mend_when_imported"]

_NOT_INSTALLED = """gluon_initkit works on MXNet, and no module `mxnet` is installed. """ + (
    """Type one of
  pip install 'gluon-initkit[cpu]'      # MXNet for the CPU
  pip install 'gluon-initkit[cu112]'    # MXNet for CUDA 11.2
  pip install mxnet-cu110               # for CUDA 11.0; likewise mxnet-cu102, mxnet-cu101, ..."""
    if sys.version_info < (3, 13)
    # Here pip would compile a NumPy for ten minutes: MXNet asks for one below 2, which has no wheel for this Python.
    else """On this Python type one of
  pip install --no-deps mxnet==1.9.1          # MXNet for the CPU
  pip install --no-deps mxnet-cu112==1.9.1    # for CUDA 11.2; likewise mxnet-cu110, mxnet-cu102, ..."""
)

_BROKEN = """An earlier `import mxnet` failed half-way in this process and left a broken module behind. \
Start a new process (or restart the notebook's kernel) and
  import gluon_initkit      # first: it repairs what `import mxnet` trips over
  import mxnet"""

_FAILED = """An earlier `import mxnet` failed half-way in this process and left a broken module behind. It said
  {error}
Mend that, and start a new process (or restart the notebook's kernel)."""


def mend_when_imported() -> None:
    """Repair MXNet at the next ``import mxnet`` of this process, if it needs that; do nothing if it is imported."""
    if not _imported() and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Repairs each module of MXNet before its first line runs; the finders behind this one locate the module.

    `find_spec` repairs nothing, so that asking whether MXNet is installed never raises.
    """

    failed = ""  # the error of an import of MXNet that failed
    repair: "Optional[Repair]" = None

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if name != "mxnet" and not (self.repair and name.startswith("mxnet.")):
            return None
        behind = sys.meta_path[sys.meta_path.index(self) + 1 :]
        specs = (finder.find_spec(name, path, target) for finder in behind if hasattr(finder, "find_spec"))
        spec = next(filter(None, specs), None)
        if spec is None or not hasattr(spec.loader, "exec_module"):
            return None
        loader: Any = spec.loader
        spec.loader = copy(loader)  # one loader may serve many modules, as that of a zip file does

        def exec_module(module: ModuleType) -> None:
            del spec.loader.exec_module  # type: ignore[union-attr]
            if name == "mxnet" and not _imported():
                self._run_first(module, loader)
            elif self.repair:
                self.repair.run(module, loader)
            else:  # `importlib.reload(mxnet)`
                loader.exec_module(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def _run_first(self, module: ModuleType, loader: Any) -> None:
        if any(name.startswith("mxnet.") for name in sys.modules):
            raise ImportError(_FAILED.format(error=self.failed) if self.failed else _BROKEN, name="mxnet")
        from .repair import repair_needed

        self.repair = repair_needed()
        try:
            if self.repair:
                _import_in_children()
                self.repair.run(module, loader)
            else:
                loader.exec_module(module)
        except BaseException as error:
            self.failed = f"{type(error).__name__}: {error}"
            raise
        if self in sys.meta_path and not self.repair:
            sys.meta_path.remove(self)


def _import_in_children() -> None:
    """Let processes that `multiprocessing` spawns import the kit, which repairs MXNet, before they import MXNet."""
    # There is no public way. A spawned child unpickles its `Process`, and with it `_config`, a copy of its parent's,
    # before it unpickles the function to run and the arguments, which may be MXNet's.
    from multiprocessing import current_process

    current_process()._config["gluon_initkit"] = mend_when_imported  # type: ignore[attr-defined]


def import_mxnet() -> ModuleType:
    """Import MXNet, after repairing what its import trips over; an `ImportError` says what to type."""
    if not _imported():
        spec = importlib.util.find_spec("mxnet")
        if spec is None or spec.origin is None:  # no origin: a mere folder of that name
            raise ImportError(_NOT_INSTALLED, name="mxnet")
    with warnings.catch_warnings():
        # MXNet's sources hold invalid escape sequences and use deprecated version classes: nothing a user can mend.
        warnings.simplefilter("ignore")
        import mxnet  # waits while another thread imports it
    return mxnet


def _imported() -> bool:
    # MXNet imports gluon late: a module `mxnet` without it is left from an import that failed.
    return hasattr(sys.modules.get("mxnet"), "gluon")
