"""JSON from an untrusted file: what Python's parser accepts beyond the standard, or dies of, is a ValueError."""

import json
from typing import Any, Dict, List, Tuple


def parsed_json(text: str) -> Any:
    """The document; a ValueError where it is no JSON, is nested too deeply, or has an object with one key twice."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    members: Dict[str, Any] = {}
    for key, value in pairs:
        if key in members:
            raise ValueError(f"an object has the key {key!r:.80} twice")
        members[key] = value
    return members


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant!r} is no number of JSON")
