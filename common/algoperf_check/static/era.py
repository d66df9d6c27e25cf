"""Rule 10.9: code of the pmap era, which cannot run on the pinned versions."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from algoperf.submission.renamed import PMAP_ERA, PMAP_ERA_MEANS
from algoperf_check.findings import Finding
from algoperf_check.static.analysis import Analysis, shown


def check(analysis: Analysis) -> Iterator[Finding]:
    """The first use of a function that only entries of the pmap era have."""
    uses = (node for node in analysis.project.nodes(ast.Attribute, ast.Name) if analysis.names(node) in PMAP_ERA)
    for node in uses:
        yield analysis.finding("10.9", node, f"{shown(node)}: {PMAP_ERA_MEANS}.")
        return
