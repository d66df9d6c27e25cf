"""ResNet-18 for small images: basic blocks, and a stem that keeps the size."""

import flax.linen as nn

from algoperf.frameworks.jax.models.resnet import ResNet, ResNetBlock
from algoperf.workload.definition import WorkloadDefinition


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return ResNet(block=ResNetBlock, strided_stem=False, num_classes=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The top-level groups of the output layer."""
    del definition
    return frozenset({"Dense_0"})
