"""What keeping somebody's work does in threads: finding it, writing it, reading it again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from napari_firstpass.digest import sha256_steps
from napari_firstpass.errors import FirstPassError, ImageContentError, ImageReadError
from napari_firstpass.io.files import writing
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.open_projects import left_open, note_closed, state_folder
from napari_firstpass.io.project_folder import (
    RECORD,
    SUFFIX,
    ProjectFolder,
    holds_work,
    peek,
    read_project_steps,
    remove_empty,
)
from napari_firstpass.io.project_lock import ProjectLock, holder_of, was_left
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.progress import Progress, Span, relay, run
from napari_firstpass.widgets.project_records import grid_of_record, labels_again
from napari_firstpass.widgets.prompt_marks import Marks
from napari_firstpass.widgets.scene_layers import file_tuples
from napari_firstpass.widgets.unfiled import is_unfiled, remove_old, same_pixels
from napari_firstpass.widgets.worker import await_finished

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from napari_firstpass.grid import Grid
    from napari_firstpass.io.project_folder import Recovered, SavedLayer
    from napari_firstpass.progress import Steps
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.widgets.project_records import LayerNow
    from napari_firstpass.widgets.scene import LayerTuple


@dataclass(slots=True)
class Work:
    """One project that is open in a window.

    Attributes
    ----------
    image : Path
        The image file.
    folder : ProjectFolder
        Writes the rest.
    right : ProjectLock
        The right to do so.
    sha256 : str or None
        Hash of the image, once it is known.
    numbers : dict
        The numbers of layers, by their unique ids.
    busy : Lock
        Held while it is written.
    source : RasterSource or None
        The image, if it comes from no file and has to be written first.
    """

    image: Path
    folder: ProjectFolder
    right: ProjectLock
    sha256: str | None = None
    numbers: dict[Any, int] = field(default_factory=dict)
    busy: Lock = field(default_factory=Lock)
    source: RasterSource | None = None

    @classmethod
    def begin(cls, image: Path, tile: int, source: RasterSource | None = None) -> Work:
        """Begin a project beside an image, or among the user's own files where that is read-only.

        One on an image that comes from no file holds the image, too. Older work of the same name
        is never written over.

        Raises
        ------
        OutputError
            If neither can be written.
        """
        if source is not None:
            path = _new_folder(image.parent.parent, image.parent.stem)
            return cls._begun(path / image.name, path, tile, source)
        try:
            return cls._begun(image, _new_folder(image.parent, image.stem), tile)
        except FirstPassError:
            return cls._begun(image, _new_folder(state_folder() / "projects", image.stem), tile)

    @classmethod
    def _begun(cls, image: Path, path: Path, tile: int, source: RasterSource | None = None) -> Work:
        return cls(image, ProjectFolder(path, tile), ProjectLock.take(path), source=source)

    def number_of(self, unique_id: object) -> int:
        """Return the number of a layer, the same for ever."""
        return self.numbers.setdefault(unique_id, max(self.numbers.values(), default=0) + 1)

    def save(
        self, layers: Sequence[LayerNow], grid: dict[str, Any], marks: Marks | None = None
    ) -> int:
        """Write what changed; return how many bytes that were."""
        if self.source is not None and not self.image.exists():
            write_raster(self.image, self.source.read(self.source.grid.window))
        status = self.image.stat() if self.image.exists() else None
        about: dict[str, Any] = {"path": str(self.image), "name": self.image.name, "grid": grid}
        about["size"] = None if status is None else status.st_size
        about["mtime_ns"] = None if status is None else status.st_mtime_ns
        about["sha256"] = self.sha256
        with self.busy:
            saved = [layer.saved() for layer in layers]
            told = None if marks is None else marks.to_bytes()
            return run(self.folder.save_steps(about, saved, told))

    def close(self) -> None:
        """Give the project back, once nobody writes it any more."""
        with self.busy, suppress(OSError):
            self.right.release()
            note_closed(self.folder.path)
            remove_empty(self.folder.path)

    def close_with(
        self, layers: Sequence[LayerNow], grid: dict[str, Any], marks: Marks | None = None
    ) -> None:
        """Write what changed, and give the project back whatever comes of it."""
        try:
            self.save(layers, grid, marks)
        finally:
            self.close()


def _new_folder(parent: Path, name: str) -> Path:
    """Make a folder for a project; raises `OutputError` if that is not possible."""
    number, path = 1, parent / f"{name}{SUFFIX}"
    while path.exists():
        number += 1
        path = parent / f"{name}-{number}{SUFFIX}"
    with writing(path):
        path.mkdir(parents=True)
    return path


@dataclass(frozen=True, slots=True)
class Offer:
    """Work that could be opened again.

    Attributes
    ----------
    folder : Path
        The project.
    image : Path
        The image it belongs to, as far as known.
    saved : float
        When it was last saved, in seconds since 1970.
    was_left : bool
        Whether a process died in it.
    holder : str or None
        Who works in it now: then it cannot be opened.
    """

    folder: Path
    image: Path
    saved: float
    was_left: bool
    holder: str | None = None


@dataclass(frozen=True, slots=True)
class Reopened:
    """Work that was read again.

    Attributes
    ----------
    image : Path
        Its image.
    sha256 : str or None
        Hash of the image, if known.
    images, labels : tuple of layer tuples
        What is to be shown: the image unless it is open, and the labels.
    numbers : tuple of int
        The numbers of the labels.
    troubles : tuple of str
        What could not be read.
    marks : Marks or None
        What was pointed at and not accepted yet.
    removed : tuple of int
        Numbers of the labels that had been removed, perhaps by mistake.
    """

    image: Path
    sha256: str | None
    images: tuple[LayerTuple, ...]
    labels: tuple[LayerTuple, ...]
    numbers: tuple[int, ...]
    troubles: tuple[str, ...]
    marks: Marks | None = None
    removed: tuple[int, ...] = ()


class ImageMovedError(ImageReadError):
    """The image of a project is not where it was."""


def save_steps(
    work: Work, layers: Sequence[LayerNow], grid: dict[str, Any], marks: Marks | None
) -> Steps[int]:
    """Write what changed in a project, in one go."""
    yield Progress(0, 1, "saving")
    return work.save(layers, grid, marks)


def hash_steps(path: Path) -> Steps[str]:
    """Return the hash of an image."""
    return (yield from sha256_steps(path))


def find_left_steps() -> Steps[tuple[Offer, ...]]:
    """Find the projects in which a process has died."""
    yield Progress(0, 1, "looking for work that was left")
    await_finished()
    remove_old()
    return tuple(offer for folder in left_open() if (offer := _offer(folder)) is not None)


def find_work_steps(image: Path) -> Steps[tuple[Offer, ...]]:
    """Find work on an image, the newest first."""
    yield Progress(0, 1, "looking for earlier work")
    await_finished()  # such as that of a panel that was closed a moment ago
    if is_unfiled(image):
        offers = [_offer(folder) for folder in same_pixels(image)]
        mine = [o for o in offers if o is not None]
    else:
        places = (image.parent, state_folder() / "projects")
        folders = [f for place in places for f in place.glob(f"{escape(image.stem)}*{SUFFIX}")]
        offers = [_offer(folder) for folder in folders if folder.is_dir()]
        mine = [o for o in offers if o is not None and o.image.name == image.name]
    return tuple(sorted(mine, key=lambda offer: offer.saved, reverse=True))


def _offer(folder: Path) -> Offer | None:
    """Return what a folder offers, None if there is nothing."""
    told = peek(folder)
    if not told.get("path") or not holds_work(folder):
        return None
    image = Path(str(told["path"]))
    beside = folder.parent / image.name
    return Offer(
        folder,
        image if image.exists() or not beside.exists() else beside,
        (folder / RECORD).stat().st_mtime if (folder / RECORD).exists() else 0.0,
        was_left(folder),
        holder_of(folder),
    )


def reopen_steps(folder: Path, image: Path, *, is_open: bool) -> Steps[Reopened]:
    """Read a project again, with its image unless that is open.

    Raises
    ------
    ImageMovedError
        If the image is not there.
    ImageContentError
        If another image is.
    ImageReadError
        If nothing can be read.
    """
    found = yield from relay(read_project_steps(folder), Span(0, 50, 100))
    if not image.exists():
        raise ImageMovedError(
            expected=f"the image of {folder.name} at {image}",
            found="none",
            remedy="choose where it is now",
        )
    troubles = list(found.troubles)
    sha256 = yield from relay(_checked_steps(found, image, troubles), Span(50, 90, 100))
    yield Progress(90, 100, "opening the image")
    shown = () if is_open else tuple(file_tuples(image))
    files = (image.absolute(),)
    labels, numbers = [], []
    for layer in found.layers:
        again = _labels(layer, files, troubles)
        if again is not None:
            labels.append(again)
            numbers.append(layer.number)
    marks = _marks(found, troubles)
    back = tuple(labels), tuple(numbers)
    removed = tuple(x.number for x in found.layers if x.about.get("removed"))
    return Reopened(image, sha256, shown, *back, tuple(troubles), marks, removed)


def _marks(found: Recovered, troubles: list[str]) -> Marks | None:
    try:
        return None if found.marks is None else Marks.from_bytes(found.marks)
    except FirstPassError as error:
        troubles.append(f"Marks that were not accepted are lost: {error}.")
        return None


def _labels(layer: SavedLayer, files: tuple[Path, ...], troubles: list[str]) -> LayerTuple | None:
    try:
        return labels_again(layer, files)
    except (FirstPassError, KeyError, TypeError, ValueError) as error:
        troubles.append(f"Classes of labels {layer.number} are lost: {error}.")
    return labels_again(
        type(layer)(layer.number, {"name": f"labels {layer.number}"}, layer.labels), files
    )


def _grid_told(told: Mapping[str, Any], troubles: list[str]) -> Grid | None:
    """Return size and place of the image that was worked on, None if they are not known."""
    try:
        return grid_of_record(told.get("grid"))
    except (FirstPassError, KeyError, TypeError, ValueError):
        troubles.append("Size and place of the image are not known any more.")
        return None


def _shape_of(image: Path) -> tuple[int, int]:
    with open_raster(image) as source:
        return source.grid.shape


def _checked_steps(found: Recovered, image: Path, troubles: list[str]) -> Steps[str | None]:
    """Make sure that an image is the one that was worked on; return its hash, if known."""
    told, status = found.image, image.stat()
    same = (status.st_size, status.st_mtime_ns) == (told.get("size"), told.get("mtime_ns"))
    known: str | None = told.get("sha256")
    if same or not told:
        return known
    now = yield from sha256_steps(image)
    if now == known:
        return now
    grid = _grid_told(told, troubles)
    if grid is not None and _shape_of(image) != grid.shape:
        raise ImageContentError(
            expected=f"the image of {grid.height} × {grid.width} pixels that was worked on",
            found=f"another one at {image}",
            remedy="choose where it is now",
        )
    if known is not None or status.st_size != told.get("size"):
        troubles.append("The image has other content than when it was worked on.")
    else:
        troubles.append("Look whether it is the same image: nobody had noted its hash yet.")
    return now
