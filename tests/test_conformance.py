"""The MCP conformance suite finds nothing wrong at either revision."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.conformance


@pytest.mark.timeout(600)  # the first run brings Node from the package index
@pytest.mark.parametrize("revision", ["2025-11-25", "2026-07-28"])
def test_every_scored_scenario_passes(revision: str) -> None:
    done = subprocess.run(
        [ROOT / ".ci" / "conformance", revision],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scored scenarios pass" in done.stdout
