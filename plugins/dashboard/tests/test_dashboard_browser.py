"""The pages in a real browser, with runs of the sandbox that are really trained."""

from __future__ import annotations

import asyncio
import re
import shutil
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import define, field
from axe_core_python.sync_playwright import Axe  # type: ignore[import-untyped]  # has no types
from playwright.sync_api import sync_playwright

from aitk_core.backend.client import AiToolkitBackend
from aitk_sandbox.demo import demo_config
from aitk_sandbox.server import running
from support.servers import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
HOSTILE: Final = "<img src=x onerror=alert(1)> & co"

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
    pytest.mark.timeout(300),
]


@define
class Site:
    """A server with one run that has ended, one that broke, and one that goes on."""

    address: str = ""
    jobs: dict[str, str] = field(factory=dict)
    ready: threading.Event = field(factory=threading.Event)
    over: threading.Event = field(factory=threading.Event)
    fault: list[BaseException] = field(factory=list)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    found = Site()
    folder = tmp_path_factory.mktemp("site")

    def run() -> None:
        try:
            asyncio.run(_serve(found, folder))
        except BaseException as error:  # noqa: BLE001 - shown by the test that waits
            found.fault.append(error)
        found.ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert found.ready.wait(120)
    assert not found.fault, found.fault
    yield found
    found.over.set()
    thread.join(30)


async def _serve(site: Site, folder: Path) -> None:
    async with (
        running(folder, worker_interval_s=0.05) as sandbox,
        AiToolkitBackend(sandbox.url) as backend,
    ):
        for name, steps, lr in (("good", 60, 2e-3), ("broken", 60, 0.5), (HOSTILE, 50_000, 2e-3)):
            config = demo_config(
                name,
                steps=steps,
                lr=lr,
                training_folder=sandbox.training_folder,
                datasets_folder=sandbox.datasets_folder,
                sandbox={"step_delay_s": 0.05 if steps > 1000 else 0.0},
            )
            job = await backend.create_job(name, "0", config)
            site.jobs[name] = job.id
            await backend.start_job(job.id)
            await backend.start_queue("0")
            while steps < 1000 and not (await backend.job(job.id)).is_terminal:
                await asyncio.sleep(0.05)
        folders = {
            "AITK_OUTPUTS_DIR": str(sandbox.training_folder),
            "AITK_DATASETS_DIR": str(sandbox.datasets_folder),
        }
        async with serving(sandbox.url, folder / "home", **folders) as address:
            site.address = address
            site.ready.set()
            while not site.over.is_set():
                await asyncio.sleep(0.2)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield opened
        opened.close()


@contextmanager
def opened(browser: Browser, **options: Any) -> Iterator[tuple[Page, list[str], list[str]]]:
    """Open a page, and keep what goes wrong in it and what it asks for."""
    context = browser.new_context(**options)
    page = context.new_page()
    faults: list[str] = []
    asked: list[str] = []
    page.on("console", lambda each: faults.append(each.text) if each.type == "error" else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("dialog", lambda dialog: faults.append(dialog.message))
    page.on("request", lambda request: asked.append(request.url))
    yield page, faults, asked
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
def test_every_page_is_sound_for_everybody_at_every_width(
    site: Site, browser: Browser, width: int, scheme: Any
) -> None:
    paths = [
        "/dashboard",
        f"/dashboard/runs/{site.jobs['broken']}",
        f"/dashboard/runs/{site.jobs[HOSTILE]}",
        f"/dashboard/compare?run={site.jobs['good']}&run={site.jobs['broken']}",
        "/dashboard/datasets",
        "/dashboard/datasets/demo_pictures",
        "/dashboard/watches",
        "/dashboard/plugins",
        "/dashboard/login",
    ]
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with opened(browser, **options) as (page, faults, asked):
        for path in paths:
            answer = page.goto(site.address + path)
            assert answer is not None
            assert answer.ok, f"{path}: {answer.text()[:500]}"
            page.wait_for_selector("h1")
            if "/runs/" in path:
                page.wait_for_selector("#chart[data-drawn]", timeout=30_000)
                page.wait_for_selector("#findings [data-code], #findings b", timeout=30_000)
            if "/compare" in path:
                page.wait_for_selector("#curves-of[data-drawn]", timeout=30_000)
            violations = [
                (each["id"], each["nodes"][0]["html"][:200])
                for each in Axe().run(page)["violations"]
                if each["impact"] in ("serious", "critical")
            ]
            assert violations == []
            wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wider <= 0, path
        assert faults == []
        own = (site.address, "data:", "blob:")
        assert [url for url in asked if not url.startswith(own)] == []


def test_a_page_follows_its_run_and_shows_other_peoples_text_as_text(
    site: Site, browser: Browser
) -> None:
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard/runs/{site.jobs[HOSTILE]}")
        assert page.inner_text("h1") == HOSTILE
        page.wait_for_selector("#step")
        page.wait_for_selector("#chart[data-drawn]", timeout=30_000)
        points = "() => Number(document.querySelector('#chart').dataset.drawn)"
        before = page.inner_text("#step"), page.evaluate(points)
        # At 20 steps a second a page that follows within 2 s moves again and again.
        page.wait_for_function(
            "before => document.querySelector('#step').innerText !== before",
            arg=before[0],
            timeout=15_000,
        )
        page.wait_for_function(
            "before => Number(document.querySelector('#chart').dataset.drawn) > before",
            arg=before[1],
            timeout=15_000,
        )
        assert page.query_selector("img[src=x]") is None
        assert faults == []


def test_evidence_of_findings_is_marked_on_the_curve(site: Site, browser: Browser) -> None:
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard/runs/{site.jobs['broken']}")
        page.wait_for_selector("#findings [data-code=LOSS_EXPLODED]", timeout=30_000)
        page.wait_for_function(
            "() => (document.querySelector('#chart').layout?.shapes ?? [])"
            ".some((shape) => shape.name === 'LOSS_EXPLODED')",
            timeout=15_000,
        )
        page.wait_for_selector("#sheet:not([hidden])", timeout=30_000)
        assert faults == []


def test_keys_alone_lead_to_a_run(site: Site, browser: Browser) -> None:
    with opened(browser) as (page, _, _asked):
        page.goto(f"{site.address}/dashboard")
        page.wait_for_selector("table")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for _ in range(12):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.href ?? ''").find("/runs/") > 0:
                break
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/dashboard/runs/"))


def test_a_change_is_asked_back_and_then_done(site: Site, browser: Browser) -> None:
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard/runs/{site.jobs[HOSTILE]}")
        page.get_by_role("button", name="Watch the run").click()
        dialog = page.get_by_role("dialog")
        assert HOSTILE in dialog.inner_text()
        dialog.get_by_role("button", name="Go back").click()
        assert page.locator("dialog").count() == 0
        page.get_by_role("button", name="Watch the run").click()
        page.get_by_role("dialog").get_by_role("button", name="Watch the run").click()
        page.wait_for_url(re.compile("/dashboard/runs/"))
        page.goto(f"{site.address}/dashboard/watches")
        page.wait_for_selector("table a")
        assert HOSTILE in page.inner_text("table")
        assert faults == []


def test_without_script_every_page_says_what_there_is(site: Site, browser: Browser) -> None:
    with opened(browser, java_script_enabled=False) as (page, _, _asked):
        page.goto(f"{site.address}/dashboard?whole=yes")
        assert "good" in page.inner_text("main")
        page.goto(f"{site.address}/dashboard/runs/{site.jobs['good']}?whole=yes")
        assert "60 of 60" in page.inner_text("main")
        page.goto(f"{site.address}/dashboard/runs/{site.jobs[HOSTILE]}?whole=yes")
        page.get_by_role("button", name="Stop the run").click()
        assert "Stop this run?" in page.inner_text("main")
