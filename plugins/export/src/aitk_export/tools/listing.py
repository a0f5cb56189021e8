"""list-exported-models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from attrs import evolve

from aitk_core.convert import unstructure
from aitk_core.records.results import ToolResult
from aitk_core.weights.digests import with_digests
from aitk_core.weights.index import look_up
from aitk_export.listing.found import Found, in_folder, jobs_by_name, visible, with_backend
from aitk_export.listing.records import ModelPage
from aitk_export.listing.text import summarize
from aitk_export.places.references import EXPORTS, OUTPUTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from aitk_core.protocols import ToolContext
    from aitk_core.weights.index import SeenFile
    from aitk_export.arguments import ListExportedModels
    from aitk_export.listing.records import ModelLine


async def list_exported_models(arguments: ListExportedModels, context: ToolContext) -> ToolResult:
    """Return one page of the models that runs left and that were exported.

    Raises:
        BackendError: No outputs are visible here, and the backend does not answer.
    """
    notes: list[str] = []
    jobs = await jobs_by_name(context, notes)
    lines: list[ModelLine] = []
    seen: dict[str, SeenFile] = {}
    for root in (OUTPUTS, EXPORTS):
        if arguments.where not in ("all", root):
            continue
        folder = await context.run(visible, context, root)
        found = Found(lines=())
        if folder is not None:
            found = await in_folder(context, root, folder, jobs, notes)
        elif root == OUTPUTS:
            notes.append(
                "The training outputs are not visible from this machine (AITK_OUTPUTS_DIR); the "
                "backend lists names and sizes."
            )
            found = await with_backend(context, jobs, notes)
        lines += found.lines
        seen |= found.seen
    wanted = _sorted([line for line in lines if _fits(line, arguments)], arguments)
    start = int(arguments.cursor or 0)
    models = wanted[start : start + arguments.limit]
    if arguments.with_hash:
        models = await _hashed(context, models, seen, notes)
    end = start + len(models)
    page = ModelPage(
        models=tuple(models),
        total=len(wanted),
        returned=len(models),
        next_cursor=str(end) if models and end < len(wanted) else None,
        notes=tuple(notes),
    )
    return ToolResult(data=unstructure(page), summary=summarize(page, start))


def _fits(line: ModelLine, arguments: ListExportedModels) -> bool:
    if arguments.kind not in ("all", line.kind):
        return False
    if arguments.query is None:
        return True
    said = (line.name, line.model_path, line.run, line.base_model, line.trigger_word)
    query = arguments.query.casefold()
    return any(query in text.casefold() for text in said if text)


def _sorted(lines: list[ModelLine], arguments: ListExportedModels) -> list[ModelLine]:
    keys: dict[str, Callable[[ModelLine], Any]] = {
        "modified": lambda line: line.modified or "",
        "name": lambda line: line.name.casefold(),
        "size": lambda line: line.size_bytes or 0,
        "step": lambda line: -1 if line.step is None else line.step,
    }
    descending = arguments.descending
    if descending is None:
        descending = arguments.sort != "name"
    by_path = sorted(lines, key=lambda line: line.model_path)
    return sorted(by_path, key=keys[arguments.sort], reverse=descending)


async def _hashed(
    context: ToolContext, models: list[ModelLine], seen: dict[str, SeenFile], notes: list[str]
) -> list[ModelLine]:
    files = [seen[line.model_path] for line in models if line.model_path in seen]
    known, left = await with_digests(context, files, (await look_up(context, files)).known)
    if left:
        notes.append(f"{left} models were not hashed in this call's time; ask again.")

    def hashed(line: ModelLine) -> ModelLine:
        file = seen.get(line.model_path)
        indexed = None if file is None else known.get(file.path)
        return line if indexed is None else evolve(line, sha256=indexed.sha256)

    return [hashed(line) for line in models]
