"""Planted forms, looks and pairs are what they are called, by measures written here.

Looks: datasets.md section A7, on grey pictures with a long side of at most 512. Pairs: correlation
of 32x32 area means (section E7).
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from aitk_core.testing.planted import plant

if TYPE_CHECKING:
    from aitk_core.testing.planted import PlantedPair, Truth

Plane = npt.NDArray[np.float64]
PICTURES = frozenset({"forms", "looks", "pairs", "leaks", "negatives"})


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return plant(tmp_path_factory.mktemp("planted"), seed=2, bases=40, families=PICTURES)


def upright(truth: Truth, path: str) -> Image.Image:
    """As the trainer loads it: EXIF rotation, then RGB."""
    with Image.open(truth.at(path)) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def stored(truth: Truth, label: str) -> Image.Image:
    with Image.open(truth.at(truth.files(label)[0].path)) as image:
        image.load()
        return image


def grey(truth: Truth, path: str) -> Plane:
    image = upright(truth, path).convert("L")
    image.thumbnail((512, 512), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(image, dtype=np.float64)


def largest_tile(levels: Plane) -> float:
    centre = levels[1:-1, 1:-1]
    edges = levels[:-2, 1:-1] + levels[2:, 1:-1] + levels[1:-1, :-2] + levels[1:-1, 2:]
    bands = np.array_split(edges - 4 * centre, 8)
    return float(max(tile.var() for band in bands for tile in np.array_split(band, 8, axis=1)))


def reblur(levels: Plane) -> float:
    """0 crisp to 1: what a box of nine leaves of the differences, on the softer axis."""
    values = []
    for plane in (levels, levels.T):
        wide = np.pad(plane, ((0, 0), (4, 4)), mode="edge")
        blurred = np.stack([wide[:, at : at + plane.shape[1]] for at in range(9)]).mean(axis=0)
        before, after = (np.abs(np.diff(each)) for each in (plane, blurred))
        lost = np.maximum(0, before - after).sum()
        values.append(1 - lost / before.sum() if before.sum() else 1.0)
    return float(max(values))


def look(truth: Truth, path: str) -> str:
    """The first label that fits, in the order of section A7."""
    levels = grey(truth, path)
    low, high = np.percentile(levels, [5, 95])
    tile = largest_tile(levels)
    thumbnail = np.asarray(upright(truth, path).convert("L").resize((128, 128)), np.float64)
    rules = {
        "dark": high < 50,
        "bright": low > 200,
        "low_information": tile < 1 or thumbnail.std() < 5,
        "blurry": tile < 4,
        "blurry?": reblur(levels) > 0.55 and tile < 150,
    }
    return next((label for label, fits in rules.items() if fits), "")


def test_sound_pictures_have_no_look(truth: Truth) -> None:
    sound = truth.files("sound")
    assert len(sound) == 44
    assert {file.path: look(truth, file.path) for file in sound} == {
        file.path: "" for file in sound
    }


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("dark", "dark"),
        ("bright", "bright"),
        ("low_information", "low_information"),
        ("blurry", "blurry"),
        ("motion", "blurry?"),
        ("grey16", "bright"),
        ("extreme_aspect", ""),
        ("plain_border", ""),
        ("product", ""),
        ("subject", ""),
        ("cmyk", ""),
        ("palette", ""),
        ("grey", ""),
    ],
)
def test_looks_come_out_as_their_rules_say(truth: Truth, label: str, expected: str) -> None:
    found = truth.files(label)
    assert found
    assert {look(truth, file.path) for file in found} == {expected}


def fine_share(truth: Truth, path: str) -> float:
    """What a sixth of the size loses, as a share of the spread."""
    picture = upright(truth, path).convert("L")
    small = picture.resize((picture.width // 6, picture.height // 6), Image.Resampling.BICUBIC)
    levels = np.asarray(picture, np.float64)
    again = np.asarray(small.resize(picture.size, Image.Resampling.BICUBIC), np.float64)
    return float((levels - again).std() / levels.std())


def test_an_upscaled_picture_lacks_what_enlarging_cannot_bring_back(truth: Truth) -> None:
    assert max(fine_share(truth, file.path) for file in truth.files("upscaled")) < 0.15
    assert min(fine_share(truth, file.path) for file in truth.files("sound")) > 0.2


def test_small_and_thin_pictures_have_the_sides_they_should(truth: Truth) -> None:
    for file in truth.files("tiny"):
        assert file.size is not None
        assert 39 <= min(file.size) <= max(file.size) < 64
    for file in truth.files("below_step"):
        assert file.size is not None
        assert min(file.size) < 16
    for file in truth.files("extreme_aspect"):
        assert file.size is not None
        assert max(file.size) == 9 * min(file.size)
    for file in truth.files("sound"):
        assert file.size is not None
        assert 192 <= min(file.size) < max(file.size) <= 640


@pytest.mark.parametrize(("label", "level"), [("white_border", 255), ("letterbox", 0)])
def test_borders_are_plain_and_the_picture_within_is_not(
    truth: Truth, label: str, level: int
) -> None:
    for file in truth.files(label):
        levels = np.asarray(upright(truth, file.path).convert("L"), np.float64)
        for edge in (levels[:8], levels[-8:]):
            assert np.abs(edge - level).max() <= 8
        assert levels[levels.shape[0] // 2].std() > 8
        sides = np.abs(levels[:, :8] - level).max() <= 8
        assert sides == (label == "white_border")


def test_turned_pictures_are_upright_after_their_orientation_only(truth: Truth) -> None:
    for orientation in (3, 5, 6, 8):
        (file,) = truth.files(f"orientation_{orientation}")
        assert file.size is not None
        with Image.open(truth.at(file.path)) as image:
            assert image.getexif()[0x0112] == orientation
            swapped = image.size == file.size[::-1]
        assert swapped == (orientation > 4)
        assert upright(truth, file.path).size == file.size


def test_alpha_hides_colour_or_is_opaque(truth: Truth) -> None:
    hidden = np.asarray(stored(truth, "alpha_hidden"))
    unseen = hidden[hidden[..., 3] == 0][:, :3]
    assert (unseen == (0, 255, 0)).all(axis=1).mean() > 0.3
    assert len(np.unique(unseen, axis=0)) > 100
    assert (hidden[..., 3] == 255).mean() > 0.3
    opaque = np.asarray(stored(truth, "alpha_opaque"))
    assert (opaque[..., 3] == 255).all()


@pytest.mark.parametrize(
    ("label", "form", "mode"),
    [
        ("cmyk", "JPEG", "CMYK"),
        ("grey16", "PNG", "I;16"),
        ("palette", "PNG", "P"),
        ("png_as_jpg", "PNG", "RGB"),
        ("jpeg_as_webp", "JPEG", "RGB"),
        ("webp_as_png", "WEBP", "RGB"),
        ("gif_as_png", "GIF", "P"),
        ("jpeg_tail", "JPEG", "RGB"),
        ("png_tail", "PNG", "RGB"),
    ],
)
def test_forms_are_stored_as_they_are_called(
    truth: Truth, label: str, form: str, mode: str
) -> None:
    for file in truth.files(label):
        with Image.open(truth.at(file.path)) as image:
            assert (image.format, image.mode) == (form, mode)
            image.load()


def test_grey_jpegs_and_progressive_ones(truth: Truth) -> None:
    assert {stored(truth, "grey").mode} == {"L"}
    assert "progressive" in stored(truth, "progressive").info


def test_sixteen_bits_train_as_a_white_picture(truth: Truth) -> None:
    """datasets.md section E1; what a repair by `>> 8` would give is a picture."""
    levels = np.asarray(stored(truth, "grey16")).astype(np.int64) >> 8
    assert levels.std() > 20
    assert np.asarray(upright(truth, truth.files("grey16")[0].path)).min() == 255


def test_animations_have_frames_that_differ(truth: Truth) -> None:
    assert len(truth.files("animated")) == 2
    for file in truth.files("animated"):
        with Image.open(truth.at(file.path)) as image:
            frames = []
            for number in range(image.n_frames):  # type: ignore[attr-defined]
                image.seek(number)
                frames.append(image.convert("RGB").tobytes())
        assert len(set(frames)) == 3


def test_tails_follow_the_end_of_the_picture(truth: Truth) -> None:
    (jpeg,), (png,) = truth.files("jpeg_tail"), truth.files("png_tail")
    assert b"\xff\xd9PK\x03\x04" in truth.at(jpeg.path).read_bytes()
    assert b"IEND\xaeB`\x82after" in truth.at(png.path).read_bytes()


def means(truth: Truth, path: str) -> Plane:
    image = upright(truth, path).convert("L").resize((32, 32), Image.Resampling.BOX)
    return np.asarray(image, np.float64)


def likeness(truth: Truth, pair: PlantedPair) -> float:
    """Correlation once the second is turned and mirrored back."""
    second = means(truth, pair.second)
    if pair.mirrored:
        second = second[:, ::-1]
    second = np.rot90(second, -pair.turned // 90)
    return float(np.corrcoef(means(truth, pair.first).ravel(), second.ravel())[0, 1])


# Below what section A5 measured for each, and for copies far above what two pictures have.
LEAST = {"crop_4": 0.8, "watermark": 0.7, "rotate_3": 0.7}


def test_copies_correlate_as_their_tier_says(truth: Truth) -> None:
    for pair in (*truth.pairs(tier="exact"), *truth.pairs(tier="easy"), *truth.leaks()):
        assert likeness(truth, pair) > 0.99, pair
    for pair in truth.pairs(tier="medium"):
        assert likeness(truth, pair) > LEAST.get(pair.kind, 0.99), pair


def test_a_mirrored_or_turned_copy_is_unlike_before_it_is_turned_back(truth: Truth) -> None:
    for pair in truth.pairs(duplicate=True):
        if pair.mirrored or pair.turned:
            straight = np.corrcoef(
                means(truth, pair.first).ravel(), means(truth, pair.second).ravel()
            )
            assert straight[0, 1] < 0.9, pair


def test_pictures_that_are_no_copies_do_not_correlate_as_copies_do(truth: Truth) -> None:
    for pair in truth.pairs(tier="negative"):
        assert likeness(truth, pair) < 0.95, pair
    small = [means(truth, file.path) for file in truth.files("sound")]
    for one, other in combinations(small, 2):
        for turned in (other, other[:, ::-1]):
            assert np.corrcoef(one.ravel(), turned.ravel())[0, 1] < 0.9


def test_exact_pairs_have_equal_bytes_or_equal_pixels(truth: Truth) -> None:
    for pair in truth.all_pairs:
        first, second = (truth.at(path).read_bytes() for path in (pair.first, pair.second))
        assert (first == second) == (pair.kind == "byte_copy"), pair
        if pair.tier == "exact":
            pixels = [upright(truth, path).tobytes() for path in (pair.first, pair.second)]
            assert pixels[0] == pixels[1]


def test_hard_copies_have_the_size_that_their_kind_gives(truth: Truth) -> None:
    sizes = {file.path: file.size for file in truth.files()}
    kept = {"crop_4": 0.96, "crop_10": 0.90, "crop_20": 0.80, "half_size": 0.5}
    for pair in truth.pairs(duplicate=True):
        first, second = sizes[pair.first], sizes[pair.second]
        assert first is not None
        assert second is not None
        if pair.kind in kept:
            assert second[0] / first[0] == pytest.approx(kept[pair.kind], abs=0.01)
        elif pair.turned == 90:
            assert second == first[::-1]
        elif pair.kind == "bordered":
            assert second[0] - first[0] == second[1] - first[1] == 2 * round(0.05 * max(first))
        else:
            assert second == first


def test_every_two_products_are_a_negative_pair(truth: Truth) -> None:
    products = sorted(file.path for file in truth.files("product"))
    told = {
        (pair.first, pair.second) for pair in truth.pairs(duplicate=False) if pair.kind == "product"
    }
    assert told == set(combinations(products, 2))
    assert len(products) >= 4
    scenes = [pair for pair in truth.pairs(tier="negative") if pair.kind == "two_subjects"]
    for pair in scenes:
        images = [np.asarray(upright(truth, path)) for path in (pair.first, pair.second)]
        # The scene around the subjects is the same but for the JPEG's noise.
        assert np.abs(images[0][:20].astype(int) - images[1][:20]).mean() < 3
        assert likeness(truth, pair) < 0.95
