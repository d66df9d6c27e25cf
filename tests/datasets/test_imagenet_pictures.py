"""From archives to the store: odd and damaged pictures, and the labels of pictures."""

import io

import numpy as np
import pytest
from PIL import Image

from algoperf.datasets.imagenet import raw
from algoperf.errors import DataError
from image_archives import IDS, Archives, jpeg, picture, preprocess, records, saved


@pytest.fixture
def archives() -> Archives:
    return Archives()


def test_cmyk_and_png_become_rgb_jpegs(archives, tmp_path):
    smooth = Image.fromarray(picture(0, 3, 4)).resize((64, 48), Image.Resampling.BICUBIC)
    archives.train["n02"]["n02_1.JPEG"] = saved(smooth.convert("CMYK"), "JPEG")
    archives.train["n02"]["n02_2.JPEG"] = saved(smooth, "PNG")
    found = records(preprocess(archives, tmp_path), "train")[4:8]
    assert found[0][0] == archives.train["n02"]["n02_0.JPEG"]
    for data, label in found[1:3]:
        image = Image.open(io.BytesIO(data))
        assert (image.format, image.mode, image.size, label) == ("JPEG", "RGB", (64, 48), 1)
        assert np.abs(np.asarray(image, int) - np.asarray(smooth, int)).mean() < 6


def ramp(mode: str) -> bytes:
    """A PNG of grey values from 0 to the largest of 16 bits, from left to right."""
    return saved(Image.fromarray(np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (48, 1))), mode)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_grey_values_of_16_bits_are_scaled(archives, tmp_path, kind):
    archives.train["n01"]["n01_0.JPEG"] = ramp(kind)
    data, _ = records(preprocess(archives, tmp_path), "train")[0]
    found = np.asarray(Image.open(io.BytesIO(data)).convert("L"), int)[24]
    assert np.abs(found - np.linspace(0, 255, 64)).max() < 5


MODES = ("1", "L", "LA", "P", "RGB", "RGBA")


@pytest.mark.parametrize("mode", MODES)
def test_pictures_of_any_mode_become_rgb(archives, tmp_path, mode):
    archives.train["n01"]["n01_0.JPEG"] = saved(Image.new("RGB", (40, 30), (255, 255, 255)).convert(mode), "PNG")
    image = Image.open(io.BytesIO(records(preprocess(archives, tmp_path), "train")[0][0]))
    assert (image.mode, image.size) == ("RGB", (40, 30))
    assert np.asarray(image).min() > 250


def animation() -> bytes:
    buffer, frames = io.BytesIO(), [Image.fromarray(picture(seed)) for seed in (1, 2)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


ODD = {
    "bomb": (lambda: saved(Image.new("L", (20_000, 10_000)), "PNG"), "too many pixels"),
    "smaller bomb": (lambda: saved(Image.new("1", (14_000, 10_000)), "PNG"), "it has 14000 x 10000 pixels"),
    "bomb of a JPEG": (lambda: saved(Image.new("L", (20_000, 10_000)), "JPEG"), "it has 20000 x 10000 pixels"),
    "animation": (animation, "an animation of 2 frames"),
    "32 bits": (lambda: saved(Image.fromarray(np.full((9, 9), 1 << 20, np.int32)), "TIFF"), "8 or 16 bits"),
    "floating point": (lambda: saved(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"), "floating point"),
    "truncated PNG": (lambda: ramp("PNG")[:-80], "no image, or incomplete"),
    "PostScript": (
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n",
        "no image of the formats BMP, GIF, JPEG",
    ),
    "a web page": (lambda: b"<html>404</html>", "no image of the formats"),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_pictures_are_refused_by_name(archives, tmp_path, kind):
    make, message = ODD[kind]
    archives.train["n03"]["n03_2.JPEG"] = make()
    with pytest.raises(DataError, match=rf"n03_2\.JPEG in n03\.tar in .*{raw.TRAIN} is damaged: .*{message}"):
        preprocess(archives, tmp_path)
    assert not (tmp_path / "store").exists()


# --- rebuilt archives -------------------------------------------------------------------------------------------


def named(archives: Archives, name) -> Archives:
    """The archives with other names of validation pictures: `name` maps the published name and its class."""
    classes = {number: wnid for wnid, number in IDS.items()}
    labels = [classes[number] for number in archives.truth]
    pairs = zip(archives.validation.items(), labels, strict=True)
    archives.validation = {name(old, wnid): data for (old, data), wnid in pairs}
    return archives


@pytest.mark.parametrize(
    "name",
    [
        lambda old, wnid: old,
        lambda old, wnid: f"val/{old}",
        lambda old, wnid: f"./{old}",
        lambda old, wnid: f"val/{wnid}/{old}",  # sorted by name, labels would be permuted
        lambda old, wnid: old.replace("0000000", "").replace(".JPEG", ".jpg"),
    ],
)
@pytest.mark.parametrize("order", [list, lambda items: list(items)[::-1]])
def test_labels_belong_to_numbers_wherever_a_picture_lies(archives, tmp_path, name, order):
    expected = records(preprocess(archives, tmp_path / "published"), "validation")
    archives.validation = dict(order(named(archives, name).validation.items()))
    assert records(preprocess(archives, tmp_path / "rebuilt"), "validation") == expected


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (lambda old, wnid: old.replace("ILSVRC2012_val_", ""), "is not named ILSVRC2012_val_N.JPEG"),
        (lambda old, wnid: old.replace("01.", "09."), r"val_00000009\.JPEG is not named .* N from 1 to 6"),
        (lambda old, wnid: "val/" * ("02." in old) + old.replace("02.", "03."), "both .* and .* have the number 3"),
        (
            lambda old, wnid: f"n02/{old}",
            r"n02/ILSVRC2012_val_0000000\d\.JPEG lies in the folder of n02, but its label",
        ),
    ],
)
def test_labels_that_cannot_be_found_are_refused(archives, tmp_path, name, message):
    named(archives, name)
    with pytest.raises(DataError, match=rf"{raw.VALIDATION} is not the published archive: .*{message}"):
        preprocess(archives, tmp_path)
    assert not (tmp_path / "store").exists()


def test_a_training_picture_of_another_class_is_refused(archives, tmp_path):
    archives.train["n01"]["n02_9.JPEG"] = archives.train["n01"].pop("n01_3.JPEG")
    with pytest.raises(DataError, match=rf"{raw.TRAIN} is not the published archive: n02_9\.JPEG lies in n01\.tar"):
        preprocess(archives, tmp_path)


def test_a_grey_jpeg_is_kept(archives, tmp_path):
    grey = archives.train["n01"]["n01_0.JPEG"] = saved(Image.fromarray(picture(3)).convert("L"), "JPEG")
    assert records(preprocess(archives, tmp_path), "train")[0][0] == grey


@pytest.mark.parametrize("damage", [lambda data: data[:400], lambda data: b"not an image", lambda data: b""])
def test_a_damaged_image_is_named(archives, tmp_path, damage):
    archives.train["n03"]["n03_2.JPEG"] = damage(archives.train["n03"]["n03_2.JPEG"])
    with pytest.raises(DataError, match=rf"n03_2\.JPEG in n03\.tar in .*{raw.TRAIN} is damaged"):
        preprocess(archives, tmp_path)
    assert not (tmp_path / "store").exists()


def test_a_damaged_validation_image_is_named(archives, tmp_path):
    archives.validation["ILSVRC2012_val_00000003.JPEG"] = jpeg(1)[:300]
    with pytest.raises(DataError, match=rf"ILSVRC2012_val_00000003\.JPEG in .*{raw.VALIDATION} is damaged"):
        preprocess(archives, tmp_path)
