"""The pages in a real browser, with runs of the sandbox that are really trained, and recorded."""

from __future__ import annotations

import asyncio
import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import frozen

from aitk_core.backend.client import AiToolkitBackend
from aitk_core.testing.recorded import recorded_runs
from aitk_sandbox.demo import demo_config
from aitk_sandbox.server import running
from support.browsing import beside, chromium, needs_chromium, opened, violations
from support.servers import serving
from support.sites import serving_recorded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

HOSTILE: Final = "<img src=x onerror=alert(1)> & co"
RECORDED: Final = recorded_runs()

pytestmark = [needs_chromium, pytest.mark.timeout(300)]


@frozen
class Site:
    """A server with two runs that have ended, one that broke, and one that goes on."""

    address: str
    jobs: dict[str, str]


@asynccontextmanager
async def trained(folder: Path) -> AsyncIterator[Site]:
    """Train, and serve what was trained."""
    async with (
        running(folder, worker_interval_s=0.05) as sandbox,
        AiToolkitBackend(sandbox.url) as backend,
    ):
        jobs = {}
        for name, steps, lr in (
            ("good", 60, 2e-3),
            ("other", 60, 1e-3),
            ("broken", 60, 0.5),
            (HOSTILE, 50_000, 2e-3),
        ):
            config = demo_config(
                name,
                steps=steps,
                lr=lr,
                training_folder=sandbox.training_folder,
                datasets_folder=sandbox.datasets_folder,
                sandbox={"step_delay_s": 0.05 if steps > 1000 else 0.0},
            )
            job = await backend.create_job(name, "0", config)
            jobs[name] = job.id
            await backend.start_job(job.id)
            await backend.start_queue("0")
            while steps < 1000 and not (await backend.job(job.id)).is_terminal:
                await asyncio.sleep(0.05)
        folders = {
            "AITK_OUTPUTS_DIR": str(sandbox.training_folder),
            "AITK_DATASETS_DIR": str(sandbox.datasets_folder),
            "AITK_EXPORTS_DIR": str(folder / "exports"),
        }
        async with serving(sandbox.url, folder / "home", **folders) as address:
            yield Site(address, jobs)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    with beside(lambda: trained(folder)) as found:
        yield found


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("recorded")
    with beside(lambda: serving_recorded(folder)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def check(page: Page, path: str) -> None:
    """Hold what must hold for every page, once it is there."""
    page.wait_for_selector("h1")
    if "/runs/" in path:
        page.wait_for_selector("#findings [data-code], #findings p span", timeout=30_000)
    page.wait_for_function("() => !document.querySelector('[data-live] noscript')", timeout=30_000)
    assert violations(page) == [], path
    wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wider <= 0, path


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
def test_every_page_is_sound_for_everybody_at_every_width(
    site: Site, browser: Browser, width: int, scheme: Any
) -> None:
    paths = [
        "/dashboard",
        f"/dashboard/runs/{site.jobs['broken']}",
        f"/dashboard/runs/{site.jobs[HOSTILE]}",
        f"/dashboard/compare?run={site.jobs['good']}&run={site.jobs['other']}",
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
            if "/runs/" in path:
                page.wait_for_selector("#chart[data-drawn]", timeout=30_000)
            if "/compare" in path:
                page.wait_for_selector("#curves-of[data-drawn]", timeout=30_000)
            check(page, path)
        assert faults == []
        own = (site.address, "data:", "blob:")
        assert [url for url in asked if not url.startswith(own)] == []


@pytest.mark.parametrize("name", ["nan_loss", "fail_missing_repo_offline", "overfit"])
def test_recorded_runs_of_the_real_backend_are_sound_pages(
    recorded: str, browser: Browser, name: str
) -> None:
    options = {"viewport": {"width": 390, "height": 800}}
    with opened(browser, **options) as (page, faults, asked):
        for path in ("/dashboard", f"/dashboard/runs/{RECORDED[name].job_id}"):
            page.goto(recorded + path)
            check(page, path)
        assert faults == []
        assert [url for url in asked if not url.startswith((recorded, "data:"))] == []


def test_lines_that_findings_quote_are_marked_in_the_log(recorded: str, browser: Browser) -> None:
    job = RECORDED["fail_missing_repo_offline"].job_id
    with opened(browser) as (page, faults, _):
        page.goto(f"{recorded}/dashboard/runs/{job}")
        page.wait_for_selector("mark[title=NET_DNS]", timeout=30_000)
        quote = page.inner_text("#findings [data-code=NET_DNS] q >> nth=-1")[:60]
        assert any(quote in line for line in page.locator("mark").all_inner_texts())
        assert faults == []


def test_the_first_page_judges_runs_while_somebody_looks(site: Site, browser: Browser) -> None:
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard")
        page.wait_for_selector("#attention", timeout=30_000)
        urgent = page.inner_text("section[aria-labelledby=attention]")
        assert "broken" in urgent
        assert "critical" in urgent
        assert "good" not in urgent
        assert faults == []


def test_a_page_follows_its_run_and_shows_other_peoples_text_as_text(
    site: Site, browser: Browser
) -> None:
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard/runs/{site.jobs[HOSTILE]}")
        page.wait_for_selector("#step")
        assert page.inner_text("h1") == HOSTILE
        assert page.title().startswith(HOSTILE)
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
        assert faults == []


def test_samples_are_looked_at_in_full_and_stepped_through_by_keys(
    site: Site, browser: Browser
) -> None:
    loaded = "() => document.querySelector('dialog img').naturalWidth > 0"
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard/runs/{site.jobs['good']}")
        page.locator("a[data-view='0'] img").first.scroll_into_view_if_needed(timeout=30_000)
        page.wait_for_function(
            "() => document.querySelector('a[data-view] img')?.naturalWidth > 0", timeout=15_000
        )
        page.locator("a[data-view='0']").first.click()
        dialog = page.get_by_role("dialog")
        assert dialog.inner_text().startswith("Step 0:")
        page.wait_for_function(loaded)
        page.keyboard.press("ArrowRight")
        assert dialog.inner_text().startswith("Step 20:")
        page.wait_for_function(loaded)
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
        assert page.evaluate("document.activeElement.dataset.view") == "0"
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


def test_keys_stay_where_they_are_while_a_page_is_renewed(site: Site, browser: Browser) -> None:
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard")
        link = page.locator(f"tr a[href$='{site.jobs[HOSTILE]}']")
        link.focus(timeout=30_000)
        before = link.locator("xpath=ancestor::tr").inner_text()
        page.wait_for_function(
            "([job, before]) => document.querySelector(`tr:has(a[href$='${job}'])`).innerText"
            " !== before",
            arg=[site.jobs[HOSTILE], before],
            timeout=15_000,
        )
        assert page.evaluate("document.activeElement.href").endswith(site.jobs[HOSTILE])
        assert faults == []


def confirm(page: Page, verb: str) -> None:
    """Press a button, and say yes."""
    page.get_by_role("button", name=verb).first.click(timeout=30_000)
    with page.expect_navigation(timeout=60_000):
        page.get_by_role("dialog").get_by_role("button", name=re.compile(f"^{verb}")).click()


def test_a_change_is_asked_back_and_then_done(site: Site, browser: Browser) -> None:
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard/runs/{site.jobs[HOSTILE]}")
        page.get_by_role("button", name="Watch the run").click()
        dialog = page.get_by_role("dialog")
        assert HOSTILE in dialog.inner_text()
        assert "may stop it" in dialog.inner_text()
        dialog.get_by_role("button", name="Go back").click()
        page.wait_for_selector("dialog", state="detached")
        confirm(page, "Watch the run")
        page.goto(f"{site.address}/dashboard/watches")
        page.wait_for_selector("table a")
        assert HOSTILE in page.inner_text("table")
        assert faults == []


def test_a_checkpoint_is_exported_and_the_page_says_where_to(site: Site, browser: Browser) -> None:
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard/runs/{site.jobs['good']}")
        confirm(page, "Export")
        page.wait_for_selector("pre", timeout=30_000)
        said = page.inner_text("pre")
        assert "SHA-256: " in said
        assert "Copied to: exports:" in said
        assert faults == []


def test_a_run_is_stopped_after_a_save_and_started_again(site: Site, browser: Browser) -> None:
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard/runs/{site.jobs[HOSTILE]}")
        confirm(page, "Save and stop")
        page.get_by_role("button", name="Start it again").wait_for(timeout=60_000)
        stopped = int(re.sub(r"\D", "", page.inner_text("#step").split(" of ")[0]))
        assert stopped > 0
        confirm(page, "Start it again")
        page.get_by_role("button", name="Stop at once").wait_for(timeout=60_000)
        page.wait_for_function(
            "least => Number(document.querySelector('#step').innerText"
            ".split(' of ')[0].replace(/\\D/g, '')) > least",
            arg=stopped,
            timeout=60_000,
        )
        assert faults == []


def test_a_dataset_shows_its_check_whole_and_plans_what_is_asked(
    site: Site, browser: Browser
) -> None:
    with opened(browser) as (page, faults, _):
        page.goto(f"{site.address}/dashboard/datasets/demo_pictures")
        # As high as what it shows: no window to scroll in the page.
        page.wait_for_function(
            "() => { const f = document.querySelector('iframe.check');"
            "const d = f.contentDocument?.documentElement;"
            "return d && d.scrollHeight > 1000 && f.clientHeight >= d.scrollHeight; }",
            timeout=60_000,
        )
        page.get_by_text("What a repair may do").click()
        page.get_by_label("captions as UTF-8").check()
        page.get_by_role("button", name="Plan it").click()
        page.wait_for_url(re.compile("do=reencode_captions"))
        assert page.get_by_label("captions as UTF-8").is_checked()
        assert faults == []


def test_without_script_every_page_says_what_there_is(site: Site, browser: Browser) -> None:
    good = site.jobs["good"]
    with opened(browser, java_script_enabled=False) as (page, _, _asked):
        page.goto(f"{site.address}/dashboard?whole=yes")
        assert "good" in page.inner_text("main")
        page.goto(f"{site.address}/dashboard/runs/{good}?whole=yes")
        said = page.inner_text("main")
        assert "60 of 60" in said
        assert "healthy" in said.lower()
        assert "Step 20" in said
        assert "good.safetensors" in said
        page.goto(f"{site.address}/dashboard/compare?run={good}&run={site.jobs['other']}&whole=yes")
        assert "What differs" in page.inner_text("main")
        page.goto(f"{site.address}/dashboard/runs/{site.jobs[HOSTILE]}?whole=yes")
        page.get_by_role("button", name="Stop at once").click()
        assert "Stop this run now?" in page.inner_text("main")
