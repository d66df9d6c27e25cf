"""Loss functions, one per loss type. Each returns the loss of every row, or label, before masking."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from algoperf.frameworks.masks import check_mask
from algoperf.spec import LossType

PerExampleLoss = Callable[[jax.Array, jax.Array, float], jax.Array]


def softmax_cross_entropy(labels: jax.Array, logits: jax.Array, label_smoothing: float) -> jax.Array:
    """Cross-entropy under logits (B, K), against (1 - a) * y + a / K.

    Labels are integers (B,), whose one-hot vector is y, or y itself (B, K), as in mixup.
    """
    num_classes = logits.shape[-1]
    targets = labels if labels.ndim == logits.ndim else jax.nn.one_hot(labels, num_classes)
    smoothed = targets * (1.0 - label_smoothing) + label_smoothing / num_classes
    return -jnp.sum(smoothed * jax.nn.log_softmax(logits), axis=-1)


def sigmoid_cross_entropy(labels: jax.Array, logits: jax.Array, label_smoothing: float) -> jax.Array:
    """Binary cross-entropy of logits, against labels of the same shape.

    One label per row, (B,) or (B, 1), gives (B,) and is not smoothed. Several, (B, K), give (B, K), against
    (1 - a) * y + a / K. ValueError if shapes differ.
    """
    if logits.ndim == 1 or logits.shape[-1] == 1:
        labels, logits, label_smoothing = labels.reshape(-1), logits.reshape(-1), 0.0
    if labels.shape != logits.shape:
        raise ValueError(f"Labels of shape {labels.shape} for logits of shape {logits.shape}: they must be the same.")
    smoothed = labels * (1.0 - label_smoothing) + label_smoothing / logits.shape[-1]
    return jnp.maximum(logits, 0.0) - logits * smoothed + jnp.log1p(jnp.exp(-jnp.abs(logits)))


def squared_error(labels: jax.Array, logits: jax.Array, label_smoothing: float) -> jax.Array:
    """Mean of the squared differences in each row of (B, ...)."""
    del label_smoothing
    return jnp.square(logits - labels).reshape(len(labels), -1).mean(axis=1)


def absolute_error(labels: jax.Array, logits: jax.Array, label_smoothing: float) -> jax.Array:
    """Mean of the absolute differences in each row of (B, ...)."""
    del label_smoothing
    return jnp.abs(logits - labels).reshape(len(labels), -1).mean(axis=1)


def ctc(labels: tuple[jax.Array, jax.Array], logits: tuple[jax.Array, jax.Array], label_smoothing: float) -> jax.Array:
    """Negative log-likelihood of labels (B, N) under frames (B, T, K), each with its paddings; blank is class 0.

    Graves et al. (2006). If no alignment exists, it is about 1e5.
    """
    import optax

    del label_smoothing
    return optax.ctc_loss(*logits, labels[0].astype(jnp.int32), labels[1], blank_id=0)


def num_tokens(labels: tuple[jax.Array, jax.Array], mask: jax.Array | None) -> jax.Array:
    """Number of labels that are not padding, in rows with a nonzero mask; at least 1."""
    real = 1.0 - labels[1]
    return jnp.maximum(1.0, (real if mask is None else real * mask[:, None]).sum())


LOSSES: dict[LossType, PerExampleLoss] = {
    LossType.SOFTMAX_CROSS_ENTROPY: softmax_cross_entropy,
    LossType.SIGMOID_CROSS_ENTROPY: sigmoid_cross_entropy,
    LossType.MEAN_SQUARED_ERROR: squared_error,
    LossType.MEAN_ABSOLUTE_ERROR: absolute_error,
    LossType.CTC_LOSS: ctc,  # type: ignore[dict-item]  # labels and logits are pairs
}
COUNTS: dict[LossType, Callable[..., jax.Array]] = {LossType.CTC_LOSS: num_tokens}
"""What `n_valid_examples` counts, if not rows."""


def summarise(per_example: jax.Array, mask: jax.Array | None) -> dict[str, jax.Array]:
    """Make the result of `loss_fn` from losses (B,) and an optional mask, or losses (B, K) and a mask of that shape."""
    check_mask(per_example.shape, None if mask is None else mask.shape)
    if mask is None:
        num_valid = jnp.asarray(per_example.shape[0], jnp.float32)
    else:
        per_example = per_example * mask
        num_valid = mask.sum()
    return {"summed": per_example.sum(), "n_valid_examples": num_valid, "per_example": per_example}
