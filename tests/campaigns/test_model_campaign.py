"""A campaign of the model track: planned, run, scored; code that changed and mixtures of tracks are refused."""

from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from algoperf.campaigns import mlcube
from algoperf.campaigns.containers import Box
from algoperf.campaigns.folder import MANIFEST, Campaign
from algoperf.campaigns.manifest import read_manifest
from algoperf.cli import cli
from algoperf.errors import UserError
from campaign_case import Case, plan
from places import BASELINES, SUPPORT

TWO_LAYERS = SUPPORT / "models" / "two_layers"
MODELS = ["--track", "model", "--framework", "pytorch", "--workloads", "digits", "--studies", "1"]


@pytest.fixture
def model(tmp_path):
    """A copy of two_layers, in which the test may write."""
    shutil.copytree(TWO_LAYERS, tmp_path / "two_layers")
    return tmp_path / "two_layers"


def test_models_are_planned_run_and_scored_beside_the_published_one(model, tmp_path, data_root):
    folder = tmp_path / "campaign"
    options = [*MODELS, "--data-dir", str(data_root), "--max-global-steps", "4"]
    done = plan(folder, *options, submissions=[model, "published"])
    assert done.exit_code == 0, done.output
    manifest = read_manifest(folder / MANIFEST)
    assert manifest.track == "model"
    assert set(manifest.submissions["two_layers"]["files"]) == {
        "model model_torch.py", "model layers.py", "submission.py",
    }  # fmt: skip
    assert (manifest.submissions["published"]["path"], list(manifest.submissions["published"]["files"])) == (
        "published", ["submission.py"],
    )  # fmt: skip
    case = Case(folder)
    done = case.call("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(case.phases().values()) == {"finished"}
    found = [json.loads(path.read_text()) for path in sorted((folder / "runs").rglob("status.json"))]
    assert [(status["submission"], status["track"]) for status in found] == [
        ("published", "model"), ("two_layers", "model"),
    ]  # fmt: skip
    scored = CliRunner().invoke(cli, ["score", str(folder / "runs"), "--workloads", "digits"])
    assert scored.exit_code == 0, scored.output
    assert "two_layers" in scored.output
    assert "published" in scored.output


def test_a_model_that_was_changed_is_refused(model, tmp_path, data_root):
    folder = tmp_path / "campaign"
    assert plan(folder, *MODELS, "--data-dir", str(data_root), submissions=[model]).exit_code == 0
    (model / "layers.py").write_text("WIDTH = 65\n")
    done = Case(folder).call("run")
    assert done.returncode == 2
    assert "model layers.py" in done.stdout
    assert not list(folder.glob("runs/*"))


@pytest.mark.parametrize(
    ("submissions", "options", "message"),
    [
        ([TWO_LAYERS], ["--workloads", "digits"], "models are the model track's"),
        ([BASELINES / "momentum_pytorch"], MODELS, "has no model_jax.py or model_torch.py"),
        ([TWO_LAYERS], [*MODELS[:2], *MODELS[4:]], "Say --framework jax or --framework pytorch"),
        (["published"], [*MODELS[:2], *MODELS[4:]], "Say --framework jax or --framework pytorch"),
        ([TWO_LAYERS], [*MODELS, "--ruleset", "external"], "The model track has no search spaces"),
    ],
)
def test_what_does_not_go_together_is_refused(tmp_path, submissions, options, message):
    done = plan(tmp_path / "campaign", *options, submissions=submissions)
    assert isinstance(done.exception, UserError)
    assert message in str(done.exception)
    assert not (tmp_path / "campaign").exists()


def test_the_ladder_climbs_for_models_too(tmp_path):
    done = plan(tmp_path, *MODELS[:4], "--workloads", "mnist,cifar", "--ladder", "--qualification", "mnist",
                submissions=[TWO_LAYERS])  # fmt: skip
    assert done.exit_code == 0, done.output
    assert [step["step"] for step in read_manifest(tmp_path / MANIFEST).ladder["steps"]] == [
        "mini", "qualification", "all",
    ]  # fmt: skip


def box(tmp_path, submission):
    records = tmp_path / "runs" / "two_layers" / "study_1"
    return Box(
        engine="docker", name="one", image="algoperf-digits:cpu", data_dir=tmp_path / "data", submission=submission,
        records=records, runs_dir=tmp_path / "runs",
    )  # fmt: skip


def test_containers_are_given_the_model(tmp_path, monkeypatch):
    done = plan(tmp_path, *MODELS, submissions=[TWO_LAYERS, "published"])
    assert done.exit_code == 0, done.output
    two_layers, published = Campaign(tmp_path).manifest.runs
    words = box(tmp_path, TWO_LAYERS).command(two_layers.command)
    assert words[words.index("--model") + 1] == "/submissions/two_layers"
    assert f"--volume={TWO_LAYERS}:/submissions/two_layers:ro" in words
    words = box(tmp_path, None).command(published.command)
    assert words[words.index("--model") + 1] == "published"
    assert not [word for word in words if "/submissions" in word]
    monkeypatch.setenv("ALGOPERF_MLCUBE", "true")  # any program
    for run, submission, said in ((two_layers, TWO_LAYERS, "two_layers"), (published, None, "published")):
        mlcube.command(box(tmp_path, submission), tmp_path / "cubes", run.command, tmp_path / said)
        text = (tmp_path / said / "parameters" / "train.yaml").read_text()
        assert f"model: {said}\n" in text
        assert "submission" not in text
        copies = [path.name for path in (tmp_path / said / "submissions").iterdir()]
        assert copies == ([] if submission is None else [said])
