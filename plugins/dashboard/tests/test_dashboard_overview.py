"""The first page: what needs attention first, whoever watches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from attrs import evolve

from aitk_core.testing.recorded import recorded_runs
from aitk_dashboard.pages.glances import Glance, Kept, is_due
from support.html import Page
from support.sites import fetched, with_client

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from aitk_core.proving.recorded import Recording

RUNS: Final = recorded_runs()


def of_today(name: str, **row: Any) -> Recording:
    made = datetime.now(UTC).isoformat()
    return evolve(RUNS[name], row={**RUNS[name].row, "created_at": made, **row})


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


def test_runs_that_nobody_watches_are_judged_and_the_worst_come_first(tmp_path: Path) -> None:
    names = ("nan_loss", "ok_with_validation", "ok_200_steps")
    runs = [of_today("overfit", status="running"), *map(of_today, names)]

    async def work(client: httpx.AsyncClient) -> None:
        before = Page((await client.get("/dashboard/live/overview")).text)
        assert "not looked at yet" in before.text
        assert "Needs attention" not in before.text
        while (await client.get("/dashboard/live/judged")).json()["left"]:
            pass
        text = Page((await client.get("/dashboard/live/overview")).text).text
        urgent = text[text.index("Needs attention") : text.index("Running 1")]
        # Both are critical: that which is said to train and stands still comes first.
        assert urgent.index("overfit") < urgent.index("nan_loss")
        assert "ok_200_steps" not in urgent
        assert "80.05 (B)" in text
        assert "LOSS_NONFINITE" in text
        assert "not looked at yet" not in text

    with_client(tmp_path, work, runs)


def test_what_was_judged_is_kept_for_the_next_server(tmp_path: Path) -> None:
    run = [RUNS["ok_200_steps"]]
    assert fetched(tmp_path, "/dashboard/live/judged", run).json() == {"left": 0}
    again = Page(fetched(tmp_path, "/dashboard/live/overview", run).text)
    assert "healthy" in again.text


def test_a_run_that_broke_long_ago_is_listed_and_no_longer_urgent(tmp_path: Path) -> None:
    old = of_today("nan_loss", created_at="2024-01-01T00:00:00.000Z")
    page = Page(fetched(tmp_path, "/dashboard?whole=yes", [old]).text)
    assert "Needs attention" not in page.text
    assert "LOSS_NONFINITE" in page.text


@pytest.mark.parametrize(
    ("status", "age_s", "moved", "health", "due"),
    [
        ("queued", 1e9, True, None, False),
        ("running", 5, True, "healthy", False),
        ("running", 20, False, "healthy", True),
        ("completed", 20, False, "healthy", False),
        ("completed", 20, True, "healthy", True),
        ("error", 2 * 86_400, False, "critical", True),
        ("stopped", 20, False, None, True),
        ("stopped", 5, False, None, False),
    ],
)
def test_a_run_is_judged_again_when_it_may_have_changed(
    status: str, age_s: float, moved: bool, health: str | None, due: bool
) -> None:
    kept = Kept(mark="then", judged_at=1000.0, glance=Glance(health=health))
    row = {"status": status}
    assert is_due(row, kept, "now" if moved else "then", 1000.0 + age_s) is due
    assert is_due(row, None, "now", 0.0) is (status != "queued")
