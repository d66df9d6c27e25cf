"""A campaign whose runs are containers, from the plan to records that were verified. Run by ci/container_e2e.sh."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from algoperf.records.status import read_status
from places import BASELINES

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.skipif("ALGOPERF_MLCUBE" not in os.environ, reason="needs a container engine: run ci/container_e2e.sh"),
]


def algoperf(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "algoperf", *map(str, words)], capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_runs_in_containers_end_and_are_verified(tmp_path: Path):
    campaign, data, raw = tmp_path / "campaign", tmp_path / "data", tmp_path / "raw"
    algoperf("download", "--workload", "digits", "--raw-dir", raw)
    algoperf("preprocess", "--workload", "digits", "--raw-dir", raw, "--data-dir", data)
    submissions = ",".join(str(BASELINES / f"nadamw_{framework}") for framework in ("jax", "pytorch"))
    algoperf(
        "campaign", "plan", "--submissions", submissions, "--workloads", "digits", "--studies", 1,
        "--launcher", "docker", "--raw-dir", raw, "--data-dir", data, "--output", campaign,
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
