"""upload-dataset from a folder and from a zip on the server's machine."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from aitk_core.errors import (
    FileMissingError,
    InvalidArgumentsError,
    PathOutsideRootsError,
    TooLargeError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def picture(seed: int = 0, form: str = "PNG") -> bytes:
    rng = np.random.default_rng(seed)
    data = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (36, 48, 3)).astype(np.uint8)).save(data, form)
    return data.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give an empty datasets root."""
    folder = tmp_path / "sets"
    folder.mkdir()
    return folder


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    """Give a folder inside another root."""
    folder = tmp_path / "outputs" / "inbox"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def upload(call: Callable[..., Any], root: Path, inbox: Path) -> Callable[..., dict[str, Any]]:
    """Give a function that uploads a source into `cats`."""

    def run(
        source: Path | str, *, env: dict[str, str] | None = None, **arguments: Any
    ) -> dict[str, Any]:
        environment = {
            "AITK_DATASETS_DIR": str(root),
            "AITK_OUTPUTS_DIR": str(inbox.parent),
            "AITK_PARALLEL": "threads",
            **(env or {}),
        }
        wanted = {"dataset_name": "cats", "source_path": str(source), **arguments}
        data: dict[str, Any] = call(None, "upload-dataset", wanted, environment=environment).data
        return data

    return run


def codes(upload: Any, source: Path, **more: Any) -> dict[str, str]:
    """Give the codes of what an upload leaves out, by name."""
    data = upload(source, allow_partial=True, **more)
    return {each["filename"]: each["code"] for each in data["rejected"]}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def packed(file: Path, members: dict[str, bytes | str], **options: Any) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data, **options)
    return file


def test_a_folder_comes_with_its_captions_and_sub_folders(
    upload: Any, root: Path, inbox: Path
) -> None:
    (inbox / "10_concept").mkdir()
    (inbox / "_controls").mkdir()
    (inbox / "a.png").write_bytes(picture(1))
    (inbox / "a.txt").write_bytes(b"\xef\xbb\xbfone")
    (inbox / "10_concept" / "b.JPG").write_bytes(picture(2, "JPEG"))
    (inbox / "_controls" / "a.depth.jpg").write_bytes(picture(3, "JPEG"))
    (inbox / ".hidden.png").write_bytes(picture(4))
    (inbox / "notes.md").write_bytes(b"passed over")
    data = upload(inbox)
    assert names_in(root / "cats") == ["a.png", "a.txt", "b.JPG"]
    assert (root / "cats" / "a.txt").read_bytes() == b"one"
    assert (root / "cats" / "a.png").read_bytes() == picture(1)
    assert data["totals"] == {
        "items": 2,
        "saved": 2,
        "rejected": 0,
        "captions": 1,
        "bytes": len(picture(1)) + len(picture(2, "JPEG")),
    }


def test_what_a_folder_holds_and_cannot_be_saved_is_named(
    upload: Any, root: Path, inbox: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.png").write_bytes(picture())
    (inbox / "link.png").symlink_to(tmp_path / "secret.png")
    for name in ("a.png", "c.png", "d.png"):
        (inbox / name).write_bytes(picture())
    (inbox / "a.txt").symlink_to(tmp_path / "secret.png")
    (inbox / "b.gif").write_bytes(picture(form="GIF"))
    (inbox / "c.mp4").write_bytes(b"video")
    (inbox / "c.txt").write_bytes(b"\xff\xfe")
    (inbox / "d.txt").write_bytes(b"\n")
    (inbox / "sub").mkdir()
    (inbox / "sub" / "e.png").write_bytes(picture())
    (inbox / "e.png").write_bytes(picture())
    (root / "cats").mkdir()
    data = upload(inbox, allow_partial=True)
    assert [(each["filename"], each["code"]) for each in data["rejected"]] == [
        ("a.png", "SOURCE_LINK"),
        ("b.gif", "IMAGE_FORMAT_UNSUPPORTED"),
        ("c.mp4", "VIDEO_NOT_TAKEN"),
        ("c.png", "CAPTION_INVALID"),
        ("d.png", "CAPTION_EMPTY"),
        ("link.png", "SOURCE_LINK"),
        ("e.png", "NAME_TWICE"),
    ]
    assert names_in(root / "cats") == ["e.png"]


def test_a_source_lies_inside_a_root(upload: Any, root: Path, inbox: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(picture())
    (inbox / "link").symlink_to(tmp_path)
    for source in (tmp_path, inbox / "link", inbox / ".." / ".." / "a.png"):
        with pytest.raises(PathOutsideRootsError):
            upload(source)
    with pytest.raises(FileMissingError):
        upload(inbox / "none.zip")
    assert names_in(root) == []


def test_a_source_that_is_no_zip_is_refused(upload: Any, inbox: Path) -> None:
    (inbox / "a.zip").write_bytes(b"PK nothing")
    os.mkfifo(inbox / "pipe.zip")
    (inbox / "empty").mkdir()
    for name in ("a.zip", "pipe.zip", "empty"):
        with pytest.raises(InvalidArgumentsError) as caught:
            upload(inbox / name)
        assert caught.value.details["faults"][0]["path"] == "/source_path"
        assert caught.value.remedy


def test_a_zip_comes_with_its_captions(upload: Any, root: Path, inbox: Path) -> None:
    members: dict[str, bytes | str] = {
        "cats/": b"",
        "cats/a.png": picture(1),
        "cats/a.txt": "one",
        "b.webp": picture(2, "WEBP"),
        "__MACOSX/cats/._a.png": b"shadow",
        "cats/.DS_Store": b"",
        "cats/_latent_cache/a.png": b"cache",
        "cats/_controls/c.png": picture(3),
        "cats/_controls/below/d.png": picture(4),
        "readme.md": "passed over",
    }
    data = upload(packed(inbox / "cats.zip", members))
    # As in the walk: a control is what lies in such a folder itself, not further below it.
    assert names_in(root / "cats") == ["a.png", "a.txt", "b.webp", "d.png"]
    assert (data["totals"]["items"], data["totals"]["captions"]) == (3, 1)


@pytest.mark.parametrize(
    "name", ["../a.png", "/a.png", "x/../../a.png", "..\\a.png", "C:\\a.png", "./a.png", "x//a.png"]
)
def test_a_member_whose_path_leads_elsewhere_is_refused(
    upload: Any, root: Path, inbox: Path, name: str
) -> None:
    source = packed(inbox / "bad.zip", {name: picture(), "good.png": picture(1)})
    with pytest.raises(InvalidArgumentsError):
        upload(source)
    assert names_in(root) == []
    assert set(codes(upload, source).values()) <= {"ARCHIVE_PATH", "NAME_INVALID"}
    assert names_in(root / "cats") == ["good.png"]
    assert not list(inbox.parent.rglob("*.png"))


def test_links_in_a_zip_are_refused(upload: Any, root: Path, inbox: Path) -> None:
    link = zipfile.ZipInfo("a.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(inbox / "bad.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert codes(upload, inbox / "bad.zip") == {"a.png": "SOURCE_LINK"}
    assert names_in(root) == []


def test_encrypted_members_are_refused(upload: Any, inbox: Path) -> None:
    data = bytearray(packed(inbox / "a.zip", {"a.png": picture()}).read_bytes())
    # Bit 0 of the flags, in the local header and in the directory (APPNOTE 4.3.7, 4.3.12).
    data[6] |= 1
    data[data.rindex(b"PK\x01\x02") + 8] |= 1
    (inbox / "a.zip").write_bytes(data)
    assert codes(upload, inbox / "a.zip") == {"a.png": "ARCHIVE_ENCRYPTED"}


def test_a_member_packed_in_a_rare_way_is_refused(upload: Any, inbox: Path) -> None:
    source = packed(inbox / "a.zip", {"a.png": picture()}, compress_type=zipfile.ZIP_LZMA)
    assert codes(upload, source) == {"a.png": "ARCHIVE_METHOD"}


def test_a_damaged_member_costs_itself_only(upload: Any, root: Path, inbox: Path) -> None:
    source = packed(inbox / "a.zip", {"a.png": picture(1), "b.png": picture(2)})
    data = bytearray(source.read_bytes())
    data[200] ^= 0xFF
    source.write_bytes(data)
    assert codes(upload, source) == {"a.png": "ARCHIVE_DAMAGED"}
    assert names_in(root / "cats") == ["b.png"]


def test_a_member_that_grows_without_end_is_stopped(upload: Any, root: Path, inbox: Path) -> None:
    source = packed(inbox / "bomb.zip", {"a.png": picture() + bytes(8 << 20)})
    assert source.stat().st_size < 1 << 17
    assert codes(upload, source) == {"a.png": "ARCHIVE_BOMB"}
    assert names_in(root) == []


def test_a_caption_that_grows_without_end_is_stopped(upload: Any, inbox: Path) -> None:
    source = packed(inbox / "bomb.zip", {"a.png": picture(), "a.txt": b"x" * (8 << 20)})
    assert codes(upload, source) == {"a.png": "CAPTION_TOO_LONG"}


def test_limits_hold_while_a_zip_is_unpacked(upload: Any, root: Path, inbox: Path) -> None:
    source = packed(inbox / "a.zip", {f"{number}.png": picture(number) for number in range(3)})
    for env in ({"AITK_UPLOAD_MAX_FILES": "2"}, {"AITK_UPLOAD_MAX_BYTES": "9000"}):
        with pytest.raises(TooLargeError):
            upload(source, env=env)
    assert names_in(root) == []


def test_a_directory_of_a_zip_that_claims_to_be_huge_is_not_read(upload: Any, inbox: Path) -> None:
    members: dict[str, bytes | str] = {
        f"{number:05}{'x' * 240}.md": b"" for number in range(16_000)
    }
    source = packed(inbox / "a.zip", members)
    with pytest.raises(TooLargeError, match="directory"):
        upload(source)


def test_a_name_of_a_member_never_leaks_a_path_or_an_object(upload: Any, inbox: Path) -> None:
    source = packed(inbox / "a.zip", {"a\n.png": b"junk"})
    with pytest.raises(InvalidArgumentsError) as caught:
        upload(source)
    said = str(caught.value.to_json())
    assert " object at 0x" not in said
    assert str(inbox) not in said
