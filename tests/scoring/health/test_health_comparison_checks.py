"""Every check of runs against each other."""

from __future__ import annotations

import json
import shutil

import pytest

from algoperf.errors import UserError
from algoperf_scoring.health import render
from health_runs import SPACE, found, summary, told


def status(**values):
    return lambda records: records.status.update(values)


@pytest.mark.parametrize(
    ("change", "expected", "evidence"),
    [
        (
            status(dataset={"hash": "d2"}),
            {"dataset-hash": "fail"},
            "hash of the data of mnist at scale full: d2, not d1",
        ),
        (status(submission_hash="s2"), {"submission-hash": "fail"}, "hash of mine for jax: s2, not s1"),
        (status(versions={"python": "3.12.1", "jax": "0.10.2"}), {"versions": "warn"}, "python 3.12.1, not 3.11.10"),
        (status(versions={"jax": "0.9"}), {"versions": "warn"}, "jax 0.9, not 0.10.2"),
        (lambda r: r.meta.update(git_commit_hash="c2"), {"versions": "warn"}, "commit of the harness c2, not c1"),
        (
            status(hardware={"cpu_model_name": "another", "cpu_count": 8, "devices": ["cuda:A100"]}),
            {"hardware": "warn"},
            "processor another, not a processor; devices of jax: 1x cuda:A100, not 2x cuda:A100",
        ),
        (status(trial_seed=1001), {"seeds": "fail"}, "seed 1001 in studies 1, 3 of mnist"),
        (status(version="v0.5"), {"one-kind": "fail"}, "run under v0.5, checked under v0.6"),
    ],
)
def test_a_run_that_deviates_from_the_others_is_told(folder, change, expected, evidence):
    folder.run()
    folder.run(study=2)
    folder.run(change, study=3)
    health = folder.check()
    assert found(health) == expected
    (check_id,) = expected
    assert evidence in told(health, check_id)
    counts = summary(health, check_id).counts
    assert counts["pass"] + counts[expected[check_id]] == 3


def test_runs_that_deviate_alike_are_told_together(folder):
    for study in range(1, 6):
        folder.run(status(dataset={"hash": "d1" if study < 4 else "d2"}), study=study)
    (outcome,) = summary(folder.check(), "dataset-hash").outcomes
    assert outcome.path == "mine/study_4/mnist_jax/trial_1"
    assert outcome.num_runs == 2
    assert outcome.evidence.startswith("2 runs (of 5), the first at this path: ")


def test_frameworks_have_versions_and_devices_of_their_own(folder):
    folder.run()
    versions = {"python": "3.11.10", "algoperf": "0.1.0", "torch": "2.13.0"}
    hardware = {"cpu_model_name": "a processor", "cpu_count": 8, "devices": ["cuda:NVIDIA A100"] * 2}
    folder.run(status(versions=versions, hardware=hardware, submission_hash="s2"), framework="pytorch")
    assert found(folder.check()) == {}


def test_published_meta_data_tells_hardware_too(folder):
    for study, gpu in ((0, "Tesla V100-SXM2-16GB"), (1, "Tesla V100-SXM2-16GB"), (2, "NVIDIA A100")):
        published = {"gpu_model_name": gpu, "gpu_count": 8, "cpu_model_name": "x", "cpu_count": 96}
        path = folder.run(lambda r, new=published: r.meta.update(new), study=study)
        (path / "status.json").unlink()
    assert "devices of jax: NVIDIA A100, not Tesla V100-SXM2-16GB" in told(folder.check(), "hardware")


def test_scales_are_not_mixed(folder):
    folder.run()
    folder.run(study=2)
    folder.run(status(scale="mini"), study=3)
    assert "scale mini, not full" in told(folder.check(), "one-kind")


def test_tracks_are_not_mixed(folder):
    folder.run()
    folder.run(study=2)
    folder.run(status(track="model"), study=3)
    assert "track model, not algorithm" in told(folder.check(), "one-kind")
    assert folder.check(track="model").num_runs == 1


def test_rulesets_are_not_mixed(folder):
    folder.run()
    folder.run(study=2)

    def change(records):
        records.status.update(ruleset="self", budget_sec=90.0, hyperparameters=None)
        records.hparams = records.flags["search_space"] = None

    folder.run(change, study=3)
    health = folder.check()
    assert found(health) == {"one-kind": "fail"}
    assert "ruleset self, not external" in told(health, "one-kind")
    assert "Check one kind at a time, with --scale, --ruleset or --track" in told(health, "one-kind")


def test_runs_of_one_kind_can_be_chosen(folder):
    folder.run()
    folder.run(status(scale="mini"), study=2)
    folder.run(status(ruleset="self", budget_sec=90.0), study=3)
    chosen = {"scale": "full", "ruleset": "external"}
    health = folder.check(**chosen)
    assert (health.num_runs, health.num_left_out, found(health)) == (1, 2, {})
    assert "(2 of another scale or ruleset left out)" in render(health)
    assert folder.check(scale="mini").num_runs == 1
    with pytest.raises(UserError, match="No runs of scale mini and ruleset self"):
        folder.check(scale="mini", ruleset="self")


# --- copies -----------------------------------------------------------------------------------------------


def test_a_copy_of_a_run_fails_wherever_it_lies(folder):
    original = folder.run()
    folder.run(study=2)
    for name, study in (("mine", 3), ("other", 1)):
        shutil.copytree(original.parent, folder.root / name / f"study_{study}" / original.parent.name)
    health = folder.check()
    assert summary(health, "copies").counts == {"fail": 2, "warn": 0, "pass": 2, "not_checked": 0}
    for path in ("mine/study_3", "other/study_1"):
        assert (
            f"{path}/mnist_jax/trial_1: a copy, or part of one: its times are those of mine/study_1/mnist_jax/trial_1"
            in told(health, "copies")
        )


# --- seeds ------------------------------------------------------------------------------------------------


def test_one_seed_for_two_trials_of_a_study_fails(folder):
    folder.run(status(trial_seed=7))
    folder.run(status(trial_seed=7), trial=2)
    assert "seed 7 in 2 trials of study 1 of mnist" in told(folder.check(), "seeds")


def test_published_trials_of_a_study_share_a_seed_and_studies_do_not(folder):
    def published(seed, **place):
        path = folder.run(lambda records: records.meta.update(rng_seed=seed), **place)
        (path / "status.json").unlink()

    published(-5, trial=1)
    published(-5, trial=2)
    assert summary(folder.check(), "seeds").level == "pass"
    published(-5, study=2)
    assert summary(folder.check(), "seeds").level == "fail"


def test_one_seed_for_two_workloads_warns(folder):
    folder.run(status(trial_seed=7))
    folder.run(status(trial_seed=7), workload="cifar")
    check = summary(folder.check(), "seeds")
    assert (check.level, check.counts["warn"]) == ("warn", 2)


def test_submissions_may_share_a_seed(folder):
    folder.run(status(trial_seed=7))
    folder.run(status(trial_seed=7), submission="other")
    assert found(folder.check()) == {}


# --- points -----------------------------------------------------------------------------------------------


def test_a_point_that_is_repeated_within_a_study_warns(folder):
    folder.run(lambda records: records.point(learning_rate=0.01, dropout=0.0))
    folder.run(lambda records: records.point(learning_rate=0.01, dropout=0.0), trial=2)
    health = folder.check()
    assert found(health) == {"points-distinct": "warn"}
    assert told(health, "points-distinct") == "mine/study_1/mnist_jax/trial_2: the point of trial 1 again"


def test_a_point_that_differs_on_one_workload_warns(folder):
    for workload in ("mnist", "cifar", "digits"):
        rate = 0.02 if workload == "cifar" else 0.01
        folder.run(lambda records, rate=rate: records.point(learning_rate=rate, dropout=0.0), workload=workload)
    assert told(folder.check(), "points-alike").startswith("mine/study_1/cifar_jax/trial_1: another point than 2 of 3")


def test_another_search_space_for_one_run_fails(folder):
    folder.run()
    folder.run(study=2)
    folder.run(lambda records: records.flags["search_space"].update(extra={"feasible_points": [1]}), study=3)
    assert summary(folder.check(), "search-space").level == "fail"


def test_a_list_with_too_few_points_warns(folder):
    folder.run(lambda records: records.flags.update(search_space=[records.hparams]))
    health = folder.check()
    assert found(health) == {"search-space": "warn"}
    assert "lists 1 point, the version asks for 5" in told(health, "search-space")


@pytest.fixture
def published(folder, tmp_path):
    """A run that does not tell its search space, and a folder with that of its submission."""
    folder.run(lambda records: records.flags.clear())
    own = tmp_path / "submissions" / "external_tuning" / "mine"
    own.mkdir(parents=True)
    file = own / "tuning_search_space.json"
    file.write_text(json.dumps(SPACE))
    return file


def test_the_search_space_of_the_submission_stands_in(folder, published, tmp_path):
    assert summary(folder.check(), "points-in-space").level == "not_checked"
    given = {"submissions_dirs": [tmp_path / "submissions"]}
    assert summary(folder.check(**given), "points-in-space").level == "pass"
    published.write_text(json.dumps([{"learning_rate": 0.5, "dropout": 0.1}] * 5))
    assert "none of the 5 listed points" in told(folder.check(**given), "points-in-space")


@pytest.mark.parametrize("content", ["{", "3", '{"a": 1}', '{"a": {"min": "x", "max": 1, "scaling": "log"}}'])
def test_a_damaged_search_space_is_a_reason_and_no_end(folder, published, tmp_path, content):
    published.write_text(content)
    check = summary(folder.check(submissions_dirs=[tmp_path / "submissions"]), "points-in-space")
    assert check.level == "not_checked"
    assert "cannot be used" in next(iter(check.not_checked))


def test_a_recorded_search_space_that_is_not_the_submissions_fails(folder, published, tmp_path):
    folder.run(lambda records: records.flags["search_space"]["dropout"].update(feasible_points=[0.1]), study=2)
    published.write_text(json.dumps({**SPACE, "dropout": {"feasible_points": [0.0, 0.1, 0.2]}}))
    assert summary(folder.check(submissions_dirs=[tmp_path / "submissions"]), "search-space").level == "fail"


# --- numbers of runs --------------------------------------------------------------------------------------


def test_missing_and_superfluous_runs_of_a_scored_workload(folder):
    for study in (1, 2, 3):
        for trial in range(1, 6):
            folder.run(study=study, trial=trial, workload="ogbg")
    health = folder.check()
    check = summary(health, "complete")
    assert check.counts["pass"] == 15
    assert told(health, "complete") == (
        "mine: no run of criteo1tb, fastmri, imagenet_resnet, imagenet_vit, librispeech_conformer, "
        "librispeech_deepspeech, wmt"
    )
    folder.run(study=4, workload="ogbg")
    assert "4 studies instead of 3; of 5 trials study 4 has 1" in told(folder.check(), "complete")
    folder.run(study=3, trial=6, workload="ogbg")
    assert summary(folder.check(), "complete").level == "fail"
    assert "study 3 has 6" in told(folder.check(), "complete")


def test_folders_that_are_no_runs_are_listed(folder):
    folder.run()
    (folder.root / "mine" / "study_1" / "notes").mkdir()
    (folder.root / "mine" / "study_1" / "nothing_jax").mkdir()
    health = folder.check()
    assert found(health) == {"folders": "warn"}
    assert "mine/study_1/notes: ignored" in told(health, "folders")
    assert "no workload 'nothing'" in told(health, "folders")
