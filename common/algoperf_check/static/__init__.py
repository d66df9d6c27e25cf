"""The static half of `algoperf check`: reads a submission's files without importing them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from algoperf_check.findings import Finding
from algoperf_check.request import CheckRequest
from algoperf_check.static import (
    batch_size_rules,
    calls,
    comparisons,
    environment,
    era,
    formalities,
    literals,
    models,
    requirements,
    search_space,
    uses,
    workload_use,
    writes,
)
from algoperf_check.static.analysis import Analysis
from algoperf_check.static.source import read_sources

_OF_CODE = (literals, workload_use, comparisons, batch_size_rules, writes, uses, calls, environment, era)
_OF_FILES = (search_space, requirements, formalities)
_DEEPEST = 20_000


def run(request: CheckRequest) -> list[Finding]:
    """All findings of the static checks, without duplicates."""
    with _deep_recursion():
        findings = _of_file(request, request.file)
        if request.model is not None:
            findings = models.holding(findings)
    return list(dict.fromkeys(findings))


def _of_file(request: CheckRequest, file: Path) -> list[Finding]:
    """The findings in a file and in what it imports, and in the folder."""
    sources, findings = read_sources(file)
    analysis = Analysis.of(request, sources)
    for part in (*_OF_CODE, *_OF_FILES):
        findings += part.check(analysis)
    if request.model is not None and file == request.file:
        findings += models.check(analysis)
        if request.model.own_algorithm is not None:
            findings += _of_file(request, request.model.own_algorithm)
    return findings


@contextlib.contextmanager
def _deep_recursion() -> Iterator[None]:
    """Raise the recursion limit: the compiler allows deep expressions, and walking takes several calls per level."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, _DEEPEST))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
