"""The static half of `algoperf check`: what can be read off a submission's files without importing them."""

from __future__ import annotations

from algoperf.check.findings import Finding
from algoperf.check.request import CheckRequest


def run(request: CheckRequest) -> list[Finding]:
    """All findings of the static checks, without repetitions."""
    from algoperf.check.static import (
        batch_size,
        comparisons,
        formalities,
        literals,
        requirements,
        search_space,
        uses,
        workload_use,
        writes,
    )
    from algoperf.check.static.analysis import Analysis
    from algoperf.check.static.source import read_sources

    sources, findings = read_sources(request.file)
    analysis = Analysis.of(request, sources)
    parts = (
        literals, workload_use, comparisons, batch_size, writes, uses, search_space, requirements, formalities,
    )  # fmt: skip
    for part in parts:
        findings += part.check(analysis)
    return list(dict.fromkeys(findings))
