"""The Makefile: mistakes in a call, fan-out over workloads, studies and trials, and what failed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from places import GOLDENS

VENV = Path(sys.prefix)
pytestmark = pytest.mark.skipif(
    not (VENV / "bin" / "algoperf").exists(), reason="the project is not installed in a virtual environment"
)


@pytest.fixture
def make(repository, tmp_path):
    def call(*arguments, **settings):
        # -o: the environment is as it is
        command = ["make", "-o", f"{VENV}/ready-cpu", *arguments]
        places = {"VENV": str(VENV), "DATA": f"{tmp_path}/data", "RUNS": f"{tmp_path}/runs"}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **places, **settings}
        for inherited in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
            environment.pop(inherited, None)
        return subprocess.run(command, capture_output=True, text=True, cwd=repository, env=environment, check=False)

    return call


FEW_STEPS = "EXTRA=--max-global-steps 5"


def statuses(root):
    found = sorted(root.glob("runs/*/study_*/*/trial_*/status.json"))
    return {str(path.parent.relative_to(root / "runs")): json.loads(path.read_text()) for path in found}


def targets_and_variables(repository):
    makefile = (repository / "Makefile").read_text().splitlines()
    targets = [line.split(":")[0] for line in makefile if line[:1].isalpha() and "##" in line]
    variables = [line.split(" ?=")[0] for line in makefile if line[:1].isupper() and " ?=" in line]
    return targets, variables


def test_help_explains_every_target_and_variable(make, repository):
    text = make("help").stdout
    targets, variables = targets_and_variables(repository)
    assert len(targets) >= 8
    assert len(variables) >= 14
    for name in (*targets, *variables):
        assert f"  {name} " in text
    assert "$(" not in text, "a value that only make understands"


TRAIN = ("train", "SUBMISSION=submissions/template")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["train"], "Which submission? Say: make train SUBMISSION=submissions/template"),
        (["compare"], "Which submission? Say: make compare SUBMISSION="),
        (["new"], "Which name?"),
        (["leaderboard"], "Which runs?"),
        ([*TRAIN, "WORKLOAD=mnist"], "Unknown variable WORKLOAD. Did you mean WORKLOADS?"),
        ([*TRAIN, "STUDIES=100000000"], "'STUDIES': '100000000' is not a whole number from 1 to 1,000, such as 3."),
        ([*TRAIN, "studies=1"], "Unknown variable studies. Did you mean STUDIES?"),
        (["score", "SUBMISION=x"], "Unknown variable SUBMISION. Did you mean SUBMISSION?"),
        (["setup", "VENV=my venv"], "takes no spaces"),
        ([*TRAIN, "trian"], "Unknown target trian. Did you mean train? Allowed: baselines campaign"),
        (["Leaderbord", "LOGS=x"], "Unknown target Leaderbord. Did you mean leaderboard?"),
        (["tests"], "Unknown target tests. Did you mean test?"),
        (["qqq;touch {folder}/x"], "Unknown target qqq;touch. Allowed:"),
        (["smoke", TRAIN[1], "SCALE=full"], "`make smoke` does not use SCALE. It uses: ACCELERATOR DATA EXTRA"),
        (["smoke", TRAIN[1], "SCALE=full"], "Targets that use SCALE: train compare campaign status"),
        (["train", "SUBMISSIONS=x"], "`make train` does not use SUBMISSIONS. Did you mean SUBMISSION?"),
        (["status", "score", "SEED=1"], "`make status score` does not use SEED."),
        (["RUNS=x"], "`make help` does not use RUNS. It uses: no variables."),
        ([*TRAIN, "TRIALS=3"], "a study is one trial with RULESET=self. Give RULESET=external"),
        (["score", "AGAINST=x"], "AGAINST is not used: it says what SUBMISSION is compared with."),
        (["score", "RUNS="], "RUNS is empty. Leave it out for the default, or name a folder"),
        ([*TRAIN, "DATA= "], "DATA is empty."),
        (["leaderboard", "LOGS=x", "BOARD="], "BOARD is empty."),
        (
            ["campaign", "SUBMISSIONS=submissions/template", "ENGINE=slrum", "CAMPAIGN={folder}/x"],
            "Did you mean 'slurm'?",
        ),
        ([*TRAIN, "STUDIES=0"], "'STUDIES': '0' is not a whole number from 1"),
        ([*TRAIN, "STUDIES=-1"], "'STUDIES': '-1' is not"),
        ([*TRAIN, "STUDIES=abc"], "'STUDIES': 'abc' is not a whole number from 1 to 1,000, such as 3."),
        ([*TRAIN, "RULESET=external", "TRIALS=0"], "'TRIALS': '0' is not"),
        ([*TRAIN, "RULESET=external", "TRIALS=-1"], "'TRIALS': '-1' is not"),
        ([*TRAIN, "RULESET=external", "STUDIES=4"], 'EXTRA="--num-studies 4"'),
        ([*TRAIN, "WORKLOADS= , "], "Name at least one with WORKLOADS"),
        ([*TRAIN, "FRAMEWORK=torch"], "'FRAMEWORK': 'torch' is not one of 'jax', 'pytorch'. Did you mean 'pytorch'?"),
        ([*TRAIN, "FRAMEWORK=jax"], "FRAMEWORK=jax was given, but"),
        (["train", "SUBMISSION=submissions/templat"], "Did you mean 'submissions/template'?"),
        (["compare", TRAIN[1], "WITH=nadmw"], "Unknown baseline in pytorch 'nadmw'. Did you mean 'nadamw'?"),
        (["smoke", TRAIN[1], "WORKLOADS=digits,mnits"], "Did you mean 'mnist'?"),
        (["new", "NAME=my try"], "Try 'my_try'"),
        (["score", "SUBMISSION=my try", "RUNS=no runs"], "no runs"),
    ],
)
def test_a_mistake_is_said_in_words_of_make_before_anything_is_done(make, tmp_path, arguments, complaint):
    done = make(*(argument.replace("{folder}", str(tmp_path)) for argument in arguments))
    assert done.returncode == 2
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
    assert "--" not in done.stderr.replace('EXTRA="--num-studies 4"', "")
    assert list(tmp_path.iterdir()) == []


INDIRECTLY = {  # what dry runs do not show
    "baselines": {"DATA"},
    "check": {"MODEL"},
    "check-runs": {"MODEL"},
    "containers": {"ACCELERATOR", "PYTHON"},
    "leaderboard": {"MODEL"},
    "score": {"MODEL"},
}


def test_a_target_takes_the_variables_that_its_recipe_uses(make, repository):
    targets, variables = targets_and_variables(repository)
    marks = {name: f"value_of_{name.lower()}_" for name in variables} | {"PYTHON": "python3 -E"}  # make calls it, too
    foreign = {"leaderboard": "NAME=x"}
    for target in targets:
        refusal = make(target, foreign.get(target, "BOARD=x")).stderr
        taken = re.search(r"It uses: (.*?)\. Targets", refusal)[1].split()
        recipe = make("--dry-run", target, **marks).stdout
        used = {name for name, mark in marks.items() if mark in recipe} | INDIRECTLY.get(target, set())
        assert set(taken) - {"no", "variables"} == used, target


def test_targets_in_one_call_take_the_variables_of_each(make):
    done = make("--dry-run", *TRAIN, "score", "SEED=3", "AGAINST=other", f"DATA={TRAIN[1]}")
    assert done.returncode == 0, done.stderr
    assert "--seed '3'" in done.stdout
    assert "--against 'other'" in done.stdout


def test_a_missing_file_is_said_by_make(make, repository, tmp_path):
    """And is not taken for a target with a mistake in its name."""
    shutil.copy(repository / "Makefile", tmp_path)
    done = make("--directory", str(tmp_path), "setup", VENV=f"{tmp_path}/venv")
    assert done.returncode == 2
    assert "No rule to make target 'pyproject.toml', needed by" in done.stderr


def test_models_take_the_place_of_submissions(make):
    for target in ("train", "smoke", "compare"):
        command = make("--dry-run", target, "MODEL=submissions/models/mine").stdout
        assert "--model 'submissions/models/mine'" in command
        assert "--submission " not in command
    assert "--track 'model'" in make("--dry-run", "score", "MODEL=published").stdout
    assert "--track 'model' --framework 'jax'" in make(
        "--dry-run", "campaign", "SUBMISSIONS=submissions/models/mine", "TRACK=model", "FRAMEWORK=jax"
    ).stdout.replace("  ", " ")
    assert "--workload 'wmt'" in make("--dry-run", "new", "NAME=mine", "TRACK=model", "WORKLOADS=wmt").stdout
    assert "--workload" not in make("--dry-run", "new", "NAME=mine", "TRACK=model").stdout


def test_smoke_takes_every_workload_or_those_given(make):
    smoke = ("--dry-run", "smoke", TRAIN[1])
    assert "algoperf smoke --submission 'submissions/template'" in make(*smoke).stdout
    assert "--workloads" not in make(*smoke).stdout
    assert make(*smoke, "WORKLOADS=digits,mnist").stdout.rstrip().endswith(" --workloads 'digits,mnist'")
    assert make(*smoke, "EXTRA=--share").stdout.endswith(" --share\n")


def test_paths_may_have_spaces(make, repository, tmp_path):
    submission, runs = tmp_path / "my tpl's", tmp_path / "my runs"
    shutil.copytree(repository / "submissions" / "template", submission)
    paths = [f"SUBMISSION={submission}", f"RUNS={runs}"]
    trained = make("train", *paths, f"DATA={tmp_path}/my data", "STUDIES=1", FEW_STEPS)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    assert (runs / "my tpl's/study_1/digits_pytorch/trial_1/status.json").is_file()
    scored = make("score", *paths, "AGAINST=")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    assert (runs / "report" / "report.html").is_file()


def test_train_fans_out_and_repeats_nothing(make, tmp_path):
    arguments = ["-j2", "train", "SUBMISSION=submissions/template", "RULESET=external", "STUDIES=2", "TRIALS=1"]
    done = make(*arguments, FEW_STEPS)
    assert done.returncode == 0, done.stdout + done.stderr
    first = statuses(tmp_path)
    assert list(first) == [f"template/study_{study}/digits_pytorch/trial_1" for study in (1, 2)]
    assert {status["status"] for status in first.values()} == {"max_steps_reached"}
    begins = [done.stdout.index(f"study {study}, trial 1: validation") for study in (1, 2)]
    assert done.stdout[begins[0] : begins[1]].count("max_steps_reached") == 1, "trials ran at the same time"
    points = [json.dumps(status["hyperparameters"]) for status in first.values()]
    assert len(set(points)) == 2
    again = make(*arguments, FEW_STEPS)
    assert again.stdout.count("already finished") == 2
    assert statuses(tmp_path) == first


def test_several_workloads_and_a_score(make, tmp_path):
    done = make(
        "train", "SUBMISSION=submissions/template", "WORKLOADS=digits,mnist", "SCALE=mini", "STUDIES=1", FEW_STEPS
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(statuses(tmp_path)) == [f"template/study_1/{name}_pytorch/trial_1" for name in ("digits", "mnist")]
    scored = make("score", "SUBMISSION=submissions/template", "SCALE=mini")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    board = json.loads((tmp_path / "runs/report/leaderboard.json").read_text())
    assert board["time_to_target"]["template"]["mnist"] is None
    assert make("score", "SUBMISSION=submissions/baselines/nadamw_jax", "SCALE=mini").returncode != 0


def test_a_model_is_trained_and_scored_in_its_own_track(make, tmp_path):
    model = "MODEL=tests/support/models/two_layers"
    done = make("train", model, "FRAMEWORK=pytorch", "STUDIES=1", FEW_STEPS)
    assert done.returncode == 0, done.stdout + done.stderr
    ((place, status),) = statuses(tmp_path).items()
    assert (place, status["track"]) == ("two_layers/study_1/digits_pytorch/trial_1", "model")
    assert make("score", "TRACK=model").returncode == 0
    assert (tmp_path / "runs/report/model/report.html").is_file()
    assert not (tmp_path / "runs/report/report.html").exists()
    assert "and track algorithm in" in make("score", "TRACK=algorithm").stderr


def test_a_broken_trial_is_resumed_and_does_not_stop_the_others(make, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    code = Path("submissions/template/submission.py").read_text()
    fails_once = f"""
import pathlib
_update = update_params
def update_params(workload, current_param_container, current_params_types, model_state, hyperparameters, batch,
                  loss_type, optimizer_state, eval_results, global_step, rng):
    if global_step == 3 and not pathlib.Path({str(tmp_path / "mended")!r}).exists():
        raise RuntimeError("broken on purpose")
    return _update(workload, current_param_container, current_params_types, model_state, hyperparameters, batch,
                   loss_type, optimizer_state, eval_results, global_step, rng)
"""
    (broken / "submission.py").write_text(code + fails_once)
    arguments = ["train", f"SUBMISSION={broken}", "STUDIES=2", "EXTRA=--max-global-steps 5 --eval-every-steps 2"]
    failed = make(*arguments)
    assert failed.returncode == 2
    assert "broken on purpose" in failed.stdout
    assert (
        "0 of 2 trials ended by the rules.\n"
        "  broken on digits, study 1: exit code 3, submission_error\n"
        "  broken on digits, study 2: exit code 3, submission_error\n"
    ) in failed.stderr
    assert "Error 3" in failed.stderr
    assert {status["status"] for status in statuses(tmp_path).values()} == {"submission_error"}
    (tmp_path / "mended").touch()
    done = make(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("resumed from checkpoint_2") == 2
    assert {status["preemption_count"] for status in statuses(tmp_path).values()} == {1}


def test_a_submission_is_scored_against_recorded_baselines(make, repository, tmp_path):
    trained = make("train", "SUBMISSION=submissions/template", "STUDIES=1", FEW_STEPS)
    assert trained.returncode == 0, trained.stdout + trained.stderr
    scored = make("score", "SUBMISSION=submissions/template")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    board = json.loads((tmp_path / "runs/report/leaderboard.json").read_text())
    baselines = {folder.name for folder in (repository / "submissions" / "baselines").iterdir() if folder.is_dir()}
    recorded = {folder.name for folder in (repository / "scoring/baselines/v0.6/self/full").iterdir()}
    assert {"nadamw_jax", "nadamw_pytorch"} <= recorded <= baselines
    assert set(board["scores"]) == {"template", *recorded}
    assert board["submission_info"]["template"]["authors"] == "AlgoPerf Cubes"
    assert (tmp_path / "runs/report/report.html").stat().st_size > 100_000


def test_a_leaderboard_of_any_folder(make, repository, tmp_path):
    with tarfile.open(GOLDENS / "logs" / "v05_self.tar.xz") as archive:
        archive.extractall(tmp_path / "logs", filter="data")
    arguments = ["leaderboard", f"LOGS={tmp_path}/logs", f"BOARD={tmp_path}/board", "VERSION=v0.5"]
    refused = make(*arguments)
    assert refused.returncode == 2
    assert "RULESET=external or RULESET=self" in refused.stderr
    done = make(*arguments, "RULESET=self")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0.8539" in (tmp_path / "board" / "leaderboard.md").read_text()
    assert (tmp_path / "board" / "report.html").is_file()


def test_a_campaign_shows_its_table_and_what_is_next_after_a_failed_run_too(make, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    code = Path("submissions/template/submission.py").read_text()
    (broken / "submission.py").write_text(f"{code}\ndef init_optimizer_state(*given):\n    raise RuntimeError('no')\n")
    done = make("campaign", f"SUBMISSIONS={broken}", "STUDIES=1", f"CAMPAIGN={tmp_path}/my campaign", FEW_STEPS)
    assert done.returncode == 2
    assert "Error 3" in done.stderr, done.stdout + done.stderr
    *_, row, last = done.stdout.splitlines()
    assert row.split()[:2] == ["broken", "digits"]
    assert last == f"Next: make leaderboard LOGS={tmp_path}/my campaign/runs"
