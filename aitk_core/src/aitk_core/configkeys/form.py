"""The process block that the backend's new-job form makes for an architecture.

The recipe is that of the form (ui/src/app/jobs/new/utils.ts, handleModelArchChange): its
skeleton, tuned for Flex.1; what leaving Flex.1 resets; what the architecture sets, also in the
dataset.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

from aitk_core.configkeys.archs import arch_table

if TYPE_CHECKING:
    from aitk_core.configkeys.archs import Arch

CONTROL_KEYS: Final = ("control_path_1", "control_path_2", "control_path_3")
"""Folders of control images of an architecture that takes several."""

_REMOVED: Final = "(key removed)"
"""The table's mark for a key that the form takes out of the config."""


def form_process(arch: Arch) -> dict[str, Any]:
    """Return the process block that the form makes for an architecture, without samples.

    The folder of the dataset is empty, since the form has only a placeholder there.
    """
    table = arch_table()
    blocks = deepcopy(table["skeleton"])
    process: dict[str, Any] = {
        "type": "diffusion_trainer",
        "training_folder": "",
        "sqlite_db_path": "./aitk_db.db",
        "device": "cuda",
        "trigger_word": None,
        "performance_log_every": 10,
        "network": blocks["network"],
        "save": blocks["save"],
        "datasets": [{"folder_path": "", **blocks["dataset"]}],
        "train": blocks["train"],
        "logging": blocks["logging"],
        "model": blocks["model"],
        "sample": blocks["sample"],
    }
    if arch.id == process["model"]["arch"]:
        return process
    # The order of the form: what the architecture sets wins over the resets of the change.
    _change_sections(process, arch)
    for changes in (table["skeleton_on_leave"], arch.selected):
        for path, value in changes.items():
            put(process, path, value)
    process["datasets"][0].update(deepcopy(dict(arch.dataset_defaults)))
    return process


def _change_sections(process: dict[str, Any], arch: Arch) -> None:
    model, dataset = process["model"], process["datasets"][0]
    model["arch"] = arch.id
    if "model.low_vram" not in arch.sections:
        model["low_vram"] = False
    if "model.layer_offloading" in arch.sections:
        model["layer_offloading"] = False
        model["layer_offloading_text_encoder_percent"] = 1.0
        model["layer_offloading_transformer_percent"] = 1.0
    dataset["controls"] = list(arch.auto_controls)
    if "datasets.multi_control_paths" in arch.sections:
        dataset.update(dict.fromkeys(CONTROL_KEYS))
    elif "datasets.control_path" in arch.sections:
        dataset["control_path"] = None


def put(process: dict[str, Any], path: str, value: Any) -> None:
    """Set a copy of a value at a dotted path of blocks; the form's mark for removal removes it."""
    *parents, last = path.split(".")
    block = process
    for key in parents:
        block = block.setdefault(key, {})
    if value == _REMOVED:
        block.pop(last, None)
    else:
        block[last] = deepcopy(value)
