"""Pairs of image and mask for training networks."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_firstpass.config import check_choice, check_number
from napari_firstpass.errors import OptionError
from napari_firstpass.exporting.balance import balanced, spread
from napari_firstpass.exporting.blocks import (
    SPLITS,
    block_side,
    blocks_of,
    chips_of,
    parse_shares,
)
from napari_firstpass.exporting.preview import Note, told_of_depth
from napari_firstpass.io.formats.chip_files import (
    PNG,
    TIF,
    ChipWriter,
    Piece,
    chip_names,
    written_bands,
)
from napari_firstpass.io.formats.chip_layouts import LAYOUTS
from napari_firstpass.io.formats.chip_manifest import Manifest
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.segmentation import id_counts

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.exporting.blocks import Chip
    from napari_firstpass.exporting.job import ExportJob
    from napari_firstpass.exporting.preview import ExportPreview
    from napari_firstpass.io.formats.chip_layouts import Layout
    from napari_firstpass.progress import Steps

_AUTO = "auto"
_TOGETHER = 8
"""Chips between two reports of progress."""


def _told(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipsExporter:
    """Squares of the image and of the mask, in a layout that readers know; see ``docs/export.md``.

    An export that was ended early goes on where it stopped.
    """

    size: int = field(default=512, metadata=_told("side of a chip in pixels"))
    stride: int = field(default=0, metadata=_told("step from chip to chip; 0: side by side"))
    layout: str = field(default="plain", metadata=_told(f"one of {', '.join(LAYOUTS)}"))
    form: str = field(default=_AUTO, metadata=_told("tif or png; auto: what the layout is read as"))
    compress: bool = field(
        default=True, metadata=_told("no: larger GeoTIFFs, written and read in less time")
    )
    split: str = field(
        default="0.8,0.1,0.1", metadata=_told("shares of train, val and test; 1: all is train")
    )
    block: int = field(
        default=0, metadata=_told("side of the blocks that are dealt out; 0: some chips wide")
    )
    edges: str = field(
        default="pad", metadata=_told("rests narrower than a chip: pad, shift or drop")
    )
    min_labelled: float = field(
        default=0.01, metadata=_told("chips of which less has a class are left out; 0: none is")
    )
    limit: int = field(default=0, metadata=_told("most chips for training; 0: all"))
    balance: bool = field(
        default=False, metadata=_told("choose them such that rare classes have more pixels")
    )
    seed: int = field(default=0, metadata=_told("of the draws"))

    def __post_init__(self) -> None:
        check_number("size", self.size, 16, 8192)
        check_number("stride", self.stride, 0, 8192)
        check_choice("layout", self.layout, tuple(LAYOUTS))
        check_choice("form", self.form, (_AUTO, TIF, PNG))
        check_choice("edges", self.edges, ("pad", "shift", "drop"))
        check_number("block", self.block, 0, 2**20)
        check_number("limit", self.limit, 0, 2**31)
        check_number("seed", self.seed, 0, 2**32 - 1)
        parse_shares(self.split)
        if not 0 <= self.min_labelled <= 1:
            raise OptionError(
                expected="min_labelled in [0, 1]",
                found=f"{self.min_labelled:g}",
                remedy="change min_labelled",
            )
        if 0 < self.block < self.size:
            raise OptionError(
                expected=f"blocks of {self.size} pixels or more, the size of a chip",
                found=str(self.block),
                remedy="change block",
            )
        if self.balance and not self.limit:
            raise OptionError(
                expected="a limit, to choose chips that balance each other",
                found="none",
                remedy="add one, such as limit=500",
            )

    def check(self, job: ExportJob) -> tuple[Note, ...]:
        """Refuse what the layout, or PNG, cannot hold; tell how many chips there will be."""
        layout = self._layout()
        layout.check(job)
        bands = written_bands(job, self._form(layout))
        chips = self._cut(job)
        count = {name: sum(chip.split == name for chip in chips) for name in SPLITS}
        told = ", ".join(f"{n} {name}" for name, n in count.items() if n)
        notes = [
            *told_of_depth(job.coding),
            Note(f"at most {told or 'no'} chips of {self.size} x {self.size} pixels"),
        ]
        if len(bands) < len(job.image.names):
            names = " and ".join(n for i, n in enumerate(job.image.names) if i not in bands)
            notes.append(Note(f"chips in PNG hold red, green and blue; {names} is left out"))
        return tuple(notes)

    def finished(self, job: ExportJob, names: Collection[str]) -> str:
        """Return how many of the chips are among files; nothing for none."""
        layout, chips = self._layout(), self._cut(job)
        form = self._form(layout)
        done = sum(set(chip_names(job, layout, form, chip)) <= set(names) for chip in chips)
        return f"{done} of at most {len(chips)} chips" if done else ""

    def write(self, job: ExportJob, _: ExportPreview, folder: Path) -> Steps[None]:
        """Write the chips that are not there yet, then the manifest and what loads them."""
        layout = self._layout()
        chips = self._cut(job)
        if self.limit:
            chips = yield from relay(self._chosen_steps(job, chips), Span(0, 30, 100))
        manifest = Manifest(job)
        groups = [chips[i : i + _TOGETHER] for i in range(0, len(chips), _TOGETHER)] or [()]
        ready = self._read(job, groups[0])
        with closing(self._writer(folder, job, layout)) as writer:
            for done, following in enumerate((*groups[1:], ())):
                yield Progress(30 * len(groups) + 50 * done, 100 * len(groups), "writing chips")
                written, then = writer.written(
                    [piece for piece, _ in ready], partial(self._read, job, following)
                )
                for (piece, counts), files in zip(ready, written, strict=True):
                    manifest.add(piece.chip, counts, files)
                ready = then
        yield from relay(layout.finish(folder, job, manifest), Span(80, 100, 100))

    def _layout(self) -> Layout:
        return LAYOUTS[self.layout]

    def _writer(self, folder: Path, job: ExportJob, layout: Layout) -> ChipWriter:
        form = self._form(layout)
        return ChipWriter(folder, job, layout, form, self.size, compress=self.compress)

    def _form(self, layout: Layout) -> str:
        return layout.form if self.form == _AUTO else self.form

    def _read(self, job: ExportJob, chips: Sequence[Chip]) -> list[tuple[Piece, NDArray[np.int64]]]:
        """Return the chips with enough pixels of classes, and how many of each."""
        found = []
        for chip in chips:
            raster = job.image.read(chip.window)
            codes = job.codes(chip.window, raster)
            counts = self._counts(job, codes)
            if self._is_labelled(counts):
                found.append((Piece(chip, raster, codes), counts))
        return found

    def _cut(self, job: ExportJob) -> tuple[Chip, ...]:
        shares = parse_shares(self.split)
        side = self.block or block_side(job.grid, self.size, shares)
        blocks = blocks_of(job.grid, side, shares, self.seed)
        return chips_of(blocks, self.size, self.stride or self.size, edges=self.edges)

    def _is_labelled(self, counts: NDArray[np.int64]) -> bool:
        return bool(counts.sum() >= self.min_labelled * self.size**2)

    def _counts(
        self, job: ExportJob, codes: NDArray[np.uint8] | NDArray[np.uint16]
    ) -> NDArray[np.int64]:
        """Return the pixels of each class, in their order."""
        held = [entry.code for entry in job.coding.classes]
        counts = np.zeros(max([*held, job.coding.ignore]) + 1, np.int64)
        found = id_counts(codes)
        counts[: len(found)] = found
        return counts[held]

    def _chosen_steps(self, job: ExportJob, chips: Sequence[Chip]) -> Steps[tuple[Chip, ...]]:
        """Return all chips for validation and test, and those for training that are chosen."""
        pixels, kept = [], []
        for number, chip in enumerate(chips):
            yield Progress(number, len(chips), "choosing chips")
            counts = self._counts(job, job.codes(chip.window))
            if self._is_labelled(counts):
                pixels.append(counts)
                kept.append(chip)
        training = [place for place, chip in enumerate(kept) if chip.split == SPLITS[0]]
        if self.balance:
            chosen = balanced(np.array([pixels[p] for p in training]), self.limit)
        else:
            chosen = spread(len(training), self.limit, self.seed)
        wanted = {training[place] for place in chosen}
        return tuple(chip for p, chip in enumerate(kept) if chip.split != SPLITS[0] or p in wanted)
