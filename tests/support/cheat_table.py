"""The table of known cheats in tests/cheats/README.md, for tests and for `benchmarks/cheats.py`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

CHEATS = Path(__file__).resolve().parents[1] / "cheats"
HONEST = {"pytorch": "honest", "jax": "honest_jax"}
"""The module with the submission that cheats of a framework were made from."""
_ROW = re.compile(r"^\| (\w+) \| ([\w -]+) \| (.+) \| (.+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Cheat:
    """A row of the table.

    Attributes:
      name: its folder's.
      by: what catches it; sign: what is seen then.
      read: the rules that `algoperf check` names by reading.
      framework: what it is written in.
    """

    name: str
    by: str
    sign: str
    read: frozenset[str]
    framework: str


def table() -> dict[str, Cheat]:
    """All rows by name. FileNotFoundError if a row has no folder."""
    _, *rows = _ROW.findall((CHEATS / "README.md").read_text())
    return {name: Cheat(name, by, sign, _rules(read), framework_of(name)) for name, by, sign, read in rows}


def framework_of(name: str) -> str:
    """The framework of the submission in a folder, or a file, of tests/cheats."""
    file = CHEATS / name / "submission.py"
    code = (file if file.exists() else CHEATS / f"{name}.py").read_text()
    return "jax" if re.search(r"^import (honest_)?jax$", code, re.MULTILINE) else "pytorch"


def _rules(text: str) -> frozenset[str]:
    return frozenset() if text == "nothing" else frozenset(text.split(", "))
