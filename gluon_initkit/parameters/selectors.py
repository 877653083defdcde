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
from .info import ParameterInfo
from .nearest import nearest_path
from .roles import ROLES

__all__ = [
    "Selector",
    "matcher",
    "path_matcher",
    "refuse_unknown",
    "selector_from_json",
    "selector_to_json",
    "show_selector",
    "why_unknown",
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


def refuse_unknown(selector: Any, holders: Iterable[Any]) -> None:
    """Refuse a selector that selected none of these parameters, if that is a mistake.

    Parameters
    ----------
    selector : selector
    holders : iterable
        Records of the parameters: with `path`, `aliases`, and Gluon's `name`.

    Raises
    ------
    ValueError
        `selector` is a text without magic, and no role; or a regular expression in a str.

    Examples
    --------
    >>> bias = ParameterInfo("0.bias", (), "dense0_bias", "bias", (4,), "float32")
    >>> refuse_unknown("*.weight", [bias])
    >>> refuse_unknown("0", [bias])
    Traceback (most recent call last):
    ValueError: no parameter has the path '0', which is a block's; '0.*' selects all that it holds.
    """
    hint = why_unknown(selector, holders)
    if hint:
        raise ValueError(printable(hint))


def why_unknown(selector: Any, holders: Iterable[Any]) -> str:
    """Why a selector that selected none of these parameters is a mistake, in a sentence; empty where it is none."""
    if not isinstance(selector, str) or selector in ROLES:
        return ""
    holders = list(holders)
    paths = [path for holder in holders for path in (holder.path or holder.name, *holder.aliases)]
    expression = _expression(selector, [*paths, *(holder.name for holder in holders)])
    if expression is None and not re.search(r"[*?[]", selector):
        if any(path.startswith(f"{selector}.") for path in paths):
            return (f"no parameter has the path {selector!r}, which is a block's; {selector + '.*'!r} selects all that "
                    f"it holds.")  # fmt: skip
        return f"no parameter has the path {selector!r}; {nearest_path(selector, holders)}"
    text = f"{selector!r} selects no parameter"
    if expression is not None:
        glob = _as_glob(selector)
        like = f", such as {glob!r}" if glob else ""
        text += f": it is read as a glob{like}; write re.compile({selector!r}) for a regular expression"
    test = expression.search if expression is not None else re.compile(fnmatch.translate(selector)).match
    named = [holder for holder in holders if holder.path not in (None, holder.name) and test(holder.name)]
    if named and not any(map(test, paths)):
        text += f"; paths are selected, and {named[0].name!r} is Gluon's name of {named[0].path!r}"
    return f"{text}." if expression is not None or named else ""


def _expression(text: str, names: Iterable[str]) -> Optional[Pattern[str]]:
    """The regular expression that a text which selected nothing as a glob was meant for; None where it was not.

    ``Block.collect_params`` and ``mx.init.Mixed`` take regular expressions, so users write them; ``'head.*'`` is both.
    """
    try:
        expression = re.compile(text)
    except re.error:
        return None
    marked = re.search(r"[\^$|()+\\]|^\.\*", text) or (".*" in text and any(map(expression.fullmatch, names)))
    return expression if marked else None


def _as_glob(expression: str) -> str:
    """The glob that means what a simple regular expression does; empty where there is none."""
    text = expression.replace(r"\.", ".")
    inner = text.lstrip("^").rstrip("$").replace(".*", "*").replace(".+", "?*")
    if text.endswith("$") and not text.startswith("^"):
        inner = f"*{inner}".replace("**", "*")
    if text.startswith("^") and not text.endswith("$"):
        inner = f"{inner}*".replace("**", "*")
    return "" if re.search(r"[\^$|()+\\]", inner) else inner


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
