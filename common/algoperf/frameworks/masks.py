"""Which masks a loss can be summed with, the same in both frameworks."""

from __future__ import annotations

from collections.abc import Sequence


def check_mask(losses: Sequence[int], mask: Sequence[int] | None) -> None:
    """ValueError if a mask of this shape does not say which losses count. One loss per row needs no mask.

    Where rows have several labels, some are missing: without a mask they would count.
    """
    if mask is None and len(losses) > 1:
        raise ValueError(
            f"Losses of shape {tuple(losses)} need a mask of the same shape: pass the batch's weights as mask_batch."
        )
    if mask is not None and tuple(mask) != tuple(losses):
        raise ValueError(f"The mask has shape {tuple(mask)}, the losses have {tuple(losses)}: they must be the same.")
