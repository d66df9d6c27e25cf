"""`algoperf.train`: one trial, in processes of its own."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Literal

from algoperf.api.run import Run
from algoperf.api.words import errors_in_python_words
from algoperf.errors import AlgoperfError, UserError
from algoperf.records.status import Status
from algoperf.system import algoperf_command, followed
from algoperf.trial.request import Request, settle
from algoperf.trial.settings import CompilePolicy
from algoperf.tuning.ruleset import Ruleset
from algoperf.versions import DEFAULT_VERSION, Scale
from algoperf.workload.definition import Framework

SubmissionPlace = Path | str | ModuleType
"""A submission: its folder, its file, or the imported module."""


@errors_in_python_words
def train(
    submission: SubmissionPlace | None = None,
    workload: str | None = None,
    *,
    model: SubmissionPlace | None = None,
    framework: Framework | None = None,
    ruleset: Ruleset = "self",
    search_space: Path | str | None = None,
    study: int = 1,
    trial: int = 1,
    num_studies: int | None = None,
    num_trials: int | None = None,
    seed: int = 0,
    scale: Scale = "full",
    version: str = DEFAULT_VERSION,
    raw_dir: Path | str | None = None,
    data_dir: Path | str = "data",
    output_dir: Path | str = "runs",
    max_global_steps: int | None = None,
    eval_every_steps: int | None = None,
    resume: bool = True,
    checkpoints: str = "last",
    compile_policy: CompilePolicy = "auto",
    num_processes: int | None = None,
    share: bool = False,
    verify: bool = True,
    evaluation: Literal["auto", "apart", "together"] = "auto",
    show: bool = True,
) -> Run:
    """Train a submission on a workload until its target is reached or its budget is spent, and return the run.

    The same as `algoperf train`, in processes of its own: a finished trial is not repeated, an interrupted one is
    resumed. Missing data is made first. Interrupting the notebook's kernel interrupts the trial; so does, on Linux,
    whatever ends the kernel or a script that calls this.

    Args:
      submission: its folder or file (see `write_submission`), or an imported module.
      workload: a workload by name, or the folder of a cube.
      model: the model track, instead of `submission`: a folder with `model_jax.py` or `model_torch.py`, or "published".
      framework: "jax" or "pytorch"; None for the one that the submission is written in.
      ruleset: "self", or "external" with a search space: `search_space`, by default the one in the submission's folder.
      study, trial: which point of the search space, and which seeds; `seed` changes all of them.
      num_studies, num_trials: None for those of the version.
      scale: "full", or "mini" for a small model on generated data.
      version: of the benchmark.
      raw_dir: raw data; None for the folder `raw` in `data_dir`.
      data_dir, output_dir: preprocessed data, and the root of all runs.
      max_global_steps, eval_every_steps, checkpoints, compile_policy, num_processes, share, verify, evaluation: see
        `algoperf train --help`.
      resume: False starts over; the earlier trial is kept aside.
      show: print what the trial prints.

    Raises AlgoperfError, or a class below it, with the message of a trial that did not end by the rules.
    """
    from algoperf.data.prepare import prepare

    if workload is None:
        raise UserError('Name a workload, such as algoperf.train("submissions/template", "digits").')
    entry, found = entry_of(submission, model, framework)
    request = Request(
        workload=workload,
        framework=found,
        submission=entry.get("submission"),
        model=entry.get("model"),
        ruleset=ruleset,
        search_space=None if search_space is None else Path(search_space),
        study=study,
        trial=trial,
        num_studies=num_studies,
        num_trials=num_trials,
        seed=seed,
        scale=scale,
        version_name=version,
        data_dir=Path(data_dir),
        output_dir=Path(output_dir),
        max_global_steps=max_global_steps,
        eval_every_steps=eval_every_steps,
        resume=resume,
        checkpoints=checkpoints,
        compile_policy=compile_policy,
        num_processes=num_processes,
        share=share,
        verify=verify,
        evaluation=evaluation,
    )
    settings = settle(request)  # a mistake is said before data is made
    prepare(settings.definition.dataset, scale, Path(raw_dir or Path(data_dir, "raw")), request.data_dir)
    run_command(["train", *options_of(request)], show=show)
    return Run.read(settings.directory)


def entry_of(
    submission: SubmissionPlace | None, model: SubmissionPlace | None, framework: Framework | None
) -> tuple[dict[str, Path], Framework]:
    """What is trained, `submission` or `model` with its path, and its framework. UserError if it is not one of them."""
    from algoperf.submission.framework import framework_to_train
    from algoperf.submission.model import find_model, model_framework

    if (submission is None) == (model is None):
        raise UserError("Give a submission or, for the model track, model=..., and not both: a model brings its "
                        "training algorithm along.")  # fmt: skip
    if model is not None:
        place = place_of(model)
        place = place.parent if place.suffix == ".py" else place
        return {"model": place}, model_framework(find_model(place), framework)
    assert submission is not None
    place = place_of(submission)
    return {"submission": place}, framework_to_train(place, framework)


def place_of(submission: SubmissionPlace) -> Path:
    """The folder or file of a submission."""
    if isinstance(submission, ModuleType):
        if submission.__file__ is None:
            raise UserError(f"The module {submission.__name__} has no file. Give the submission's folder.")
        return Path(submission.__file__)
    return Path(submission)


def options_of(request: Request) -> list[str]:
    """A request as options of `algoperf train`."""
    names = {"version_name": "version", "compile_policy": "torch-compile"}
    words = []
    for name, value in vars(request).items():
        option = f"--{names.get(name, name).replace('_', '-')}"
        if name in ("resume", "verify"):
            words.append(option if value else option.replace("--", "--no-"))
        elif isinstance(value, bool):
            words += [option] if value else []
        elif value is not None:
            words += [option, str(value)]
    return words


def run_command(arguments: Sequence[str], *, show: bool) -> str:
    """Run a command of `algoperf` and return what it printed, which is also shown if asked for.

    An interruption of this process interrupts the command, and is raised when that has ended. If this process is ended
    without one, so is the command, resumably (on Linux). Raises AlgoperfError with the command's own message and exit
    code if it failed.
    """
    said = []
    with subprocess.Popen(
        algoperf_command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        text=True, encoding="utf-8", errors="replace", process_group=0,
        env={**os.environ, **followed()},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            for line in process.stdout:
                said.append(line)
                if show:
                    sys.stdout.write(line)
                    sys.stdout.flush()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
    if process.returncode:
        raise _error(process.returncode, said)
    return "".join(said)


def _error(code: int, said: Sequence[str]) -> AlgoperfError:
    """The error that a command ended with, as the class that has its exit code."""
    starts = [number for number, line in enumerate(said) if line.lower().startswith("error: ")]  # Click's: "Error: "
    message = "".join(said[starts[-1] :])[len("error: ") :].strip() if starts else _end(code, said)
    kinds: list[type[AlgoperfError]] = [AlgoperfError, *AlgoperfError.__subclasses__(), *UserError.__subclasses__()]
    kind = next((kind for kind in kinds if vars(kind).get("exit_code") == code), AlgoperfError)
    error = kind(message)
    error.exit_code = code
    return error


def _end(code: int, said: Sequence[str]) -> str:
    """How a trial said that it ended; what the submission raised comes first, because traces may be long."""
    labels = {status.label for status in Status}
    ends = [number for number, line in enumerate(said) if line.partition(": ")[0] in labels]
    if not ends:
        return f"{''.join(said[-8:]).strip()}\nIt ended with exit code {code}."
    told = said[ends[-1] :]
    frames = itertools.dropwhile(lambda line: not line.startswith("Traceback"), told)
    raised = next((line for line in itertools.islice(frames, 1, None) if not line[0].isspace()), "")
    return f"{raised}{''.join(told)}".strip()
