"""Loss functions. Each returns the loss of every row, token or label, before masking."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from algoperf.workload.loss import Loss, LossName


def softmax_cross_entropy(labels: torch.Tensor, logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Cross-entropy under logits (..., K), against (1 - a) * y + a / K.

    Labels are integers (...), whose one-hot vector is y, or y itself (..., K), as in mixup.
    """
    if labels.ndim == logits.ndim or logits.ndim == 2:
        return F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)
    flat = F.cross_entropy(logits.flatten(0, -2), labels.flatten(), reduction="none", label_smoothing=label_smoothing)
    return flat.reshape(labels.shape)


def sigmoid_cross_entropy(labels: torch.Tensor, logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Binary cross-entropy of one logit per row, (B,) or (B, 1), against labels of either shape; gives (B,).

    Labels are not smoothed, as published.
    """
    del label_smoothing
    return label_cross_entropy(labels.reshape(-1), logits.reshape(-1), 0.0)


def label_cross_entropy(labels: torch.Tensor, logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Binary cross-entropy of logits (B, K), against (1 - a) * y + a / K for labels y; ValueError if shapes differ."""
    if labels.shape != logits.shape:
        raise ValueError(f"Labels of shape {labels.shape} for logits of shape {logits.shape}: they must be the same.")
    smoothed = labels * (1.0 - label_smoothing) + label_smoothing / logits.shape[-1]
    return F.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")


def squared_error(labels: torch.Tensor, logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Mean of the squared differences in each row of (B, ...)."""
    del label_smoothing
    return F.mse_loss(logits, labels, reduction="none").flatten(1).mean(dim=1)


def absolute_error(labels: torch.Tensor, logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Mean of the absolute differences in each row of (B, ...)."""
    del label_smoothing
    return F.l1_loss(logits, labels, reduction="none").flatten(1).mean(dim=1)


def ctc(
    labels: tuple[torch.Tensor, torch.Tensor], logits: tuple[torch.Tensor, torch.Tensor], label_smoothing: float
) -> torch.Tensor:
    """Negative log-likelihood of labels (B, N) under frames (B, T, K), each with its paddings; blank is class 0.

    Graves et al. (2006). If no alignment exists, it is infinite.
    """
    del label_smoothing
    log_probs = F.log_softmax(logits[0], dim=-1).transpose(0, 1)
    num_frames, num_labels = ((1 - paddings).sum(dim=1).long() for paddings in (logits[1], labels[1]))
    return F.ctc_loss(log_probs, labels[0].long(), num_frames, num_labels, blank=0, reduction="none")


def num_tokens(labels: tuple[torch.Tensor, torch.Tensor], mask: torch.Tensor | None) -> torch.Tensor:
    """Number of labels that are not padding, in rows with a nonzero mask; at least 1."""
    real = 1 - labels[1]
    return (real if mask is None else real * mask[:, None]).sum().clamp(min=1)


LOSSES: dict[LossName, Loss] = {
    "softmax": Loss(softmax_cross_entropy),
    "tokens": Loss(softmax_cross_entropy, mask="tokens"),
    "sigmoid": Loss(sigmoid_cross_entropy),
    "labels": Loss(label_cross_entropy, mask="labels"),
    "ctc": Loss(ctc, count=num_tokens),
    "l1": Loss(absolute_error),
    "l2": Loss(squared_error),
}
