"""`InitRegression`: what a network was initialized to, against a reviewed JSON file; the plugin's `init_regression`.

The fingerprint is the judge, since it tells any bit; all else is in the file so that a person can review it, and that
a difference can be told path by path: what each parameter is, what fills it, its moments, and a digest of its values.
"""

from dataclasses import dataclass
import hashlib
import json
import math
import os
from pathlib import Path
import re
import tempfile
from typing import Any, Dict, Iterator, List, Optional, Sequence

from .display import Column, Table, as_text, counted, printable, shape_text
from .files import parsed_json
from .initializer import plan
from .initializer.fingerprint import combined, digests
from .inspector import inspect

__all__ = ["InitRegression"]

_SCHEMA = "gluon_initkit.init_regression"
_VERSION = 1
_DECLARED = ("role", "aliases", "shape", "dtype", "initializer")
_MOMENTS = ("mean", "std", "min", "max")
_CLOSE = 1e-7  # of the largest value: far above what another order of summing changes, and what rounding here does
_MEND = "If it is meant, run this test with --init-regression-update, look at the file's changes, and commit them."


class InitRegression:
    """Reviewed files of what one test's networks were initialized to.

    Parameters
    ----------
    folder : path
        Where the files are; it is made when the first is written.
    test : str
        What the test is called. Characters that a file's name had better not have are replaced, and a digest added.
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
        """The files that were written, because they were not there or said something else."""
        self._checked: List[Path] = []

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

        Examples
        --------
        >>> net = mx.gluon.nn.Dense(1, in_units=2)
        >>> net.initialize(mx.init.One())
        >>> checked = InitRegression(tempfile.mkdtemp(), "test_it[2-relu]", update=True)
        >>> checked.check(net)
        >>> checked.check(net, "again", init=mx.init.One())
        >>> [path.name for path in checked.written]
        ['test_it[2-relu].json', 'test_it[2-relu]--again.json']
        """
        __tracebackhide__ = True
        path = self.folder / f"{_file_name(self.test if name is None else f'{self.test}--{name}')}.json"
        if path in self._checked:
            raise ValueError(f"{printable(path.name)} was checked before in this test: tell its networks apart, "
                             f"check(net, name='second')")  # fmt: skip
        self._checked.append(path)
        now = _facts(net, init)
        if not self.update:
            _compare(_read(path), now, path)
        elif _differences(_read_any(path), now):
            _write(path, now)
            self.written.append(path)


@dataclass(frozen=True)
class _Difference:
    """One fact of one parameter, in the file and now."""

    path: str
    fact: str
    reviewed: Any = ""
    now: Any = ""


def _facts(net: Any, init: Any) -> Dict[str, Any]:
    """What the file says of a network, as JSON holds it."""
    each_digest = digests(net)
    values = dict(each_digest)
    filling = {} if init is None else {row.path: row.initializer for row in plan(net, init)}
    parameters = []
    for record in inspect(net, stats=True).records:
        stats: Any = record.stats
        declared = {key: getattr(record, key) for key in _DECLARED}
        declared.update(aliases=list(record.aliases), shape=list(record.shape or ()))
        declared["initializer"] = filling.get(record.path, record.initializer)
        moments = {key: _rounded(getattr(stats, key)) for key in _MOMENTS}
        parameters.append({"path": record.path, **declared, **moments, "values": values[record.path].hex()[:16]})
    return {"schema": _SCHEMA, "version": _VERSION, "fingerprint": combined(each_digest), "parameters": parameters}


def _rounded(moment: Optional[float]) -> Optional[float]:
    return None if moment is None or not math.isfinite(moment) else float(f"{moment:.9g}")


def _compare(reviewed: Dict[str, Any], now: Dict[str, Any], path: Path) -> None:
    __tracebackhide__ = True
    rows = _differences(reviewed, now)
    if rows:
        count = len({row.path for row in rows if row.path})
        all_of_them = counted(len(now["parameters"]), "parameter")
        where = f"in {count} of {all_of_them}" if count else "though no parameter by itself"
        found = f"the network differs from {path}, {where}\n{as_text(Table('', _COLUMNS, rows))}\n{_MEND}"
        raise AssertionError(printable(found, keep="\n"))


def _differences(reviewed: Dict[str, Any], now: Dict[str, Any]) -> List[_Difference]:
    """All that differs, parameter by parameter, then the fingerprint."""
    before, after = ({each["path"]: each for each in side["parameters"]} for side in (reviewed, now))
    rows = [row for path, each in after.items() for row in _of_parameter(path, before.get(path), each)]
    rows += [_Difference(path, "parameter", "there", "removed") for path in before if path not in after]
    common = [[path for path in one if path in other] for one, other in ((before, after), (after, before))]
    rows += [_Difference("", "order", *pair) for pair in zip(*common) if pair[0] != pair[1]][:1]
    if reviewed["fingerprint"] != now["fingerprint"]:
        rows.append(_Difference("", "fingerprint", reviewed["fingerprint"][:16], now["fingerprint"][:16]))
    return rows


def _of_parameter(path: str, before: Optional[Dict[str, Any]], after: Dict[str, Any]) -> Iterator[_Difference]:
    if before is None:
        yield _Difference(path, "parameter", "missing", "added")
        return
    told = [key for key in _DECLARED if before.get(key) != after[key]]
    told += [key for key in _MOMENTS if not _close(before.get(key), after[key], after)]
    if not told and before.get("values") != after["values"]:
        told = ["values"]  # other bits that no moment shows
    for key in told:
        yield _Difference(path, key, before.get(key), after[key])


def _close(before: Any, after: Any, facts: Dict[str, Any]) -> bool:
    if before == after or not all(isinstance(each, (int, float)) for each in (before, after)):
        return bool(before == after)
    return bool(abs(before - after) <= _CLOSE * max(abs(facts["min"]), abs(facts["max"])))


def _read(path: Path) -> Dict[str, Any]:
    """The reviewed file; an AssertionError where there is none, or it is no such file."""
    __tracebackhide__ = True
    if not path.exists():
        raise AssertionError(
            f"no reviewed file yet: {printable(str(path))}. Run this test with --init-regression-update, look at the "
            f"file that it writes, and commit it."
        )
    try:
        found = parsed_json(path.read_text(encoding="utf-8"))
        if _is_sound(found):
            return found
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, OSError):
        pass
    raise AssertionError(
        f"{printable(str(path))} is none of init_regression's files, of version {_VERSION}: it was cut, edited, or "
        f"left with conflicts of a merge. Take the reviewed one from version control, or run this test with "
        f"--init-regression-update."
    )


def _is_sound(found: Any) -> bool:
    """Whether this is what `_facts` answers; or an error, where it is something else."""
    moments = [each.get(key) for each in found["parameters"] for key in _MOMENTS]
    paths = [each["path"] for each in found["parameters"]]
    return (
        isinstance(found["parameters"], list)
        and found["schema"] == _SCHEMA
        and found["version"] == _VERSION
        and isinstance(found["fingerprint"], str)
        and all(isinstance(path, str) for path in paths)
        and len(set(paths)) == len(paths)
        and all(moment is None or math.isfinite(moment) for moment in moments)
    )


def _read_any(path: Path) -> Dict[str, Any]:
    try:
        return _read(path)
    except AssertionError:
        return {"fingerprint": "", "parameters": []}


def _write(path: Path, facts: Dict[str, Any]) -> None:
    """As a whole or not at all; a line a parameter, so that a change of it is a change of one line."""
    parameters = ",\n".join("  " + json.dumps(each) for each in facts["parameters"])
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
    """A test's name as a file's; what cannot stand there, or is too long, is told apart by a digest."""
    plain = re.sub(r"[^\w.,=+\[\]-]", "-", text, flags=re.ASCII)
    if plain == text and len(text) <= 120:
        return text
    return f"{plain[:120]}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def _shown(value: Any, fact: str) -> str:
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return shape_text(tuple(value)) if fact == "shape" else "\n".join(map(printable, map(str, value)))
    return "" if value is None else str(value)


_COLUMNS = (
    Column("parameter", lambda row: row.path, path=True),
    Column("differs", lambda row: row.fact),
    Column("reviewed", lambda row: _shown(row.reviewed, row.fact)),
    Column("now", lambda row: _shown(row.now, row.fact)),
)
