"""Two strided convolutions with batch normalisation, dropout, and a linear layer."""

import torch
import torch.nn.functional as F
from torch import nn

from algoperf.frameworks.torch.layers import lecun_normal_
from algoperf.workload.definition import WorkloadDefinition

_FINAL_PIXELS = 2 * 2  # of 8x8 after two strides of 2


class _Model(nn.Module):
    def __init__(self, num_channels: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        inputs = (1, *num_channels)
        self.convs = nn.ModuleList(
            nn.Conv2d(inputs[i], channels, 3, stride=2, padding=1, bias=False)
            for i, channels in enumerate(num_channels)
        )
        self.bns = nn.ModuleList(nn.BatchNorm2d(channels) for channels in num_channels)
        self.dense = nn.Linear(num_channels[-1] * _FINAL_PIXELS, num_classes)
        self.apply(lecun_normal_)

    def forward(self, x: torch.Tensor, dropout_rate: float) -> torch.Tensor:
        """Images (B, 1, 8, 8) to logits (B, 10)."""
        for conv, bn in zip(self.convs, self.bns, strict=True):
            x = F.relu(bn(conv(x)))
        x = F.dropout(x.flatten(1), dropout_rate, self.training)
        return self.dense(x)


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Model(num_classes=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer's parameters."""
    del definition
    return frozenset({"dense.weight", "dense.bias"})
