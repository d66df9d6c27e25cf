"""The entry point of a cube's image: MLCube's call becomes the `algoperf` command of the same name.

MLCube only passes paths: `train --data_in=/mlcube_io0 --parameters_file=/mlcube_io2/run.yaml ...`. Everything
else is in the parameters file: YAML whose keys are the options of the command (`framework`, `study`,
`max_global_steps` ...). ALGOPERF_WORKLOAD names the image's workload.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import click

from algoperf import cli
from algoperf.commands.options import Whole
from algoperf.errors import AlgoperfError, UserError, unknown
from algoperf.submission.track import PUBLISHED

# task -> name of the path in mlcube.yaml -> option of the command
PATHS = {
    "download": {"raw_dir": "raw-dir"},
    "preprocess": {"raw_in": "raw-dir", "data_dir": "data-dir"},
    "train": {"data_in": "data-dir", "output_dir": "output-dir", "submission_dir": "submission"},
    "evaluate": {"data_in": "data-dir", "output_in": "output-dir", "scores_dir": "scores-dir"},
}
PARAMETERS_FILE = "parameters_file"
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
NOT_GIVEN = "null"  # file name for an optional file that was not given


def command_line(task: str, arguments: list[str], workload: str) -> list[str]:
    """The `algoperf` arguments for a task and its MLCube arguments. UserError if they are invalid."""
    if task not in PATHS:
        raise unknown("task", task, PATHS)
    paths = _parse_paths(task, arguments)
    settings = _read_parameters(paths.pop(PARAMETERS_FILE, NOT_GIVEN))
    names = dict(PATHS[task])
    if "submission_dir" in paths:
        names["submission_dir"], paths["submission_dir"] = _submission(paths["submission_dir"], settings)
    options = [word for name, path in paths.items() for word in (f"--{names[name]}", path)]
    return [task, "--workload", workload, *options, *_setting_options(task, settings)]


def _parse_paths(task: str, arguments: list[str]) -> dict[str, str]:
    allowed = {*PATHS[task], PARAMETERS_FILE}
    paths = {}
    for argument in arguments:
        name, equals, value = argument.removeprefix("--").partition("=")
        if name not in allowed:
            raise unknown(f"path of task {task}:", name, allowed)
        if not argument.startswith("--") or not equals or not value:
            raise UserError(f"{argument!r} is not of the form --{name}=PATH.")
        paths[name] = value
    missing = sorted(set(PATHS[task]) - set(paths))
    if missing:
        raise UserError(f"Task {task} needs: {', '.join(f'--{name}=PATH' for name in missing)}.")
    return paths


def _read_parameters(path: str) -> dict[str, Any]:
    if Path(path).name == NOT_GIVEN:
        return {}
    from algoperf.readers.yaml_text import read_yaml

    try:
        content = read_yaml(Path(path))
    except UserError as error:
        raise UserError(f"The parameters file cannot be used. {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"The parameters file must hold `name: value` lines, but it holds a {type(content).__name__}.")
    settings: dict[str, Any] = {}
    for given, value in content.items():
        name = given.replace("-", "_")
        if name in settings:
            raise UserError(f"The parameters file says {name} twice, with - and with _.")
        settings[name] = value
    return settings


def _submission(folder: str, settings: dict[str, Any]) -> tuple[str, str]:
    """The option that names what is trained, and its value. A model is a folder below submission_dir too."""
    if "submission" in settings and "model" in settings:
        raise UserError("The parameters file says submission and model: they are for different tracks. Leave one out.")
    option = "model" if "model" in settings else "submission"
    relative = settings.pop(option, None)
    if option == "model" and relative == PUBLISHED:
        return option, PUBLISHED
    if relative is None:
        holds = ", ".join(sorted(entry.name for entry in Path(folder).iterdir())) or "nothing"
        raise UserError(
            "The parameters file must say `submission: NAME`, a folder below submission_dir (a mount has no name "
            f"of its own). submission_dir holds: {holds}."
        )
    path = Path(folder, str(relative))
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise UserError(f"{option}: {relative!r} is outside of submission_dir.")
    return option, str(path)


def _setting_options(task: str, settings: dict[str, Any]) -> list[str]:
    command = cli.cli.get_command(click.Context(cli.cli), task)
    assert command is not None
    reserved = {"workload", "model", *(option.replace("-", "_") for option in PATHS[task].values())}
    options = {option.opts[0].removeprefix("--").replace("-", "_"): option for option in command.params}
    allowed = sorted(set(options) - reserved)
    words = []
    for name, value in settings.items():
        if name not in allowed:
            raise unknown(f"setting of task {task}:", name, allowed)
        words += _option_words(name, options[name], value)
    return words


def _option_words(name: str, option: click.Parameter, value: Any) -> list[str]:
    if value is None:
        return []
    if getattr(option, "is_flag", False):
        if not isinstance(value, bool):
            raise UserError(f"{name}: {value!r} is not a truth value. Allowed: true, false.")
        return [option.opts[0]] if value else option.secondary_opts[:1]
    if not isinstance(value, str):
        raise UserError(f"{name}: {value!r} is not a single value.")
    if isinstance(option.type, click.types.IntParamType | Whole) and _OCTAL.fullmatch(value):
        raise UserError(f"{name}: {value} is octal in YAML and decimal elsewhere. Write it without leading zeros.")
    return [option.opts[0], value]


def main() -> None:
    """Run the task named on the command line."""
    task, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    try:
        words = command_line(task, arguments, os.environ.get("ALGOPERF_WORKLOAD", ""))
    except AlgoperfError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    cli.main(words)


if __name__ == "__main__":
    main()
