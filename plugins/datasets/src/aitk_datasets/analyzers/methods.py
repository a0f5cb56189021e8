"""The checks of files and looks: bounds with their sources, the one place that has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aitk_core.statistics.description import MethodInfo, Parameter
from aitk_datasets.measured import rate_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aitk_core.statistics.description import FalseAlarmRate

_REBLUR: Final = (
    "ours: 2 of 89 photographs and artworks are called soft, and 20, 53, 86 and 89 of their copies "
    "blurred by 2, 4, 8 and 16 of 1,600 pixels; datasets.md A7 has 0.55 for exactly 512 pixels: 3 "
    "and 19, 60, 87, 89"
)
_A7: Final = "datasets.md A7"
_FAINT: Final = (
    "ours: of 80 generated pictures with motion blur and little grain the rules before it miss 6, "
    "with it none; of 160 sound ones none has a detail below 100 or a reblur above 0.30"
)


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
    rate_of("image_files_v1", unit="per picture", what="sound pictures"),
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
    rate_of("image_looks_v1", unit="per picture", what="pictures that look as they should"),
    {
        "dark_p95": (50.0, _A7),
        "bright_p5": (200.0, _A7),
        "plain_detail": (1.0, _A7),
        "plain_spread": (5.0, _A7),
        "blurred_detail": (4.0, _A7),
        "maybe_reblur": (0.48, _REBLUR),
        "maybe_detail": (150.0, _A7),
        "faint_reblur": (0.40, _FAINT),
        "faint_detail": (8.0, _FAINT),
        "material_share": (0.10, "ours: as for files"),
    },
)
BORDERS: Final = _method(
    "image_borders",
    "Is the picture framed by plain bars?",
    rate_of("image_borders_v1", unit="per picture", what="pictures without a border"),
    {
        "least_share": (0.02, "ours: under a hundredth is an edge of the thumbnail"),
        "material_share": (0.10, "ours: as for files"),
    },
)
DUPLICATES: Final = _method(
    "image_duplicates",
    "Which pictures are the same, or nearly?",
    rate_of(
        "image_duplicates_v1",
        unit="per planted look-alike pair called near or surer",
        what="pairs that only look alike",
    ),
    {"material_share": (0.10, "ours: as for files")},
)
METHODS: Final = {method.id: method for method in (FILES, LOOKS, BORDERS, DUPLICATES)}
