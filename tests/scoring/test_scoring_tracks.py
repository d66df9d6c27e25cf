"""Runs of the two tracks are scored apart, and never with each other."""

from __future__ import annotations

import pytest

import algoperf_scoring
from algoperf.errors import UserError
from algoperf.versions import load_version
from algoperf_scoring.json_output import to_json
from algoperf_scoring.wording import caption

V06 = load_version("v0.6")
MODEL = {"ruleset": "self", "track": "model"}


@pytest.fixture
def mixed(runs):
    for study in (0, 1):
        runs.reaching("mine", "ogbg", 10, study=study, status=MODEL)
        runs.reaching("published", "ogbg", 20, study=study, status=MODEL)
        runs.reaching("nadamw_jax", "ogbg", 20, study=study, status={"ruleset": "self"})  # a run of before the tracks
    return runs


def test_tracks_are_not_mixed(mixed):
    expected = r"different tracks.*algorithm \(2 trials\), model \(4 trials\).*--track model.*TRACK=model"
    with pytest.raises(UserError, match=expected):
        algoperf_scoring.score(mixed.root, V06)


def test_a_track_can_be_chosen(mixed):
    board = algoperf_scoring.score(mixed.root, V06, track="model")
    assert [entry.submission for entry in board.entries] == ["mine", "published"]
    assert (board.comparison.track, board.reference) == ("model", "published")
    assert board.comparison.results.held_out == {}  # variants of the model are for algorithms
    assert board.entries[0].cells["ogbg"].ratio == 1
    assert "AlgoPerf v0.6, models, scale full" in caption(board)
    assert to_json(board)["track"] == "model"
    other = algoperf_scoring.score(mixed.root, V06, track="algorithm")
    assert [entry.submission for entry in other.entries] == ["nadamw_jax"]


def test_an_unknown_track_is_refused(mixed):
    with pytest.raises(UserError, match=r"Unknown track 'modle'.*Did you mean 'model'"):
        algoperf_scoring.score(mixed.root, V06, track="modle")
