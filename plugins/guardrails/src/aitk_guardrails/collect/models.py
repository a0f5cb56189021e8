"""Whether a config's model is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aitk_core.errors import InvalidArgumentsError, PathOutsideRootsError
from aitk_core.services.modelfiles import MODEL_EXTENSIONS, find_model, model_roots
from aitk_guardrails.lint.facts import ModelFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.protocols import ToolContext

_ENTRIES: Final = 1000
"""Names of a model's folder that are kept; ours."""


async def look_at_models(
    process: Mapping[str, Any], context: ToolContext, questions: list[str]
) -> dict[str, ModelFacts]:
    """Return what is known of the model, by its name in the config; a Hub id says nothing.

    Args:
        process: The config's first process.
        context: Of the call.
        questions: Gets a sentence for a path that this machine may not look at.
    """
    model = process.get("model")
    name = model.get("name_or_path") if isinstance(model, dict) else None
    if not isinstance(name, str) or not name.strip():
        return {}
    if Path(name).is_absolute():
        try:
            path = context.paths.resolve(name)
        except (PathOutsideRootsError, InvalidArgumentsError):
            questions.append(
                "the model is a path outside the model roots, so whether it is there is not known"
            )
            return {}
        return {name: await context.run(_facts, path, None)}
    found = await find_model(context, name)
    if found is not None:
        return {name: await context.run(_facts, found.path, found.root)}
    # Where models are kept here, a file that is nowhere below is missing; a Hub id need not be.
    if model_roots(context) and name.lower().endswith(MODEL_EXTENSIONS):
        return {name: ModelFacts(state="missing")}
    return {}


def _facts(path: Path, root: str | None) -> ModelFacts:
    if not path.exists():
        return ModelFacts(state="missing")
    if not path.is_dir():
        return ModelFacts(state="file", resolved=str(path), resolution_source=root)
    entries = frozenset(each.name for each, _ in zip(path.iterdir(), range(_ENTRIES), strict=False))
    return ModelFacts(state="folder", entries=entries, resolved=str(path), resolution_source=root)
