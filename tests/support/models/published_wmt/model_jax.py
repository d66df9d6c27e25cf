"""The published model of wmt, as a submission."""

from algoperf.workload.registry import find_workload, model_module

DEFINITION = find_workload("wmt")
PUBLISHED = model_module(DEFINITION, "jax")


def decode(model, variables, inputs, num_tokens):
    return PUBLISHED.translate(model, variables["params"], inputs, num_tokens)


def build(task):
    return PUBLISHED.build(DEFINITION.at(task.scale))
