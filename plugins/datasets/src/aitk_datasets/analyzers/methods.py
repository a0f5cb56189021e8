"""The checks of files and looks: bounds with their sources, the one place that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.statistics.description import FalseAlarmRate, MethodInfo, Parameter

if TYPE_CHECKING:
    from collections.abc import Mapping

_REBLUR: Final = (
    "ours: 2 of 89 photographs and artworks are called soft, and 20, 53, 86 and 89 of their copies "
    "blurred by 2, 4, 8 and 16 of 1,600 pixels; datasets.md A7 has 0.55 for exactly 512 pixels: 3 "
    "and 19, 60, 87, 89"
)
_A7: Final = "datasets.md A7"
_OURS: Final = "ours"


def _method(
    name: str,
    what: str,
    rate: FalseAlarmRate,
    bounds: Mapping[str, tuple[float, str]],
) -> MethodInfo:
    return MethodInfo(
        id=name,
        version=1,
        what=what,
        minimum_n=1,
        minimum_unit="values",
        parameters={
            key: Parameter(value=value, source=source) for key, (value, source) in bounds.items()
        },
        false_alarm_rate=rate,
    )


FILES: Final = _method(
    "image_files",
    "Does the trainer get the picture that is meant from this file?",
    FalseAlarmRate(
        rate=0.0,
        unit="per picture",
        source="datasets.md A7: 0 of 689 sound files; 29 of 29 unreadable ones found",
    ),
    {
        "material_share": (
            0.10,
            "ours: a tenth of the steps trains something else than meant, as for captions",
        )
    },
)
LOOKS: Final = _method(
    "image_looks",
    "Is the picture too dark, too bright, nearly plain or blurred?",
    FalseAlarmRate(
        rate=9 / 420,
        unit="per picture",
        source="datasets.md A7: 9 of 420 unmodified generated pictures, 0 of 104 others",
    ),
    {
        "dark_p95": (50.0, _A7),
        "bright_p5": (200.0, _A7),
        "plain_detail": (1.0, _A7),
        "plain_spread": (5.0, _A7),
        "blurred_detail": (4.0, _A7),
        "maybe_reblur": (0.48, _REBLUR),
        "maybe_detail": (150.0, _A7),
        "material_share": (0.10, "ours: as for files"),
    },
)
BORDERS: Final = _method(
    "image_borders",
    "Is the picture framed by plain bars?",
    FalseAlarmRate(rate=None, unit="per picture", source="not measured on photographs yet"),
    {
        "least_share": (0.02, "ours: under a hundredth is an edge of the thumbnail"),
        "material_share": (0.10, "ours: as for files"),
    },
)
DUPLICATES: Final = _method(
    "image_duplicates",
    "Which pictures are the same, or nearly?",
    FalseAlarmRate(
        rate=0.0,
        unit="per pair of pictures that only look alike, called near",
        source="aitk_core.pictures.levels: held-out pictures, 0 of 1,936 pairs of products on "
        "white, 0 of 267 of one scene with something else in it (95 % bound 1.4 %)",
    ),
    {"material_share": (0.10, "ours: as for files")},
)
METHODS: Final = {method.id: method for method in (FILES, LOOKS, BORDERS, DUPLICATES)}
