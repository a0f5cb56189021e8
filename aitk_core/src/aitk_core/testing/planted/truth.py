"""What was planted where: the record that a check is scored against."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Final, Literal, get_args

from attrs import asdict, field, fields, filters, frozen

from aitk_core.convert import structure
from aitk_core.testing.planted.labels import CAPTION_LABELS, FILE_LABELS, known

Tier = Literal["exact", "easy", "medium", "hard", "negative"]
"""How hard a pair is to find: `exact` has equal bytes or equal pixels, `negative` is no pair."""
TIERS: Final[tuple[Tier, ...]] = get_args(Tier)

TRUTH_FILE: Final = "truth.json"


@frozen(kw_only=True)
class PlantedFile:
    """One file, or link, that may pass for a picture. Videos are among them, captions are not."""

    path: str
    """From the planted folder, with `/` between its parts: `train/...` or `val/...`."""
    labels: tuple[str, ...]
    """In order, each a key of `FILE_LABELS`."""
    size: tuple[int, int] | None = None
    """Width and height after EXIF rotation; None where no header tells them."""
    is_walked: bool = True
    """Whether the trainer's walk for pictures includes it (datasets.md A1), decodable or not."""

    @property
    def is_trained(self) -> bool:
        """Tell whether the trainer gets a picture from it, be it the right one.

        True for 121 megapixels, at which Pillow only warns, and for damage that no decoder sees.
        """
        return self.is_walked and not {"unreadable", "broken_link", "link_loop"} & {*self.labels}


@frozen(kw_only=True)
class PlantedCaption:
    """The text beside a picture, or its absence."""

    path: str
    """Where it is, or where it would be; `.txt` but for the label `wrong_case`."""
    labels: tuple[str, ...]
    """In order, each a key of `CAPTION_LABELS`."""
    images: tuple[str, ...] = ()
    """Pictures of its stem: two share it, an orphan has none."""
    encoding: str = "utf-8"
    """By which the bytes become `text`, as Python's codecs are called."""
    text: str | None = None
    """What its writer meant, without byte order mark; None where there is no file."""


@frozen(kw_only=True)
class PlantedPair:
    """Two pictures that are the same, or that only look so."""

    first: str
    second: str
    kind: str
    """What was done to the second, or why the two look alike."""
    tier: Tier
    mirrored: bool = False
    turned: int = 0
    """Degrees by which `second` is turned against `first`, counter-clockwise."""

    @property
    def is_duplicate(self) -> bool:
        """Tell whether both show one picture."""
        return self.tier != "negative"

    @property
    def is_leak(self) -> bool:
        """Tell whether one is trained on and the other validated with."""
        return self.first.split("/")[0] != self.second.split("/")[0]


@frozen(kw_only=True)
class OddPath:
    """A place or a name that trips programs."""

    path: str
    kind: str
    target: str | None = None
    """Where a link points, as it is stored; None for anything else."""


@frozen(kw_only=True)
class Entry:
    """What a folder holds at one name, as an untouched folder must keep it."""

    kind: Literal["file", "folder", "link", "other"]
    content: str = ""
    """SHA-256 of a file's bytes, or where a link points."""
    mode: int = 0
    mtime_ns: int | None = None
    """None for folders, whose time moves with what lies in them."""


@frozen(kw_only=True)
class Truth:
    """All that was planted in a folder. `root` is no part of the record and of its equality."""

    root: Path = field(eq=False)
    seed: int
    bases: int
    families: tuple[str, ...]
    """Of defects, in order; empty for a clean folder."""
    trigger: str
    """The trigger word that the captions hold."""
    phrase: str | None = None
    """What most captions share, where one phrase dominates."""
    all_files: tuple[PlantedFile, ...] = ()
    all_captions: tuple[PlantedCaption, ...] = ()
    all_pairs: tuple[PlantedPair, ...] = ()
    odd_paths: tuple[OddPath, ...] = ()
    photographs: tuple[str, ...] = ()
    """Files whose base is a photograph that was given."""
    skipped: tuple[str, ...] = ()
    """What this platform refused to write, and why; it is nowhere else in the record."""

    def files(self, label: str | None = None, *, within: str = "") -> tuple[PlantedFile, ...]:
        """Return the files with a label, all without one.

        Args:
            label: A key of `FILE_LABELS`.
            within: `train` or `val`; both where it is empty.

        Raises:
            ValueError: The label is not known.
        """
        known(() if label is None else (label,), FILE_LABELS)
        return tuple(
            file
            for file in self.all_files
            if (label is None or label in file.labels) and file.path.startswith(within)
        )

    def captions(self, label: str | None = None, *, within: str = "") -> tuple[PlantedCaption, ...]:
        """Return the captions with a label, all without one; arguments and error as `files`."""
        known(() if label is None else (label,), CAPTION_LABELS)
        return tuple(
            caption
            for caption in self.all_captions
            if (label is None or label in caption.labels) and caption.path.startswith(within)
        )

    def pairs(
        self,
        *,
        duplicate: bool | None = None,
        tier: Tier | None = None,
        mirrored: bool | None = None,
    ) -> tuple[PlantedPair, ...]:
        """Return the pairs within `train/`, by what they are; leaks are not among them.

        Raises:
            ValueError: There is no such tier.
        """
        if tier is not None and tier not in TIERS:
            raise ValueError(f"no such tier: {tier!r}")
        return tuple(
            pair
            for pair in self.all_pairs
            if not pair.is_leak
            and duplicate in (None, pair.is_duplicate)
            and tier in (None, pair.tier)
            and mirrored in (None, pair.mirrored)
        )

    def leaks(self) -> tuple[PlantedPair, ...]:
        """Return the pairs of a picture in `train/` and its copy in `val/`."""
        return tuple(pair for pair in self.all_pairs if pair.is_leak)

    def odd(self, kind: str) -> tuple[OddPath, ...]:
        """Return the odd paths of a kind."""
        return tuple(path for path in self.odd_paths if path.kind == kind)

    def at(self, path: str) -> Path:
        """Return where a path of this record is."""
        return self.root.joinpath(*path.split("/"))

    def snapshot(self, part: str = "outside") -> dict[str, Entry]:
        """Return what a part of the folder holds now: equal ones mean that nothing changed."""
        return snapshot(self.root / part)

    def write(self) -> None:
        """Write the record into the planted folder, as `truth.json`."""
        document = asdict(self, filter=filters.exclude(fields(Truth).root))
        text = json.dumps(document, indent=1, sort_keys=True)
        (self.root / TRUTH_FILE).write_text(text + "\n", encoding="ascii", newline="\n")


def read_truth(folder: Path) -> Truth:
    """Return the record of a planted folder.

    Raises:
        FileNotFoundError: The folder was not planted.
    """
    document = json.loads((folder / TRUTH_FILE).read_text(encoding="ascii"))
    return structure(Truth, {**document, "root": str(folder)})


def snapshot(folder: Path) -> dict[str, Entry]:
    """Return everything below a folder by its path in it; links are not followed."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(place, name)
            found[path.relative_to(folder).as_posix()] = _entry(path)
    return dict(sorted(found.items()))


def _entry(path: Path) -> Entry:
    status = path.lstat()
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return Entry(kind="link", content=str(path.readlink()), mtime_ns=status.st_mtime_ns)
    if stat.S_ISDIR(status.st_mode):
        return Entry(kind="folder", mode=mode)
    if not stat.S_ISREG(status.st_mode):
        return Entry(kind="other", mode=mode, mtime_ns=status.st_mtime_ns)
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return Entry(kind="file", content=content, mode=mode, mtime_ns=status.st_mtime_ns)
