"""Scripts of `benchmarks/` as modules, for tests of what they contain."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from places import REPOSITORY


@contextlib.contextmanager
def benchmark_modules(*names: str) -> Iterator[tuple[ModuleType, ...]]:
    """Import scripts by their names; what that changes is put back."""
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(REPOSITORY / "benchmarks")
        patch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))
        yield tuple(importlib.import_module(name) for name in names)
    for name in {"common", "generated", *names} - before:
        del sys.modules[name]
