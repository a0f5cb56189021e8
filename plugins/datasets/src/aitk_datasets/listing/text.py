"""list-datasets for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.wording import counted, size_text

if TYPE_CHECKING:
    from aitk_datasets.listing.records import DatasetLine, DatasetPage

_WORDS: Final = {
    "IMAGE_EMPTY_FILE": "empty files",
    "IMAGE_FORMAT_UNSUPPORTED": "files the trainer passes over",
    "CAPTION_STEM_SHARED": "pictures that share a caption file",
    "CAPTION_WRONG_CASE": "captions it misses for the case of their extension",
    "UNREADABLE": "unreadable entries",
}


def summarize(page: DatasetPage, start: int) -> str:
    """Return a line for each folder, and how to go on."""
    if not page.total:
        lines = ["No datasets."]
    elif not page.datasets:
        lines = [f"No more datasets: there are {page.total}."]
    else:
        lines = [f"Datasets {start + 1} to {start + page.returned} of {page.total}:", ""]
        lines += [_line(line) for line in page.datasets]
    if page.next_cursor is not None:
        lines += ["", f"More with cursor {page.next_cursor}."]
    if page.notes:
        lines += ["", *page.notes]
    return "\n".join(lines)


def _line(line: DatasetLine) -> str:
    if line.images is None:
        return f"- {line.name} (not known)"
    parts = [counted(line.images, "image")]
    if line.videos:
        parts.append(counted(line.videos, "video"))
    if line.bytes is not None:
        parts.append(size_text(line.bytes))
    if line.captions is not None and line.images:
        parts.append(f"{line.captions.with_caption} captioned")
    text = f"- {line.name} ({', '.join(parts)})"
    if line.problems:
        text += ": " + ", ".join(
            f"{problem.count} {_WORDS[problem.code]}" for problem in line.problems
        )
    if line.job_count:
        text += f"; used by {counted(line.job_count, 'job')}"
    return text
