"""Tie and untie: exchange the parameters in blocks' slots, and show one parameter as the transpose of another.

A block holds a parameter in `_reg_params`, as an attribute and, by its global name, in `_params._params`. The cached
graphs of all enclosing blocks hold it too. `exchange` updates all of these. `sharing` decides which ties are allowed.
"""

from collections import OrderedDict
from contextlib import contextmanager
import copy
from functools import lru_cache
import inspect
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from mxnet import autograd, gluon, ndarray
import numpy

from . import backend
from .arrays import EqualToBase, context_of, dtype_name, layer_array
from .parameter import shape_of, source_of
from .tree import Slot, slots, walk  # noqa: F401 (`sharing` imports slots from here)

Move = Tuple[Slot, gluon.Parameter]


@contextmanager
def exchange(net: gluon.Block, moves: Sequence[Move]) -> Iterator[None]:
    """Put other parameters into slots of a network; undo this if the body or the exchange itself raises."""
    # A parameter that is left in no slot is removed from every dictionary of the network. The cached graphs of changed
    # blocks and of all blocks that contain one are cleared.
    saved: List[Tuple[dict, str, Any]] = []  # a dictionary, a key, and the old value
    try:
        yield
        _exchange(list(walk(net)), moves, saved)
    except BaseException:
        for mapping, key, value in reversed(saved):
            mapping[key] = value
        raise


def _exchange(visits: Sequence[Tuple[str, gluon.Block]], moves: Sequence[Move], saved: List) -> None:
    blocks = {id(block): block for _, block in visits}
    requested: Dict[int, Dict[str, gluon.Parameter]] = {}
    for slot, param in moves:
        assert slot.key is not None
        requested.setdefault(id(slot.block), {})[slot.key] = param
    remaining = {source_of(requested.get(number, {}).get(key, param))
                for number, block in blocks.items() for key, param in block._reg_params.items()}  # fmt: skip
    moved = {source_of(slot.param): source_of(param) for slot, param in moves}
    removed = {old: new for old, new in moved.items() if old not in remaining}
    changed = []
    for number, block in blocks.items():
        new_params = requested.get(number, {})
        entries = backend.entries_by_name(block)
        if not new_params and not any(param in removed for param in (entries or {}).values()):
            continue
        changed.append(block)
        if "_called_infer_shape_already" in vars(block):  # MXNet 2 infers the shapes only once by itself
            saved.append((vars(block), "_called_infer_shape_already", block._called_infer_shape_already))
            block._called_infer_shape_already = False
        replaced = {source_of(block._reg_params[key]): source_of(param) for key, param in new_params.items()}
        for mapping in (block._reg_params, vars(block)):
            saved += [(mapping, key, mapping[key]) for key in new_params if key in mapping]
            mapping.update({key: param for key, param in new_params.items() if key in mapping})
        if entries is not None:
            saved.append((vars(block._params), "_params", entries))
            registered = {source_of(param) for param in block._reg_params.values()}
            vars(block._params)["_params"] = _renamed(entries, registered, replaced, removed)
    ids = set(map(id, changed))
    affected: Set[str] = set()  # the paths of the changed blocks and of all blocks that contain one
    for path in (path for path, block in visits if id(block) in ids):
        while path not in affected:
            affected.add(path)
            path = path.rpartition(".")[0]
    for path, block in visits:
        attributes = vars(block)
        if path in affected and (attributes.get("_cached_graph") or attributes.get("_cached_op")):
            saved += ((attributes, key, value) for key, value in attributes.items())
            attributes["_cached_op_args"] = []  # MXNet 1.7 does not clear it
            block._clear_cached_op()


def _renamed(entries: dict, registered: set, replaced: dict, removed: dict) -> Dict[str, gluon.Parameter]:
    """A block's parameters by global name, in the old order; a successor takes the place of a removed parameter."""
    # `replaced` is the block's, `removed` the network's: to merge them for every block would take quadratic time.
    renamed: Dict[str, gluon.Parameter] = OrderedDict()
    for name, param in entries.items():
        successor = replaced.get(param) or removed.get(param)
        if param in registered or successor is None:
            renamed[name] = param
        if successor is not None:
            renamed[successor.name] = successor
    return renamed


# `ParameterDict.get` sets its arguments on a parameter that it finds, so `params=` adds attributes of those names.
_PLAIN = frozenset(vars(gluon.Parameter("plain"))) | set(inspect.signature(gluon.Parameter).parameters)


def declaration_of(param: gluon.Parameter) -> Dict[str, Any]:
    """The attributes of a parameter's declaration that tied parameters must agree on, by name."""
    return {
        "dtype": dtype_name(param.dtype),
        "stype": param._stype,
        "grad_stype": param._grad_stype,
        "grad_req": param.grad_req,
        "lr_mult": param.lr_mult,
        "wd_mult": param.wd_mult,
    }


def extras_of(param: gluon.Parameter) -> Dict[str, Any]:
    """The attributes that a subclass of Parameter adds, such as a dropout rate."""
    return {name: value for name, value in vars(param).items() if name not in _PLAIN}


def fixes_gamma(block: gluon.Block, key: Optional[str]) -> bool:
    """Whether a slot holds a gamma that batch normalization overwrites with 1: ``BatchNorm(scale=False)``."""
    settings = getattr(block, "_kwargs", None)
    return key == "gamma" and isinstance(settings, dict) and bool(settings.get("fix_gamma"))


def redeclare(param: gluon.Parameter, shape: Optional[Tuple[Optional[int], ...]], init: Any, defer: bool) -> None:
    """Give a parameter a more complete shape, and an initializer; its variable is made anew at the next `var()`."""
    param._allow_deferred_init = defer
    if shape != shape_of(param) or init is not param.init:
        param._shape = None if shape is None else tuple(size or 0 for size in shape)
        param.init, param._var = init, None


def copy_state(param: gluon.Parameter, source: gluon.Parameter, transposed: bool) -> None:
    """Copy the values of another parameter on every context, or its pending initialization."""
    vars(param).update({slot: getattr(source, slot) for slot in backend.context_slots})
    if source._data is not None:
        with autograd.pause():
            replace_arrays(param, [_copied(array, transposed) for array in source._data])
    elif source._deferred_init:
        param._deferred_init = _pending(source, param, transposed)


def replace_arrays(param: gluon.Parameter, arrays: List[Any]) -> None:
    param._data, param._deferred_init = arrays, ()
    param._init_grad()


def mean_arrays(params: Sequence[Tuple[gluon.Parameter, bool]]) -> List[Any]:
    """The mean of the parameters' values on each context, in float64; values marked True are transposed first."""
    means = []
    for number, like in enumerate(params[0][0]._data):
        values = [(param._data[number].asnumpy().astype("float64"), transposed) for param, transposed in params]
        mean = sum(array.T if transposed else array for array, transposed in values) / len(params)
        means.append(layer_array(ndarray.array(numpy.asarray(mean), ctx=context_of(like), dtype=like.dtype)))
    return means


def independent_copy(source: gluon.Parameter, name: str, transposed: bool) -> gluon.Parameter:
    """A separate copy of a parameter under a new name: class, declaration, values and gradients."""
    param = copy.copy(source)
    backend.rename(param, name)
    param._var, param._trainer = None, None
    param._shape = source._shape[::-1] if transposed and source._shape is not None else source._shape
    if source._deferred_init:
        param._deferred_init = _pending(source, param, transposed)
    if source._data is not None:
        with autograd.pause():
            param._data = [_copied(array, transposed) for array in source._data]
            if source._grad is not None:
                param._grad = [_copied(array, transposed) for array in source._grad]
                autograd.mark_variables(param._data, param._grad, param.grad_req)
                for array, original in zip(param._data, source._data):
                    array._fresh_grad = original._fresh_grad
    return param


def _pending(source: gluon.Parameter, param: gluon.Parameter, transposed: bool) -> tuple:
    init, ctxs, default, values = source._deferred_init
    if isinstance(values, ndarray.NDArray):
        values = _copied(values, transposed)
    elif values is not None:  # a `PendingFill` of `ik.initialize`, which draws values for its own parameter
        values = values.for_parameter(param)
    return init, list(ctxs), default, values


def _copied(array: Any, transposed: bool) -> Any:
    return array.transpose() if transposed else array.copy()


class Transposed(gluon.Parameter):
    """The parameter in the slot of a transposed tie: a transposed view of the Parameter `transposed_of`, the source.

    MXNet only calls `data()` or `var()` of a block's parameters, so this one has no state of its own. `data()` is
    the transpose of the source's, by an operator, so that gradients flow. `var()` is the transpose of the source's
    variable, so a graph, cached or exported, has only that variable (on MXNet 2 the graph of a block without the source
    has its own, filled at each call). Members without axes (`initialize`, `cast`, `grad_req`, ...) are the source's.

    `data()` is a copy and refuses writes: set values by `set_data`, or through the source's `data()`. An operator's
    ``out=`` and ``copyto`` cannot be refused, because they use only the array's handle. Gradients are copies too, but
    accept writes, which have no effect: on MXNet 2 `collect_params` has both parameters, and code that clips gradients
    in place writes into both.
    """

    transposed_of: gluon.Parameter

    def __init__(self, source: gluon.Parameter) -> None:
        object.__setattr__(self, "transposed_of", source)

    def __getattribute__(self, name: str) -> Any:
        if name in _DEFINED_HERE or name.startswith("__"):
            return object.__getattribute__(self, name)
        value = getattr(object.__getattribute__(self, "transposed_of"), name)
        return _reversed(value) if name in _SHAPES else value

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.transposed_of, name, _reversed(value) if name in _SHAPES else value)

    def data(self, ctx: Any = None) -> Any:
        """The source's values, transposed; inside `autograd.record` as part of the graph."""
        values = backend.transposed_input(self.transposed_of, ctx)
        return _refusing_writes(self.transposed_of.data(ctx).transpose() if values is None else values)

    def list_data(self) -> List[Any]:
        return [_refusing_writes(array.transpose()) for array in self.transposed_of.list_data()]

    def grad(self, ctx: Any = None) -> Any:
        """A transposed copy of the source's gradient."""
        return self.transposed_of.grad(ctx).transpose()

    def list_grad(self) -> List[Any]:
        return [array.transpose() for array in self.transposed_of.list_grad()]

    def var(self) -> Any:
        """The source's variable, transposed; on MXNet 2 a variable of its own in a graph without the source."""
        return backend.transposed_variable(self.transposed_of)

    def set_data(self, data: Any) -> None:
        """Set the source's values to the transpose of `data`."""
        self.transposed_of.set_data(data.transpose())

    def _set_trainer(self, trainer: Any) -> None:
        backend.train_source(trainer, self, self.transposed_of)

    def _reduce(self) -> Any:
        return self.transposed_of._reduce().transpose()

    def _load_init(self, data: Any, *args: Any, **kwargs: Any) -> None:
        self.transposed_of._load_init(data.transpose(), *args, **kwargs)

    def __repr__(self) -> str:
        return f"Transposed({self.transposed_of!r})"


_DEFINED_HERE = frozenset(vars(Transposed)) | {"transposed_of"}
_SHAPES = ("shape", "_shape")
_WRITES = ("__setitem__", "__iadd__", "__isub__", "__imul__", "__idiv__", "__itruediv__", "__imod__", "__ipow__")


def _reversed(shape: Optional[Tuple[int, ...]]) -> Optional[Tuple[int, ...]]:
    return None if shape is None else shape[::-1]


def _refusing_writes(array: Any) -> Any:
    """The same array, which now refuses writes: they would change a copy, and no parameter."""
    kind: Any = type(array)
    array.__class__ = _refusing(kind)
    return array


@lru_cache(maxsize=None)
def _refusing(kind: Any) -> type:
    def refuse(self: Any, *_: Any) -> None:
        raise ValueError(
            "this array is a copy: its parameter stands transposed and holds no values of its own, so writing here "
            "would change nothing.\nCall set_data(...) on the parameter, or write the transpose into its "
            "transposed_of.data()."
        )

    names = [name for name in _WRITES if hasattr(kind, name)]
    return EqualToBase(kind.__name__, (kind,), {"__slots__": (), **dict.fromkeys(names, refuse)})
