"""Folders that are not what was meant: which one to name instead."""

from __future__ import annotations

import pytest

import algoperf_scoring
from algoperf.errors import UserError
from algoperf.versions import load_version

V06 = load_version("v0.6")


@pytest.mark.parametrize(
    ("below", "hint"),
    [("a", "this is one submission"), ("a/study_0/wmt_jax", "No runs found"), ("none", "not a folder")],
)
def test_the_wrong_folder_is_explained(runs, below: str, hint: str):
    runs.reaching("a", "wmt", 1)
    with pytest.raises(UserError, match=hint):
        algoperf_scoring.score(runs.root / below, V06, "external")


def test_the_folder_above_is_explained(runs):
    runs.reaching("a", "wmt", 1)
    with pytest.raises(UserError, match=f"try {runs.root}"):
        algoperf_scoring.score(runs.root.parent, V06, "external")


def test_the_folder_of_a_campaign_is_explained(runs):
    """Beside its runs it has the campaign's own files about each of them, in the same layout."""
    job = runs.root.parent / "jobs" / runs.reaching("a", "wmt", 1).relative_to(runs.root)
    job.mkdir(parents=True)
    (job / "DONE").write_text("{}")
    with pytest.raises(UserError, match=rf"try {runs.root}\.\n"):
        algoperf_scoring.score(runs.root.parent, V06, "external")
