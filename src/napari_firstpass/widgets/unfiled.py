"""Images that come from no file: known by their pixels, and kept beside the work on them.

A sample, an array of a script or a screenshot is gone once napari ends. So it is written as a file
into the project of its labels, which lies in a folder of ours; there, it is found again by a hash
when the same pixels are opened another day.
"""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_firstpass.errors import FirstPassError
from napari_firstpass.grid import Window
from napari_firstpass.io.open_projects import state_folder
from napari_firstpass.io.project_folder import RECORD, SUFFIX
from napari_firstpass.io.project_lock import holder_of
from napari_firstpass.progress import Progress
from napari_firstpass.widgets.image_layers import (
    KEPT_DAYS,
    file_of,
    first_level,
    is_keepable,
    subject_of,
)
from napari_firstpass.widgets.worker import Runner

if TYPE_CHECKING:
    from napari.layers import Image

    from napari_firstpass.progress import Steps
    from napari_firstpass.raster import RasterSource
    from napari_firstpass.widgets.worker import Reply

_MOST = 20
"""So many such projects are kept, the newest."""

_ROWS = 256
_HASH = 16
"""Of the hash, so many digits are in the name of a folder."""

_NAME = re.compile(rf".*-([0-9a-f]{{{_HASH}}})(?:-\d+)?")


class UnfiledImages(QObject):
    """Knows where images belong that come from no file, once their pixels were looked at.

    Signals
    -------
    found : Image
        It is known now where work on it belongs, or that this cannot be known.
    """

    found = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._homes: dict[Any, tuple[object, Path | None]] = {}
        self._asked: list[Image] = []
        self._sources: dict[Path, RasterSource] = {}
        self._runs = 0
        self._runner = Runner(self)
        self._runner.replied.connect(self._on_replied)

    def home_of(self, image: Image) -> Path | None:
        """Return the file that an image is from, or will be kept in; None if that is unknown."""
        path = file_of(image)
        if path is not None:
            return path
        pixels, home = self._homes.get(image.unique_id, (None, None))
        return home if pixels is first_level(image) else None

    def ask(self, image: Image) -> bool:
        """Begin to find out where an image belongs; return whether there is something to wait for.

        There is not for an image in a file, and for one that is too large to be kept.
        """
        pixels, _ = self._homes.get(image.unique_id, (None, None))
        if pixels is first_level(image) or not is_keepable(image):
            return False
        if image not in self._asked:
            self._asked.append(image)
            if len(self._asked) == 1:
                self._begin()
        return True

    def adopt(self, image: Image, home: Path) -> None:
        """Let an image belong to work that is open again."""
        self._homes[image.unique_id] = first_level(image), home

    def source_of(self, home: Path) -> RasterSource | None:
        """Return the pixels of an image, which may be closed by now; None for one in a file."""
        return self._sources.get(home)

    def forget(self, home: Path) -> None:
        """Hold the pixels of an image no longer; those of one that is open are found anew."""
        self._sources.pop(home, None)
        self._homes = {i: known for i, known in self._homes.items() if known[1] != home}

    def let_go(self) -> None:
        """Hold no image any more."""
        self._runner.stop()
        self._homes, self._asked, self._sources = {}, [], {}

    def _begin(self) -> None:
        image = self._asked[0]
        self._runs += 1
        self._pixels = first_level(image)
        self._runner.start(_home_steps(held(image), image.name), self._runs)

    def _on_replied(self, reply: Reply[Any]) -> None:
        if reply.generation != self._runs or not self._asked:
            return
        image = self._asked.pop(0)
        home = None if isinstance(reply.outcome, FirstPassError) else reply.outcome
        self._homes[image.unique_id] = self._pixels, home
        source = held(image)
        if home is not None and source is not None:
            self._sources[home] = source
        self.found.emit(image)
        if self._asked:
            self._begin()


def unfiled_folder() -> Path:
    """Return where projects of images that come from no file lie."""
    return state_folder() / "unfiled"


def is_unfiled(home: Path) -> bool:
    """Tell whether an image is kept in a project of its own."""
    return home.parent.parent == unfiled_folder()


def held(image: Image) -> RasterSource | None:
    """Return the pixels of an image that comes from no file, None for others."""
    source = subject_of(image).source
    return None if isinstance(source, Path) else source


def digest_in(home: Path) -> str:
    """Return what the place of an image that comes from no file tells of its pixels."""
    found = _NAME.fullmatch(home.parent.stem)
    return found[1] if found else ""


def same_pixels(home: Path) -> list[Path]:
    """Return the projects on an image with the same pixels, whatever it was called."""
    folders = sorted(unfiled_folder().glob(f"*{SUFFIX}"))
    return [folder for folder in folders if digest_in(folder / home.name) == digest_in(home)]


def _home_steps(source: RasterSource | None, name: str) -> Steps[Path | None]:
    """Return where an image is kept, which its pixels tell; None if it has a file after all."""
    if source is None:
        return None
    digest, (height, width) = sha256(), source.grid.shape
    digest.update(repr((height, width, source.dtype.str, source.names)).encode())
    for top in range(0, height, _ROWS):
        yield Progress(top, height, "looking at the pixels")
        part = source.read(Window(top, 0, min(_ROWS, height - top), width))
        digest.update(np.ascontiguousarray(part.bands).tobytes())
        digest.update(np.packbits(part.valid).tobytes())
    plain = re.sub(r"[^\w.-]+", "_", name).strip("._")[:40] or "image"
    folder = unfiled_folder() / f"{plain}-{digest.hexdigest()[:_HASH]}{SUFFIX}"
    return folder / f"{plain}.tif"


def remove_old() -> None:
    """Remove projects on such images that nobody came back to; never one that is open."""
    with suppress(OSError):
        folders = [f for f in unfiled_folder().iterdir() if f.suffix == SUFFIX]
        ages = {folder: time() - _changed(folder) for folder in folders}
        for place, folder in enumerate(sorted(folders, key=lambda folder: ages[folder])):
            too_old = ages[folder] > KEPT_DAYS * 24 * 3600
            if (too_old or place >= _MOST) and holder_of(folder) is None:
                shutil.rmtree(folder, ignore_errors=True)


def _changed(folder: Path) -> float:
    record = folder / RECORD
    return (record if record.exists() else folder).stat().st_mtime
