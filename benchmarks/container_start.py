"""Time from the call of `docker run` to the first step of mnist, compared with the same call without a container.

Needs a running engine and a newly built image of the cube (docs/containers.md, "Build"), and says so if they are
missing. An image older than the submissions of this clone may fail to run them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import common
import startup

ENGINE_STATE = os.environ.get("ALGOPERF_ENGINE_STATE", "/var/lib/algoperf-engine")  # as in ci/engine.sh


def find_engine(image: str) -> str | None:
    """Point DOCKER_HOST to an engine that answers. Returns what is missing if there is none."""
    for host in (os.environ.get("DOCKER_HOST"), None, f"unix://{ENGINE_STATE}/docker.sock"):
        environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
        try:
            asked = subprocess.run(
                ["docker", "image", "inspect", image], env=environment, capture_output=True, check=False
            )
            answers = subprocess.run(["docker", "info"], env=environment, capture_output=True, check=False)
        except FileNotFoundError:
            break
        if answers.returncode == 0:
            os.environ.update(environment)
            return None if asked.returncode == 0 else f"no image {image}: run `ci/images.sh mnist`"
    return 'no container engine answers: run `eval "$(ci/engine.sh)"`'


def run_options(folder: Path) -> list[str]:
    """The isolation options and mounts of docs/containers.md."""
    user = f"{os.getuid()}:{os.getgid()}"
    walls = (
        f"--rm --init --user={user} --network=none --cap-drop=ALL --security-opt=no-new-privileges --read-only "
        "--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,size=2g --shm-size=1g --memory=8g --pids-limit=4096"
    )
    mounts = {common.DATA: "/data:ro", folder: "/submissions:ro", folder / "parameters": "/parameters:ro"}
    volumes = [f"--volume={place}:{inside}" for place, inside in mounts.items()]
    return [*walls.split(), *volumes, f"--volume={folder / 'output'}:/output"]


def contained(image: str, folder: Path, framework: str, repetition: int) -> list[str]:
    """The command that trains for two steps in a container."""
    settings = {
        "submission": f"probe_{framework}", "framework": framework, "ruleset": "self", "trial": 1,
        "scale": common.SCALES["mnist"], "max_global_steps": 2, "skip_evals": "true", "study": repetition,
    }  # fmt: skip
    text = "".join(f"{name}: {value}\n" for name, value in settings.items())
    (folder / "parameters" / "train.yaml").write_text(text)
    paths = "--data_in=/data --submission_dir=/submissions --parameters_file=/parameters/train.yaml"
    return ["docker", "run", *run_options(folder), image, "train", *paths.split(), "--output_dir=/output"]


def first_step(command: list[Any]) -> float:
    """Seconds from the call to the beginning of the first step."""
    called = time.time()
    return common.probed(common.timed(command).output, "begins") - called


def main() -> None:
    """Measure with and without a container, alternating."""
    parser = common.parser(__doc__)
    parser.add_argument("--image", default="algoperf-mnist:cpu", help="of the cube mnist  [algoperf-mnist:cpu]")
    options = parser.parse_args()
    image = options.image
    if missing := find_engine(image):
        print(f"skipped: {missing}")
        return
    common.prepare("mnist")
    repetitions = 2 if options.quick else 7
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for needed in ("parameters", "output"):
            (folder / needed).mkdir()
        nothing = ["docker", "run", *run_options(folder), "--entrypoint=true", image]
        empty = [common.timed(nothing).wall for _ in range(repetitions + 1)][1:]
        rows.append({"what": "a container that does nothing, start to end", "wall s": statistics.median(empty)})
        for framework in common.FRAMEWORKS:
            submission = common.probing_submission(folder, framework)
            inside, outside = [], []
            for repetition in range(repetitions + 1):
                inside.append(first_step(contained(image, folder, framework, repetition)))
                outside.append(first_step(startup.train(submission, framework, folder / f"runs_{repetition}")))
            for what, values in {"`docker run`": inside, "`algoperf train`, no container": outside}.items():
                median = statistics.median(values[1:])
                rows.append({"what": f"{what} to first step, {framework}", "wall s": median})
    common.report("Container start (median)", rows, options.json)


if __name__ == "__main__":
    main()
