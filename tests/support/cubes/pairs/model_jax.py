"""Frames of samples, one hidden layer, and classes with a blank."""

import flax.linen as nn
import jax.numpy as jnp

from .dataset import FRAME, LOUDNESS, NUM_CLASSES


class _Model(nn.Module):
    num_hidden: int

    @nn.compact
    def __call__(self, samples, paddings):
        """Samples (B, T * 8) and their paddings to logits (B, T, K) and their paddings."""
        frames = samples.reshape(len(samples), -1, FRAME) / LOUDNESS
        hidden = nn.relu(nn.Dense(self.num_hidden)(frames))
        return nn.Dense(NUM_CLASSES)(hidden), paddings[:, ::FRAME]


def model_inputs(batch):
    return batch["inputs"]


def evaluate(model, params, model_state, batch, rng):
    """The best class of every frame; the blank behind the last one."""
    logits, paddings = model.apply({"params": params}, *model_inputs(batch))
    return {"classes": jnp.where(paddings > 0, 0, logits.argmax(-1))}


def build(definition):
    return _Model(**definition.model)


def output_params(definition):
    return frozenset({"Dense_1"})
