"""What pages offer to change: asked first, done by the tools, refused to others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import numpy as np
import pytest
from attrs import evolve
from PIL import Image

from aitk_core.testing.recorded import recorded_runs
from aitk_dashboard.pages.actions import ACTIONS
from support.html import Page
from support.sites import fetched, with_client

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

RUNS: Final = recorded_runs()
HOSTILE: Final = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def test_with_a_token_a_browser_is_sent_to_the_form_and_back(tmp_path: Path) -> None:
    async def work(client: httpx.AsyncClient) -> None:
        page = {"Accept": "text/html"}
        asked = await client.get("/dashboard/watches", headers=page)
        assert asked.headers["location"] == "/dashboard/login?next=/dashboard/watches"
        form = Page((await client.get(asked.headers["location"])).text)
        assert ("value", "/dashboard/watches") in form.attributes
        sent = {"token": "t0ken", "next": "/dashboard/watches"}
        answer = await client.post("/session", data=sent)
        assert answer.headers["location"] == "/dashboard/watches"
        assert (await client.get("/dashboard/watches", headers=page)).status_code == 200
        assert (await client.get("/dashboard/live/overview")).status_code == 200

    with_client(tmp_path, work, settings={"MCP_HTTP_AUTH_TOKEN": "t0ken"})


def test_an_action_asks_first_and_says_when_it_fails(tmp_path: Path) -> None:
    form = {
        "action": "stop",
        "subject": RUNS["ok_200_steps"].job_id,
        "label": HOSTILE,
        "back": "https://elsewhere.example",
    }

    async def work(client: httpx.AsyncClient) -> None:
        asked = await client.post("/dashboard/actions", data=form)
        page = Page(asked.text)
        assert asked.status_code == 200
        assert "Stop this run now?" in page.text
        assert ("name", "confirmed") in page.attributes
        assert "elsewhere.example" not in asked.text
        assert not re.search(r"<script>alert", asked.text)
        unknown = await client.post("/dashboard/actions", data={"action": "delete-all"})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (400, "INVALID_ARGUMENTS")
        gone = {**form, "subject": "none", "confirmed": "yes"}
        failed = await client.post("/dashboard/actions", data=gone)
        assert failed.status_code == 404
        assert "JOB_NOT_FOUND" in failed.text

    with_client(tmp_path, work)


@pytest.mark.parametrize("origin", ["https://evil.example", "http://localhost:3000", "null"])
def test_an_action_asked_for_by_another_page_is_refused(tmp_path: Path, origin: str) -> None:
    form = {"action": "stop", "subject": RUNS["ok_200_steps"].job_id, "confirmed": "yes"}

    async def work(client: httpx.AsyncClient) -> None:
        answer = await client.post("/dashboard/actions", data=form, headers={"Origin": origin})
        assert answer.status_code == 403
        assert answer.json()["error"]["code"] == "ORIGIN_NOT_ALLOWED"

    with_client(tmp_path, work)


def test_read_only_offers_no_action_and_does_none(tmp_path: Path) -> None:
    running = evolve(RUNS["ok_200_steps"], row={**RUNS["ok_200_steps"].row, "status": "running"})

    async def work(client: httpx.AsyncClient) -> None:
        page = Page((await client.get(f"/dashboard/runs/{running.job_id}?whole=yes")).text)
        assert "Read-only" in page.text
        assert "button" not in page.tags
        form = {"action": "stop", "subject": running.job_id, "confirmed": "yes"}
        assert (await client.post("/dashboard/actions", data=form)).status_code == 403

    with_client(tmp_path, work, [running], {"AITK_READ_ONLY": "1"})


def test_a_dataset_is_checked_repaired_when_confirmed_and_taken_back(tmp_path: Path) -> None:
    folder = tmp_path / "sets" / "my cats"
    folder.mkdir(parents=True)
    generator = np.random.default_rng(1)
    for number in range(4):
        pixels = generator.integers(0, 255, (96, 96, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"a cat number {number}", "utf-8")
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "copy.txt").write_text("a cat number 0", "utf-8")
    path = "/dashboard/datasets/my%20cats"

    async def work(client: httpx.AsyncClient) -> None:
        listed = Page((await client.get("/dashboard/datasets?whole=yes")).text)
        assert ("href", path) in listed.attributes
        page = Page((await client.get(f"{path}?whole=yes")).text)
        assert "move: " in page.text
        check = await client.get(f"{path}/check")
        assert check.status_code == 200
        assert "sandbox" in check.headers["content-security-policy"]
        assert "script" not in Page(check.text).tags

        repair = page.form("repair")
        asked = Page((await client.post("/dashboard/actions", data=repair)).text)
        assert "It can be taken back" in asked.text
        assert len(list(folder.glob("*.png"))) == 5
        done = await client.post("/dashboard/actions", data={**repair, "confirmed": "yes"})
        assert (done.status_code, done.headers["location"]) == (303, path)
        assert len(list(folder.glob("*.png"))) == 4
        after = Page((await client.get(f"{path}?whole=yes")).text)
        assert "Nothing to repair" in after.text
        undo = after.form("undo")
        back = await client.post("/dashboard/actions", data={**undo, "confirmed": "yes"})
        assert back.status_code == 303
        assert len(list(folder.glob("*.png"))) == 5
        stale = {**repair, "detail": "0" * 64, "confirmed": "yes"}
        refused = await client.post("/dashboard/actions", data=stale)
        assert refused.status_code == 409

    with_client(tmp_path, work, settings={"AITK_DATASETS_DIR": str(tmp_path / "sets")})


@pytest.mark.parametrize(
    ("status", "offered"),
    [
        ("running", {"stop", "save-and-stop", "watch"}),
        ("queued", {"unqueue", "watch"}),
        ("stopped", {"start"}),
        ("error", {"start"}),
        ("completed", set()),
    ],
)
def test_a_run_offers_what_can_be_done_with_it(
    tmp_path: Path, status: str, offered: set[str]
) -> None:
    run = evolve(RUNS["ok_200_steps"], row={**RUNS["ok_200_steps"].row, "status": status})
    page = Page(fetched(tmp_path, f"/dashboard/live/runs/{run.job_id}/state", [run]).text)
    found = {box["value"] for box in page.all("input") if box["name"] == "action"}
    assert found == offered
    asked = {form["data-question"] for form in page.all("form")}
    assert asked == {ACTIONS[name].question for name in offered}


def test_switches_are_those_of_the_form_and_no_others() -> None:
    repair = ACTIONS["repair"].arguments("cats", "hash", "near_duplicates,force,apply_rotation")
    assert repair["plan_hash"] == "hash"
    assert repair["apply"] is True
    assert "force" not in repair
    on = {name for name, value in repair.items() if value is True}
    assert on == {"apply", "near_duplicates", "apply_rotation"}


def test_what_a_form_sends_is_the_name_as_it_is_however_odd(tmp_path: Path) -> None:
    name = 'my  "cats" ' + "x" * 220
    folder = tmp_path / "sets" / name
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(1).integers(0, 255, (96, 96, 3), dtype=np.uint8)
    for each in ("a.png", "b.png"):
        Image.fromarray(pixels).save(folder / each)
    path = f"/dashboard/datasets/{quote(name)}?whole=yes"
    page = Page(fetched(tmp_path, path, AITK_DATASETS_DIR=str(tmp_path / "sets")).text)
    assert page.form("repair")["subject"] == name


def test_a_repair_is_planned_as_the_form_asks(tmp_path: Path) -> None:
    (tmp_path / "sets" / "cats").mkdir(parents=True)
    path = "/dashboard/datasets/cats?do=reencode_captions&do=made_up"
    page = Page(fetched(tmp_path, path, AITK_DATASETS_DIR=str(tmp_path / "sets")).text)
    boxes = [box["value"] for box in page.all("input") if "checked" in box]
    assert boxes == ["reencode_captions"]
