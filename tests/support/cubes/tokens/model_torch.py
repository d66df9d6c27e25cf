"""Words that fade with time, and one hidden layer. For all words at once, or word by word with a state."""

import torch
from torch import nn

from .dataset import WORDS

DECAY = 0.5


class _Model(nn.Module):
    def __init__(self, num_channels, num_hidden):
        super().__init__()
        self.embedding = nn.Embedding(len(WORDS), num_channels)
        self.hidden = nn.Linear(num_channels, num_hidden)
        self.output = nn.Linear(num_hidden, len(WORDS))

    def forward(self, tokens):
        """Tokens (B, L) to logits (B, L, V) of the next ones."""
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        age = steps[:, None] - steps
        kept = torch.where(age >= 0, DECAY ** age.clamp(min=0), 0.0)
        return self.logits(torch.einsum("ts,bsc->btc", kept, self.embedding(tokens.long())))

    def step(self, state, token):
        """The state (B, C) after one more token (B,), and logits (B, V) of the next one."""
        state = DECAY * state + self.embedding(token)
        return state, self.logits(state)

    def logits(self, states):
        return self.output(self.hidden(states).relu())


def evaluate(model, params, model_state, batch, rng):
    """The most likely words after the first one, each given those before."""
    token = batch["inputs"][:, 0].long()
    state, decoded = 0.0, []
    for _ in range(batch["inputs"].shape[1] - 1):
        state, logits = model.step(state, token)
        token = logits.argmax(-1)
        decoded.append(token)
    return {"decoded": torch.stack(decoded, dim=1)}


def build(definition):
    return _Model(**definition.model)


def output_params(definition):
    return frozenset({"output.weight", "output.bias"})
