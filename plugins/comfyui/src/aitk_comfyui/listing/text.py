"""list-comfyui-models for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aitk_core.wording import counted, shown, size_text

if TYPE_CHECKING:
    from aitk_comfyui.listing.records import ComfyLine, ComfyPage


def summarize(page: ComfyPage, start: int) -> str:
    """Return count, roots, then name and path of each model, as the contract has them."""
    if not page.roots and not page.models:
        return "\n".join(["No folder of ComfyUI's models can be seen.", *page.notes])
    lines = [f"{counted(page.total, 'model')} in {', '.join(page.roots) or 'no folder here'}."]
    if page.by_folder:
        parts = (f"{folder} {count}" for folder, count in page.by_folder.items())
        lines.append(f"By folder: {', '.join(parts)}.")
    if page.models:
        lines.append(f"Models {start + 1} to {start + page.returned}:")
    for line in page.models:
        lines += _lines(line)
    if page.next_cursor is not None:
        lines += ["", f"More with cursor {page.next_cursor}."]
    if page.notes:
        lines += ["", *page.notes]
    return "\n".join(lines)


def _lines(line: ComfyLine) -> list[str]:
    facts = []
    if line.kind and line.kind != "unknown":
        what = line.kind.replace("_", " ")
        facts.append(f"{what} for {line.base}" if line.kind == "lora" and line.base else what)
        if line.base and line.kind != "lora":
            facts.append(line.base)
    if line.rank:
        facts.append(f"rank {line.rank}")
    if line.size_bytes is not None:
        facts.append(size_text(line.size_bytes))
    if line.trigger_words:
        facts.append(f"trigger word {shown(line.trigger_words[0])}")
    lines = ["", f"- {shown(line.name)}", f"  {line.root}: {shown(line.path, 300)}"]
    if facts:
        lines.append(f"  {', '.join(facts)}")
    if line.sha256:
        lines.append(f"  SHA-256 {line.sha256}")
    if line.warning:
        lines.append(f"  Warning: {line.warning}")
    if line.problem:
        lines.append(f"  not readable: {shown(line.problem, 200)}")
    return lines
