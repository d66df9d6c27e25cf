"""Runs `algoperf train` in separate processes, or in this one, and reads the results."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from algoperf.cli import main
from algoperf.records.csv_file import CsvFile
from algoperf.trial.clock import ACCOUNTS
from algoperf.trial.launch import IN_PROCESS_VARIABLE
from places import SUPPORT

PATIENCE_SEC = 250  # a trial takes seconds, but the processor may be busy
TIMES = [
    "score",
    "total_duration",
    "accumulated_submission_time",
    "accumulated_eval_time",
    "accumulated_logging_time",
    *(f"trial_{account}_time" for account in ACCOUNTS),
]


@contextmanager
def in_process() -> Iterator[None]:
    """Trials that begin inside have no process of their own."""
    os.environ[IN_PROCESS_VARIABLE] = "1"
    try:
        yield
    finally:
        del os.environ[IN_PROCESS_VARIABLE]


@dataclass
class Run:
    """One trial of a submission, on digits by default. `options` replace the command line's defaults."""

    submission: Path
    framework: str
    data_root: Path
    output: Path
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def trial(self) -> Path:
        study, workload = self.options.get("study", 1), self.options.get("workload", "digits")
        return self.output / self.submission.name / f"study_{study}" / f"{workload}_{self.framework}" / "trial_1"

    def arguments(self, **options: Any) -> list[str]:
        given = {
            "workload": "digits",
            "framework": self.framework,
            "submission": self.submission,
            "ruleset": "self",
            "data_dir": self.data_root,
            "output_dir": self.output,
            "max_global_steps": 200,
            "eval_every_steps": 10,
            "num_processes": 1,
            **self.options,
            **options,
        }
        words = ["train"]
        for name, value in given.items():
            option = "--" + name.replace("_", "-")
            if value is True:
                words.append(option)
            elif value not in (None, False):
                words += [option, str(value)]
        return words

    def start(self, **options: Any) -> subprocess.Popen[str]:
        """Start the process, as leader of a process group, as in a shell. Output goes to a file: no pipe blocks it."""
        return self._start([sys.executable, "-m", "algoperf", *self.arguments(**options)])

    def _start(self, command: list[str], **pipes: Any) -> subprocess.Popen[str]:
        self.output.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",  # equal bits are for CPUs
            "CUDA_VISIBLE_DEVICES": "",
            "JAX_DISABLE_MOST_OPTIMIZATIONS": "0",  # for hundreds of steps, optimised code is quicker in the end
        }
        with self.log.open("a") as log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, env=environment, text=True, start_new_session=True, **pipes
            )

    @contextmanager
    def dying(self, **options: Any) -> Iterator[Callable[[str], int]]:
        """Yield a function that resumes the trial in a process that dies at the given point; see dying.py."""
        reading, writing = os.pipe()
        script = str(SUPPORT / "dying.py")
        command = [sys.executable, script, str(writing), *self.arguments(**options)]
        process = self._start(command, stdin=subprocess.PIPE, pass_fds=[writing])
        os.close(writing)
        assert process.stdin is not None

        def die_at(point: str) -> int:
            print(point, file=process.stdin, flush=True)
            return int(answers.readline())

        with open(reading) as answers, process.stdin:
            yield die_at
        process.wait(timeout=PATIENCE_SEC)

    @property
    def log(self) -> Path:
        return self.output / "log.txt"

    def finish(self, **options: Any) -> tuple[int, str]:
        """Wait for the process; returns the exit code and the output of this call."""
        before = len(self.log.read_text()) if self.log.exists() else 0
        code = self.start(**options).wait(timeout=PATIENCE_SEC)
        return code, self.log.read_text()[before:]

    def here(self, **options: Any) -> int:
        """Run the command in this process, which saves the start; returns the exit code."""
        with in_process():
            try:
                main(self.arguments(**options))
            except SystemExit as end:
                return int(end.code or 0)
        raise AssertionError("the command did not exit")

    def evaluate_here(self, *arguments: str) -> int:
        """The same for `algoperf evaluate` on this run's folder."""
        paths = ["--data-dir", str(self.data_root), "--output-dir", str(self.output)]
        try:
            main(["evaluate", "--workload", "digits", *paths, *arguments])
        except SystemExit as end:
            return int(end.code or 0)
        raise AssertionError("the command did not exit")

    @property
    def rows(self) -> list[dict[str, str]]:
        return CsvFile.read(self.trial / "eval_measurements.csv")

    @property
    def status(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.trial / "status.json").read_text())
        return content

    @property
    def checkpoint(self) -> Path:
        (found,) = self.trial.glob("checkpoint_*")
        return found


def copy_first_checkpoint(monkeypatch: Any, output: Path, copy: Path) -> None:
    """Copy the folder of a run, which is made in this process, when its first checkpoint is complete.

    That is what a kill then would leave.
    """
    from algoperf.trial.loop import Trial

    save = Trial._save_checkpoint

    def save_and_copy(self: Trial) -> None:
        save(self)
        if not copy.exists():
            shutil.copytree(output, copy)

    monkeypatch.setattr(Trial, "_save_checkpoint", save_and_copy)


def metrics(row: dict[str, str]) -> dict[str, str]:
    """The part of an evaluation that must not depend on interruptions."""
    return {name: value for name, value in row.items() if name not in (*TIMES, "preemption_count")}


def content(checkpoint: Path) -> dict[str, Any]:
    """Everything in a checkpoint except the clocks: all arrays bit for bit, all plain values, all sharing of memory."""
    found: dict[str, Any] = {}
    for file in checkpoint.glob("*.safetensors"):
        for name, array in load_file(file).items():
            found[f"{file.name}: {name}"] = (str(array.dtype), array.shape, array.tobytes())
    for file in checkpoint.glob("*.json"):
        tree = json.loads(file.read_text())
        if file.name == "manifest.json":
            state = tree["trial"]["state"]
            evaluations = [
                (step, {key: value for key, value in values.items() if key not in TIMES})
                for step, values in state["eval_results"]
            ]
            target = state["target_reached_at"]
            tree = {
                "fingerprint": tree["fingerprint"],
                "position": tree["trial"]["queue_position"],
                "target": target and target["global_step"],
                "evaluations": evaluations,
                "global_step": tree["global_step"],
            }
        found[file.name] = tree
    return found


def assert_same_outcome(run: Run, reference: Run) -> None:
    """Assert that `run` has the same result as `reference`, whatever interrupted it."""
    assert [metrics(row) for row in run.rows] == [metrics(row) for row in reference.rows]
    found, expected = content(run.checkpoint), content(reference.checkpoint)
    assert list(found) == list(expected)
    differing = [name for name in expected if found[name] != expected[name]]
    assert not differing
    assert run.status["status"] == reference.status["status"]
    assert run.status["global_step"] == reference.status["global_step"]
    for column in TIMES:
        times = [float(row[column]) for row in run.rows if row.get(column)]
        assert times == sorted(times), f"{column} goes back"
    counts = [int(row["preemption_count"]) for row in run.rows]
    assert counts == sorted(counts)
    logged = CsvFile.read(run.trial / "measurements.csv")
    evaluations = [row["global_step"] for row in logged if row["accumulated_eval_time"]]
    assert evaluations == [row["global_step"] for row in run.rows]
    unscored = [row for row in logged if not row["accumulated_eval_time"]]
    assert [row["score"] for row in unscored if row["score"]] == [logged[-1]["score"]]
