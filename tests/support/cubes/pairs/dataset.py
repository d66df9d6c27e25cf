"""Sound whose pieces are tokens, in narrow integers, and what was said."""

from __future__ import annotations

import numpy as np

from algoperf.data.contracts import Batch, Padded
from generated_dataset import GeneratedDataset, Rows

FRAME = 8  # samples
FRAMES_PER_TOKEN = 3
NUM_CLASSES = 5  # the tokens, and the blank, 0
MOST_TOKENS = 4
LOUDNESS = 1000.0
_SAMPLES_PER_TOKEN = FRAME * FRAMES_PER_TOKEN


class PairsDataset(GeneratedDataset):
    """`inputs`: samples int16 (B, 96), float32 on the device; `targets`: tokens int16 (B, 4), int32 on the device."""

    name = "probe_pairs"

    def generate(self, rng: np.random.Generator, num_examples: int) -> Rows:
        shape = (num_examples, MOST_TOKENS)
        num_tokens = rng.integers(1, MOST_TOKENS + 1, size=num_examples)
        tokens = rng.integers(1, NUM_CLASSES, size=shape) * (np.arange(MOST_TOKENS) < num_tokens[:, np.newaxis])
        waves = np.sin(np.pi / FRAME * np.arange(NUM_CLASSES)[:, np.newaxis] * np.arange(_SAMPLES_PER_TOKEN))
        waves[:, -FRAME:] = 0  # silence behind every token
        sound = LOUDNESS * (waves[tokens].reshape(num_examples, -1) + 0.2 * rng.normal(size=(num_examples, 96)))
        return {
            "sound": sound.astype(np.int16),
            "num_samples": (num_tokens * _SAMPLES_PER_TOKEN).astype(np.int32),
            "tokens": tokens.astype(np.int16),
            "num_tokens": num_tokens.astype(np.int32),
        }

    def finish(self, rows: Rows) -> Batch:
        return {
            "inputs": Padded(rows["sound"], rows["num_samples"], np.float32),
            "targets": Padded(rows["tokens"], rows["num_tokens"], np.int32),
        }
