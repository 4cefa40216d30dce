"""Cells of the table: a row on a data set with a seed, each measured in a process of its own."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.cli_progress import peak_memory
from rulers.datasets.table import DATA_SETS
from rulers.figures import PEAK, SECONDS
from rulers.rows import predict
from rulers.rows.table import ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rulers.datasets import DataSet
    from rulers.pictures import Picture, Prediction
    from rulers.rows import Row


@dataclass(frozen=True, slots=True)
class Cell:
    """What is measured at once.

    Attributes
    ----------
    row, data, seed
        Name of the row, name of the data set, and the seed.
    """

    row: str
    data: str
    seed: int

    @property
    def stem(self) -> str:
        """Name of its files."""
        return "__".join(
            re.sub(r"\W+", "-", str(part)) for part in (self.row, self.data, self.seed)
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell.

    Attributes
    ----------
    cell : Cell
        Which one.
    values : dict of str to float
        Its figures by key; empty if it failed.
    failure : str
        Why it failed, else empty.
    """

    cell: Cell
    values: dict[str, float] = field(default_factory=dict)
    failure: str = ""

    def write(self, folder: Path) -> None:
        """Keep it, so that a run that was interrupted need not measure it again."""
        path = folder / f"{self.cell.stem}.json"
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")
        part.replace(path)

    @classmethod
    def read(cls, folder: Path, cell: Cell) -> Outcome | None:
        """Return what came of a cell, None if it was not measured."""
        path = folder / f"{cell.stem}.json"
        if not path.exists():
            return None
        kept = json.loads(path.read_text(encoding="utf-8"))
        return cls(cell, kept["values"], kept["failure"])


def plan(data_sets: Sequence[DataSet], rows: Sequence[Row], seeds: Sequence[int]) -> list[Cell]:
    """List the cells of a run; a data set that is missing has none."""
    return [
        Cell(row.name, data.name, seed)
        for data in data_sets
        for row in rows
        if row.fits(data) and not data.missing
        # Images of the picture are labelled once.
        for seed in seeds[: row.most_seeds if data.rulers else 1]
    ]


def measure(cell: Cell, folder: Path) -> Outcome:
    """Label the images of a data set in this process, score them, and keep what came of it."""
    row, data = ROWS[cell.row], DATA_SETS[cell.data]
    pictures, labeller = data.load(), row.load()
    found: dict[int, list[Prediction]] = {}
    start = perf_counter()
    for clusters in data.cluster_counts:
        found[clusters] = predict(
            labeller, pictures, joint=data.joint, clusters=clusters, seed=cell.seed
        )
    seconds = perf_counter() - start
    megapixels = len(found) * sum(picture.megapixels for picture in pictures)
    values = {SECONDS.key: seconds / megapixels, PEAK.key: float(peak_memory() or 0)}
    for ruler in data.rulers:
        values |= ruler.score(pictures, found[ruler.clusters])
    outcome = Outcome(cell, values)
    if data.shown:
        _keep_labels(folder / f"{cell.stem}.npz", pictures, found[data.shown])
    outcome.write(folder)
    return outcome


def _keep_labels(path: Path, pictures: Sequence[Picture], labels: Sequence[Prediction]) -> None:
    named = {picture.name: one for picture, one in zip(pictures, labels, strict=True)}
    np.savez_compressed(path, allow_pickle=False, **named)
