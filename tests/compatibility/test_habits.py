"""Submissions with all habits of the published ones, x workloads x frameworks x one device and two.

Every row is trained by the real loop, with warnings as errors, and evaluated. On digits it learns, and is also stopped
in the middle of training and right at an evaluation, and has to end as the trial that was not: same evaluations, same
checkpoint, bit for bit. docs/compatibility.md says which habit lies where. A submission or workload more is a row or a
word more.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import pytest

from algoperf.records.csv_file import CsvFile
from algoperf.workload.registry import find_workload
from trial_runs import Run, assert_same_outcome
from trial_servers import Part, trained

SUBMISSIONS = Path(__file__).parent / "submissions"
DIGITS_STEPS, OTHER_STEPS = (
    {"max_global_steps": 14, "eval_every_steps": 3},
    {"max_global_steps": 3, "eval_every_steps": 2},
)
STOPS = {1: [6, 10], 2: [7]}  # by number of devices; 6 is an evaluation


@dataclass(frozen=True)
class Row:
    """A submission, and what shows that its habits are lived.

    Attributes:
      path: folder in `submissions`.
      framework: its framework.
      logged: values that it has logged in the end, on digits.
      workloads: at scale mini, on one device, beside digits on one and two.
      end: status and number of steps.
    """

    path: str
    framework: str
    logged: tuple[tuple[str, float], ...]
    workloads: tuple[str, ...] = ()
    end: tuple[str, int] = ("max_steps_reached", 14)

    @property
    def name(self) -> str:
        return self.path.split("/")[1]


def row(path: str, framework: str, *workloads: str, ends_itself_at: int | None = None, **logged: float) -> Row:
    """A row in one line."""
    ends = {} if ends_itself_at is None else {"end": ("training_complete", ends_itself_at)}
    return Row(path, framework, tuple(logged.items()), workloads, **ends)


ROWS = [
    row("external_tuning/shampoo", "pytorch", preconditioned=1),
    row("external_tuning/lawa_queue", "pytorch", "cifar", steps=42, averaged=1),
    row("external_tuning/old_name", "pytorch", "mnist", noise=0),
    row("self_tuning/schedule_free_restart", "pytorch", restarts=1),
    row("self_tuning/schedule_free_batch_norm", "pytorch", "cifar", "imagenet_vit", extra_passes=5),
    row("self_tuning/muon_torch", "pytorch", "imagenet_vit", matrices=3, rank=0, ends_itself_at=13),
    row("external_tuning/generalized_adam", "jax", "mnist", "imagenet_vit", since_last=1),
    row("external_tuning/caspr", "jax", count=14, bits=8),
    row("self_tuning/learned_rates", "jax", weights=3),
    row("self_tuning/schedule_free_jax", "jax", "cifar", converted=0),
    row("self_tuning/diloco", "jax", outer_steps=3),
    row("self_tuning/muon_jax", "jax", "cifar", matrices=3),
    row("self_tuning/sequential", "jax", point=1, ends_itself_at=13),
]
Group = tuple[str, int]  # a framework and a number of devices
Case = tuple[Row, str]  # a submission and a workload


def cases(*, on_digits: bool) -> pytest.MarkDecorator:
    """All rows on digits and on one device and two, or on their other workloads; group after group."""
    found = [
        pytest.param((framework, num_devices), (each, workload), id=f"{each.name}-{workload}-{num_devices}")
        for framework, num_devices in itertools.product(("jax", "pytorch"), [1, 2] if on_digits else [1])
        for each in ROWS
        if each.framework == framework
        for workload in (["digits"] if on_digits else each.workloads)
    ]
    return pytest.mark.parametrize(("group", "case"), found)


@pytest.fixture(scope="module")
def trials(request, tmp_path_factory, prepare, data_root):
    """For a case: the trial that is left alone, the one that is stopped, and all exit codes of their processes.

    The first case of a group starts the trials of all that were selected.
    """

    def runs(folder: Path, case: Case) -> tuple[Run, Run]:
        submission, workload = case
        framework = submission.framework
        options = {"workload": workload, "ruleset": submission.path.split("_")[0]}
        options |= DIGITS_STEPS if workload == "digits" else {"scale": "mini", **OTHER_STEPS}
        root = data_root if workload == "digits" else prepare(find_workload(workload).at("mini").dataset, "mini")
        places = (folder / submission.name / workload / name for name in ("whole", "broken"))
        return tuple(Run(SUBMISSIONS / submission.path, framework, root, place, options) for place in places)

    def parts(num_devices: int, case: Case, whole: Run, broken: Run) -> list[Part]:
        stopped = [*(Part(broken, stop) for stop in STOPS[num_devices]), Part(broken)]
        return [Part(whole), *(stopped if case[1] == "digits" else [])]

    with contextlib.ExitStack() as stack:

        @functools.cache
        def started(group: Group):
            framework, num_devices = group
            folder = tmp_path_factory.mktemp(f"{framework}_{num_devices}")
            found = (getattr(item, "callspec", None) for item in request.session.items)
            wanted = [each.params["case"] for each in found if each and each.params.get("group") == group]
            both = {case: runs(folder, case) for case in wanted}
            work = {case: parts(num_devices, case, *pair) for case, pair in both.items()}
            return both, stack.enter_context(trained(framework, num_devices, work))

        def of(group: Group, case: Case) -> tuple[Run, Run, list[int]]:
            both, exit_codes = started(group)
            return (*both[case], exit_codes(case))

        yield of


def assert_clean(run: Run) -> None:
    printed = run.log.read_text().lower()
    assert "warning" not in printed
    assert "traceback" not in printed


@cases(on_digits=True)
def test_trains_and_goes_on_from_its_checkpoints(trials, group, case):
    whole, broken, codes = trials(group, case)
    assert codes[0] == 0, whole.log.read_text()
    assert set(codes[1:-1]) == {130}, broken.log.read_text()
    assert codes[-1] == 0, broken.log.read_text()
    assert (whole.status["status"], whole.status["global_step"]) == case[0].end
    own_rows = [row for row in CsvFile.read(whole.trial / "measurements.csv") if row["loss"]]
    logged = {name: float(value) for name, value in own_rows[-1].items() if value}
    assert {name: logged[name] for name, _ in case[0].logged} == dict(case[0].logged)
    assert float(whole.rows[-1]["train/loss"]) < math.log(10), "no better than chance"
    assert broken.status["preemption_count"] == len(codes) - 2
    assert_same_outcome(broken, whole)
    for run in (whole, broken):
        assert_clean(run)


@cases(on_digits=False)
def test_trains_on_other_workloads(trials, group, case):
    run, _, codes = trials(group, case)
    assert codes == [0], run.log.read_text()
    assert run.status["status"] == "max_steps_reached"
    assert [int(each["global_step"]) for each in run.rows] == [2, 3]
    assert all(math.isfinite(float(each["validation/loss"])) for each in run.rows)
    assert_clean(run)
