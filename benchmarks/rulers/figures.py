"""What a column of the table shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure, never without what is needed to read it.

    Attributes
    ----------
    key : str
        Its name in the CSV file.
    title : str
        Its heading in the table.
    rule : str
        Name of the protocol; figures of different ones are not comparable.
    protocol : str
        How it is computed.
    labels : str
        What labels were used for, besides computing it.
    best : "high", "low" or None
        Which value is best; None where it is only said.
    decimals : int
        How many to print.
    """

    key: str
    title: str
    rule: str
    protocol: str
    labels: str
    best: Literal["high", "low"] | None = "high"
    decimals: int = 3


SECONDS = Figure(
    "seconds_per_megapixel",
    "s / megapixel",
    "cost",
    "fitting and labelling with one compute thread, after imports and reading",
    "for nothing",
    best=None,
    decimals=2,
)
PEAK = Figure(
    "peak_mb",
    "peak MB",
    "cost",
    "peak memory of the process, imports, and images and truths of the set, included",
    "for nothing",
    best=None,
    decimals=0,
)
COST = (SECONDS, PEAK)
