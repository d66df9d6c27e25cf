"""What a workload tells a submitted model: its `Task`, in the layout of a framework."""

from __future__ import annotations

from typing import Any

import numpy as np

from algoperf.data.contracts import Padded
from algoperf.task import Form, Task
from algoperf.workload.definition import Framework, WorkloadDefinition

_IMAGE_AXES = 4


def task_of(definition: WorkloadDefinition, framework: Framework) -> Task:
    """The task of a workload. It needs no data."""
    example = definition.example_batch()
    inputs = _form(example["inputs"])
    if framework == "pytorch" and isinstance(inputs, Form) and len(inputs.shape) == _IMAGE_AXES:
        rows, height, width, channels = inputs.shape
        inputs = Form((rows, channels, height, width), inputs.dtype)  # as batches are placed
    return Task(
        name=definition.name,
        scale=definition.scale,
        inputs=inputs,
        targets=_form(example["targets"]),
        loss=definition.computed_loss,
        loss_type=definition.loss_type,
        num_classes=definition.dataset.num_classes,
        num_train_examples=definition.examples.train,
        input_stats=definition.input_stats,
        end_id=definition.evaluation.end_id,
    )


def _form(value: Any) -> Any:
    """The form of an array; of padded rows, tuples and dictionaries, that of their parts."""
    if isinstance(value, Padded):
        values = Form(value.values.shape, np.dtype(value.dtype or value.values.dtype).name)
        return values, Form(value.values.shape[:2], "float32")
    if isinstance(value, tuple):
        parts = [_form(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, dict):
        return {name: _form(part) for name, part in value.items()}
    return Form(value.shape, value.dtype.name)
