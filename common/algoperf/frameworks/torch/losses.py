"""Loss functions, one per loss type. Each returns the loss of every row, before masking."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F

from algoperf.spec import LossType

PerExampleLoss = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


def softmax_cross_entropy(labels: torch.Tensor, logits: torch.Tensor, label_smoothing: float) -> torch.Tensor:
    """Cross-entropy under logits (B, K), against (1 - a) * y + a / K.

    Labels are integers (B,), of which y is the one-hot vector, or y itself (B, K), as mixup makes it.
    """
    return F.cross_entropy(logits, labels, reduction="none", label_smoothing=label_smoothing)


LOSSES: dict[LossType, PerExampleLoss] = {LossType.SOFTMAX_CROSS_ENTROPY: softmax_cross_entropy}


def summarise(per_example: torch.Tensor, mask: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """What `loss_fn` returns for per-row losses (B,) and an optional mask (B,); all on the losses' device."""
    if mask is None:
        num_valid = torch.tensor(per_example.shape[0], device=per_example.device)
    else:
        per_example = per_example * mask
        num_valid = mask.sum()
    return {"summed": per_example.sum(), "n_valid_examples": num_valid, "per_example": per_example}
