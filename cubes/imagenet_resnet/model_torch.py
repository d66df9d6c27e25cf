"""ResNet-50: bottleneck blocks."""

from torch import nn

from algoperf.frameworks.torch.models.resnet import Bottleneck, ResNet
from algoperf.workload.definition import WorkloadDefinition

COMPILE = frozenset({"model"})


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return ResNet(block=Bottleneck, strided_stem=True, num_classes=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer's parameters."""
    del definition
    return frozenset({"fc.weight", "fc.bias"})
