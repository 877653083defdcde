"""`InitRegression` compares a network's initial values with a reviewed JSON file; the pytest plugin has its fixture.

The fingerprint, which depends on every bit, decides whether they are equal. The file also describes each parameter (its
initializer, its moments, a digest of its values), so that a person can review it and a difference has a path.
"""

import hashlib
import json
import math
from operator import itemgetter
import os
from pathlib import Path
import re
import tempfile
from typing import Any, Dict, List, Optional, Tuple

from .display import Column, Table, as_text, counted, printable, shape_text
from .files import parsed_json
from .initializer import plan
from .initializer.values import combined, digests
from .inspector import inspect

__all__ = ["InitRegression"]

_SCHEMA = "gluon_initkit.init_regression"
_VERSION = 1
_DECLARED = ("role", "aliases", "shape", "dtype", "initializer")
_MOMENTS = ("mean", "std", "min", "max")
_CLOSE = 1e-7  # of the largest value: far above what another order of summing changes, and what rounding here does
_MEND = "If it is meant, run this test with --init-regression-update, look at the file's changes, and commit them."


class InitRegression:
    """The reviewed files of one test: what its networks were initialized to.

    Parameters
    ----------
    folder : path
        Where the files are; it is made when the first is written.
    test : str
        What the test is called. Characters that are unusual in a file's name are replaced, and a digest is added.
    update : bool
        Whether to write the files rather than to compare.

    Examples
    --------
    >>> net = mx.gluon.nn.Dense(1, in_units=2)
    >>> net.initialize(mx.init.One())
    >>> folder = Path(tempfile.mkdtemp())
    >>> InitRegression(folder, "test_it", update=True).check(net)
    >>> InitRegression(folder, "test_it").check(net)
    >>> net.bias.set_data(mx.nd.array([0.5]))
    >>> try: InitRegression(folder, "test_it").check(net)
    ... except AssertionError as error: print("\\n".join(line for line in str(error).splitlines() if "bias" in line))
    bias       mean         0                 0.5
    bias       min          0                 0.5
    bias       max          0                 0.5
    """

    def __init__(self, folder: Any, test: str, update: bool = False) -> None:
        self.folder, self.test, self.update = Path(folder), test, update
        self.written: List[Path] = []
        """The files that were written, because they were not there or differed."""
        self.checked: List[Path] = []
        """All files that were looked for."""

    def check(self, net: Any, name: Optional[str] = None, *, init: Any = None) -> None:
        """Compare a network with its reviewed file: paths, roles, shapes, types, initializers, moments, and every bit.

        Parameters
        ----------
        net : Block
            Initialized throughout. Of several contexts the first one's values count.
        name : str, optional
            Which of the test's networks this is, where it checks more than one.
        init : Initializer or str, optional
            What the network was initialized by. MXNet forgets it, so without it the file can only name the
            initializers that parameters were given themselves.

        Raises
        ------
        AssertionError
            The network differs from the file: the table of what differs. Or there is no file yet, or none that can be
            read. With `update` it is written instead.
        InitializationError
            Parameters have no values yet; all of them are named.
        ValueError
            This test has checked under this name before.
        """
        __tracebackhide__ = True
        path = self.folder / f"{_file_name(self.test if name is None else f'{self.test}--{name}')}.json"
        if path in self.checked:
            raise ValueError(f"{printable(path.name)} was checked before in this test: tell its networks apart, "
                             f"check(net, name='second')")  # fmt: skip
        self.checked.append(path)
        now, reviewed = _facts(net, init), _read(path)
        if self.update:
            if reviewed is None or _differences(reviewed, now):
                _write(path, now)
                self.written.append(path)
            return
        if not path.exists():
            raise AssertionError(f"no reviewed file yet: {printable(str(path))}. Run this test with "
                                 f"--init-regression-update, look at the file that it writes, and commit it."
                                 )  # fmt: skip
        if reviewed is None:
            raise AssertionError(f"{printable(str(path))} is none of init_regression's files, of version {_VERSION}: "
                                 f"it was cut, edited, or left with conflicts of a merge. Take the reviewed one from "
                                 f"version control, or run this test with --init-regression-update.")  # fmt: skip
        rows = _differences(reviewed, now)
        if rows:
            count, total = len({path for path, *_ in rows if path}), counted(len(now["parameters"]), "parameter")
            where = f"in {count} of {total}" if count else "though no parameter by itself"
            message = f"the network differs from {path}, {where}\n{as_text(Table('', _COLUMNS, rows))}\n{_MEND}"
            raise AssertionError(printable(message, keep="\n"))


def _facts(net: Any, init: Any) -> Dict[str, Any]:
    """The content of the file for a network."""
    listed = digests(net)
    values = dict(listed)
    filled_by = {} if init is None else {row.path: row.initializer for row in plan(net, init)}
    parameters = []
    for record in inspect(net, stats=True).records:
        stats: Any = record.stats
        facts = {"path": record.path, **{key: getattr(record, key) for key in _DECLARED}}
        facts.update(aliases=list(record.aliases), shape=list(record.shape or ()))
        facts.update(initializer=filled_by.get(record.path, record.initializer))
        for key in _MOMENTS:
            value = getattr(stats, key)
            facts[key] = None if value is None or not math.isfinite(value) else float(f"{value:.9g}")
        parameters.append({**facts, "values": values[record.path].hex()[:16]})
    return {"schema": _SCHEMA, "version": _VERSION, "fingerprint": combined(listed), "parameters": parameters}


def _differences(reviewed: Dict[str, Any], now: Dict[str, Any]) -> List[Tuple[str, str, str, str]]:
    """The differences by parameter, then in their order and in the fingerprint: path, fact, reviewed text, new text."""
    before, after = ({facts["path"]: facts for facts in side["parameters"]} for side in (reviewed, now))
    rows = []
    for path, facts in after.items():
        known = before.get(path)
        if known is None:
            rows.append((path, "parameter", "missing", "added"))
            continue
        keys = [key for key in _DECLARED if known.get(key) != facts[key]]
        keys += [key for key in _MOMENTS if not _close(known.get(key), facts[key], facts)]
        if not keys and known.get("values") != facts["values"]:
            keys = ["values"]  # other bits that no moment shows
        rows += [(path, key, _shown(key, known.get(key)), _shown(key, facts[key])) for key in keys]
    rows += [(path, "parameter", "there", "removed") for path in before if path not in after]
    common = [path for path in before if path in after], [path for path in after if path in before]
    rows += [("", "order", *pair) for pair in zip(*common) if pair[0] != pair[1]][:1]
    if reviewed["fingerprint"] != now["fingerprint"]:
        rows.append(("", "fingerprint", reviewed["fingerprint"][:16], now["fingerprint"][:16]))
    return rows


def _close(before: Any, after: Any, facts: Dict[str, Any]) -> bool:
    if before == after or None in (before, after):
        return bool(before == after)
    return bool(abs(before - after) <= _CLOSE * max(abs(facts["min"]), abs(facts["max"])))


def _read(path: Path) -> Optional[Dict[str, Any]]:
    """The content of the reviewed file; None if there is none, or if it is damaged."""
    try:
        document = parsed_json(path.read_text(encoding="utf-8"))
        paths = [facts["path"] for facts in document["parameters"]]
        moments = [facts.get(key) for facts in document["parameters"] for key in _MOMENTS]
        sound = (
            isinstance(document["parameters"], list)
            and document["schema"] == _SCHEMA
            and document["version"] == _VERSION
            and isinstance(document["fingerprint"], str)
            and all(isinstance(path, str) for path in paths)
            and len(set(paths)) == len(paths)
            and all(moment is None or math.isfinite(moment) for moment in moments)
        )
        return document if sound else None
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _write(path: Path, facts: Dict[str, Any]) -> None:
    """Write the file whole or not at all, one line for each parameter, so that version control shows what changed."""
    parameters = ",\n".join("  " + json.dumps(parameter) for parameter in facts["parameters"])
    head = "".join(f" {json.dumps(key)}: {json.dumps(facts[key])},\n" for key in ("schema", "version", "fingerprint"))
    path.parent.mkdir(parents=True, exist_ok=True)
    number, part = tempfile.mkstemp(dir=str(path.parent), prefix=path.name[:40], suffix=".part")
    try:
        with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
            file.write(f'{{\n{head} "parameters": [\n{parameters}\n ]\n}}\n')
        os.replace(part, path)
    except BaseException:
        os.unlink(part)
        raise


def _file_name(text: str) -> str:
    """The name of a file for a test. A digest keeps names apart that differ in replaced characters or in case only."""
    plain = re.sub(r"[^\w.,=+\[\]-]", "-", text, flags=re.ASCII)
    if plain == text == text.lower() and len(text) <= 120:
        return text
    return f"{plain[:120]}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _shown(fact: str, value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, list):
        return shape_text(tuple(value)) if fact == "shape" else "\n".join(map(printable, map(str, value)))
    return "" if value is None else str(value)


_COLUMNS = (
    Column("path", itemgetter(0), "parameter", path=True),
    *(Column(heading, itemgetter(place)) for place, heading in enumerate(("differs", "reviewed", "now"), 1)),
)
