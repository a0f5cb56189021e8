"""How a picture looks gets one label, the first that fits (datasets.md A7)."""

from __future__ import annotations

import pytest
from attrs import evolve

from aitk_datasets.analyzers.looks import BLURRED, MAYBE_BLURRED, label_of
from aitk_datasets.proofs.pictures import SOUND


@pytest.mark.parametrize(
    ("detail", "reblur", "label"),
    [
        (3.9, 0.3, BLURRED),
        (120.0, 0.6, MAYBE_BLURRED),
        (160.0, 0.6, None),
        # Motion leaves the grain of some pictures sharp across it; nothing else is.
        (4.3, 0.5, MAYBE_BLURRED),
        (6.5, 0.45, MAYBE_BLURRED),
        (6.5, 0.3, None),
        (12.0, 0.45, None),
    ],
)
def test_a_picture_without_detail_needs_less_to_be_called_soft(
    detail: float, reblur: float, label: str | None
) -> None:
    assert label_of(evolve(SOUND, tile_laplacian=detail, reblur=reblur)) == label
