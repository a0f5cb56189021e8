"""Accepts and delivers alerts until it is killed; started by the test of kills.

    python killed_deliverer.py <state folder> <collector file> <first> <how many> <lease in s>

Writes each number to standard output once its alert was accepted.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from aitk_alerts.alerts import Alert
from aitk_alerts.outbox.box import Outbox
from aitk_alerts.outbox.records import Limits, Target
from aitk_core.services.store import Store


def main(folder: str, collector: str, first: int, count: int, lease_s: float) -> None:
    """Accept and deliver in turns."""
    box = Outbox(Store(Path(folder)))
    target = Target(name="log", kind="file")
    limits = Limits(dedupe_window_s=0, max_per_window=0)
    out = os.open(collector, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in range(first, first + count):
        one = Alert(
            alert_id=f"a{number}",
            severity="info",
            category="t",
            code=f"C{number}",
            message="m",
            job_id=f"j{number % 3}",
            raised_at=0.0,
        )
        box.accept([one], [target], limits, time.time())
        os.write(1, f"{number}\n".encode())
        deliver(box, out, lease_s)
    while box.next_due(time.time()) is not None:
        deliver(box, out, lease_s)


def deliver(box: Outbox, out: int, lease_s: float) -> None:
    """Send what is due: one whole line each."""
    for message in box.claim(f"p{os.getpid()}", time.time(), lease_s=lease_s):
        rows = [f"{each['alert_id']} {message.message_id}\n" for each in message.alerts]
        os.write(out, "".join(rows).encode())
        box.delivered(message, time.time())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
