"""From evidence and options to what is asked for: the rules of what may be repaired at all.

Never chosen: a picture that only looks alike, a mirror image, one that was not decoded because of
its size or a link, and a caption that a person wrote.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from attrs import frozen

from aitk_datasets.duplicates import clusters_of
from aitk_datasets.folder.names import stem_of
from aitk_datasets.repair.plan import (
    Rewrite,
    reencode_caption,
    refuse_caption,
    remove_image,
    rewrite_image,
    write_caption,
)

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from aitk_core.evidence.dataset import DatasetEvidence, Duplicate, ImageFile
    from aitk_datasets.repair.plan import Encoding, Request

GENERATOR: Final = "file_name_v1"
"""Recorded with each caption that is made, so that it is told from a person's."""
_CORRUPT: Final = ("truncated", "damaged", "zero_bytes", "not_an_image")
_WORDS: Final = re.compile(r"[^\W_]+")
_SAY_NOTHING: Final = frozenset(
    ("img", "image", "photo", "pic", "screenshot", "copy", "dsc", "picture")
)
"""Words of file names that name no content (contract/TOOLS.md section 9, and ours)."""
_MOST_WORDS: Final = 8
_NOTHING_LEFT: Final = "training image"
_ENCODINGS: Final[dict[str, Encoding]] = {
    "utf-8-sig": "utf-8-sig",
    "utf-16": "utf-16",
    "cp1252": "cp1252",
    "latin-1": "latin-1",
}


@frozen(kw_only=True)
class Options:
    """What may be done; each is off or on by the caller's word."""

    fill_missing_captions: bool = True
    fill_empty_captions: bool = True
    quarantine_duplicates: bool = False
    near_duplicates: bool = False
    """Also copies that were compressed, resized or recoloured."""
    quarantine_corrupt: bool = True
    apply_rotation: bool = False
    convert_formats: bool = False
    """16 bits to 8, CMYK and palettes to RGB."""
    reencode_captions: bool = False
    resize_above: int | None = None
    """Reduce pictures whose long side is longer, to that many pixels."""
    trigger_word: str | None = None


def refusals_of(generated: Iterable[str]) -> tuple[Request, ...]:
    """Return what is to be asked so that no caption stays that was made of a file's name.

    Args:
        generated: Paths of the captions that were made; the plan leaves those edited since.
    """
    return tuple(refuse_caption(path, reason="CAPTION_REFUSED") for path in sorted(generated))


def requests_for(
    evidence: DatasetEvidence, options: Options, *, refused: Container[str] = ()
) -> tuple[Request, ...]:
    """Return what is to be asked of the plan, removals first.

    Args:
        evidence: Of the whole folder.
        options: What may be done.
        refused: Paths of captions that somebody refused: none is made there again.
    """
    removed = tuple(_removals(evidence, options))
    gone = {request.path for request in removed}
    staying = [image for image in evidence.images if image.path not in gone and image.is_trained]
    return (
        *removed,
        *_rewrites(staying, options),
        *_reencodings(evidence, staying, options),
        *_captions(
            evidence,
            [image for image in staying if caption_path(evidence, image.path) not in refused],
            options,
        ),
    )


def _removals(evidence: DatasetEvidence, options: Options) -> Iterator[Request]:
    if options.quarantine_corrupt:
        for image in evidence.images:
            if image.problem in _CORRUPT:
                yield remove_image(image.path, reason=f"IMAGE_{image.problem.upper()}")
    if options.quarantine_duplicates:
        for cluster in clusters_of(evidence, duplicate_levels(options)):
            if not cluster.has_mirrored:
                for path in cluster.others:
                    yield remove_image(path, reason=f"DUPLICATE_{cluster.level.upper()}")


def duplicate_levels(options: Options) -> tuple[Duplicate, ...]:
    """Return the levels of pairs of which one may go."""
    if options.near_duplicates:
        return ("exact_file", "exact_pixels", "near")
    return ("exact_file", "exact_pixels")


def _rewrites(staying: list[ImageFile], options: Options) -> Iterator[Request]:
    for image in staying:
        if image.problem is not None:
            continue
        mode = image.mode or ""
        long_side = max(image.width or 0, image.height or 0)
        is_long = options.resize_above is not None and long_side > options.resize_above
        rewrite = Rewrite(
            upright=options.apply_rotation and image.orientation != 1,
            eight_bit=options.convert_formats and mode.startswith("I"),
            rgb=options.convert_formats and mode in ("CMYK", "P"),
            long_side=options.resize_above if is_long else None,
        )
        if rewrite.names:
            yield rewrite_image(
                image.path, rewrite, reason="IMAGE_" + "_".join(rewrite.names).upper()
            )


def _reencodings(
    evidence: DatasetEvidence, staying: list[ImageFile], options: Options
) -> Iterator[Request]:
    if not options.reencode_captions:
        return
    done = set()
    for image in staying:
        caption = evidence.captions.get(image.path)
        if caption is None or caption.path in done:
            continue
        encoding = _ENCODINGS.get(caption.encoding)
        if encoding is not None and {"not_utf8", "bom"} & set(caption.problems):
            done.add(caption.path)
            yield reencode_caption(caption.path, encoding, reason="CAPTION_NOT_UTF8")


def _captions(
    evidence: DatasetEvidence, staying: list[ImageFile], options: Options
) -> Iterator[Request]:
    for image in staying:
        if image.problem is not None:
            continue
        caption = evidence.captions.get(image.path)
        reason = ""
        if caption is None and options.fill_missing_captions and _is_known(evidence, image.path):
            reason = "CAPTION_MISSING"
        elif caption is not None and caption.is_empty and options.fill_empty_captions:
            reason = "CAPTION_EMPTY"
        if reason:
            text = caption_from(image.path, options.trigger_word)
            yield write_caption(image.path, text, reason=reason, generator=GENERATOR)


def caption_path(evidence: DatasetEvidence, path: str) -> str:
    """Return where the trainer looks for a picture's caption."""
    extension = evidence.use.caption_ext if evidence.use is not None else ".txt"
    return stem_of(path) + extension


def _is_known(evidence: DatasetEvidence, path: str) -> bool:
    """Tell whether a caption is missing, and not only unread; wrong case is a caption, too."""
    stem = stem_of(path)
    wanted = caption_path(evidence, path)
    cased = {stem_of(other) for other in evidence.wrong_case}
    return wanted not in evidence.missing and stem not in cased


def caption_from(path: str, trigger_word: str | None = None) -> str:
    """Return a caption made of a file's name: hardly more than a placeholder.

    Lower-cased words of any script, without numbers and words such as `img`; at most eight; the
    trigger word in front (contract/TOOLS.md section 9).
    """
    stem = stem_of(posixpath.basename(path))
    words = [
        word
        for word in _WORDS.findall(stem.lower())
        if not word.isdigit() and word not in _SAY_NOTHING
    ][:_MOST_WORDS]
    text = " ".join(words) or _NOTHING_LEFT
    clean = text.encode("utf-8", "ignore").decode()
    return f"{trigger_word}, {clean}" if trigger_word else clean
