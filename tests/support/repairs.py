"""Datasets to be repaired, and processes that are killed while they do it."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import traceback
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import define
from PIL import Image

from aitk_datasets.repair.apply import apply_plan
from aitk_datasets.repair.plan import (
    Rewrite,
    reencode_caption,
    remove_image,
    rewrite_image,
    write_caption,
)
from aitk_datasets.repair.system import FileSystem
from aitk_datasets.repair.undo import undo

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_datasets.repair.plan import Plan, Request
    from aitk_datasets.repair.run import Outcome

TRAINED = (".jpg", ".jpeg", ".png", ".webp")
NOW = 1_763_000_000.0

State = dict[str, tuple[bytes, int, int]]
"""Bytes, time in nanoseconds and mode, by path."""


def picture(seed: int = 0, kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    """A small picture of noise; the same seed gives the same."""
    noise = np.random.default_rng(seed)
    if mode == "I;16":
        image = Image.fromarray(noise.integers(0, 65536, (6, 9)).astype(np.uint16))
    else:
        image = Image.fromarray(noise.integers(0, 256, (6, 9, 3)).astype(np.uint8)).convert(mode)
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned(seed: int = 0, orientation: int = 6) -> bytes:
    """A JPEG that EXIF asks to be turned."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(seed, "JPEG", exif=exif)


def write(root: Path, files: dict[str, bytes]) -> None:
    """Write files with times that differ, long ago and not on whole seconds."""
    for number, (path, data) in enumerate(files.items()):
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
        when = 1_600_000_000_123_456_700 + number * 1_000_000_007
        os.utime(file, ns=(when, when))


def everything(root: Path) -> list[Request]:
    """Write a dataset and ask for an action of every kind."""
    write(
        root,
        {
            "rot.jpg": turned(1),
            "rot.txt": b"a turned one",
            "deep.png": picture(2, mode="I;16"),
            "deep.txt": b"a deep one",
            "conv.webp": picture(3, "WEBP"),
            "conv.txt": b"one to convert",
            "sub/dup.jpg": picture(4, "JPEG"),
            "sub/dup.txt": b"a second one",
            "pair.png": picture(5),
            "pair.jpg": picture(5, "JPEG"),
            "pair.txt": b"of two",
            "keep.png": picture(6),
            "keep.jpg": picture(6, "JPEG"),
            "keep.txt": b"still needed",
            "none.png": picture(7),
            "empty.png": picture(8),
            "empty.txt": b"",
            "latin.png": picture(9),
            "latin.txt": "a caf\u00e9 \u2013 by night".encode("cp1252"),
            "rest.png": picture(10),
            "rest.txt": b"not concerned",
        },
    )
    return [
        rewrite_image("rot.jpg", Rewrite(upright=True), reason="rotated"),
        rewrite_image("deep.png", Rewrite(eight_bit=True), reason="sixteen_bit"),
        rewrite_image("conv.webp", Rewrite(format="PNG"), reason="format"),
        remove_image("sub/dup.jpg", reason="duplicate"),
        remove_image("pair.png", reason="duplicate"),
        remove_image("pair.jpg", reason="duplicate"),
        remove_image("keep.jpg", reason="duplicate"),
        write_caption("none.png", "trigger, a new one", reason="missing", generator="test"),
        write_caption("empty.png", "trigger, a filled one", reason="empty", generator="test"),
        reencode_caption("latin.txt", "cp1252", reason="not_utf8"),
    ]


def files_of(root: Path, *, hidden: bool = False) -> list[str]:
    """Paths of the files; those in folders of ours only where asked for."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if not path.is_dir() and (hidden or ".aitk" not in path.relative_to(root).parts)
    )


def state_of(root: Path) -> State:
    """Names, bytes, times and modes of what is in the dataset."""
    return {
        path: ((root / path).read_bytes(), found.st_mtime_ns, found.st_mode)
        for path in files_of(root)
        for found in [(root / path).lstat()]
    }


def contents_of(root: Path) -> dict[str, bytes]:
    """Names and bytes of what is in the dataset."""
    return {path: data for path, (data, _, _) in state_of(root).items()}


def all_contents(root: Path) -> set[bytes]:
    """Everything that is kept anywhere below the folder."""
    paths = files_of(root, hidden=True)
    return {(root / path).read_bytes() for path in paths if path != ".aitk/spare"}


def captioned(root: Path) -> set[str]:
    """Pictures that are trained with a caption."""
    return {
        path
        for path in files_of(root)
        if path.endswith(TRAINED) and (root / path).with_suffix(".txt").exists()
    }


def digest(data: bytes) -> str:
    """The SHA-256 of bytes."""
    return hashlib.sha256(data).hexdigest()


QUICK = FileSystem(durable=False)


def applied(root: Path, plan: Plan, **more: Any) -> Outcome:
    """Carry out a plan, without waiting for the disk."""
    return apply_plan(root, plan, plan_hash=plan.hash, now=NOW, **{"system": QUICK, **more})


def undone(root: Path, outcome: Outcome) -> Outcome:
    """Take back what an outcome tells of."""
    return undo(root, outcome.operation.id, now=NOW, system=QUICK)


def kinds(plan: Plan) -> list[tuple[str, str]]:
    """What is done to which file."""
    return [(action.kind, action.path) for action in plan.actions]


def codes(plan: Plan) -> list[str]:
    """Why requests were left out."""
    return [conflict.code for conflict in plan.conflicts]


@define
class Killer:
    """Ends the process in place of its call number `at`; counts where that is None."""

    at: int | None = None
    calls: int = 0
    signal: Callable[[], None] | None = None

    def __call__(self, _kind: str, _name: str) -> None:
        """Take one call."""
        if self.calls == self.at:
            if self.signal is not None:
                self.signal()
            os._exit(KILLED)
        self.calls += 1


KILLED = 77


def in_a_process(function: Callable[[], object]) -> bool:
    """Run it in a copy of this process; tell whether it was killed.

    `os._exit` runs no `finally`, flushes no buffer and lets the kernel close what is open: for
    the files it is what SIGKILL is, at a hundredth of the cost of a new interpreter.
    """
    with warnings.catch_warnings():
        # From Python 3.12 on: other threads, of which the copy uses nothing.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:  # noqa: BLE001  (the copy may not go on with the tests)
            traceback.print_exc(file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, KILLED), f"the process ended with {code}"
    return code == KILLED
