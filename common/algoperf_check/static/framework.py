"""Infers the framework of a submission from its imports."""

from __future__ import annotations

from pathlib import Path

from algoperf.errors import UserError
from algoperf.submission.framework import framework_of
from algoperf.workload.definition import FRAMEWORKS, Framework
from algoperf_check.static.source import read_sources


def infer_framework(file: Path, *, required: bool) -> Framework | None:
    """The one framework that a submission imports: in its main file, otherwise in all of its files.

    If it imports none or both, the result is None, or a UserError if `required`. If a file cannot be read, it is always
    None, because that will be a finding.
    """
    sources, unreadable = read_sources(file)
    found: set[Framework] = set()
    for considered in (sources[:1], sources):
        found = framework_of(source.tree for source in considered)
        if len(found) == 1:
            return found.pop()
    if required and not unreadable:
        imports = " and ".join(sorted(found)) or "neither"
        raise UserError(
            f"Which framework is {file} written for? It imports {imports}. "
            f"Say --framework {' or --framework '.join(FRAMEWORKS)}, or --static-only."
        )
    return None
