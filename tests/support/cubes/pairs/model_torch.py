"""Frames of samples, one hidden layer, and classes with a blank."""

from torch import nn

from .dataset import FRAME, LOUDNESS, NUM_CLASSES


class _Model(nn.Module):
    def __init__(self, num_hidden):
        super().__init__()
        self.hidden = nn.Linear(FRAME, num_hidden)
        self.output = nn.Linear(num_hidden, NUM_CLASSES)

    def forward(self, samples, paddings):
        """Samples (B, T * 8) and their paddings to logits (B, T, K) and their paddings."""
        frames = samples.unflatten(1, (-1, FRAME)) / LOUDNESS
        return self.output(self.hidden(frames).relu()), paddings[:, ::FRAME]


def model_inputs(batch):
    return batch["inputs"]


def evaluate(model, params, model_state, batch, rng):
    """The best class of every frame; the blank behind the last one."""
    logits, paddings = model(*model_inputs(batch))
    return {"classes": logits.argmax(-1).masked_fill(paddings > 0, 0)}


def build(definition):
    return _Model(**definition.model)


def output_params(definition):
    return frozenset({"output.weight", "output.bias"})
