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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from algoperf.records.csv_file import CsvFile
from algoperf.workload.registry import find_workload
from trial_runs import Run, assert_same_outcome
from trial_servers import Part, Place

SUBMISSIONS = Path(__file__).parent / "submissions"
DIGITS_STEPS, OTHER_STEPS = (
    {"max_global_steps": 14, "eval_every_steps": 3},
    {"max_global_steps": 3, "eval_every_steps": 2},
)
# By number of devices. Step 6 is an evaluation. `make test` stops once, and on two devices only what depends on them.
STOPS = {1: (6, 10), 2: (7,)}
OF_MANY_DEVICES = ("shampoo", "schedule_free_batch_norm", "diloco", "muon_jax")


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


@dataclass(frozen=True)
class Case:
    """A submission on a workload and some devices, and the steps in which it is stopped on its way."""

    row: Row
    workload: str = "digits"
    num_devices: int = 1
    stops: tuple[int, ...] = ()


def on_digits() -> Iterator[Any]:
    """All rows on one device and two."""
    for framework, num_devices in itertools.product(("jax", "pytorch"), STOPS):
        for each in (each for each in ROWS if each.framework == framework):
            name, all_stops = f"{each.name}-{num_devices}", STOPS[num_devices]
            quick = num_devices == 1 or each.name in OF_MANY_DEVICES
            if quick:
                yield pytest.param(Case(each, num_devices=num_devices, stops=all_stops[:1]), id=name)
            if len(all_stops) > 1 or not quick:
                case = Case(each, num_devices=num_devices, stops=all_stops)
                yield pytest.param(case, id=f"{name}-all stops", marks=pytest.mark.full)


def on_others() -> Iterator[Any]:
    """Rows on their other workloads. What JAX compiles for long is left to `make test-full`."""
    for each in ROWS:
        for workload in each.workloads:
            marks = [pytest.mark.full] if each.framework == "jax" and workload != "mnist" else []
            yield pytest.param(Case(each, workload), id=f"{each.name}-{workload}", marks=marks)


@pytest.fixture(scope="module")
def trials(tmp_path_factory, prepare, data_root):
    """For a case: the trial that is left alone, the one that is stopped, and all exit codes of their processes."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def place(framework: str, num_devices: int) -> Place:
            return stack.enter_context(contextlib.closing(Place(framework, num_devices)))

        def of(case: Case) -> tuple[Run, Run, list[int]]:
            submission, workload = case.row, case.workload
            options = {"workload": workload, "ruleset": submission.path.split("_")[0]}
            options |= DIGITS_STEPS if workload == "digits" else {"scale": "mini", **OTHER_STEPS}
            root = data_root if workload == "digits" else prepare(find_workload(workload).at("mini").dataset, "mini")
            folder = tmp_path_factory.mktemp(submission.name)
            whole, broken = (
                Run(SUBMISSIONS / submission.path, submission.framework, root, folder / name, options)
                for name in ("whole", "broken")
            )
            stopped = [*(Part(broken, stop) for stop in case.stops), Part(broken)] if case.stops else []
            return whole, broken, place(submission.framework, case.num_devices).train([Part(whole), *stopped])

        yield of


def assert_clean(run: Run) -> None:
    printed = run.log.read_text().lower()
    assert "warning" not in printed
    assert "traceback" not in printed


@pytest.mark.parametrize("case", list(on_digits()))
def test_trains_and_goes_on_from_its_checkpoints(trials, case):
    whole, broken, codes = trials(case)
    assert codes[0] == 0, whole.log.read_text()
    assert set(codes[1:-1]) == {130}, broken.log.read_text()
    assert codes[-1] == 0, broken.log.read_text()
    assert (whole.status["status"], whole.status["global_step"]) == case.row.end
    own_rows = [row for row in CsvFile.read(whole.trial / "measurements.csv") if row["loss"]]
    logged = {name: float(value) for name, value in own_rows[-1].items() if value}
    assert {name: logged[name] for name, _ in case.row.logged} == dict(case.row.logged)
    assert float(whole.rows[-1]["train/loss"]) < math.log(10), "no better than chance"
    assert broken.status["preemption_count"] == len(codes) - 2
    assert_same_outcome(broken, whole)
    for run in (whole, broken):
        assert_clean(run)


@pytest.mark.parametrize("case", list(on_others()))
def test_trains_on_other_workloads(trials, case):
    run, _, codes = trials(case)
    assert codes == [0], run.log.read_text()
    assert run.status["status"] == "max_steps_reached"
    assert [int(each["global_step"]) for each in run.rows] == [2, 3]
    assert all(math.isfinite(float(each["validation/loss"])) for each in run.rows)
    assert_clean(run)
