"""Crops, resizing, decoding of parts and RandAugment, against formulas and facts of the specification."""

import io

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageOps

from algoperf.data.images import bicubic, crops, randaugment, turbojpeg
from algoperf.data.images import jpeg as jpeg_data
from algoperf.datasets.imagenet.dataset import MEAN, STDDEV
from algoperf.datasets.imagenet.examples import NUM_DRAWS, Recipe
from algoperf.errors import DataError
from image_archives import jpeg, picture

# --- crops -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((500, 375), (86, 24, 328, 328)),
        ((256, 256), (16, 16, 224, 224)),
        ((224, 300), (14, 52, 196, 196)),
        ((1000, 333), (355, 21, 291, 291)),
    ],
)
def test_central_crop(size, expected):
    assert crops.central(*size) == expected


def drawn_crops(height: int, width: int, count: int = 20_000) -> np.ndarray:
    uniform = np.random.default_rng(0).random((count, crops.DRAWS)).tolist()
    return np.array([crops.random_crop(height, width, numbers) for numbers in uniform])


def test_distribution_of_random_crops():
    """Measured in the reference on 500x500 pixels: mean area 0.43, least 0.1; the aspect ratio is uniform."""
    top, left, height, width = drawn_crops(500, 500).T
    areas = height * width / 500**2
    assert areas.mean() == pytest.approx(0.425, abs=0.01)
    assert 0.1 <= areas.min() < 0.101
    assert areas.max() < 1
    aspects = width / height
    assert aspects.mean() == pytest.approx((0.75 + 4 / 3) / 2, abs=0.005)
    assert np.quantile(aspects, [0.25, 0.75]) == pytest.approx([0.896, 1.188], abs=0.01)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 500).all()
    assert (left + width <= 500).all()
    room = 500 - height > 50
    assert (top[room] / (500 - height[room])).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("size", [(20, 100), (100, 20), (1, 1), (2, 3), (500, 375)])
def test_random_crops_lie_inside(size):
    for top, left, height, width in drawn_crops(*size, count=500):
        assert 0 <= top <= top + height <= size[0]
        assert 0 <= left <= left + width <= size[1]


def test_a_picture_too_narrow_for_any_crop_gets_the_middle():
    """No part of 40x400 pixels with an aspect ratio up to 4/3 has an area of a tenth... it has; of 10x400 none."""
    assert {tuple(crop) for crop in drawn_crops(10, 400, 200)} == {tuple(crops.central(10, 400))}


# --- resizing ----------------------------------------------------------------------------------------------------


def keys(distance: np.ndarray) -> np.ndarray:
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def matrix(num_old: int, num_new: int) -> np.ndarray:
    """Weight of every old pixel for every new one, in double precision, straight from the definition."""
    centres = (np.arange(num_new) + 0.5) * num_old / num_new - 0.5
    values = keys(centres[:, np.newaxis] - np.arange(num_old))
    return values / values.sum(axis=1, keepdims=True)


def reference(pixels: np.ndarray, size: int) -> np.ndarray:
    height, width, _ = pixels.shape
    rows = np.tensordot(matrix(height, size), pixels.astype(np.float64), 1)
    return np.tensordot(matrix(width, size), rows, (1, 1)).transpose(1, 0, 2)


TOLERANCE = 2e-4  # grey levels


@pytest.mark.parametrize("shape", [(280, 350), (50, 60), (224, 224), (1000, 333), (9, 7), (1, 1), (225, 3)])
@pytest.mark.parametrize("size", [224, 48, 30])
def test_resizing_is_the_definition(shape, size):
    pixels = picture(1, *shape)
    expected = reference(pixels, size)
    np.testing.assert_allclose(bicubic.resize(pixels, size), expected, rtol=0, atol=TOLERANCE)
    mirrored = bicubic.resize(pixels, size, mirrored=True)
    np.testing.assert_allclose(mirrored, expected[:, ::-1], rtol=0, atol=TOLERANCE)


def test_resizing_is_not_clipped_and_not_smoothed():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    values = bicubic.resize(pixels, 224)
    assert values.min() < -5
    assert values.max() > 260
    stripes = np.zeros((448, 448, 3), np.uint8)
    stripes[:, ::3] = 255
    assert bicubic.resize(stripes, 112).std() > 30  # antialiasing would leave an even grey


# --- decoding ----------------------------------------------------------------------------------------------------


def encoded(height: int, width: int, **options: object) -> bytes:
    buffer = io.BytesIO()
    mode = options.pop("mode", "RGB")
    small = Image.fromarray(picture(5, height // 4 + 1, width // 4 + 1))
    small.resize((width, height), Image.Resampling.BICUBIC).convert(mode).save(buffer, "JPEG", quality=90, **options)
    return buffer.getvalue()


VARIANTS = {
    "4:2:0": {"subsampling": 2}, "4:2:2": {"subsampling": 1}, "4:4:4": {"subsampling": 0},
    "progressive": {"progressive": True}, "grey": {"mode": "L"},
}  # fmt: skip


@pytest.mark.skipif(turbojpeg.decoder() is None, reason="libjpeg-turbo 3 is not installed")
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size", [(97, 130), (16, 16), (33, 200), (7, 5)])
def test_decoding_a_part_is_exact(variant, size):
    data = encoded(*size, **VARIANTS[variant])
    whole = simplejpeg.decode_jpeg(data)
    rng = np.random.default_rng(0)
    for _ in range(40):
        (top, bottom), (left, right) = (np.sort(rng.choice(side + 1, 2, replace=False)) for side in size)
        part = jpeg_data.decode_part(data, lambda *_, box=(top, left, bottom - top, right - left): box)
        np.testing.assert_array_equal(part, whole[top:bottom, left:right])


def test_without_the_library_the_result_is_the_same(monkeypatch):
    recipe, data = Recipe(32, MEAN, STDDEV, augment=True), encoded(100, 80)
    results = []
    for decoder in (turbojpeg.decoder(), None):
        monkeypatch.setattr(turbojpeg, "decoder", lambda decoder=decoder: decoder)
        out = np.empty((2, 32, 32, 3), np.float32)
        recipe.training(data, np.random.default_rng(0).random(NUM_DRAWS).tolist(), out[0])
        recipe.evaluation(data, out[1])
        results.append(out)
    np.testing.assert_array_equal(results[0], results[1])


@pytest.mark.parametrize("with_library", [True, False])
@pytest.mark.parametrize("data", [jpeg(0)[:500], b"", b"not a picture", jpeg(0)[:30]])
def test_bytes_that_are_no_picture(monkeypatch, with_library, data):
    if not with_library:
        monkeypatch.setattr(turbojpeg, "decoder", lambda: None)
    with pytest.raises(DataError, match="no JPEG that can be decoded"):
        jpeg_data.decode_part(data, lambda height, width: (0, 0, height, width))


@pytest.mark.parametrize("with_library", [True, False])
def test_bytes_to_be_skipped_are_no_error(monkeypatch, with_library):
    """Some published pictures have them."""
    if not with_library:
        monkeypatch.setattr(turbojpeg, "decoder", lambda: None)
    data = jpeg(0)
    with_junk = data[:-40] + b"\x00" * 60 + data[-2:]
    assert jpeg_data.decode_part(with_junk, lambda height, width: (0, 0, height, width)).shape == (20, 30, 3)


# --- whole recipes -----------------------------------------------------------------------------------------------


def test_evaluation_is_the_formula():
    data = encoded(150, 100)
    out = np.empty((64, 64, 3), np.float32)
    Recipe(64, MEAN, STDDEV, augment=True).evaluation(data, out)
    pixels = simplejpeg.decode_jpeg(data)
    top, left, side, _ = crops.central(150, 100)
    expected = (reference(pixels[top : top + side, left : left + side], 64) - MEAN) / STDDEV
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5)


def test_training_is_the_formula():
    data, recipe = encoded(150, 100), Recipe(64, MEAN, STDDEV, augment=False)
    pixels = simplejpeg.decode_jpeg(data)
    mirrored = 0
    for uniform in np.random.default_rng(0).random((60, NUM_DRAWS)).tolist():
        out = np.empty((64, 64, 3), np.float32)
        recipe.training(data, uniform, out)
        top, left, height, width = crops.random_crop(150, 100, uniform)
        expected = (reference(pixels[top : top + height, left : left + width], 64) - MEAN) / STDDEV
        is_mirrored = uniform[crops.DRAWS] < 0.5
        mirrored += is_mirrored
        np.testing.assert_allclose(out, expected[:, ::-1] if is_mirrored else expected, rtol=0, atol=1e-5)
    assert 20 < mirrored < 40


def test_randaugment_gets_clipped_and_truncated_pixels(monkeypatch):
    seen = []
    monkeypatch.setattr(randaugment, "randaugment", lambda image, draws: seen.append((image, len(draws))) or image)
    data, uniform = encoded(60, 60), np.random.default_rng(1).random(NUM_DRAWS).tolist()
    out, plain = np.empty((48, 48, 3), np.float32), np.empty((48, 48, 3), np.float32)
    Recipe(48, (0,) * 3, (1,) * 3, augment=True).training(data, uniform, out)
    Recipe(48, (0,) * 3, (1,) * 3, augment=False).training(data, uniform, plain)
    np.testing.assert_array_equal(seen[0][0], plain.clip(0, 255).astype(np.uint8))
    assert seen[0][1] == randaugment.DRAWS
    np.testing.assert_array_equal(out, seen[0][0])


# --- RandAugment -------------------------------------------------------------------------------------------------

IMAGE = np.asarray(Image.fromarray(picture(9, 40, 40)).resize((224, 224), Image.Resampling.BICUBIC))
PLUS, MINUS = (0.0, 0.9, 0.0, 0.0), (0.0, 0.1, 0.0, 0.0)


def apply(name: str, draws: tuple[float, ...] = PLUS, image: np.ndarray = IMAGE) -> np.ndarray:
    result = randaugment.OPERATIONS[name](image, draws)
    assert (result.dtype, result.shape) == (np.uint8, image.shape)
    return result


def truncated(values: np.ndarray) -> np.ndarray:
    return values.clip(0, 255).astype(np.uint8)


def test_pointwise_operations():
    assert (apply("Invert") == 255 - IMAGE).all()
    assert (apply("Solarize") == 255 - IMAGE).all()
    assert (apply("Posterize") == IMAGE // 16 * 16).all()
    wide = IMAGE.astype(int)
    assert (apply("SolarizeAdd") == np.where(wide < 128, wide + 110, wide)).all()
    floats = IMAGE.astype(np.float32)
    assert (apply("Brightness") == truncated(np.float32(1.9) * floats)).all()
    assert (apply("Contrast") == truncated(196 + np.float32(1.9) * (floats - 196))).all()


def test_the_grey_of_contrast_is_the_number_of_pixels_by_256():
    assert randaugment._CONTRAST_GREY == 224 * 224 // 256


def test_colour_moves_away_from_grey():
    grey = (IMAGE / np.float32(255)) @ np.array([0.2989, 0.5870, 0.1140], np.float32)
    base = (grey * np.float32(255.5)).astype(np.uint8).astype(np.float32)[..., np.newaxis]
    expected = truncated(base + np.float32(1.9) * (IMAGE - base)).astype(int)
    assert np.abs(apply("Color") - expected).max() <= 1
    assert (apply("Color") != expected).mean() < 1e-3


def test_sharpness_uses_a_kernel_with_centre_5_and_sum_13_and_keeps_the_border():
    kernel = np.ones((3, 3))
    kernel[1, 1] = 5
    windows = np.lib.stride_tricks.sliding_window_view(IMAGE.astype(float), (3, 3), axis=(0, 1))
    smooth = IMAGE.astype(np.float32)
    smooth[1:-1, 1:-1] = np.floor(np.einsum("yxcij,ij->yxc", windows, kernel) / 13 + 1e-9)
    expected = truncated(smooth + np.float32(1.9) * (IMAGE - smooth))
    result = apply("Sharpness")
    assert (result == expected).all()
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        assert (result[edge] == IMAGE[edge]).all()


@pytest.mark.parametrize("name", ["AutoContrast", "Equalize"])
def test_histogram_operations_are_those_of_pillow(name):
    function = getattr(ImageOps, name.lower())
    dull = (IMAGE // 3 + np.array([10, 60, 110])).astype(np.uint8)
    for image in (IMAGE, dull, np.full_like(IMAGE, 7)):
        expected = np.asarray(function(Image.fromarray(image)))
        assert np.abs(apply(name, image=image).astype(int) - expected).max() <= 1
        assert (apply(name, image=image) != expected).mean() < 0.01


def test_shear():
    """Output (x, y) shows input (x + 0.3 y, y), nearest pixel, grey outside; and along the other axis."""
    y, x = np.mgrid[:224, :224]
    for draws, sign in ((PLUS, 1), (MINUS, -1)):
        source = np.floor(x + sign * 0.3 * y + 0.5 + 1e-6).astype(int)
        inside = (source >= 0) & (source < 224)
        expected = np.where(inside[..., None], IMAGE[y, source.clip(0, 223)], 128)
        assert (apply("ShearX", draws) != expected).any(axis=-1).mean() < 0.02
        transposed = apply("ShearY", draws, IMAGE.transpose(1, 0, 2).copy())
        assert (transposed.transpose(1, 0, 2) == apply("ShearX", draws)).all()


def test_translation():
    grey = np.full((224, 100, 3), 128, np.uint8)
    assert (apply("TranslateX", PLUS) == np.hstack([IMAGE[:, 100:], grey])).all()
    assert (apply("TranslateX", MINUS) == np.hstack([grey, IMAGE[:, :-100]])).all()
    grey = grey.transpose(1, 0, 2)
    assert (apply("TranslateY", PLUS) == np.vstack([IMAGE[100:], grey])).all()
    assert (apply("TranslateY", MINUS) == np.vstack([grey, IMAGE[:-100]])).all()


def test_rotation_about_the_centre():
    for draws, angle in ((PLUS, 30), (MINUS, -30)):
        expected = np.asarray(Image.fromarray(IMAGE).rotate(angle, fillcolor=(128, 128, 128)))
        assert (apply("Rotate", draws) != expected).any(axis=-1).mean() < 0.005


def test_cutout_is_cut_off_at_the_borders():
    def area(row: float, column: float) -> tuple[int, int]:
        changed = (apply("Cutout", (0, 0, row, column), np.zeros_like(IMAGE)) == 128).all(axis=-1)
        return int(changed.any(axis=1).sum()), int(changed.any(axis=0).sum())

    assert area(0.5, 0.5) == (80, 80)
    assert area(0, 0) == (40, 40)
    assert area(0.9999, 0.5) == (41, 80)


def test_distances_shrink_with_the_image():
    small = IMAGE[::7, ::7].copy()
    assert (apply("TranslateX", PLUS, small)[:, :-14] == small[:, 14:]).all()
    assert (apply("Cutout", (0, 0, 0.5, 0.5), np.zeros_like(small)) == 128).all(axis=-1).sum() == 12 * 12


def test_two_operations_are_drawn_with_equal_probability(monkeypatch):
    drawn = []
    functions = [lambda image, draws, number=number: drawn.append(number) or image for number in range(16)]
    monkeypatch.setattr(randaugment, "_IN_ORDER", functions)
    for uniform in np.random.default_rng(0).random((8_000, randaugment.DRAWS)).tolist():
        randaugment.randaugment(IMAGE, uniform)
    counts = np.bincount(drawn, minlength=16)
    assert counts.sum() == 16_000
    assert abs(counts / 1_000 - 1).max() < 0.12
    assert len(randaugment.OPERATIONS) == 16
