"""Copies in a folder: which pairs are compared, what is kept, and what time does not allow."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from PIL import ImageOps

from aitk_datasets.scan import compare, confirm
from aitk_datasets.scan.under_way import Scan
from support.inspecting import inspector
from support.samplepictures import encoded, picture

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PIL import Image

    from support.inspecting import Inspect


@pytest.fixture
def inspect(call: Callable[..., Any], tmp_path: Path) -> Inspect:
    """Give a function that inspects a folder below the datasets root."""
    return inspector(call, tmp_path / "sets")


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Return the pairs that workers get, as they get them; workers are threads."""
    found: list[tuple[str, str]] = []
    real = compare.compare_piece

    def counted(piece: compare.PieceOfPairs) -> tuple[float | None, ...]:
        found.extend((pair.first, pair.second) for pair in piece.pairs)
        return real(piece)

    monkeypatch.setattr(confirm, "compare_piece", counted)
    return found


def save(folder: Path, name: str, image: Image.Image, quality: int = 90) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(encoded(image, quality=quality))


def cropped(image: Image.Image, share: float) -> Image.Image:
    width, height = image.size
    return image.crop((round(width * share), 0, width, height - round(height * share)))


def levels(data: dict[str, Any]) -> list[tuple[str, list[str], str, bool]]:
    return [
        (cluster["keep"], cluster["others"], cluster["level"], cluster["has_mirrored"])
        for cluster in data["duplicates"]["clusters"]
    ]


@pytest.mark.parametrize("share", [0.02, 0.04])
def test_a_cropped_copy_is_near(inspect: Inspect, tmp_path: Path, share: float) -> None:
    folder = tmp_path / "sets" / "cats"
    for number in range(6):
        save(folder, f"{number}.jpg", picture(number))
    save(folder, "part.jpg", cropped(picture(2), share))
    assert levels(inspect(dataset_path="cats")) == [("2.jpg", ["part.jpg"], "near", False)]


def test_a_mirrored_copy_is_near_and_said_to_be_mirrored(inspect: Inspect, tmp_path: Path) -> None:
    folder = tmp_path / "sets" / "cats"
    save(folder, "a.jpg", picture(2))
    save(folder, "b.jpg", ImageOps.mirror(picture(2)), quality=60)
    assert levels(inspect(dataset_path="cats")) == [("a.jpg", ["b.jpg"], "near", True)]


def test_one_scene_with_another_thing_in_it_is_possible_and_nothing_is_proposed(
    inspect: Inspect, tmp_path: Path
) -> None:
    folder = tmp_path / "sets" / "cats"
    for number in range(4):
        scene = picture(number)
        save(folder, f"{number}_a.jpg", scene)
        scene.paste(picture(50 + number).resize((60, 60)), (150, 120))
        save(folder, f"{number}_b.jpg", scene)
    data = inspect(dataset_path="cats")
    assert levels(data) == []
    (found,) = [each for each in data["findings"] if each["code"] == "IMAGE_DUPLICATE_POSSIBLE"]
    assert found["evidence"][0]["files"] == ["0_a.jpg", "0_b.jpg"]


def test_a_pair_is_compared_once_and_only_what_changed_again(
    inspect: Inspect, tmp_path: Path, compared: list[tuple[str, str]]
) -> None:
    folder = tmp_path / "sets" / "cats"
    for number in range(3):
        save(folder, f"{number}.jpg", picture(number))
        save(folder, f"{number}_again.jpg", picture(number), quality=40)
    first = inspect(dataset_path="cats")
    assert sorted(compared) == [(f"{number}.jpg", f"{number}_again.jpg") for number in range(3)]
    compared.clear()
    (folder / "caption.txt").write_text("a cat")
    save(folder, "1_again.jpg", picture(1), quality=55)
    os.utime(folder / "1_again.jpg", ns=(1, 1))
    second = inspect(dataset_path="cats")
    assert compared == [("1.jpg", "1_again.jpg")]
    assert levels(second) == levels(first)
    assert len(levels(first)) == 3


def test_files_of_equal_bytes_are_compared_for_all_by_one(
    inspect: Inspect, tmp_path: Path, compared: list[tuple[str, str]]
) -> None:
    folder = tmp_path / "sets" / "cats"
    save(folder, "a.jpg", picture(1))
    for name in ("b.jpg", "c.jpg", "d.jpg"):
        shutil.copyfile(folder / "a.jpg", folder / name)
    save(folder, "z.jpg", picture(1), quality=40)
    assert levels(inspect(dataset_path="cats")) == [
        ("a.jpg", ["b.jpg", "c.jpg", "d.jpg", "z.jpg"], "near", False)
    ]
    assert compared == [("a.jpg", "z.jpg")]


def test_pairs_that_time_did_not_allow_stay_possible_and_the_next_call_goes_on(
    inspect: Inspect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sets" / "cats"
    for number in range(3):
        save(folder, f"{number}.jpg", picture(number))
        save(folder, f"{number}_again.jpg", picture(number), quality=40)
    monkeypatch.setattr(compare, "_PAIRS", 1)
    monkeypatch.setattr(Scan, "is_late", lambda _scan, answer_s=None: answer_s is not None)
    first = inspect(dataset_path="cats")
    assert len(levels(first)) == 1
    assert first["duplicates"]["unconfirmed"] == 2
    assert "2 pairs stay possible" in first["scan"]["not_read"]["duplicates"]
    second = inspect(dataset_path="cats")
    assert len(levels(second)) == 2
    assert second["duplicates"]["unconfirmed"] == 1
    third = inspect(dataset_path="cats")
    assert len(levels(third)) == 3
    assert third["duplicates"]["unconfirmed"] == 0
    assert third["scan"]["not_read"] == {}


def test_a_picture_that_was_taken_away_meanwhile_leaves_its_pairs_possible(
    inspect: Inspect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "sets" / "cats"
    save(folder, "a.jpg", picture(1))
    save(folder, "b.jpg", picture(1), quality=40)
    real = compare.compare_piece

    def late(piece: compare.PieceOfPairs) -> tuple[float | None, ...]:
        (folder / "b.jpg").unlink()
        return real(piece)

    monkeypatch.setattr(confirm, "compare_piece", late)
    data = inspect(dataset_path="cats")
    assert levels(data) == []
    assert "IMAGE_DUPLICATE_POSSIBLE" in {finding["code"] for finding in data["findings"]}


def test_the_copy_without_a_frame_is_kept_though_it_has_fewer_pixels(
    inspect: Inspect, tmp_path: Path
) -> None:
    folder = tmp_path / "sets" / "cats"
    save(folder, "a.jpg", ImageOps.expand(picture(2), 8, (255, 255, 255)))
    save(folder, "b.jpg", picture(2))
    data = inspect(dataset_path="cats")
    assert levels(data) == [("b.jpg", ["a.jpg"], "near", False)]
    assert data["duplicates"]["clusters"][0]["why"] == "it has the most pixels within its borders"


def test_of_two_exposures_the_one_that_is_not_cut_to_white_is_kept(
    inspect: Inspect, tmp_path: Path
) -> None:
    folder = tmp_path / "sets" / "cats"
    image = picture(3).point(lambda level: min(235, level + 40))
    save(folder, "a.jpg", image.point(lambda level: min(255, round(1.2 * level))), quality=95)
    save(folder, "b.jpg", image, quality=80)
    data = inspect(dataset_path="cats")
    assert levels(data) == [("b.jpg", ["a.jpg"], "near", False)]
    assert data["duplicates"]["clusters"][0]["why"] == "the least of it is cut to black or white"
