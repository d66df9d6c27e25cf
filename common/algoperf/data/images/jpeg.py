"""Decodes and checks JPEG bytes, and converts the few images in archives that are not JPEGs.

Decoding is libjpeg-turbo's accurate mode (integer DCT, smooth chroma upsampling), as in the reference. Orientation
tags are ignored, also as in the reference.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import simplejpeg

from algoperf.data.images import turbojpeg
from algoperf.errors import DataError

Choose = Callable[[int, int], tuple[int, int, int, int]]
"""Maps height and width of a picture to top, left, height and width of a part."""
_REENCODED_QUALITY = 100
_LOSSY = "premature end"  # libjpeg's warning for lost pixels; its other warnings concern bytes that it skips


def decode_part(data: bytes, choose: Choose) -> np.ndarray:
    """Decode the part that `choose` picks from the picture's size: uint8 (height, width, 3).

    Grey pictures get three equal channels. DataError if bytes are missing or not a JPEG.
    """
    decoder = turbojpeg.decoder()
    try:
        if decoder is not None:
            return decoder.part(data, *choose(*decoder.size(data)))
        pixels = _decode(data)
    except ValueError as error:
        raise DataError(f"this is no JPEG that can be decoded ({error})") from None
    top, left, height, width = choose(*pixels.shape[:2])
    return pixels[top : top + height, left : left + width]


def _decode(data: bytes) -> np.ndarray:
    """The whole picture. ValueError if bytes are missing or not a JPEG; skippable bytes are no error."""
    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=True)
    except ValueError as error:
        if _LOSSY in str(error).lower():
            raise
        pixels = simplejpeg.decode_jpeg(data, colorspace="RGB", strict=False)
    return pixels


def to_stored(data: bytes) -> tuple[bytes, int, int]:
    """The bytes that a store keeps for an image file, and the image's height and width.

    A complete RGB or grey JPEG is kept unchanged. Any other image (CMYK, PNG) becomes an RGB JPEG of
    quality 100. DataError if it is incomplete or not an image.
    """
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return _reencoded(data)
    if colour_space in ("CMYK", "YCCK"):
        return _reencoded(data)
    try:
        _decode(data)
    except ValueError as error:
        raise DataError(f"it is incomplete or no JPEG ({error})") from None
    return data, height, width


def _reencoded(data: bytes) -> tuple[bytes, int, int]:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            rgb = image.convert("RGB")
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError(f"it is no image, or incomplete ({error})") from None
    return encode_rgb(np.asarray(rgb), quality=_REENCODED_QUALITY), rgb.height, rgb.width


def encode_rgb(pixels: np.ndarray, *, quality: int) -> bytes:
    """Encode uint8 (height, width, 3) as JPEG, with chroma at half resolution as cameras and TFDS do."""
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality, colorsubsampling="420")
    return encoded
