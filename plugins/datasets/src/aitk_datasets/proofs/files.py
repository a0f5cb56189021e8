"""Files that give the trainer no picture or another one, and files that do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_datasets.proofs.pictures import case, sound, spoiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.proving.cases import ProofCase

_LOST: Final = (
    ("truncated", "IMAGE_TRUNCATED"),
    ("damaged", "IMAGE_DAMAGED"),
    ("zero_bytes", "IMAGE_EMPTY_FILE"),
    ("not_an_image", "IMAGE_NOT_AN_IMAGE"),
    ("unreadable", "IMAGE_NOT_READ"),
    ("too_large", "IMAGE_TOO_LARGE"),
)


def cases() -> Iterator[ProofCase]:
    """Yield what the analyzer of files is to be shown."""
    for problem, code in _LOST:
        lost = {"problem": problem, "looks": None, "width": None, "height": None}
        yield case(f"one file of 20: {problem}", spoiled({3: lost}), code)
    grey = {"path": "003.png", "format": "PNG"}
    yield case("one picture with 16 bits", spoiled({3: grey | {"mode": "I;16"}}), "IMAGE_16_BIT")
    hidden = grey | {"mode": "RGBA", "alpha": "hides_colour"}
    several = {n: hidden | {"path": f"{n:03d}.png"} for n in range(3)}
    yield case("3 of 20 with colour under transparency", spoiled(several), "IMAGE_TRANSPARENT")
    yield case("sound photographs", sound())
    opaque = grey | {"mode": "RGBA", "alpha": "opaque"}
    yield case("an alpha channel that hides nothing", spoiled({3: opaque}))
    yield case("photographs turned by EXIF", spoiled({n: {"orientation": 6} for n in range(20)}))
    palette = {"path": "003.png", "format": "PNG", "mode": "P"}
    yield case("one drawing with a palette", spoiled({3: palette}))
