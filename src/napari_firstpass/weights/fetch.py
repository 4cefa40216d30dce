"""Getting weights into the folder, from a hub or from another folder: whole, or not at all."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from napari_firstpass.errors import OptionError, WeightsError
from napari_firstpass.file_lock import alone
from napari_firstpass.weights.catalogue import known
from napari_firstpass.weights.copying import copy_steps
from napari_firstpass.weights.disk import flush, writing
from napari_firstpass.weights.download import download_steps
from napari_firstpass.weights.folder import PART, verify, weights_folder
from napari_firstpass.weights.hub import list_files
from napari_firstpass.weights.manifest import MANIFEST, Manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from napari_firstpass.progress import Steps


def fetch_steps(
    name: str, *, source: Path | None = None, revision: str | None = None
) -> Steps[Path]:
    """Get weights into the folder of weights.

    What comes is kept in a folder with ``.part`` after its name until every file is there and its
    checksum is right. Whatever ends the work early leaves only that; the next fetch goes on from
    it. Weights that are there and undamaged are not fetched again.

    Parameters
    ----------
    name : str
        A short name of the catalogue.
    source : Path or None
        A folder to copy from instead of the hub: a downloaded or cloned repository, a
        repository's folder in the cache of huggingface_hub, or weights that were fetched
        elsewhere.
    revision : str or None
        A branch, tag or commit on the hub; None for what the repository shows.

    Returns
    -------
    Path
        The folder of these weights.

    Raises
    ------
    UnknownNameError
        If the catalogue has no such name.
    OptionError
        If both ``source`` and ``revision`` are given.
    WeightsError
        If the hub cannot be reached or refuses, a file is damaged, or the disk is full.
    """
    model = known(name)
    if source is not None and revision is not None:
        raise OptionError(
            expected="a folder or a revision",
            found="both",
            remedy="leave one out: a folder holds one revision",
        )
    final = weights_folder() / name
    with _room_for(final):
        if source is not None:
            _settle(final, (yield from copy_steps(model, source, _part(final))))
        elif revision is not None or not (yield from _is_sound(final, None)):
            listing = list_files(model, revision)
            if revision is None or not (yield from _is_sound(final, listing.commit)):
                _settle(final, (yield from download_steps(listing, _part(final))))
    return final


@contextmanager
def _room_for(final: Path) -> Iterator[None]:
    home = final.parent
    with writing(home):
        home.mkdir(parents=True, exist_ok=True)
        busy = WeightsError(
            expected="one fetch of these weights at a time",
            found="another one that is running",
            remedy="wait for it, or stop it",
        )
        with alone(home / f".{final.name}.lock", busy):
            yield


def _is_sound(final: Path, commit: str | None) -> Steps[bool]:
    """Tell whether these weights are there, whole, and of a commit if one is given."""
    if not (final / MANIFEST).is_file():
        return False
    try:
        manifest = Manifest.read(final)
        return commit in (None, manifest.commit) and not (yield from verify(final.name))
    except WeightsError:
        return False


def _part(final: Path) -> Path:
    return final.with_name(final.name + PART)


def _sweep(part: Path, listed: set[str]) -> None:
    """Delete what is not listed, whatever an earlier attempt left there."""
    kept = listed | {name.rpartition("/")[0] for name in listed}
    # First what is in a folder, then the folder.
    for stray in sorted(part.rglob("*"), reverse=True):
        if stray.relative_to(part).as_posix() not in kept:
            stray.unlink() if stray.is_symlink() or not stray.is_dir() else stray.rmdir()


def _settle(final: Path, manifest: Manifest) -> None:
    """Give finished weights their name; older ones of that name vanish."""
    part = _part(final)
    _sweep(part, {file.name for file in manifest.files})
    manifest.write(part)
    flush(part / MANIFEST)
    older = final.with_name(f".{final.name}{PART}.removed")
    if older.exists():  # somebody pulled the plug just here
        shutil.rmtree(older)
    if final.exists():
        final.replace(older)
    part.replace(final)
    if older.exists():
        shutil.rmtree(older)
