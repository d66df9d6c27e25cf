"""What may be in the repository: no large file, and nothing that belongs to one machine only."""

from __future__ import annotations

import subprocess

import pytest

from places import REPOSITORY

LARGEST_BYTES = 500_000
# Larger files that have to be here, and why.
LARGE: dict[str, str] = {}
UNWANTED = (".whl", ".pyc", ".so", ".pth", ".ckpt", ".safetensors", ".log", ".swp", ".orig", ".rej")


def tracked() -> list[str]:
    """Files that git tracks, and new ones that it does not ignore."""
    command = ["git", "-C", str(REPOSITORY), "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    return [name for name in done.stdout.split("\0") if name and (REPOSITORY / name).is_file()]


def test_no_tracked_file_is_large():
    sizes = {name: (REPOSITORY / name).stat().st_size for name in tracked()}
    assert len(sizes) > 500
    assert {name for name, size in sizes.items() if size > LARGEST_BYTES} == set(LARGE)


def test_no_tracked_file_is_built_or_left_over():
    assert [name for name in tracked() if name.endswith(UNWANTED)] == []
