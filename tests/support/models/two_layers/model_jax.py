"""A dense network with batch normalisation and dropout, so with model state and all keywords."""

import flax.linen as nn
from layers import WIDTH


class Model(nn.Module):
    num_outputs: int

    @nn.compact
    def __call__(self, x, train, use_running_average):
        x = nn.Dense(WIDTH)(x.reshape((x.shape[0], -1)))
        x = nn.relu(nn.BatchNorm(use_running_average, momentum=0.9)(x))
        x = nn.Dropout(0.1, deterministic=not train)(x)
        return nn.Dense(self.num_outputs)(x)


def build(task):
    return Model(task.num_outputs)
