"""Planted dataset folders: every defect that a check must find, and the truth about each file.

    truth = plant(folder, seed=1, bases=60)
    assert {file.path for file in truth.files("truncated")} == found

The folder gets `train/`, `val/`, `outside/`, which nobody may touch, and `truth.json`. `clean=True`
plants sound pictures only, to count false alarms. One seed gives equal bytes with one version of
Pillow and numpy on one kind of machine; a family of defects has the same bytes whatever other
families are planted, as long as no photographs are given.
"""

from __future__ import annotations

from aitk_core.testing.planted.labels import CAPTION_LABELS, FILE_LABELS
from aitk_core.testing.planted.plant import ALL, DEFAULT_SIDES, plant
from aitk_core.testing.planted.truth import (
    TIERS,
    Entry,
    OddPath,
    PlantedCaption,
    PlantedFile,
    PlantedPair,
    Tier,
    Truth,
    read_truth,
    snapshot,
)

__all__ = [
    "ALL",
    "CAPTION_LABELS",
    "DEFAULT_SIDES",
    "FILE_LABELS",
    "TIERS",
    "Entry",
    "OddPath",
    "PlantedCaption",
    "PlantedFile",
    "PlantedPair",
    "Tier",
    "Truth",
    "plant",
    "read_truth",
    "snapshot",
]
