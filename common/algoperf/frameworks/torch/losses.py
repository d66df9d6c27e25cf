"""Loss functions, one per loss type. Each returns the loss of every row, or label, before masking."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from algoperf.frameworks.masks import check_mask
from algoperf.spec import LossType

PerExampleLoss = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


def softmax_cross_entropy(labels: torch.Tensor, logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Cross-entropy under logits (B, K), against (1 - a) * y + a / K.

    Labels are integers (B,), whose one-hot vector is y, or y itself (B, K), as in mixup.
    """
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)


def sigmoid_cross_entropy(labels: torch.Tensor, logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Binary cross-entropy of logits, against labels of the same shape.

    One label per row, (B,) or (B, 1), gives (B,) and is not smoothed. Several, (B, K), give (B, K), against
    (1 - a) * y + a / K. ValueError if shapes differ.
    """
    if logits.ndim == 1 or logits.shape[-1] == 1:
        labels, logits, label_smoothing = labels.reshape(-1), logits.reshape(-1), 0.0
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


LOSSES: dict[LossType, PerExampleLoss] = {
    LossType.SOFTMAX_CROSS_ENTROPY: softmax_cross_entropy,
    LossType.SIGMOID_CROSS_ENTROPY: sigmoid_cross_entropy,
    LossType.MEAN_SQUARED_ERROR: squared_error,
    LossType.MEAN_ABSOLUTE_ERROR: absolute_error,
    LossType.CTC_LOSS: ctc,  # type: ignore[dict-item]  # labels and logits are pairs
}
COUNTS: dict[LossType, Callable[..., torch.Tensor]] = {LossType.CTC_LOSS: num_tokens}
"""What `n_valid_examples` counts, if not rows."""


def summarise(per_example: torch.Tensor, mask: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Make the result of `loss_fn` from losses (B,) and an optional mask, or losses (B, K) and a mask of that shape.

    The results are on the same device as `per_example`.
    """
    check_mask(per_example.shape, None if mask is None else mask.shape)
    if mask is None:
        num_valid = torch.tensor(per_example.shape[0], device=per_example.device)
    else:
        per_example = per_example * mask
        num_valid = mask.sum()
    return {"summed": per_example.sum(), "n_valid_examples": num_valid, "per_example": per_example}
