"""A loss as one record, the same in both frameworks: per-example values, the masks that fit, and what is counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from algoperf.spec import LossType

LossName = Literal["softmax", "tokens", "sigmoid", "labels", "ctc", "l1", "l2"]
BY_TYPE: dict[LossType, LossName] = {
    LossType.SOFTMAX_CROSS_ENTROPY: "softmax",
    LossType.SIGMOID_CROSS_ENTROPY: "sigmoid",
    LossType.CTC_LOSS: "ctc",
    LossType.MEAN_ABSOLUTE_ERROR: "l1",
    LossType.MEAN_SQUARED_ERROR: "l2",
}
"""The loss of a workload whose definition names none."""


@dataclass(frozen=True)
class Loss:
    """One loss of one framework.

    Attributes:
      per_example: `(labels, logits, label_smoothing) -> losses`, of shape (B,), or (B, K) for tokens and labels.
      mask: "rows": one loss per row; the mask is (B,) or (B, 1), or missing. "tokens": one loss per token; the mask is
        (B, K), or one value per row, or missing. "labels": one loss per label, some of which are unknown; the mask is
        (B, K) and required.
      count: `(labels, mask or None) -> n_valid_examples`, if that is not the sum of the mask.
    """

    per_example: Callable[[Any, Any, float], Any]
    mask: Literal["rows", "tokens", "labels"] = "rows"
    count: Callable[[Any, Any], Any] | None = None

    def summarise(
        self, labels: Any, losses: Any, mask: Any | None, constant: Callable[[float, Any], Any]
    ) -> dict[str, Any]:
        """The result of `loss_fn`: `summed`, `n_valid_examples`, and the masked `per_example`.

        `constant(value, like)` makes a scalar of the framework on the device of `like`.
        """
        fitted = None if mask is None and self.mask != "labels" else self._fit(mask, losses.shape)
        per_example = losses if fitted is None else losses * fitted
        if self.count is not None:
            num_valid = self.count(labels, fitted)
        elif fitted is None:
            num_valid = constant(math.prod(losses.shape), losses)
        else:
            repeats = math.prod(losses.shape) // max(math.prod(fitted.shape), 1)
            num_valid = fitted.sum() if repeats <= 1 else fitted.sum() * repeats
        return {"summed": per_example.sum(), "n_valid_examples": num_valid, "per_example": per_example}

    def _fit(self, mask: Any | None, losses: Sequence[int]) -> Any:
        """The mask in a shape that multiplies losses of a shape. ValueError if it does not fit."""
        if mask is None:
            raise ValueError(
                f"Losses of shape {tuple(losses)} need a mask of the same shape: "
                "pass the batch's weights as mask_batch."
            )
        shape = tuple(mask.shape)
        if shape == tuple(losses):
            return mask
        if self.mask != "labels" and shape in ((losses[0],), (losses[0], 1)):
            return mask.reshape((losses[0], *(1 for _ in losses[1:])))
        raise ValueError(f"The mask has shape {shape}, the losses have {tuple(losses)}: they must be the same.")
