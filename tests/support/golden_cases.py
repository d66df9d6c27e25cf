"""Which golden files are compared with the models here, and how outputs are compared."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import golden
from algoperf.errors import UserError
from algoperf.workload.registry import cube_folders, find_workload

PARAMS, CROSSCHECK = "params/*.json", "crosscheck/*.json"
FORWARD = ("forward/*.seed[0-9]*.json", "forward_f64/*.seed[0-9]*.json")


@functools.cache
def has_cube(workload: str) -> bool:
    """Whether the workload can be built here."""
    try:
        find_workload(workload)
    except UserError:
        # A cube that lacks one of its variants is a defect, not a gap: its cases stay, and fail.
        return any(workload.startswith(cube) for cube in cube_folders())
    return True


def cases(*patterns: str) -> list[str]:
    """Golden files of workloads that have a cube; those with the same parameters follow each other."""
    found = [name for pattern in patterns for name in golden.names(pattern) if has_cube(workload_of(name))]
    return sorted(found, key=lambda name: (_cube_of(workload_of(name)), name.split(".")[1:2], name))


def sized(*patterns: str) -> list[Any]:
    """The same, for tests that compute: `make test` leaves models of full size to `make test-full`."""
    return [pytest.param(name, marks=() if golden.has_copy(name) else pytest.mark.full) for name in cases(*patterns)]


def _cube_of(workload: str) -> str:
    return max((cube for cube in cube_folders() if workload.startswith(cube)), key=len)


def workload_of(name: str) -> str:
    """The workload of a golden file."""
    return name.rpartition("/")[2].split(".")[0]


def relative_difference(found: np.ndarray, expected: np.ndarray) -> float:
    """L2 norm of the difference over that of what was expected."""
    assert found.shape == expected.shape
    difference = found.astype(np.float64) - expected
    return float(np.linalg.norm(difference) / np.linalg.norm(expected))


def counted(logits: np.ndarray, paddings: np.ndarray) -> np.ndarray:
    """Which logits (B, T, K) are not of padding (B, T)."""
    return np.broadcast_to(paddings[..., np.newaxis] == 0, logits.shape)
