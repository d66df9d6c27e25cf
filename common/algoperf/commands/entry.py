"""What is trained: a submission, or in the model track a model. Completes the options that follow from it."""

from __future__ import annotations

from typing import Any

import click


def complete(given: dict[str, Any], command: click.Command) -> dict[str, Any]:
    """The options of `algoperf train` with framework and ruleset filled in.

    Raises UserError if the framework cannot be found out or a function is missing; MissingParameter if a required
    option is missing.
    """
    from algoperf.submission.framework import framework_to_train
    from algoperf.submission.model import find_model, model_framework

    if given["model"] is not None:
        framework = model_framework(find_model(given["model"]), given["framework"])
        return {**given, "framework": framework, "ruleset": given["ruleset"] or "self"}
    for name in ("submission", "ruleset"):
        if given[name] is None:
            option = next(option for option in command.params if option.name == name)
            raise click.MissingParameter(ctx=click.get_current_context(silent=True), param=option)
    return {**given, "framework": framework_to_train(given["submission"], given["framework"])}
