"""Task files of campaigns before the real SkyPilot, without a cloud. Run by ci/skypilot_e2e.sh."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from algoperf.campaigns.engines import skypilot
from algoperf.campaigns.folder import Campaign
from algoperf.campaigns.site import SkyPilotSettings
from campaign_case import plan
from places import BASELINES, SUPPORT

PYTHON = os.environ.get("ALGOPERF_SKYPILOT", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="needs SkyPilot: run ci/skypilot_e2e.sh")


def task_of(version: str) -> Path:
    """The task of a campaign's first run, with a store for data and records."""
    folder = Path(f"campaign_{version}")
    done = plan(folder, "--workloads", "ogbg", "--version", version, "--data-dir", "data",
                submissions=[Path("submissions/lion_jax")])  # fmt: skip
    assert done.exit_code == 0, done.output
    campaign, settings = Campaign(folder), SkyPilotSettings(bucket="s3://mine", clouds=("aws", "gcp"))
    file = Path(f"{version}.yaml")
    file.write_text(skypilot.task_text(campaign, settings, campaign.manifest.runs[0], f"algoperf-{version}"))
    return file


def with_change(file: Path, old: str, new: str) -> Path:
    """The same task with a mistake: it must be seen, or this test sees nothing."""
    text = file.read_text()
    assert old in text
    changed = file.with_name(f"{new.strip().replace('/', '_').replace(':', '_')}.yaml")
    changed.write_text(text.replace(old, new))
    return changed


def test_skypilot_takes_the_tasks_and_finds_machines_for_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(BASELINES / "lion_jax", tmp_path / "submissions" / "lion_jax")
    older, newer = task_of("v0.6"), task_of("v1.0")
    wrong = [with_change(older, "resources:", "resource:"), with_change(older, "s3://mine\n", "s3://mine/below\n"),
             with_change(older, "V100:8", "V100:3")]  # fmt: skip
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [PYTHON, str(SUPPORT / "sky_judge.py"), *map(str, (older, newer, *wrong))],
        env={**os.environ, "HOME": str(home), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"}, check=False,
        capture_output=True, text=True, timeout=280,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout[done.stdout.rindex("[{") :])
    stores = ["/algoperf/bucket", "/algoperf/data/ogbg_molpcba/full"]
    same = {"spot": True, "stores": stores}
    assert answers[:2] == [
        {"name": "algoperf-v0.6", "cloud": "GCP", "accelerators": {"V100": 8}, "dollars_per_hour": 6.72, **same},
        {"name": "algoperf-v1.0", "cloud": "AWS", "accelerators": {"A100": 4}, "dollars_per_hour": 4.9, **same},
    ]
    assert "did you mean 'resources'" in answers[2]["error"]
    assert "specify only the bucket name" in answers[3]["error"]
    assert "ResourcesUnavailableError" in answers[4]["error"]
