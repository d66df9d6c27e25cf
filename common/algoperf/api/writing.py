"""`algoperf.write_submission`: functions of a notebook or module as the file of a submission.

A trial runs in a process of its own, and its records name the code by its hash, so a submission is a file. This writes
it from the source of the given functions, with all that they use of their notebook or module.
"""

from __future__ import annotations

import ast
import pprint
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algoperf.api.source import Source
from algoperf.api.words import errors_in_python_words
from algoperf.errors import UserError, unknown
from algoperf.submission.framework import TITLES, framework_of
from algoperf.submission.functions import FUNCTIONS, REQUIRED
from algoperf.submission.naming import require_name
from algoperf.workload.definition import Framework

OPTIMIZER = "make_optimizer"
_MARK = "# Written by algoperf.write_submission, which replaces it when it is called again.\n"
_BLOCKS = {
    "get_batch_size": "from algoperf.blocks.batch_sizes import get_batch_size",
    "data_selection": "from algoperf.blocks.data import data_selection",
}
_PACKAGES: dict[Framework, str] = {"jax": "jax_step", "pytorch": "torch_step"}


@errors_in_python_words
def write_submission(
    folder: Path | str, *functions: Callable[..., Any], settings: Mapping[str, Any] | None = None
) -> Path:
    """Write a submission from functions, and return its folder, whose name is the submission's.

    Either give `make_optimizer`: in PyTorch `make_optimizer(params, settings)`, which returns a
    `torch.optim.Optimizer`; in JAX `make_optimizer(settings)`, which returns a function of the learning rate, such
    as `optax.lion`, or an optax transformation without one. Or give the functions of the submission API
    (docs/submissions.md); `get_batch_size` and `data_selection` are the baselines' if they are left out.

    Args:
      folder: where to write `submission.py`. A file that this function has written there is replaced.
      functions: Python functions, by the names above. What they use of their notebook goes into the file too: modules,
        other functions, classes, and constants that Python can write down.
      settings: for `make_optimizer`, which gets them: `learning_rate` and `warmup_factor` (of the step hint) of a
        schedule with linear warm-up and cosine decay, and what else the optimizer needs, or the training step:
        `label_smoothing`, `dropout_rate`, `grad_clip`. Under external tuning, a trial's hyperparameters replace them.

    Raises UserError if functions are missing or unknown, if something they use cannot be written down, or if a file is
    there that this function has not written.
    """
    given = {function.__name__: function for function in functions}
    _check(given, settings)
    source = Source()
    for function in functions:
        source.add(function)
    if settings is not None:
        source.constants["SETTINGS"] = pprint.pformat(dict(settings), sort_dicts=False)
    file = Path(folder) / "submission.py"
    require_name(file.parent.resolve().name)
    glue = _optimizer_glue(_framework(source)) if OPTIMIZER in given else []
    blocks = [line for name, line in _BLOCKS.items() if name not in given]
    header = f'{_MARK}"""The submission {file.parent.resolve().name}."""\n\n'
    imports = [*blocks, *(line for line in glue if line.startswith("from "))]
    text = header + source.text(imports)
    if glue:
        text += "\n\n" + "\n".join(line for line in glue if not line.startswith("from ")) + "\n"
    if file.exists() and not file.read_text(encoding="utf-8").startswith(_MARK):
        raise UserError(f"{file} was written by somebody else, and is not replaced. Choose another folder.")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file.parent


def _check(given: Mapping[str, Any], settings: Mapping[str, Any] | None) -> None:
    for name in given:
        if name not in (OPTIMIZER, *FUNCTIONS):
            raise unknown("function of a submission:", name, (OPTIMIZER, *FUNCTIONS))
    if OPTIMIZER in given:
        if not {"learning_rate", "warmup_factor"} <= (settings or {}).keys():
            example = "settings={'learning_rate': 1e-3, 'warmup_factor': 0.05}"
            raise UserError(f"{OPTIMIZER} needs settings, with learning_rate and warmup_factor at least: {example}.")
        if doubled := sorted({"init_optimizer_state", "update_params"} & given.keys()):
            raise UserError(f"{' and '.join(doubled)} cannot be given beside {OPTIMIZER}, which makes them.")
        return
    missing = [name for name in REQUIRED if name not in (*given, *_BLOCKS)]
    if missing:
        raise UserError(f"A submission needs {' and '.join(missing)}. Give these functions, or {OPTIMIZER} instead.")
    if settings is not None:
        raise UserError(f"Settings are for {OPTIMIZER}. Functions of the submission API have their own.")


def _framework(source: Source) -> Framework:
    """The framework of an optimizer, by what its code imports."""
    found = framework_of([ast.parse(source.text([]))])
    if len(found) != 1:
        titles = " and ".join(sorted(TITLES[name] for name in found)) or "neither JAX nor PyTorch"
        raise UserError(f"{OPTIMIZER} uses {titles}. It must use one of them, to be trained in it.")
    return found.pop()


def _optimizer_glue(framework: Framework) -> list[str]:
    return [
        f"from algoperf.blocks.{_PACKAGES[framework]} import make_init_optimizer_state, train_step",
        "from algoperf.blocks.schedules import warmup_cosine_rate",
        "from algoperf.blocks.update import make_update_params",
        "init_optimizer_state = make_init_optimizer_state(make_optimizer, SETTINGS)",
        "update_params = make_update_params(train_step, SETTINGS, warmup_cosine_rate)",
    ]
