"""A campaign whose runs are containers, from the plan to records that were verified. Run by ci/container_e2e.sh."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from algoperf.records.status import read_status
from campaign_case import PATIENCE_SEC, Case, plan, wait_until
from places import BASELINES, SUPPORT, TEST_SUBMISSIONS

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif("ALGOPERF_MLCUBE" not in os.environ, reason="needs a container engine: run ci/container_e2e.sh"),
]

MODELS = SUPPORT / "models"


def algoperf(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "algoperf", *map(str, words)], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Options that say where the data are."""
    folder = tmp_path_factory.mktemp("digits")
    raw, data = ["--raw-dir", folder / "raw"], ["--data-dir", folder / "data"]
    algoperf("download", "--workload", "digits", *raw)
    algoperf("preprocess", "--workload", "digits", *raw, *data)
    return [*raw, *data]


@pytest.mark.parametrize("launcher", ["docker", "mlcube"])
def test_runs_in_containers_end_and_are_verified(tmp_path: Path, places, launcher):
    campaign = tmp_path / "campaign"
    submissions = ",".join(str(BASELINES / f"nadamw_{framework}") for framework in ("jax", "pytorch"))
    algoperf(
        "campaign", "plan", "--submissions", submissions, "--workloads", "digits", "--studies", 1,
        "--launcher", launcher, *places, "--output", campaign,
    )  # fmt: skip
    assert "2 of 2 runs ended by the rules" in algoperf("campaign", "run", campaign)
    assert len(list(campaign.glob("jobs/**/DONE"))) == 2
    trials = sorted(path.parent for path in campaign.glob("runs/*/study_1/*/trial_1/status.json"))
    assert len(trials) == 2
    for trial in trials:
        status = read_status(trial)
        assert status is not None
        assert status["status"] == "target_reached"
        assert json.loads((trial / "referee.json").read_text())["problems"] == []
        (verified,) = json.loads((trial / "evaluation.json").read_text())["checkpoints"]
        assert (verified["checkpoint"], verified["mismatches"]) == (f"checkpoint_{status['global_step']}", [])


def test_submitted_models_run_in_containers(tmp_path: Path, places):
    campaign = tmp_path / "campaign"
    algoperf(
        "campaign", "plan", "--track", "model", "--submissions", MODELS / "two_layers", "--workloads", "digits",
        "--framework", "pytorch", "--studies", 2, "--launcher", "docker", *places, "--output", campaign,
    )  # fmt: skip
    assert "2 of 2 runs ended by the rules" in algoperf("campaign", "run", campaign)
    trials = sorted(path.parent for path in campaign.glob("runs/two_layers/study_*/digits_pytorch/trial_1/status.json"))
    assert len(trials) == 2
    for trial in trials:
        status = read_status(trial)
        assert status is not None
        assert (status["track"], status["status"]) == ("model", "target_reached")
        (verified,) = json.loads((trial / "evaluation.json").read_text())["checkpoints"]
        assert verified["mismatches"] == []


@pytest.mark.parametrize("launcher", ["docker", "mlcube"])
def test_a_run_in_a_container_that_is_asked_to_stop_goes_on_from_its_checkpoint(tmp_path: Path, places, launcher):
    made = plan(
        tmp_path, "--workloads", "digits", "--studies", "1", "--launcher", launcher, *map(str, places),
        "--max-global-steps", "200", "--eval-every-steps", "10",
        submissions=[TEST_SUBMISSIONS / "broken" / "turned_sign.py"],  # never reaches its target
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    case, run = Case(tmp_path), "turned_sign/study_1/digits_pytorch/trial_1"
    process = case.begin()
    wait_until(lambda: case.evaluations(run), "the first evaluation")
    process.terminate()
    assert process.wait(timeout=PATIENCE_SEC) == 130
    (attempt,) = case.attempts(run)
    assert (attempt["exit_code"], attempt["asked_to_stop"]) == (130, True), attempt
    name = f"name=algoperf-{case.campaign.manifest.campaign}"
    left = subprocess.run(["docker", "ps", "-aq", "--filter", name], capture_output=True, text=True, check=True)
    assert left.stdout == ""
    done = case.call("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert case.evaluations(run) == list(range(10, 201, 10))
    assert len(case.attempts(run)) == 2
