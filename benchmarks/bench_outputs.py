"""Sizes of the observability tools' answers at their defaults, in tokens of 4 characters.

    uv run python benchmarks/bench_outputs.py

Over the recorded runs: the median and the largest answer, document and summary together, and
the list of tools. A ratio to the document alone says what the summary costs.
"""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from statistics import median
from typing import Any

from aitk_core.registry import load_registry
from aitk_core.testing.evidence import answer_of
from aitk_core.testing.recorded import recorded_runs

CHARS_PER_TOKEN = 4


def compact(value: Any) -> str:
    """Return JSON as it is sent."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sizes(tool: str, arguments: dict[str, Any], runs: list[Any]) -> tuple[float, float]:
    """Return tokens of the document and of the summary."""
    points = tuple(entry_points(group="aitk.plugins", name="observability"))
    answer = answer_of(runs, tool, arguments, points=points)
    document = len(compact(answer.data)) / CHARS_PER_TOKEN
    return document, len(answer.summary) / CHARS_PER_TOKEN


def line(name: str, found: list[tuple[float, float]]) -> None:
    """Print one row."""
    totals = [document + summary for document, summary in found]
    ratio = median(total / document for total, (document, _) in zip(totals, found, strict=True))
    print(f"{name:44} median {median(totals):7.0f}  largest {max(totals):7.0f}  x{ratio:.2f}")


def main() -> None:
    """Print the sizes."""
    runs = list(recorded_runs().values())
    one_run: list[tuple[str, str, dict[str, Any]]] = [
        ("get-training-observability", "", {}),
        ("get-training-observability", " detail=brief", {"detail": "brief"}),
        ("evaluate-lora", "", {}),
        ("suggest-next-experiment", "", {}),
    ]
    for tool, label, more in one_run:
        found = [sizes(tool, {"job_id": run.job_id, **more}, [run]) for run in runs]
        line(tool + label, found)
    for label, more in (("", {}), (" detail=full", {"detail": "full"})):
        line("compare-training-runs, 5 runs" + label, [sizes("compare-training-runs", more, runs)])
    registry = load_registry()
    listed = [
        len(spec.name) + len(spec.description) + len(compact(spec.input_schema))
        for spec in (owned.spec for owned in registry.tools.values())
    ]
    print(f"{len(listed)} tools: names, descriptions, input schemas {sum(listed) / 4:.0f} tokens")


if __name__ == "__main__":
    main()
