"""A 784 - 128 - 10 network with a sigmoid in between."""

from collections import OrderedDict

import torch
from torch import nn

from algoperf.frameworks.torch.layers import lecun_normal_
from algoperf.workload.definition import WorkloadDefinition

COMPILE = frozenset({"model"})

_NUM_PIXELS = 28 * 28


class _Model(nn.Module):
    def __init__(self, hidden_size: int, num_classes: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            OrderedDict(
                layer1=nn.Linear(_NUM_PIXELS, hidden_size),
                layer1_sig=nn.Sigmoid(),
                layer2=nn.Linear(hidden_size, num_classes),
            )
        )
        self.apply(lecun_normal_)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images (B, 1, 28, 28) to logits (B, 10)."""
        return self.net(x.reshape(len(x), _NUM_PIXELS))


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Model(num_classes=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer's parameters."""
    del definition
    return frozenset({"net.layer2.weight", "net.layer2.bias"})


def train_weights(definition: WorkloadDefinition) -> bool:
    """Training batches carry a mask, as published."""
    del definition
    return True
