"""Selectors: how a user names parameters, in rules, `select=`, freezing and sharing.

A selector is one of

- a glob over paths, ``'*.bias'``, ``'features.0.*'``, where ``*`` crosses dots; a path is a glob that matches itself;
- a role, ``'bias'``, ``'gamma'`` (see `ROLES`);
- a compiled regular expression, searched in each path;
- a Block class: every parameter inside a block of that class;
- a callable, which gets the `ParameterInfo` and answers yes or no.

Where parameters are shown, a glob, a role, an expression, a class or a callable may match none; a path that no
parameter has is a mistake, which `refuse_no_match` refuses. Where parameters are changed, a selector has to match one:
`select_parameters` sees to it.
"""

import fnmatch
import importlib
import re
from typing import Any, Callable, Iterable, List, Optional, Pattern, Sequence, Union

from ..display import did_you_mean, did_you_mean_path, printable
from .info import ROLES, ParameterInfo

Selector = Union[str, "Pattern[str]", type, Callable[[ParameterInfo], bool]]


def matcher(selector: Any) -> Callable[[ParameterInfo], bool]:
    """The predicate of a selector; a TypeError where it is none of the five kinds."""
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
    """The predicate over paths of a glob or a regular expression; None for the other selectors."""
    if isinstance(selector, str) and selector not in ROLES:
        return re.compile(fnmatch.translate(selector)).match
    if isinstance(selector, re.Pattern) and isinstance(selector.pattern, str):
        return selector.search
    return None


def refuse_no_match(selector: Any, records: Iterable[Any]) -> None:
    """Raise a ValueError where it is a mistake that a selector matched none of these parameters.

    `records` have `path`, `aliases` and Gluon's `name`. Mistakes are a path that no parameter has, and a regular
    expression in a str.
    """
    mistake = explain_no_match(selector, records)
    if mistake:
        raise ValueError(printable(mistake))


def select_parameters(listed: Sequence[tuple], selector: Any) -> List[tuple]:
    """Of what `list_parameters` found, the entries that a selector selects; a ValueError where it selects none."""
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


def explain_no_match(selector: Any, records: Iterable[Any]) -> str:
    """Why it is a mistake that a selector matched none of these parameters, in a sentence; empty where it is none."""
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
    named = [record for record in records if record.path not in (None, record.name) and matches(record.name)]
    if named and not any(map(matches, paths)):
        text += f"; paths are selected, and {named[0].name!r} is Gluon's name of {named[0].path!r}"
    return f"{text}." if expression is not None or named else ""


def _as_expression(text: str, names: Iterable[str]) -> Optional[Pattern[str]]:
    """The regular expression that somebody meant by a str, which is read as a glob; None where it is no expression.

    ``Block.collect_params`` and ``mx.init.Mixed`` take regular expressions in a str; ``'head.*'`` is both.
    """
    try:
        expression = re.compile(text)
    except re.error:
        return None
    marked = re.search(r"[\^$|()+\\]|^\.\*", text) or (".*" in text and any(map(expression.fullmatch, names)))
    return expression if marked else None


def _as_glob(expression: str) -> str:
    """The glob that means what a simple regular expression does; empty where there is none."""
    glob = expression.replace(r"\.", ".").lstrip("^").rstrip("$").replace(".*", "*").replace(".+", "?*")
    glob = glob if expression.startswith("^") else f"*{glob}" if expression.endswith("$") else glob
    glob = f"{glob}*" if expression.startswith("^") and not expression.endswith("$") else glob
    return "" if re.search(r"[\^$|()+\\]", glob) else glob.replace("**", "*")


def show_selector(selector: Any) -> str:
    """A selector as messages and tables show it."""
    if isinstance(selector, re.Pattern):
        return f"re.compile({selector.pattern!r})"
    if isinstance(selector, type) or callable(selector):
        return printable(getattr(selector, "__name__", repr(selector)))
    return repr(selector)


def selector_to_json(selector: Any) -> Any:
    """A selector as JSON holds it; a callable only by its repr."""
    if isinstance(selector, re.Pattern):
        return {"regex": selector.pattern, "flags": selector.flags}
    if isinstance(selector, type):
        return {"block": f"{selector.__module__}:{selector.__qualname__}"}
    return selector if isinstance(selector, str) else {"callable": repr(selector)}


def selector_from_json(selector: Any) -> Any:
    """The selector that `selector_to_json` wrote; anything else is returned as it is."""
    if not isinstance(selector, dict):
        return selector
    if "regex" in selector:
        return re.compile(selector["regex"], selector.get("flags", 0))
    if "block" in selector:
        module, _, names = selector["block"].partition(":")
        block: Any = importlib.import_module(module)
        for name in names.split("."):
            block = getattr(block, name)
        return block
    return selector
