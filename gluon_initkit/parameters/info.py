"""`ParameterInfo` describes one parameter without its values, as plain data; selectors select several parameters.
Also the messages that several modules share: parameters on different contexts, and memory errors.

A role is the purpose of a parameter. It is read from the end of the name, as MXNet's `Initializer.__call__` does.
MXNet is imported when a network is read, not before: the arrays of a file are described without MXNet.
"""

from contextlib import contextmanager
import fnmatch
import functools
import importlib
import math
import re
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

from ..display import did_you_mean, did_you_mean_path, listed, printable, size_text

__all__ = ["LAYER_DEFAULTS", "ROLES", "ParameterInfo", "Selector", "check_block", "context_mismatch",
           "explain_no_match", "list_parameters", "matcher", "named_memory_errors", "parameter_info", "path_matcher",
           "refuse_no_match", "role_of", "select_parameters", "selector_from_json", "selector_to_json",
           "show_selector"]  # fmt: skip

ROLES = ("weight", "bias", "gamma", "beta", "running_mean", "running_var", "default")

# The Symbol API and GluonCV's feature expanders write `moving_*` for `running_*`.
_ENDINGS = {**{role: role for role in ROLES[:-1]}, "moving_mean": "running_mean", "moving_var": "running_var"}

# The initializers that the layers of gluon.nn and gluon.rnn declare by default, which the user did not choose.
# MXNet's operators attach the JSON forms to the variables that they create.
_ZEROS, _ONES, _SLOPE = ("zeros", '["zero", {}]'), ("ones", '["one", {}]'), ('["Constant", {"value": 0.25}]',)
LAYER_DEFAULTS = {
    **dict.fromkeys(("bias", "beta", "running_mean"), _ZEROS),
    "running_var": _ONES,
    "gamma": _ONES + _SLOPE,  # LeakyReLU calls its slopes gamma
    "default": _SLOPE,
}


def role_of(name: Optional[str]) -> str:
    """The role of a parameter with this name or path; ``'default'`` if the end of the name is no role."""
    for ending, role in _ENDINGS.items():
        if name is not None and name.endswith(ending):
            return role
    return "default"


class ParameterInfo(NamedTuple):
    """The description of one parameter. A callable selector gets this record.

    Attributes
    ----------
    path, aliases : str or None, tuple of str
        The canonical path (None if only MXNet's name is known), and the other paths of a shared parameter, including
        paths where it is transposed.
    name : str
        MXNet's global name, which depends on the other blocks built in the process.
    role : str
        ``'weight'``, ``'bias'``, ``'gamma'``, ``'beta'``, ``'running_mean'``, ``'running_var'`` or ``'default'``.
    shape : tuple of (int or None), or None
        None is an unknown dimension, or an unknown number of dimensions.
    state : str
        ``'uninitialized'``, ``'deferred'`` or ``'initialized'``.
    block, block_path : type or None, str
        The class of the block that holds the parameter, and its path.
    inside : frozenset of type
        The classes of all blocks that contain the parameter.
    axes : str
        The axes of a weight, ``'OIHW'``: O output, I input, the others spatial.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(4)
    >>> net.initialize(ik.Rules([(lambda info: info.role == "weight" and info.block is mx.gluon.nn.Dense, 0.5)]))
    >>> ParameterInfo("0.weight", ("1.weight",), "dense0_weight", "weight", (4, None), "float32").paths
    ('0.weight', '1.weight')
    """

    path: Optional[str]
    aliases: Tuple[str, ...]
    name: str
    role: str
    shape: Optional[Tuple[Optional[int], ...]]
    dtype: str
    state: str = "uninitialized"
    block: Optional[type] = None
    block_path: str = ""
    inside: "frozenset[type]" = frozenset()
    axes: str = "OI"

    @property
    def label(self) -> str:
        """The name of the parameter in messages: its path, or MXNet's name if no path is known."""
        return self.name if self.path is None else self.path

    @property
    def paths(self) -> Tuple[str, ...]:
        """All names that a path selector may match: every path, or MXNet's name if no path is known."""
        return (self.name,) if self.path is None else (self.path, *self.aliases)


Selector = Union[str, "re.Pattern[str]", type, Callable[[ParameterInfo], bool]]


def matcher(selector: Any) -> Callable[[ParameterInfo], bool]:
    """The predicate of a selector. Raises a TypeError if `selector` is not a selector.

    A selector is a glob over paths, in which ``*`` also matches dots (a path is a glob that matches itself); a role; a
    compiled regular expression, searched in each path; a Block class, which selects everything inside; or a callable.
    """
    matches_path = path_matcher(selector)
    if matches_path is not None:
        return lambda info: any(map(matches_path, info.paths))
    if isinstance(selector, str):
        return lambda info: info.role == selector
    if isinstance(selector, type):
        from .._mxnet import mx

        if issubclass(selector, mx.gluon.Block):
            return lambda info: any(issubclass(block, selector) for block in info.inside)
    elif callable(selector):
        return lambda info: bool(selector(info))
    raise TypeError(
        f"{show_selector(selector)} is no selector. A selector is a glob over paths ('*.bias'), a role "
        f"({', '.join(ROLES)}), a compiled regular expression, a Block class, or a callable that gets a ParameterInfo."
    )


def path_matcher(selector: Any) -> Optional[Callable[[str], Any]]:
    """The predicate over paths of a glob or a regular expression; None for other selectors."""
    if isinstance(selector, str) and selector not in ROLES:
        return re.compile(fnmatch.translate(selector)).match
    if isinstance(selector, re.Pattern) and isinstance(selector.pattern, str):
        return selector.search
    return None


def select_parameters(listed: Sequence[tuple], selector: Any) -> List[tuple]:
    """The selected entries of a list from `list_parameters`. Raises a ValueError if the selector selects nothing."""
    matches = matcher(selector)
    chosen = [entry for entry in listed if matches(entry[-1])]
    if not chosen:
        infos = [entry[-1] for entry in listed]
        known = [path for info in infos for path in info.paths]
        if isinstance(selector, str) and "*" in selector:
            parts = [path.split(".") for path in known]
            known += [".".join([*names[:end], "*"]) for names in parts for end in range(1, len(names))]
            known += [f"*.{names[-1]}" for names in parts]
        hint = did_you_mean(show_selector(selector).strip("'"), list(dict.fromkeys(known)))
        text = explain_no_match(selector, infos) or f"{show_selector(selector)} selects no parameter; {hint}"
        raise ValueError(printable(text))
    return chosen


def refuse_no_match(selector: Any, records: Iterable[Any]) -> None:
    """Raise a ValueError if a selector that matched none of these parameters looks like a mistake."""
    mistake = explain_no_match(selector, records)
    if mistake:
        raise ValueError(printable(mistake))


def explain_no_match(selector: Any, records: Iterable[Any]) -> str:
    """The mistake in a selector that matched none of these parameters, in a sentence; empty if there is none.

    Mistakes are a path that no parameter has, and a regular expression as a str. `records` have `path`, `aliases` and
    Gluon's `name`.
    """
    if not isinstance(selector, str) or selector in ROLES:
        return ""
    records = list(records)
    paths = [path for record in records for path in (record.path or record.name, *record.aliases)]
    expression = _as_expression(selector, [*paths, *(record.name for record in records)])
    if expression is None and not re.search(r"[*?[]", selector):
        if any(path.startswith(f"{selector}.") for path in paths):
            return (f"no parameter has the path {selector!r}, which is a block's; {selector + '.*'!r} selects all that "
                    f"it holds.")  # fmt: skip
        return f"no parameter has the path {selector!r}; {did_you_mean_path(selector, records)}"
    text = f"{selector!r} selects no parameter"
    if expression is not None:
        glob = _as_glob(selector)
        text += f": it is read as a glob{f', such as {glob!r}' if glob else ''}"
        text += f"; write re.compile({selector!r}) for a regular expression"
    matches = expression.search if expression is not None else re.compile(fnmatch.translate(selector)).match
    by_name = [record for record in records if record.path not in (None, record.name) and matches(record.name)]
    if by_name and not any(map(matches, paths)):
        text += f"; paths are selected, and {by_name[0].name!r} is Gluon's name of {by_name[0].path!r}"
    return f"{text}." if expression is not None or by_name else ""


def _as_expression(text: str, names: Iterable[str]) -> Optional["re.Pattern[str]"]:
    """The regular expression that the user meant by a str, which is read as a glob; None if it looks like a glob."""
    # ``Block.collect_params`` and ``mx.init.Mixed`` take regular expressions as a str; ``'head.*'`` is valid as both.
    try:
        expression = re.compile(text)
    except re.error:
        return None
    is_expression = re.search(r"[\^$|()+\\]|^\.\*", text) or (".*" in text and any(map(expression.fullmatch, names)))
    return expression if is_expression else None


def _as_glob(expression: str) -> str:
    """The glob that is equivalent to a simple regular expression; empty if there is none."""
    glob = expression.replace(r"\.", ".").lstrip("^").rstrip("$").replace(".*", "*").replace(".+", "?*")
    at_start, at_end = expression.startswith("^"), expression.endswith("$")
    glob = f"{'*' if at_end and not at_start else ''}{glob}{'*' if at_start and not at_end else ''}"
    return "" if re.search(r"[\^$|()+\\]", glob) else glob.replace("**", "*")


def show_selector(selector: Any) -> str:
    """The text of a selector in messages and tables."""
    if isinstance(selector, re.Pattern):
        return f"re.compile({selector.pattern!r})"
    if isinstance(selector, type) or callable(selector):
        return printable(getattr(selector, "__name__", repr(selector)))
    return repr(selector)


def selector_to_json(selector: Any) -> Any:
    """A selector as JSON data; a callable becomes its repr."""
    if isinstance(selector, re.Pattern):
        return {"regex": selector.pattern, "flags": selector.flags}
    if isinstance(selector, type):
        return {"block": f"{selector.__module__}:{selector.__qualname__}"}
    return selector if isinstance(selector, str) else {"callable": repr(selector)}


def selector_from_json(selector: Any) -> Any:
    """The selector from the data of `selector_to_json`; other values are returned unchanged."""
    if isinstance(selector, dict) and "regex" in selector:
        return re.compile(selector["regex"], selector.get("flags", 0))
    if isinstance(selector, dict) and "block" in selector:
        module, _, names = selector["block"].partition(":")
        return functools.reduce(getattr, names.split("."), importlib.import_module(module))
    return selector


def list_parameters(net: Any) -> List[Tuple[Any, Any, ParameterInfo]]:
    """Every parameter of a network in order of traversal: the Parameter, its place, and its info."""
    from .._mxnet.tree import places

    check_block(net)
    return [(param, place, parameter_info(param, place)) for param, place in places(net).items()]


def check_block(net: Any) -> None:
    """Raise a TypeError unless `net` is a Gluon Block."""
    from .._mxnet import mx

    if not isinstance(net, mx.gluon.Block):
        description = f"{type(net).__name__}: {net!r:.80}."
        if isinstance(net, type) and issubclass(net, mx.gluon.Block):
            description = f"a class: make one, {net.__name__}(...)."
        elif hasattr(net, "initialize") or isinstance(net, dict):
            description += " For what collect_params() gives, pass the network it came from."
        raise TypeError(printable(f"expected a network (an mxnet.gluon.Block), found {description}"))


def parameter_info(param: Any, place: Any) -> ParameterInfo:
    """The info of one Gluon parameter; `place` is None if the network that holds it is not known."""
    from .._mxnet import backend
    from .._mxnet.arrays import dtype_name
    from .._mxnet.parameter import shape_of, state_of

    shape, dtype, state = shape_of(param), dtype_name(param.dtype), state_of(param)
    if place is None:
        return ParameterInfo(None, (), param.name, role_of(param.name), shape, dtype, state)
    path, *aliases = place.paths
    role = role_of(backend.role_name(param, path))
    return ParameterInfo(path, tuple(aliases), param.name, role, shape, dtype, state,
                         place.owner, place.owner_path, place.inside, place.axes)  # fmt: skip


def context_mismatch(contexts: Iterable[Tuple[str, Any]]) -> Optional[str]:
    """The message for parameters on different contexts; None if all are on the same. `contexts` has (path, contexts)
    pairs; parameters without contexts do not count."""
    groups: Dict[Tuple[str, ...], List[str]] = {}
    for path, ctxs in contexts:
        if ctxs:
            groups.setdefault(tuple(map(str, ctxs)), []).append(path)
    if len(groups) < 2:
        return None
    from .._mxnet import backend

    places = "; ".join(f"{listed(paths, 3)} on {', '.join(ctxs)}" for ctxs, paths in groups.items())
    return f"The parameters are on different contexts: {places}. {backend.reset_call} puts all on the same."


@contextmanager
def named_memory_errors(label: str, param: Any, error_class: Any = None) -> Iterator[None]:
    """Context manager: a failed allocation raises `error_class` (by default MXNet's error) and names the parameter."""
    try:
        yield
    except Exception as error:
        import numpy  # imported late: the names of a file's arrays are shown without NumPy and MXNet

        from .._mxnet import mx
        from .._mxnet.parameter import shape_of

        last_line = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        out_of_memory = isinstance(error, mx.MXNetError) and any(words in last_line.lower() for words in _NO_MEMORY)
        if last_line.startswith(_MEMORY_MESSAGE) or not (out_of_memory or isinstance(error, MemoryError)):
            raise
        shape, dtype = shape_of(param), numpy.dtype(param.dtype)
        size = math.prod(length or 0 for length in shape or ()) * dtype.itemsize
        message = printable(
            f"{_MEMORY_MESSAGE} {label!r} of shape {shape} and dtype {dtype.name}: each of its arrays "
            f"(values on each context, gradients) takes {size:,} bytes, {size_text(size)}; {last_line}. Nothing was "
            f"changed. Choose a smaller shape or dtype, or grad_req='null' where it is not trained."
        )
        raise (error_class or mx.MXNetError)(message) from error


_MEMORY_MESSAGE = "There is no memory for parameter"
# "Failed to allocate CPU Memory", "cudaMalloc retry failed: out of memory", "Failed to allocate GPU Memory"
_NO_MEMORY = ("allocate", "out of memory", "bad_alloc")
