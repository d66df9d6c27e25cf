"""Loss functions, one per loss type. Each returns the loss of every row, or label, before masking."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from algoperf.masks import check_mask
from algoperf.spec import LossType

PerExampleLoss = Callable[[jax.Array, jax.Array, float], jax.Array]


def softmax_cross_entropy(labels: jax.Array, logits: jax.Array, label_smoothing: float) -> jax.Array:
    """Cross-entropy under logits (B, K), against (1 - a) * y + a / K.

    Labels are integers (B,), of which y is the one-hot vector, or y itself (B, K), as mixup makes it.
    """
    num_classes = logits.shape[-1]
    targets = labels if labels.ndim == logits.ndim else jax.nn.one_hot(labels, num_classes)
    smoothed = targets * (1.0 - label_smoothing) + label_smoothing / num_classes
    return -jnp.sum(smoothed * jax.nn.log_softmax(logits), axis=-1)


def sigmoid_cross_entropy(labels: jax.Array, logits: jax.Array, label_smoothing: float) -> jax.Array:
    """Binary cross-entropy of each logit (B, K), against (1 - a) * y + a / K. ValueError if shapes differ."""
    if labels.shape != logits.shape:
        raise ValueError(f"Labels of shape {labels.shape} for logits of shape {logits.shape}: they must be the same.")
    smoothed = labels * (1.0 - label_smoothing) + label_smoothing / logits.shape[-1]
    return jnp.maximum(logits, 0.0) - logits * smoothed + jnp.log1p(jnp.exp(-jnp.abs(logits)))


LOSSES: dict[LossType, PerExampleLoss] = {
    LossType.SOFTMAX_CROSS_ENTROPY: softmax_cross_entropy,
    LossType.SIGMOID_CROSS_ENTROPY: sigmoid_cross_entropy,
}


def summarise(per_example: jax.Array, mask: jax.Array | None) -> dict[str, jax.Array]:
    """What `loss_fn` returns for losses (B,) and an optional mask, or for losses (B, K) and a mask of that shape."""
    check_mask(per_example.shape, None if mask is None else mask.shape)
    if mask is None:
        num_valid = jnp.asarray(per_example.shape[0], jnp.float32)
    else:
        per_example = per_example * mask
        num_valid = mask.sum()
    return {"summed": per_example.sum(), "n_valid_examples": num_valid, "per_example": per_example}
