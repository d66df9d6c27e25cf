"""One hidden layer, and one logit."""

from torch import nn

from .dataset import NUM_COLUMNS


class _Model(nn.Module):
    def __init__(self, num_hidden):
        super().__init__()
        self.hidden = nn.Linear(NUM_COLUMNS, num_hidden)
        self.output = nn.Linear(num_hidden, 1)

    def forward(self, x):
        return self.output(self.hidden(x).relu())


def build(definition):
    return _Model(**definition.model)


def output_params(definition):
    return frozenset({"output.weight", "output.bias"})
