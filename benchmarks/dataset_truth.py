"""Which finding of inspect-dataset answers which planted label, and which labels cannot be scored.

A check is right about a file where it names one with one of its labels, wrong where it names any
other file of its universe; files with a label that the check may answer either way are left out
of both counts, each for the reason that stands beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from attrs import field, frozen

from aitk_core.testing.planted import CAPTION_LABELS, FILE_LABELS

if TYPE_CHECKING:
    from collections.abc import Mapping

Kind = Literal["file", "caption", "list"]
"""What a check names: pictures by their own labels, pictures by those of their captions, or paths
of a list in the evidence, such as captions without a picture."""
Reading = Literal["clip", "t5"]
"""The job that reads the folder: a CLIP encoder, 77 tokens, a trigger word; or T5, 512, none."""

BELOW_TARGET: Final = "below_target"
"""Fewer pixels than resolution 256 wants: told by the size in the truth, not by a label."""


@frozen(kw_only=True)
class Check:
    """One row of the table: the codes that count as found, and where they are right."""

    codes: tuple[str, ...]
    labels: frozenset[str] = field(converter=frozenset)
    either: frozenset[str] = field(default=frozenset(), converter=frozenset)
    """Labels of files that are left out: naming them is neither right nor wrong."""
    kind: Kind = "file"
    reading: Reading = "clip"
    name: str = ""
    """Of a class made of several codes; a single code is its own name."""

    @property
    def title(self) -> str:
        """Return what the row is called."""
        return self.name or self.codes[0]


def _file(code: str, *labels: str, either: tuple[str, ...] = ()) -> Check:
    return Check(codes=(code,), labels=labels, either=either)


def _caption(code: str, *labels: str, either: tuple[str, ...] = ()) -> Check:
    return Check(codes=(code,), labels=labels, either=either, kind="caption")


def _listed(code: str, *labels: str, either: tuple[str, ...] = ()) -> Check:
    return Check(codes=(code,), labels=labels, either=either, kind="list")


_UNSEEN: Final = ("undetectable",)
_LOST: Final = ("IMAGE_TRUNCATED", "IMAGE_DAMAGED", "IMAGE_EMPTY_FILE", "IMAGE_NOT_AN_IMAGE")

CHECKS: Final = (
    Check(
        name="corrupt, any of the four below",
        codes=_LOST,
        labels=("truncated", "damaged", "not_an_image", "zero_bytes"),
        either=_UNSEEN,
    ),
    _file("IMAGE_TRUNCATED", "truncated", either=_UNSEEN),
    _file("IMAGE_DAMAGED", "damaged", either=_UNSEEN),
    _file("IMAGE_NOT_AN_IMAGE", "not_an_image"),
    _file("IMAGE_EMPTY_FILE", "zero_bytes"),
    _file("IMAGE_TOO_LARGE", "too_large"),
    _file("IMAGE_16_BIT", "grey16"),
    _file("IMAGE_TRANSPARENT", "alpha_hidden"),
    _file("IMAGE_ANIMATED", "animated"),
    _file("IMAGE_MISLABELLED", "mislabelled"),
    _file("IMAGE_ROTATED_BY_EXIF", "rotated"),
    _file("IMAGE_CMYK", "cmyk"),
    # A GIF has a palette whatever its name.
    _file("IMAGE_PALETTE", "palette", "gif_as_png"),
    _file("IMAGE_LINKED", "linked"),
    _file("QUARANTINE_TRAINED", "quarantine_folder"),
    _file("ASPECT_EXTREME", "extreme_aspect"),
    _file("IMAGE_SMALLER_THAN_TARGET", BELOW_TARGET),
    _file("IMAGE_DARK", "dark"),
    _file("IMAGE_BRIGHT", "bright"),
    _file("IMAGE_LOW_INFORMATION", "low_information"),
    Check(
        name="blurred, surely or perhaps",
        codes=("IMAGE_BLURRED", "IMAGE_MAYBE_BLURRED"),
        labels=("blurry", "motion"),
        either=("soft", "upscaled"),
    ),
    _file("IMAGE_BLURRED", "blurry", either=("motion", "soft", "upscaled")),
    _file("IMAGE_BORDERED", "plain_border"),
    _caption("CAPTION_NOT_UTF8", "not_utf8"),
    _caption("CAPTION_MISSING", "missing", "wrong_case"),
    _caption("CAPTION_EMPTY", "empty", "blank"),
    _caption("CAPTION_NOT_READ", "linked_caption"),
    _caption("CAPTION_STEM_SHARED", "stem_shared"),
    _caption("CAPTION_CONTROL_CHARS", "control_chars"),
    _caption("CAPTION_MOJIBAKE", "mojibake"),
    _caption("CAPTION_FILE_LARGE", "too_long"),
    _caption("CAPTION_BOM", "bom", "blank", either=("utf16",)),
    _caption("CAPTION_MULTILINE", "multiline", either=("blank",)),
    _caption("TRIGGER_ABSENT", "trigger_absent"),
    Check(
        name="CAPTION_TOO_LONG for 77 tokens",
        codes=("CAPTION_TOO_LONG",),
        labels=("over_77",),
        kind="caption",
    ),
    Check(
        name="CAPTION_TOO_LONG for 512 tokens",
        codes=("CAPTION_TOO_LONG",),
        labels=("over_512",),
        kind="caption",
        reading="t5",
    ),
    Check(
        codes=("TRIGGER_PLACEHOLDER_UNSET",),
        labels=("trigger_placeholder",),
        kind="caption",
        reading="t5",
    ),
    _caption("CAPTION_REFUSAL", "refusal"),
    _caption("CAPTION_BOILERPLATE", "boilerplate"),
    _caption("CAPTION_DUPLICATE", "same_text"),
    _caption("TAGS_REPEATED", "repeated_tags"),
    _caption("TAGS_EMPTY", "empty_tags"),
    _listed("UNSUPPORTED_FILES", "unsupported"),
    _listed("VIDEO_IN_IMAGE_SET", "video"),
    # `default.txt` is a text that the trainer does not read, as an orphan is.
    _listed("CAPTION_ORPHAN", "orphan", either=("default_txt",)),
    _listed("CAPTION_WRONG_CASE", "wrong_case"),
)

FILES_APART: Final[Mapping[str, str]] = {
    "undetectable": "one byte changed in a JPEG or lossy WebP that still decodes: no decoder tells",
    "flipped_jpeg": "the same",
    "flipped_webp": "the same",
    "soft": "a copy blurred on purpose; 'perhaps blurred' of it is right, silence is not wrong",
    "upscaled": "enlarged six times: datasets.md A7 finds no number that tells it; naming it "
    "blurred is not counted as wrong",
    "small": "sides far below any resolution: counted by IMAGE_SMALLER_THAN_TARGET from the size",
    "tiny": "the same",
    "below_step": "the same",
    "no_end_png": "every pixel is there and the trainer gets it: naming it corrupt counts as wrong",
    "alpha_opaque": "nothing wrong with it: naming it counts as wrong",
    "grey": "the same",
    "progressive": "the same",
    "tail": "nothing wrong with the picture; the bytes after its end are not reported",
    "jpeg_tail": "the same",
    "png_tail": "the same",
    "control": "the walk must leave it out: counted as listing",
    "hidden": "the same",
    "broken_link": "the same",
    "link_loop": "the same",
}
"""File labels that no check answers, and why."""
CAPTIONS_APART: Final[Mapping[str, str]] = {
    "swapped": "the text of another picture: not to be found without a model",
    "trigger_twice": "the trigger at both ends: the trainer adds none and no rule says it harms; "
    "TRIGGER_DOUBLED means twice in a row or in another case, which the generator does not plant",
    "utf16_no_mark": "counted as control characters, which is what the trainer gets",
}
"""Caption labels that no check answers, and why."""
CODES_APART: Final[Mapping[str, str]] = {
    "CAPTION_NEAR_LIMIT": "a hint by its own words; whether such a text is over is not known",
    "CAPTION_GENERATED": "needs a repair of this server before the scan",
    "TRIGGER_DOUBLED": "not planted",
    "TRIGGER_HIDDEN": "not planted",
    "IMAGE_NOT_READ": "needs a file that the operating system refuses, or a pipe",
    "FILE_TYPE_WEBP": "a note on every WebP, no defect",
    "BUCKET_*": "arithmetic on sides, compared with the trainer's rule over 240,000 sizes in "
    "plugins/datasets/tests/test_datasets_buckets.py",
    "EXPOSURES_*, DATASET_SMALL, DATASET_EMPTY, FLIPS_CONFIGURED": "statements on the job or on "
    "a count",
}
"""Codes that no planted folder can score, and why."""
GROUPS: Final = frozenset(
    {"sound", "unreadable", "original", "altered", "subject", "product", "leaked", "captioned"}
    | {"nested", "control_subfolder", "spaces", "leading_dash", "newline", "nfc", "nfd"}
    | {"long_name", "upper_extension"}
)
"""File labels of sound pictures, or of what the kinds below them are scored by."""


def unanswered() -> dict[str, list[str]]:
    """Return labels that are neither scored nor listed with a reason: there must be none."""
    of_files = {label for check in CHECKS if check.kind != "caption" for label in check.labels}
    of_captions = {label for check in CHECKS for label in check.labels}
    broad = {"truncated", "damaged", "not_an_image", "too_large", "rotated", "animated"}
    by_group = {
        *("cut_jpeg", "cut_progressive", "cut_png", "cut_webp", "no_end_jpeg", "header_only"),
        *("flipped_png", "header_checksum", "random_bytes", "nul_bytes", "html", "bomb_warning"),
        *("bomb_error", "bomb_header", "apng", "animated_webp", "png_as_jpg", "jpeg_as_webp"),
        *("webp_as_png", "flat", "gradient", "white_border", "letterbox"),
        *(f"orientation_{number}" for number in (3, 5, 6, 8)),
    }
    caption_groups = {
        "good",
        "tags",
        "dominating_phrase",
        "latin1",
        "cp1252",
        "utf16",
        "nul",
        "crlf",
    }
    return {
        "files": sorted(set(FILE_LABELS) - of_files - broad - by_group - set(FILES_APART) - GROUPS),
        "captions": sorted(
            set(CAPTION_LABELS) - of_captions - caption_groups - set(CAPTIONS_APART)
        ),
    }
