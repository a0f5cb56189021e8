"""What a person sees of a dataset: resources over MCP and HTTP, hostile names, the page."""

from __future__ import annotations

import asyncio
import base64
import html
import io
import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import mcp
import mcp_types as t
import pytest
from PIL import Image, ImageOps

from aitk_core import errors
from aitk_core.context import Session
from aitk_core.records.results import Image as Picture
from aitk_core.records.results import Link, Text
from aitk_core.testing.evidence import changed
from aitk_core.testing.mcp import ERAS, with_client
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from support.html import Page
from support.samplepictures import encoded, picture
from support.servers import serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aitk_core.application import Application

RUN = recorded_runs()["ok_with_validation"]
SECRET = "my-own-secret-of-the-server"
HOSTILE = (
    "<script>alert(1)<\u2044script>.jpg",
    "a\u202egpj.exe.jpg",
    "line\nbreak\x1b[31m.jpg",
    "w" * 200 + ".jpg",
    "\"onerror='x'.jpg",
    SECRET + ".jpg",
)


def job_for(folder: str) -> Any:
    """Give a recorded job whose config trains that folder."""
    process = {
        "model": {"arch": "sdxl"},
        "train": {"steps": 100, "batch_size": 4},
        "datasets": [{"folder_path": f"/elsewhere/{folder}", "resolution": [512, 1024]}],
    }
    config = {"job": "extension", "config": {"name": "cats_v1", "process": [process]}}
    return changed(RUN, job_config=json.dumps(config))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a dataset with copies, a mirror image, broken files, a strip and long captions."""
    made = tmp_path / "sets" / "my cats"
    made.mkdir(parents=True)
    for number in range(10):
        (made / f"{number:02d}.jpg").write_bytes(encoded(picture(number), quality=90))
        (made / f"{number:02d}.txt").write_text(f"a thing of kind {number}", encoding="utf-8")
    (made / "00_copy.jpg").write_bytes((made / "00.jpg").read_bytes())
    (made / "01_mirror.jpg").write_bytes(encoded(ImageOps.mirror(picture(1)), quality=80))
    (made / "02_small.jpg").write_bytes(encoded(picture(2).resize((180, 135)), quality=90))
    (made / "cut.jpg").write_bytes(encoded(picture(50))[:-4000])
    (made / "strip.png").write_bytes(encoded(picture(51, (1204, 83)), "PNG"))
    (made / "strip.txt").write_text("many words " * 100, encoding="utf-8")
    return made


@pytest.fixture
def opened(application_with: Callable[..., Application], tmp_path: Path) -> Callable[..., Any]:
    """Give a function that makes an application with a datasets root and one job."""

    def make(**environment: str) -> Application:
        settings = {
            "AITK_DATASETS_DIR": str(tmp_path / "sets"),
            "AITK_PARALLEL": "threads",
            "MCP_HTTP_AUTH_TOKEN": SECRET,
            **environment,
        }
        return application_with(recorded_backend([job_for("my cats")]), settings)

    return make


@pytest.fixture
def read(opened: Callable[..., Application]) -> Callable[..., Any]:
    """Give a function that reads a resource of the dataset, past any protocol."""

    def run(what: str, name: str = "my%20cats", **environment: str) -> Any:
        async def once() -> Any:
            async with opened(**environment) as application:
                session = Session(policy=application.policy)
                return await application.dispatcher.read(f"aitk://datasets/{name}/{what}", session)

        return asyncio.run(once())

    return run


def ask(application: Application, **arguments: Any) -> Any:
    async def once() -> Any:
        async with application:
            session = Session(policy=application.policy, shows_images=True)
            asked = {"dataset_path": "my cats", **arguments}
            return await application.dispatcher.call("inspect-dataset", asked, session)

    return asyncio.run(once())


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("mode", ERAS)
def test_a_client_finds_the_datasets_and_reads_each_of_their_resources(
    opened: Callable[..., Application], mode: str
) -> None:
    async def use(client: Any) -> Any:
        listing = (await client.read_resource("aitk://datasets")).contents[0]
        (entry,) = json.loads(listing.text)["datasets"]
        contents = {
            kind: (await client.read_resource(uri)).contents[0]
            for kind, uri in entry["resources"].items()
        }
        sheet = "aitk://datasets/my%20cats/sheets/ASPECT_EXTREME"
        return entry, contents, (await client.read_resource(sheet)).contents[0]

    entry, contents, sheet = with_client(opened(), use, mode=mode)
    assert entry["name"] == "my cats"
    assert json.loads(contents["report"].text)["dataset"]["job"] == "cats_v1"
    assert contents["page"].mime_type == "text/html"
    charts = [content for kind, content in contents.items() if kind.startswith("chart_")]
    assert len(charts) == 5
    for chart in charts:
        assert Image.open(io.BytesIO(base64.b64decode(chart.blob))).width == 1000
    for content in (sheet, contents["sheet_duplicates"]):
        assert content.mime_type in ("image/png", "image/jpeg")
        assert Image.open(io.BytesIO(base64.b64decode(content.blob))).width >= 500


@pytest.mark.usefixtures("folder")
def test_page_and_sheet_are_reached_over_http_as_the_resources_of_a_run_are(
    tmp_path: Path,
) -> None:
    async def use() -> Any:
        # Nothing answers there: a folder is looked at without the training backend, too.
        nowhere, sets = "http://127.0.0.1:9", str(tmp_path / "sets")
        async with (
            serving(nowhere, tmp_path / "home", AITK_DATASETS_DIR=sets) as address,
            mcp.Client(f"{address}/mcp") as client,
        ):
            page = await client.read_resource("aitk://datasets/my%20cats/page.html")
            sheet = await client.read_resource("aitk://datasets/my%20cats/sheets/duplicates")
            return page.contents[0], sheet.contents[0]

    page, sheet = asyncio.run(use())
    assert isinstance(page, t.TextResourceContents)
    assert page.mime_type == "text/html"
    assert page.text.startswith("<!doctype html>")
    assert "no job's config" in html.unescape(page.text)
    assert isinstance(sheet, t.BlobResourceContents)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("argument", "typed", "found"),
    [
        ("name", "MY", ["my%20cats"]),
        ("name", "my c", ["my%20cats"]),
        ("name", "../", []),
        ("chart", "b", ["buckets"]),
        ("code", "dup", ["duplicates"]),
        (
            "code",
            "image_dup",
            [f"IMAGE_DUPLICATE_{e}" for e in ("FILE", "NEAR", "PIXELS", "POSSIBLE")],
        ),
    ],
)
def test_names_charts_and_codes_are_completed(
    opened: Callable[..., Application], argument: str, typed: str, found: list[str]
) -> None:
    uri = "aitk://datasets/{name}/" + {"code": "sheets/{code}"}.get(argument, "charts/{chart}")

    async def use(client: Any) -> Any:
        reference = t.ResourceTemplateReference(uri=uri)
        return await client.complete(reference, {"name": argument, "value": typed})

    assert with_client(opened(), use).completion.values == found


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("..", "INVALID_ARGUMENTS"),
        (".", "INVALID_ARGUMENTS"),
        (".aitk", "INVALID_ARGUMENTS"),
        ("%2e%2e", "INVALID_ARGUMENTS"),
        ("%2e%2e%2foutside", "INVALID_ARGUMENTS"),
        ("my%20cats%2f..%2f..%2foutside", "INVALID_ARGUMENTS"),
        ("..%5coutside", "INVALID_ARGUMENTS"),
        ("%00", "INVALID_ARGUMENTS"),
        ("a%0ab", "INVALID_ARGUMENTS"),
        ("%ff", "INVALID_ARGUMENTS"),
        ("%E2%80%AE", "INVALID_ARGUMENTS"),
        ("x" * 300, "INVALID_ARGUMENTS"),
        ("linked", "PATH_OUTSIDE_ROOTS"),
        ("inner", "PATH_OUTSIDE_ROOTS"),
        ("nothing", "FILE_NOT_FOUND"),
    ],
)
@pytest.mark.parametrize("what", ["report", "page.html", "charts/aspect", "sheets/duplicates"])
def test_a_name_that_is_no_folder_below_the_root_is_refused(
    read: Callable[..., Any], tmp_path: Path, name: str, code: str, what: str
) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.jpg").write_bytes(encoded(picture(1)))
    (tmp_path / "sets" / "linked").symlink_to(tmp_path / "outside")
    (tmp_path / "sets" / "inner").symlink_to(tmp_path / "sets" / "my cats")
    with pytest.raises(errors.AitkError) as caught:
        read(what, name)
    assert caught.value.code == code


@pytest.mark.usefixtures("folder")
def test_a_tool_that_is_switched_off_shows_nothing_through_its_resources(
    read: Callable[..., Any],
) -> None:
    for what in ("report", "page.html", "charts/aspect", "sheets/duplicates"):
        with pytest.raises(errors.NotPermittedError):
            read(what, AITK_EXCLUDE_TOOLS="inspect-dataset")


@pytest.mark.usefixtures("folder")
def test_what_is_not_there_is_an_error_that_names_what_is(read: Callable[..., Any]) -> None:
    with pytest.raises(errors.NotFoundError, match="IMAGE_DARK") as caught:
        read("sheets/IMAGE_DARK")
    assert "IMAGE_TRUNCATED" in caught.value.remedy
    with pytest.raises(errors.NotFoundError) as caught:
        read("charts/pie")
    assert "buckets" in caught.value.remedy


def test_buckets_without_a_config_are_not_drawn_but_explained(
    read: Callable[..., Any], tmp_path: Path
) -> None:
    other = tmp_path / "sets" / "dogs"
    other.mkdir(parents=True)
    (other / "a.jpg").write_bytes(encoded(picture(1)))
    with pytest.raises(errors.NotFoundError, match="no job's config"):
        read("charts/buckets", "dogs")


@pytest.mark.usefixtures("folder")
def test_the_same_folder_gives_the_same_bytes(read: Callable[..., Any]) -> None:
    for what in ("sheets/duplicates", "sheets/IMAGE_TRUNCATED", "charts/overview"):
        assert read(what).data == read(what).data
    without_time = [re.sub(r"[0-9T:-]{19}Z", "", read("page.html").text) for _ in range(2)]
    assert without_time[0] == without_time[1]


@pytest.mark.usefixtures("folder")
def test_a_client_that_takes_pictures_gets_a_chart_and_sheets_and_a_link_to_the_page(
    opened: Callable[..., Application],
) -> None:
    answer = ask(opened())
    kinds = [type(block) for block in answer.blocks]
    assert kinds[-1] is Link
    assert kinds[:-1] == [Text, Picture] * (len(kinds) // 2)
    assert len(kinds) >= 5
    assert answer.blocks[-1].uri == "aitk://datasets/my%20cats/page.html"
    assert answer.blocks[0].text.startswith("Chart my cats: overview (n = 15 pictures)")
    assert answer.blocks[-3].text.startswith("Sheet of my cats: Duplicates, 3 groups")
    assert [type(block) for block in ask(opened(), charts="none").blocks] == [Link]


@pytest.mark.usefixtures("folder")
def test_groups_stand_side_by_side_the_one_to_keep_first(read: Callable[..., Any]) -> None:
    page = read("page.html").text
    section = page[page.index('id="duplicates"') : page.index('id="charts"')]
    groups = section.split('<article class="group">')[1:]
    names = [re.findall(r"<figcaption><bdi>([^<]+)</bdi>", group) for group in groups]
    # The exact one first; a caption decides, then pixels.
    assert names == [
        ["00.jpg", "00_copy.jpg"],
        ["01.jpg", "01_mirror.jpg"],
        ["02.jpg", "02_small.jpg"],
    ]
    assert ["Exact" in groups[0], "Near" in groups[1], "Near" in groups[2]] == [True] * 3
    for group in groups:
        assert group.count('<li class="keep">') == 1
        assert group.index('<li class="keep">') < group.index("<li>")
        assert "keep the first: it has a caption" in group
    marks = [re.findall(r'class="mark">([^<]+)<', group) for group in groups]
    assert marks == [["keep"], ["keep", "mirrored"], ["keep"]]
    assert "360 x 270" in groups[2]
    assert "180 x 135" in groups[2]


@pytest.mark.usefixtures("folder")
def test_the_page_needs_nothing_else_and_runs_nothing(read: Callable[..., Any]) -> None:
    page = Page(read("page.html").text)
    (policy,) = [
        meta["content"]
        for meta in page.all("meta")
        if meta.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert not {"script", "link", "iframe", "object", "base", "form"} & {
        n for n, _ in page.elements
    }
    for name, attributes in page.elements:
        assert not [key for key in attributes if key.startswith("on") or key == "style"], name
    sources = [image["src"] for image in page.all("img")]
    sources += [source["srcset"] for source in page.all("source")]
    assert sources
    assert all(re.match(r"data:image/(png|jpeg);base64,", source) for source in sources)
    assert all(image.get("alt") for image in page.all("img"))
    assert all(link["href"].startswith("#") for link in page.all("a"))
    there = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {link["href"][1:] for link in page.all("a")} <= there
    headings = [int(name[1]) for name, _ in page.elements if re.fullmatch("h[1-6]", name)]
    assert headings[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(headings))


def test_hostile_names_and_captions_are_shown_and_do_nothing(
    read: Callable[..., Any], folder: Path
) -> None:
    for number, name in enumerate(HOSTILE):
        (folder / name).write_bytes(encoded(picture(60 + number))[:-3000])
    bare = str(folder).encode() + b"/\xff\xfe.jpg"
    with open(bare, "wb") as file:  # noqa: PTH123 - bytes
        file.write(encoded(picture(70))[:-3000])
    caption = f"<img src=x onerror=alert(1)> {SECRET} \u202e"
    (folder / "00.txt").write_text(f"I'm sorry, but I can't describe {caption}", encoding="utf-8")
    text = read("page.html").text
    page = Page(text)
    assert "script" not in {name for name, _ in page.elements}
    assert all(image["src"].startswith("data:") for image in page.all("img"))
    words = "".join(page.words)
    assert "<script>" in words
    assert "\\u202e" in words
    assert "\\udcff" in words
    assert "[redacted].jpg" in words
    for steering in ("\u202e", "\x1b", SECRET, html.escape(SECRET)):
        assert steering not in text
    assert read("sheets/IMAGE_TRUNCATED").data


@pytest.mark.parametrize("lead", ["", "i" * 110 + " "])
def test_no_part_of_a_secret_is_drawn(
    opened: Callable[..., Application],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    lead: str,
) -> None:
    from matplotlib.text import Text as DrawnText
    from PIL import ImageDraw

    from aitk_core.drawing.canvas import Canvas

    drawn: list[str] = []
    png, pen_text = Canvas.png, ImageDraw.ImageDraw.text

    def png_of(canvas: Canvas) -> bytes:
        drawn.extend(one.get_text() for one in canvas._figure.findobj(DrawnText))
        return png(canvas)

    def write(pen: Any, at: Any, text: str, *arguments: Any, **more: Any) -> None:
        drawn.append(text)
        pen_text(pen, at, text, *arguments, **more)

    monkeypatch.setattr(Canvas, "png", png_of)
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", write)
    (folder / f"{lead}{SECRET}.jpg").write_bytes(encoded(picture(80))[:-3000])
    named = folder.with_name(f"{SECRET} set")
    folder.rename(named)
    answer = ask(opened(), dataset_path=named.name)
    said = [block.text for block in answer.blocks if isinstance(block, Text)]
    assert any("[redacted]" in text for text in drawn)
    assert len(said) >= 2
    for text in (*drawn, *said):
        assert SECRET[:10] not in text
        assert SECRET[-10:] not in text


def test_a_page_of_a_large_bad_folder_stays_within_its_bound(
    read: Callable[..., Any], folder: Path
) -> None:
    from aitk_datasets.page import build

    for number in range(70):
        data = encoded(picture(100 + number, (640, 480)), quality=95)
        (folder / f"p{number:03d}_a.jpg").write_bytes(data)
        (folder / f"p{number:03d}_b.jpg").write_bytes(data)
    text = read("page.html").text
    assert len(text.encode()) < build.MAX_BYTES
    assert "more groups" in text
    whole = sum(map(len, re.findall(r"data:image/\w+;base64,([^\"]+)", text)))
    assert whole <= build._PICTURE_BYTES
