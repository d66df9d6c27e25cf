"""The arguments with which the functions of a submission are called."""

from __future__ import annotations

from algoperf.errors import text_of

POSITIONAL = {
    "init_optimizer_state": ("workload", "model_params", "model_state", "hyperparameters", "rng"),
    "data_selection": (
        "workload", "input_queue", "optimizer_state", "current_param_container", "model_state", "hyperparameters",
        "global_step", "rng",
    ),
    "get_batch_size": ("workload_name",),
}  # fmt: skip
_PREPARE = (
    "workload", "current_param_container", "current_params_types", "model_state", "hyperparameters", "loss_type",
    "optimizer_state", "eval_results", "global_step", "rng",
)  # fmt: skip
KEYWORDS = {"update_params": (*_PREPARE, "batch"), "prepare_for_eval": _PREPARE}


def expected_by(error: BaseException) -> str | None:
    """How the function is called that a TypeError says was called wrongly; None for any other error."""
    if not isinstance(error, TypeError):
        return None
    name = text_of(error).partition("(")[0].rpartition(".")[2]
    names = {**POSITIONAL, **KEYWORDS}.get(name)
    if names is None:
        return None
    how = "in this order" if name in POSITIONAL else "by these names"
    optional = "; train_state too, if it is among the arguments" if name == "update_params" else ""
    return f"{name} is called with the arguments {', '.join(names)} ({how}{optional})."
