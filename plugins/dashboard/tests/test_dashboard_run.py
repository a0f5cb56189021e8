"""The page of one run: state, findings, curves, samples, checkpoints, log."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aitk_core.testing.recorded import recorded_runs
from aitk_dashboard.pages.curves import thinned
from aitk_dashboard.pages.log import Line, excerpts
from support.html import Page
from support.sites import fetched, with_client

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

RUNS: Final = recorded_runs()


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


@pytest.mark.parametrize(
    "path",
    ["/dashboard/runs/none", "/dashboard/runs/..%2f..%2fsettings", "/dashboard/runs/a%00b"],
)
def test_a_run_that_is_none_is_a_page_or_an_error_and_never_a_crash(
    tmp_path: Path, path: str
) -> None:
    assert fetched(tmp_path, path).status_code in (400, 404)


def test_without_script_the_whole_page_is_answered_at_once(tmp_path: Path) -> None:
    run = RUNS["fail_missing_dataset"]
    page = Page(fetched(tmp_path, f"/dashboard/runs/{run.job_id}?whole=yes").text)
    assert "Loading\N{HORIZONTAL ELLIPSIS}" not in page.text
    assert "PATH_NOT_FOUND" in page.text
    assert "Try next" in page.text
    assert "mark" in page.tags


def test_lines_that_findings_quote_are_marked_in_the_log(tmp_path: Path) -> None:
    run = RUNS["fail_missing_dataset"]
    # So long a log that what is quoted lies before its end.
    long = evolve(run, log=run.log + "".join(f"\nlater line {n}" for n in range(900)))

    async def work(client: httpx.AsyncClient) -> None:
        place = f"/dashboard/live/runs/{run.job_id}"
        before = Page((await client.get(f"{place}/log")).text)
        assert "mark" not in before.tags
        await client.get(f"{place}/findings")
        log = Page((await client.get(f"{place}/log")).text)
        titles = [values["title"] for tag, values in log.elements if tag == "mark"]
        assert set(titles) == {"PATH_NOT_FOUND"}
        assert "What findings quote, earlier in the log" in log.text
        assert log.text.index("No such file or directory") < log.text.index("later line 899")
        assert "later line 5 " not in log.text

    with_client(tmp_path, work, [long])


@given(st.lists(st.booleans(), max_size=120))
def test_excerpts_hold_the_first_marked_lines_once_and_in_order(marks: list[bool]) -> None:
    lines = [Line(text=str(n), code="X" if mark else None) for n, mark in enumerate(marks)]
    shown = [line for part in excerpts(lines) for line in part]
    places = [int(line.text) for line in shown]
    assert places == sorted(set(places))
    marked = [line for line in lines if line.code]
    assert [line for line in shown if line.code][: len(marked[:12])] == marked[:12]


def test_checkpoints_say_which_of_them_the_validation_loss_prefers(tmp_path: Path) -> None:
    place = "/dashboard/live/runs/{}/checkpoints"
    overfit = Page(fetched(tmp_path, place.format(RUNS["overfit"].job_id)).text)
    assert "lowest validation loss" in overfit.text
    assert "checkpoint_val_v1" in overfit.text
    assert overfit.form("export", "200")["subject"] == RUNS["overfit"].job_id
    without = Page(fetched(tmp_path, place.format(RUNS["ok_200_steps"].job_id)).text)
    assert "The evidence does not choose" in without.text
    none = Page(fetched(tmp_path, place.format(RUNS["fail_missing_dataset"].job_id)).text)
    assert none.text == "None yet."


def test_samples_stand_by_prompt_and_step_the_newest_of_each(tmp_path: Path) -> None:
    run = RUNS["ok_200_steps"]
    names = [f"{1000 + step}__{step:09d}_{prompt}.jpg" for step in range(40) for prompt in (0, 1)]
    names += ["5000__000000039_0.jpg", "6000__000000039_1.mp4", "other.jpg"]
    full = evolve(run, samples=[f"/toolkit/output/x/samples/{name}" for name in names])

    async def work(client: httpx.AsyncClient) -> None:
        page = Page((await client.get(f"/dashboard/live/runs/{run.job_id}/samples")).text)
        links = [link["href"] for link in page.all("a") if "data-view" in link]
        place = f"/dashboard/runs/{run.job_id}/samples"
        assert len(links) == 20
        assert links[0] == f"{place}/0/0?made=1000&size=full"
        assert f"{place}/39/0?made=5000&size=full" in links
        assert "30 steps between are not shown" in page.text
        assert ".mp4" in page.text
        assert all(image["alt"] and image["loading"] == "lazy" for image in page.all("img"))
        # The path of a file is never the caller's.
        assert (await client.get(f"{place}/39/7")).status_code == 404
        for bad in ("39/x", "-1/0", "39/..%2f0", f"{'9' * 20}/0"):
            assert (await client.get(f"{place}/{bad}")).status_code in (400, 404)

    with_client(tmp_path, work, [full])


@pytest.mark.parametrize("part", ["nothing", "..", "state.html"])
def test_a_part_that_no_page_has_is_not_found(tmp_path: Path, part: str) -> None:
    path = f"/dashboard/live/runs/{RUNS['overfit'].job_id}/{part}"
    assert fetched(tmp_path, path).status_code == 404
