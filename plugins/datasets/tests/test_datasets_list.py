"""list-datasets: what a walk shows of each folder, who uses it, and the backend in its place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.errors import BackendUnreachableError
from aitk_core.wording import size_text
from aitk_datasets.listing.folders import line_of_media
from aitk_datasets.listing.jobs import jobs_by_folder
from aitk_sandbox.app import create_app, open_backend

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.records.results import ToolResult


class Lab:
    """The embedded backend's routes behind the real client, and its folders."""

    def __init__(self, folder: Path) -> None:
        self.inside = open_backend(folder)
        self.routes = httpx.ASGITransport(app=create_app(self.inside))
        self.backend = AiToolkitBackend("http://lab.test", transport=self.routes)

    def job(self, name: str, *folders: str) -> str:
        datasets = [{"folder_path": folder} for folder in folders]
        config = {"job": "extension", "config": {"name": name, "process": [{"datasets": datasets}]}}
        fields = {
            "name": name,
            "gpu_ids": "0",
            "job_config": json.dumps(config),
            "status": "stopped",
        }
        return str(self.inside.state.create_job(fields)["id"])


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    """Give a backend whose datasets are not those of this machine's root."""
    return Lab(tmp_path / "lab")


def away() -> AiToolkitBackend:
    """Give a backend that is not there."""

    def refuse(request: httpx.Request) -> httpx.Response:
        message = "refused"
        raise httpx.ConnectError(message, request=request)

    transport = httpx.MockTransport(refuse)
    return AiToolkitBackend("http://down.test", backoff_s=(), transport=transport)


@pytest.fixture
def listed(call: Callable[..., ToolResult], tmp_path: Path) -> Callable[..., ToolResult]:
    """Give a function that lists the datasets below this machine's root."""

    def run(backend: AiToolkitBackend, **arguments: Any) -> ToolResult:
        environment = {"AITK_DATASETS_DIR": str(tmp_path / "sets")}
        return call(backend, "list-datasets", arguments, environment=environment)

    return run


def put(folder: Path, **files: bytes) -> None:
    """Make files; `__` stands for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)


def test_each_folder_says_what_it_holds_and_who_uses_it(
    listed: Callable[..., ToolResult], lab: Lab, tmp_path: Path
) -> None:
    sets = tmp_path / "sets"
    put(sets / "dogs", a__jpg=b"12345", b__JPG=b"123", a__txt=b"a dog", c__mp4=b"1", old__txt=b"x")
    put(sets / "cats" / "10_concept", a__jpg=b"1")
    put(sets / ".aitk-upload-1", a__jpg=b"1")
    (sets / "notes.txt").write_text("no folder")
    elsewhere = lab.job("walks", "/toolkit/datasets/dogs/", "/toolkit/datasets/dogs")
    lab.job("other", "/toolkit/datasets/hotdogs")
    result = listed(lab.backend)
    data: Any = result.data
    cats, dogs = data["datasets"]
    assert data["source"] == "folder"
    assert (data["total"], data["next_cursor"], data["notes"]) == (2, None, [])
    assert dogs == {
        "name": "dogs",
        "images": 2,
        "videos": 1,
        "bytes": 8,
        "captions": {"with_caption": 1, "without_caption": 1, "orphans": 1},
        "problems": [],
        "jobs": [{"id": elsewhere, "name": "walks", "status": "stopped"}],
        "job_count": 1,
    }
    assert (cats["name"], cats["images"], cats["jobs"], cats["job_count"]) == ("cats", 1, [], 0)
    assert "- dogs (2 images, 1 video, 8 B, 1 captioned); used by 1 job" in result.summary


def test_pitfall_98_pictures_of_nested_folders_count(
    listed: Callable[..., ToolResult], tmp_path: Path
) -> None:
    put(tmp_path / "sets" / "cats" / "10_concept", a__jpg=b"1", b__WEBP=b"1")
    result = listed(away())
    assert result.data is not None
    assert result.data["datasets"][0]["images"] == 2
    assert "- cats (2 images" in result.summary


def test_problems_are_what_names_and_sizes_show(
    listed: Callable[..., ToolResult], tmp_path: Path
) -> None:
    put(
        tmp_path / "sets" / "cats",
        a__jpg=b"",
        b__jpg=b"1",
        b__png=b"1",
        c__bmp=b"1",
        d__jpg=b"1",
        d__TXT=b"a cat",
    )
    data: Any = listed(away()).data
    found = {problem["code"]: problem for problem in data["datasets"][0]["problems"]}
    assert {code: problem["examples"] for code, problem in found.items()} == {
        "IMAGE_EMPTY_FILE": ["a.jpg"],
        "IMAGE_FORMAT_UNSUPPORTED": ["c.bmp"],
        "CAPTION_STEM_SHARED": ["b.jpg", "b.png"],
        "CAPTION_WRONG_CASE": ["d.TXT"],
    }
    assert found["CAPTION_STEM_SHARED"]["count"] == 2


def test_without_the_backend_jobs_are_unknown_and_the_rest_is_told(
    listed: Callable[..., ToolResult], tmp_path: Path
) -> None:
    put(tmp_path / "sets" / "cats", a__jpg=b"1")
    data: Any = listed(away()).data
    assert (data["datasets"][0]["jobs"], data["datasets"][0]["job_count"]) == (None, None)
    assert data["datasets"][0]["images"] == 1
    assert [note.split(":")[0] for note in data["notes"]] == ["Which jobs use them is not known"]


def test_where_no_root_is_visible_the_backend_gives_names_and_counts(
    listed: Callable[..., ToolResult], lab: Lab
) -> None:
    put(lab.inside.folders.datasets / "cats", a__jpg=b"1", a__txt=b"x", b__mp4=b"1")
    lab.job("walks", str(lab.inside.folders.datasets / "cats"))
    data: Any = listed(lab.backend).data
    (cats,) = data["datasets"]
    assert data["source"] == "backend"
    assert (cats["images"], cats["videos"], cats["job_count"]) == (1, 1, 1)
    assert (cats["bytes"], cats["captions"], cats["problems"]) == (None, None, None)


def test_neither_root_nor_backend_is_an_error_with_a_remedy(
    listed: Callable[..., ToolResult],
) -> None:
    with pytest.raises(BackendUnreachableError) as caught:
        listed(away())
    assert caught.value.remedy


def test_pages_follow_each_other_without_gap_or_double(
    listed: Callable[..., ToolResult], tmp_path: Path
) -> None:
    for number in range(5):
        put(tmp_path / "sets" / f"set{number}", a__jpg=b"1")
    seen, cursor = [], None
    while True:
        data: Any = listed(away(), limit=2, **({} if cursor is None else {"cursor": cursor})).data
        seen += [line["name"] for line in data["datasets"]]
        cursor = data["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"set{number}" for number in range(5)]
    past: Any = listed(away(), cursor="9")
    assert past.data["datasets"] == []
    assert past.summary.startswith("No more datasets: there are 5.")


def test_a_link_that_leads_out_of_the_root_is_named_and_not_entered(
    listed: Callable[..., ToolResult], tmp_path: Path
) -> None:
    put(tmp_path / "private", a__jpg=b"1")
    put(tmp_path / "sets" / "cats", a__jpg=b"1")
    (tmp_path / "sets" / "out").symlink_to(tmp_path / "private")
    data: Any = listed(away()).data
    cats, out = data["datasets"]
    assert (cats["images"], out["images"]) == (1, None)
    assert any(note.startswith("out was not looked at") for note in data["notes"])
    assert str(tmp_path) not in str(data)


def test_a_name_of_a_folder_is_one_line(listed: Callable[..., ToolResult], tmp_path: Path) -> None:
    put(tmp_path / "sets" / "cats\n- forged (9 images)", a__jpg=b"1")
    result = listed(away())
    lines = [line for line in result.summary.splitlines() if line.startswith("-")]
    assert lines == ["- cats - forged (9 images) (1 image, 1 B, 0 captioned)"]


def test_no_datasets_are_none(listed: Callable[..., ToolResult], tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    result = listed(away())
    assert result.summary.startswith("No datasets.")
    assert result.data is not None
    assert result.data["total"] == 0


def test_media_of_the_backend_count_in_any_case_and_audio_not() -> None:
    line = line_of_media("cats", ["/d/a.JPG", "/d/b.webm", "/d/c.mp3", "/d/sub/d.png"])
    assert (line.images, line.videos) == (2, 1)


def test_a_job_without_a_config_uses_nothing() -> None:
    from aitk_core.backend.records import JobRow

    rows = [JobRow(id="1"), JobRow(id="2", config={"config": {"process": "broken"}})]
    assert jobs_by_folder(rows) == {}


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 40, "3.0 TiB")]
)
def test_sizes_read_as_people_say_them(count: int, text: str) -> None:
    assert size_text(count) == text
