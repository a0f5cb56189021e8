"""Files that give the trainer no picture, another one than meant, or a surprise."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any, Final

from aitk_core.records.findings import Analysis, Remedy
from aitk_core.wording import counted
from aitk_datasets.analyzers.methods import FILES
from aitk_datasets.said import Sayer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from aitk_core.evidence.dataset import DatasetEvidence, ImageFile
    from aitk_core.records.findings import Finding, Severity

MATERIAL_SHARE: Final = FILES.number("material_share")

_SUFFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "WEBP": (".webp",),
}
_DROPPED: Final = (
    "the trainer drops them at listing or trains a random other picture in their place, unseen in "
    "the loss"
)
_QUARANTINE: Final = Remedy(action="put them into quarantine with auto-improve-dataset")
_UNSEEN: Final = "damage inside the picture's data that leaves it decodable: no decoder sees that"

# Code, what is wrong in words, and the remedy, by the problem that the look found.
_LOST: Final[tuple[tuple[str, str, str], ...]] = (
    ("truncated", "IMAGE_TRUNCATED", "whose data end too early"),
    ("damaged", "IMAGE_DAMAGED", "whose data the decoder refuses"),
    ("zero_bytes", "IMAGE_EMPTY_FILE", "of zero bytes"),
    ("not_an_image", "IMAGE_NOT_AN_IMAGE", "that hold no picture at all"),
    ("unreadable", "IMAGE_NOT_READ", "that the operating system does not let us read"),
)


def analyze(evidence: DatasetEvidence) -> Analysis:
    """Judge what the decoder and the headers said of each file."""
    if not evidence.images:
        return Analysis(assessed=False, reason="no pictures were looked at")
    sayer = Sayer(evidence=evidence, whole=len(evidence.images))
    findings = (
        *_lost(sayer),
        *_too_large(sayer),
        *_sixteen_bit(sayer),
        *_hidden_colour(sayer),
        *_animated(sayer),
        *_mislabelled(sayer),
        *_noted(sayer),
    )
    return Analysis(findings=findings, facts=_facts(evidence))


def _facts(evidence: DatasetEvidence) -> dict[str, Any]:
    broken = [image.path for image in evidence.images if _is_lost(image)]
    formats: dict[str, int] = {}
    for image in evidence.images:
        name = image.format or "unknown"
        formats[name] = formats.get(name, 0) + 1
    return {
        "corrupt_image_count": len(broken),
        "corrupt_image_examples": [posixpath.basename(path) for path in broken[:10]],
        "formats": dict(sorted(formats.items())),
        "bytes": sum(image.size_bytes for image in evidence.images),
    }


def _is_lost(image: ImageFile) -> bool:
    return image.problem in {problem for problem, _code, _what in _LOST}


def _those(sayer: Sayer, is_so: Callable[[ImageFile], bool]) -> list[str]:
    return [image.path for image in sayer.evidence.images if is_so(image)]


def _lost(sayer: Sayer) -> Iterator[Finding]:
    lost = _those(sayer, _is_lost)
    # Together: many causes that each look small may leave little to train on.
    severity: Severity = "critical" if sayer.share(len(lost)) >= MATERIAL_SHARE else "warning"
    for problem, code, what in _LOST:
        paths = [image.path for image in sayer.evidence.images if image.problem == problem]
        if paths:
            yield sayer.finding(
                code,
                severity,
                f"{counted(len(paths), 'file')} {what}: {_DROPPED}; {sayer.cost(len(paths))}",
                method=FILES,
                pictures=paths,
                confidence=1.0,
                confidence_source="deterministic",
                remedies=(
                    Remedy(action="copy them again from where they came from"),
                    _QUARANTINE,
                ),
                unknown=(_UNSEEN,),
            )


def _too_large(sayer: Sayer) -> Iterator[Finding]:
    paths = _those(sayer, lambda image: image.problem == "too_large")
    if paths:
        yield sayer.finding(
            "IMAGE_TOO_LARGE",
            "warning",
            f"{counted(len(paths), 'picture')} over 89 million pixels, which was not decoded here: "
            "the trainer warns of a decompression bomb, and drops one of over 179 million",
            method=FILES,
            pictures=paths,
            remedies=(Remedy(action="scale them down, or remove what is no picture of yours"),),
            unknown=("whether these files are sound", "how they look"),
        )


def _sixteen_bit(sayer: Sayer) -> Iterator[Finding]:
    paths = _those(sayer, lambda image: (image.mode or "").startswith("I"))
    if paths:
        yield sayer.finding(
            "IMAGE_16_BIT",
            "critical" if sayer.share(len(paths)) >= MATERIAL_SHARE else "warning",
            f"{counted(len(paths), 'picture')} with 16 bits of grey, which the trainer clips to "
            f"white: white pictures are trained; {sayer.cost(len(paths))}",
            method=FILES,
            pictures=paths,
            confidence=1.0,
            confidence_source="deterministic",
            remedies=(Remedy(action="convert them to 8 bits with auto-improve-dataset"),),
        )


def _hidden_colour(sayer: Sayer) -> Iterator[Finding]:
    paths = _those(sayer, lambda image: image.alpha == "hides_colour")
    if paths:
        yield sayer.finding(
            "IMAGE_TRANSPARENT",
            "warning" if sayer.share(len(paths)) >= MATERIAL_SHARE else "info",
            f"{counted(len(paths), 'picture')} with transparent pixels: the trainer drops the "
            "transparency and trains the colour stored under it, often black, white or leftovers; "
            f"{sayer.cost(len(paths))}",
            method=FILES,
            pictures=paths,
            remedies=(
                Remedy(action="flatten them onto a colour that you choose"),
                Remedy(
                    action="or train the alpha channel as a mask",
                    path="config.process.0.datasets.0.alpha_mask",
                    value=True,
                ),
            ),
            unknown=("whether the colour under the transparent pixels is one that you want",),
        )


def _animated(sayer: Sayer) -> Iterator[Finding]:
    paths = _those(sayer, lambda image: image.frames > 1)
    if paths:
        yield sayer.finding(
            "IMAGE_ANIMATED",
            "info",
            f"{counted(len(paths), 'animated picture')}: the trainer takes the first frame only",
            method=FILES,
            pictures=paths,
            remedies=(Remedy(action="keep the frame that you mean as a picture of its own"),),
        )


def _mislabelled(sayer: Sayer) -> Iterator[Finding]:
    def is_so(image: ImageFile) -> bool:
        suffix = posixpath.splitext(image.path)[1].lower()
        return image.format is not None and suffix not in _SUFFIXES.get(image.format, ())

    paths = _those(sayer, is_so)
    if paths:
        yield sayer.finding(
            "IMAGE_MISLABELLED",
            "info",
            f"{counted(len(paths), 'file')} whose content is of another format than the name says; "
            "the trainer goes by content and reads what Pillow reads, other programs may not",
            method=FILES,
            pictures=paths,
            confidence=1.0,
            confidence_source="deterministic",
            remedies=(Remedy(action="give them the name of their format"),),
        )


def _noted(sayer: Sayer) -> Iterator[Finding]:
    """Report what the trainer takes care of, so that nobody is surprised."""
    notes: tuple[tuple[str, str, Callable[[ImageFile], bool]], ...] = (
        (
            "IMAGE_ROTATED_BY_EXIF",
            "with an EXIF rotation, which the trainer applies; tools that do not show it turned",
            lambda image: image.orientation != 1,
        ),
        (
            "IMAGE_CMYK",
            "in CMYK, which is converted without a colour profile: colours may shift",
            lambda image: image.mode == "CMYK",
        ),
        (
            "IMAGE_PALETTE",
            "with a palette of at most 256 colours: banding is trained",
            lambda image: image.mode == "P",
        ),
        (
            "IMAGE_LINKED",
            "that is a link: it is trained, and was not followed here",
            lambda image: image.problem == "linked",
        ),
    )
    for code, what, is_so in notes:
        paths = _those(sayer, is_so)
        if paths:
            yield sayer.finding(
                code,
                "info",
                f"{counted(len(paths), 'picture')} {what}",
                method=FILES,
                pictures=paths,
                confidence=1.0,
                confidence_source="deterministic",
            )
