"""Decodes and checks JPEG bytes, and converts the few images in archives that are not JPEGs.

Decoding is libjpeg-turbo's accurate mode (integer DCT, smooth chroma upsampling), as in the reference. Orientation
tags are ignored, also as in the reference.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import simplejpeg

from algoperf.data.images import turbojpeg
from algoperf.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Choose = Callable[[int, int], tuple[int, int, int, int]]
"""Maps height and width of a picture to top, left, height and width of a part."""
_REENCODED_QUALITY = 100
LARGEST_PIXELS = 1 << 27  # more than twice the largest photograph of ImageNet; a decompression bomb has more
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
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
    quality 100: 16 bits are scaled to 8, and transparency is ignored, as by the reference. DataError if it is
    incomplete, not an image, animated, larger than `LARGEST_PIXELS`, or of more than 16 bits per channel.
    """
    try:
        height, width, colour_space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return _reencoded(data)
    _check_size(width, height)
    if colour_space in ("CMYK", "YCCK"):
        return _reencoded(data)
    try:
        _decode(data)
    except ValueError as error:
        raise DataError(f"it is incomplete or no JPEG ({error})") from None
    return data, height, width


def _check_size(width: int, height: int) -> None:
    if width * height > LARGEST_PIXELS:
        raise DataError(f"it has {width} x {height} pixels; allowed are {LARGEST_PIXELS:,} in all")


def _reencoded(data: bytes) -> tuple[bytes, int, int]:
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about sizes, which are checked here, and about broken metadata
            with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
                _check_size(*image.size)
                if getattr(image, "n_frames", 1) > 1:
                    raise DataError(f"it is an animation of {image.n_frames} frames, not a picture")  # type: ignore[attr-defined]
                rgb = _as_rgb(image)
    except Image.DecompressionBombError as error:
        raise DataError(f"it has too many pixels ({error})") from None
    except UnidentifiedImageError:
        raise DataError(f"it is no image of the formats {', '.join(_FORMATS)}, or its beginning is lost") from None
    except (DataError, MemoryError):
        raise
    except Exception as error:  # Pillow's decoders raise almost anything about broken bytes
        raise DataError(f"it is no image, or incomplete ({error})") from None
    return encode_rgb(rgb, quality=_REENCODED_QUALITY), rgb.shape[0], rgb.shape[1]


def _as_rgb(image: Image) -> np.ndarray:
    """Pixels uint8 (height, width, 3). Pillow cuts grey values of 16 bits off at 255, so they are scaled here."""
    import PIL.Image

    if image.mode.startswith("I"):  # "I;16" and its byte orders; "I" is also how 16 bits used to be opened
        values = np.asarray(image).astype(np.int64)
        if values.min(initial=0) < 0 or values.max(initial=0) > 0xFFFF:
            raise DataError(f"its grey values lie between {values.min()} and {values.max()}; allowed are 8 or 16 bits")
        grey = ((values * 255 + 0x7FFF) // 0xFFFF).astype(np.uint8)
        image = PIL.Image.fromarray(grey)
    elif image.mode == "F":
        raise DataError("its grey values are floating point numbers; allowed are 8 or 16 bits")
    return np.asarray(image.convert("RGB"))


def encode_rgb(pixels: np.ndarray, *, quality: int) -> bytes:
    """Encode uint8 (height, width, 3) as JPEG, with chroma at half resolution as cameras and TFDS do."""
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), quality=quality, colorsubsampling="420")
    return encoded
