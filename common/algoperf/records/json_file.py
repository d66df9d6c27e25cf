"""JSON files that programs write and read: written atomically, without NaN; read if they are whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf.data.files import write_file


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; see `json_bytes`."""
    write_file(path, json_bytes(content))


def json_bytes(content: Any) -> bytes:
    """JSON as it is written to files; NaN and infinity become null, unknown objects their text."""
    return (json.dumps(jsonable(content), indent=2) + "\n").encode()


def read_object(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file that a program wrote; None if there is none that can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):  # not json, or not even text
        return None
    return content if isinstance(content, dict) else None


def jsonable(value: Any) -> Any:
    """A value made of what JSON has; NaN and infinity become null, unknown objects their text."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item) for item in value]
    if isinstance(value, float):
        return value if value - value == 0 else None  # inf - inf and nan - nan are nan
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    return str(value)
