"""A Slurm cluster: arrays of jobs, one task per run, through `sbatch`, `squeue` and `scancel` and nothing else.

An array is a script and a list of runs, which people can read, and Slurm keeps its state: nothing depends on the
process that made it. (submitit would add its own files of pickled functions, and asks the accounting, which not every
cluster has, how a job ended. Here the run's own folder says so.) Folder `slurm` of the campaign:

    <n>.runs    names of runs, one per line: task 0 is the first
    requeue.sh  puts a job into the queue again
    <n>.sh      the script of the array; its name in the queue is algoperf-<campaign>-<n>
    <name>_<task>.log   what Slurm and the script say; the run's own log is in its job folder

Before the time limit, Slurm sends a signal: the run saves its state and queues itself again. When a job is preempted or
a node is lost, Slurm queues the job again.
"""

from __future__ import annotations

import contextlib
import getpass
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from algoperf.campaigns.engines.base import Engine, EngineAway
from algoperf.campaigns.folder import Campaign
from algoperf.campaigns.manifest import PlannedRun
from algoperf.campaigns.site import Site
from algoperf.campaigns.states import RunState
from algoperf.data.files import make_directory, write_file
from algoperf.errors import UserError

_PROGRAMS = ("sbatch", "squeue", "scancel", "scontrol")
_ANSWER_SEC = 60
_NEWS_SEC = 15  # to be told where runs are, nobody waits as long as to begin them
_MOST = 1000  # runs in the queue at the same time: clusters limit the size of arrays, by default to 1001
_STAGE = "stage"
_AT_WORK = {"RUNNING", "COMPLETING", "CONFIGURING", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "SUSPENDED"}
_PATIENCE_SEC = 600


class Slurm(Engine):
    """Arrays of jobs on a cluster whose nodes share the campaign's folder."""

    outlives_caller = True

    def __init__(self, campaign: Campaign, site: Site) -> None:
        missing = [program for program in _PROGRAMS if shutil.which(program) is None]
        if missing:
            raise UserError(f"Slurm's programs are not here: {', '.join(missing)}. Call this where you call sbatch.")
        self._campaign, self._settings = campaign, site.slurm
        self._folder = campaign.path / "slurm"
        self._prefix = f"algoperf-{campaign.manifest.campaign}-"
        self.stages_itself = site.slurm.stage == "job"

    def live(self) -> Mapping[str, str]:
        """Tasks in the queue, whoever has put them there."""
        found = {}
        for name, task, state, reason, _ in self._queue():
            runs = self._runs_of(name)
            if task.isdigit() and int(task) < len(runs):
                found[runs[int(task)]] = f"{state.lower()}{'' if reason in ('None', '') else f' ({reason})'}"
        return found

    def room(self, live: Mapping[str, str]) -> int:
        """As many as an array may have."""
        return max(0, _MOST - len(live))

    def start(self, runs: Sequence[PlannedRun]) -> None:
        """Submit one array. Its list is written first: if this process dies, its tasks are still known."""
        make_directory(self._folder)
        numbers = [int(path.stem) for path in self._folder.glob("*.runs")]
        number = max(numbers, default=0) + 1
        write_file(self._list(number), "".join(f"{run.id}\n" for run in runs).encode())
        requeue = self._folder / "requeue.sh"
        write_file(requeue, _REQUEUE.encode())
        dependency = self._staging_job()
        at_once = f"%{self._settings.at_once}" if self._settings.at_once else ""
        options = [
            f"--array=0-{len(runs) - 1}{at_once}", "--requeue", "--open-mode=append",
            f"--signal=B:TERM@{self._settings.signal_sec}", f"--output={self._folder}/%x_%a.log",
        ]  # fmt: skip
        options += [f"--dependency=afterok:{dependency}", "--kill-on-invalid-dep=yes"] if dependency else []
        options += [] if self._settings.share_nodes else ["--exclusive"]
        options += [f"--time={self._settings.time_limit}"] if self._settings.time_limit else []
        script = _RUN.format(
            list=shlex.quote(str(self._list(number))),
            python=shlex.quote(self._settings.python or sys.executable),
            campaign=shlex.quote(str(self._campaign.path)),
            patience=_PATIENCE_SEC,
            requeue=shlex.quote(f"bash {shlex.quote(str(requeue))}"),
        )
        self._submit(self._name(number), self._folder / f"{number}.sh", [*options, *self._settings.options], script)

    def wait(self) -> None:
        """Return after a while: nobody is told when a job ends."""
        time.sleep(self._settings.poll_sec)

    def stop(self) -> None:
        """Jobs go on without this process."""

    def cancel(self, grace_sec: float) -> None:
        """Remove all jobs, and wait until they are gone; the cluster's KillWait says how long they may take."""
        del grace_sec
        while jobs := {job for *_, job in self._queue()}:
            self._ask("scancel", *sorted(jobs))
            time.sleep(min(2.0, self._settings.poll_sec))

    def at_work(self, begun: Sequence[RunState]) -> Mapping[str, bool]:
        """By the states of their jobs."""
        jobs = {state.run.id: str(state.last["job"]) for state in begun if state.last.get("job")}
        said = self.states_of(list(jobs.values())) if jobs else {}
        return {run: said[job] in _AT_WORK for run, job in jobs.items() if job in said}

    def states_of(self, jobs: Sequence[str]) -> dict[str, str]:
        """Slurm's word for the state of jobs of this campaign, as far as its queue or its accounting knows them.

        Jobs are named as their runs note them, such as 12_0. Raises EngineAway.
        """
        arrays = ",".join(self._name(path.stem) for path in self._folder.glob("*.runs"))
        text = self._ask(
            "squeue", "--noheader", "--array", "--states=all", f"--name={arrays}", "--format=%F_%K|%j|%T",
            answer_sec=_NEWS_SEC,
        )  # fmt: skip
        rows = [line.split("|") for line in text.splitlines()]
        asked = sorted(set(jobs) - {row[0] for row in rows})
        if asked and shutil.which("sacct"):  # not every cluster has it
            with contextlib.suppress(EngineAway):
                text = self._ask(
                    "sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={','.join(asked)}",
                    "--format=JobID,JobName,State", answer_sec=_NEWS_SEC,
                )  # fmt: skip
                rows += [line.split("|") for line in text.splitlines()]
        # Numbers of jobs are used again, by other clusters at once.
        return {job: state.split()[0] for job, name, state in rows if name.startswith(self._prefix) and job in jobs}

    def _queue(self) -> list[tuple[str, ...]]:
        """Name, task, state, reason and number of the campaign's jobs that have not ended."""
        text = self._ask("squeue", "--noheader", "--array", f"--user={getpass.getuser()}", "--format=%j|%K|%T|%r|%F")
        return [tuple(line.split("|")) for line in text.splitlines() if line.startswith(self._prefix)]

    def _runs_of(self, name: str) -> list[str]:
        """The runs of an array, by its name in the queue."""
        file = self._folder / f"{name.removeprefix(self._prefix)}.runs"
        return file.read_text().splitlines() if file.is_file() else []

    def _list(self, number: int) -> Path:
        return self._folder / f"{number}.runs"

    def _name(self, number: int | str) -> str:
        return f"{self._prefix}{number}"

    def _staging_job(self) -> str:
        """The job that stages data before the first run: the one in the queue, or a new one; "" if none is needed."""
        if not self.stages_itself or self._campaign.is_fixed:
            return ""
        python = shlex.quote(self._settings.python or sys.executable)
        script = f"exec {python} -m algoperf campaign stage {shlex.quote(str(self._campaign.path))}"
        options = [f"--output={self._folder}/%x.log", "--open-mode=append", *self._settings.options]
        return self._submit(self._name(_STAGE), self._folder / f"{_STAGE}.sh", options, script)

    def _submit(self, name: str, script: Path, options: Sequence[str], command: str) -> str:
        """Submit a script that can be read afterwards; returns the job's number."""
        lines = ["#!/bin/bash", f"#SBATCH --job-name={name}", *(f"#SBATCH {shlex.quote(option)}" for option in options)]
        text = "\n".join([*lines, "set -u", *self._settings.setup, command, ""])
        write_file(script, text.encode())
        said = self._ask("sbatch", "--parsable", f"--chdir={self._campaign.root}", str(script))
        found = re.match(r"\d+", said)
        if found is None:
            raise UserError(f"sbatch answered {said!r} to {script}, which is no number of a job.")
        return found[0]

    def _ask(self, program: str, *arguments: str, answer_sec: float = _ANSWER_SEC) -> str:
        """What a program of Slurm prints. EngineAway if Slurm does not answer; UserError if it refuses a job."""
        try:
            done = subprocess.run(
                [program, *arguments], capture_output=True, text=True, timeout=answer_sec, check=False
            )
        except subprocess.TimeoutExpired:
            raise EngineAway(f"{program} does not answer") from None
        if done.returncode == 0:
            return done.stdout
        if program == "sbatch" and "Unable to contact" not in done.stderr:
            raise UserError(f"Slurm refuses the jobs: {done.stderr.strip()} The script is {arguments[-1]}.")
        raise EngineAway(f"{program}: {done.stderr.strip()}")


_RUN = """\
run=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {list})
job=${{SLURM_ARRAY_JOB_ID}}_${{SLURM_ARRAY_TASK_ID}}
exec {python} -m algoperf campaign execute {campaign} --run "$run" --engine slurm --job "$job" \\
  --patience {patience} --when-interrupted {requeue}" $job"
"""
# Not a job that was cancelled, nor one that Slurm queues again by itself: these are ending.
_REQUEUE = """\
#!/bin/bash
[ "$(squeue --noheader --jobs="$1" --format=%T)" != RUNNING ] || exec scontrol requeue "$1"
"""
