"""Real processes killed while they accept and deliver: nothing acknowledged is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aitk_alerts.outbox.tables import MIGRATIONS
from aitk_core.services.store import Store

CHILD = Path(__file__).parent / "killed_deliverer.py"
KILLS = 25

pytestmark = pytest.mark.timeout(240)


def start(folder: Path, first: int, count: int, lease_s: float = 0.2) -> subprocess.Popen[bytes]:
    words = [sys.executable, str(CHILD), str(folder / "state"), str(folder / "collector")]
    return subprocess.Popen([*words, str(first), str(count), str(lease_s)], stdout=subprocess.PIPE)


def rows(folder: Path) -> list[tuple[str, str]]:
    lines = (folder / "collector").read_text("utf-8").splitlines()
    return [(line.split()[0], line.split()[1]) for line in lines]


def test_kill_9_at_any_moment_loses_no_alert_and_repeats_at_most_one_message_each(
    tmp_path: Path,
) -> None:
    chance = random.Random(20261123)  # noqa: S311 - a seeded choice of moments
    acknowledged: set[str] = set()
    first = 0
    for _ in range(KILLS):
        with start(tmp_path, first, 10_000) as child:
            assert child.stdout is not None
            for _ in range(chance.randint(1, 12)):
                number = int(child.stdout.readline())
                acknowledged.add(f"a{number}")
                first = number + 1
            child.send_signal(signal.SIGKILL)
            # What it acknowledged between the last line that was read and its end.
            acknowledged |= {f"a{int(line)}" for line in child.stdout if line.endswith(b"\n")}
        first = max(first, 1 + max(int(each[1:]) for each in acknowledged))
        with Store(tmp_path / "state").session("alerts", MIGRATIONS) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with start(tmp_path, first, 1) as last:
        assert last.wait() == 0
    got = rows(tmp_path)
    assert acknowledged <= {alert for alert, _ in got}
    copies = len(got) - len(set(got))
    assert copies <= KILLS
    # A second copy is the same message.
    assert len({alert for alert, _ in got}) == len(set(got))


def test_servers_that_share_an_outbox_send_each_alert_once(tmp_path: Path) -> None:
    children = [start(tmp_path, 1000 * number, 250, lease_s=60) for number in range(4)]
    for child in children:
        with child:
            child.communicate()
            assert child.returncode == 0
    got = rows(tmp_path)
    assert len(got) == len({alert for alert, _ in got}) == 1000
