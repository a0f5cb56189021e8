"""The README's promises name tests that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROMISES = 11


def test_each_promise_names_tests_that_exist() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme[readme.index("## Reliability") : readme.index("## HTTP bridge")]
    rows = [line for line in section.splitlines() if line.startswith("| ") and "`test_" in line]
    assert len(rows) == PROMISES
    files = [*(ROOT / "tests").glob("test_*.py"), *(ROOT / "plugins").glob("*/tests/test_*.py")]
    known = {
        name for file in files for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))
    }
    assert {name for row in rows for name in re.findall(r"`(test_\w+)`", row)} <= known
