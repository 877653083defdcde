"""Selectors: how a user names parameters. One implementation, for rules, the inspector and sharing.

A selector is one of

- a glob over paths, ``'*.bias'``, ``'features.0.*'``, where ``*`` crosses dots; a path without magic is itself;
- a role by its bare name, ``'bias'``, ``'gamma'`` (see `ROLES`);
- a compiled regular expression, searched in each path;
- a Block class: every parameter inside a block of that class;
- a callable, which gets the `ParameterInfo` and answers yes or no.

What describes parameters (a glob, a role, an expression, a class, a callable) may describe none of this network; a path
names one, so a path that is none's is a mistake (`refuse_unknown`).
"""

import fnmatch
import importlib
import re
from typing import Any, Callable, Iterable, Optional, Pattern, Union

from ..display import printable
from .nearest import nearest
from .parameters import ParameterInfo
from .roles import ROLES

__all__ = [
    "Selector",
    "matcher",
    "path_matcher",
    "refuse_unknown",
    "selector_from_json",
    "selector_to_json",
    "show_selector",
]

Selector = Union[str, "Pattern[str]", type, Callable[[ParameterInfo], bool]]


def matcher(selector: Any) -> Callable[[ParameterInfo], bool]:
    """The test that a selector stands for.

    Raises
    ------
    TypeError
        `selector` is none of the five kinds.

    Examples
    --------
    >>> info = ParameterInfo("body.0.bias", (), "dense0_bias", "bias", (4,), "float32")
    >>> matcher("*.bias")(info), matcher("bias")(info), matcher("head.*")(info)
    (True, True, False)
    """
    by_path = path_matcher(selector)
    if by_path is not None:
        return lambda info: any(map(by_path, info.paths))
    if isinstance(selector, str):
        return lambda info: info.role == selector
    if isinstance(selector, type):
        from .._mxnet import mx  # not before: the arrays of a file are selected without MXNet

        if issubclass(selector, mx.gluon.Block):
            return lambda info: any(issubclass(block, selector) for block in info.inside)
    elif callable(selector):
        return lambda info: bool(selector(info))
    raise TypeError(
        f"{show_selector(selector)} is no selector. A selector is a glob over paths ('*.bias'), a role "
        f"({', '.join(ROLES)}), a compiled regular expression, a Block class, or a callable that gets a ParameterInfo."
    )


def path_matcher(selector: Any) -> Optional[Callable[[str], Any]]:
    """The test of a path that a glob or a regular expression stands for; None where more must be known than a path."""
    if isinstance(selector, str) and selector not in ROLES:
        return re.compile(fnmatch.translate(selector)).match
    if isinstance(selector, re.Pattern) and isinstance(selector.pattern, str):
        return selector.search
    return None


def refuse_unknown(selector: Any, paths: Iterable[str]) -> None:
    """Refuse a selector that selected nothing of these paths, if it is a path itself, and so a typo.

    Raises
    ------
    ValueError
        `selector` is a text without magic, and no role.

    Examples
    --------
    >>> refuse_unknown("*.bias", ["0.weight"])
    >>> refuse_unknown("0", ["0.weight"])
    Traceback (most recent call last):
    ValueError: no parameter has the path '0', which is a block's; '0.*' selects all that it holds.
    """
    if not isinstance(selector, str) or selector in ROLES or re.search(r"[*?[]", selector):
        return
    known = list(paths)
    if any(path.startswith(f"{selector}.") for path in known):
        hint = f", which is a block's; {selector + '.*'!r} selects all that it holds."
    else:
        hint = f"; {nearest(selector, known)}"
    raise ValueError(printable(f"no parameter has the path {selector!r}{hint}"))


def show_selector(selector: Any) -> str:
    """A selector as messages and tables show it."""
    if isinstance(selector, re.Pattern):
        return f"re.compile({selector.pattern!r})"
    if isinstance(selector, type) or callable(selector):
        return printable(getattr(selector, "__name__", repr(selector)))
    return repr(selector)


def selector_to_json(selector: Any) -> Any:
    """A selector as JSON can hold it; a callable only by its repr."""
    if isinstance(selector, re.Pattern):
        return {"regex": selector.pattern, "flags": selector.flags}
    if isinstance(selector, type):
        return {"block": f"{selector.__module__}:{selector.__qualname__}"}
    return selector if isinstance(selector, str) else {"callable": repr(selector)}


def selector_from_json(selector: Any) -> Any:
    """The selector that `selector_to_json` wrote; anything that is not its work passes as it is."""
    if not isinstance(selector, dict):
        return selector
    if "regex" in selector:
        return re.compile(selector["regex"], selector.get("flags", 0))
    if "block" in selector:
        module, _, name = selector["block"].partition(":")
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found
    return selector
