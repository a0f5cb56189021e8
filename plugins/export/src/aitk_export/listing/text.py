"""list-exported-models for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.wording import shown, size_text

if TYPE_CHECKING:
    from aitk_export.listing.records import ModelLine, ModelPage


def summarize(page: ModelPage, start: int) -> str:
    """Return a few lines for each model, as the contract has them: name, path, size, time."""
    if not page.total:
        lines = ["No models."]
    elif not page.models:
        lines = [f"No more models: there are {page.total}."]
    else:
        lines = [f"Models {start + 1} to {start + page.returned} of {page.total}:"]
        for line in page.models:
            lines += _lines(line)
    if page.next_cursor is not None:
        lines += ["", f"More with cursor {page.next_cursor}."]
    if page.notes:
        lines += ["", *page.notes]
    return "\n".join(lines)


def _lines(line: ModelLine) -> list[str]:
    size = "size not known" if line.size_bytes is None else size_text(line.size_bytes)
    facts = [size]
    if line.modified:
        facts.append(line.modified)
    if line.step is not None:
        facts.append(f"step {line.step}")
    if line.rank:
        facts.append(f"rank {line.rank}")
    if line.base_model:
        facts.append(f"for {shown(line.base_model)}")
    if line.trigger_word:
        facts.append(f"trigger word {shown(line.trigger_word)}")
    lines = ["", f"- {shown(line.name)}", f"  {shown(line.model_path, 300)}"]
    lines.append(f"  {', '.join(facts)}")
    if line.sha256:
        lines.append(f"  SHA-256 {line.sha256}")
    if line.problem:
        lines.append(f"  not readable: {shown(line.problem, 200)}")
    return lines
