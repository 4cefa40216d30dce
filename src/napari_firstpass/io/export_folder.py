"""A folder of files that others see when it is complete."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_firstpass.digest import sha256_of_each_steps
from napari_firstpass.errors import OutputError
from napari_firstpass.file_lock import alone
from napari_firstpass.io.files import writing
from napari_firstpass.io.json_file import json_bytes
from napari_firstpass.progress import Span, relay

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from napari_firstpass.progress import Steps

RECORD = "export.json"
"""What was exported, and the files with their hashes."""

_MARK = ".firstpass"
"""Tells our unfinished folders from others', and what they are for."""

_DEEP = 3
"""Folders inside each other, at most: chips lie in ``train/images``."""


@contextmanager
def export_folder(
    out: str | os.PathLike[str],
    key: str,
    *,
    keep: bool,
    overwrite: bool = False,
    forbid: Iterable[Path] = (),
) -> Iterator[Path]:
    """Fill a folder under a hidden name; it gets its own when all went well.

    Parameters
    ----------
    out : path
        The folder; must not exist, or be empty.
    key : str
        What is being written. What an earlier run left for another is removed.
    keep : bool
        Whether a block that ends early leaves what it has written, for the next with this key.
    overwrite : bool
        Whether a folder that an earlier export has written may be replaced.
    forbid : iterable of Path
        Files that are read: they must not lie inside.

    Yields
    ------
    Path
        The hidden neighbour. With ``keep`` it may hold files.

    Raises
    ------
    OutputError
        If the folder holds anything else, cannot be written, or is being filled by another export.
    """
    target = Path(out)
    check_folder(target, overwrite=overwrite, forbid=forbid)
    partial = unfinished(target)
    with writing(target):
        _begin(partial, key, keep=keep)
    is_ours = is_done = False
    try:
        with alone(partial / _MARK, _busy(partial)):
            is_ours = True
            yield partial
        with writing(target):
            _commit(partial, target)
        is_done = True
    finally:
        if is_ours and not keep and not is_done:
            shutil.rmtree(partial, ignore_errors=True)


def unfinished(out: Path) -> Path:
    """Return where a folder is filled."""
    return out.with_name(f".{out.name[:64]}.partial")


def left_over(out: Path, key: str) -> tuple[str, ...]:
    """Return the files that a run which was ended early left for the next with the same key."""
    partial = unfinished(out)
    try:
        is_same = (partial / _MARK).read_text(encoding="utf-8") == key
    except OSError:
        return ()
    return tuple(name for name in _files(partial) if name != _MARK) if is_same else ()


def check_folder(out: Path, *, overwrite: bool, forbid: Iterable[Path] = ()) -> None:
    """Refuse a folder that may not be written; nothing is touched.

    Raises
    ------
    OutputError
        If there is none to put it into, it holds an input or files that no export has written, or
        it exists and is not to be replaced.
    """
    if not out.name or not out.absolute().parent.is_dir():
        raise OutputError(
            expected=f"an existing folder for {out.name or 'the output'}",
            found=f"none at {out.parent}",
            remedy="create the folder first",
        )
    if not out.exists():
        return
    if not out.is_dir():
        raise OutputError(
            expected="a path for a folder", found=f"a file at {out}", remedy="choose another name"
        )
    place = out.resolve()
    if any(place in path.resolve().parents for path in forbid):
        raise OutputError(
            expected="an output beside the input",
            found=f"an input inside {out}",
            remedy="choose another folder",
        )
    strangers = [path for path in _files(out) if path not in _listed(out)]
    if strangers:
        raise OutputError(
            expected=f"nothing in {out} but what an export has written",
            found=f"{strangers[0]}",
            remedy="choose another folder",
        )
    if any(out.iterdir()) and not overwrite:
        raise OutputError(
            expected="an output that does not exist yet",
            found=f"{out}",
            remedy="choose another name, or ask to overwrite it",
        )


def record_steps(folder: Path, record: dict[str, Any]) -> Steps[None]:
    """Write what was exported, with the sha256 of each file, as the last of them."""
    names = [name for name in _files(folder) if name not in (RECORD, _MARK)]
    hashing = sha256_of_each_steps([folder / name for name in names])
    hashes = yield from relay(hashing, Span(0, 1, 1), "checking")
    files = dict(zip(names, hashes, strict=True))
    with writing(folder / RECORD):
        (folder / RECORD).write_bytes(json_bytes({**record, "files": files}))


def exported_with(path: Path) -> Path | None:
    """Return the folder that an export has written a file into, or that it is; None for no export.

    Files lie at most three folders deep.
    """
    if path.is_dir():
        return path if _listed(path) else None
    above = list(path.absolute().parents)[:_DEEP]
    return next((f for f in above if path.absolute().relative_to(f).as_posix() in _listed(f)), None)


def read_record(folder: Path) -> dict[str, Any]:
    """Return what `record_steps` wrote."""
    content: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    return content


def _files(folder: Path) -> list[str]:
    """Return the files below a folder, by name."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(found)


def _listed(folder: Path) -> set[str]:
    """Return the files that an export has written into a folder, as its record tells."""
    try:
        content = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        names = set(content["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    # QGIS and GDAL keep statistics beside what they open.
    return {RECORD, *names, *(f"{name}.aux.xml" for name in names)}


def _begin(partial: Path, key: str, *, keep: bool) -> None:
    """Make the hidden folder, or take up what was left for the same work."""
    mark = partial / _MARK
    if partial.exists():
        if not mark.is_file() and any(partial.iterdir()):
            raise OutputError(
                expected=f"no folder {partial}, where the output is to be filled",
                found="one that no export has begun",
                remedy="move it away",
            )
        if mark.is_file():
            with alone(mark, _busy(partial)):
                pass  # nobody is filling it
        if keep and mark.is_file() and mark.read_text(encoding="utf-8") == key:
            return
        shutil.rmtree(partial)
    partial.mkdir()
    mark.write_text(key, encoding="utf-8")


def _busy(partial: Path) -> OutputError:
    return OutputError(
        expected="one export into a folder at a time",
        found=f"another one that is filling {partial}",
        remedy="wait for it, or choose another folder",
    )


def _commit(partial: Path, target: Path) -> None:
    (partial / _MARK).unlink()
    if not target.exists():
        partial.rename(target)
        return
    old = target.with_name(f".{target.name[:64]}.old")
    shutil.rmtree(old, ignore_errors=True)
    target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)
