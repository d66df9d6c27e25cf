"""One trial through the `mlcube` tool: the cube's own mlcube.yaml says which image it has and what it may do.

The tool passes paths only, so settings are in a file. It hands paths to a shell, so those with unusual characters are
refused. And it mounts the folder above a submission, in which others may lie, so a submission is copied into one of its
own. Files of a run, in its job folder:

    mlcube/parameters/train.yaml   options of `algoperf train`
    mlcube/submissions/<name>/     the submission
    mlcube/output/                 stays empty: the records are mounted into it
    mlcube/settings.yaml           the tool's own
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from algoperf.campaigns.containers import Box, given_as, named
from algoperf.data.files import make_directory, write_file
from algoperf.errors import UserError

ENGINE = "docker"
_PROGRAM_VARIABLE = "ALGOPERF_MLCUBE"
_PLAIN = re.compile(r"[A-Za-z0-9_./+-]+")
_OUTPUT = "/mlcube_io3"  # the tool numbers the mounts: data, submissions, parameters, output
_OF_PATHS = ("workload", "submission", "model", "data-dir", "output-dir")
# The tool leaves its container running when it is stopped: pass the wish on by name, once the container is there.
_STOPPABLE = """
engine=$1 name=$2; shift 2
pass_on() {
  until "$engine" kill --signal=TERM "$name" >/dev/null 2>&1; do
    kill -0 "$child" 2>/dev/null || return
    sleep 0.2
  done
}
trap pass_on TERM INT
"$@" & child=$!
while kill -0 "$child" 2>/dev/null; do wait "$child"; done
wait "$child"
"""


def program() -> str:
    """The `mlcube` command. Raises UserError if it is not here."""
    name = os.environ.get(_PROGRAM_VARIABLE, "mlcube")
    found = shutil.which(name)
    if found is None:
        raise UserError(
            f"There is no command {name}. Install it: ci/mlcube-setup.sh prints its path; set {_PROGRAM_VARIABLE} to "
            "that, or put its folder on the PATH."
        )
    return found


def command(box: Box, cube: Path, train: Sequence[str], folder: Path) -> list[str]:
    """The command line for `algoperf train ...` through the tool, after writing what it reads below `folder`.

    Raises UserError if a path cannot go through a shell.
    """
    _write(box, train, folder)
    inside = box.records.relative_to(box.runs_dir)
    make_directory(folder / "output" / inside)
    engine_args = [f"--name={box.name}", f"--volume={_plain(box.records)}:{_OUTPUT}/{inside}:rw", *box.arguments]
    engine_args += [f"--cpuset-cpus={','.join(map(str, box.cores))}"] if box.cores is not None else []
    engine_args += [f"--env=CUDA_VISIBLE_DEVICES={','.join(box.gpus)}"] if box.gpus else []
    engine_args += box.thread_options()
    environment = {
        "ALGOPERF_ENGINE": ENGINE,
        "ALGOPERF_ENGINE_ARGS": shlex.join(engine_args),
        "ALGOPERF_ACCELERATOR": box.image.partition(":")[2],
        "ALGOPERF_GPUS": str(len(box.gpus)),
        "MLCUBE_SYSTEM_SETTINGS": str(folder / "settings.yaml"),
    }
    paths = {"data_in": box.data_dir, "submission_dir": folder / "submissions",
             "parameters_file": folder / "parameters" / "train.yaml", "output_dir": folder / "output"}  # fmt: skip
    words = ["env", *(f"{name}={value}" for name, value in environment.items()), program(), "run"]
    words += [f"--mlcube={_plain(cube)}", "--task=train", f"--workspace={_plain(folder)}"]
    words += [f"{name}={_plain(path)}" for name, path in paths.items()]
    return ["bash", "-c", _STOPPABLE, "mlcube", ENGINE, box.name, *words]


def _write(box: Box, train: Sequence[str], folder: Path) -> None:
    """The submission and the settings of a run."""
    copies = folder / "submissions"
    shutil.rmtree(copies, ignore_errors=True)
    options = dict(_options(train[2:]))
    option = given_as(train).removeprefix("--")
    entry = str(options[option])
    make_directory(copies)
    if box.submission is not None:
        shutil.copytree(box.submission, copies / box.submission.name)
        entry = named(box.submission, entry)
    settings = {name.replace("-", "_"): value for name, value in options.items() if name not in _OF_PATHS}
    make_directory(folder / "parameters")
    write_file(folder / "parameters" / "train.yaml", yaml.safe_dump({option: entry, **settings}).encode())


def _options(words: Sequence[str]) -> Iterator[tuple[str, str | bool]]:
    """The options in the words of a command line, flags as truth values."""
    for place, word in enumerate(words):
        if word.startswith("--"):
            name, following = word.removeprefix("--"), words[place + 1 : place + 2]
            is_flag = not following or following[0].startswith("--")
            yield (name.removeprefix("no-"), not name.startswith("no-")) if is_flag else (name, following[0])


def _plain(path: Path) -> str:
    """A path that no shell changes. Raises UserError for others."""
    if not _PLAIN.fullmatch(str(path)):
        found = sorted(set(_PLAIN.sub("", str(path))))
        raise UserError(
            f"{path} cannot be given to mlcube, which hands paths to a shell: its name has "
            f"{', '.join(map(repr, found))}. Rename it, or plan with --launcher {ENGINE}."
        )
    return str(path)
