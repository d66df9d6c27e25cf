"""Command lines that run one trial in a container: docker, podman, or apptainer.

The same `algoperf train` runs inside; only paths are replaced by mount points. A container may do what the cubes'
`mlcube.yaml` allow, see docs/containers.md: no network, no capabilities, a read-only system, data and submission.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from algoperf.campaigns.manifest import THREADS
from algoperf.data.files import sha256_of
from algoperf.errors import UserError, unknown

ENGINES = ("docker", "podman", "apptainer")
MLCUBE = "mlcube"
DATA, SUBMISSIONS, OUTPUT = "/data", "/submissions", "/output"
_WALLS = (
    "--rm", "--init", "--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only",
    "--pids-limit=4096", "--ulimit=core=0",
)  # fmt: skip
_INSPECT_SEC = 60


@dataclass(frozen=True, kw_only=True)
class Box:
    """What one container is made of.

    Attributes:
      engine: one of ENGINES.
      name: of the container; a second one of this name cannot be begun.
      image: what to run: an image's identifier, or for apptainer a file.
      data_dir: all preprocessed data; submission: folder of the submission, None for the published model; records: the
        folder that the run may write to, below the root of all runs `runs_dir`.
      cores, gpus: what it may use; None for everything, no GPUs for none.
      memory, tmp: limits, such as "8g".
      threads: OMP_NUM_THREADS inside; 0 for none, None for that of this process.
      arguments: further ones of the engine, from the site's settings.
    """

    engine: str
    name: str
    image: str
    data_dir: Path
    submission: Path | None
    records: Path
    runs_dir: Path
    cores: Sequence[int] | None = None
    gpus: Sequence[str] = ()
    memory: str = "8g"
    tmp: str = "2g"
    threads: int | None = None
    arguments: Sequence[str] = field(default_factory=tuple)

    def command(self, train: Sequence[str]) -> list[str]:
        """The command line for `algoperf train ...`, whose paths become mount points."""
        inside = ["python", "-m", "algoperf", *_inside(train, self.submission)]
        output = f"{OUTPUT}/{self.records.relative_to(self.runs_dir)}"
        mounts = [(self.data_dir, DATA, "ro"), (self.records, output, "rw")]
        if self.submission is not None:
            mounts.append((self.submission, f"{SUBMISSIONS}/{self.submission.name}", "ro"))
        if self.engine == "apptainer":
            return self._apptainer(mounts, inside)
        return self._docker(mounts, inside)

    def thread_options(self) -> list[str]:
        """The engine's option for the number of threads, if there is one to be said."""
        threads = os.environ.get(THREADS) if self.threads is None else self.threads
        return [f"--env={THREADS}={threads}"] if threads else []

    def _docker(self, mounts: list[tuple[Path, str, str]], inside: list[str]) -> list[str]:
        podman = self.engine == "podman"
        words = [self.engine, "run", *_WALLS, f"--name={self.name}", f"--user={os.getuid()}:{os.getgid()}"]
        words += [f"--memory={self.memory}", f"--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,size={self.tmp}"]
        words += ["--read-only-tmpfs=false"] if podman else []
        words += ["--userns=keep-id"] if podman and os.getuid() else []
        words += ["--shm-size=16g", "--ulimit=memlock=-1"] if self.gpus else ["--shm-size=1g"]
        if self.gpus:
            chosen = ",".join(self.gpus)
            words += (
                [f"--device=nvidia.com/gpu={gpu}" for gpu in self.gpus] if podman else [f'--gpus="device={chosen}"']
            )
        if self.cores is not None:
            words.append(f"--cpuset-cpus={','.join(map(str, self.cores))}")
        words += self.thread_options()
        words += [f"--volume={_mountable(path)}:{target}:{mode}" for path, target, mode in mounts]
        return [*words, *self.arguments, f"--entrypoint={inside[0]}", self.image, *inside[1:]]

    def _apptainer(self, mounts: list[tuple[Path, str, str]], inside: list[str]) -> list[str]:
        words = ["apptainer", "exec", "--containall", "--no-home", "--no-privs", "--net", "--network=none"]
        words += [*(["--nv"] if self.gpus else []), *self.thread_options()]
        words += [f"--bind={_mountable(path)}:{target}:{mode}" for path, target, mode in mounts]
        return [*words, *self.arguments, self.image, *inside]

    def stop(self, grace_sec: int) -> None:
        """End the container if it runs: it may save its state for `grace_sec` seconds.

        Those of apptainer are children of their caller and end with it.
        """
        if self.engine != "apptainer":
            for words in (["stop", f"--time={grace_sec}"], ["rm", "--force"]):
                subprocess.run([self.engine, *words, self.name], capture_output=True, check=False)


def _inside(train: Sequence[str], submission: Path | None) -> list[str]:
    """The words of `algoperf train` with the paths that it has inside."""
    words, paths = list(train[1:]), {"--data-dir": DATA, "--output-dir": OUTPUT}
    if submission is not None:
        option = given_as(words)
        paths[option] = f"{SUBMISSIONS}/{named(submission, words[words.index(option) + 1])}"
    for option, path in paths.items():
        words[words.index(option) + 1] = path
    return words


def given_as(words: Sequence[str]) -> str:
    """The option of `algoperf train` that says what is trained, in its words."""
    return "--model" if "--model" in words else "--submission"


def named(submission: Path, given: str) -> str:
    """A submission below the folder that its folder is mounted in."""
    file = Path(given)
    return f"{submission.name}/{file.name}" if file.suffix == ".py" else submission.name


def _mountable(path: Path) -> str:
    """A path as the engines take it. Raises UserError if a character of it has a meaning for them."""
    if found := set(str(path)) & set(":,\n"):
        raise UserError(f"{path} cannot be mounted: its name has {', '.join(map(repr, sorted(found)))}. Rename it.")
    return str(path)


def digest_of(engine: str, image: str) -> str:
    """An image's identifier, or for apptainer the SHA-256 of its file. Raises UserError if there is none."""
    if engine not in ENGINES:
        raise unknown("container engine", engine, ENGINES)
    if engine == "apptainer":
        file = Path(image)
        if not file.is_file():
            raise UserError(f"There is no image {image}. Make it: apptainer build {image} docker-daemon:NAME:TAG")
        return f"sha256:{sha256_of(file)}"
    if shutil.which(engine) is None:
        raise UserError(f"{engine} is not installed here. Plan with --launcher process, or install it.")
    words = [engine, "image", "inspect", "--format={{.Id}}", image]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=_INSPECT_SEC)
    except subprocess.TimeoutExpired:
        raise UserError(f"{engine} does not answer. Is its engine up? See ci/engine.sh.") from None
    if done.returncode != 0:
        workload = image.removeprefix("algoperf-").partition(":")[0]
        raise UserError(f"There is no image {image}: {done.stderr.strip()}. Build it: ci/images.sh {workload}")
    digest = done.stdout.strip()
    return digest if digest.startswith("sha256:") else f"sha256:{digest}"


def engine_of(launcher: str) -> str:
    """The container engine that a launcher uses."""
    return "docker" if launcher == MLCUBE else launcher


def require_same_image(launcher: str, image: str, planned: str | None) -> str:
    """The image's identifier now. Raises UserError if it is not the planned one, or there is none."""
    digest = digest_of(engine_of(launcher), image)
    if planned not in (None, digest):
        raise UserError(
            f"The image {image} was built again: planned was {planned}, now it is {digest}. Restore the old one, or "
            "plan a new campaign in another folder."
        )
    return digest


def container_name(campaign: str, number: int) -> str:
    """The name of the container of a campaign's run."""
    return f"algoperf-{campaign}-{number}"


def remove_all(engine: str, campaign: str) -> None:
    """Remove whatever containers of a campaign are left on this machine."""
    if engine != "apptainer":
        words = [engine, "ps", "--all", "--quiet", f"--filter=name={container_name(campaign, 0)[:-1]}"]
        found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
        if found:
            subprocess.run([engine, "rm", "--force", *found], capture_output=True, check=False)
