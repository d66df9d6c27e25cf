"""`algoperf targets` on digits: what it runs, what it writes, and that it goes on. Real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from algoperf.blocks import self_tuning
from algoperf.campaigns.folder import Campaign
from algoperf.campaigns.manifest import PlannedRun
from algoperf.commands.targets import _planner, _setting, targets
from algoperf.records.csv_file import CsvFile
from algoperf.records.json_file import write_json
from algoperf.records.layout import EVAL_FILE, STATUS_FILE
from algoperf.records.prune_order import read_order
from algoperf.submission.loading import SEARCH_SPACE_FILE
from algoperf.targets.plan import search
from algoperf.targets.points import num_points, own_point, search_space
from algoperf.targets.result import provenance
from algoperf.targets.runs import RULE, Saturation, read_curves
from algoperf.tuning.halton import quasi_random_points
from algoperf.tuning.search_space import load_search_space
from algoperf.versions import load_version
from campaign_case import PATIENCE_SEC, kill, plan, wait_until
from places import BASELINES, REPOSITORY

LIMITS = load_version().limits("digits")
STEPS = 40
GIVEN = ("--workload", "digits", "--algorithms", "nadamw,momentum", "--trials", "1", "--repeats", "2",
         "--steps", str(STEPS), "--eval-every-steps", "10")  # fmt: skip


TEMPLATE = REPOSITORY / "submissions" / "template"


def command(output: Path, data_root: Path, *more: str) -> list[str]:
    folders = ("--data-dir", str(data_root), "--raw-dir", str(data_root / "raw"), "--output", str(output))
    return [sys.executable, "-m", "algoperf", "targets", *GIVEN, *folders, *more]


def call(output: Path, data_root: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(output, data_root, *more), capture_output=True, text=True, check=False, timeout=PATIENCE_SEC
    )


def begin(output: Path, data_root: Path, happened: Callable[[], Any]) -> subprocess.Popen[str]:
    """The command in the background, after something has happened."""
    file = output / "output.txt"
    with file.open("a") as shown:
        process = subprocess.Popen(command(output, data_root), stdout=shown, stderr=shown, text=True)
    wait_until(lambda: happened() or process.poll() is not None)
    assert process.poll() is None, file.read_text()
    return process


def attempts(campaign: Campaign) -> list[int]:
    return [len(campaign.attempts(run)) for run in campaign.manifest.runs]


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory, data_root):
    """Results of a call that was stopped by a signal in the first run, and killed in the second one."""
    output = tmp_path_factory.mktemp("interrupted")
    folder = output / "digits"
    process = begin(output, data_root, (folder / "search/jobs").exists)
    process.terminate()
    assert process.wait(timeout=PATIENCE_SEC) == 128 + signal.SIGINT
    process = begin(output, data_root, lambda: attempts(Campaign(folder / "search"))[1])
    kill(process)
    assert not list(folder.glob("targets.*")), "nothing is half-written"
    done = call(output, data_root)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder, done.stdout


def test_the_same_command_goes_on_after_a_signal_and_a_kill(interrupted):
    folder, _ = interrupted
    search, repeats = Campaign(folder / "search"), Campaign(folder / "repeats")
    assert attempts(search) == [2, 1], "the run that was live when the command was killed went on, and was waited for"
    assert attempts(repeats) == [1, 1]
    for campaign in (search, repeats):
        assert [curve.steps for curve in read_curves(campaign, LIMITS)] == [(10, 20, 30, 40)] * 2


def test_runs_are_as_the_protocol_has_them(interrupted):
    folder, _ = interrupted
    search, repeats = (read_curves(Campaign(folder / name), LIMITS) for name in ("search", "repeats"))
    assert [curve.submission for curve in search] == ["nadamw_pytorch", "momentum_pytorch"]
    for curve, baseline in zip(search, ("nadamw_pytorch", "momentum_pytorch"), strict=True):
        assert curve.point == quasi_random_points(load_search_space(search_space(BASELINES / baseline)), 1)[0]
    assert len({curve.seed for curve in search + repeats}) == 4
    assert len({str(curve.point) for curve in repeats}) == 1
    assert len({curve.validation for curve in repeats}) == 2, "the repeats are the same run"
    status = json.loads((folder / "search/runs" / search[0].run / STATUS_FILE).read_text())
    assert status["status"] == "max_steps_reached"


def test_the_table_is_ready_for_a_version_and_says_where_it_comes_from(interrupted, tmp_path):
    folder, shown = interrupted
    text = (folder / "targets.toml").read_text()
    assert text in shown
    found = json.loads((folder / "targets.json").read_text())
    chosen = max(found["search"], key=lambda run: run["best"])
    assert found["chosen"] == chosen["run"]
    assert {str(run["point"]) for run in found["repeats"]} == {str(chosen["point"])}
    validation = sum(run["best"] for run in found["repeats"]) / 2  # the median of two
    assert found["targets"]["validation"] == validation
    (tmp_path / "limits.toml").write_text(text.replace("workloads.digits", "workloads.other"))
    limits = load_version().with_extra(tmp_path / "limits.toml").limits("other")
    assert limits.validation_target == pytest.approx(validation, abs=1e-5)
    assert limits.validation_target <= validation
    assert limits.step_hint == STEPS
    assert limits.max_runtime_sec == LIMITS.max_runtime_sec
    assert "Points tried: nadamw_pytorch 1, momentum_pytorch 1. Best: " in text
    assert tomllib.loads(text)["workloads"]["digits"]["full"]["metric"] == "accuracy"


def test_calling_it_again_only_writes_and_may_ease_the_targets(interrupted, data_root):
    folder, _ = interrupted
    before = json.loads((folder / "targets.json").read_text())
    done = call(folder.parent, data_root, "--ease", "0.5")
    assert done.returncode == 0, done.stderr
    after = json.loads((folder / "targets.json").read_text())
    assert (after["search"], after["repeats"]) == (before["search"], before["repeats"])
    targets = after["targets"]
    assert targets["start"]["validation"] == pytest.approx(0.1, abs=0.1), "an untrained model guesses among ten"
    assert targets["eased"]["validation_target"] == pytest.approx(
        (targets["validation"] + targets["start"]["validation"]) / 2, abs=1e-5
    )
    said = "Both are moved back by 0.5 of the way to an untrained model (seed 0), which has "
    assert said in (folder / "targets.toml").read_text()
    assert attempts(Campaign(folder / "search")) == [2, 1]


def test_other_options_are_refused_with_the_difference(interrupted, data_root):
    folder, _ = interrupted
    done = call(folder.parent, data_root, "--seed", "1")
    assert done.returncode == 2
    assert "holds runs that were planned otherwise" in done.stderr
    assert "choose another --output" in done.stderr


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--algorithms", "nadam"), "There is no baseline 'nadam' in pytorch"),
        (("--algorithms", ","), "No algorithm is given"),
        (("--algorithms", str(BASELINES / "nadamw_jax")), "jax"),
        (("--workload", "digit"), "Did you mean 'digits'?"),
        (("--repeats", "1"), "'1' is not a whole number"),
        (("--trials", "0"), "With --trials 0 there is no point to try. Add --own-points"),
        (("--trials", "0", "--own-points", "--algorithms", f"nadamw,{TEMPLATE}"), "only baselines come with one"),
    ],
)
def test_mistakes_leave_nothing_behind(tmp_path, data_root, given, message):
    done = call(tmp_path / "targets", data_root, *given)
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "targets").exists()


@pytest.mark.full
def test_an_interrupted_protocol_equals_an_undisturbed_one(interrupted, tmp_path, data_root):
    folder, _ = interrupted
    assert call(tmp_path, data_root).returncode == 0
    before, after = (json.loads((each / "targets.json").read_text()) for each in (folder, tmp_path / "digits"))
    for part in ("search", "repeats", "chosen"):
        assert after[part] == before[part]


@pytest.fixture
def searched(tmp_path) -> Campaign:
    """A campaign of four runs, of which none has begun."""
    done = plan(tmp_path, "--workloads", "digits", "--studies", "4")
    assert done.exit_code == 0, done.output
    return Campaign(tmp_path)


def record(campaign: Campaign, number: int, values: list[float], *, ended: bool) -> None:
    """Evaluations of a run, and its end if it has one."""
    folder = campaign.records(campaign.manifest.runs[number])
    folder.mkdir(parents=True)
    file = CsvFile(folder / EVAL_FILE)
    for step, value in enumerate(values, start=1):
        file.append({"global_step": step, "validation/accuracy": value, "test/accuracy": value})
    write_json(folder / STATUS_FILE, {"status": "max_steps_reached" if ended else "running", "finished": ended})


def pruned(campaign: Campaign) -> list[bool]:
    return [read_order(campaign.records(run)) is not None for run in campaign.manifest.runs]


def test_what_comes_after_the_best_possible_value_is_pruned(searched):
    pruning = Saturation(searched, LIMITS, 1.0)
    record(searched, 0, [0.5, 0.99], ended=True)
    record(searched, 1, [0.5], ended=False)
    assert list(pruning.order()) == []
    record(searched, 2, [0.9, 1.0], ended=False)
    lines = list(pruning.order())
    assert [line.partition(":")[0] for line in lines] == [run.id for run in searched.manifest.runs[2:]]
    assert all(f"pruned ({RULE})" in line for line in lines)
    assert pruned(searched) == [False, False, True, True], "an earlier run may still be the first with this value"
    assert list(pruning.order()) == [], "each is said once"
    assert pruning.in_order(searched.manifest.runs[1:3]) == list(searched.manifest.runs[1:3])


def test_where_values_have_no_bound_nothing_is_pruned(searched):
    record(searched, 0, [1.0], ended=True)
    assert list(Saturation(searched, LIMITS, float("inf")).order()) == []
    assert pruned(searched) == [False] * 4


def test_a_search_space_of_ranges_is_preferred_to_a_list_of_points():
    assert isinstance(load_search_space(BASELINES / "nadamw_pytorch" / "tuning_search_space.json"), list)
    for name in ("nadamw", "adamw", "nesterov", "momentum"):
        for framework in ("jax", "pytorch"):
            space = load_search_space(search_space(BASELINES / f"{name}_{framework}"))
            assert isinstance(space, dict)
            assert num_points(space, 200) == 200
    assert num_points([{"a": 1}] * 5, 200) == 5


def test_own_points_are_those_of_self_tuning():
    own = {name: own_point(BASELINES / name) for name in ("nadamw_jax", "nadamw_pytorch", "nesterov_jax")}
    assert own["nadamw_jax"] == own["nadamw_pytorch"] == self_tuning.NADAMW
    assert own["nadamw_jax"] in load_search_space(BASELINES / "nadamw_jax" / SEARCH_SPACE_FILE), "published, too"
    assert own["nesterov_jax"] == self_tuning.NESTEROV
    assert own_point(TEMPLATE) is None


@pytest.mark.parametrize("trials", [0, 2])
def test_own_points_come_first_and_leave_the_others_as_they_are(tmp_path, data_root, trials):
    plans = {own: planned(tmp_path / str(own), data_root, trials, own) for own in (True, False) if own or trials}
    own = plans[True][:2]
    assert [(run.submission, run.point) for run in own] == [
        ("nadamw_pytorch", own_point(BASELINES / "nadamw_pytorch")),
        ("momentum_pytorch", own_point(BASELINES / "momentum_pytorch")),
    ]
    rest = [(run.id, run.seed, run.point) for run in plans[True][2:]]
    assert rest == [(run.id, run.seed, run.point) for run in plans.get(False, [])]
    assert len({run.seed for run in plans[True]}) == len(plans[True]) == 2 + 2 * trials


def planned(output: Path, data_root: Path, trials: int, own: bool) -> list[PlannedRun]:
    """The search that is planned for these options."""
    more = ["--trials", str(trials), *(["--own-points"] if own else [])]
    given = targets.make_context("targets", command(output, data_root, *more)[4:]).params
    given = {name: given[name] for name in given if name not in ("engine_name", "site", "at_once", "ease")}
    setting = _setting(given.pop("workload"), given.pop("algorithms"), given)
    return list(search(setting, _planner(setting)).manifest.runs)


def test_a_table_says_which_points_were_own_ones():
    run = {"run": "r", "submission": "a", "point": {"x": 1}, "best": 0.5}
    found = {
        "algoperf": "0", "framework": "jax", "steps": 3, "eval_every_steps": 1, "seed": 0, "chosen": "r",
        "search": [run, run, {**run, "submission": "b"}], "repeats": [run],
        "targets": {"validation": 0.5, "test": None, "reached": 1, "ease": 0.0},
    }  # fmt: skip
    assert any("Points tried: a 2, b 1. " in line for line in provenance(found)), "as files before there were own ones"
    assert any("Points tried: a 2 (1 its own), b 1. " in line for line in provenance({**found, "own_points": ["a"]}))
