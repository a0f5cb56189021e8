"""Names of sheets that are offered while a person types; not each is there for each folder."""

from __future__ import annotations

from typing import Final

from aitk_datasets.sheets.examples import RULED
from aitk_datasets.sheets.groups import ALL, CODES

SHEETS: Final = (ALL, *sorted({*CODES, *RULED}))
