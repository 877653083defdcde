"""JSON that nobody vouches for: what Python's parser accepts or dies of beyond the standard is a ValueError here."""

import json
from typing import Any, Dict, List, Tuple

__all__ = ["parsed_json"]


def parsed_json(text: str) -> Any:
    """What a text of JSON says.

    Raises
    ------
    ValueError
        It is no JSON, is nested deeper than Python can follow, or an object in it has a key twice.

    Examples
    --------
    >>> parsed_json('{"a": [1, 2.5, null]}')
    {'a': [1, 2.5, None]}
    >>> parsed_json('{"a": 1, "a": 2}')
    Traceback (most recent call last):
    ValueError: an object has the key 'a' twice
    """
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refused)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"an object has the key {key!r:.80} twice")
        found[key] = value
    return found


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant!r} is no number of JSON")
