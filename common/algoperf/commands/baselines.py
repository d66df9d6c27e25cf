"""Submissions that may be named without their folder: the repository's baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from algoperf.workload.definition import Framework


def find(name: str, framework: Framework | None = None) -> Path:
    """The path of a submission, or of the baseline of this name if there is no such path.

    With a framework, `nadamw` means that framework's baseline; UserError if no path and no baseline has a bare name.
    """
    from algoperf.errors import unknown
    from algoperf.workload.registry import REPOSITORY_CUBES

    folder = REPOSITORY_CUBES.parent / "submissions" / "baselines"
    if Path(name).exists() or Path(name).name != name:
        return Path(name)
    for candidate in (name, f"{name}_{framework}"):
        if (folder / candidate).is_dir():
            return folder / candidate
    known = [each.name.removesuffix(f"_{framework}") for each in sorted(folder.glob(f"*_{framework}"))]
    if known and not name.endswith(".py"):
        raise unknown(f"baseline in {framework}", name, known, "Or give a submission's path.")
    return Path(name)
