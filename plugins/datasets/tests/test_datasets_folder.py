"""The trainer's walk over a folder, and how a job reads it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.errors import FileMissingError, InvalidArgumentsError
from aitk_datasets.folder.use import folders_of, use_of, uses_of
from aitk_datasets.folder.walk import walk

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_datasets.folder.walk import Listing


def listed(folder: Path, *names: str, **options: Any) -> Listing:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x")
    return walk(folder, **options)


def paths(listing: Listing) -> list[str]:
    return [image.path for image in listing.images]


def test_pitfall_98_nested_folders_are_walked_as_the_trainer_does(tmp_path: Path) -> None:
    listing = listed(tmp_path, "10_concept/a.jpg", "10_concept/deep/b.PNG", "c.webp", "d.JPEG")
    assert paths(listing) == ["10_concept/a.jpg", "10_concept/deep/b.PNG", "c.webp", "d.JPEG"]


def test_hidden_things_and_the_trainers_own_folders_are_left_out(tmp_path: Path) -> None:
    names = (".a.jpg", ".aitk/b.jpg", "x/.hidden/c.jpg", "_latent_cache/d.jpg", "e.jpg")
    listing = listed(tmp_path, *names, ".aitk_size.json", "_t_e_cache/f.txt")
    assert paths(listing) == ["e.jpg"]
    assert listing.orphans == ()


def test_control_images_are_dropped_and_what_lies_below_their_folder_is_not(
    tmp_path: Path,
) -> None:
    listing = listed(tmp_path, "_controls/a.depth.jpg", "_controls/sub/b.jpg", "c.jpg")
    assert paths(listing) == ["_controls/sub/b.jpg", "c.jpg"]
    assert listing.controls == ("_controls/a.depth.jpg",)


def test_pitfall_128_formats_that_the_trainer_passes_over_are_reported(tmp_path: Path) -> None:
    listing = listed(tmp_path, "a.gif", "b.TIFF", "c.avif", "d.heic", "e.bmp", "f.jpg", "g.mp4")
    assert listing.unsupported == ("a.gif", "b.TIFF", "c.avif", "d.heic", "e.bmp")
    assert (paths(listing), listing.videos) == (["f.jpg"], ("g.mp4",))


def test_captions_are_paired_by_stem_and_exact_extension(tmp_path: Path) -> None:
    names = (
        "a.jpg",
        "a.txt",
        "b.jpg",
        "b.TXT",
        "c.png",
        "c.jpg",
        "c.txt",
        "d.txt",
        "e.mp4",
        "e.txt",
    )
    listing = listed(tmp_path, *names)
    found = {image.path: image.caption for image in listing.images}
    assert found == {"a.jpg": "a.txt", "b.jpg": None, "c.jpg": "c.txt", "c.png": "c.txt"}
    assert (listing.orphans, listing.wrong_case) == (("d.txt",), ("b.TXT",))


@pytest.mark.parametrize("extension", ["caption", ".caption"])
def test_the_configured_extension_of_captions_counts(tmp_path: Path, extension: str) -> None:
    listing = listed(tmp_path, "a.jpg", "a.txt", "a.caption", caption_ext=extension)
    assert [image.caption for image in listing.images] == ["a.caption"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs links")
def test_links_are_told_and_never_entered(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.jpg").write_bytes(b"x")
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "a.jpg").symlink_to(outside / "secret.jpg")
    (folder / "a.txt").symlink_to(outside / "secret.jpg")
    (folder / "broken.jpg").symlink_to(tmp_path / "gone")
    (folder / "more").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    listing = walk(folder)
    assert [(image.path, image.is_link) for image in listing.images] == [("a.jpg", True)]
    assert listing.linked_captions == ("a.txt",)


@pytest.mark.skipif(sys.platform == "win32", reason="needs named pipes")
def test_pitfall_82_a_named_pipe_is_no_file_and_blocks_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "b.jpg")
    listing = listed(tmp_path, "a.jpg")
    assert [(image.path, image.caption) for image in listing.images] == [("a.jpg", None)]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_names_of_any_bytes_are_listed(tmp_path: Path) -> None:
    for name in (b"caf\xe9.jpg", b"new\nline.jpg", b"-dash.jpg", "n\u0303.jpg".encode()):
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    assert len(walk(tmp_path).images) == 4


def test_a_folder_that_is_none_is_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileMissingError, match="no folder 'gone'"):
        walk(tmp_path / "gone")
    with pytest.raises(InvalidArgumentsError, match="is no folder"):
        walk(tmp_path / "file")


def test_a_walk_can_be_ended(tmp_path: Path) -> None:
    def stop(_seen: int) -> None:
        raise TimeoutError

    for number in range(5000):
        (tmp_path / f"{number}.txt").touch()
    with pytest.raises(TimeoutError):
        walk(tmp_path, check=stop)


def config(*datasets: dict[str, Any], **process: Any) -> dict[str, Any]:
    return {
        "job": "extension",
        "config": {"name": "n", "process": [{"datasets": list(datasets), **process}]},
    }


def test_a_jobs_use_of_a_folder_has_the_trainers_defaults() -> None:
    use = use_of(config({"folder_path": "/d/cats"}), "/d/cats/")
    assert use is not None
    assert (use.resolutions, use.batch_size, use.caption_ext) == ((512,), 1, ".txt")
    assert (use.trigger_word, use.job, use.num_repeats) == (None, "n", 1)


def test_a_datasets_own_values_win_over_the_jobs() -> None:
    entry = {
        "folder_path": "/d/cats",
        "resolution": [512, 768],
        "batch_size": 4,
        "caption_ext": "caption",
        "trigger_word": "ohwx",
        "flip_x": True,
        "num_repeats": 3,
    }
    shared = {"trigger_word": "other", "train": {"batch_size": 2, "steps": 900}}
    use = use_of(config({"folder_path": "/d/dogs"}, entry, **shared), "/d/cats")
    assert use is not None
    assert (use.resolutions, use.batch_size, use.steps) == ((512, 768), 4, 900)
    assert (use.caption_ext, use.trigger_word, use.flip_x) == (".caption", "ohwx", True)
    assert use.num_repeats == 3


def test_a_folder_of_another_machine_is_known_by_its_name() -> None:
    use = use_of(config({"folder_path": "C:\\sets\\cats"}), "/mnt/sets/cats")
    assert use is not None
    assert use_of(config({"folder_path": "/d/dogs"}), "/d/cats") is None


def test_what_the_model_asks_for_is_known_by_its_architecture() -> None:
    use = use_of(config({"folder_path": "/d/cats"}, model={"arch": "flux"}), "/d/cats")
    assert use is not None
    assert (use.arch, use.divisibility, use.text_encoder) == ("flux", 32, "t5")
    unknown = use_of(config({"folder_path": "/d/cats"}, model={"arch": "new"}), "/d/cats")
    assert unknown is not None
    assert (unknown.arch, unknown.divisibility, unknown.text_limit) == ("new", None, None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
KEYS = ("resolution", "batch_size", "caption_ext", "scale", "num_repeats", "caption_dropout_rate")


@given(st.dictionaries(st.sampled_from(KEYS), json_values), json_values)
def test_any_config_gives_a_use_or_none(values: dict[str, Any], train: Any) -> None:
    written = config({**values, "folder_path": "/d/cats"}, train=train)
    assert folders_of(written) == ("/d/cats",)
    (found,) = uses_of(written, "/d/cats")
    use = found.use
    assert use.batch_size >= 1
    assert min(use.resolutions, default=1) >= 1
    assert use.caption_ext.startswith(".")
    assert 0 <= use.caption_dropout_rate <= 1
    assert use.scale > 0
