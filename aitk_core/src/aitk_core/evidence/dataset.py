"""A training dataset as evidence: what the trainer finds in a folder, file by file.

Paths are relative to the dataset's folder, with `/` between their parts, and keep the characters
that the file system holds. Sides are those after the EXIF rotation, which the trainer applies.
Nothing here is decoded a second time: analyzers read numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from attrs import field, frozen

ImageProblem = Literal[
    "zero_bytes", "not_an_image", "truncated", "damaged", "too_large", "unreadable", "linked"
]
"""Why a file gives no picture to the checks.

`zero_bytes`; `not_an_image`: its content is no JPEG, PNG or WebP; `truncated`: data end too early;
`damaged`: data that the decoder refuses; `too_large`: over the pixel limit, not decoded;
`unreadable`: the operating system gave an error; `linked`: a link, which is trained but not
followed here.
"""

Duplicate = Literal["exact_file", "exact_pixels", "near", "possible"]
DUPLICATE_LEVELS: Final[tuple[Duplicate, ...]] = ("exact_file", "exact_pixels", "near", "possible")
"""From sure to a guess (datasets.md A5); only the first three may be proposed for removal."""

CaptionProblem = Literal["not_utf8", "control_chars", "bom", "mojibake", "multiline", "too_long"]
"""`too_long`: over 64 KiB, of which only the beginning was read."""


@frozen(kw_only=True)
class Looks:
    """How a picture looks as grey levels 0 to 255, its long side at most 512 (datasets.md A7)."""

    p5: float
    p95: float
    """Percentiles of the grey levels."""
    clipped: float
    """Share of pixels at 0 or 255: information, never a defect."""
    spread: float
    """Standard deviation of the 128x128 thumbnail; below 5 the picture is nearly plain."""
    laplacian: float
    """Variance of the 4-neighbour Laplacian."""
    tile_laplacian: float
    """The largest such variance among 8x8 tiles: a sharp subject keeps it high."""
    reblur: float | None = None
    """0 crisp to 1; None where the picture is too sharp for it to matter."""
    borders: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Share of the width or height that is a plain border: left, top, right, bottom."""


@frozen(kw_only=True)
class ImageFile:
    """One picture that the trainer lists."""

    path: str
    size_bytes: int
    mtime_ns: int
    format: str | None = None
    """`JPEG`, `PNG` or `WEBP` as its content says; None where it is none of them."""
    problem: ImageProblem | None = None
    detail: str = ""
    """What the decoder said, cleaned and cut."""
    width: int | None = None
    height: int | None = None
    orientation: int = 1
    """EXIF orientation, 1 to 8."""
    mode: str | None = None
    """Pillow's mode of the file: `RGB`, `L`, `P`, `CMYK`, `I;16`, ..."""
    frames: int = 1
    alpha: Literal["none", "opaque", "hides_colour"] = "none"
    """`hides_colour`: transparent pixels hold a colour that the trainer trains."""
    is_progressive: bool = False
    looks: Looks | None = None
    """None where it was not decoded."""
    sha256: str | None = None
    """Of the bytes; only where another file has the same length, and of files to be changed."""

    @property
    def is_trained(self) -> bool:
        """Tell whether the trainer gets a picture from it, be it the right one."""
        return self.problem in (None, "linked")


@frozen(kw_only=True)
class CaptionFile:
    """The text beside a picture."""

    path: str
    size_bytes: int
    text: str = ""
    """Decoded as well as possible, without BOM, cut at 64 KiB: data, never instructions."""
    encoding: str = "utf-8"
    """`utf-8`, `utf-8-sig`, `utf-16`, `cp1252` or `latin-1`, as far as it can be told; whether it
    stops the trainer is what `not_utf8` says."""
    problems: tuple[CaptionProblem, ...] = ()
    is_generated: bool = False
    """Whether this server wrote it and nobody has changed it since."""

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is left without white space, BOM and zero-width spaces."""
        return not self.text.strip("\ufeff\u200b \t\r\n\f\v")


@frozen(kw_only=True)
class DuplicatePair:
    """Two pictures that are, or may be, the same."""

    first: str
    second: str
    """Paths; `second` belongs to `other` where that is set."""
    level: Duplicate
    mirrored: bool = False
    turned: int = 0
    """Degrees by which `second` is turned against `first`: 0, 90, 180 or 270."""
    differences: int | None = None
    cosines: int | None = None
    """Bits of dd128 and p64 that differ; None for pairs found by bytes."""
    mismatch: float | None = None
    """Where they differ most once laid over one another, in units of what varies there
    (`aitk_core.pictures.sameness`); None where that was not looked at, or nothing agrees."""
    other: str | None = None
    """The folder of `second` where that is another dataset, a validation set for example."""


@frozen(kw_only=True)
class DuplicateSearch:
    """What was compared, and how completely."""

    pairs: tuple[DuplicatePair, ...] = ()
    compared: int = 0
    """Pictures that took part."""
    left_out: int = 0
    """Nearly plain pictures, which match everything and are compared by bytes only."""
    complete_to: int = 0
    """Differing bits of dd128 up to which every pair was found for certain."""
    method: str = "exhaustive"
    unconfirmed: int = 0
    """Pairs that hashes gave and that nobody laid over one another: possible, for that reason."""
    truncated: bool = False
    """There are more pairs than are kept."""


@frozen(kw_only=True)
class DatasetUse:
    """How a job config reads the folder; defaults are the trainer's."""

    resolutions: tuple[int, ...] = (512,)
    divisibility: int | None = None
    """Of bucket sides in pixels, from the model; None where the architecture is not known."""
    batch_size: int = 1
    gradient_accumulation: int = 1
    steps: int | None = None
    num_repeats: int = 1
    flip_x: bool = False
    flip_y: bool = False
    random_crop: bool = False
    square_crop: bool = False
    scale: float = 1.0
    is_regularisation: bool = False
    num_frames: int = 1
    trigger_word: str | None = None
    caption_ext: str = ".txt"
    default_caption: str | None = None
    caption_dropout_rate: float = 0.0
    arch: str | None = None
    text_limit: int | None = None
    """Tokens that the text encoder takes; None where it is not known."""
    text_encoder: Literal["clip", "t5", "llm"] | None = None
    job: str | None = None
    """Name of the job or config that this comes from."""


@frozen(kw_only=True)
class DatasetEvidence:
    """A dataset as it stood at one moment. Missing is missing, never zero."""

    name: str
    """The folder's last part."""
    images: tuple[ImageFile, ...] = ()
    """In order of their paths."""
    captions: Mapping[str, CaptionFile] = field(factory=dict)
    """By the path of the picture; two pictures of one stem share a caption. Absent: no file."""
    videos: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    """Control images: listed, never touched."""
    unsupported: tuple[str, ...] = ()
    """Pictures of formats that the trainer passes over, such as `.bmp` and `.gif`."""
    orphans: tuple[str, ...] = ()
    """Caption files without a picture."""
    wrong_case: tuple[str, ...] = ()
    """Caption files whose extension differs from the configured one by case only."""
    duplicates: DuplicateSearch | None = None
    """None where it was not searched."""
    use: DatasetUse | None = None
    """None where no config was given."""
    found_images: int = 0
    """Pictures in the folder; more than `images` where the scan was limited."""
    read_images: int = 0
    """Pictures that were decoded for this; the others are known from an earlier scan."""
    collected_at: float = 0.0
    """Unix seconds."""
    missing: Mapping[str, str] = field(factory=dict)
    """What could not be read, and why: by path, or `images` and `cache` for the scan itself."""

    @property
    def is_limited(self) -> bool:
        """Tell whether only a part of the pictures was looked at."""
        return self.found_images > len(self.images)
