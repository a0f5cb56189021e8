"""Precision and recall of every finding on datasets: the figures of docs/datasets.md.

    uv run python benchmarks/bench_dataset_findings.py [--folders 4] [--half tuning] [--write]

Plants folders with every defect (`aitk_core.testing.planted`), asks inspect-dataset about each as
a client does, and scores every code by file or pair against the truth; then sound folders, on
which whatever is said is a false alarm. `--write` puts the figures into benchmarks/datasets.json.

Seeds come in two halves. Thresholds may be chosen on the tuning half; figures are of the held-out
half, on which nothing was chosen. Every second folder has base pictures of another generator than
the planted folders' own. Folders have one defect of each kind beside a few sound pictures, so
precision is that of a bad folder: where a defect is rarer, what is wrong weighs more, and the
rates on sound folders say how much.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import PIL
from dataset_folders import ask, other_pictures
from dataset_scores import Scores
from dataset_truth import CAPTIONS_APART, CODES_APART, FILES_APART, unanswered

from aitk_core.testing.planted import plant

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
FIGURES: Final = ROOT / "benchmarks" / "datasets.json"
HALVES: Final = {"tuning": 31_000, "held-out": 72_000}
"""First seed of each half; folders take the next ones."""
BASES: Final = 10
"""Sound pictures beside the defects of a planted folder."""
CLEAN_BASES: Final = 60
STYLE_BASES: Final = 24
POOL: Final = 190
"""Base pictures of the other generator: all that a planted folder needs."""


def measured(half: str, folders: int, work: Path) -> dict[str, Any]:
    """Return the figures over that many folders of a half."""
    first = HALVES[half]
    others = other_pictures(work / "others", POOL, seed=first)
    scores = Scores()
    for number in range(folders):
        seed = first + number
        bases = "other" if number % 2 else "generated"
        given = others if number % 2 else []
        told(f"folder {number + 1} of {folders}, seed {seed}, {bases} bases")
        place = work / str(seed)
        planted = plant(
            place / "planted", seed=seed, bases=BASES, base_pictures=given,
            families=frozenset(ONE_BY_ONE),
        )  # fmt: skip
        scores.add_planted(planted, ask(planted, home=place / "home"), bases)
        style = plant(place / "style", seed=seed, bases=STYLE_BASES, families=frozenset({"style"}))
        asked = ask(style, home=place / "home")["clip"]
        scores.add_style(asked, is_planted=True, phrase=style.phrase)
        clean = plant(
            place / "clean", seed=seed, bases=CLEAN_BASES, clean=True, base_pictures=given
        )
        asked = ask(clean, home=place / "home")["clip"]
        scores.add_clean(asked, bases)
        scores.add_style(asked, is_planted=False, phrase=None)
        _removed(place)
    return {
        "about": {
            "half": half,
            "seeds": [first, first + folders - 1],
            "folders": folders,
            "bases": BASES,
            "clean_bases": CLEAN_BASES,
            "pillow": PIL.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        **scores.document(),
        "apart": {"files": FILES_APART, "captions": CAPTIONS_APART, "codes": CODES_APART},
    }


ONE_BY_ONE: Final = (
    "unreadable", "forms", "looks", "pairs", "leaks", "negatives", "captions", "places",
)  # fmt: skip
"""Families; `style` changes the captions of all sound pictures, so it has folders of its own."""


def _removed(place: Path) -> None:
    import shutil

    shutil.rmtree(place)


def told(what: str) -> None:
    """Say what is measured now."""
    sys.stderr.write(f"{what}\n")


def table(figures: dict[str, Any]) -> Iterator[str]:
    """Yield the figures for a person at a terminal."""
    for row in (*figures["checks"], {"name": "listing", **figures["listing"]}, *figures["styles"]):
        yield (
            f"{row['name']:36} {row['found']:4} of {row['planted']:4}  wrong {row['wrong']:3} of "
            f"{row['sound']:5}  recall {_told(row['recall'])}  precision {_told(row['precision'])}"
            f"  {row.get('by_bases', '')}"
        )
        for what in ("missed", "wrongly"):
            if row[what]:
                yield f"    {what}: {row[what]}"
    pairs = figures["pairs"]
    for row in (*pairs["by_kind"], *pairs["leaks"]["by_kind"]):
        yield "  ".join(f"{key} {value}" for key, value in row.items())
    for name in ("exact", "near", "possible", "leaks"):
        yield f"{name}: { {k: v for k, v in pairs[name].items() if k != 'by_kind'} }"
    yield f"unrelated pairs: {pairs['unrelated']} of {pairs['compared']}"
    for bases, clean in figures["clean"].items():
        yield f"clean, {bases} bases, {clean['pictures']} pictures: " + (
            "; ".join(
                f"{row['name']} {row['count']} ({_told(row['per_1000'])} per 1,000)"
                for row in clean["named"]
            )
            or "nothing"
        )
    yield f"warnings on clean folders: {figures['clean_grave'] or 'none'}"


def _told(numbers: list[float] | None) -> str:
    return "none" if numbers is None else "{:.3f} ({:.3f} to {:.3f})".format(*numbers)


def main() -> None:
    """Measure, print, and write where that is asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folders", type=int, default=4)
    parser.add_argument("--half", choices=sorted(HALVES), default="held-out")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    if any(left := unanswered().values()):
        raise SystemExit(f"labels that are neither scored nor given a reason: {list(left)}")
    # Pillow tells of the large pictures that are planted on purpose.
    warnings.simplefilter("ignore", PIL.Image.DecompressionBombWarning)
    with tempfile.TemporaryDirectory() as work:
        figures = measured(options.half, options.folders, Path(work))
    sys.stdout.write("\n".join(table(figures)) + "\n")
    if options.write:
        FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
