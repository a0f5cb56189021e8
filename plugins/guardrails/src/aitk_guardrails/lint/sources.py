"""The documents that rules come from, named once."""

from __future__ import annotations

from typing import Final

from aitk_core.configkeys.table import key_table

SIMPLETUNER: Final = "bghira/SimpleTuner, documentation/quickstart/FLUX.md"
MUSUBI: Final = "kohya-ss/musubi-tuner, docs/qwen_image.md"
CURVES: Final = "spacepxl/demystifying-sd-finetuning: 69 controlled SD1.5 runs"
CONTRACT: Final = "limits of the tool contract, section 9: common practice, not measured"


def trainer(file: str) -> str:
    """Return a file of the trainer with the release that it was read in."""
    return f"{key_table().source_version}: {file}"
