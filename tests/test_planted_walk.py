"""What the truth of a planted folder says of the trainer's walk and listing holds on disk.

The rules are those of datasets.md section A1, written here a second time.
"""

from __future__ import annotations

import os
import unicodedata
import warnings
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageOps

from aitk_core.testing.planted import plant

if TYPE_CHECKING:
    from aitk_core.testing.planted import Truth

EXTENSIONS = {".jpg", ".jpeg", ".png", ".webp"}
ODD_NAMES = ("newline", "leading_dash", "long_name", "nfc", "nfd", "upper_extension", "spaces")


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return plant(tmp_path_factory.mktemp("planted"), seed=3, bases=4)


def relative(path: Path, truth: Truth) -> str:
    return path.relative_to(truth.root).as_posix()


def on_disk(truth: Truth) -> set[str]:
    """Every file and link of `train/` and `val/`, links not followed."""
    found = set()
    for part in ("train", "val"):
        for place, folders, files in os.walk(truth.root / part):
            names = [*files, *(name for name in folders if Path(place, name).is_symlink())]
            found |= {relative(Path(place, name), truth) for name in names}
    return found


def walked(truth: Truth, part: str) -> set[str]:
    """The trainer's list: recursive, nothing hidden, any case, no direct `_controls`."""
    found = set()
    for place, folders, files in os.walk(truth.root / part, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            is_picture = os.path.splitext(name)[1].lower() in EXTENSIONS  # noqa: PTH122 - as there
            if is_picture and not name.startswith(".") and Path(place).name != "_controls":
                found.add(relative(Path(place, name), truth))
    return found


def listed_size(path: Path) -> tuple[int, int] | None:
    """What a trainer with a current Pillow lists: nothing where the picture does not decode."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                return ImageOps.exif_transpose(image).size
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None


@pytest.mark.parametrize("part", ["train", "val"])
def test_truth_agrees_with_the_walk_written_from_its_description(truth: Truth, part: str) -> None:
    assert walked(truth, part) == {
        file.path for file in truth.files(within=f"{part}/") if file.is_walked
    }


def test_trained_are_the_walked_files_that_decode_and_have_the_size_told(truth: Truth) -> None:
    sizes = {
        file.path: listed_size(truth.at(file.path)) for file in truth.files() if file.is_walked
    }
    assert sizes == {
        file.path: file.size if file.is_trained else None
        for file in truth.files()
        if file.is_walked
    }


def test_sizes_told_of_unreadable_files_are_those_of_their_headers(truth: Truth) -> None:
    for file in truth.files("unreadable"):
        try:
            with Image.open(truth.at(file.path)) as image:
                size: tuple[int, int] | None = image.size
        except (OSError, SyntaxError, Image.DecompressionBombError):
            size = None
        assert file.size == size, file.path


def test_everything_on_disk_is_in_the_truth(truth: Truth) -> None:
    told = {file.path for file in truth.files()}
    told |= {caption.path for caption in truth.captions() if caption.text is not None}
    told |= {path.path for path in truth.odd_paths}
    assert on_disk(truth) == told


def test_nothing_is_recorded_twice(truth: Truth) -> None:
    for paths in (
        [file.path for file in truth.files()],
        [caption.path for caption in truth.captions()],
        [path.path for path in truth.odd_paths],
    ):
        assert len(paths) == len(set(paths))


def test_every_walked_picture_has_one_caption_record(truth: Truth) -> None:
    of_images = [image for caption in truth.captions() for image in caption.images]
    links = {file.path for file in truth.files() if {"broken_link", "link_loop"} & {*file.labels}}
    assert sorted(of_images) == sorted(
        file.path for file in truth.files() if file.is_walked and file.path not in links
    )


def test_a_caption_lies_where_the_trainer_looks_for_it(truth: Truth) -> None:
    """Stem and `.txt`, in exactly that case."""
    disk = on_disk(truth)
    unread = {
        image
        for label in ("missing", "wrong_case")
        for caption in truth.captions(label)
        for image in caption.images
    }
    for caption in truth.captions():
        for image in caption.images:
            expected = str(PurePosixPath(image).with_suffix(".txt"))
            assert (expected in disk) == (image not in unread), image
    for caption in truth.captions("orphan"):
        stem = caption.path.removesuffix(".txt")
        assert not any(stem + extension in disk for extension in EXTENSIONS)


def test_links_point_where_the_truth_says(truth: Truth) -> None:
    links = {path for path in on_disk(truth) if truth.at(path).is_symlink()}
    told = {path.path: path.target for path in truth.odd_paths if path.target is not None}
    assert {path: str(truth.at(path).readlink()) for path in links} == told
    outside = (truth.root / "outside").resolve()
    for kind in ("linked", "linked_folder", "linked_caption"):
        for link in truth.odd(kind):
            assert truth.at(link.path).resolve().is_relative_to(outside)
            assert truth.at(link.path).exists()
    for link in truth.odd("broken_link"):
        assert not truth.at(link.path).exists()
    for link in truth.odd("folder_loop"):
        assert (truth.at(link.path) / "loop").samefile(truth.root / "train")
    for link in truth.odd("link_loop"):
        with pytest.raises(OSError, match="symbolic"):
            truth.at(link.path).read_bytes()


def test_odd_names_are_what_they_are_called(truth: Truth) -> None:
    if truth.skipped:
        pytest.skip(f"this platform refuses some: {truth.skipped}")
    name = {kind: PurePosixPath(truth.odd(kind)[0].path).name for kind in ODD_NAMES}
    assert "\n" in name["newline"]
    assert name["leading_dash"].startswith("-")
    assert len(name["long_name"]) == 200
    assert name["nfc"] != name["nfd"]
    assert unicodedata.normalize("NFC", name["nfd"]) == name["nfc"]
    assert name["upper_extension"].endswith(".JPG")
    assert name["spaces"].startswith(" ")


def test_a_walk_that_follows_links_leaves_the_folder(truth: Truth) -> None:
    """So a check that follows them would be noticed: the bait works."""
    reached = {
        Path(place).resolve()
        for place, _, _ in os.walk(truth.at(truth.odd("linked_folder")[0].path))
    }
    assert reached == {(truth.root / "outside" / "folder").resolve()}


def test_a_snapshot_notices_bytes_times_names_and_links(tmp_path: Path) -> None:
    truth = plant(tmp_path, seed=3, bases=1, families=frozenset({"places"}))
    before = truth.snapshot()
    assert {"linked.png", "folder", "folder/inside.png", "keep.txt"} <= set(before)
    file = tmp_path / "outside" / "keep.txt"
    times = (file.stat().st_atime_ns, file.stat().st_mtime_ns)
    text = file.read_bytes()

    file.write_bytes(text.upper())
    os.utime(file, ns=times)
    assert truth.snapshot() != before
    file.write_bytes(text)
    assert truth.snapshot() != before
    os.utime(file, ns=times)
    assert truth.snapshot() == before
    (file.parent / "new.txt").write_bytes(b"")
    assert truth.snapshot() != before
    assert truth.snapshot("train")["linked.png"].kind == "link"
