"""Writing what a run found: a section of a page, a CSV file and a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rulers.page import machine, replace_section
from rulers.picture import draw
from rulers.table import caption, csv_text, markdown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rulers.cells import Outcome
    from rulers.datasets import DataSet
    from rulers.rows import Row

SECTION = "quality"
_NEW_PAGE = "# Results\n\n## Quality\n\n<!-- quality: begin -->\n<!-- quality: end -->\n"
_CSV = "results/quality.csv"
_PICTURE = "images/quality.png"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A finished run.

    Attributes
    ----------
    command : str
        What was typed.
    data_sets, rows
        What was measured.
    seeds : tuple of int
        With which seeds.
    jobs : int
        How many cells were measured at a time.
    outcomes : tuple of Outcome
        What came of every cell.
    """

    command: str
    data_sets: Sequence[DataSet]
    rows: Sequence[Row]
    seeds: Sequence[int]
    jobs: int
    outcomes: Sequence[Outcome]

    def write(self, out: Path, work: Path) -> None:
        """Write all of it into a folder; of a page that is there only our section changes."""
        page, table = out / "results.md", out / _CSV
        table.parent.mkdir(parents=True, exist_ok=True)
        measured = [data for data in self.data_sets if data.rulers]
        table.write_text(csv_text(measured, self.outcomes), encoding="utf-8")
        pictured = self._draw(out / _PICTURE, work)
        if not page.exists():
            page.write_text(_NEW_PAGE, encoding="utf-8")
        replace_section(page, SECTION, self._text(pictured=pictured))

    def _draw(self, path: Path, work: Path) -> bool:
        """Draw the picture, if images for it were labelled."""
        shown = next((data for data in self.data_sets if data.shown), None)
        if shown is None:
            return False
        own = [outcome for outcome in self.outcomes if outcome.cell.data == shown.name]
        first = [outcome for outcome in own if outcome.cell.seed == self.seeds[0]]
        draw(path, shown.load(), first, work)
        return True

    def _text(self, *, pictured: bool) -> str:
        parts = [self._head(), caption(self.rows)]
        parts += [
            markdown(data, self.rows, self.outcomes) for data in self.data_sets if data.rulers
        ]
        if pictured:
            shown = next(data for data in self.data_sets if data.shown)
            parts.append(
                f"### Pictures\n\n![What each row makes of a few images]({_PICTURE})\n\n"
                f"{shown.about} {shown.shown} clusters, seed {self.seeds[0]}. Colours are "
                "matched with those of the truth, or of the first row, one to one by pixels."
            )
        return "\n\n".join(parts)

    def _head(self) -> str:
        packages = machine("torch", "scikit-image", "scipy")
        seeds = ", ".join(map(str, self.seeds))
        return (
            f"`{self.command}` on {packages}.\n"
            "Each row, data set and seed was measured in a process of its own with one compute "
            f"thread; so many at a time: {self.jobs}.\n"
            f"Seeds {seeds}: mean ± standard deviation over seeds; one figure where there was one "
            "seed or nothing is drawn at random.\n"
            f"The best of a column is bold. Every figure of every seed: [quality.csv]({_CSV})."
        )
