"""Makes code of submissions from snippets."""

from __future__ import annotations

import textwrap

HEADER = "# SPDX-License-Identifier: Apache-2.0\n"
INFO = "submission_name: A\nauthors: B\nframework: PyTorch\ndescription: C\n"
ARGUMENTS = (
    "workload, current_param_container, current_params_types, model_state, hyperparameters, batch, loss_type, "
    "optimizer_state, eval_results, global_step, rng, train_state"
)


def step(body: str) -> str:
    """Code of a submission whose `update_params` begins with `body`."""
    return f"def update_params({ARGUMENTS}):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n    return None\n"


def whole(body: str) -> str:
    """The same, with the other functions behind it, as short as they can be."""
    others = {"get_batch_size": 128, "init_optimizer_state": None, "data_selection": None}
    return step(body) + "".join(f"\n\ndef {name}(*arguments):\n    return {it}\n" for name, it in others.items())


def sizes(body: str) -> str:
    """Code of a submission whose `get_batch_size` is `body`."""
    return f"def get_batch_size(workload_name):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
