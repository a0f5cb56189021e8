"""Cost of reading a trainer log: time for each line, and what is held at 100,000 and 400,000 lines.

    uv run python benchmarks/bench_log.py [lines]

Times depend on the machine; the ratios to `str.splitlines` and to one trivial `re.finditer` over
the same text travel. Each figure is the best of three.
"""

from __future__ import annotations

import re
import sys
import time
import tracemalloc
from collections import deque
from functools import partial
from typing import TYPE_CHECKING

from aitk_core.evidence.failures import FailureScanner
from aitk_core.evidence.logscan import scan_log
from aitk_core.testing.failures import hits_of, installed_failures
from aitk_core.testing.recorded import recorded_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.evidence.failures import FailureCatalogue

NAME = "my_lora"
DISTINCT_STEPS = 3000


def redraws(lines: int, separator: str, *, distinct_steps: int | None = None) -> str:
    """Make a log of redraws.

    Two for each step, as slow steps give, if no number of steps is asked for; one for each step
    is what steps below the redraw interval of 0.1 s give (API.md section 12.2).
    """
    steps = distinct_steps or max(lines // 2, 1)
    total = max(steps, 100)
    repeats = max(lines // steps, 1)
    parts = []
    for line in range(lines):
        step = line // repeats
        elapsed_s = step * (0.1 if repeats == 1 else 0.8)
        clock = f"{int(elapsed_s) // 60:02d}:{int(elapsed_s) % 60:02d}"
        rate = 1.25 + (step % 150) / 100 + (9 if repeats == 1 else 0)
        loss = 0.1 + (line % 997) / 1000
        parts.append(
            f"{NAME}: {100 * step // total:3d}%|██▏       | {step}/{total} "
            f"[{clock}<36:40, {rate:5.2f}it/s, lr: 1.0e-04 loss: {loss:.3e}]"
        )
    return separator.join(parts) + "\n"


def ns_per_line(work: Callable[[], object], lines: int) -> float:
    """Return the best of three, in nanoseconds of CPU time for each line."""
    best = float("inf")
    for _ in range(3):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return 1e9 * best / lines


def find_all(pattern: re.Pattern[str], text: str) -> None:
    """Go through the matches and keep none."""
    deque(pattern.finditer(text), maxlen=0)


def peak_bytes(text: str) -> int:
    """Return the highest allocation of one scan, the text itself not counted."""
    tracemalloc.start()
    try:
        scan_log(text, bar_name=NAME)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def recorded_messages(lines: int) -> list[str]:
    """Return the messages of the recorded runs, over and over."""
    runs = recorded_runs().values()
    scans = [scan_log(run.log, bar_name=str(run.row["name"])) for run in runs]
    texts = [line.text for scan in scans for line in scan.messages]
    return (texts * (lines // len(texts) + 1))[:lines]


def feed(known: FailureCatalogue, numbered: list[tuple[int, str]]) -> None:
    """Look for known failures in messages."""
    FailureScanner(known).feed(numbered)


def report_failures(lines: int) -> None:
    """Print what looking for known failures costs."""
    known = installed_failures()
    messages = recorded_messages(lines)
    healthy = [text for text in messages if not hits_of(known, text)]
    trivial = re.compile(r"[^\r\n]+")
    for label, texts in (("recorded messages", messages), ("those without a failure", healthy)):
        text = "\n".join(texts)
        numbered = list(enumerate(texts, 1))
        ours = ns_per_line(partial(feed, known, numbered), len(texts))
        found = ns_per_line(partial(find_all, trivial, text), len(texts))
        mb_per_s = 1e3 * len(text) / len(texts) / ours
        print(
            f"failures in {len(texts)} {label}: {mb_per_s:.0f} MB/s, finditer x{ours / found:.1f}"
        )


def main() -> None:
    """Print the figures."""
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    trivial = re.compile(r"[^\r\n]+")
    for label, separator, steps in (
        ("\\r", "\r", None),
        ("\\n", "\n", None),
        ("\\n\\r", "\n\r", None),
        ("\\r, a step each", "\r", lines),
        ("\\n, a step each", "\n", lines),
    ):
        text = redraws(lines, separator, distinct_steps=steps)
        ours = ns_per_line(partial(scan_log, text, bar_name=NAME), lines)
        unnamed = ns_per_line(partial(scan_log, text, bar_name=None), lines)
        split = ns_per_line(text.splitlines, lines)
        found = ns_per_line(partial(find_all, trivial, text), lines)
        print(
            f"{lines} redraws separated by {label:15s}: {ours:6.0f} ns a line"
            f" ({unnamed:.0f} without a name);"
            f" splitlines {split:4.0f} ns (x{ours / split:.1f}),"
            f" finditer {found:4.0f} ns (x{ours / found:.1f})"
        )
    report_failures(min(lines, 20_000))
    message = '  File "/toolkit/toolkit/data_loader.py", line 532, in __init__\n' * lines
    messages = ns_per_line(partial(scan_log, message, bar_name=NAME), lines)
    print(f"{lines} messages: {messages:.0f} ns a line")
    for label, steps in (("3,000 distinct steps", DISTINCT_STEPS), ("a step every two", None)):
        small, large = (
            peak_bytes(redraws(size, "\n", distinct_steps=steps)) for size in (lines, 4 * lines)
        )
        print(
            f"peak, {label}: {small / 1e6:.2f} MB at {lines} lines,"
            f" {large / 1e6:.2f} MB at {4 * lines} (x{large / small:.2f})"
        )
    for label, text in (("20,000 digits", "1" * 20_000), ("2 MB line", "x1%|" * 500_000)):
        cost_ms = ns_per_line(partial(scan_log, text, bar_name=None), 1) / 1e6
        print(f"{label}: {cost_ms:.2f} ms")


if __name__ == "__main__":
    main()
