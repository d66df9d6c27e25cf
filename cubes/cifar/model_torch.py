"""ResNet-18 for small images: basic blocks, and a stem that keeps the size."""

from torch import nn

from algoperf.frameworks.torch.models.resnet import BasicBlock, ResNet
from algoperf.workload.definition import WorkloadDefinition

COMPILE = frozenset({"model"})


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return ResNet(block=BasicBlock, strided_stem=False, num_classes=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The output layer's parameters."""
    del definition
    return frozenset({"fc.weight", "fc.bias"})
