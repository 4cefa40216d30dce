"""Which data sets a run measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulers.datasets.aerial import BUILDINGS, LAND_COVER, LOVEDA
from rulers.datasets.made_up import GALLERY, MOSAICS, TOWNS
from rulers.datasets.photographs import PHOTOGRAPHS

if TYPE_CHECKING:
    from rulers.datasets import DataSet

FULL = (LAND_COVER, BUILDINGS, LOVEDA, PHOTOGRAPHS, GALLERY)
QUICK = (TOWNS, MOSAICS)

DATA_SETS: dict[str, DataSet] = {data.name: data for data in (*FULL, *QUICK)}
