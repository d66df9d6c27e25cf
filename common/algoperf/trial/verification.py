"""Evaluates the checkpoint that reached the target again, right after the trial, without the submission's code.

A time to target is only as good as the metrics that say that the target was reached, and those were computed in the
process of the submission. `algoperf evaluate` computes them in a clean process, from the checkpoint; its result is
`evaluation.json` in the trial's folder.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
from pathlib import Path

from algoperf.checkpoint import content_hash, model_hash
from algoperf.errors import EvaluationMismatch
from algoperf.records.csv_file import CsvFile
from algoperf.records.json_file import write_json
from algoperf.records.layout import EVAL_FILE, EVALUATION_FILE, STATUS_FILE
from algoperf.records.status import read_status
from algoperf.records.verification import REFUTED, Verification, verification
from algoperf.system import STOPS, clean_python, follow
from algoperf.trial.apart.evaluations import EvaluationsApart
from algoperf.trial.settings import TrialSettings


def verify(settings: TrialSettings, workload: str, data_root: Path, apart: EvaluationsApart | None = None) -> None:
    """Run `algoperf evaluate` on the checkpoint of a trial that reached its target, and print the verdict.

    If its evaluation was made `apart`, the clean process has evaluated it already: that is written down. Does nothing
    for other trials, and for those that keep no checkpoints. The result never changes how the trial ended, but if it
    refutes the target, the trial has no time to target in any score.
    """
    status = read_status(settings.directory) or {}
    reached = status.get("target_reached_at") if status.get("finished") else None
    if not reached:
        return
    step = int(reached["global_step"])
    if apart is not None and step in apart.metrics:
        _write_down(settings, step, apart)
        return
    if settings.keep_checkpoints is None:
        return
    if not (settings.directory / f"checkpoint_{step}").is_dir():
        print(f"not verified: there is no checkpoint of step {step}, at which the target was reached", flush=True)
        return
    options = {"workload": workload, "data-dir": data_root, "output-dir": settings.directory, "step": step}
    if settings.model is not None:
        options |= {"model": settings.model.folder}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    where = "a process without the submission's code" if settings.model is None else "a process that has no labels"
    print(f"evaluating checkpoint_{step} again, in {where}", flush=True)
    command = clean_python("algoperf", "evaluate", "--quiet", *words)
    handlers = {number: signal.signal(number, signal.default_int_handler) for number in STOPS}
    try:
        follows = functools.partial(follow, os.getpid())
        with subprocess.Popen(command, preexec_fn=follows) as process:  # noqa: PLW1509  (there are no threads here)
            try:
                process.wait()
            except KeyboardInterrupt:  # the trial itself has ended already
                process.kill()
                print("not verified: stopped by a signal; `algoperf evaluate` does it", flush=True)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def verdict(settings: TrialSettings) -> Verification | None:
    """What a clean process says about the evaluation that reached the target; None if none did."""
    status = read_status(settings.directory) or {}
    return verification(settings.directory, status.get("target_reached_at"))


def exit_code(settings: TrialSettings, code: int) -> int:
    """The exit code of a trial that ended with `code`, after the verdict: a refuted target was not reached."""
    return EvaluationMismatch.exit_code if code == 0 and verdict(settings) in REFUTED else code


def note(settings: TrialSettings) -> None:
    """Write the verdict into `status.json`, if there is one."""
    found, status = verdict(settings), read_status(settings.directory)
    if found is not None and status is not None:
        write_json(settings.directory / STATUS_FILE, {**status, "verification": found})


def _write_down(settings: TrialSettings, step: int, apart: EvaluationsApart) -> None:
    """Write `evaluation.json` for an evaluation that was made apart: what was found, beside rows and checkpoint."""
    found, directory = apart.metrics[step], settings.directory
    rows = [row for row in CsvFile.read(directory / EVAL_FILE) if row.get("global_step") == str(step)]
    recorded = {name: float(rows[-1].get(name) or "nan") for name in found} if rows else None
    mismatches = [name for name in found if recorded is None or repr(recorded[name]) != repr(float(found[name]))]
    path = directory / f"checkpoint_{step}"
    if path.is_dir() and model_hash(path) != apart.snapshots[step]:
        mismatches.append("the checkpoint holds another model than the one that was evaluated")
    record = {
        "checkpoint": path.name,
        "global_step": step,
        "workload": settings.definition.name,
        "framework": settings.framework,
        "evaluation": "apart",
        "recomputed": found,
        "recorded": recorded,
        "differences": {name: abs(value - found[name]) for name, value in (recorded or {}).items()},
        "tolerance": 0.0,
        "mismatches": mismatches,
        "seconds": apart.longest_sec,
        "sha256": content_hash(path),
    }
    write_json(directory / EVALUATION_FILE, {"trial": ".", "checkpoints": [record]})
    agree = "differs: " + "; ".join(mismatches) if mismatches else "agrees with the records"
    print(f"verified: step {step} was evaluated in a process without the submission's code, and {agree}", flush=True)
