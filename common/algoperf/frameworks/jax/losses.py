"""Loss functions. Each returns the loss of every row, token or label, before masking."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from algoperf.workload.loss import Loss, LossName


def softmax_cross_entropy(labels: jax.Array, logits: jax.Array, label_smoothing: float) -> jax.Array:
    """Cross-entropy under logits (..., K), against (1 - a) * y + a / K.

    Labels are integers (...), whose one-hot vector is y, or y itself (..., K), as in mixup.
    """
    if labels.ndim == logits.ndim:
        smoothed = labels * (1.0 - label_smoothing) + label_smoothing / logits.shape[-1]
        return -jnp.sum(smoothed * jax.nn.log_softmax(logits), axis=-1)
    # Neither one-hot vectors nor log-probabilities: with a vocabulary as classes they would be as large as the logits.
    largest = jax.lax.stop_gradient(logits.max(axis=-1))
    picked = jnp.take_along_axis(logits, labels[..., None], axis=-1)[..., 0] - largest
    mean = logits.mean(axis=-1) - largest
    log_sum = jnp.log(jnp.exp(logits - largest[..., None]).sum(axis=-1))
    return log_sum - ((1.0 - label_smoothing) * picked + label_smoothing * mean)


def sigmoid_cross_entropy(labels: jax.Array, logits: jax.Array, label_smoothing: float) -> jax.Array:
    """Binary cross-entropy of one logit per row, (B,) or (B, 1), against labels of either shape; gives (B,).

    Labels are not smoothed, as published.
    """
    del label_smoothing
    return label_cross_entropy(labels.reshape(-1), logits.reshape(-1), 0.0)


def label_cross_entropy(labels: jax.Array, logits: jax.Array, label_smoothing: float) -> jax.Array:
    """Binary cross-entropy of logits (B, K), against (1 - a) * y + a / K for labels y; ValueError if shapes differ."""
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


LOSSES: dict[LossName, Loss] = {
    "softmax": Loss(softmax_cross_entropy),
    "tokens": Loss(softmax_cross_entropy, mask="tokens"),
    "sigmoid": Loss(sigmoid_cross_entropy),
    "labels": Loss(label_cross_entropy, mask="labels"),
    "ctc": Loss(ctc, count=num_tokens),
    "l1": Loss(absolute_error),
    "l2": Loss(squared_error),
}
