"""Two strided convolutions with batch normalisation, dropout, and a linear layer."""

import flax.linen as nn
import jax

from algoperf.frameworks.jax.layers import Dropout
from algoperf.workload.definition import WorkloadDefinition


class _Model(nn.Module):
    num_channels: tuple[int, ...]
    num_classes: int

    @nn.compact
    def __call__(self, x: jax.Array, train: bool, use_running_average: bool, dropout_rate: float) -> jax.Array:
        """Images (B, 8, 8, 1) to logits (B, 10)."""
        for channels in self.num_channels:
            x = nn.Conv(channels, (3, 3), strides=2, padding=1, use_bias=False)(x)
            x = nn.BatchNorm(use_running_average, momentum=0.9)(x)
            x = nn.relu(x)
        x = x.reshape((x.shape[0], -1))
        x = Dropout()(x, dropout_rate, deterministic=not train)
        return nn.Dense(self.num_classes)(x)


def build(definition: WorkloadDefinition) -> nn.Module:
    """The model of the definition."""
    return _Model(num_classes=definition.num_classes, **definition.model)


def output_params(definition: WorkloadDefinition) -> frozenset[str]:
    """The top-level groups of the output layer."""
    del definition
    return frozenset({"Dense_0"})
