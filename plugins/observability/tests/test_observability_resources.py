"""What a client reads of a run by URI, over recorded runs and made-up answers of the backend."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import math
from array import array
from functools import reduce
from importlib.metadata import entry_points
from operator import methodcaller
from typing import TYPE_CHECKING, Any

import httpx
import mcp_types as t
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from aitk_core import errors
from aitk_core.application import Application
from aitk_core.backend.client import AiToolkitBackend
from aitk_core.backend.records import MetricPage
from aitk_core.settings import SettingsSource
from aitk_core.testing.evidence import answer_of, changed
from aitk_core.testing.mcp import with_client
from aitk_core.testing.plugins import with_dispatcher
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from aitk_observability.resources import runs, series
from aitk_observability.resources.series import heading_of, to_csv
from support.mcp_clients import both_eras, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from mcp import Client

    from aitk_core.backend.protocol import Backend
    from aitk_core.testing.recorded import Recording

RUNS = recorded_runs()
ALL = tuple(RUNS.values())
RUN = RUNS["ok_with_validation"]
PLUGIN = tuple(entry_points(group="aitk.plugins", name="observability"))
KINDS = ("chart.png", "config", "log", "loss.csv", "report", "samples")
TEMPLATES = [f"aitk://runs/{{job_id}}/{kind}" for kind in KINDS]


def application(served: Iterable[Recording] | Backend = ALL, **environment: str) -> Application:
    backend: Any = served if hasattr(served, "log_tail") else recorded_backend(served)
    source = SettingsSource(environment=environment)
    return Application(points=PLUGIN, source=source, backend=backend)


def answering(handler: Callable[[httpx.Request], Any]) -> AiToolkitBackend:
    transport = httpx.MockTransport(handler)
    return AiToolkitBackend("http://made-up.test", transport=transport, backoff_s=())


def read(
    what: str,
    run: Recording = RUN,
    *,
    mode: str = "auto",
    backend: Backend | None = None,
    **environment: str,
) -> t.TextResourceContents:
    """Read one resource of a run through a client."""
    opened = application(backend or [run], **environment)
    uri = f"aitk://runs/{run.job_id}/{what}"
    found = with_client(opened, lambda client: client.read_resource(uri), mode=mode)
    (content,) = found.contents
    assert isinstance(content, t.TextResourceContents)
    assert content.uri == uri
    return content


def refusal(uri: str, served: Iterable[Recording] | Backend = ALL) -> errors.AitkError:
    with pytest.raises(errors.AitkError) as caught:
        with_dispatcher(application(served), lambda d, s: d.read(uri, s))
    return caught.value


def completed(
    typed: str, served: Iterable[Recording] | Backend = ALL, *, mode: str = "auto"
) -> t.Completion:
    reference = t.ResourceTemplateReference(uri=TEMPLATES[0])
    argument = {"name": "job_id", "value": typed}
    answer = with_client(
        application(served), lambda client: client.complete(reference, argument), mode=mode
    )
    return answer.completion


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def headings_of(text: str) -> list[str]:
    return next(csv.reader(io.StringIO(text, newline=""), strict=True))


def series_in(text: str, heading: str) -> dict[int, float]:
    return {int(row["step"]): float(row[heading]) for row in table(text) if row[heading] != ""}


@both_eras
def test_a_client_is_shown_the_list_of_runs_and_a_template_for_each_kind(mode: str) -> None:
    async def use(client: Client) -> tuple[Any, Any]:
        listed = await client.list_resources()
        return listed.resources, (await client.list_resource_templates()).resource_templates

    listed, templates = with_client(application(), use, mode=mode)
    assert [(one.uri, one.mime_type) for one in listed] == [
        ("aitk://runs", "application/json"),
        ("ui://aitk/run.html", "text/html;profile=mcp-app"),
    ]
    assert [one.uri_template for one in templates] == TEMPLATES
    assert [one.mime_type for one in templates] == [
        "image/png", "application/json", "text/plain", "text/csv", "application/json",
        "image/jpeg",
    ]  # fmt: skip


@both_eras
@pytest.mark.parametrize("name", RUNS)
def test_a_table_read_back_is_the_recorded_series(name: str, mode: str) -> None:
    run = RUNS[name]
    content = read("loss.csv", run, mode=mode)
    assert content.mime_type == "text/csv"
    headings = headings_of(content.text)
    assert headings[:2] == ["step", "wall_time"]
    assert headings[-1] == "loss_source"
    if not run.metrics:
        assert set(headings[2:-1]) <= {"loss/loss"}  # of the log
        return
    assert set(headings[2:-1]) == set(run.metrics)
    for key, points in run.metrics.items():
        known = {step: value for step, _, value in points if value is not None}
        assert series_in(content.text, key) == known
        times = series_in(content.text, "wall_time")
        assert {step: times[step] for step, _, _ in points} == {s: w for s, w, _ in points}
    steps = [int(row["step"]) for row in table(content.text)]
    assert steps == sorted({point[0] for points in run.metrics.values() for point in points})


def test_the_training_loss_is_the_first_metric_and_the_others_follow_by_name() -> None:
    headings = headings_of(read("loss.csv").text)
    assert headings[2:-1] == ["loss/loss", "learning_rate", "val/loss"]


def test_each_row_tells_where_its_loss_is_from() -> None:
    point = [[step, 1.7e9 + step, 0.5] for step in range(3)]
    run = evolve(RUN, metrics={"loss/loss": point, "val/loss": [[7, 1.7e9, 0.4]]})
    sources = {int(row["step"]): row["loss_source"] for row in table(read("loss.csv", run).text)}
    assert sources == {0: "metrics", 1: "metrics", 2: "metrics", 7: ""}


@both_eras
def test_a_run_without_recorded_losses_has_those_that_its_log_shows(mode: str) -> None:
    text = read("loss.csv", RUNS["no_ui_logger"], mode=mode).text
    assert headings_of(text) == ["step", "wall_time", "loss/loss", "loss_source"]
    rows = table(text)
    assert [int(row["step"]) for row in rows] == list(range(60))
    assert float(rows[0]["loss/loss"]) == 0.8064
    assert {row["loss_source"] for row in rows} == {"log"}
    assert {row["wall_time"] for row in rows} == {""}


def test_losses_of_the_log_are_those_that_the_metrics_hold_as_the_bar_rounds_them() -> None:
    whole = series_in(read("loss.csv").text, "loss/loss")
    logged = series_in(read("loss.csv", RUN.without(metrics=True)).text, "loss/loss")
    both = whole.keys() & logged.keys()
    assert len(both) >= len(whole) - 1  # the last count of a bar has no loss of its own
    assert all(logged[step] == pytest.approx(whole[step], rel=1e-3) for step in both)


def test_losses_of_the_log_stand_beside_other_metrics() -> None:
    others = {key: points for key, points in RUN.metrics.items() if key != "loss/loss"}
    text = read("loss.csv", evolve(RUN, metrics=others)).text
    assert headings_of(text)[2:] == ["loss/loss", "learning_rate", "val/loss", "loss_source"]
    assert series_in(text, "loss/loss")


def test_a_log_whose_beginning_is_not_read_gives_no_table_of_a_part() -> None:
    run = RUNS["no_ui_logger"]
    filler = "a line of another kind\n" * 240_000
    error = refusal(f"aitk://runs/{run.job_id}/loss.csv", [evolve(run, log=filler + run.log)])
    assert error.code == "TOO_LARGE"
    assert "log" in str(error)


def test_a_log_of_too_many_losses_is_refused_as_metrics_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = RUNS["no_ui_logger"]
    count = len(table(read("loss.csv", run).text))
    monkeypatch.setattr(series, "_MOST_VALUES", count + 1)
    assert len(table(read("loss.csv", run).text)) == count
    monkeypatch.setattr(series, "_MOST_VALUES", count)
    assert refusal(f"aitk://runs/{run.job_id}/loss.csv", [run]).code == "TOO_LARGE"


KEYS = st.one_of(
    st.sampled_from(
        ["loss/loss", "step", "wall_time", "'step", '=1+1"', "@x", "-1", "+1", "a,b", "\tb"]
    ),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
)
FLOATS = st.one_of(st.floats(), st.sampled_from([-0.0, 5e-324, 1e300, 0.1, math.nan]))
POINTS = st.dictionaries(st.integers(0, 10**9), st.tuples(FLOATS, FLOATS), max_size=30)


def page(key: str, points: Mapping[int, tuple[float, float]]) -> MetricPage:
    steps = sorted(points)
    return MetricPage(
        key=key,
        keys=(key,),
        steps=array("q", steps),
        wall_times=array("d", [points[step][0] for step in steps]),
        values=array("d", [points[step][1] for step in steps]),
    )


@given(st.dictionaries(KEYS, POINTS, max_size=5))
def test_any_series_read_back_are_what_went_in(metrics: dict[str, Any]) -> None:
    text = to_csv([page(key, points) for key, points in metrics.items()])
    for key, points in metrics.items():
        finite = {step: value for step, (_, value) in points.items() if math.isfinite(value)}
        assert series_in(text, heading_of(key)) == finite
    known: dict[int, float] = reduce(
        lambda found, points: {
            **{step: time_s for step, (time_s, _) in points.items() if math.isfinite(time_s)},
            **found,
        },
        metrics.values(),
        {},
    )
    assert series_in(text, "wall_time") == known
    assert [int(row["step"]) for row in table(text)] == sorted(set().union(*metrics.values()))


@given(KEYS)
def test_a_heading_is_no_formula_and_tells_its_key(key: str) -> None:
    heading = heading_of(key)
    assert not heading.startswith(("=", "+", "-", "@", "\t", "\r"))
    assert heading not in ("step", "wall_time", "loss_source")
    assert heading.removeprefix("'") == key


@given(st.lists(KEYS, unique=True, min_size=2))
def test_two_keys_never_share_a_heading(keys: list[str]) -> None:
    assert len({heading_of(key) for key in keys}) == len(keys)


def test_a_job_without_metrics_has_headings_and_no_row() -> None:
    assert read("loss.csv", RUNS["fail_missing_dataset"]).text == "step,wall_time,loss_source\r\n"


def test_a_metric_of_hostile_name_has_a_marked_heading_or_no_column() -> None:
    point = [[0, 1.0, 0.5]]
    hostile = {'=HYPERLINK("x")': point, "a\nb": point, "": point, "loss/loss": point}
    text = read("loss.csv", evolve(RUN, metrics=hostile)).text
    assert headings_of(text) == [
        "step", "wall_time", "loss/loss", "'=HYPERLINK(\"x\")", "loss_source",
    ]  # fmt: skip


def test_a_series_of_several_pages_is_whole() -> None:
    points = [[step, 1.7e9 + step, 0.5] for step in range(45_000)]
    text = read("loss.csv", evolve(RUN, metrics={"loss/loss": points})).text
    assert text.count("\r\n") == 45_001


@pytest.mark.parametrize(("length", "refused_too"), [(29, False), (30, True), (31, True)])
def test_a_table_that_is_too_long_is_refused_and_never_cut(
    length: int,
    refused_too: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(series, "_MOST_VALUES", 60)
    points = [[step, 1.0, 0.5] for step in range(length)]
    run = evolve(RUN, metrics={"learning_rate": points, "loss/loss": points})
    if not refused_too:
        assert len(table(read("loss.csv", run).text)) == length
        return
    error = refusal(f"aitk://runs/{run.job_id}/loss.csv", [run])
    assert (error.code, error.details["limit_values"]) == ("TOO_LARGE", 60)


def test_a_job_of_too_many_metrics_is_refused_before_they_are_read() -> None:
    run = evolve(RUN, metrics={f"loss/{number}": [[0, 1.0, 0.5]] for number in range(33)})
    assert refusal(f"aitk://runs/{run.job_id}/loss.csv", [run]).code == "TOO_LARGE"


@both_eras
@pytest.mark.parametrize("name", ["ok_200_steps", "nan_loss", "fail_missing_dataset"])
def test_a_log_is_what_the_tool_shows(name: str, mode: str) -> None:
    run = RUNS[name]
    content = read("log", run, mode=mode)
    tool = answer_of(
        [run], "get-training-logs", {"job_id": run.job_id, "lines": 20_000}, points=PLUGIN
    )
    assert tool.data is not None
    assert content.mime_type == "text/plain"
    assert content.text == "".join(f"{line}\n" for line in tool.data["lines"])
    assert "\r" not in content.text


def test_a_long_log_is_cut_at_its_beginning_and_says_so_in_the_first_line() -> None:
    log = "".join(f"{number:06d} " + "x" * 993 + "\n" for number in range(500))
    first, *lines = read("log", evolve(RUN, log=log)).text.splitlines()
    assert first == "… [older lines left out]"
    assert lines[-1].startswith("000499")
    assert sum(map(len, lines)) < 80_000


def test_a_job_without_a_log_has_no_text() -> None:
    assert read("log", evolve(RUN, log="")).text == ""


@both_eras
def test_a_config_is_what_the_job_has_stored(mode: str) -> None:
    content = read("config", mode=mode)
    assert content.mime_type == "application/json"
    assert json.loads(content.text) == json.loads(RUN.row["job_config"])


def test_a_config_is_shown_without_secrets() -> None:
    secret = 'p"ss\\word'
    hub = "hf_" + "a1B2" * 8
    config = {"config": {"name": "x", "hub": hub, secret: [f"my {secret}"]}}
    text = read("config", changed(RUN, job_config=json.dumps(config)), AI_TOOLKIT_AUTH=secret).text
    assert json.loads(text) == {
        "config": {"name": "x", "hub": "[redacted]", "[redacted]": ["my [redacted]"]}
    }


@pytest.mark.parametrize("config", ["{", "7", None])
def test_a_config_that_cannot_be_read_is_not_found_with_the_reason(config: Any) -> None:
    error = refusal(f"aitk://runs/{RUN.job_id}/config", [changed(RUN, job_config=config)])
    assert error.code == "NOT_FOUND"
    assert any("job_config" in fault for fault in error.details["faults"])


def test_a_config_of_absurd_length_is_refused() -> None:
    config = json.dumps({"config": {"name": "x" * 2_000_000}})
    error = refusal(f"aitk://runs/{RUN.job_id}/config", [changed(RUN, job_config=config)])
    assert error.code == "TOO_LARGE"


@both_eras
def test_a_report_is_the_document_of_the_tool(mode: str) -> None:
    content = read("report", mode=mode)
    tool = answer_of([RUN], "get-training-observability", {"job_id": RUN.job_id}, points=PLUGIN)
    assert tool.data is not None
    report = json.loads(content.text)
    assert set(report) == set(tool.data)
    assert report["evaluation"] == tool.data["evaluation"]


@both_eras
def test_the_list_names_each_run_and_what_can_be_read_of_it(mode: str) -> None:
    async def use(client: Client) -> dict[str, Any]:
        (content,) = (await client.read_resource("aitk://runs")).contents
        assert isinstance(content, t.TextResourceContents)
        document: dict[str, Any] = json.loads(content.text)
        for run in document["runs"]:
            if run["id"] == RUN.job_id:
                for kind, uri in run["resources"].items():
                    # The recordings hold the names of the samples, not the pictures.
                    if kind != "samples":
                        assert (await client.read_resource(uri)).contents
        return document

    document = with_client(application(), use, mode=mode)
    assert document["total"] == document["returned"] == len(RUNS)
    assert {run["id"]: run["name"] for run in document["runs"]} == {
        run.job_id: name for name, run in RUNS.items()
    }
    assert document["runs"][0]["resources"] == {
        "report": f"aitk://runs/{document['runs'][0]['id']}/report",
        "chart": f"aitk://runs/{document['runs'][0]['id']}/chart.png",
        "samples": f"aitk://runs/{document['runs'][0]['id']}/samples",
        "loss": f"aitk://runs/{document['runs'][0]['id']}/loss.csv",
        "log": f"aitk://runs/{document['runs'][0]['id']}/log",
        "config": f"aitk://runs/{document['runs'][0]['id']}/config",
    }


def many(count: int) -> list[Recording]:
    return [changed(RUN, id=f"job-{number:03d}", name=f"run {number}") for number in range(count)]


def test_the_list_is_bounded_and_tells_how_many_there_are() -> None:
    hostile = [changed(RUN, id="../x"), changed(RUN, id="long", name="n" * 10_000)]
    opened = application([*hostile, *many(150)])
    content = with_dispatcher(opened, lambda d, s: d.read("aitk://runs", s))
    document = json.loads(content.text or "")
    assert (document["returned"], document["total"]) == (50, 151)
    assert document["runs"][0]["id"] == "long"
    assert len(document["runs"][0]["name"]) == 200


@both_eras
@pytest.mark.parametrize("what", ["loss.csv", "log", "config", "report"])
def test_an_unknown_job_is_the_typed_error(what: str, mode: str) -> None:
    uri = f"aitk://runs/no-such-job/{what}"
    code, data = refused(application(), lambda client: client.read_resource(uri), mode=mode)
    assert code == t.INVALID_PARAMS
    assert (data["code"], data["job_id"]) == ("JOB_NOT_FOUND", "no-such-job")


@both_eras
@pytest.mark.parametrize("what", ["loss.csv", "log", "config", "report"])
@pytest.mark.parametrize(
    ("job_id", "code"),
    [
        ("../x", "RESOURCE_NOT_FOUND"),
        ("a/../../x", "RESOURCE_NOT_FOUND"),
        ("", "RESOURCE_NOT_FOUND"),
        ("a?b", "RESOURCE_NOT_FOUND"),
        ("x" * 10_000, "RESOURCE_NOT_FOUND"),
        ("..", "INVALID_ARGUMENTS"),
        ("%2e%2e", "INVALID_ARGUMENTS"),
        ("%2e%2e%2fx", "INVALID_ARGUMENTS"),
        ("x" * 200, "INVALID_ARGUMENTS"),
        ("a\nb", "INVALID_ARGUMENTS"),
        ("{job_id}", "INVALID_ARGUMENTS"),
    ],
)
def test_a_hostile_job_id_asks_the_backend_nothing(
    what: str, job_id: str, code: str, mode: str
) -> None:
    asked: list[str] = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(500)

    uri = f"aitk://runs/{job_id}/{what}"
    opened = application(answering(handler))
    number, data = refused(opened, lambda client: client.read_resource(uri), mode=mode)
    assert (number, data["code"], asked) == (t.INVALID_PARAMS, code, [])


def test_an_absent_backend_is_an_error_not_an_empty_document() -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    for uri in ("aitk://runs", *(each.format(job_id="a") for each in TEMPLATES)):
        assert refusal(uri, answering(handler)).code == "BACKEND_UNREACHABLE"


@both_eras
def test_the_beginning_of_an_id_or_of_a_name_finds_the_id(mode: str) -> None:
    run = RUNS["nan_loss"]
    for typed in (run.job_id, run.job_id[:8], "nan_loss", "NAN_L"):
        assert completed(typed, mode=mode).values == [run.job_id]
    assert completed("", mode=mode).values == [run.job_id for run in RUNS.values()]
    assert completed("no such run", mode=mode).values == []


def test_a_hundred_of_the_newest_jobs_are_offered_at_most() -> None:
    found = completed("job-", [changed(RUN, id="job-/../x"), *many(150)])
    assert found.values == [f"job-{number:03d}" for number in range(100)]


@pytest.mark.parametrize("typed", ["../x", "%2e%2e", "x" * 10_000, "\x00", "*", "[a-z]+"])
def test_whatever_is_typed_is_no_error(typed: str) -> None:
    assert completed(typed).values == []


@pytest.mark.parametrize("status", [None, 200, 401, 500])
def test_a_backend_that_fails_completes_nothing(status: int | None) -> None:
    def handler(_request: httpx.Request) -> httpx.Response:
        if status is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, json="nonsense")

    assert completed("", answering(handler)).values == []


def test_a_backend_that_takes_too_long_completes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_PATIENCE_S", 0.0)

    async def handler(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    assert completed("", answering(handler)).values == []


def test_a_tool_that_is_switched_off_is_not_read_through_a_resource() -> None:
    opened = application(AITK_EXCLUDE_TOOLS="get-training-observability,get-training-logs")
    for what in ("report", "log"):
        uri = f"aitk://runs/{RUN.job_id}/{what}"
        _, data = refused(opened, methodcaller("read_resource", uri), mode="auto")
        assert data["code"] == "NOT_PERMITTED"
