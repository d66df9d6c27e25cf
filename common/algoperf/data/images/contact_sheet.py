"""Draws batches of pictures, to be looked at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_SMALLEST_SIDE = 96  # pixels; smaller pictures are shown enlarged
_GAP, _LABEL_HEIGHT = 4, 14
_SHOWN_SHARE = 0.005  # of a mixed label


def draw_sheet(inputs: np.ndarray, targets: np.ndarray, mean: Any, stddev: Any) -> Image:
    """Pictures (N, H, W, C) in a grid, each above its class or the shares of its classes.

    `mean` and `stddev` undo the normalisation; they refer to pixels from 0 to 1 or from 0 to 255.
    """
    from PIL import Image, ImageDraw

    count, height, width = inputs.shape[:3]
    factor = max(1, math.ceil(_SMALLEST_SIDE / max(height, width)))
    columns = math.ceil(math.sqrt(count))
    cell_width, cell_height = width * factor + _GAP, height * factor + _LABEL_HEIGHT + _GAP
    sheet = Image.new("RGB", (columns * cell_width, math.ceil(count / columns) * cell_height), "white")
    pen = ImageDraw.Draw(sheet)
    for number, (picture, target) in enumerate(zip(to_pixels(inputs, mean, stddev), targets, strict=True)):
        row, column = divmod(number, columns)
        enlarged = np.broadcast_to(picture, (height, width, 3)).repeat(factor, axis=0).repeat(factor, axis=1)
        sheet.paste(Image.fromarray(enlarged), (column * cell_width, row * cell_height))
        pen.text((column * cell_width + 2, (row + 1) * cell_height - _LABEL_HEIGHT - 2), label(target), fill="black")
    return sheet


def draw_beside(columns: Mapping[str, np.ndarray], shown_as: str) -> Image:
    """Grey pictures (N, H, W) of each column below its title; all of a row have the contrast of column `shown_as`."""
    from PIL import Image, ImageDraw

    count, height, width = columns[shown_as].shape
    factor = max(1, math.ceil(_SMALLEST_SIDE / max(height, width)))
    cell_width, cell_height = width * factor + _GAP, height * factor + _GAP
    sheet = Image.new("L", (len(columns) * cell_width, count * cell_height + _LABEL_HEIGHT), "white")
    pen = ImageDraw.Draw(sheet)
    flat = columns[shown_as].reshape(count, -1)
    dark, bright = (bound[:, None, None] for bound in (flat.min(axis=1), flat.max(axis=1)))
    for number, (title, pictures) in enumerate(columns.items()):
        pen.text((number * cell_width + 2, 0), title, fill="black")
        pixels = ((pictures - dark) / np.maximum(bright - dark, 1e-12) * 255).clip(0, 255).astype(np.uint8)
        for row, picture in enumerate(pixels.repeat(factor, axis=1).repeat(factor, axis=2)):
            sheet.paste(Image.fromarray(picture), (number * cell_width, _LABEL_HEIGHT + row * cell_height))
    return sheet


def to_pixels(inputs: np.ndarray, mean: Any, stddev: Any) -> np.ndarray:
    """uint8 pixels, clipped."""
    values = inputs * np.asarray(stddev) + np.asarray(mean)
    if np.max(mean) <= 1:
        values = values * 255
    pixels: np.ndarray = values.round().clip(0, 255).astype(np.uint8)
    return pixels


def label(target: np.ndarray) -> str:
    """A class number, or `3: 0.87  5: 0.13` for a mixed one."""
    if np.ndim(target) == 0:
        return str(int(target))
    shown = [number for number in np.argsort(-target) if target[number] > _SHOWN_SHARE]
    return "  ".join(f"{number}: {target[number]:.2f}" for number in shown)
