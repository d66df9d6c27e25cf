"""Only the parent writes records: what it makes of messages, those that nobody of the harness sent included."""

import json
import math
from pathlib import Path

import pytest

from algoperf.records.csv_file import CsvFile
from algoperf.records.layout import EVAL_FILE, MEASUREMENTS_FILE, STATUS_FILE
from algoperf.trial.recorder import Recorder
from algoperf.trial.referee import Referee

METRICS = {"validation/accuracy": 0.5, "validation/loss": math.nan}
SECONDS = {"submission": 1.0, "evaluation": 2.0, "logging": 3.0}


class Told:
    """A recorder, and what it answers to messages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.referee = Referee(folder)
        self.recorder = Recorder(folder, self.referee, lambda: {"shared": False})
        self.at = 0.0

    def __call__(self, kind, **content) -> dict:
        self.at += 1.0
        return self.recorder.hear(json.loads(json.dumps({"kind": kind, **content})), self.at)

    def evaluation(self, step: int) -> dict:
        for kind in ("evaluation", "evaluated", "saving"):
            self(kind, global_step=step, **({"metrics": METRICS, "seconds": SECONDS} if kind == "evaluated" else {}))
        answer = self("record", global_step=step, preemption_count=0)
        self("clock", global_step=step)
        return answer

    def status(self, label: str, **content) -> dict:
        return self("status", content={"status": label, "finished": False, "message": "", **content})

    def rows(self, name: str = EVAL_FILE) -> list[dict[str, str]]:
        return CsvFile.read(self.folder / name)


@pytest.fixture
def told(tmp_path) -> Told:
    made = Told(tmp_path)
    made("clock", global_step=0)
    return made


def test_rows_are_made_from_what_was_told_when_the_evaluation_ended(told):
    assert told.evaluation(4) == {}
    told("logged", row={"global_step": 5, "preemption_count": 0, "grad_norm": 0.1})
    assert [(row["global_step"], row["validation/accuracy"]) for row in told.rows()] == [("4", "0.5")]
    assert told.rows()[0]["validation/loss"] == "nan"
    assert [row["global_step"] for row in told.rows(MEASUREMENTS_FILE)] == ["4", "5"]
    assert told.referee.problems == []


def test_status_has_what_the_parent_knows(told):
    assert told.status("running", machine=None, referee=False) == {}
    found = json.loads((told.folder / STATUS_FILE).read_text())
    assert (found["machine"], found["referee"]) == ({"shared": False}, True)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("record", {"global_step": 9, "preemption_count": 0}),
        ("record", {"global_step": 4, "preemption_count": 0}),
        ("record", {}),
        ("logged", {"row": {"global_step": 5, "preemption_count": 0, "a": {}}}),
        ("logged", {"row": 7}),
        ("status", {"content": {"status": "best"}}),
        ("status", {"content": []}),
        ("start", {"preemption_count": "../../0", "hyperparameters": None, "meta_data": {}, "flags": {}}),
        ("start", {"preemption_count": 0, "hyperparameters": 3, "meta_data": {}, "flags": {}}),
        ("resumed", {"global_step": 4, "preemption_count": 0, "evaluations": [[1, 2, 3]]}),
        ("evaluated", {"global_step": 6, "metrics": 5, "seconds": SECONDS}),
        ("evaluated", {"global_step": 6, "metrics": METRICS, "seconds": {}}),
    ],
)
def test_forged_messages_write_nothing_and_are_noted(told, kind, content):
    told.evaluation(4)
    before = {path.name: path.read_bytes() for path in told.folder.iterdir()}
    told("evaluation", global_step=6)
    answer = told(kind, **content)
    assert {path.name: path.read_bytes() for path in told.folder.iterdir()} == before
    assert len(told.referee.problems) == 1
    assert kind in told.referee.problems[0] or "had begun" in told.referee.problems[0]
    assert answer == {} or "refuses" in answer["error"]


def test_nothing_is_recorded_after_the_end(told):
    told.evaluation(4)
    told.status("max_steps_reached", finished=True, global_step=4)
    told("closing")
    told.status("target_reached")
    told("logged", row={"global_step": 4, "preemption_count": 0, "score": 0.1})
    assert json.loads((told.folder / STATUS_FILE).read_text())["status"] == "max_steps_reached"
    assert len(told.rows(MEASUREMENTS_FILE)) == 2, "the evaluation and the end"
    assert float(told.rows(MEASUREMENTS_FILE)[-1]["score"]) == told.referee.seconds["submission"]
    assert [problem.partition(" came")[0] for problem in told.referee.problems] == [
        "a message 'status'", "a message 'logged'",
    ]  # fmt: skip


@pytest.mark.parametrize("name", [EVAL_FILE, STATUS_FILE])
@pytest.mark.parametrize("how", [lambda file: file.write_text("other"), Path.unlink], ids=["rewritten", "removed"])
def test_what_others_change_is_put_back(told, name, how):
    told.evaluation(4)
    told.status("running")
    before = (told.folder / name).read_bytes()
    how(told.folder / name)
    told.recorder.close()
    assert (told.folder / name).read_bytes() == before
    assert [problem.partition(" was")[0] for problem in told.referee.problems] == [name]


def test_rows_of_the_submission_that_others_change_are_noted(told):
    told("logged", row={"global_step": 1, "preemption_count": 0, "grad_norm": 0.1})
    with (told.folder / MEASUREMENTS_FILE).open("a") as file:
        file.write("2,0.2,0\n")
    told.recorder.close()
    assert told.referee.problems[0].startswith(MEASUREMENTS_FILE)


def test_a_row_that_cannot_be_written_is_said_at_the_next_request(told):
    (told.folder / MEASUREMENTS_FILE).mkdir()
    told("logged", row={"global_step": 1, "preemption_count": 0, "grad_norm": 0.1})
    assert "error" in told.status("running")
    assert told.status("running") == {}
