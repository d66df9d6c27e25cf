"""Words that fade with time, and one hidden layer. For all words at once, or word by word with a state."""

import flax.linen as nn
import jax
import jax.numpy as jnp

from .dataset import WORDS

DECAY = 0.5


class _Model(nn.Module):
    num_channels: int
    num_hidden: int

    def setup(self):
        self.embedding = nn.Embed(len(WORDS), self.num_channels)
        self.hidden = nn.Dense(self.num_hidden)
        self.output = nn.Dense(len(WORDS))

    def __call__(self, tokens):
        """Tokens (B, L) to logits (B, L, V) of the next ones."""
        steps = jnp.arange(tokens.shape[1])
        age = steps[:, None] - steps
        kept = jnp.where(age >= 0, DECAY ** jnp.maximum(age, 0), 0.0)
        return self.logits(jnp.einsum("ts,bsc->btc", kept, self.embedding(tokens)))

    def step(self, state, token):
        """The state (B, C) after one more token (B,), and logits (B, V) of the next one."""
        state = DECAY * state + self.embedding(token)
        return state, self.logits(state)

    def logits(self, states):
        return self.output(nn.relu(self.hidden(states)))


def evaluate(model, params, model_state, batch, rng):
    """The most likely words after the first one, each given those before."""

    def next_word(carry, _):
        state, logits = model.apply({"params": params}, *carry, method="step")
        token = logits.argmax(-1).astype(jnp.int32)
        return (state, token), token

    first = batch["inputs"][:, 0].astype(jnp.int32)
    start = jnp.zeros((len(first), model.num_channels)), first
    _, tokens = jax.lax.scan(next_word, start, length=batch["inputs"].shape[1] - 1)
    return {"decoded": tokens.T}


def build(definition):
    return _Model(**definition.model)


def output_params(definition):
    return frozenset({"output"})
