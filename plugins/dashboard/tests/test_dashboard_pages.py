"""The pages as a server answers them: what they say, whom they let in, what they refuse."""

from __future__ import annotations

import asyncio
import math
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final

import httpx
import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from typing_extensions import override

from aitk_core.application import Application
from aitk_core.frontends.http.app import build_app
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from aitk_dashboard.pages.run import thinned

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from pathlib import Path

    from aitk_core.proving.recorded import Recording

RUNS: Final = recorded_runs()
HOSTILE: Final = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def with_client(
    home: Path,
    work: Callable[[httpx.AsyncClient], Awaitable[Any]],
    runs: Iterable[Recording] | None = None,
    settings: dict[str, str] | None = None,
) -> Any:
    async def run() -> Any:
        environment = {"AITK_HOME": str(home), "AITK_PARALLEL": "threads", **(settings or {})}
        backend = recorded_backend(RUNS.values() if runs is None else runs)
        application = Application(source=SettingsSource(environment=environment), backend=backend)
        app = build_app(application, application.http_settings(), with_mcp=False)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=transport, base_url="http://localhost", timeout=60
            ) as client,
        ):
            return await work(client)

    return asyncio.run(run())


def fetched(
    home: Path, path: str, runs: Iterable[Recording] | None = None, **settings: str
) -> httpx.Response:
    answer: httpx.Response = with_client(home, lambda client: client.get(path), runs, settings)
    return answer


def test_the_first_page_groups_runs_by_what_they_do(tmp_path: Path) -> None:
    running = evolve(
        RUNS["ok_200_steps"], row={**RUNS["ok_200_steps"].row, "status": "running", "step": 50}
    )
    answer = fetched(tmp_path, "/dashboard?whole=yes", [running, RUNS["fail_missing_dataset"]])
    page = Page(answer.text)
    assert answer.status_code == 200
    assert page.text.index("Needs attention") < page.text.index("Running 1")
    assert "50 of 200" in page.text
    assert "fail_missing_dataset" in page.text
    links = [value for name, value in page.attributes if name == "href"]
    assert f"/dashboard/runs/{running.job_id}" in links


def test_a_run_says_its_state_its_findings_and_its_log(tmp_path: Path) -> None:
    job = RUNS["overfit"].job_id

    async def work(client: httpx.AsyncClient) -> None:
        whole = Page((await client.get(f"/dashboard/runs/{job}?whole=yes")).text)
        assert "420 of 420" in whole.text
        assert "overfit_000000200.safetensors" in whole.text
        assert '"linear_alpha": 32' in whole.text
        found = Page((await client.get(f"/dashboard/live/runs/{job}/findings")).text)
        assert "OVERFITTING" in found.text
        assert "n = 42" in found.text
        assert "false alarms 0 per run" in found.text
        marked = [value for name, value in found.attributes if name == "data-steps"]
        assert "1-410" in " ".join(marked)
        log = Page((await client.get(f"/dashboard/live/runs/{job}/log")).text)
        assert "Saved checkpoint" in log.text

    with_client(tmp_path, work)


def test_curves_come_as_columns_and_further_ones_since_a_step(tmp_path: Path) -> None:
    job = RUNS["ok_with_validation"].job_id

    async def work(client: httpx.AsyncClient) -> None:
        whole = (await client.get(f"/dashboard/runs/{job}/series")).json()
        assert set(whole) == {"loss/loss", "val/loss", "learning_rate", "seconds_per_step"}
        assert whole["seconds_per_step"]["steps"] == [21, 41, 61, 81, 101, 121, 141]
        assert all(0.05 < each < 0.3 for each in whole["seconds_per_step"]["values"])
        assert whole["loss/loss"]["steps"] == list(range(1, 150))
        assert len(whole["val/loss"]["values"]) == 15
        later = (await client.get(f"/dashboard/runs/{job}/series?since=140")).json()
        assert later["loss/loss"]["steps"] == list(range(141, 150))
        odd = (await client.get(f"/dashboard/runs/{job}/series?since=-1x")).json()
        assert odd == whole

    with_client(tmp_path, work)


def test_a_loss_that_was_not_finite_is_a_gap_and_no_zero(tmp_path: Path) -> None:
    job = RUNS["nan_loss"].job_id
    answer = fetched(tmp_path, f"/dashboard/runs/{job}/series").json()
    values = answer["loss/loss"]["values"]
    assert None in values
    assert 0 not in values


@given(
    values=st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=400),
    most=st.integers(4, 60),
)
def test_thinning_keeps_the_ends_and_every_extreme(values: list[float], most: int) -> None:
    kept = list(thinned(values, most))
    assert kept == sorted(set(kept))
    assert len(kept) <= max(most, len(values) if len(values) <= most else most + 4)
    if values:
        assert {0, len(values) - 1} <= set(kept)
    finite = [value for value in values if math.isfinite(value)]
    if finite:
        shown = [values[index] for index in kept if math.isfinite(values[index])]
        assert (min(shown), max(shown)) == (min(finite), max(finite))


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


@pytest.mark.parametrize(
    "path",
    ["/dashboard/runs/none", "/dashboard/runs/..%2f..%2fsettings", "/dashboard/runs/a%00b"],
)
def test_a_run_that_is_none_is_a_page_or_an_error_and_never_a_crash(
    tmp_path: Path, path: str
) -> None:
    assert fetched(tmp_path, path).status_code in (400, 404)


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
        assert "Stop this run?" in page.text
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


def test_a_backend_that_is_away_costs_its_part_and_the_page_says_so(tmp_path: Path) -> None:
    async def work() -> None:
        environment = {"AITK_HOME": str(tmp_path), "AI_TOOLKIT_SERVER_URL": "http://127.0.0.1:9"}
        application = Application(source=SettingsSource(environment=environment))
        app = build_app(application, application.http_settings(), with_mcp=False)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(
                transport=transport, base_url="http://localhost", timeout=60
            ) as client,
        ):
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
        choose = Page((await client.get("/dashboard/compare")).text)
        boxes = [value for name, value in choose.attributes if name == "value"]
        assert set(ids) <= set(boxes)
        page = Page((await client.get(f"/dashboard/compare?{query}")).text)
        assert "Who is ahead" in page.text
        assert "process.0.network.linear 4 32" in page.text
        assert "0.2014 at step 90" in page.text
        curves = (await client.get(f"/dashboard/compare/series?{query}")).json()
        assert [each["job_id"] for each in curves] == ids
        assert set(curves[0]["series"]) == {"loss/loss", "val/loss"}
        # Runs that cannot be ranked, and one that is gone, are told and cost nothing else.
        bad = f"run={RUNS['fail_missing_dataset'].job_id}&run={ids[0]}&run=gone"
        skipped = await client.get(f"/dashboard/compare?{bad}")
        assert skipped.status_code == 200
        assert "Not compared" in skipped.text
        odd = await client.get("/dashboard/compare?run=..%2fx&run=y")
        assert odd.status_code == 400

    with_client(tmp_path, work)


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
        listed = Page((await client.get("/dashboard/datasets")).text)
        assert ("href", path) in listed.attributes
        page = Page((await client.get(path)).text)
        assert "move: " in page.text
        check = await client.get(f"{path}/check")
        assert check.status_code == 200
        assert "sandbox" in check.headers["content-security-policy"]
        assert "script" not in Page(check.text).tags

        def form(wanted: str, page: Page) -> dict[str, str]:
            values = [value for name, value in page.attributes if name == "value"]
            start = values.index(wanted)
            names = ("action", "subject", "detail", "label", "back")
            return dict(zip(names, values[start : start + len(names)], strict=True))

        repair = form("repair", page)
        asked = Page((await client.post("/dashboard/actions", data=repair)).text)
        assert "It can be taken back" in asked.text
        assert len(list(folder.glob("*.png"))) == 5
        done = await client.post("/dashboard/actions", data={**repair, "confirmed": "yes"})
        assert (done.status_code, done.headers["location"]) == (303, path)
        assert len(list(folder.glob("*.png"))) == 4
        after = Page((await client.get(path)).text)
        assert "Nothing to repair" in after.text
        undo = form("undo", after)
        back = await client.post("/dashboard/actions", data={**undo, "confirmed": "yes"})
        assert back.status_code == 303
        assert len(list(folder.glob("*.png"))) == 5
        stale = {**repair, "detail": "0" * 64, "confirmed": "yes"}
        refused = await client.post("/dashboard/actions", data=stale)
        assert refused.status_code == 409

    with_client(tmp_path, work, settings={"AITK_DATASETS_DIR": str(tmp_path / "sets")})


def test_a_dataset_that_is_none_says_so(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()

    async def work(client: httpx.AsyncClient) -> None:
        assert "note critical" in (await client.get("/dashboard/datasets/none")).text
        assert (await client.get("/dashboard/datasets/none/check")).status_code in (400, 404)
        out = await client.get("/dashboard/datasets/..%2f..%2fetc/check")
        assert out.status_code in (400, 403, 404)

    with_client(tmp_path, work, settings={"AITK_DATASETS_DIR": str(tmp_path / "sets")})
