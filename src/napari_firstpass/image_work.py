"""One image and what is done with it: its labels, their record, the files."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.digest import sha256_steps
from napari_firstpass.errors import ImageReadError
from napari_firstpass.io.files import check_output
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.label_file import LabelFile, label_paths
from napari_firstpass.progress import Span, Steps, relay
from napari_firstpass.resolution import label_at_steps, resampling_noted

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from napari_firstpass.class_count import ClassCount
    from napari_firstpass.grid import Grid
    from napari_firstpass.io.geotiff import RasterFile
    from napari_firstpass.io.label_source import LabelSource
    from napari_firstpass.provenance import Provenance
    from napari_firstpass.resolution import Labelling
    from napari_firstpass.taxonomy import Taxonomy


@dataclass(frozen=True, slots=True)
class SegmentReport:
    """What was written for one image.

    Attributes
    ----------
    image, labels : Path
        The image, and its label file.
    confidence : Path or None
        The confidence file, if one was asked for.
    grid : Grid
        Size and place of both.
    taxonomy : Taxonomy
        The classes.
    counts : dict of int to int
        Pixels of each id that occurs; 0 is no data.
    suggested : ClassCount or None
        Why there are as many classes, if the image decided it.
    """

    image: Path
    labels: Path
    confidence: Path | None
    grid: Grid
    taxonomy: Taxonomy
    counts: dict[int, int]
    suggested: ClassCount | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with an image.

    Attributes
    ----------
    taxonomy : Taxonomy
        The classes.
    record : callable
        Tells how labels come about, of the name and the SHA-256 of the image.
    labels : callable
        Writes them.
    """

    taxonomy: Taxonomy
    record: Callable[[str, str | None], Provenance]
    labels: Labelling

    def at(self, metres: float | None) -> Work:
        """Return the same with an image that is read with pixels of a size; None for its own."""
        if metres is None:
            return self
        return replace(
            self,
            record=lambda name, digest: resampling_noted(self.record(name, digest), metres),
            labels=partial(label_at_steps, self.labels, metres),
        )


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """An image and what is written for it; see `api.segment_file`.

    What else is read (``inputs``) is never replaced either. What the work itself writes beside them
    (``others``) is refused as early as they are.
    """

    image: str | os.PathLike[str]
    out: str | os.PathLike[str]
    bands: str | None
    confidence: str | os.PathLike[str] | None
    overwrite: bool
    inputs: tuple[Path, ...] = ()
    others: tuple[Path, ...] = ()

    @contextmanager
    def opened(self) -> Iterator[RasterFile]:
        """Open the image, having refused outputs that may not be written."""
        with open_raster(self.image, bands=self.bands) as source:
            for path in (*label_paths(self.out, self.confidence), *self.others):
                if path is not None:
                    check_output(path, overwrite=self.overwrite, forbid=self.read(source))
            yield source

    def read(self, source: RasterFile) -> tuple[Path, ...]:
        """Return all files that are read, which nothing may replace."""
        return (*source.files, *self.inputs)

    def written(self, work: Work) -> Steps[SegmentReport]:
        """Write the files, whole or not at all."""
        with ExitStack() as stack:
            source = stack.enter_context(open_raster(self.image, bands=self.bands))
            digest = yield from relay(file_sha256(source.path), Span(0, 2, 100), "reading the file")
            file = stack.enter_context(
                LabelFile(
                    self.out,
                    grid=source.grid,
                    taxonomy=work.taxonomy,
                    provenance=work.record(Path(source.path).name, digest),
                    confidence_path=self.confidence,
                    overwrite=self.overwrite,
                    forbid=self.read(source),
                )
            )
            yield from relay(work.labels(source, file), Span(2, 92, 100))
            yield from relay(file.finish(), Span(92, 100, 100), "writing the file")
        return SegmentReport(
            image=Path(self.image),
            labels=Path(self.out),
            confidence=None if self.confidence is None else Path(self.confidence),
            grid=source.grid,
            taxonomy=work.taxonomy,
            counts=file.counts,
        )


def labels_told_steps(labels: LabelSource) -> Steps[dict[str, str | None]]:
    """Return what a record tells of labels that something is done to: hashes of what was read."""
    told = {"labels_sha256": (yield from relay(file_sha256(labels.path), Span(0, 1, 2)))}
    if labels.confidence_path is not None:
        reading = relay(file_sha256(labels.confidence_path), Span(1, 2, 2))
        told["confidence_sha256"] = yield from reading
    return told


def file_sha256(path: str | os.PathLike[str]) -> Steps[str | None]:
    """Return the SHA-256 of a file as hexadecimal digits, None for what is no ordinary file.

    Raises
    ------
    ImageReadError
        If the file cannot be read.
    """
    place = Path(path)
    if not place.is_file():
        return None
    with file_errors():
        return (yield from sha256_steps(place))


@contextmanager
def file_errors() -> Iterator[None]:
    """Turn errors in reading files as they are into `ImageReadError`."""
    try:
        yield
    except OSError as error:
        raise ImageReadError(
            expected=f"to read {error.filename or 'the file'}",
            found=str(error.strerror),
            remedy="check the file",
        ) from error


def files_sha256(paths: Sequence[str | os.PathLike[str]]) -> Steps[list[str | None]]:
    """Return the SHA-256 of each file; see `file_sha256`."""
    hashes = []
    for done, path in enumerate(paths):
        hashes.append((yield from relay(file_sha256(path), Span(done, done + 1, len(paths)))))
    return hashes
