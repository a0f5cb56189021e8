"""What is in a config's dataset folders, as inspect-dataset sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from attrs import frozen

from aitk_core.configkeys.json_values import shown
from aitk_core.errors import AitkError, FileMissingError, InvalidArgumentsError
from aitk_guardrails.lint.facts import DatasetFacts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aitk_core.protocols import ToolContext

_TOOL: Final = "inspect-dataset"
_FOLDERS: Final = 8
"""Folders of one config that are looked at; ours."""
_SHARE: Final = 0.6
"""Of the call's remaining time that looking at pictures may take; ours."""
_LEAST_S: Final = 1.0


@frozen(kw_only=True)
class Looked:
    """One folder."""

    facts: DatasetFacts
    document: Mapping[str, Any] | None = None
    """What inspect-dataset answered; None where there is no folder."""


async def look_at_datasets(
    process: Mapping[str, Any],
    context: ToolContext,
    questions: list[str],
    *,
    config_name: str | None,
    max_files: int,
) -> dict[str, Looked]:
    """Return what is in the folders that a process names, by their names in the config.

    Args:
        process: The config's first process.
        context: Of the call.
        questions: Gets a sentence for each folder that could not be looked at.
        config_name: The saved config, by which the folders are read.
        max_files: Pictures looked at in each folder.
    """
    folders = list(dict.fromkeys(_folders(process)))
    if folders and not context.offers(_TOOL):
        questions.append(f"the datasets were not looked at: {_TOOL} is not installed")
        return {}
    found: dict[str, Looked] = {}
    for folder in folders[:_FOLDERS]:
        asked: dict[str, Any] = {
            "dataset_path": folder,
            "max_dataset_files": max_files,
            "charts": "none",
        }
        if config_name is not None:
            asked["config_name"] = config_name
        remaining = context.remaining_s()
        if remaining is not None:
            asked["max_seconds"] = max(_LEAST_S, _SHARE * remaining / len(folders))
        try:
            answer = await context.call_tool(_TOOL, asked)
        except FileMissingError:
            found[folder] = Looked(facts=DatasetFacts(state="missing"))
        except InvalidArgumentsError as error:
            if error.details.get("faults"):
                questions.append(f"dataset {shown(folder)} was not looked at: {error}")
            else:
                found[folder] = Looked(facts=DatasetFacts(state="file"))
        except AitkError as error:
            questions.append(f"dataset {shown(folder)} was not looked at: {error}")
        else:
            document = answer.data or {}
            found[folder] = Looked(facts=_facts(document), document=document)
            questions.extend(_unread(folder, document))
    questions.extend(f"dataset {shown(each)} was not looked at" for each in folders[_FOLDERS:])
    return found


def _folders(process: Mapping[str, Any]) -> Iterator[str]:
    datasets = process.get("datasets")
    for each in datasets if isinstance(datasets, list) else ():
        for key in ("dataset_path", "folder_path"):  # the first wins, as in the trainer
            value = each.get(key) if isinstance(each, dict) else None
            if isinstance(value, str) and value.strip():
                yield value
                break


def _facts(document: Mapping[str, Any]) -> DatasetFacts:
    analysis, scan = document["dataset_analysis"], document["scan"]
    sides = [
        value
        for key in ("resolution_width", "resolution_height")
        if (value := (analysis.get(key) or {}).get("min")) is not None
    ]
    return DatasetFacts(
        state="folder",
        images=scan["found_images"],
        videos=scan["videos"],
        captioned=analysis.get("caption_non_empty_count"),
        corrupt=analysis.get("corrupt_image_count"),
        duplicates=analysis.get("duplicate_image_estimate"),
        smallest_side=int(min(sides)) if sides else None,
        scanned=scan["scanned_images"],
    )


def _unread(folder: str, document: Mapping[str, Any]) -> Iterator[str]:
    scan = document["scan"]
    if scan["scanned_images"] < scan["found_images"]:
        yield (
            f"of dataset {shown(folder)} {scan['scanned_images']} of {scan['found_images']} "
            "pictures were looked at"
        )
