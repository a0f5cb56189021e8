"""alert-routing, alert-rules and list-alerts as a user meets them, and the watch's alerts."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from attrs import frozen

from aitk_alerts.routing import quiet_until
from aitk_core.application import Application
from aitk_core.context import Session
from aitk_core.errors import (
    DestinationRefusedError,
    InvalidArgumentsError,
    InvalidUrlError,
    JobNotFoundError,
    NotFoundError,
)
from aitk_core.settings import SettingsSource
from aitk_core.testing.recorded import recorded_backend, recorded_runs
from support.receivers import receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.receivers import Receiver

NAN = recorded_runs()["nan_loss"]
BOOM = {"severity": "critical", "category": "t", "code": "BOOM", "message": "boom", "job_id": "j"}


@frozen
class Desk:
    """A server, and what its user does."""

    application: Application

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        session = Session(request_id="desk", policy=self.application.policy, timeout_s=30)
        answer = await self.application.dispatcher.call(tool, arguments, session)
        assert answer.data is not None
        return dict(answer.data)

    async def route(self, **arguments: Any) -> dict[str, Any]:
        return await self.call("alert-routing", **arguments)


@asynccontextmanager
async def desk(folder: Path, **environment: str) -> AsyncIterator[Desk]:
    settings = {"AITK_HOME": str(folder), "AITK_OUTPUTS_DIR": str(folder), **environment}
    source = SettingsSource(environment=settings)
    async with Application(source=source, backend=recorded_backend((NAN,))) as application:
        yield Desk(application)


def allowed(receiver: Receiver) -> str:
    return f"http://127.0.0.1:{receiver.port}"


def lines(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "alerts").glob("*.jsonl"))
    return [json.loads(line) for path in files for line in path.read_text("utf-8").splitlines()]


def test_the_alerts_of_a_run_go_to_the_days_file_with_its_status(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            data = await user.route(job_id=NAN.job_id)
            assert data["alerts_in"] == data["alerts_routed"] == 2
            assert data["route_result"]["routed"] is True
            again = await user.route(job_id=NAN.job_id)
            assert (again["alerts_routed"], again["filter_stats"]["dropped_duplicate"]) == (0, 2)

    asyncio.run(work())
    found = lines(tmp_path)
    assert [each["alert"]["code"] for each in found] == ["LOSS_NONFINITE", "LOSS_DIVERGED"]
    assert found[0]["context"]["overall_health"] == "critical"
    assert found[0]["alert"]["job_name"] == NAN.row["name"]


def test_pitfall_86_nothing_new_calls_nobody(tmp_path: Path) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            url = f"{allowed(receiver)}/hook"
            async with desk(tmp_path, AITK_OUTBOUND_ALLOW=allowed(receiver)) as user:
                asked: dict[str, Any] = {"sink": "webhook", "destination": url}
                await user.route(alerts=[BOOM], **asked)
                data = await user.route(alerts=[BOOM], **asked)
                await user.route(
                    alerts=[{**BOOM, "severity": "info"}], sink="webhook", destination=url
                )
            assert len(receiver.received) == 1
            assert data["filter_stats"]["dropped_duplicate"] == 1

    asyncio.run(work())


def test_a_webhook_is_tried_again_within_the_call(tmp_path: Path) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            receiver.statuses = [503, 200]
            async with desk(tmp_path, AITK_OUTBOUND_ALLOW=allowed(receiver)) as user:
                data = await user.route(
                    alerts=[BOOM],
                    sink="webhook",
                    destination=f"{allowed(receiver)}/hook",
                    webhook_backoff_ms=1,
                )
            result = data["route_result"]
            assert result["routed"] is True
            assert [each.get("status") for each in result["webhook_history"]] == [503, "delivered"]
            ids = {each.json["message_id"] for each in receiver.received}
            assert (len(receiver.received), len(ids)) == (2, 1)

    asyncio.run(work())


def test_pitfall_88_all_tries_together_have_one_deadline(tmp_path: Path) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            receiver.statuses, receiver.headers = [503], "Retry-After: 80000\r\n"
            async with desk(tmp_path, AITK_OUTBOUND_ALLOW=allowed(receiver)) as user:
                data = await user.route(
                    alerts=[BOOM],
                    sink="webhook",
                    destination=f"{allowed(receiver)}/hook",
                    webhook_retry_attempts=10,
                    webhook_timeout_seconds=300,
                )
            assert len(receiver.received) == 1  # the other side named a time beyond the call
            assert data["routing_controls"]["delivery_success"] is False
            assert data["messages"][0]["state"] == "dead"

    asyncio.run(work())


def test_a_url_given_in_a_call_is_kept_nowhere(tmp_path: Path) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            receiver.statuses = [500]
            async with desk(tmp_path, AITK_OUTBOUND_ALLOW=allowed(receiver)) as user:
                data = await user.route(
                    alerts=[BOOM],
                    sink="webhook",
                    destination=f"{allowed(receiver)}/s3cr3t-path",
                    webhook_retry_attempts=1,
                )
                assert "AITK_ALERT_DESTINATIONS" in data["messages"][0]["error"]
                listed = await user.call("list-alerts", state="dead")
                assert listed["messages"][0]["alerts"][0]["code"] == "BOOM"
                assert "s3cr3t" not in json.dumps([data, listed])

    asyncio.run(work())
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"s3cr3t" not in file.read_bytes(), file


def test_a_named_destination_is_retried_by_the_service_until_it_is_up(tmp_path: Path) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            receiver.statuses = [503, 503, 200]
            settings = {
                "AITK_OUTBOUND_ALLOW": allowed(receiver),
                "AITK_ALERT_DESTINATIONS": f"team=webhook:{allowed(receiver)}/s3cr3t",
            }
            async with desk(tmp_path, **settings) as user:
                data = await user.route(alerts=[BOOM], sink="rules", webhook_retry_attempts=1)
                assert data["route_result"]["destination"] == "team"
                assert data["messages"][0]["state"] == "pending"
                assert "s3cr3t" not in json.dumps(data)
                async with user.application.background.running("http", settle_s=0):
                    async with asyncio.timeout(25):
                        while (await user.call("list-alerts"))["counts"]["delivered"] == 0:
                            await asyncio.sleep(0.1)
            assert len({each.json["message_id"] for each in receiver.received}) == 1

    asyncio.run(work())


def test_a_trial_message_is_marked_and_goes_where_the_alerts_will(tmp_path: Path) -> None:
    async def work() -> None:
        async with receiving() as receiver:
            settings = {
                "AITK_OUTBOUND_ALLOW": allowed(receiver),
                "AITK_ALERT_DESTINATIONS": f"team=webhook:{allowed(receiver)}/x log=file:l.jsonl",
            }
            async with desk(tmp_path, **settings) as user:
                await user.route(test=True, sink="rules")
                data = await user.route(test=True, sink="rules")  # never a duplicate
                assert data["route_result"]["routed"] is True
            assert [each.json["test"] for each in receiver.received] == [True, True]

    asyncio.run(work())
    assert [each["test"] for each in lines(tmp_path)] == [True, True]


def test_rules_say_which_alerts_go_where(tmp_path: Path) -> None:
    async def work() -> None:
        settings = {"AITK_ALERT_DESTINATIONS": "a=file:a.jsonl b=file:b.jsonl"}
        async with desk(tmp_path, **settings) as user:
            listed = await user.call("alert-rules")
            assert listed["is_default"] is True
            assert [each["name"] for each in listed["destinations"]] == ["a", "b"]
            await user.call(
                "alert-rules", action="set", name="nan", destinations=["a"], codes=["TRAINING_*"]
            )
            await user.call(
                "alert-rules", action="set", name="rest", destinations=["b"], min_severity="info"
            )
            nan = {**BOOM, "code": "TRAINING_NAN_LOSS"}
            await user.route(alerts=[nan, BOOM], sink="rules")
            removed = await user.call("alert-rules", action="remove", name="nan")
            assert [each["name"] for each in removed["rules"]] == ["rest"]
            with pytest.raises(NotFoundError):
                await user.call("alert-rules", action="remove", name="nan")
            with pytest.raises(InvalidArgumentsError):
                await user.call("alert-rules", action="set", name="x", destinations=["nobody"])
            with pytest.raises(InvalidArgumentsError):
                await user.call("alert-rules", action="set", name="x", quiet_hours="late")

    asyncio.run(work())

    def codes(name: str) -> list[str]:
        text = (tmp_path / "alerts" / name).read_text("utf-8")
        return [json.loads(line)["alert"]["code"] for line in text.splitlines()]

    assert codes("a.jsonl") == ["TRAINING_NAN_LOSS"]
    assert codes("b.jsonl") == ["TRAINING_NAN_LOSS", "BOOM"]


def test_quiet_hours_end_at_their_time_also_over_midnight() -> None:
    from datetime import UTC, datetime

    night = datetime(2026, 11, 23, 23, 30).astimezone().timestamp()
    noon = datetime(2026, 11, 23, 12, 0).astimezone().timestamp()
    until = datetime.fromtimestamp(quiet_until("22:00-07:00", night), UTC).astimezone()
    assert (until.day, until.hour, until.minute) == (24, 7, 0)
    assert quiet_until("22:00-07:00", noon) == 0.0
    assert quiet_until("11:00-13:00", noon) > noon
    assert quiet_until(None, noon) == 0.0


def test_what_is_wrong_is_refused_before_anything_is_taken_in(tmp_path: Path) -> None:
    async def work() -> None:
        async with desk(tmp_path) as user:
            with pytest.raises(InvalidArgumentsError):
                await user.route()
            with pytest.raises(InvalidArgumentsError):
                await user.route(alerts=[BOOM], sink="webhook")
            with pytest.raises(InvalidUrlError):
                await user.route(alerts=[BOOM], sink="webhook", destination="file:///etc/passwd")
            with pytest.raises(DestinationRefusedError):
                await user.route(alerts=[BOOM], sink="webhook", destination="https://127.0.0.1/")
            with pytest.raises(InvalidArgumentsError):
                await user.route(alerts=[BOOM], destination="x.txt")
            with pytest.raises(JobNotFoundError):
                await user.route(job_id="nobody")
            data = await user.route(alerts=[{"severity": "fatal", "message": "m"}, "x"])
            assert [each["index"] for each in data["invalid_alerts"]] == [0, 1]
            listed = await user.call("list-alerts")
            assert sum(listed["counts"].values()) == 0

    asyncio.run(work())


@pytest.mark.parametrize("text", ["team", "team=webhook", "a=file:x a=file:y", "=x:y"])
def test_a_destination_that_is_none_is_named_without_what_it_says(
    tmp_path: Path, text: str
) -> None:
    async def work() -> None:
        settings = {"AITK_ALERT_DESTINATIONS": f"{text} ok=webhook:https://x.example/s3cr3t"}
        async with desk(tmp_path, **settings) as user:
            with pytest.raises(Exception, match="AITK_ALERT_DESTINATIONS") as caught:
                await user.route(alerts=[BOOM], sink="rules")
            assert "s3cr3t" not in str(caught.value)

    asyncio.run(work())
