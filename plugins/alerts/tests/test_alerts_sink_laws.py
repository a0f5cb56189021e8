"""The laws of sinks, on those of this distribution."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus

from typing_extensions import override

from aitk_core.testing.sinks import SinkLaws, SinkSite
from support.receivers import receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.receivers import Receiver

SECRET = "s3cr3t-part"


def text_of(receiver: Receiver) -> str:
    return " ".join(
        f"{unquote_plus(each.path.replace(SECRET, ''))} {each.headers} {each.body.decode()}"
        for each in receiver.received
    )


class TestFile(SinkLaws):
    kind = "file"
    bad_destinations = ("../x.jsonl", "/etc/passwd", "x.txt", ".bashrc")

    @override
    @asynccontextmanager
    async def site(self, folder: Path) -> AsyncIterator[SinkSite]:
        file = folder / "alerts" / "laws.jsonl"

        def block() -> None:
            file.parent.write_text("in the way", encoding="utf-8")

        yield SinkSite(
            destination="laws.jsonl",
            received=lambda: file.read_text("utf-8") if file.exists() else "",
            break_down=block,
        )


class TestWebhook(SinkLaws):
    kind = "webhook"
    bad_destinations = ("", "file:///etc/passwd", f"https://127.0.0.1/{SECRET}", f"x{SECRET}")

    @override
    @asynccontextmanager
    async def site(self, folder: Path) -> AsyncIterator[SinkSite]:
        async with receiving() as receiver:
            place = f"http://127.0.0.1:{receiver.port}"
            yield SinkSite(
                destination=f"{place}/{SECRET}",
                received=lambda: text_of(receiver),
                environment={"AITK_OUTBOUND_ALLOW": place, "AITK_ALERT_WEBHOOK_SECRET": SECRET},
                secret=SECRET,
                break_down=lambda: receiver.statuses.__setitem__(0, 503),
            )


class TestApprise(SinkLaws):
    kind = "apprise"
    bad_destinations = ("", "nosuch://x", f"x{SECRET}")

    @override
    @asynccontextmanager
    async def site(self, folder: Path) -> AsyncIterator[SinkSite]:
        async with receiving() as receiver:
            yield SinkSite(
                destination=f"ntfy://user:{SECRET}@127.0.0.1:{receiver.port}/topic",
                received=lambda: text_of(receiver),
                secret=SECRET,
                break_down=lambda: receiver.statuses.__setitem__(0, 503),
            )
