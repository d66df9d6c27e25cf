"""Fixtures for states that go through files."""

import sys

import pytest

from algoperf.submission.loading import load_submission
from checkpoint_files import Files
from places import TEST_SUBMISSIONS


@pytest.fixture
def files(tmp_path) -> Files:
    return Files(tmp_path)


@pytest.fixture(scope="module")
def own(repository):
    load_submission(TEST_SUBMISSIONS / "own_classes")
    return sys.modules["algoperf_submission.submission"]
