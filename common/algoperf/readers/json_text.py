"""JSON as the standard has it: no key twice, only finite numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from algoperf.readers.text_file import DEEPEST, TOO_DEEP, UnreadableFile, read_text


class _Object(dict[str, Any]):
    """An object of the file, and the first key that it has twice."""

    repeated: str | None = None


def read_json(file: Path) -> Any:
    """The content of a JSON file. Raises UnreadableFile, with the place."""
    text = read_text(file)
    if not text.strip():
        raise UnreadableFile(file, "it is not valid JSON: it is empty")
    try:
        content = json.loads(text, object_pairs_hook=_object)
    except RecursionError:
        raise UnreadableFile(file, TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise UnreadableFile(file, f"it is not valid JSON: {error.msg}, column {error.colno}", error.lineno) from None
    except ValueError:  # what Python itself refuses to read
        raise UnreadableFile(file, "it holds an integer of thousands of digits") from None
    _check(content, file)
    return content


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    found = _Object()
    for key, value in pairs:
        if key in found and found.repeated is None:
            found.repeated = key
        found[key] = value
    return found


def _check(content: Any, file: Path) -> None:
    """Refuse keys given twice and numbers that are not finite: the standard leaves both to the reader."""
    pending = [("", content, 1)]
    while pending:
        place, value, depth = pending.pop()
        if depth > DEEPEST:
            raise UnreadableFile(file, TOO_DEEP)
        if isinstance(value, _Object) and value.repeated is not None:
            raise UnreadableFile(file, f"the key {_below(place, value.repeated)!r} is given twice")
        if isinstance(value, float) and not math.isfinite(value):
            raise UnreadableFile(file, f"{place or 'it'} is {value}. Allowed are finite numbers")
        pending += [(inner, part, depth + 1) for inner, part in _parts(place, value)]


def _parts(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        yield from ((_below(place, key), part) for key, part in value.items())
    elif isinstance(value, list):
        yield from ((f"{place}[{number}]", part) for number, part in enumerate(value))


def _below(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
