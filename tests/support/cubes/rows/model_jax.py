"""One hidden layer, and one logit."""

import flax.linen as nn


class _Model(nn.Module):
    num_hidden: int

    @nn.compact
    def __call__(self, x):
        return nn.Dense(1)(nn.relu(nn.Dense(self.num_hidden)(x)))


def build(definition):
    return _Model(**definition.model)


def output_params(definition):
    return frozenset({"Dense_1"})
