"""What a model submission is told about a data set: everything that a model needs, and nothing of the published one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from algoperf.spec import LossType


class Form(NamedTuple):
    """The form of an array in a batch of one example: its shape, whose first axis is the batch, and its NumPy type.

    The axes of an image are as the framework's batches have them: NHWC in JAX, NCHW in PyTorch.
    """

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """A data set as a model sees it.

    Attributes:
      name: of the data set, which is that of its workload, such as "ogbg".
      scale: "full", or "mini" for generated data.
      inputs: the form of a batch's inputs: a `Form`, or a pair of values and paddings, or the tuple of a graph. Sizes
        of graphs and lengths of padded rows are examples; those of batches differ.
      targets: the form of a batch's targets, in the same way.
      loss: of "softmax", "tokens" (softmax per token), "sigmoid", "labels" (sigmoid per label, some unknown), "ctc",
        "l1", "l2": the loss that evaluations compute of the model's outputs. A submission may train with another.
      loss_type: the published type of that loss.
      num_classes: how many classes, or tokens of a vocabulary, the targets name; None if they name none.
      num_train_examples: examples in the training split.
      end_id: the token that ends a sentence, where models decode sentences from the inputs; None elsewhere. Token 0 is
        padding.
      input_stats: mean and standard deviation that images were normalised with; None if they were not.
    """

    name: str
    scale: str
    inputs: Any
    targets: Any
    loss: str
    loss_type: LossType
    num_classes: int | None
    num_train_examples: int
    input_stats: tuple[Any, Any] | None = None
    end_id: int | None = None

    @property
    def num_outputs(self) -> int:
        """The size of the last axis of the model's outputs: the number of classes, else that of the targets' values."""
        if self.num_classes is not None:
            return self.num_classes
        return int(self.targets.shape[-1])
