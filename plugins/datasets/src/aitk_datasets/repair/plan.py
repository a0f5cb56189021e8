"""What is asked for, and the plan that follows from it: records with one canonical form."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

from attrs import asdict, frozen

from aitk_core.convert import structure
from aitk_core.errors import InvalidArgumentsError
from aitk_datasets.digests import sha256_of_bytes
from aitk_datasets.repair.tree import Identity

VERSION: Final = 1

RequestKind = Literal[
    "remove_image", "write_caption", "reencode_caption", "rewrite_image", "refuse_caption"
]
ActionKind = Literal[
    "move",
    "create_caption",
    "fill_caption",
    "reencode_caption",
    "rewrite_image",
    "refuse_caption",
]
Encoding = Literal["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"]
ConflictCode = Literal[
    "missing",
    "linked",
    "hard_links",
    "hidden",
    "control_image",
    "not_an_image",
    "unreadable",
    "name_clash",
    "caption_exists",
    "edited",
    "different_captions",
    "removed_image",
    "contradiction",
    "not_text",
    "nothing_to_do",
]
"""Why a request is left out of the plan."""


@frozen(kw_only=True)
class Rewrite:
    """How a picture is made anew. What is not asked for is kept."""

    upright: bool = False
    """Turn the pixels as EXIF says, and drop the note."""
    eight_bit: bool = False
    """16-bit grey to 8 bits, `>> 8`: as it is, it trains as a white picture (datasets.md E1)."""
    rgb: bool = False
    """CMYK, palette, grey and others to RGB, with transparency to RGBA."""
    first_frame: bool = False
    """Keep the first frame of an animation, the one that is trained."""
    flatten: tuple[int, int, int] | None = None
    """Lay a transparent picture onto this colour."""
    long_side: int | None = None
    """Reduce to this many pixels on the long side; never enlarged."""
    format: Literal["same", "PNG", "JPEG"] = "same"
    jpeg_quality: int = 95

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the transformations asked for."""
        asked = {
            "upright": self.upright,
            "eight_bit": self.eight_bit,
            "rgb": self.rgb,
            "first_frame": self.first_frame,
            "flatten": self.flatten is not None,
            "resize": self.long_side is not None,
            "convert": self.format != "same",
        }
        return tuple(name for name, is_asked in asked.items() if is_asked)


@frozen(kw_only=True)
class Request:
    """One thing to do, as whoever looked at the dataset names it."""

    kind: RequestKind
    path: str
    """Of the image; for `reencode_caption` and `refuse_caption` of the caption."""
    reason: str
    """A code, such as the finding's."""
    text: str | None = None
    generator: str = ""
    """What made the text, and its settings: kept in the journal."""
    encoding: Encoding | None = None
    """What the caption is written in now."""
    rewrite: Rewrite | None = None


def remove_image(path: str, *, reason: str) -> Request:
    """Ask for a picture to go into the quarantine, its caption with it where nobody needs it."""
    return Request(kind="remove_image", path=path, reason=reason)


def write_caption(path: str, text: str, *, reason: str, generator: str = "") -> Request:
    """Ask for a caption for a picture that has none, an empty one, or one that we wrote."""
    return Request(kind="write_caption", path=path, reason=reason, text=text, generator=generator)


def reencode_caption(path: str, encoding: Encoding, *, reason: str) -> Request:
    """Ask for a caption to be UTF-8 without BOM; the old file is kept in the quarantine."""
    return Request(kind="reencode_caption", path=path, reason=reason, encoding=encoding)


def refuse_caption(path: str, *, reason: str) -> Request:
    """Ask for a caption that we made to go again, unless somebody has edited it since."""
    return Request(kind="refuse_caption", path=path, reason=reason)


def rewrite_image(path: str, rewrite: Rewrite, *, reason: str) -> Request:
    """Ask for a picture to be made anew; the old file is kept in the quarantine."""
    return Request(kind="rewrite_image", path=path, reason=reason, rewrite=rewrite)


@frozen(kw_only=True)
class Action:
    """One change, small enough to be done or not done."""

    kind: ActionKind
    path: str
    """The file that is there, or is to be there."""
    reason: str
    identity: Identity | None = None
    """Of the file that goes into the quarantine; None where there is none."""
    target: str | None = None
    """The name of what comes in its place; None where nothing comes."""
    store: str = ""
    """The folder whose `.aitk` takes the file: the dataset's, or the top of another mount."""
    text: str | None = None
    generator: str = ""
    encoding: Encoding | None = None
    rewrite: Rewrite | None = None
    new_sha256: str | None = None
    """Of the caption to be written; a picture's is known once it is made."""

    @property
    def is_generated(self) -> bool:
        """Tell whether its text is ours, and not a person's in another encoding."""
        return self.kind in ("create_caption", "fill_caption")


@frozen(kw_only=True)
class PlanConflict:
    """A request that cannot be done, or not together with another."""

    code: ConflictCode
    paths: tuple[str, ...]
    message: str


@frozen(kw_only=True)
class KeptCaption:
    """A caption that stays although its picture goes."""

    path: str
    needed_by: str


@frozen(kw_only=True)
class Plan:
    """What will be done, bound to the files as they were seen."""

    version: int = VERSION
    device: int
    inode: int
    """Of the dataset's folder."""
    caption_ext: str
    requests: tuple[Request, ...]
    actions: tuple[Action, ...]
    """In order: a picture before its caption."""
    conflicts: tuple[PlanConflict, ...] = ()
    kept: tuple[KeptCaption, ...] = ()

    @property
    def hash(self) -> str:
        """Return the SHA-256 of the canonical JSON: what whoever confirms the plan names."""
        return sha256_of_bytes(canonical(to_json(self)))

    @property
    def quarantined_bytes(self) -> int:
        """Return how much goes into the quarantine."""
        return sum(action.identity.size for action in self.actions if action.identity)

    def space_needed(self, store: str) -> int:
        """Return an estimate of the bytes to be written in the mount of a store.

        A picture made anew counts three times its old size, a guess of ours. Should it be too
        little, the disk is full while new files are written: nothing has been changed then.
        """
        return sum(
            3 * action.identity.size
            if action.kind == "rewrite_image" and action.identity
            else len(action.text or "") * 4 + 65536
            for action in self.actions
            if action.target is not None and action.store == store
        )


def canonical(value: Any) -> bytes:
    """Return JSON with one form for one value; broken characters of names survive as escapes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def to_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON values, exactly: names keep the characters that are no text."""
    return asdict(plan)


def from_json(value: Any) -> Plan:
    """Return the plan of JSON values.

    Raises:
        InvalidArgumentsError: It is none, or of a later version.
    """
    plan = structure(Plan, value)
    if plan.version != VERSION:
        raise InvalidArgumentsError(
            f"a plan of version {plan.version}, where {VERSION} is known",
            remedy="use the version of the server that made it",
        )
    return plan
