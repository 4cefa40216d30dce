"""Data sets: images with truths, and the protocols that apply to them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulers.figures import Figure
    from rulers.pictures import Picture
    from rulers.protocols import Ruler

DATA = Path(os.environ.get("FIRSTPASS_DATA", Path(__file__).parents[3].parent / "shared" / "data"))
"""Real images on the development machines; none are in the repository."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A set of images and how it is used.

    Attributes
    ----------
    name : str
        As `--datasets` takes it; where ``folder`` is None the images are made up.
    load : callable
        Reads the images.
    split, ignored : str
        Which part of the data this is, and which pixels do not count.
    about : str
        What must be known besides, in whole sentences.
    joint : bool
        Whether classes are fitted once over all images, or for each image by itself.
    rulers : tuple of Ruler
        What is computed.
    folder : str or None
        Where the images lie in the data folder.
    regions : bool
        Whether only regions count, and no classes.
    shown : int
        Number of clusters for the picture; 0 if images must not be, or are not, published.
    """

    name: str
    load: Callable[[], tuple[Picture, ...]]
    split: str
    about: str
    ignored: str
    joint: bool
    rulers: tuple[Ruler, ...]
    folder: str | None = None
    regions: bool = False
    shown: int = 0

    @property
    def missing(self) -> bool:
        """Whether the folder is not there."""
        return self.folder is not None and not (DATA / self.folder).is_dir()

    @property
    def cluster_counts(self) -> tuple[int, ...]:
        """The numbers of clusters that are needed, ascending."""
        wanted = {ruler.clusters for ruler in self.rulers}
        return tuple(sorted(wanted | ({self.shown} if self.shown else set())))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The columns, but for seconds and memory."""
        return tuple(figure for ruler in self.rulers for figure in ruler.figures)
