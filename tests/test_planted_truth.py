"""A planted folder follows from its seed, and its record says all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from aitk_core.testing.planted import (
    ALL,
    CAPTION_LABELS,
    FILE_LABELS,
    TIERS,
    plant,
    read_truth,
    snapshot,
)

if TYPE_CHECKING:
    from pathlib import Path

    from aitk_core.testing.planted import Truth


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return plant(tmp_path_factory.mktemp("planted"), seed=11, bases=5)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return plant(tmp_path_factory.mktemp("clean"), seed=11, bases=12, clean=True)


def test_one_seed_gives_equal_bytes_names_times_and_truth(truth: Truth, tmp_path: Path) -> None:
    again = plant(tmp_path, seed=11, bases=5)
    assert again == truth
    assert (tmp_path / "truth.json").read_bytes() == (truth.root / "truth.json").read_bytes()
    for part in ("train", "val", "outside"):
        assert again.snapshot(part) == truth.snapshot(part)


def test_another_seed_gives_other_pictures_and_texts(truth: Truth, tmp_path: Path) -> None:
    other = plant(tmp_path, seed=12, bases=5, families=frozenset())
    for name in ("picture_0001.jpg", "picture_0001.txt"):
        assert other.snapshot("train")[name] != truth.snapshot("train")[name]


@pytest.mark.parametrize("family", sorted(ALL - {"style"}))
def test_a_family_does_not_depend_on_the_others(truth: Truth, tmp_path: Path, family: str) -> None:
    alone = plant(tmp_path, seed=11, bases=1, families=frozenset({family}))
    assert set(alone.all_files) <= set(truth.all_files)
    assert set(alone.all_pairs) <= set(truth.all_pairs)
    together = truth.snapshot("train")
    for path, entry in alone.snapshot("train").items():
        # The sound pictures' texts are the family `style`'s.
        if not path.startswith("picture_"):
            assert together[path] == entry, path


def test_the_record_reads_back_as_it_was(truth: Truth) -> None:
    read = read_truth(truth.root)
    assert read == truth
    assert read.root == truth.root
    assert any("\n" in file.path for file in read.files()) or read.skipped


def test_reading_an_unplanted_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_truth(tmp_path)


def test_every_label_is_planted_and_every_planted_label_is_known(truth: Truth) -> None:
    assert truth.skipped or {label for file in truth.files() for label in file.labels} == set(
        FILE_LABELS
    )
    assert truth.skipped or {
        label for caption in truth.captions() for label in caption.labels
    } == set(CAPTION_LABELS)
    assert {pair.tier for pair in truth.pairs()} == set(TIERS)


def test_asking_for_what_cannot_be_is_an_error(truth: Truth) -> None:
    with pytest.raises(ValueError, match="no such label"):
        truth.files("trunacted")
    with pytest.raises(ValueError, match="no such label"):
        truth.captions("truncated")
    with pytest.raises(ValueError, match="no such tier"):
        truth.pairs(tier="esay")  # type: ignore[arg-type]


def test_helpers_select(truth: Truth) -> None:
    assert {file.path.split("/")[0] for file in truth.files("sound", within="val/")} == {"val"}
    assert all("truncated" in file.labels for file in truth.files("truncated"))
    duplicates, negatives = truth.pairs(duplicate=True), truth.pairs(duplicate=False)
    assert {*duplicates, *negatives} == set(truth.pairs())
    assert set(negatives) == set(truth.pairs(tier="negative"))
    assert {pair.kind for pair in truth.pairs(mirrored=True)} == {"mirror"}
    assert {*truth.pairs(), *truth.leaks()} == set(truth.all_pairs)
    assert all(pair.second.startswith("val/") for pair in truth.leaks())


def test_a_clean_folder_holds_sound_pictures_and_good_captions_only(clean: Truth) -> None:
    assert clean.families == ()
    assert {file.labels for file in clean.files()} == {("sound",)}
    assert {caption.labels for caption in clean.captions()} == {("good",)}
    assert len(clean.files(within="train/")) == 12
    assert len(clean.files(within="val/")) == 2
    assert not clean.all_pairs
    assert not clean.odd_paths
    assert snapshot(clean.root / "outside") == {}
    assert len(clean.snapshot("train")) == 24


def test_clean_wins_over_families(tmp_path: Path) -> None:
    truth = plant(tmp_path, seed=1, bases=1, families=frozenset({"pairs"}), clean=True)
    assert {file.labels for file in truth.files()} == {("sound",)}


def test_bases_decide_how_often_a_defect_is_planted(tmp_path: Path) -> None:
    for bases, times in ((1, 1), (100, 1), (160, 2)):
        truth = plant(
            tmp_path / str(bases),
            seed=1,
            bases=bases,
            families=frozenset({"leaks"}),
            sides=(192, 192),
        )
        assert len(truth.files("sound", within="train/")) == bases
        assert [pair.kind for pair in truth.leaks()].count("q35") == times


def test_bad_arguments_are_refused(tmp_path: Path) -> None:
    for arguments in (
        {"families": frozenset({"looks", "luck"})},
        {"bases": 0},
        {"sides": (400, 300)},
        {"sides": (20, 300)},
    ):
        with pytest.raises(ValueError, match=r"no such family|bases must be"):
            plant(tmp_path, seed=1, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_planted_folder_is_not_planted_over(tmp_path: Path) -> None:
    plant(tmp_path, seed=1, bases=1, clean=True)
    before = snapshot(tmp_path)
    with pytest.raises(FileExistsError):
        plant(tmp_path, seed=2, bases=1, clean=True)
    assert snapshot(tmp_path) == before


def photographs(folder: Path) -> list[Path]:
    """Two pictures that no generator here makes: a red one, and a blue one on its side."""
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    red, blue = folder / "red.png", folder / "blue.jpg"
    Image.new("RGB", (900, 600), (255, 0, 0)).save(red)
    Image.new("RGB", (300, 200), (0, 0, 255)).save(blue, exif=exif, quality=95)
    return [red, blue]


def test_photographs_become_bases_once_each_upright_and_reduced(tmp_path: Path) -> None:
    given = photographs(tmp_path / "given")
    truth = plant(tmp_path / "planted", seed=1, bases=3, clean=True, base_pictures=given)
    assert len(truth.photographs) == 2
    sizes = {file.path: file.size for file in truth.files()}
    assert {sizes[path] for path in truth.photographs} == {(640, 427), (200, 300)}
    for path in truth.photographs:
        with Image.open(truth.at(path)) as image:
            assert image.size == sizes[path]
            assert not image.getexif()
            red, _, blue = image.convert("RGB").getpixel((50, 50))  # type: ignore[misc]
        assert (red > 200) == (sizes[path] == (640, 427))
        assert (blue > 200) == (sizes[path] == (200, 300))


def test_the_order_in_which_photographs_are_given_does_not_matter(tmp_path: Path) -> None:
    given = photographs(tmp_path / "given")
    one = plant(tmp_path / "1", seed=1, bases=3, clean=True, base_pictures=given)
    other = plant(tmp_path / "2", seed=1, bases=3, clean=True, base_pictures=given[::-1])
    assert one.snapshot("train") == other.snapshot("train")


def test_a_photograph_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(OSError, match="identify"):
        plant(tmp_path / "planted", seed=1, bases=1, clean=True, base_pictures=[broken])
