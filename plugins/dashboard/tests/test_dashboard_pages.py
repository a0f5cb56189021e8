"""The pages as a server answers them: what they say, and what they ask for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import numpy as np
import pytest
from attrs import evolve
from PIL import Image

from aitk_core.application import Application
from aitk_core.frontends.http.app import build_app
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_runs
from support.html import Page
from support.sites import client_of, fetched, with_client

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

RUNS: Final = recorded_runs()
HOSTILE: Final = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def test_hostile_names_states_and_log_lines_are_shown_as_text(tmp_path: Path) -> None:
    run = RUNS["nan_loss"]
    row = {**run.row, "name": HOSTILE, "info": HOSTILE, "speed_string": HOSTILE}
    hostile = evolve(
        run,
        row=row,
        log=f"{run.log}\n{HOSTILE}\n",
        files=[{"path": f"/toolkit/output/{HOSTILE}.safetensors", "size": 1}],
    )
    paths = [
        "/dashboard?whole=yes",
        f"/dashboard/runs/{run.job_id}?whole=yes",
        f"/dashboard/live/runs/{run.job_id}/findings",
        f"/dashboard/live/runs/{run.job_id}/log",
    ]

    async def work(client: httpx.AsyncClient) -> None:
        texts = []
        for path in paths:
            page = Page((await client.get(path)).text)
            texts.append(page.text)
            assert page.tags.count("script") == len(
                [value for name, value in page.attributes if value.endswith(".js")]
            )
            assert not [name for name, _ in page.attributes if name.startswith("on")]
            assert "img" not in page.tags or "onerror" not in dict(page.attributes)
        assert all("<script>alert(1)</script>" in text for text in (texts[0], texts[-1]))

    with_client(tmp_path, work, [hostile])


def test_pages_ask_for_nothing_from_elsewhere_and_may_not_be_framed(tmp_path: Path) -> None:
    answer = fetched(tmp_path, f"/dashboard/runs/{RUNS['overfit'].job_id}")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "frame-ancestors 'none'" in policy
    places = [v for name, v in Page(answer.text).attributes if name in ("src", "href", "action")]
    assert places
    assert not [place for place in places if not place.startswith(("/", "#", "?", "data:"))]


@pytest.mark.parametrize("name", ["dashboard.js", "dashboard.css", "plotly.min.js"])
def test_scripts_and_styles_are_served_from_here_and_kept(tmp_path: Path, name: str) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        first = await client.get(f"/dashboard/static/{name}")
        assert first.status_code == 200
        again = await client.get(
            f"/dashboard/static/{name}", headers={"If-None-Match": first.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")

    with_client(tmp_path, work)


@pytest.mark.parametrize("name", ["..%2fplugin.py", "other.js", "%2e%2e", "dashboard.js.bak"])
def test_no_other_file_is_served(tmp_path: Path, name: str) -> None:
    assert fetched(tmp_path, f"/dashboard/static/{name}").status_code == 404


def test_a_backend_that_is_away_costs_its_part_and_the_page_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        environment = {"AITK_HOME": str(tmp_path), "AI_TOOLKIT_SERVER_URL": "http://127.0.0.1:9"}
        application = Application(source=SettingsSource(environment=environment))
        app = build_app(application, application.http_settings(), with_mcp=False)
        async with client_of(app) as client:
            answer = await client.get("/dashboard?whole=yes")
            assert answer.status_code == 200
            assert "note critical" in answer.text
            assert (await client.get("/dashboard/plugins")).status_code == 200

    asyncio.run(work())


def test_the_plugins_page_lists_what_is_installed(tmp_path: Path) -> None:
    page = Page(fetched(tmp_path, "/dashboard/plugins").text)
    assert "aitk-observability" in page.text
    assert "Problems None." in page.text


def test_runs_are_compared_with_what_differs_and_ties_are_ties(tmp_path: Path) -> None:
    ids = [RUNS["ok_with_validation"].job_id, RUNS["overfit"].job_id]
    query = "&".join(f"run={each}" for each in ids)

    async def work(client: httpx.AsyncClient) -> None:
        choose = Page((await client.get("/dashboard/compare?whole=yes")).text)
        boxes = [value for name, value in choose.attributes if name == "value"]
        assert set(ids) <= set(boxes)
        page = Page((await client.get(f"/dashboard/compare?whole=yes&{query}")).text)
        assert "Who is ahead" in page.text
        assert "process.0.network.linear 4 32" in page.text
        assert "0.2014 at step 90" in page.text
        curves = (await client.get(f"/dashboard/compare/series?{query}")).json()
        assert [each["job_id"] for each in curves] == ids
        assert set(curves[0]["series"]) == {"loss/loss", "val/loss"}
        # Runs that cannot be ranked, and one that is gone, are told and cost nothing else.
        bad = f"run={RUNS['fail_missing_dataset'].job_id}&run={ids[0]}&run=gone"
        skipped = await client.get(f"/dashboard/compare?whole=yes&{bad}")
        assert skipped.status_code == 200
        assert "Not compared" in skipped.text
        odd = await client.get("/dashboard/compare?run=..%2fx&run=y")
        assert odd.status_code == 400

    with_client(tmp_path, work)


def test_a_dataset_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()

    async def work(client: httpx.AsyncClient) -> None:
        assert "note critical" in (await client.get("/dashboard/datasets/none")).text
        assert (await client.get("/dashboard/datasets/none/check")).status_code in (400, 404)
        out = await client.get("/dashboard/datasets/..%2f..%2fetc/check")
        assert out.status_code in (400, 403, 404)

    with_client(tmp_path, work, settings={"AITK_DATASETS_DIR": str(tmp_path / "sets")})


def test_hostile_names_of_datasets_and_captions_are_shown_as_text(tmp_path: Path) -> None:
    name = "cats <img src=x onerror=alert(1)>"
    folder = tmp_path / "sets" / name
    folder.mkdir(parents=True)
    for number in range(2):
        pixels = np.full((64, 64, 3), 40 + 90 * number, dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"<b onclick=alert(2)>{number}.png")
        (folder / f"<b onclick=alert(2)>{number}.txt").write_text(HOSTILE, "utf-8")
    place = f"/dashboard/datasets/{quote(name)}"

    async def work(client: httpx.AsyncClient) -> None:
        for path in ("/dashboard/datasets", place, f"{place}/check"):
            answer = await client.get(f"{path}?whole=yes")
            page = Page(answer.text)
            assert answer.status_code == 200
            assert "<img src=x onerror=alert(1)>" in page.text
            assert not [each for each, _ in page.attributes if each.startswith("on")]
            assert {each.get("src", "")[-12:] for each in page.all("script")} <= {"dashboard.js"}

    with_client(tmp_path, work, settings={"AITK_DATASETS_DIR": str(tmp_path / "sets")})


def test_the_plugins_page_shows_what_is_set_and_no_secret(tmp_path: Path) -> None:
    answer = fetched(
        tmp_path,
        "/dashboard/plugins",
        AI_TOOLKIT_AUTH="hidden-token-123",
        AITK_WORKERS="3",
        AITK_DATASETS_DIR=str(tmp_path),
    )
    page = Page(answer.text)
    assert "server.workers 3 AITK_WORKERS" in page.text
    assert "server.backend_token (set)" in page.text
    assert "hidden-token-123" not in answer.text
    assert "export-model" in page.text


def test_runs_side_by_side_show_the_newest_sample_of_the_same_prompt(tmp_path: Path) -> None:
    one, other = RUNS["ok_with_validation"], RUNS["overfit"]
    config = one.row["job_config"]
    full = [
        evolve(
            run,
            row={**run.row, "job_config": config},
            samples=[f"/out/{n}__{n:09d}_0.jpg" for n in range(steps)],
        )
        for run, steps in ((one, 3), (other, 5))
    ]
    path = f"/dashboard/live/compared?run={one.job_id}&run={other.job_id}"
    page = Page(with_client(tmp_path, lambda client: client.get(path), full).text)
    links = [link["href"] for link in page.all("a") if "data-view" in link]
    assert links == [
        f"/dashboard/runs/{one.job_id}/samples/2/0?made=2&size=full",
        f"/dashboard/runs/{other.job_id}/samples/4/0?made=4&size=full",
    ]
