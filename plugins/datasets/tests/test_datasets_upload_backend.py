"""upload-dataset where the datasets are the backend's, and the laws of names."""

from __future__ import annotations

import base64
import io
import unicodedata
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.backend.datasets import checked_file_name
from aitk_core.errors import BackendError, InvalidArgumentsError
from aitk_datasets.folder.names import fold
from aitk_datasets.upload import send
from aitk_datasets.upload.checks import Staged
from aitk_datasets.upload.items import Item, Refused, decoded
from aitk_datasets.upload.names import Admission, Present, picture_name, plain_name
from aitk_sandbox.app import create_app, open_backend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def picture(seed: int = 0) -> bytes:
    rng = np.random.default_rng(seed)
    data = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (36, 48, 3)).astype(np.uint8)).save(data, "PNG")
    return data.getvalue()


def item(filename: str, data: bytes | None = None, **more: Any) -> dict[str, Any]:
    content = base64.b64encode(picture() if data is None else data).decode()
    return {"filename": filename, "content": content, **more}


class Lab:
    """The embedded backend's routes behind the real client; may fail at an upload."""

    def __init__(self, folder: Path) -> None:
        inside = open_backend(folder)
        self.datasets = inside.folders.datasets
        self.routes = httpx.ASGITransport(app=create_app(inside))
        self.uploads = 0
        self.fails_from = 1000
        transport = httpx.MockTransport(self.answer)
        self.backend = AiToolkitBackend("http://lab.test", transport=transport, backoff_s=())

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/datasets/upload":
            self.uploads += 1
            if self.uploads >= self.fails_from:
                return httpx.Response(500, json={"error": "Error uploading files"})
        return await self.routes.handle_async_request(request)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Give a backend whose datasets this machine does not see."""
    return Lab(tmp_path / "lab")


@pytest.fixture
def upload(call: Callable[..., Any], lab: Lab, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Give a function that uploads into the backend's `cats`."""

    def run(*images: Any, **arguments: Any) -> dict[str, Any]:
        # Configured, and not there: as where the datasets are another machine's.
        environment = {"AITK_DATASETS_DIR": str(tmp_path / "none"), "AITK_PARALLEL": "threads"}
        wanted = {"dataset_name": "cats", "images": list(images)} | arguments
        data: dict[str, Any] = call(
            lab.backend, "upload-dataset", wanted, environment=environment
        ).data
        return data

    return run


def test_without_a_root_the_backend_saves_pictures_and_captions(upload: Any, lab: Lab) -> None:
    data = upload(item("a.png", caption="one"), item("b.png", picture(1)))
    there = {path.name: path.read_bytes() for path in (lab.datasets / "cats").iterdir()}
    assert there == {"a.png": picture(), "a.txt": b"one", "b.png": picture(1)}
    assert (data["source"], data["created"], data["totals"]["captions"]) == ("backend", True, 1)
    assert upload(item("c.png"))["created"] is False


def test_pitfall_100_what_the_backend_has_is_not_replaced(upload: Any, lab: Lab) -> None:
    upload(item("a.png", caption="one"))
    for images, code in (
        ([item("A.png", picture(2))], "NAME_TAKEN"),
        ([item("a.png", picture(2))], "NAME_TAKEN"),
        ([item("a.jpg", caption="two")], "CAPTION_STEM_SHARED"),
        ([item("gr\u00fcn.png")], "NAME_INVALID"),
        ([item("my photo.png")], "NAME_INVALID"),
        ([item("x.png", b"junk")], "IMAGE_NOT_AN_IMAGE"),
    ):
        with pytest.raises(InvalidArgumentsError) as caught:
            upload(*images)
        assert [fault["code"] for fault in caught.value.details["faults"]] == [code]
    assert (lab.datasets / "cats" / "a.png").read_bytes() == picture()
    assert lab.uploads == 1


def test_a_caption_that_waits_at_the_backend_is_not_replaced(upload: Any, lab: Lab) -> None:
    upload(item("a.png"))
    (lab.datasets / "cats" / "b.txt").write_bytes(b"mine")
    with pytest.raises(InvalidArgumentsError) as caught:
        upload(item("b.png", caption="other"))
    assert caught.value.details["faults"][0]["code"] == "CAPTION_STEM_SHARED"
    assert upload(item("b.png", caption="mine"))["totals"]["captions"] == 0


def test_a_backend_that_fails_in_between_says_what_was_saved(
    upload: Any, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "BATCH_BYTES", len(picture()) + 100)
    lab.fails_from = 2
    with pytest.raises(BackendError, match="1 of 2 pictures were saved before") as caught:
        upload(item("a.png", caption="one"), item("b.png", caption="two"))
    assert caught.value.details["saved"] == ["a.png"]
    assert caught.value.remedy
    assert sorted(path.name for path in (lab.datasets / "cats").iterdir()) == ["a.png", "a.txt"]


@pytest.mark.parametrize("name", ["..", "../x", "/abs/dir", "a/b", ".hidden"])
def test_pitfall_54_no_name_leads_the_backend_out_of_its_folder(
    upload: Any, lab: Lab, name: str
) -> None:
    with pytest.raises(InvalidArgumentsError):
        upload(item("a.png"), dataset_name=name)
    assert lab.uploads == 0


def staged(name: str, size: int, caption: str | None) -> Staged:
    unread = Item(index=0, given=name, read=lambda: iter(()), caption=lambda: caption)
    return Staged(unread, name, size, caption, caption is not None)


@given(
    st.lists(st.tuples(st.integers(0, 20 << 20), st.none() | st.text(max_size=20)), max_size=500)
)
def test_batches_hold_everything_once_and_stay_below_their_size(
    sizes: list[tuple[int, str | None]],
) -> None:
    pictures = [
        staged(f"{number}.png", size, caption) for number, (size, caption) in enumerate(sizes)
    ]
    found = list(send.batches(pictures))
    assert [one for batch in found for one, _brings in batch] == pictures
    assert all(brings == one.writes_caption for batch in found for one, brings in batch)
    assert all(sum(one.size for one, _brings in batch) <= send.BATCH_BYTES for batch in found)
    assert all(found)


NAMES = st.text(max_size=30) | st.text(
    st.sampled_from("aA.\u00e9e\u0301/\\: \n\0-_pnjg"), max_size=12
)


@given(NAMES)
def test_a_name_that_passes_is_one_visible_component_below_any_folder(text: str) -> None:
    try:
        name = plain_name(text)
    except Refused:
        return
    assert not {"/", "\\", ":", "\0", "\n"} & set(name)
    assert not name.startswith(".")
    assert name.isprintable()
    assert unicodedata.is_normalized("NFC", name)
    assert plain_name(name) == name
    assert len(name.encode()) <= 200


@given(NAMES, st.sampled_from([".png", ".JPG", ".webp"]))
def test_a_name_for_the_backend_is_one_that_it_keeps(text: str, ending: str) -> None:
    try:
        name = send.kept_name(text + ending)
    except Refused:
        return
    assert checked_file_name(name) == name == picture_name(name)


@given(st.lists(NAMES.map(lambda text: text + ".png"), max_size=12))
def test_names_that_are_admitted_differ_for_every_system(names: list[str]) -> None:
    admission, kept = Admission(Present()), []
    for text in names:
        try:
            name = picture_name(text)
            admission.admit(name, None)
        except Refused:
            continue
        kept.append(name)
    assert len({fold(name) for name in kept}) == len(kept)


@given(st.binary(max_size=3000), st.integers(1, 60))
def test_base64_gives_back_the_bytes_however_it_is_broken_into_lines(
    data: bytes, width: int
) -> None:
    text = base64.b64encode(data).decode()
    lines = "\r\n".join(text[begin : begin + width] for begin in range(0, len(text), width))
    assert b"".join(decoded(lines)) == data


@given(st.binary(min_size=1, max_size=200), st.integers(1, 12))
def test_base64_reads_the_same_in_parts_of_any_length(data: bytes, part: int) -> None:
    text = base64.b64encode(data).decode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aitk_datasets.upload.items._CHARS", part)
        assert b"".join(decoded(text)) == data
        with pytest.raises(Refused):
            list(decoded(text + "A"))
