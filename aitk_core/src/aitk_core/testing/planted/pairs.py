"""Copies of pictures in tiers of difficulty, and pictures that only look alike.

What each alteration costs the hashes of datasets.md section A5 is measured there.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from aitk_core.testing.planted.codec import jpeg, png, webp
from aitk_core.testing.planted.fields import generated_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.random import Generator

    from aitk_core.testing.planted.fields import Size
    from aitk_core.testing.planted.site import Site
    from aitk_core.testing.planted.truth import Tier

_LEAST_PRODUCTS: Final = 4
_PAPER: Final = (252, 252, 252)
_WARM: Final = (1.12, 1.0, 0.86)
_GAMMA: Final = 0.7
_BORDER: Final = 0.05


def plant_pairs(site: Site) -> None:
    """Plant copies within `train/`: of bytes, of pixels, and altered in three tiers."""
    for number in site.numbers():
        first, picture, data = _first(site, f"byte_copy_{number}", "original")
        second = f"train/byte_copy_{number}_b.jpg"
        site.picture(second, data, "altered", size=picture.size)
        site.pair(first, second, "byte_copy", "exact")

        first = f"train/same_pixels_{number}_a.png"
        picture = site.base(first)
        site.picture(first, png(picture), "original", size=picture.size)
        second, data = f"train/same_pixels_{number}_b.png", png(picture, compress_level=6)
        if number % 2 == 0:
            second, data = f"train/same_pixels_{number}_b.webp", webp(picture, lossless=True)
        site.picture(second, data, "altered", size=picture.size)
        site.pair(first, second, "same_pixels", "exact")

        for kind, (tier, alter) in _ALTERED.items():
            first, picture, _ = _first(site, f"{kind}_{number}", "original")
            altered = alter(picture, site.rng(f"alter {first}"))
            data, second = jpeg(altered), f"train/{kind}_{number}_b.jpg"
            if kind == "q35":
                data = jpeg(altered, 35)
            elif kind == "as_webp":
                data, second = webp(altered, 70), f"train/{kind}_{number}_b.webp"
            site.picture(second, data, "altered", *_LABELS.get(kind, ()), size=altered.size)
            site.pair(
                first,
                second,
                kind,
                tier,
                mirrored=kind == "mirror",
                turned=90 if kind == "turned_90" else 0,
            )


def plant_leaks(site: Site) -> None:
    """Plant copies in `val/` of pictures in `train/`."""
    for number in site.numbers():
        for kind, tier in _LEAKS.items():
            first, picture, data = _first(site, f"leak_{kind}_{number}", "leaked")
            if kind == "half_size":
                picture = _half(picture)
            elif kind == "mirror":
                picture = ImageOps.mirror(picture)
            if kind != "byte_copy":
                data = jpeg(picture, 35 if kind == "q35" else 92)
            second = f"val/seen_{kind}_{number}.jpg"
            site.picture(second, data, "leaked", "altered", size=picture.size)
            site.pair(first, second, kind, tier, mirrored=kind == "mirror")


def plant_negatives(site: Site) -> None:
    """Plant pairs that are none: products on white, and a scene with two subjects."""
    products = []
    side = (site.sides[0] + site.sides[1]) // 2
    size = (side * 7 // 8, side)
    for number in range(1, max(_LEAST_PRODUCTS, 3 * site.times) + 1):
        path = f"train/product_{number:02d}.jpg"
        picture = _product(site.base(path, size), site.rng(f"product {path}"))
        products.append(site.picture(path, jpeg(picture, 95), "product", size=size))
    for first, second in combinations(products, 2):
        site.pair(first, second, "product", "negative")

    for number in site.numbers():
        paths = [f"train/scene_{number}_{letter}.jpg" for letter in "ab"]
        scene = site.base(paths[0])
        for path in paths:
            picture = _with_subject(scene, site.rng(f"subject {path}"))
            site.picture(path, jpeg(picture), "subject", size=picture.size)
        site.pair(paths[0], paths[1], "two_subjects", "negative")


def _first(site: Site, stem: str, label: str) -> tuple[str, Image.Image, bytes]:
    path = f"train/{stem}_a.jpg"
    picture = site.base(path)
    data = jpeg(picture)
    site.picture(path, data, label, size=picture.size)
    return path, picture, data


def _half(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)


def _by_channel(picture: Image.Image, factors: tuple[float, float, float]) -> Image.Image:
    return picture.point([min(255, round(v * factor)) for factor in factors for v in range(256)])


def _gamma(picture: Image.Image) -> Image.Image:
    return picture.point([round(255 * (v / 255) ** _GAMMA) for v in range(256)] * 3)


def _cropped(picture: Image.Image, rng: Generator, share: float) -> Image.Image:
    """Return the picture without a share of its width and of its height, at random sides."""
    cut = [round(side * share) for side in picture.size]
    left, top = (int(rng.integers(0, side + 1)) for side in cut)
    right, bottom = picture.width - cut[0] + left, picture.height - cut[1] + top
    return picture.crop((left, top, right, bottom))


def _watermarked(picture: Image.Image, rng: Generator) -> Image.Image:
    """Return the picture with a pale box of two dark bars, like lines of text, in a corner."""
    width, height = picture.width * 3 // 10, picture.height // 8
    box = Image.new("RGB", (width, height), (235, 235, 235))
    draw = ImageDraw.Draw(box)
    for line in (1, 3):
        draw.rectangle(
            (width // 10, height * line // 5, width * 9 // 10, height * (line + 1) // 5), 40
        )
    left = int(rng.integers(0, picture.width - width))
    marked = picture.copy()
    marked.paste(box, (left, picture.height - height * 3 // 2), Image.new("L", box.size, 200))
    return marked


def _rotated(picture: Image.Image) -> Image.Image:
    mean = np.asarray(picture).mean(axis=(0, 1)).round().astype(int)
    fill = (int(mean[0]), int(mean[1]), int(mean[2]))
    return picture.rotate(3, Image.Resampling.BICUBIC, fillcolor=fill)


def _product(texture: Image.Image, rng: Generator) -> Image.Image:
    """Return one thing in the middle of white paper, over a soft shadow."""
    width, height = texture.size
    outline = _outline(rng, texture.size, (width / 2, height / 2), 0.3 * width)
    shadow = outline.filter(ImageFilter.BoxBlur(width // 40)).point([v // 6 for v in range(256)])
    paper = Image.new("RGB", texture.size, _PAPER)
    paper.paste((120, 120, 120), (0, width // 30), shadow)
    paper.paste(texture, mask=outline)
    return paper


def _with_subject(scene: Image.Image, rng: Generator) -> Image.Image:
    """Return the scene with a thing of its own texture near the middle."""
    picture = scene.copy()
    centre = (scene.width * 0.5, scene.height * 0.55)
    outline = _outline(rng, scene.size, centre, 0.33 * min(scene.size))
    picture.paste(generated_picture(rng, scene.size), mask=outline)
    return picture


def _outline(rng: Generator, size: Size, centre: tuple[float, float], radius: float) -> Image.Image:
    """Return a mask of a round thing with a wavy edge, wide or high."""
    turns = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    waves = sum(
        rng.uniform(-0.16, 0.16) * np.cos(number * turns + rng.uniform(0, 2 * np.pi))
        for number in range(2, 6)
    )
    stretch = rng.uniform(0.75, 1.3)
    reach = radius * (1 + waves)
    x = centre[0] + reach * np.cos(turns) * stretch
    y = centre[1] + reach * np.sin(turns) / stretch
    mask = Image.new("L", size)
    points = [(float(across), float(down)) for across, down in zip(x, y, strict=True)]
    ImageDraw.Draw(mask).polygon(points, fill=255)
    return mask


_ALTERED: Final[Mapping[str, tuple[Tier, Callable[[Image.Image, Generator], Image.Image]]]] = {
    "q35": ("easy", lambda picture, _rng: picture),
    "half_size": ("easy", lambda picture, _rng: _half(picture)),
    "as_webp": ("easy", lambda picture, _rng: picture),
    "brighter": ("easy", lambda picture, _rng: _by_channel(picture, (1.15, 1.15, 1.15))),
    "warm": ("easy", lambda picture, _rng: _by_channel(picture, _WARM)),
    "greyed": ("easy", lambda picture, _rng: picture.convert("L")),
    "blurred": ("easy", lambda picture, _rng: picture.filter(ImageFilter.GaussianBlur(2))),
    "gamma": ("medium", lambda picture, _rng: _gamma(picture)),
    "crop_4": ("medium", lambda picture, rng: _cropped(picture, rng, 0.04)),
    "mirror": ("medium", lambda picture, _rng: ImageOps.mirror(picture)),
    "turned_90": ("medium", lambda picture, _rng: picture.transpose(Image.Transpose.ROTATE_90)),
    "watermark": ("medium", _watermarked),
    "crop_10": ("hard", lambda picture, rng: _cropped(picture, rng, 0.10)),
    "crop_20": ("hard", lambda picture, rng: _cropped(picture, rng, 0.20)),
    "rotate_3": ("hard", lambda picture, _rng: _rotated(picture)),
    "bordered": (
        "hard",
        lambda picture, _rng: ImageOps.expand(
            picture, round(_BORDER * max(picture.size)), (255, 255, 255)
        ),
    ),
}
"""Tier and alteration of each kind."""

_LABELS: Final[Mapping[str, tuple[str, ...]]] = {
    "blurred": ("soft",),
    "greyed": ("grey",),
    "bordered": ("plain_border", "white_border"),
}
"""What an altered copy is besides a copy."""
_LEAKS: Final[Mapping[str, Tier]] = {
    "byte_copy": "exact",
    "q35": "easy",
    "half_size": "easy",
    "mirror": "medium",
}
