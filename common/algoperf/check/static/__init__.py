"""The static half of `algoperf check`: what can be read off a submission's files without importing them."""

from __future__ import annotations

from algoperf.check.findings import Finding
from algoperf.check.request import CheckRequest
from algoperf.check.static.source import read_sources


def run(request: CheckRequest) -> list[Finding]:
    """All findings of the static checks."""
    _, findings = read_sources(request.file)
    return findings
