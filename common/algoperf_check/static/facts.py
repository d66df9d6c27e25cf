"""What workloads are called, and what they offer to submissions: from the version files, the cubes and the API."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from algoperf import spec
from algoperf.versions import load_version, version_names
from algoperf.workload.registry import cube_folders, load_cube

_NO_FAMILY = {"lm"}


@dataclass(frozen=True)
class WorkloadFacts:
    """Facts about all workloads of all versions and variants.

    Attributes:
      names: of workloads and variants.
      families: words that distinguish workloads, such as "imagenet" or "conformer".
      members: public members of `spec.Workload`.
    """

    names: frozenset[str]
    families: frozenset[str]
    members: frozenset[str]

    def is_name(self, text: str) -> bool:
        """Whether a string is the name of a workload, or of a workload's class."""
        plain = text.lower().replace("-", "_").replace(" ", "_")
        if plain in self.names:
            return True
        joined = "".join(letter for letter in plain if letter.isalnum())
        return joined.endswith("workload") and any(family in joined for family in self.families)

    def is_family(self, text: str) -> bool:
        """Whether a string is such a name, or a word of one."""
        return self.is_name(text) or text.lower() in self.families


@functools.cache
def known_facts() -> WorkloadFacts:
    """The facts about all versions in `versions/` and all cubes found."""
    versions = [load_version(name) for name in version_names()]
    cubes = [load_cube(folder) for folder in cube_folders().values()]
    bases = {
        *(name for version in versions for name in (*version.scored, *version.development)),
        *(cube.name for cube in cubes),
    }
    words = {word for name in bases for word in name.split("_")}
    return WorkloadFacts(
        names=frozenset({*bases, *(name for version in versions for name in version.table)})
        | {name for cube in cubes for name in cube.variants},
        families=frozenset(words | {re.split(r"\d", word)[0] for word in words}) - _NO_FAMILY,
        members=frozenset(name for name in dir(spec.Workload) if not name.startswith("_")) | {"metrics_logger"},
    )
