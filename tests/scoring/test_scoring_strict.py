from __future__ import annotations

from pathlib import Path

import pytest

import algoperf_scoring
from algoperf.errors import UserError
from algoperf.versions import Version, load_version

V06 = load_version("v0.6")
EVIDENCE = ("measurements.csv", "meta_data_0.json", "flags_0.json")


def complete(runs, version: Version = V06, submission: str = "a") -> Path:
    """A complete self-tuning result."""
    runs.version = version
    for workload in (*version.scored, *version.held_out.values()):
        for study in range(version.num_studies):
            folder = runs.reaching(submission, workload, 10, study=study)
            for name in EVIDENCE:
                (folder / name).write_text("{}")
    return runs.root / submission


def strict(runs, version: Version = V06, ruleset: str = "self") -> None:
    algoperf_scoring.score(runs.root, version, ruleset, strict=True)


@pytest.mark.parametrize("name", ["v0.5", "v0.6", "v1.0"])
def test_a_complete_result_passes(runs, name: str):
    version = load_version(name)
    complete(runs, version)
    strict(runs, version)


def remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda a: remove(a / "study_1" / "wmt_jax"), "a: wmt_jax has 2 studies instead of 3"),
        (lambda a: remove(a / "study_1" / "wmt_jax" / "trial_1"), "wmt_jax has 2 studies instead of 3"),
        (lambda a: (a / "study_0/wmt_jax/trial_1/flags_0.json").unlink(), "trial_1 has no flags_0.json"),
        (lambda a: (a / "study_0/wmt_jax/trial_1/eval_measurements.csv").write_text(""), "is empty"),
        (
            lambda a: (a / "study_0/wmt_jax/trial_1/status.json").write_text(
                '{"finished": false, "status": "running"}'
            ),
            "its status is running",
        ),
        (
            lambda a: (a / "study_0/wmt_jax/trial_1/status.json").write_text(
                '{"finished": true, "status": "budget_spent", "referee": false}'
            ),
            "had no parent that measured its times",
        ),
    ],
)
def test_each_gap_is_named(runs, spoil, said: str):
    spoil(complete(runs))
    with pytest.raises(UserError, match=said):
        strict(runs)


def test_an_additional_study_and_a_missing_workload_are_named_together(runs):
    folder = complete(runs)
    runs.reaching("a", "ogbg", 5, study=3)
    for study in range(3):
        remove(folder / f"study_{study}" / "fastmri_jax")
    with pytest.raises(UserError) as error:
        strict(runs)
    assert "ogbg_jax has 4 studies instead of 3" in str(error.value)
    assert "fastmri_jax has 0 studies instead of 3" in str(error.value)
    assert "without --strict" in str(error.value)


def test_external_tuning_asks_for_five_trials_with_hyperparameters(runs):
    complete(runs)
    with pytest.raises(UserError) as error:
        strict(runs, ruleset="external")
    assert "has 1 trial in study 0 instead of 5" in str(error.value)
    assert "trial_1 has no hparams.json" in str(error.value)


def test_held_out_variants_are_asked_for_under_v05(runs):
    folder = complete(runs, load_version("v0.5"))
    for study in range(5):
        remove(folder / f"study_{study}" / "wmt_glu_tanh_jax")
    with pytest.raises(UserError, match="wmt_glu_tanh_jax has 0 studies instead of 5"):
        strict(runs, load_version("v0.5"))


def test_development_runs_are_never_official(runs):
    runs.reaching("a", "digits", 1, status={"ruleset": "self"})
    with pytest.raises(UserError, match="1 workload present"):
        strict(runs)
