"""The packages and versions of official runs."""

from __future__ import annotations

import functools
import importlib.metadata
import re
from collections.abc import Mapping

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from algoperf.submission.missing_package import CONSTRAINTS

_HARNESS = "algoperf"
_EXTRAS = ("", "jax", "pytorch", "data")


@functools.cache
def pins() -> Mapping[str, str]:
    """Pinned versions by package, from `constraints.txt`, or, if that is missing, the installed versions."""
    if not CONSTRAINTS.is_file():
        return {name: importlib.metadata.version(name) for name in harness_packages()}
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    pinned = [re.fullmatch(r"([\w.-]+)==(\S+)", line.partition("#")[0].strip()) for line in lines]
    return {canonicalize_name(match[1]): match[2] for match in pinned if match}


@functools.cache
def harness_packages() -> frozenset[str]:
    """The installed packages that the harness needs, with or without a framework, and their dependencies."""
    found: set[str] = set()
    pending = [(_HARNESS, extra) for extra in _EXTRAS]
    while pending:
        name, extra = pending.pop()
        try:
            requirements = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue
        found.add(name)
        for requirement in map(Requirement, requirements):
            needed = canonicalize_name(requirement.name)
            if needed not in found and (requirement.marker is None or requirement.marker.evaluate({"extra": extra})):
                pending += [(needed, part) for part in ("", *requirement.extras)]
    return frozenset(found - {_HARNESS})


@functools.cache
def packages_by_import() -> Mapping[str, frozenset[str]]:
    """The installed packages that provide a top-level import."""
    return {
        name: frozenset(map(canonicalize_name, packages))
        for name, packages in importlib.metadata.packages_distributions().items()
    }
