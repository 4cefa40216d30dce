"""Several files of a folder changed all together or not at all, even if the process is killed."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from napari_firstpass.errors import ImageReadError
from napari_firstpass.io.files import writing
from napari_firstpass.io.json_file import json_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PARTIAL, _READY, _DAMAGED = "journal.partial", "journal", "journal.damaged"
_LIST = "files.json"


def commit(folder: Path, files: Mapping[str, bytes | None]) -> None:
    """Write files of a folder; those with None are removed.

    All are first written beside their places. From the moment in which that is done they are
    what the folder holds: whoever opens it after a crash calls `finish`.

    Raises
    ------
    OutputError
        If the disk is full or may not be written; then the folder is as it was.
    """
    partial = folder / _PARTIAL
    finish(folder)  # what could not be put in its place the last time
    with writing(folder):
        partial.mkdir(parents=True)
        try:
            numbers: dict[str, int | None] = {}
            for number, (name, content) in enumerate(files.items()):
                numbers[name] = None if content is None else number
                if content is not None:
                    (partial / str(number)).write_bytes(content)
            (partial / _LIST).write_bytes(json_bytes(numbers))
            partial.rename(folder / _READY)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    finish(folder)


def finish(folder: Path) -> None:
    """Put files in their places that a `commit` has prepared; nothing if there are none.

    Raises
    ------
    ImageReadError
        If the list of files is damaged.
    OutputError
        If the folder may not be written.
    """
    ready = folder / _READY
    with writing(folder):
        shutil.rmtree(folder / _PARTIAL, ignore_errors=True)
        if not ready.is_dir():
            return
        for name, number in _listed(ready).items():
            target = folder / name
            if number is None:
                target.unlink(missing_ok=True)
            elif (ready / str(number)).exists():  # else it was moved before
                target.parent.mkdir(parents=True, exist_ok=True)
                (ready / str(number)).replace(target)
        shutil.rmtree(ready)


def _listed(ready: Path) -> dict[str, int | None]:
    """Return which file is which, of names that stay in the folder."""
    try:
        told = json.loads((ready / _LIST).read_bytes())
        outside = [name for name, number in told.items() if not _stays(name, number)]
    except FileNotFoundError:  # killed while the empty journal was removed
        return {}
    except (ValueError, AttributeError) as error:
        raise ImageReadError(
            expected=f"a list of files at {ready}",
            found=str(error),
            remedy="remove this folder to go back to what was saved before",
        ) from error
    if outside:
        raise ImageReadError(
            expected=f"files of {ready.parent.name}",
            found=f"{outside[0]!r} at {ready}",
            remedy="remove this folder to go back to what was saved before",
        )
    return dict(told)


def _stays(name: str, number: object) -> bool:
    """Tell whether an entry of the list is a file of the folder itself."""
    path = PurePosixPath(name)
    inside = not path.is_absolute() and ".." not in path.parts and "\\" not in name
    return inside and (number is None or isinstance(number, int))


def put_aside(folder: Path) -> None:
    """Move a damaged list of files out of the way, so that the folder can be written again."""
    ready = folder / _READY
    if ready.exists():
        shutil.rmtree(folder / _DAMAGED, ignore_errors=True)
        with suppress(OSError):
            ready.rename(folder / _DAMAGED)
