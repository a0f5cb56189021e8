"""Plant a dataset folder with known defects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.testing.planted.captions import plant_captions
from aitk_core.testing.planted.codec import jpeg, png, webp
from aitk_core.testing.planted.damage import plant_unreadable
from aitk_core.testing.planted.forms import plant_forms
from aitk_core.testing.planted.looks import plant_looks
from aitk_core.testing.planted.pairs import plant_leaks, plant_negatives, plant_pairs
from aitk_core.testing.planted.places import plant_places
from aitk_core.testing.planted.site import Site
from aitk_core.testing.planted.truth import Truth
from aitk_core.testing.planted.words import PHRASE, TRIGGER, sentence, tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from aitk_core.testing.planted.fields import Size

DEFAULT_SIDES: Final[Size] = (384, 640)
"""Shortest and longest length of a picture's longer side: around the 512 pixels at which looks are
measured (datasets.md section A7), and small enough for a folder of 60 in seconds."""
_STYLE: Final = "style"
_FAMILIES: Final[Mapping[str, Callable[[Site], None]]] = {
    "unreadable": plant_unreadable,
    "forms": plant_forms,
    "looks": plant_looks,
    "pairs": plant_pairs,
    "leaks": plant_leaks,
    "negatives": plant_negatives,
    "captions": plant_captions,
    "places": plant_places,
}
ALL: Final[frozenset[str]] = frozenset({*_FAMILIES, _STYLE})
"""Families of defects. `style` changes the captions of the sound pictures: a third are tag lists,
and one phrase dominates."""

_BASES_A_TIME: Final = 100
"""A defect for each hundred sound pictures, and one at least: as in datasets.md section E4."""
_VALIDATED: Final = 10
_LEAST_VALIDATED: Final = 2
_LEAST_SIDE: Final = 192
"""Below it a picture would be small, which is a defect of its own."""


def plant(
    folder: Path,
    *,
    seed: int,
    bases: int = 60,
    families: frozenset[str] = ALL,
    clean: bool = False,
    base_pictures: Sequence[Path] = (),
    sides: Size = DEFAULT_SIDES,
) -> Truth:
    """Plant `train/`, `val/`, `outside/` and `truth.json` in a folder, and return the truth.

    Args:
        folder: Made where it is missing; it may hold nothing of these names.
        seed: Not negative. Equal seeds give equal bytes, names and times.
        bases: Sound pictures in `train/`, a tenth as many in `val/`; there is one defect of each
            kind for each hundred of them, at least one. Pictures with defects come on top, each
            with a base of its own.
        families: Which families of defects, of `ALL`.
        clean: No defect at all, whatever the families.
        base_pictures: Photographs to be used as bases, each once, reduced to `sides`; once they
            are used up, bases are generated. The truth holds only if they are sound and differ.
        sides: Shortest and longest length of a picture's longer side, in pixels; photographs
            are not enlarged. The special shapes and tiny pictures keep sizes of their own.

    Raises:
        ValueError: A family is not known, there are no bases, or the sides are no range.
        FileExistsError: The folder was planted before.
        OSError: A photograph cannot be read.
    """
    if unknown := families - ALL:
        raise ValueError(f"no such family: {sorted(unknown)}")
    if bases < 1 or not _LEAST_SIDE <= sides[0] <= sides[1]:
        raise ValueError(f"bases must be 1 or more, sides from {_LEAST_SIDE}: {bases}, {sides}")
    chosen = frozenset[str]() if clean else families
    for part in ("train", "val", "outside"):
        (folder / part).mkdir(parents=True)
    site = Site(
        root=folder,
        seed=seed,
        sides=sides,
        times=max(1, round(bases / _BASES_A_TIME)),
        base_pictures=base_pictures,
    )
    _plant_sound(site, "train", bases, has_style=_STYLE in chosen)
    _plant_sound(site, "val", max(_LEAST_VALIDATED, bases // _VALIDATED), has_style=False)
    for family, plant_family in _FAMILIES.items():
        if family in chosen:
            plant_family(site)
    truth = Truth(
        root=folder,
        seed=seed,
        bases=bases,
        families=tuple(sorted(chosen)),
        trigger=TRIGGER,
        phrase=PHRASE if _STYLE in chosen else None,
        all_files=tuple(sorted(site.files, key=lambda file: file.path)),
        all_captions=tuple(sorted(site.captions, key=lambda caption: caption.path)),
        all_pairs=tuple(site.pairs),
        odd_paths=tuple(site.odd_paths),
        photographs=tuple(site.photographs),
        skipped=tuple(site.skipped),
    )
    truth.write()
    return truth


def _plant_sound(site: Site, part: str, count: int, *, has_style: bool) -> None:
    for number in range(1, count + 1):
        # Of ten pictures eight are JPEG, one is PNG and one is WebP.
        ext = {3: "png", 7: "webp"}.get(number % 10, "jpg")
        path = f"{part}/picture_{number:04d}.{ext}"
        picture = site.base(path)
        data = {"jpg": jpeg, "png": png, "webp": webp}[ext](picture)
        site.picture(path, data, "sound", size=picture.size, is_captioned=not has_style)
        if has_style:
            _styled_caption(site, path, number)


def _styled_caption(site: Site, path: str, number: int) -> None:
    rng = site.rng(f"caption of {path}")
    is_tags = number % 3 == 0
    text = tags(rng) if is_tags else sentence(rng)
    labels = ["tags" if is_tags else "good"]
    if number % 4:
        text = f"{text}, {PHRASE}"
        labels.append("dominating_phrase")
    site.caption(path, text.encode(), *labels, text=text)
