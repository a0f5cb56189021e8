"""The report in a real browser: opened from disk, without any network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import evolve

from aitk_core.testing.recorded import recorded_runs
from support.browsing import chromium, needs_chromium, opened, violations
from support.reports import exported

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

RUNS: Final = recorded_runs()
NAMES: Final = ("overfit", "nan_loss", "fail_missing_dataset")
HOSTILE: Final = "</pre><script>alert(1)</script><img src=x onerror=alert(2)> & co"

pytestmark = [needs_chromium, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of runs with hostile names and logs, by run."""
    found = {}
    baseline = RUNS["ok_with_validation"]
    for name in NAMES:
        run = RUNS[name]
        row = {**run.row, "name": HOSTILE}
        hostile = evolve(run, row=row, log=f"{run.log}\n{HOSTILE}\n")
        answer = exported(
            tmp_path_factory.mktemp(name),
            [hostile, baseline],
            job_id=run.job_id,
            baseline_job_id=baseline.job_id,
            include_raw_log_excerpt=True,
        )
        found[name] = Path(answer["html_report_path"])
    return found


@pytest.fixture(scope="module")
def browser(reports: dict[str, Path]) -> Iterator[Browser]:  # noqa: ARG001 - comes first
    # While a browser is open, its thread has an event loop, beside which no other runs.
    with chromium() as found:
        yield found


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1200, "light")])
@pytest.mark.parametrize("name", NAMES)
def test_the_report_is_whole_from_disk_without_a_network(
    reports: dict[str, Path], browser: Browser, name: str, width: int, scheme: Any
) -> None:
    options = {"viewport": {"width": width, "height": 800}, "color_scheme": scheme}
    with opened(browser, offline=True, **options) as (page, faults, asked):
        page.goto(reports[name].as_uri())
        assert HOSTILE in page.inner_text("body")
        sizes = page.evaluate("[...document.images].map((image) => image.naturalWidth)")
        assert all(size > 0 for size in sizes)
        # A run that failed at its start left nothing to draw.
        assert bool(sizes) is (name != "fail_missing_dataset")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert violations(page) == []
        assert faults == []
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
