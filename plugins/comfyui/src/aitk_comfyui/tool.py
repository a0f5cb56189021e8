"""list-comfyui-models."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from aitk_comfyui.folders.known import LEGACY
from aitk_comfyui.folders.places import find_places
from aitk_comfyui.listing.collect import beyond, collect
from aitk_comfyui.listing.lines import fits_base, line_of
from aitk_comfyui.listing.records import ComfyPage
from aitk_comfyui.listing.text import summarize
from aitk_comfyui.settings import ComfySettings
from aitk_core.convert import unstructure
from aitk_core.records.results import ToolResult
from aitk_core.weights.digests import with_digests
from aitk_core.weights.index import look_up

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from aitk_comfyui.arguments import ListComfyuiModels
    from aitk_comfyui.folders.places import Places
    from aitk_comfyui.listing.collect import Entry
    from aitk_comfyui.listing.records import ComfyLine
    from aitk_comfyui.remote import Seen
    from aitk_core.protocols import ToolContext
    from aitk_core.weights.index import Indexed


async def list_comfyui_models(arguments: ListComfyuiModels, context: ToolContext) -> ToolResult:
    """Return one page of ComfyUI's models; only headers are read, and each once."""
    places = await context.run(find_places, context)
    notes = list(places.notes)
    if places.missing:
        notes.append(f"Configured and not there: {', '.join(places.missing)}.")
    if not places.places:
        notes.append(_how(places))
    entries = await context.run(collect, places.places, notes)
    seen = await _seen(context, notes)
    if seen is not None:
        entries += beyond(entries, seen)
    wanted = [entry for entry in entries if _fits(entry, arguments)]
    known: Mapping[Path, Indexed] = {}
    if arguments.base is not None:
        known = await _known(context, wanted, notes)
        wanted = [entry for entry in wanted if _is_for(entry, known, arguments.base)]
    wanted = _sorted(wanted, arguments.sort)
    start = int(arguments.cursor or 0)
    chosen = wanted[start : start + arguments.limit]
    if arguments.base is None:
        known = await _known(context, chosen, notes)
    if arguments.with_hash:
        files = [entry.file for entry in chosen if entry.file is not None]
        known, left = await with_digests(context, files, known)
        if left:
            notes.append(f"{left} models were not hashed in this call's time; ask again.")
    end = start + len(chosen)

    def lines() -> tuple[ComfyLine, ...]:
        return tuple(
            line_of(entry, None if entry.file is None else known.get(entry.file.path), seen)
            for entry in chosen
        )

    page = ComfyPage(
        models=await context.run(lines),
        total=len(wanted),
        returned=len(chosen),
        next_cursor=str(end) if chosen and end < len(wanted) else None,
        roots=tuple(dict.fromkeys(place.name for place in places.places)),
        by_folder=dict(sorted(Counter(entry.folder for entry in wanted).items())),
        comfyui_version=None if seen is None else seen.version,
        notes=tuple(notes),
    )
    return ToolResult(data=unstructure(page), summary=summarize(page, start))


def _how(places: Places) -> str:
    if places.missing:
        return "None of the folders in COMFYUI_MODEL_ROOTS is visible from this machine."
    return "Set COMFYUI_MODEL_ROOTS to ComfyUI's models folder, or COMFYUI_URL to a running one."


async def _seen(context: ToolContext, notes: list[str]) -> Seen | None:
    url = context.settings(ComfySettings).url
    if url is None:
        return None
    # Here: the network, which a listing of folders does without.
    from aitk_comfyui.remote import ask_comfyui

    seen = await ask_comfyui(url)
    if seen.fault is not None:
        notes.append(f"{seen.fault}.")
        return None
    return seen


def _fits(entry: Entry, arguments: ListComfyuiModels) -> bool:
    if arguments.folder is not None:
        wanted = arguments.folder.lower()
        if entry.folder != LEGACY.get(wanted, wanted):
            return False
    return arguments.query is None or arguments.query.casefold() in entry.relative.casefold()


async def _known(
    context: ToolContext, entries: Sequence[Entry], notes: list[str]
) -> Mapping[Path, Indexed]:
    looked = await look_up(context, [entry.file for entry in entries if entry.file is not None])
    if looked.left:
        notes.append(
            f"{looked.left} headers were not read in this call's time; ask again to go on."
        )
    return looked.known


def _is_for(entry: Entry, known: Mapping[Path, Indexed], base: str) -> bool:
    indexed = None if entry.file is None else known.get(entry.file.path)
    return indexed is not None and fits_base(indexed.facts, base)


def _sorted(entries: list[Entry], by: str) -> list[Entry]:
    ordered = sorted(
        entries, key=lambda entry: (entry.folder, entry.relative.casefold(), entry.root)
    )
    if by == "path":
        return ordered

    def key(entry: Entry) -> Any:
        if entry.file is None:
            return 0
        return entry.file.size_bytes if by == "size" else entry.file.modified_ns

    return sorted(ordered, key=key, reverse=True)
