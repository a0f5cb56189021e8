"""What a planted file or caption can be labelled, and what each label means.

A file has the label of its kind and those of the groups it belongs to: a cut PNG is `cut_png`,
`truncated` and `unreadable`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE_LABELS: Final[Mapping[str, str]] = {
    "sound": "a base picture as it is, nothing wrong with it",
    # Damage.
    "unreadable": "decoding all of it raises an error",
    "truncated": "its data end too early",
    "damaged": "its data are complete, and the decoder refuses them",
    "not_an_image": "its content is no picture at all",
    "zero_bytes": "empty",
    "too_large": "over Pillow's first limit of pixels",
    "undetectable": "damaged where no decoder notices; not to be scored",
    "cut_jpeg": "JPEG cut at 15 to 90 %",
    "cut_progressive": "progressive JPEG cut at 15 to 90 %",
    "cut_png": "PNG cut at 15 to 90 %",
    "cut_webp": "WebP cut at 15 to 90 %",
    "no_end_jpeg": "JPEG without its last two bytes, the end marker, that Pillow refuses",
    "no_end_png": "PNG without its last chunk: every pixel is there and it decodes",
    "header_only": "JPEG that ends shortly after its header",
    "flipped_png": "one byte changed in the data of a PNG",
    "header_checksum": "PNG whose header has a wrong checksum",
    "random_bytes": "random bytes, named as a picture",
    "nul_bytes": "NUL bytes, named as a picture",
    "html": "an error page, named as a picture",
    "bomb_warning": "121 megapixels in a few kilobytes: Pillow warns, and decodes",
    "bomb_error": "182 megapixels in a few kilobytes: Pillow refuses",
    "bomb_header": "a header that claims 3.6 gigapixels, with hardly any data",
    "flipped_jpeg": "one byte changed in the data of a JPEG",
    "flipped_webp": "one byte changed in the data of a lossy WebP",
    # Forms.
    "rotated": "stored turned, upright only by its EXIF orientation",
    "orientation_3": "EXIF orientation 3",
    "orientation_5": "EXIF orientation 5, sides swapped and mirrored",
    "orientation_6": "EXIF orientation 6, sides swapped",
    "orientation_8": "EXIF orientation 8, sides swapped",
    "alpha_hidden": "transparent pixels hold a colour, which the trainer trains",
    "alpha_opaque": "an alpha channel that is opaque everywhere",
    "cmyk": "JPEG in CMYK",
    "grey16": "16-bit grey PNG, which trains as a white picture",
    "palette": "PNG with a palette",
    "grey": "8-bit grey JPEG",
    "animated": "several frames, of which the first is trained",
    "animated_webp": "WebP of three frames",
    "apng": "PNG of three frames",
    "mislabelled": "its name says another format than its content",
    "png_as_jpg": "PNG named `.jpg`",
    "jpeg_as_webp": "JPEG named `.webp`",
    "webp_as_png": "WebP named `.png`",
    "gif_as_png": "GIF named `.png`: a format that the trainer does not list by name",
    "progressive": "progressive JPEG; nothing wrong with it",
    "tail": "bytes after the end of the picture",
    "jpeg_tail": "JPEG followed by a zip file",
    "png_tail": "PNG followed by text",
    # Looks.
    "dark": "nearly black all over",
    "bright": "nearly white all over",
    "blurry": "out of focus all over",
    "soft": "blurred a little, as a copy of a sharp picture; may be called blurry",
    "motion": "smeared along one direction",
    "upscaled": "enlarged six times; no check is known to tell it from a soft one",
    "low_information": "one colour, or one slope from a colour to another",
    "flat": "one colour",
    "gradient": "a slope from one colour to another",
    "small": "both sides far below any training resolution",
    "tiny": "sides of 40 to 63 pixels",
    "below_step": "a side below 16 pixels, which a bucket of step 16 blows up",
    "extreme_aspect": "nine times as wide as high, or the other way",
    "plain_border": "plain edges: a border or a letterbox",
    "white_border": "a white border all around",
    "letterbox": "black bars above and below",
    # Pairs.
    "original": "the first of a pair",
    "altered": "a copy of another picture, byte by byte or altered",
    "subject": "a scene that another file shows with another subject",
    "product": "a product on white, like all others of this label",
    "leaked": "in `train/`, and a copy of it in `val/`, or that copy",
    # Captions and places.
    "captioned": "a sound picture whose caption, or lack of one, is the defect",
    "nested": "in a folder below",
    "hidden": "a name that begins with a dot, or in such a folder",
    "control": "in a folder `_controls`, so not trained",
    "control_subfolder": "below `_controls` but not directly in it: trained all the same",
    "quarantine_folder": "in a folder `_quarantine`, which hides nothing from the trainer",
    "spaces": "a name with spaces at both ends of its stem and within",
    "leading_dash": "a name that begins with a dash, like an option",
    "newline": "a name with a line break",
    "nfc": "an accented name, composed",
    "nfd": "the same accented name, decomposed",
    "long_name": "a name of 200 characters",
    "upper_extension": "an extension in capitals, `.JPG`",
    "unsupported": "a picture in a format that the trainer passes over",
    "video": "a video's first bytes",
    "linked": "a link to a picture in `outside/`",
    "link_loop": "a link to itself",
    "broken_link": "a link to nothing",
}

CAPTION_LABELS: Final[Mapping[str, str]] = {
    "good": "one sentence with the trigger, short, in UTF-8",
    "tags": "a list of tags in place of a sentence; nothing wrong with it alone",
    "dominating_phrase": "holds the phrase that most captions of the folder share",
    "missing": "there is no file",
    "empty": "no bytes",
    "blank": "white space, a byte order mark and zero-width spaces only",
    "not_utf8": "not UTF-8: it stops the trainer",
    "latin1": "Latin-1, with characters that CP1252 has too",
    "cp1252": "CP1252, with a curled quotation mark",
    "utf16": "UTF-16 with its mark",
    "utf16_no_mark": "UTF-16 without a mark: UTF-8 takes it, with a NUL in every other place",
    "bom": "UTF-8 with a byte order mark",
    "control_chars": "characters below U+0020 other than tab and line ends",
    "nul": "a NUL in the middle",
    "multiline": "two lines",
    "crlf": "two lines, ended as on Windows",
    "mojibake": "UTF-8 once read as CP1252 and written again",
    "over_77": "more than 77 tokens of CLIP for certain",
    "over_512": "more than 512 tokens for certain",
    "too_long": "over 64 KiB",
    "trigger_absent": "without the trigger",
    "trigger_placeholder": "with `[trigger]` in its place: right where a trigger is configured",
    "trigger_twice": "with the trigger two times",
    "same_text": "a text that other pictures have too",
    "refusal": "a captioning model's refusal",
    "boilerplate": "a captioning model's opening words",
    "repeated_tags": "a tag given twice",
    "empty_tags": "nothing between two commas",
    "orphan": "there is no picture of its stem",
    "stem_shared": "two pictures have its stem",
    "wrong_case": "`.TXT`, which the trainer does not read",
    "swapped": "the text of another picture; not to be found without a model, nor to be scored",
    "linked_caption": "a link to a text in `outside/`",
}


def known(labels: tuple[str, ...], among: Mapping[str, str]) -> tuple[str, ...]:
    """Return the labels in order.

    Raises:
        ValueError: One of them is not known: a test that asked for it could not fail.
    """
    for label in labels:
        if label not in among:
            raise ValueError(f"no such label: {label!r}")
    return tuple(sorted(set(labels)))
