"""The example of a third party's sink keeps the laws, with a secret of its own."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from aitk_core.testing.plugins import fake_points
from aitk_core.testing.sinks import SinkLaws, SinkSite
from support.receivers import receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from importlib.metadata import EntryPoint

EXAMPLE = Path(__file__).parents[3] / "examples" / "acme_pager"
SECRET = "acme-t0ken"


def example_points() -> Sequence[EntryPoint]:
    if str(EXAMPLE / "src") not in sys.path:
        sys.path.insert(0, str(EXAMPLE / "src"))
    plugin = import_module("acme_pager.plugin")
    return list(fake_points(**{"acme-pager": plugin}))


class TestAcmePager(SinkLaws):
    kind = "acme-pager"
    bad_destinations = ("", "ftp://acme.example/", "https://10.0.0.1/")
    points = example_points()

    @override
    @asynccontextmanager
    async def site(self, folder: Path) -> AsyncIterator[SinkSite]:
        async with receiving() as receiver:
            place = f"http://127.0.0.1:{receiver.port}"
            yield SinkSite(
                destination=f"{place}/page",
                received=lambda: " ".join(each.body.decode() for each in receiver.received),
                environment={"AITK_OUTBOUND_ALLOW": place, "ACME_PAGER_TOKEN": SECRET},
                secret=SECRET,
                break_down=lambda: receiver.statuses.__setitem__(0, 503),
            )


def test_the_example_is_short() -> None:
    files = (EXAMPLE / "src" / "acme_pager").glob("*.py")
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    assert len([line for line in lines if line.strip()]) < 60
