"""Checks the mask of a loss, the same in both frameworks."""

from __future__ import annotations

from collections.abc import Sequence


def check_mask(losses: Sequence[int], mask: Sequence[int] | None) -> None:
    """ValueError if the shape of `mask` does not fit `losses`. With one loss per row, the mask is optional.

    With several labels per row, some are missing, and would count without a mask.
    """
    if mask is None and len(losses) > 1:
        raise ValueError(
            f"Losses of shape {tuple(losses)} need a mask of the same shape: pass the batch's weights as mask_batch."
        )
    if mask is not None and tuple(mask) != tuple(losses):
        raise ValueError(f"The mask has shape {tuple(mask)}, the losses have {tuple(losses)}: they must be the same.")
