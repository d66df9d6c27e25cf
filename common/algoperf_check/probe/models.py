"""Tries a submitted model (section 18): it trains, resumes and is evaluated alone, by the commands that users call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from safetensors.numpy import load_file

from algoperf.data.prepare import prepare
from algoperf.system import algoperf_command, clean_python, without_network
from algoperf.text import counted
from algoperf.waiting import Say, waiting
from algoperf.workload.definition import WorkloadDefinition
from algoperf.workload.registry import cube_folders, load_cube
from algoperf_check.findings import Finding
from algoperf_check.request import CheckRequest
from algoperf_check.rules import RULES

NUM_STEPS, EVAL_EVERY_STEPS = 6, 3
LIMIT_SEC = 600.0  # for one command
_QUICKEST = ("digits", "mnist", "fastmri", "criteo1tb", "ogbg", "finewebedu_lm", "cifar")
_SHOWN_LINES = 6


def run(request: CheckRequest) -> list[Finding]:
    """Breaches of rules 18 on one data set that the model is made for, the quickest; on all of them with `smoke`."""
    with waiting("finding out which data sets the model is made for"):
        made_for, reasons = _made_for(request)
    if not made_for:
        told = "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:2])
        return [Finding(RULES["18.1"], f"It builds a model for none of {', '.join(reasons)}. {told}")]
    quickest = sorted(made_for, key=lambda name: (_QUICKEST.index(name) if name in _QUICKEST else len(_QUICKEST), name))
    found: list[Finding] = []
    for name in quickest if request.smoke else quickest[:1]:
        click.echo(_trying(name, quickest, request.smoke), err=True)
        with (
            tempfile.TemporaryDirectory(prefix="algoperf_check_") as root,
            waiting(f"making the data of {name}") as say,
        ):
            found += _Trial(request, load_cube(cube_folders()[name]).at("mini"), Path(root), say).findings()
    return found


def _trying(name: str, quickest: Sequence[str], on_all: bool) -> str:
    """What is said before the model is tried on a data set, one of those that it is made for, the quickest first."""
    all_of_them = f"the {counted(len(quickest), 'data set')} it is made for ({', '.join(quickest)})"
    if len(quickest) == 1:
        return f"trying it on {name}, the data set it is made for"
    return f"trying it on {name}, {'one' if on_all else 'the quickest'} of {all_of_them}"


def _made_for(request: CheckRequest) -> tuple[list[str], dict[str, str]]:
    """The workloads that the model is built for at scale mini, and why it is not built for the others."""
    command = clean_python("algoperf_check.probe.model_session", str(request.folder), str(request.framework))
    done = _call([*without_network(), *command])
    if done.returncode != 0:
        return [], {"any data set": _last_lines(done)}
    told = json.loads(done.stdout.splitlines()[-1])
    return told["made_for"], told["reasons"]


@dataclass(frozen=True)
class _Trial:
    request: CheckRequest
    definition: WorkloadDefinition
    root: Path
    say: Say

    def findings(self) -> Iterator[Finding]:
        """Train, resume, evaluate; the first failure ends it."""
        on = (self.definition.name,)
        prepare(self.definition.dataset, "mini", self.root / "raw", self.root / "data")
        self.say(f"training on {self.definition.name}")
        done = _call(self._train(self.root / "runs"))
        if done.returncode != 0:
            yield Finding(RULES["18.1"], _last_lines(done), on=on)
            return
        last = f"checkpoint_{NUM_STEPS}"
        trained = next((self.root / "runs").rglob(last))
        shutil.copytree(self.root / "runs", self.root / "resumed")
        resumed = self.root / "resumed" / trained.relative_to(self.root / "runs")
        shutil.rmtree(resumed)
        (resumed.parent / "status.json").unlink()
        self.say(f"resuming on {self.definition.name}")
        done = _call(self._train(self.root / "resumed"))
        if done.returncode != 0:
            yield Finding(RULES["18.2"], _last_lines(done), on=on)
        elif _arrays(resumed) != _arrays(trained):
            yield Finding(
                RULES["18.2"], f"after a restart at step {EVAL_EVERY_STEPS}, step {NUM_STEPS} differs.", on=on
            )
        self.say(f"evaluating on {self.definition.name}")
        done = _call(self._command("evaluate", self.root / "runs"))
        if done.returncode != 0:
            yield Finding(RULES["18.3"], _last_lines(done), on=on)

    def _train(self, output: Path) -> list[str]:
        options = {"scale": "mini", "framework": self.request.framework, "version": self.request.version.name}
        limits = {"max-global-steps": NUM_STEPS, "eval-every-steps": EVAL_EVERY_STEPS, "checkpoints": "all"}
        words = [word for name, value in {**options, **limits}.items() for word in (f"--{name}", str(value))]
        return [*self._command("train", output), *words, "--share"]

    def _command(self, task: str, output: Path) -> list[str]:
        paths = {"workload": self.definition.folder, "model": self.request.folder, "data-dir": self.root / "data"}
        words = [word for name, value in paths.items() for word in (f"--{name}", str(value))]
        return [*without_network(), *algoperf_command(task, *words, "--output-dir", str(output))]


def _arrays(checkpoint: Path) -> dict[str, bytes]:
    return {
        f"{file.name}: {name}": array.tobytes()
        for file in sorted(checkpoint.glob("*.safetensors"))
        for name, array in load_file(file).items()
    }


def _call(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    try:
        return subprocess.run(
            command, capture_output=True, text=True, errors="replace", env=environment, timeout=LIMIT_SEC, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", f"It was still busy after {LIMIT_SEC:g} s.")


def _last_lines(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()[-_SHOWN_LINES:]
    return " / ".join(line.strip() for line in lines) or f"exit code {done.returncode}, and no message"
