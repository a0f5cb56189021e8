"""Which pictures a finding is about, and what is wrong with each in a few words.

A finding names ten files, made fit to be shown; a sheet wants more of them, by the names that the
file system holds. So the pictures are chosen here again, by the rule of the analyzer where there
is one, else by the names in the finding.
"""

from __future__ import annotations

import posixpath
from functools import cached_property
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_core.evidence.dataset import DatasetEvidence
from aitk_core.wording import shown
from aitk_datasets.analyzers.buckets import CROPPED_OVER, ENLARGED_OVER
from aitk_datasets.analyzers.counts import NARROWEST, WIDEST
from aitk_datasets.analyzers.looks import label_of
from aitk_datasets.analyzers.methods import BORDERS
from aitk_datasets.buckets.waste import waste_of
from aitk_datasets.captions.survey import Survey
from aitk_datasets.captions.tokens import clip_bounds, word_bound
from aitk_datasets.folder.names import in_quarantine
from aitk_datasets.said import percent
from aitk_datasets.sheets.records import Example

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aitk_core.evidence.dataset import DatasetUse, ImageFile, Looks
    from aitk_core.records.findings import Finding
    from aitk_datasets.buckets.waste import ResolutionCost, Waste

Chosen = tuple[Example, ...] | None
"""None where the code has no rule here."""

_CAPTION_CHARS: Final = 2000
"""Far more than any tile shows."""
_SHARE: Final = "share of the pictures"
"""How the unit of an estimate begins that counts the pictures of a finding."""
_PROBLEMS: Final[Mapping[str, tuple[str, str]]] = {
    "IMAGE_TRUNCATED": ("truncated", "data end too early"),
    "IMAGE_DAMAGED": ("damaged", "data are damaged"),
    "IMAGE_EMPTY_FILE": ("zero_bytes", "0 bytes"),
    "IMAGE_NOT_AN_IMAGE": ("not_an_image", "no picture inside"),
    "IMAGE_NOT_READ": ("unreadable", "cannot be read"),
    "IMAGE_TOO_LARGE": ("too_large", "too many pixels"),
    "IMAGE_LINKED": ("linked", "a link, not followed"),
}
_LABELS: Final[Mapping[str, tuple[str, Callable[[Looks], str]]]] = {
    "IMAGE_DARK": ("dark", lambda looks: f"95 % below {looks.p95:.0f} of 255"),
    "IMAGE_BRIGHT": ("bright", lambda looks: f"95 % above {looks.p5:.0f} of 255"),
    "IMAGE_LOW_INFORMATION": ("low_information", lambda looks: f"contrast {looks.spread:.1f}"),
    "IMAGE_BLURRED": ("blurred", lambda looks: f"sharpest part {looks.tile_laplacian:.1f}"),
    "IMAGE_MAYBE_BLURRED": (
        "maybe_blurred",
        lambda looks: f"softness {looks.reblur or 0.0:.2f} of 1",
    ),
}
_TURNS: Final = {
    2: "mirrored", 3: "turned 180\N{DEGREE SIGN}", 4: "mirrored", 5: "mirrored and turned",
    6: "turned 90\N{DEGREE SIGN}", 7: "mirrored and turned", 8: "turned 270\N{DEGREE SIGN}",
}  # fmt: skip
_FACTS: Final[Mapping[str, tuple[Callable[[ImageFile], bool], Callable[[ImageFile], str]]]] = {
    "IMAGE_16_BIT": (
        lambda image: (image.mode or "").startswith("I"),
        lambda _image: "16 bits, trained white",
    ),
    "IMAGE_TRANSPARENT": (
        lambda image: image.alpha == "hides_colour",
        lambda _image: "shown as trained",
    ),
    "IMAGE_ANIMATED": (lambda image: image.frames > 1, lambda image: f"{image.frames} frames"),
    "IMAGE_ROTATED_BY_EXIF": (
        lambda image: image.orientation != 1,
        lambda image: f"EXIF: {_TURNS.get(image.orientation, 'turned')}",
    ),
    "IMAGE_CMYK": (lambda image: image.mode == "CMYK", lambda _image: "CMYK"),
    "IMAGE_PALETTE": (lambda image: image.mode == "P", lambda _image: "palette"),
    "FILE_TYPE_WEBP": (
        lambda image: image.is_trained and image.format == "WEBP",
        lambda _image: "WebP",
    ),
    "QUARANTINE_TRAINED": (
        lambda image: image.is_trained and in_quarantine(image.path),
        lambda image: f"in {posixpath.dirname(image.path)}/",
    ),
}

_BY_SIDES: Final = (
    "ASPECT_EXTREME",
    "BUCKET_CROP_LARGE",
    "BUCKET_UPSCALES",
    "IMAGE_SMALLER_THAN_TARGET",
)
RULED: Final = (
    *_PROBLEMS,
    *_LABELS,
    *_FACTS,
    *_BY_SIDES,
    "CAPTION_EMPTY",
    "CAPTION_MISSING",
    "IMAGE_BORDERED",
    "UNSUPPORTED_FILES",
)
"""Codes whose pictures are chosen here."""


@frozen(kw_only=True, slots=False)
class Chooser:
    """Chooses the pictures of findings about one dataset."""

    evidence: DatasetEvidence

    @cached_property
    def _images(self) -> dict[str, ImageFile]:
        return {image.path: image for image in self.evidence.images}

    @cached_property
    def _survey(self) -> Survey:
        return Survey(evidence=self.evidence)

    @cached_property
    def _by_shown(self) -> dict[str, str | None]:
        """Return the paths by what findings write for them; None where two are written alike."""
        found: dict[str, str | None] = {}
        for path in (*self._images, *self.evidence.unsupported):
            name = shown(path)
            found[name] = None if name in found else path
        return found

    @cached_property
    def _waste(self) -> Waste | None:
        use = self.evidence.use
        if use is None or not use.resolutions:
            return None
        try:
            return waste_of(
                self.evidence.images, use, cropped_over=CROPPED_OVER, enlarged_over=ENLARGED_OVER
            )
        except ValueError:
            return None

    def choose(self, finding: Finding) -> tuple[tuple[Example, ...], int]:
        """Return pictures of a finding that is no group of duplicates, the worst first.

        Returns:
            The pictures that are known, and how many the finding is about.
        """
        examples = self._examples(finding)
        return examples, max(len(examples), self._total(finding))

    def _total(self, finding: Finding) -> int:
        waste, estimate = self._waste, finding.estimate
        if waste is not None and finding.code == "BUCKET_CROP_LARGE":
            return max(each.cropped.count for each in waste.resolutions)
        if waste is not None and finding.code == "BUCKET_UPSCALES":
            return max(each.enlarged.count for each in waste.resolutions)
        if waste is not None and finding.code == "IMAGE_SMALLER_THAN_TARGET":
            return max(waste.resolutions, key=lambda each: each.resolution).smaller.count
        if estimate is None or estimate.value is None or finding.n is None:
            return 0
        return round(estimate.value * finding.n) if estimate.unit.startswith(_SHARE) else 0

    def _examples(self, finding: Finding) -> tuple[Example, ...]:
        code = finding.code
        for choose in (self._by_problem, self._by_looks, self._by_facts, self._by_sides):
            chosen = choose(code)
            if chosen is not None:
                return chosen
        if code == "UNSUPPORTED_FILES":
            return tuple(
                Example(path=path, words=posixpath.splitext(path)[1].lower()[:12])
                for path in self.evidence.unsupported
            )
        if code in ("CAPTION_MISSING", "CAPTION_EMPTY"):
            is_missing = code == "CAPTION_MISSING"
            paths = self._survey.without if is_missing else self._survey.empty
            words = "no caption file" if is_missing else "empty caption"
            return tuple(Example(path=path, words=words) for path in paths)
        return self._named(finding)

    def _by_problem(self, code: str) -> Chosen:
        if code not in _PROBLEMS:
            return None
        problem, words = _PROBLEMS[code]
        return tuple(
            Example(path=image.path, words=_sized(image) if problem == "too_large" else words)
            for image in self.evidence.images
            if image.problem == problem
        )

    def _by_looks(self, code: str) -> Chosen:
        if code == "IMAGE_BORDERED":
            return self._bordered()
        if code not in _LABELS:
            return None
        label, say = _LABELS[code]
        return tuple(
            Example(path=image.path, words=say(image.looks))
            for image in self.evidence.images
            if image.looks is not None and label_of(image.looks) == label
        )

    def _bordered(self) -> tuple[Example, ...]:
        least = BORDERS.number("least_share")
        found = []
        for image in self.evidence.images:
            if image.looks is None:
                continue
            left, top, right, bottom = image.looks.borders
            across, down = min(left, right), min(top, bottom)
            if max(across, down) >= least:
                ends = (top, bottom) if down >= across else (left, right)
                sides = "top and bottom" if down >= across else "left and right"
                found.append((-sum(ends), image.path, f"{percent(sum(ends))} bars, {sides}"))
        return tuple(Example(path=path, words=words) for _size, path, words in sorted(found))

    def _by_facts(self, code: str) -> Chosen:
        if code not in _FACTS:
            return None
        is_so, say = _FACTS[code]
        return tuple(
            Example(path=image.path, words=say(image))
            for image in self.evidence.images
            if is_so(image)
        )

    def _by_sides(self, code: str) -> Chosen:
        if code == "ASPECT_EXTREME":
            extreme = [
                (min(image.width, image.height) / max(image.width, image.height), image)
                for image in self.evidence.images
                if image.is_trained
                and image.width
                and image.height
                and not NARROWEST <= image.width / image.height <= WIDEST
            ]
            extreme.sort(key=lambda each: (each[0], each[1].path))
            return tuple(Example(path=image.path, words=_sized(image)) for _, image in extreme)
        if code not in _BY_SIDES or self._waste is None:
            return None
        return self._by_cost(code, self._waste)

    def _by_cost(self, code: str, waste: Waste) -> Chosen:
        costs = waste.resolutions
        if code == "BUCKET_CROP_LARGE":
            cost = max(costs, key=lambda each: each.cropped.count)
            return tuple(
                Example(path=path, words=f"-{percent(share)} cropped")
                for path, share in cost.cropped.pictures
            )
        if code == "BUCKET_UPSCALES":
            cost = max(costs, key=lambda each: each.enlarged.count)
            return tuple(
                Example(path=path, words=f"enlarged {factor:.1f} times")
                for path, factor in cost.enlarged.pictures
            )
        return self._smaller(max(costs, key=lambda each: each.resolution))

    def _smaller(self, cost: ResolutionCost) -> tuple[Example, ...]:
        return tuple(
            Example(path=path, words=f"{_sized(self._images[path])} ({percent(held)})")
            for path, held in cost.smaller.pictures
        )

    def _named(self, finding: Finding) -> tuple[Example, ...]:
        """Return the pictures that the finding itself names."""
        paths = [
            path
            for reference in finding.evidence
            for name in reference.files
            if (path := self._by_shown.get(name)) is not None
        ]
        return tuple(
            Example(path=path, words=self._words(finding, path)) for path in dict.fromkeys(paths)
        )

    def _words(self, finding: Finding, path: str) -> str:
        image = self._images.get(path)
        if finding.code == "IMAGE_MISLABELLED" and image is not None:
            return f"{image.format} inside"
        caption = self.evidence.captions.get(path)
        if caption is None or not finding.code.startswith(("CAPTION", "TRIGGER", "TAGS")):
            return "" if image is None else _sized(image)
        if finding.code in ("CAPTION_TOO_LONG", "CAPTION_NEAR_LIMIT"):
            return tokens_words(caption.text, self.evidence.use)
        # Cut where it is shown: a part of a secret would not be known as one.
        return f"\u201c{caption.text[:_CAPTION_CHARS]}\u201d"


def tokens_words(text: str, use: DatasetUse | None) -> str:
    """Return a caption's length in tokens as far as it is known."""
    if use is not None and use.text_encoder in ("t5", "llm"):
        return f"{word_bound(text)} words at least"
    bounds = clip_bounds(text)
    return f"{bounds.lower} tokens at least"


def _sized(image: ImageFile) -> str:
    if image.width is None or image.height is None:
        return ""
    return f"{image.width:,} x {image.height:,}"
