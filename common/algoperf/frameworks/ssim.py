"""Structural similarity (Wang et al., 2004) of pictures, on the device, the same in both frameworks.

Windows are sums of shifted pictures: products and sums in float32, and no convolutions, which some GPUs round to TF32.
"""

from __future__ import annotations

from typing import Any

WINDOW = 7
_K1, _K2 = 0.01, 0.03


def structural_similarity(pictures: Any, others: Any, data_range: Any) -> Any:
    """The similarity of each pair, float32 (N,), between -1 and 1.

    Equal to scikit-image's `structural_similarity` with uniform windows of 7x7, of which only those count that lie
    inside the picture.

    Args:
      pictures, others: float32 (N, H, W).
      data_range: (N,), the difference between the largest and the smallest possible value; not 0.
    """
    factor = WINDOW**2 / (WINDOW**2 - 1)  # sample covariances
    x, y = _centred(pictures, others)
    mean_x, mean_y = _means(x[0]), _means(y[0])
    var_x, var_y, cov = (
        factor * (_means(a * b) - mean_a * mean_b)
        for a, b, mean_a, mean_b in (
            (x[0], x[0], mean_x, mean_x),
            (y[0], y[0], mean_y, mean_y),
            (x[0], y[0], mean_x, mean_y),
        )
    )
    mean_x, mean_y = mean_x + x[1], mean_y + y[1]
    c1, c2 = (((k * data_range) ** 2)[:, None, None] for k in (_K1, _K2))
    similar = (2 * mean_x * mean_y + c1) * (2 * cov + c2)
    similar = similar / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
    # Row by row: some processors add one number after another, and a long sum loses digits.
    return similar.mean(2).mean(1).clip(-1, 1)


def _centred(*pictures: Any) -> list[tuple[Any, Any]]:
    """Each picture without its mean, and the mean: differences of large squares would lose digits."""
    means = [picture.mean((1, 2))[:, None, None] for picture in pictures]
    return [(picture - mean, mean) for picture, mean in zip(pictures, means, strict=True)]


def _means(pictures: Any) -> Any:
    """Means of all windows inside the pictures: (N, H - 6, W - 6)."""
    height, width = (size - WINDOW + 1 for size in pictures.shape[1:])
    rows: Any = sum(pictures[:, start : start + height] for start in range(WINDOW))
    windows: Any = sum(rows[:, :, start : start + width] for start in range(WINDOW))
    return windows / WINDOW**2


def reconstruction_similarity(logits: Any, targets: Any, mean: Any, std: Any, volume_max: Any) -> Any:
    """The similarity of normalised pictures (N, H, W) in the units of the measurement, (N,).

    Args:
      mean, std: (N,), what the normalisation has taken away.
      volume_max: (N,), the largest value of the volume that the slice belongs to; 0 stands for 1, as published.
    """
    x, y = (picture * std[:, None, None] + mean[:, None, None] for picture in (logits, targets))
    return structural_similarity(x, y, volume_max + (volume_max == 0))
