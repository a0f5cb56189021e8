"""How often the failure catalogue names the true cause of logs that it was not written from.

    uv run python benchmarks/bench_failures.py [--misses] [--write]

Runs the scanner and every analyzer of runs over two corpora, A (benchmarks/heldout_logs.json) and
B (benchmarks/heldout_logs_b.json), and prints, for the development half and the held-out half of
each apart and for the halves of both together, recall, precision, what is left unknown, and stated
against observed confidence. `--misses` lists what is wrong in the development halves; what is wrong
in the other halves is never listed, so that nothing is mended by it. `--write` puts the figures
into benchmarks/failures.json, where each corpus's first measurement stays, and into
docs/methods.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from calibration import binned

from aitk_core.proving.logs import figures, pooled, read_logs
from aitk_core.proving.reference import methods_markdown
from aitk_core.statistics.methods import METHODS
from aitk_core.testing.failures import answers_to, installed_failures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from aitk_core.proving.logs import LoggedRun

FOLDER: Final = Path(__file__).parent
CORPORA: Final = {"A": FOLDER / "heldout_logs.json", "B": FOLDER / "heldout_logs_b.json"}
FIGURES: Final = FOLDER / "failures.json"
DETECTION: Final = FOLDER / "detection.json"
HELDOUT: Final = FOLDER / "heldout.json"
REFERENCE: Final = FOLDER.parent / "docs" / "methods.md"
HALVES: Final = ("development", "held out")


def measured() -> dict[str, Any]:
    """Return the figures of both halves of each corpus."""
    return {
        f"{corpus}, {half}": _figures(f"{corpus}, {half}", logs)
        for corpus, file in CORPORA.items()
        for half, logs in _halves(read_logs(file)).items()
    }


def with_the_first(now: dict[str, Any]) -> dict[str, Any]:
    """Return what benchmarks/failures.json is to hold: first measurements, and this one.

    A corpus that was not measured before is measured first now. Both corpora are pooled half by
    half: their first measurements are of the catalogue as it was at two times.
    """
    held = json.loads(FIGURES.read_text("utf-8"))["first"] if FIGURES.is_file() else {}
    first = {name: held.get(name, figure) for name, figure in now.items()}
    return {"first": first | _pooled(first), "now": now | _pooled(now)}


def _pooled(measured: dict[str, Any]) -> dict[str, Any]:
    name = " and ".join(CORPORA)
    return {
        f"{name}, {half}": pooled(
            f"{name}, {half}", [measured[f"{corpus}, {half}"] for corpus in CORPORA]
        )
        for half in HALVES
    }


def _halves(logs: Sequence[LoggedRun]) -> dict[str, list[LoggedRun]]:
    return {
        half: [log for log in logs if log.is_held_out == (half == "held out")] for half in HALVES
    }


def _figures(name: str, logs: Sequence[LoggedRun]) -> dict[str, Any]:
    catalogue = installed_failures()
    failed = list(answers_to([log for log in logs if log.is_failed], catalogue, is_failed=True))
    sound = [log for log in logs if not log.is_failed]
    as_they_are = list(answers_to(sound, catalogue, is_failed=False))
    silent = list(answers_to(sound, catalogue, is_failed=True))
    verdicts = [(a.cause.confidence or 0.0, a.is_right) for a in failed if a.cause is not None]
    return {
        "failed": len(failed),
        "healthy": len(sound),
        **figures(failed),
        "critical_on_healthy": sum(bool(answer.critical) for answer in as_they_are),
        "named_if_silent": sum(answer.cause is not None for answer in silent),
        "calibration": list(binned(name, verdicts)),
    }


def misses() -> Iterator[str]:
    """Yield a line for each development log that is answered wrongly."""
    every = [log for file in CORPORA.values() for log in read_logs(file)]
    logs = _halves(every)["development"]
    catalogue = installed_failures()
    for answer in answers_to([log for log in logs if log.is_failed], catalogue, is_failed=True):
        said = answer.cause.code if answer.cause else None
        if not (answer.is_right or (said is None and not answer.is_known)):
            right = sorted(answer.log.right) or "unknown"
            yield f"{answer.log.source}: {said}, right {right}, told {sorted(answer.told)}"
    for answer in answers_to([log for log in logs if not log.is_failed], catalogue, is_failed=True):
        if answer.cause is not None:
            yield f"{answer.log.source}: {answer.cause.code} on a healthy log"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    failures = with_the_first(measured())
    print(json.dumps(failures["now"], indent=1))
    if options.misses:
        print("\n".join(misses()))
    if options.write:
        FIGURES.write_text(json.dumps(failures, indent=1) + "\n", encoding="utf-8")
        detection = json.loads(DETECTION.read_text("utf-8"))
        heldout = json.loads(HELDOUT.read_text("utf-8"))
        text = methods_markdown(METHODS.values(), detection, heldout=heldout, failures=failures)
        REFERENCE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
