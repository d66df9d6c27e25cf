"""ResNet-50: bottleneck blocks."""

import flax.linen as nn

from algoperf.frameworks.jax.models.resnet import BottleneckResNetBlock, ResNet
from algoperf.workload.definition import WorkloadDefinition


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return ResNet(
        block=BottleneckResNetBlock, strided_stem=True, num_classes=definition.num_classes, **definition.model
    )


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The top-level groups of the output layer."""
    del definition
    return frozenset({"Dense_0"})
