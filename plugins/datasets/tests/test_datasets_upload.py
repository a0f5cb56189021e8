"""upload-dataset: pictures that come inside a call, and what is refused of them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from aitk_core.context import Session
from aitk_core.errors import ConflictError, InvalidArgumentsError, TooLargeError, ToolTimeoutError
from aitk_datasets.folder.walk import walk
from aitk_datasets.repair.system import FileSystem
from aitk_datasets.underway import Stopped
from aitk_datasets.upload import stage as staging

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.application import Application
    from aitk_core.errors import AitkError


def picture(seed: int = 0, form: str = "PNG", size: tuple[int, int] = (48, 36)) -> bytes:
    """Give a picture of noise, unlike that of any other seed."""
    rng = np.random.default_rng(seed)
    image = Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3)).astype(np.uint8))
    data = io.BytesIO()
    image.save(data, form)
    return data.getvalue()


def item(filename: str, data: bytes | None = None, **more: Any) -> dict[str, Any]:
    content = picture() if data is None else data
    return {"filename": filename, "content": base64.b64encode(content).decode(), **more}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give an empty datasets root."""
    folder = tmp_path / "sets"
    folder.mkdir()
    return folder


@pytest.fixture
def upload(call: Callable[..., Any], root: Path) -> Callable[..., dict[str, Any]]:
    """Give a function that uploads into `cats`: `upload(*items, **arguments)`."""

    def run(*images: Any, env: dict[str, str] | None = None, **arguments: Any) -> dict[str, Any]:
        environment = {"AITK_DATASETS_DIR": str(root), "AITK_PARALLEL": "threads", **(env or {})}
        wanted = {"dataset_name": "cats", **({"images": list(images)} if images else {})}
        answer = call(None, "upload-dataset", wanted | arguments, environment=environment)
        data: dict[str, Any] = answer.data
        return data

    return run


def files_in(root: Path) -> dict[str, bytes]:
    """Give everything below the root, hidden things too, by path."""
    return {
        str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()
    }


def refused(upload: Callable[..., Any], *images: Any, **arguments: Any) -> list[str]:
    """Give the codes of an upload that is refused whole, which has a remedy."""
    with pytest.raises(InvalidArgumentsError) as caught:
        upload(*images, **arguments)
    assert caught.value.remedy
    assert " object at 0x" not in json.dumps(caught.value.to_json())
    return [fault["code"] for fault in caught.value.details["faults"]]


def test_a_new_dataset_has_its_pictures_and_captions(upload: Any, root: Path) -> None:
    first, second = picture(1), picture(2, "JPEG", (20, 30))
    data = upload(item("a.png", first, caption="a cät\n"), item("b.JPG", second))
    assert files_in(root / "cats") == {
        "a.png": first,
        "a.txt": "a cät\n".encode(),
        "b.JPG": second,
    }
    assert data == {
        "dataset": "cats",
        "location": "cats/",
        "source": "folder",
        "created": True,
        "saved": [
            {"file": "a.png", "bytes": len(first), "width": 48, "height": 36, "caption": "a.txt"},
            {"file": "b.JPG", "bytes": len(second), "width": 20, "height": 30, "caption": None},
        ],
        "rejected": [],
        "totals": {
            "items": 2,
            "saved": 2,
            "rejected": 0,
            "captions": 1,
            "bytes": len(first) + len(second),
        },
    }
    assert [each.name for each in root.iterdir()] == ["cats"]


def test_more_pictures_join_those_that_are_there(upload: Any, root: Path) -> None:
    upload(item("a.png", caption="one"))
    before = files_in(root)
    data = upload(item("b.webp", picture(3, "WEBP"), caption="two"))
    assert data["created"] is False
    after = files_in(root)
    assert before.items() <= after.items()
    assert after.keys() - before.keys() == {"cats/b.webp", "cats/b.txt"}


def test_pitfall_54_a_dataset_is_one_folder_below_the_root(upload: Any, root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    (root / "link").symlink_to(outside)
    for name in (str(outside), "../outside", "..", ".", "a/b", "a\\b", ".hidden", "a\nb", " a"):
        with pytest.raises(InvalidArgumentsError) as caught:
            upload(item("a.png"), dataset_name=name)
        assert caught.value.details["faults"][0]["path"] == "/dataset_name"
    with pytest.raises(Exception, match="leads out") as left:
        upload(item("a.png"), dataset_name="link")
    assert left.value.code == "PATH_OUTSIDE_ROOTS"  # type: ignore[attr-defined]  # of AitkError
    assert list(outside.iterdir()) == []
    assert [each.name for each in root.iterdir()] == ["link"]


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("../../a.sh", b"#!/bin/sh", "NAME_INVALID"),
        ("../a.png", None, "NAME_INVALID"),
        ("a.sh", None, "NAME_INVALID"),
        (".a.png", None, "NAME_INVALID"),
        ("a.png", b"#!/bin/sh\n", "IMAGE_NOT_AN_IMAGE"),
        ("a.png", b"", "IMAGE_EMPTY_FILE"),
        ("a.png", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "IMAGE_NOT_AN_IMAGE"),
        ("a.png", picture(form="GIF"), "IMAGE_FORMAT_UNSUPPORTED"),
        ("a.png", picture(form="BMP"), "IMAGE_FORMAT_UNSUPPORTED"),
        ("a.jpg", picture(form="TIFF"), "IMAGE_FORMAT_UNSUPPORTED"),
        ("a.png", picture(size=(200, 200))[:3000], "IMAGE_TRUNCATED"),
        ("a.jpg", picture(form="JPEG", size=(200, 200))[:3000], "IMAGE_TRUNCATED"),
    ],
)
def test_pitfall_55_only_pictures_that_decode_are_saved(
    upload: Any, root: Path, name: str, data: bytes | None, code: str
) -> None:
    assert refused(upload, item(name, data)) == [code]
    assert list(root.iterdir()) == []


def test_the_content_decides_and_not_the_name(upload: Any) -> None:
    assert upload(item("a.png", picture(form="JPEG")))["totals"]["saved"] == 1


def test_pitfall_100_one_fault_refuses_all_and_nothing_is_written(upload: Any, root: Path) -> None:
    images = [item("a.png"), item("x.png", b"junk"), item("b.png", caption=" \n")]
    assert refused(upload, *images) == ["IMAGE_NOT_AN_IMAGE", "CAPTION_EMPTY"]
    assert list(root.iterdir()) == []


def test_pitfall_100_what_is_sound_is_saved_where_that_is_asked_for(
    upload: Any, root: Path
) -> None:
    images = [item("a.png"), item("x.png", b"junk", caption="junk"), item("b.png", caption=None)]
    data = upload(*images, allow_partial=True)
    assert sorted(files_in(root)) == ["cats/a.png", "cats/b.png"]
    assert [(each["index"], each["code"]) for each in data["rejected"]] == [
        (1, "IMAGE_NOT_AN_IMAGE")
    ]
    assert (data["totals"]["items"], data["totals"]["captions"]) == (3, 0)


def test_where_all_is_refused_no_folder_is_made(upload: Any, root: Path) -> None:
    data = upload(item("x.png", b"junk"), allow_partial=True)
    assert (data["created"], data["saved"]) == (False, [])
    assert list(root.iterdir()) == []


def test_pitfall_100_a_null_caption_is_none_and_leaves_no_file(upload: Any, root: Path) -> None:
    data = upload(item("a.png", caption=None))
    assert data["totals"]["saved"] == 1
    assert sorted(files_in(root)) == ["cats/a.png"]


def test_pitfall_100_no_name_is_replaced(upload: Any, root: Path) -> None:
    upload(item("a.png", picture(1), caption="one"))
    before = files_in(root)
    assert refused(upload, item("a.png", picture(2))) == ["NAME_TAKEN"]
    assert refused(upload, item("A.PNG", picture(2))) == ["NAME_TAKEN"]
    assert refused(upload, item("b.png"), item("B.png")) == ["NAME_TWICE"]
    assert refused(upload, item("b.png"), item("b.png")) == ["NAME_TWICE"]
    assert files_in(root) == before


def test_pitfall_100_pictures_that_share_a_caption_file_must_share_the_caption(
    upload: Any, root: Path
) -> None:
    one, other = item("x.png", caption="one"), item("x.jpg", picture(form="JPEG"), caption="two")
    assert refused(upload, one, other) == ["CAPTION_STEM_SHARED"]
    assert refused(upload, one, other | {"caption": None}) == ["CAPTION_STEM_SHARED"]
    data = upload(one, other | {"caption": "one"})
    assert (data["totals"]["saved"], data["totals"]["captions"]) == (2, 1)
    third = item("x.webp", picture(form="WEBP"))
    assert refused(upload, third) == ["CAPTION_STEM_SHARED"]
    assert upload(third | {"caption": "one"})["totals"]["captions"] == 0
    assert files_in(root)["cats/x.txt"] == b"one"


def test_a_caption_is_written_where_the_first_picture_of_its_stem_was_refused(
    upload: Any, root: Path
) -> None:
    junk = item("x.png", b"junk", caption="one")
    upload(junk, item("x.jpg", picture(form="JPEG"), caption="one"), allow_partial=True)
    assert sorted(files_in(root)) == ["cats/x.jpg", "cats/x.txt"]


def test_a_caption_file_that_waits_is_taken_where_it_says_the_same(upload: Any, root: Path) -> None:
    (root / "cats").mkdir()
    (root / "cats" / "a.txt").write_bytes(b"mine")
    assert refused(upload, item("a.png", caption="other")) == ["CAPTION_STEM_SHARED"]
    assert upload(item("a.png", caption="mine"))["saved"][0]["caption"] == "a.txt"
    assert files_in(root)["cats/a.txt"] == b"mine"


def test_pitfall_101_the_trainers_list_of_sizes_is_left_to_the_trainer(
    upload: Any, root: Path
) -> None:
    (root / "cats").mkdir()
    (root / "cats" / ".aitk_size.json").write_bytes(b"{}")
    upload(item("a.png"))
    assert files_in(root)["cats/.aitk_size.json"] == b"{}"


def test_names_are_kept_in_one_form_of_unicode(upload: Any, root: Path) -> None:
    decomposed, composed = "gru\u0308n.png", "gr\u00fcn.png"
    assert upload(item(decomposed))["saved"][0]["file"] == composed
    assert (root / "cats" / composed).is_file()
    assert refused(upload, item(decomposed)) == ["NAME_TAKEN"]


def test_a_dataset_whose_name_differs_in_case_only_is_refused(upload: Any, root: Path) -> None:
    (root / "Cats").mkdir()
    with pytest.raises(InvalidArgumentsError, match="differs only in case"):
        upload(item("a.png"))


@pytest.mark.parametrize(
    "content",
    ["not base64!", "QUJD=", "QUI", "QUI=QUJD", "é", "====", "data:image/png;base64,QUJD"],
)
def test_what_is_not_base64_is_refused_without_a_word_of_the_decoder(
    upload: Any, content: str
) -> None:
    faults = refused(upload, {"filename": "a.png", "content": content})
    assert faults == ["CONTENT_NOT_BASE64"]


def test_base64_in_lines_is_read(upload: Any) -> None:
    content = base64.encodebytes(picture()).decode()
    assert upload({"filename": "a.png", "content": content})["totals"]["saved"] == 1


def test_captions_are_utf_8_without_a_mark(upload: Any, root: Path) -> None:
    upload(item("a.png", caption="\ufeffa cat"))
    assert files_in(root)["cats/a.txt"] == b"a cat"
    assert refused(upload, item("b.png", caption="x" * 20_001)) == ["CAPTION_TOO_LONG"]
    assert refused(upload, item("b.png", caption="a\0b")) == ["CAPTION_INVALID"]


def test_limits_hold_for_number_file_and_sum(upload: Any, root: Path) -> None:
    images = [item("a.png", picture(1)), item("b.png", picture(2))]
    size = len(picture(1))
    with pytest.raises(TooLargeError) as many:
        upload(*images, env={"AITK_UPLOAD_MAX_FILES": "1"})
    with pytest.raises(TooLargeError) as large:
        upload(*images, env={"AITK_UPLOAD_MAX_BYTES": str(size + 10)})
    assert many.value.details["limit"] == 1
    assert large.value.details["limit"] == size + 10
    env = {"AITK_UPLOAD_MAX_FILE_BYTES": str(size - 1)}
    with pytest.raises(InvalidArgumentsError) as one:
        upload(images[0], env=env)
    assert one.value.details["faults"][0]["code"] == "FILE_TOO_LARGE"
    assert list(root.iterdir()) == []


def test_pictures_or_a_source_but_not_both(upload: Any, root: Path) -> None:
    for arguments in ({}, {"images": [item("a.png")], "source_path": str(root)}):
        with pytest.raises(InvalidArgumentsError, match="not both"):
            upload(**arguments)


def test_names_in_answers_cannot_forge_lines(upload: Any) -> None:
    with pytest.raises(InvalidArgumentsError) as caught:
        upload(item("a\n- b.png\x1b[2J", b""))
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours runs after it."""


def steps_of(upload: Any, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> int:
    """Count the changes that an upload makes."""
    seen: list[str] = []
    system = FileSystem(step=lambda kind, _name: seen.append(kind), durable=False)
    watch(monkeypatch, system)
    upload(**arguments)
    return len(seen)


def watch(monkeypatch: pytest.MonkeyPatch, system: FileSystem) -> None:
    original = staging.Stage
    monkeypatch.setattr("aitk_datasets.tools.upload.Stage", lambda target: original(target, system))


def failing_at(number: int, error: Callable[[], BaseException]) -> FileSystem:
    seen = iter(range(10_000))

    def step(_kind: str, _name: str) -> None:
        if next(seen) == number:
            raise error()

    return FileSystem(step=step, durable=False)


PAIR = [item("b.png", picture(2), caption="two"), item("c.png", picture(3), caption="three")]


@pytest.mark.parametrize("is_new", [True, False])
def test_a_disk_that_fails_at_any_step_leaves_nothing(
    upload: Any, root: Path, monkeypatch: pytest.MonkeyPatch, *, is_new: bool
) -> None:
    def begin(name: str) -> dict[str, bytes]:
        if not is_new:
            (root / name).mkdir()
            (root / name / "a.txt").write_bytes(b"here")
        return files_in(root)

    begin("count")
    count = steps_of(upload, monkeypatch, images=PAIR, dataset_name="count")
    assert count >= 10
    for number in range(count):
        name = f"set{number}"
        before = begin(name)
        watch(monkeypatch, failing_at(number, lambda: OSError(28, "No space left on device")))
        with pytest.raises(ConflictError, match="No space left") as caught:
            upload(images=PAIR, dataset_name=name)
        assert caught.value.remedy
        assert files_in(root) == before
        assert list(root.rglob(".aitk-upload-*")) == []


@pytest.mark.parametrize("is_new", [True, False])
def test_a_process_killed_at_any_step_leaves_nothing_half_done(
    tmp_path: Path, *, is_new: bool
) -> None:
    texts, pictures = {"b.txt": b"two", "c.txt": b"three"}, {"b.png": b"2", "c.png": b"3"}

    def run(target: Path, system: FileSystem) -> None:
        stage = staging.Stage(target, system)
        stage.open(0)
        for name, data in (texts | pictures).items():
            stage.write(name, [data])
        stage.publish(list(pictures))

    seen: list[str] = []
    if not is_new:
        (tmp_path / "count").mkdir()
    run(tmp_path / "count", FileSystem(step=lambda kind, _n: seen.append(kind), durable=False))
    for number in range(len(seen)):
        target = tmp_path / f"set{number}"
        if not is_new:
            target.mkdir()
        with pytest.raises(Killed):
            run(target, failing_at(number, Killed))
        if is_new and not target.exists():
            continue
        listing = walk(target)
        there = {image.path: image.caption for image in listing.images}
        # Whole pictures with their captions, or nothing; all of them where the folder is new.
        assert there.items() <= {"b.png": "b.txt", "c.png": "c.txt"}.items()
        assert not is_new or len(there) == 2
        for name in [*there, *filter(None, there.values()), *listing.orphans]:
            assert (target / name).read_bytes() == (texts | pictures)[name]


def test_nothing_appears_after_the_call_is_over(tmp_path: Path) -> None:
    stage = staging.Stage(tmp_path / "cats", FileSystem(durable=False))
    stage.open(0)
    stage.write("a.png", [b"1"])
    stage.stop()
    with pytest.raises(Stopped):
        stage.publish(["a.png"])
    stage.discard()
    with pytest.raises(Stopped):
        stage.open(0)
    assert list(tmp_path.iterdir()) == []


def test_a_call_that_runs_out_of_time_leaves_nothing(
    application_with: Callable[..., Application], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = threading.Event()

    def wait(kind: str, name: str) -> None:
        # The thread goes on only once the call has given up, as a slow disk would.
        if kind == "write" and name == "c.png":
            assert released.wait(30)

    original = staging.Stage.stop

    def stop(stage: staging.Stage) -> None:
        original(stage)
        released.set()

    monkeypatch.setattr(staging.Stage, "stop", stop)
    watch(monkeypatch, FileSystem(step=wait, durable=False))
    environment = {"AITK_DATASETS_DIR": str(root), "AITK_PARALLEL": "threads"}
    application = application_with(None, environment)
    arguments = {"dataset_name": "cats", "images": PAIR}

    async def once() -> None:
        async with application:
            session = Session(request_id="test", policy=application.policy, timeout_s=0.5)
            await application.dispatcher.call("upload-dataset", arguments, session)

    with pytest.raises(ToolTimeoutError):
        asyncio.run(once())
    assert list(root.iterdir()) == []


def test_a_name_that_is_taken_at_the_last_moment_is_not_replaced(
    upload: Any, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "cats").mkdir()

    def meddle(kind: str, name: str) -> None:
        if kind in ("rename", "link") and name == "c.png":
            (root / "cats" / "c.png").write_bytes(b"theirs")

    watch(monkeypatch, FileSystem(step=meddle, durable=False))
    with pytest.raises(ConflictError, match="made by somebody else"):
        upload(images=PAIR)
    assert files_in(root) == {"cats/c.png": b"theirs"}


@pytest.mark.parametrize("methods", [("link", "reserve"), ("reserve",)])
def test_file_systems_that_lack_the_better_ways_do(
    upload: Any, root: Path, monkeypatch: pytest.MonkeyPatch, methods: Any
) -> None:
    (root / "cats").mkdir()
    watch(monkeypatch, FileSystem(methods=methods, durable=False))
    upload(images=PAIR)
    assert sorted(files_in(root)) == ["cats/b.png", "cats/b.txt", "cats/c.png", "cats/c.txt"]


def test_what_a_killed_upload_left_is_cleared_away_after_a_day(upload: Any, root: Path) -> None:
    old, young, other = (
        root / f"{staging.PREFIX}{'0' * 16}",
        root / f"{staging.PREFIX}{'1' * 16}",
        root / f"{staging.PREFIX}mine",
    )
    for folder in (old, young, other):
        folder.mkdir()
        (folder / "a.png").write_bytes(b"1")
        if folder != young:
            os.utime(folder, (0, time.time() - 2 * 86_400))
    upload(item("a.png"))
    assert (old.exists(), young.exists(), other.exists()) == (False, True, True)


def test_a_read_only_server_does_not_offer_it(call: Callable[..., Any], root: Path) -> None:
    environment = {"AITK_DATASETS_DIR": str(root), "AITK_READ_ONLY": "true"}
    arguments = {"dataset_name": "cats", "images": [item("a.png")]}
    with pytest.raises(Exception, match=r".") as caught:
        call(None, "upload-dataset", arguments, environment=environment)
    error: AitkError = caught.value  # type: ignore[assignment]  # what the dispatcher raises
    assert error.code == "READ_ONLY"
    assert list(root.iterdir()) == []
