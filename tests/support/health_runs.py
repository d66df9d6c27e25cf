"""Builds runs with all records of this harness. They are valid until a test damages them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from algoperf.versions import load_version
from algoperf_scoring.health import CheckSummary, Health, check_runs

SPACE = {"learning_rate": {"min": 0.001, "max": 0.1, "scaling": "log"}, "dropout": {"feasible_points": [0.0, 0.1]}}
FEW_SEC = 10.2  # between two evaluations of mnist


def sound_rows(num_rows: int = 4) -> list[dict[str, Any]]:
    """Evaluations of mnist with its period of 10 s; the last one reaches the target."""
    rows = []
    for count in range(1, num_rows + 1):
        seconds = FEW_SEC * count
        accuracy = 0.975 if count == num_rows else 0.5 + 0.05 * count
        rows.append(
            {
                "accumulated_eval_time": 2.0 * count,
                "accumulated_logging_time": 0.1 * (count - 1),
                "accumulated_submission_time": seconds,
                "global_step": 100 * count,
                "preemption_count": 0,
                "score": seconds,
                "test/accuracy": accuracy,
                "test/num_examples": 10000,
                "total_duration": seconds + 2.0 * count + 0.1 * (count - 1) + 0.01 * count,
                "train/loss": 1.0 / count,
                "validation/accuracy": accuracy,
                "validation/num_examples": 10000,
            }
        )
    return rows


def sound_status(rows: list[dict[str, Any]], place: dict[str, Any], seed: int) -> dict[str, Any]:
    limits = load_version().limits("mnist")
    return {
        "status": "target_reached",
        "finished": True,
        "message": "",
        **place,
        "scale": "full",
        "version": "v0.6",
        "ruleset": "external",
        "hyperparameters": {"learning_rate": 0.01 + 0.001 * place["trial"], "dropout": 0.1},
        "max_global_steps": None,
        "eval_every_steps": None,
        "skip_evals": False,
        "target_reached_at": {"global_step": rows[-1]["global_step"], "submission_sec": rows[-1]["score"]},
        "last_evaluation": {"global_step": rows[-1]["global_step"], "metrics": {}},
        "num_evaluations": len(rows),
        "preemption_count": 0,
        "seconds": {"submission": rows[-1]["score"] + 0.5, "evaluation": 8.0, "logging": 0.4},
        "trial_seed": seed,
        "budget_sec": 60.0,
        "targets": {"validation": limits.validation_target, "test": limits.test_target},
        "dataset": {"name": "mnist", "hash": "d1"},
        "submission_hash": "s1",
        "versions": {"python": "3.11.10", "algoperf": "0.1.0", "jax": "0.10.2"},
        "hardware": {"cpu_model_name": "a processor", "cpu_count": 8, "devices": ["cuda:A100"] * 2, "cpus_usable": 8},
        "machine": {"shared": False, "stopped_sec": 0.0, "sessions": [{"shared": False, "other_cores": 0.1}]},
    }


class Records:
    """The files of one run before they are written. Tests change them to introduce errors."""

    def __init__(self, place: dict[str, Any], seed: int) -> None:
        self.rows = sound_rows()
        for row in self.rows:  # no two runs have the same times to the last digit
            for clock in ("accumulated_submission_time", "score", "total_duration"):
                row[clock] += 1e-9 * seed
        self.status: dict[str, Any] = sound_status(self.rows, place, seed)
        self.hparams: dict[str, Any] | None = copy.deepcopy(self.status["hyperparameters"])
        self.meta: dict[str, Any] = {"workload.eval_period_time_sec": 10, "rng_seed": seed, "git_commit_hash": "c1"}
        self.flags: dict[str, Any] = {"search_space": copy.deepcopy(SPACE)}
        self.evaluation: dict[str, Any] = {"checkpoints": [{"checkpoint": "checkpoint_400", "mismatches": []}]}
        self.referee: dict[str, Any] | None = {}  # what differs from the account that fits the records
        self.final: float | None = self.status["seconds"]["submission"]

    def point(self, **values: Any) -> None:
        """Give the run these hyperparameters."""
        self.hparams = self.status["hyperparameters"] = values

    def account(self) -> dict[str, Any] | None:
        """The content of referee.json."""
        if self.referee is None:
            return None
        end, seconds = self.status.get("seconds"), [{"submission_sec": row.get("score")} for row in self.rows]
        return {
            "submission_sec": end.get("submission") if isinstance(end, dict) else None,
            "problems": [],
            "evaluations": seconds,
            **self.referee,
        }

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        lines = [",".join(self.rows[0]), *(",".join(map(str, row.values())) for row in self.rows)]
        (folder / "eval_measurements.csv").write_text("\n".join(lines) + "\n")
        end = "" if self.final is None else f"400,,{self.final},0\n"
        (folder / "measurements.csv").write_text(f"global_step,loss,score,preemption_count\n0,2.3,,\n{end}")
        contents = {
            "status": self.status,
            "hparams": self.hparams,
            "meta_data_0": self.meta,
            "flags_0": self.flags,
            "evaluation": self.evaluation,
            "referee": self.account(),
        }
        for name, content in contents.items():
            if content is not None:
                (folder / f"{name}.json").write_text(json.dumps(content))


class Folder:
    """A folder of runs to fill."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.num_runs = 0

    def run(
        self,
        change: Callable[[Records], Any] = lambda records: None,
        *,
        submission: str = "mine",
        study: int = 1,
        workload: str = "mnist",
        framework: str = "jax",
        trial: int = 1,
    ) -> Path:
        """Write a run that is valid except for `change`; returns its folder."""
        self.num_runs += 1
        place = {
            "submission": submission,
            "study": study,
            "workload": workload,
            "framework": framework,
            "trial": trial,
        }
        records = Records(place, 1000 + self.num_runs)
        change(records)
        folder = self.root / submission / f"study_{study}" / f"{workload}_{framework}" / f"trial_{trial}"
        records.write(folder)
        return folder

    def check(self, version: str = "v0.6", **options: Any) -> Health:
        return check_runs(self.root, load_version(version), **options)


def found(health: Health) -> dict[str, str]:
    """The checks that warn or fail, with their level."""
    return {check.id: check.level for check in health.checks if check.level in ("warn", "fail")}


def summary(health: Health, check_id: str) -> CheckSummary:
    return next(check for check in health.checks if check.id == check_id)


def told(health: Health, check_id: str) -> str:
    """All evidence of a check, one line for each path."""
    return "\n".join(f"{one.path}: {one.evidence}" for one in summary(health, check_id).outcomes)
