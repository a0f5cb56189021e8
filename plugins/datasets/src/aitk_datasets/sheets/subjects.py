"""What sheets can be made of an inspection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_datasets.sheets.examples import Chooser
from aitk_datasets.sheets.groups import ALL, CODES, rows_of
from aitk_datasets.sheets.records import Subject

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.records.findings import Finding
    from aitk_datasets.inspection import Inspection

EXAMPLES: Final = 24
"""Tiles of a sheet: four rows of six."""
_WRITTEN: Final = {
    "BOM": "BOM",
    "CMYK": "CMYK",
    "EXIF": "EXIF",
    "UTF8": "UTF-8",
    "WEBP": "WebP",
}
"""Parts of codes that are not written in small letters."""
ROWS: Final = 8
"""Groups of a sheet; ours, so that it stays about two screens high."""


def subjects_of(inspection: Inspection) -> Iterator[Subject]:
    """Yield what can be shown of each finding, gravest first, cut to what a sheet holds.

    A finding that names no picture is left out, and a code that comes twice is shown once.
    """
    chooser = Chooser(evidence=inspection.evidence)
    done: set[str] = set()
    for finding in inspection.findings:
        if finding.code in done:
            continue
        done.add(finding.code)
        subject = _subject(inspection, chooser, finding)
        if subject is not None:
            yield subject


def subject_named(inspection: Inspection, name: str) -> Subject | None:
    """Return what a sheet of that name shows: a finding's code, or `duplicates`."""
    if name == ALL:
        return duplicates_of(inspection)
    return next((each for each in subjects_of(inspection) if each.code == name), None)


def duplicates_of(inspection: Inspection, rows: int = ROWS) -> Subject | None:
    """Return all groups within the folder, the surest first; None without any."""
    found = rows_of(inspection.evidence, ALL)
    if not found:
        return None
    return Subject(code=ALL, title="Duplicates", rows=found[:rows], more=max(0, len(found) - rows))


def _subject(inspection: Inspection, chooser: Chooser, finding: Finding) -> Subject | None:
    title = title_of(finding.code)
    if finding.code in CODES:
        rows = rows_of(inspection.evidence, finding.code)
        if not rows:
            return None
        return Subject(
            code=finding.code, title=title, rows=rows[:ROWS], more=max(0, len(rows) - ROWS)
        )
    examples, total = chooser.choose(finding)
    if not examples:
        return None
    shown = examples[:EXAMPLES]
    return Subject(code=finding.code, title=title, examples=shown, more=total - len(shown))


def title_of(code: str) -> str:
    """Return a code in words: `IMAGE_MAYBE_BLURRED` is `Image maybe blurred`."""
    first, *rest = (_WRITTEN.get(word, word.lower()) for word in code.split("_"))
    return " ".join((first[:1].upper() + first[1:], *rest))
