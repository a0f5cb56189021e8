"""Sinks over real files and sockets: what arrives, what is refused, what is never shown."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aitk_alerts.sinks.text import body_of, safe, title_of
from aitk_alerts.sinks.webhook import retry_after, signature
from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.errors import (
    AitkError,
    DeliveryError,
    DeliveryRefusedError,
    DestinationRefusedError,
    InvalidArgumentsError,
    InvalidUrlError,
)
from aitk_core.records.alerts import AlertMessage
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend
from support.receivers import certified, receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aitk_core.protocols import ToolContext

HOSTILE = json.loads(
    (Path(__file__).parents[3] / "tests" / "hostile_destinations.json").read_text("utf-8")
)
MARKED = "s3cr3t-path"


@asynccontextmanager
async def opened(folder: Path, **environment: str) -> AsyncIterator[ToolContext]:
    source = SettingsSource(environment={"AITK_HOME": str(folder), **environment})
    application = Application(source=source, backend=recorded_backend(()))
    async with application:
        session = Session(request_id="sink", policy=application.policy)
        yield application.dispatcher.context(session)


def alert(**values: Any) -> dict[str, Any]:
    return {
        "alert_id": "a1",
        "severity": "critical",
        "category": "guardrails",
        "code": "TRAINING_NAN_LOSS",
        "message": "the loss is no number",
        "job_id": "j1",
        "job_name": "cats",
        "state": "open",
        "count": 1,
        "raised_at": "2026-11-23T00:00:00Z",
        **values,
    }


def message(*alerts: dict[str, Any], **values: Any) -> AlertMessage:
    return AlertMessage(**{"message_id": "m1", "alerts": alerts or (alert(),), **values})


async def deliver(context: ToolContext, kind: str, where: str, what: AlertMessage) -> None:
    async with context.open_sink(kind, where) as sink:
        await sink.deliver(what)


# File


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_a_file_gets_the_contracts_line_for_each_alert(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, AITK_OUTPUTS_DIR=str(tmp_path)) as context:
            two = message(alert(), alert(alert_id="a2"), context={"job_id": "j1"})
            await deliver(context, "file", "x.jsonl", two)
            await deliver(context, "file", "x.jsonl", two)  # again, as after a crash

    asyncio.run(work())
    found = lines(tmp_path / "alerts" / "x.jsonl")
    assert [each["alert"]["alert_id"] for each in found] == ["a1", "a2"]
    assert {tuple(sorted(each)) for each in found} == {
        ("alert", "context", "message_id", "timestamp")
    }


def test_a_line_that_a_crash_cut_off_spoils_no_other(tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tmp_path, AITK_OUTPUTS_DIR=str(tmp_path)) as context:
            path = tmp_path / "alerts" / "x.jsonl"
            path.parent.mkdir()
            path.write_text('{"timestamp": "2026', encoding="utf-8")
            await deliver(context, "file", "x.jsonl", message())

    asyncio.run(work())
    torn, whole = (tmp_path / "alerts" / "x.jsonl").read_text("utf-8").splitlines()
    assert torn == '{"timestamp": "2026'
    assert json.loads(whole)["alert"]["alert_id"] == "a1"


def test_a_full_file_is_put_aside_and_no_line_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aitk_alerts.sinks import file

    monkeypatch.setattr(file.AlertFile.__init__, "__kwdefaults__", {"largest": 1500})

    async def work() -> None:
        async with opened(tmp_path, AITK_OUTPUTS_DIR=str(tmp_path)) as context:
            for number in range(12):
                one = message(alert(alert_id=f"a{number}"), message_id=f"m{number}")
                await deliver(context, "file", "x.jsonl", one)

    asyncio.run(work())
    files = sorted((tmp_path / "alerts").glob("x.jsonl*"))
    assert len(files) > 2
    kept = [each["alert"]["alert_id"] for path in files for each in lines(path)]
    assert sorted(kept) == sorted(f"a{number}" for number in range(12))


@pytest.mark.parametrize(
    "where", ["../x.jsonl", "/etc/x.jsonl", ".bashrc", "a/.bashrc", "x.txt", "x\0.jsonl", ".jsonl"]
)
def test_pitfall_56_a_file_outside_or_of_another_kind_is_refused_before_it_is_opened(
    tmp_path: Path, where: str
) -> None:
    async def work() -> None:
        async with opened(tmp_path, AITK_OUTPUTS_DIR=str(tmp_path)) as context:
            with pytest.raises(AitkError) as caught:
                async with context.open_sink("file", where):
                    pass
            assert caught.value.status in (400, 403)

    asyncio.run(work())


@pytest.mark.skipif(os.name != "posix", reason="links")
def test_a_link_in_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "alerts").mkdir()
    target = tmp_path / "alerts" / "other.jsonl"
    target.write_text("", encoding="utf-8")
    (tmp_path / "alerts" / "x.jsonl").symlink_to(target)
    (tmp_path / "alerts" / "twin.jsonl").hardlink_to(target)

    async def work() -> None:
        async with opened(tmp_path, AITK_OUTPUTS_DIR=str(tmp_path)) as context:
            for name in ("x.jsonl", "twin.jsonl"):
                with pytest.raises(AitkError):
                    await deliver(context, "file", name, message())

    asyncio.run(work())
    assert target.read_text("utf-8") == ""


def test_a_second_copy_of_a_long_message_is_known_also_after_the_file_was_put_aside(
    tmp_path: Path,
) -> None:
    from aitk_alerts.sinks.file import append, lines_of

    path = tmp_path / "x.jsonl"
    long = message(*[alert(alert_id=f"a{n}", message="m" * 2000) for n in range(200)])
    data = lines_of(long, 0.0)
    append(path, data, "m1", 10**9)
    append(path, data, "m1", 10**9)
    append(path, data, "m1", 1000)  # full by now
    assert len(lines(path)) == 200
    append(path, lines_of(message(message_id="m2"), 0.0), "m2", 1000)
    append(path, data, "m1", 10**9)
    assert len(lines(path)) == 1
    assert len(lines(tmp_path / "x.jsonl.1")) == 200


def test_alerts_are_no_part_of_other_data(tmp_path: Path) -> None:
    datasets, outputs = tmp_path / "datasets", tmp_path / "outputs"
    for folder in (datasets, outputs / "alerts"):
        folder.mkdir(parents=True)
    (datasets / "metadata.jsonl").write_text('{"file_name": "a.png"}\n', encoding="utf-8")
    (outputs / "alerts" / "notes.jsonl").write_text('{"mine": 1}\n', encoding="utf-8")

    async def work() -> None:
        settings = {"AITK_OUTPUTS_DIR": str(outputs), "AITK_DATASETS_DIR": str(datasets)}
        async with opened(tmp_path / "home", **settings) as context:
            for where in (
                str(datasets / "metadata.jsonl"),
                str(datasets / "new.jsonl"),
                "notes.jsonl",
            ):
                with pytest.raises(AitkError) as caught:
                    await deliver(context, "file", where, message())
                assert caught.value.status in (400, 403)

    asyncio.run(work())


# Webhook


def test_a_webhook_arrives_signed_over_tls_with_its_id(tmp_path: Path) -> None:
    async def work() -> None:
        tls, authority = certified(tmp_path, "localhost")
        async with receiving(tls) as receiver:
            settings = {
                "AITK_OUTBOUND_ALLOW": f"localhost:{receiver.port}",
                "AITK_OUTBOUND_CA_FILE": str(authority),
                "AITK_ALERT_WEBHOOK_SECRET": "k3y",
            }
            async with opened(tmp_path, **settings) as context:
                url = f"https://localhost:{receiver.port}/{MARKED}"
                await deliver(context, "webhook", url, message(context={"job_id": "j1"}))
            (got,) = receiver.received
            assert got.path == f"/{MARKED}"
            assert got.json["alerts"] == [alert()]
            assert got.json["context"] == {"job_id": "j1"}
            assert got.headers["idempotency-key"] == got.json["message_id"] == "m1"
            stamp = got.headers["x-aitk-timestamp"]
            expected = f"v1={signature('k3y', stamp, 'm1', got.body)}"
            assert got.headers["x-aitk-signature"] == expected

    asyncio.run(work())


def test_a_certificate_that_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    async def work() -> None:
        tls, _ = certified(tmp_path, "localhost")
        async with receiving(tls) as receiver:
            allow = f"localhost:{receiver.port}"
            async with opened(tmp_path, AITK_OUTBOUND_ALLOW=allow) as context:
                url = f"https://localhost:{receiver.port}/"
                with pytest.raises(DeliveryError) as caught:
                    await deliver(context, "webhook", url, message())
                assert not isinstance(caught.value, DeliveryRefusedError)
            assert receiver.received == []

    asyncio.run(work())


@pytest.mark.parametrize(
    ("status", "headers", "refused"),
    [
        (200, "", None),
        (204, "", None),
        (302, "Location: http://127.0.0.1:1/\r\n", True),
        (307, "Location: http://169.254.169.254/\r\n", True),
        (400, "", True),
        (404, "", True),
        (408, "", False),
        (429, "Retry-After: 120\r\n", False),
        (500, "", False),
        (503, "Retry-After: junk\r\n", False),
    ],
)
def test_pitfall_58_an_answer_says_taken_later_or_never_and_is_never_shown(
    tmp_path: Path, status: int, headers: str, refused: bool | None
) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            receiver.statuses, receiver.headers = [status], headers
            allow = f"http://127.0.0.1:{receiver.port}"
            async with opened(tmp_path, AITK_OUTBOUND_ALLOW=allow) as context:
                url = f"{allow}/{MARKED}"
                if refused is None:
                    await deliver(context, "webhook", url, message())
                else:
                    with pytest.raises(DeliveryError) as caught:
                        await deliver(context, "webhook", url, message())
                    error = caught.value
                    assert isinstance(error, DeliveryRefusedError) is refused
                    shown = json.dumps(error.to_json()) + repr(error)
                    assert MARKED not in shown
                    assert "INNER-SECRET" not in shown
                    assert ("not_before" in error.details) is (status == 429)
            assert len(receiver.received) == 1  # no redirect was followed

    asyncio.run(work())


@pytest.mark.parametrize("row", HOSTILE, ids=[f"{n}" for n in range(len(HOSTILE))])
def test_a_hostile_webhook_is_refused_and_its_url_not_shown(
    tmp_path: Path, row: dict[str, Any]
) -> None:
    async def work() -> None:
        async with opened(tmp_path) as context:

            async def resolve(_host: str, _port: int) -> list[str]:
                return list(row.get("resolves_to", ["93.184.215.14"]))

            context.outbound._resolve = resolve  # type: ignore[attr-defined]
            with pytest.raises((InvalidUrlError, DestinationRefusedError)):
                await deliver(context, "webhook", row["url"], message())

    asyncio.run(work())


def test_a_name_that_turns_inward_after_it_was_checked_is_refused(tmp_path: Path) -> None:
    """DNS rebinding: public when the destination is named, loopback when it is sent to."""

    async def work() -> None:
        async with receiving() as receiver, opened(tmp_path) as context:
            answers = [["93.184.215.14"], ["127.0.0.1"]]

            async def resolve(_host: str, _port: int) -> list[str]:
                return answers.pop(0) if len(answers) > 1 else answers[0]

            context.outbound._resolve = resolve  # type: ignore[attr-defined]
            url = "https://hooks.example.com/x"
            async with context.open_sink("webhook", url) as sink:
                answers.pop(0)
                with pytest.raises(DestinationRefusedError):
                    await sink.deliver(message())
            assert receiver.received == []

    asyncio.run(work())


@given(st.integers(0, 10**12))
def test_the_wait_that_a_receiver_asks_for_is_bounded(seconds: int) -> None:
    assert retry_after(str(seconds), 0.0) == min(int(str(seconds)[:9]), 86400.0)


def test_a_date_to_wait_for_is_read() -> None:
    assert retry_after(formatdate(1000.0, usegmt=True), 900.0) == 100.0
    assert retry_after("soon", 0.0) is None


# Apprise


def test_an_apprise_service_gets_a_readable_message_with_the_chart(tmp_path: Path) -> None:
    async def work() -> None:
        async with receiving() as receiver, opened(tmp_path) as context:
            where = f"ntfy://127.0.0.1:{receiver.port}/topic"
            await deliver(context, "apprise", where, message(chart=b"\x89PNG-chart"))
            # With a picture, ntfy takes the words in the query.
            texts = " ".join(
                f"{unquote_plus(each.path)} {each.headers} {each.body!r}"
                for each in receiver.received
            )
            assert "the loss is no number" in texts
            assert "CRITICAL: cats: TRAINING_NAN_LOSS" in texts
            assert "PNG-chart" in texts

    asyncio.run(work())


def test_a_service_that_does_not_take_it_is_tried_later_and_never_named_in_full(
    tmp_path: Path,
) -> None:
    async def work() -> None:
        async with receiving() as receiver, opened(tmp_path) as context:
            receiver.statuses = [500]
            where = f"ntfy://user:{MARKED}@127.0.0.1:{receiver.port}/topic"
            with pytest.raises(DeliveryError) as caught:
                await deliver(context, "apprise", where, message())
            assert not isinstance(caught.value, DeliveryRefusedError)
            assert MARKED not in json.dumps(caught.value.to_json())

    asyncio.run(work())


@pytest.mark.parametrize(
    "where",
    [
        "discord://123456789012345678/abcdefghijklmnopqrstuvwxyz0123456789",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
    ],
)
def test_what_discord_and_slack_are_sent_mentions_nobody(tmp_path: Path, where: str) -> None:
    """The services' own hosts cannot be asked here: what would be sent is looked at instead."""
    hostile = alert(message="look @everyone <!channel> [here](http://evil.example) @here")

    async def work() -> None:
        async with opened(tmp_path) as context:
            with mock.patch("requests.post") as post, mock.patch("requests.request") as ask:
                for asked in (post, ask):
                    asked.return_value.status_code = 200
                    asked.return_value.content = b"ok"
                    asked.return_value.text = "ok"
                await deliver(context, "apprise", where, message(hostile, chart=b"PNG"))
            calls = [*post.call_args_list, *ask.call_args_list]
            texts = " ".join(str(call.kwargs.get("data")) for call in calls)
            assert "CRITICAL: cats: TRAINING_NAN_LOSS" in texts
            for mark in ("@everyone", "@here", "<!channel>", "](http"):
                assert mark not in texts
            assert all(call.kwargs["allow_redirects"] is False for call in calls)

    asyncio.run(work())


@pytest.mark.parametrize(
    "where",
    [
        "",
        "nothing",
        "nosuch://x",
        "http//x",
        "file:///etc/passwd",
        "syslog://",
        "json://127.0.0.1/x",
        "ntfy://topic?optional=yes",
        "ntfy://topic?Verify=no&redirect=yes",
        "ntfy://topic?template=/etc/hostname",
    ],
)
def test_what_is_no_apprise_url_is_refused_at_opening(tmp_path: Path, where: str) -> None:
    async def work() -> None:
        async with opened(tmp_path) as context:
            with pytest.raises(InvalidArgumentsError):
                async with context.open_sink("apprise", where):
                    pass

    asyncio.run(work())


def test_words_are_said_once_though_the_picture_is_refused(tmp_path: Path) -> None:
    async def work() -> None:
        async with receiving() as receiver, opened(tmp_path) as context:
            receiver.statuses = [200, 413]
            where = f"ntfy://127.0.0.1:{receiver.port}/topic"
            await deliver(context, "apprise", where, message(chart=b"PNG"))
            said = [each for each in receiver.received if b"the loss is no number" in each.body]
            assert (len(said), len(receiver.received)) == (1, 2)

    asyncio.run(work())


# Text

TEXTS = st.text(
    st.sampled_from("@<>`*_~|[]()!&:/\\#\n herevyonchannl https") | st.characters(), max_size=80
)


@given(TEXTS)
def test_no_text_becomes_a_mention_a_hidden_link_or_markup(text: str) -> None:
    shown = safe(text)
    for mark in ("@everyone", "@here", "@channel", "<", ">", "`", "](", "://", "**", "__", "||"):
        assert mark not in shown
    assert all(c.isprintable() or c in "\n \u2060" for c in shown)


@given(TEXTS, TEXTS, st.integers(0, 40))
def test_a_message_for_people_is_bounded_whatever_it_is_of(
    name: str, said: str, count: int
) -> None:
    odd = alert(job_name=name * 20, message=said * 500, evidence={"findings": [said, {"x": name}]})
    what = message(*[odd] * count) if count else AlertMessage(message_id="m", alerts=())
    assert len(title_of(what)) <= 200
    assert "\n" not in title_of(what)
    assert len(body_of(what)) <= 1800


def test_a_message_says_what_where_how_sure_and_what_next() -> None:
    finding = {
        "value": 0.5,
        "unit": "share of steps",
        "interval": [0.4, 0.6],
        "method": "numeric_v1",
        "remedies": [{"action": "train in bf16"}],
    }
    told = body_of(message(alert(evidence={"findings": [finding]}, false_alarms="0 of 120 runs")))
    assert "Measured: 0.5 (0.4 to 0.6) share of steps, method numeric_v1" in told
    assert "Next: train in bf16" in told
    assert "How often this is wrong: 0 of 120 runs" in told
    assert title_of(message(test=True)).startswith("TEST: CRITICAL: cats")
    assert title_of(message(alert(state="resolved"))).startswith("Over: cats")
