"""JSON files that other programs can read: written atomically, without NaN."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algoperf.data.files import write_file


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically; NaN and infinity become null, unknown objects their text."""
    write_file(path, (json.dumps(_jsonable(content), indent=2) + "\n").encode())


def _jsonable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if value - value == 0 else None  # inf - inf and nan - nan are nan
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    return str(value)
