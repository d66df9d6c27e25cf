"""What evaluations may take, and what is charged for longer ones."""

import json

import pytest

from algoperf.records.allowance import APART_BASE_SEC, APART_SEC, BASE_SEC, BYTES_PER_SEC, FACTOR, charges, excess_sec
from algoperf.records.layout import REFEREE_FILE, STATUS_FILE

CLEAN = 10.0
PARENT_STOPPED = [{"parent_stopped_sec": 400.0}]
PARENT_STOPPED = [{"parent_stopped_sec": 400.0}]
MACHINE = {"shared": False, "stopped_sec": 0.0, "sessions": [{"parent_stopped_sec": 0.0}]}


@pytest.mark.parametrize(
    ("durations", "expected"),
    [
        ([], []),
        ([CLEAN] * 3, [0, 0, 0]),
        ([BASE_SEC + FACTOR * CLEAN], [0]),
        ([BASE_SEC + FACTOR * CLEAN + 1, CLEAN], [1, 1]),
        ([CLEAN, 500.0, CLEAN, 500.0], [0, 350, 350, 760]),
        ([1000.0, *[FACTOR * CLEAN + 1] * 2], [890, 891, 892]),
    ],
)
def test_evaluations_together_may_be_longer_than_clean_ones(durations, expected):
    assert excess_sec(durations, CLEAN) == pytest.approx(expected)


def test_time_in_which_nothing_could_run_is_not_charged():
    assert excess_sec([1000.0], CLEAN, paused_sec=900.0) == [0]


def test_writing_checkpoints_may_take_time_too():
    durations = [BASE_SEC + FACTOR * CLEAN + 100, CLEAN]
    assert excess_sec(durations, CLEAN, saved_bytes=[int(100 * BYTES_PER_SEC), 0]) == [0, 0]
    assert excess_sec(durations, CLEAN, saved_bytes=[int(40 * BYTES_PER_SEC)]) == [60, 60]


def test_evaluations_apart_may_be_longer_by_little_than_the_trial_stood_still():
    stood = [100.0, 100.0]
    allowed = [100.0 + APART_SEC + APART_BASE_SEC, 100.0 + APART_SEC]
    assert excess_sec(allowed, CLEAN, stood_sec=stood) == [0, 0]
    assert excess_sec([sec + 3 for sec in allowed], CLEAN, stood_sec=stood) == [3, 6]
    assert excess_sec([200.0, 200.0], CLEAN, stood_sec=[100.0, 0.0]) == [200 - 100 - APART_SEC - BASE_SEC, 189]


def write(folder, account: dict, machine: dict | None) -> None:
    (folder / REFEREE_FILE).write_text(json.dumps(account))
    (folder / STATUS_FILE).write_text(json.dumps({"machine": machine}))


def account(*durations: float, clean_sec: float | None = CLEAN) -> dict:
    found = [{"global_step": 10 * count, "evaluation_sec": sec} for count, sec in enumerate(durations, start=1)]
    return {"clean_sec": clean_sec, "evaluations": found}


def test_an_evaluation_is_charged_for_those_before_it(tmp_path):
    write(tmp_path, account(500.0, CLEAN, CLEAN), MACHINE)
    assert charges(tmp_path) == {20: 390, 30: 390}


@pytest.mark.parametrize(
    ("found", "machine"),
    [
        pytest.param({}, MACHINE, id="no referee"),
        pytest.param(account(500.0, CLEAN, clean_sec=None), MACHINE, id="not verified"),
        pytest.param({"clean_sec": CLEAN, "evaluations": "nonsense"}, MACHINE, id="damaged"),
        pytest.param({"clean_sec": CLEAN, "evaluations": [3, {}]}, MACHINE, id="damaged evaluations"),
        pytest.param(account(500.0, CLEAN), None, id="no machine"),
        pytest.param(account(500.0, CLEAN), {**MACHINE, "shared": True}, id="shared"),
        pytest.param(account(500.0, CLEAN), {**MACHINE, "stopped_sec": 400.0}, id="stopped"),
        pytest.param(
            account(500.0, CLEAN), {**MACHINE, "sessions": [{"parent_stopped_sec": 400.0}]}, id="parent stopped"
        ),
        pytest.param(account(CLEAN, 500.0), MACHINE, id="the last one"),
    ],
)
def test_nothing_is_charged_where_nothing_is_known_or_follows(tmp_path, found, machine):
    write(tmp_path, found, machine)
    assert charges(tmp_path) == {}


def test_logs_without_a_referee_are_left_alone(tmp_path):
    assert charges(tmp_path) == {}


# --- evaluations apart --------------------------------------------------------------------------------------------


def apart(*evaluations: tuple[float, float, float]) -> dict:
    """An account; of each evaluation seconds in all, seconds in which the trial stood still, and seconds of logging."""
    found = [
        {"global_step": 10 * count, "evaluation_sec": sec, "stood_sec": stood, "logging_sec": logging}
        for count, (sec, stood, logging) in enumerate(evaluations, start=1)
    ]
    return {"evaluation": "apart", "evaluations": found}


@pytest.mark.parametrize(
    ("evaluations", "expected"),
    [
        pytest.param([(1001.0, 1000.0, 0.0)] * 3, {}, id="long clean ones"),
        pytest.param([(115.0, 100.0, 0.0), (100.0, 100.0, 0.0)], {10: 4, 20: 4}, id="before a snapshot"),
        pytest.param([(100.0, 100.0, 15.0), (100.0, 100.0, 0.0)], {20: 3}, id="after a snapshot"),
    ],
)
def test_apart_work_before_a_snapshot_counts_at_once(tmp_path, evaluations, expected):
    write(tmp_path, apart(*evaluations), MACHINE)
    assert charges(tmp_path) == pytest.approx(expected)


def test_apart_stopping_the_parent_allows_nothing_more(tmp_path):
    write(tmp_path, apart((115.0, 100.0, 0.0)), {**MACHINE, "stopped_sec": 400.0, "sessions": PARENT_STOPPED})
    assert charges(tmp_path) == pytest.approx({10: 4})
