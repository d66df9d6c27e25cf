"""Campaigns of scripted trials, and of real ones, in folders of tests."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from algoperf.campaigns.folder import MANIFEST, Campaign
from algoperf.campaigns.manifest import read_manifest
from algoperf.cli import cli
from places import BASELINES, SUPPORT

PATIENCE_SEC = 200  # what is waited for takes a second, but the processor may be busy
STEPS = 60
KINDS = ("campaign", "worker", "trial")


def wait_until(happened: Callable[[], Any], what: str = "it") -> None:
    deadline = time.monotonic() + PATIENCE_SEC
    while not happened():
        assert time.monotonic() < deadline, f"{what} does not happen"
        time.sleep(0.01)


@dataclasses.dataclass
class Case:
    """A campaign, and the commands that work on it, each in a process of its own."""

    folder: Path
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def campaign(self) -> Campaign:
        return Campaign(self.folder)

    def command(self, name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "algoperf", "campaign", name, str(self.folder), *arguments]

    def call(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(name, *arguments), capture_output=True, text=True, check=False, timeout=PATIENCE_SEC,
            env={**os.environ, **self.environment},
        )  # fmt: skip

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """`algoperf campaign run`, in the background."""
        with (self.folder / "output.txt").open("a") as file:
            return subprocess.Popen(
                self.command("run", *arguments), stdout=file, stderr=file, text=True, start_new_session=True,
                env={**os.environ, **self.environment},
            )  # fmt: skip

    def status(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.call("status", "--json").stdout)
        return content

    def phases(self) -> dict[str, str]:
        return {state.run.id: state.phase.value for state in self.campaign.states({})}

    def attempts(self, run_id: str) -> list[dict[str, Any]]:
        campaign = self.campaign
        return campaign.attempts(campaign.find(run_id))

    def evaluations(self, run_id: str) -> list[int]:
        """The steps at which the run was evaluated, as its records have it."""
        file = self.campaign.records(self.campaign.find(run_id)) / "eval_measurements.csv"
        if not file.exists():
            return []
        with file.open() as content:
            return [int(row["global_step"]) for row in csv.DictReader(content)]

    def processes(self) -> list[int]:
        """All processes of this machine that have to do with the campaign."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if str(self.folder).encode() in words:
                    found.append(int(entry.name))
        return found

    def of_kind(self, kind: str) -> list[int]:
        """The campaign's processes of a kind."""
        return sorted(number for number in self.processes() if _kind(number) == kind)

    def kill_at_random(self, num_kills: int, moments: random.Random, *options: str) -> Counter[str]:
        """Kill processes of the campaign at random moments, and then let it end; returns how many of which kind.

        The campaign itself is begun again whenever it is killed; everything else is its own affair. On a quick machine
        it may end before it was killed so often; half of the kills are asked for.
        """
        process, kills = self.begin(*options), Counter[str]()
        while kills.total() < num_kills:
            kind = moments.choice(KINDS)
            wait_until(lambda kind=kind: self.of_kind(kind) or process.poll() is not None, f"a {kind}")  # noqa: B023
            time.sleep(moments.uniform(0.0, 0.3))
            if process.poll() is not None:
                assert kills.total() >= num_kills / 2, "it ended before it was killed often enough"
                break
            if found := self.of_kind(kind):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(moments.choice(found), signal.SIGKILL)
                    kills[kind] += 1
            if kind == "campaign" and found:
                process.wait()
                process = self.begin()
        if process.wait(timeout=PATIENCE_SEC):  # a run was killed again and again before it got on
            assert self.call("run", "--again").returncode == 0
        return kills


def _kind(number: int) -> str | None:
    """What a process is to its campaign; None if it is gone or a helper of Slurm's."""
    try:
        words = Path(f"/proc/{number}/cmdline").read_text().split("\0")
    except OSError:
        return None
    kinds = {"run": "campaign", "execute": "worker"}
    return "trial" if any(word.endswith("scripted_trial.py") for word in words) else next(
        (kinds[word] for word in words if word in kinds and "campaign" in words), None
    )  # fmt: skip


def plan(folder: Path, *arguments: str, submissions: Sequence[Path] = (BASELINES / "momentum_pytorch",)) -> Any:
    """`algoperf campaign plan` in this process."""
    given = ["--submissions", ",".join(map(str, submissions)), "--output", str(folder), *arguments]
    return CliRunner().invoke(cli, ["campaign", "plan", *given])


def scripted(
    folder: Path, data_root: Path, behaviours: Mapping[str, Sequence[str]], *, studies: int = 1, steps: int = STEPS,
    workloads: str = "digits", scale: str = "full", submissions: Sequence[str] = ("momentum_pytorch",),
    options: Sequence[str] = (),
) -> Case:  # fmt: skip
    """A campaign whose trials are scripted: what each of them does, by a part of its name; "go" for the others."""
    done = plan(
        folder, "--workloads", workloads, "--studies", str(studies), "--scale", scale,
        "--data-dir", str(data_root), *options,
        submissions=[BASELINES / name for name in submissions],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    manifest = read_manifest(folder / MANIFEST)
    runs = []
    for run in manifest.runs:
        told = next((words for part, words in behaviours.items() if part in run.id), ["go"])
        script = [sys.executable, "-S", "-E", str(SUPPORT / "scripted_trial.py")]
        command = (*script, str(Campaign(folder).records(run)), str(steps), *told)
        runs.append(dataclasses.replace(run, command=command))
    dataclasses.replace(manifest, runs=runs).write(folder / MANIFEST)
    return Case(folder)


def kill(process: subprocess.Popen[str]) -> None:
    """Only this process: its runs go on."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
