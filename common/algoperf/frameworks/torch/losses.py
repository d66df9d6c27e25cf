"""Loss functions, one per loss type. Each returns the loss of every row, or label, before masking."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from algoperf.masks import check_mask
from algoperf.spec import LossType

PerExampleLoss = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


def softmax_cross_entropy(labels: torch.Tensor, logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Cross-entropy under logits (B, K), against (1 - a) * y + a / K.

    Labels are integers (B,), of which y is the one-hot vector, or y itself (B, K), as mixup makes it.
    """
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)


def sigmoid_cross_entropy(labels: torch.Tensor, logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Binary cross-entropy of each logit (B, K), against (1 - a) * y + a / K. ValueError if shapes differ."""
    if labels.shape != logits.shape:
        raise ValueError(f"Labels of shape {labels.shape} for logits of shape {logits.shape}: they must be the same.")
    smoothed = labels * (1.0 - label_smoothing) + label_smoothing / logits.shape[-1]
    return F.binary_cross_entropy_with_logits(logits, smoothed, reduction="none")


LOSSES: dict[LossType, PerExampleLoss] = {
    LossType.SOFTMAX_CROSS_ENTROPY: softmax_cross_entropy,
    LossType.SIGMOID_CROSS_ENTROPY: sigmoid_cross_entropy,
}


def summarise(per_example: torch.Tensor, mask: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """What `loss_fn` returns for losses (B,) and an optional mask, or for losses (B, K) and a mask of that shape.

    All on the losses' device.
    """
    check_mask(per_example.shape, None if mask is None else mask.shape)
    if mask is None:
        num_valid = torch.tensor(per_example.shape[0], device=per_example.device)
    else:
        per_example = per_example * mask
        num_valid = mask.sum()
    return {"summed": per_example.sum(), "n_valid_examples": num_valid, "per_example": per_example}
