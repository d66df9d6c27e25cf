"""Runs tasks of cubes through the real `mlcube` command, as a non-root user."""

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from places import REPOSITORY

ROOT = REPOSITORY
USER = 1500  # no user with this ID needs to exist


@dataclass
class Caller:
    """The calling user: an unprivileged one if we are root, else ourselves."""

    folder: Path
    identity: dict = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path) -> "Caller":
        if os.geteuid() != 0:
            return cls(folder)
        engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        return cls(folder, {"user": USER, "group": USER, "extra_groups": [os.stat(engine).st_gid]})

    @property
    def uid(self) -> int:
        return self.identity.get("user", os.getuid())

    def own(self) -> None:
        """Give everything in the folder to the caller."""
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, self.uid, self.identity.get("group", -1), follow_symlinks=False)

    def run(self, command) -> subprocess.CompletedProcess:
        """Run a command; `.stdout` holds both output streams."""
        environment = {
            **os.environ,
            "HOME": str(self.folder),
            "MLCUBE_SYSTEM_SETTINGS": str(self.folder / "mlcube.yaml"),
        }
        return subprocess.run(
            command, check=False, cwd=self.folder, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.identity,
        )  # fmt: skip


class Cube:
    """A cube, mnist's by default: `cube(task, settings, name=path, ...)` runs a task, returns the finished process."""

    def __init__(self, caller: Caller, workload: str = "mnist") -> None:
        self.caller = caller
        self.folder = caller.folder
        self.workload = workload
        self._runs = 0

    def __call__(self, task: str, settings: dict | None = None, *options: str, **paths) -> subprocess.CompletedProcess:
        if settings is not None:
            self._runs += 1
            file = self.folder / f"parameters_{self.workload}_{self._runs}" / "run.yaml"
            file.parent.mkdir()
            file.write_text(yaml.safe_dump(settings))
            self.caller.own()
            paths["parameters_file"] = file
        cube = self.folder / "cubes" / self.workload
        command = [os.environ["ALGOPERF_MLCUBE"], "run", f"--mlcube={cube}", f"--task={task}"]
        places = [f"{name}={path}" for name, path in paths.items()]
        return self.caller.run([*command, f"--workspace={self.folder}", *options, *places])

    def settings(self, submission: str, **settings) -> dict:
        """The settings of a short training of a test submission."""
        return {
            "submission": submission,
            "framework": "pytorch",
            "scale": "mini",
            "ruleset": "self",
            "max_global_steps": 20,
            **settings,
        }

    def train(self, submission: str, output: str, *options: str, **settings) -> subprocess.CompletedProcess:
        """Train a test submission for a few steps; results go to the folder `output`."""
        return self(
            "train",
            self.settings(submission, **settings),
            *options,
            submission_dir=self.folder / "submissions",
            output_dir=output,
        )


def first_step(done: subprocess.CompletedProcess) -> float:
    """When the first step of a training began, according to its submission."""
    return float(done.stdout.split("first step at ")[1].split()[0])
