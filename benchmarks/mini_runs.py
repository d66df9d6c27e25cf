"""Which submissions reach the targets of scale mini: correct ones must, broken ones must not (docs/mini.md).

Every submission trains until it reaches the targets, or for several times as many steps as NAdamW needs. A variant of a
workload gets the steps of its base.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from pathlib import Path
from typing import Any

import common
from mini_trials import Run, best, made, prepare

from algoperf.errors import unknown
from algoperf.versions import DEFAULT_VERSION, load_version
from algoperf.workload.registry import find_workload

BASELINES = common.ROOT / "submissions" / "baselines"
BROKEN = common.ROOT / "tests" / "support" / "submissions" / "broken"
# Maximum number of steps, and steps between evaluations.
STEPS = {"digits": (600, 10), "mnist": (40_000, 1_000), "cifar": (800, 25), "imagenet_resnet": (300, 10),
         "imagenet_vit": (300, 10),
         "ogbg": (500, 25), "fastmri": (200, 20), "librispeech_conformer": (300, 20),
         "librispeech_deepspeech": (300, 20), "finewebedu_lm": (600, 20), "criteo1tb": (800, 25),
         "wmt": (800, 40)}  # fmt: skip
BASES = tuple(STEPS)
STEPS |= {variant: STEPS[base] for base in STEPS for variant in find_workload(base).variants}


@dataclasses.dataclass(frozen=True)
class Entry:
    """A submission in one framework, under self-tuning or with a hyperparameter point."""

    name: str
    submission: Path
    framework: str
    point: dict[str, Any] | None = None


def _momentum(rate: float) -> Entry:
    point = {
        "learning_rate": rate, "one_minus_beta1": 0.1, "weight_decay": 1e-5, "warmup_factor": 0.05,
        "decay_steps_factor": 0.9, "end_factor": 0.01, "label_smoothing": 0.1, "dropout_rate": 0.0,
    }  # fmt: skip
    return Entry(f"momentum rate {rate:g}", BASELINES / "momentum_pytorch", "pytorch", point)


ENTRIES = {
    entry.name: entry
    for entry in (
        Entry("NAdamW PyTorch", BASELINES / "nadamw_pytorch", "pytorch"),
        Entry("NAdamW JAX", BASELINES / "nadamw_jax", "jax"),
        *(_momentum(rate) for rate in (0.01, 0.1, 1.0)),
        Entry("sound", BROKEN / "sound.py", "pytorch"),
        Entry("turned sign", BROKEN / "turned_sign.py", "pytorch"),
        Entry("frozen statistics", BROKEN / "frozen_statistics.py", "pytorch"),
        Entry("mask ignored", BROKEN / "mask_ignored.py", "pytorch"),
    )
}


def judge(entry: Entry, run: Run) -> dict[str, Any]:
    """Train, and return a row of the table."""
    limits = load_version(DEFAULT_VERSION).limits(run.workload, "mini")
    before = os.times()
    [result] = made([run], 1)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    row = {
        "workload": run.workload,
        "submission": entry.name,
        "seed": run.seed,
        "best validation": best(result, limits.goal),
        "target": limits.validation_target,
        "ended": result.status,
        "steps": result.steps[-1],
        "seconds": result.seconds,
        "CPU s": used,
    }
    print(row, flush=True)
    return row


def main() -> None:
    """Run everything that is requested."""
    parser = common.parser(__doc__)
    parser.add_argument("--workloads", default=",".join(BASES))
    parser.add_argument("--submissions", default=",".join(ENTRIES))
    parser.add_argument("--seeds", type=int, default=1, help="how many")
    parser.add_argument("--steps", type=int, help="maximum number, if not the workload's in STEPS")
    parser.add_argument("--first-seed", type=int, default=0, help="the others follow it")
    options = parser.parse_args()
    rows = []
    for workload in options.workloads.split(","):
        if workload not in STEPS:
            raise unknown("workload", workload, STEPS)
        prepare(workload)
        steps, every = STEPS[workload]
        steps = options.steps or steps
        for name in options.submissions.split(","):
            if name not in ENTRIES:
                raise unknown("submission", name, ENTRIES)
            entry = ENTRIES[name]
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                with tempfile.TemporaryDirectory() as folder:
                    run = Run(workload, entry.submission, entry.framework, entry.point, steps, every, seed, folder)
                    rows.append(judge(entry, run))
    common.report("Submissions at scale mini", rows, options.json)


if __name__ == "__main__":
    main()
