"""The folder of weights: finding, checking and removing what is in it. Nothing is downloaded."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from napari_firstpass.digest import sha256_steps
from napari_firstpass.errors import WeightsError
from napari_firstpass.progress import Span, Steps, relay
from napari_firstpass.weights.catalogue import KNOWN, KnownModel, known
from napari_firstpass.weights.disk import VARIABLE, discard, writing
from napari_firstpass.weights.manifest import MANIFEST, Flaw, Manifest, flaw_of_size
from napari_firstpass.weights.selection import CONFIG, INDEX, OPEN_CLIP

PART = ".part"
"""Goes after a name for what has been fetched so far."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Weights that are in the folder, with the list of their files."""

    model: KnownModel
    folder: Path
    manifest: Manifest


def weights_folder(preferred: Path | None = None) -> Path:
    """Return where weights are kept, whether it exists or not.

    That is what ``FIRSTPASS_WEIGHTS`` says, else ``preferred``, else ``napari-firstpass/models``
    in the folder that the platform has for the data of programs.

    Raises
    ------
    WeightsError
        If it lies in the home of a user whom the system does not know.
    """
    if chosen := os.environ.get(VARIABLE) or preferred:
        return _absolute(Path(chosen))
    return _absolute(_data_folder() / "napari-firstpass" / "models")


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().absolute()
    except RuntimeError as error:
        raise WeightsError(
            expected=f"a folder of weights at {path}",
            found="no such home folder",
            remedy=f"give it in full, without ~; {VARIABLE} names the folder for all weights",
        ) from error


def _data_folder() -> Path:
    # A relative path must be ignored, says the specification of XDG.
    if (data := Path(os.environ.get("XDG_DATA_HOME", ""))).is_absolute():
        return data
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path("~") / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path("~") / "Library" / "Application Support"
    return Path("~") / ".local" / "share"


def find(reference: str) -> Path:
    """Return the folder of some weights, with a file that says what they are of.

    Parameters
    ----------
    reference : str
        A short name of the catalogue, or the path of a folder. What has a path separator in it
        or begins with ``.`` or ``~`` is a path.

    Raises
    ------
    UnknownNameError
        If it is neither a path nor a known name; lists the known ones.
    WeightsError
        If the weights are not there, or a file of theirs is missing or cut off. The message says
        how to get them, with a network and without.
    """
    if is_path(reference):
        return _folder_at(reference)
    model = known(reference)
    folder = weights_folder() / model.name
    if not folder.is_dir():
        unfinished = folder.with_name(model.name + PART).is_dir()
        raise _absent(model, "an unfinished fetch" if unfinished else "none")
    if not (folder / MANIFEST).is_file():
        raise _absent(model, f"a folder without {MANIFEST}")
    if misfits := Manifest.read(folder).misfits(folder):
        raise _absent(model, f"that {misfits[0]}")
    return folder


def is_path(reference: str) -> bool:
    """Tell whether a reference is a path and not a name."""
    return reference.startswith((".", "~")) or any(mark in reference for mark in "/\\")


def _folder_at(reference: str) -> Path:
    folder = _absolute(Path(reference))
    try:
        if any((folder / name).is_file() for name in (CONFIG, INDEX, OPEN_CLIP)):
            return folder
        found = "a folder without it" if folder.is_dir() else "no such folder"
    except OSError as error:  # a name that no folder can have, or one that is closed to us
        found = error.strerror or str(error)
    by_repo = {model.repo: model.name for model in KNOWN.values()}
    raise WeightsError(
        expected=f"a folder with {CONFIG} at {folder}",
        found=found,
        remedy=f"give its short name, {by_repo[reference]}"
        if reference in by_repo
        else "give the folder that holds the model as transformers saves it",
    )


def _absent(model: KnownModel, found: str) -> WeightsError:
    return WeightsError(
        expected=f"the weights {model.name} in {weights_folder()}",
        found=found,
        remedy=f'run "firstpass models fetch {model.name}" ({model.megabytes} MB, licence: '
        f"{model.licence}){how_to_log_in(model)}; without a network, {offline_way(model)}",
    )


def how_to_log_in(model: KnownModel) -> str:
    """Return what must be done before gated weights can be fetched; nothing for others."""
    if not model.gated:
        return ""
    return (
        f"; they are gated: first accept the licence at {model.page}, then set HF_TOKEN or run "
        '"hf auth login"'
    )


def offline_way(model: KnownModel) -> str:
    """Return how to get weights onto a machine without a network."""
    return (
        f'download {model.repo} elsewhere and run "firstpass models fetch {model.name} '
        '--from-folder FOLDER"'
    )


def installed(home: Path | None = None) -> tuple[Installed, ...]:
    """Return what is in a folder of weights and complete, in the order of the catalogue.

    Parameters
    ----------
    home : Path or None
        The folder; None for `weights_folder`.
    """
    home = home or weights_folder()
    return tuple(
        Installed(model, home / model.name, manifest)
        for model in KNOWN.values()
        if (manifest := _complete(home / model.name)) is not None
    )


def _complete(folder: Path) -> Manifest | None:
    try:
        manifest = Manifest.read(folder)
    except WeightsError:
        return None
    return None if manifest.misfits(folder) else manifest


def present() -> tuple[str, ...]:
    """Return the names of which there is a folder, damaged or not, in the catalogue's order."""
    return tuple(name for name in KNOWN if (weights_folder() / name).is_dir())


def remove(name: str) -> None:
    """Delete weights, and what an unfinished fetch of them left.

    Raises
    ------
    UnknownNameError
        If the catalogue has no such name.
    WeightsError
        If there is nothing of them, or it cannot be deleted.
    """
    folder = weights_folder() / known(name).name
    there = [path for path in (folder, folder.with_name(name + PART)) if path.is_dir()]
    if not there:
        raise WeightsError(
            expected=f"the weights {name} in {weights_folder()}",
            found="none",
            remedy='see "firstpass models list"',
        )
    with writing(folder.parent):
        for path in there:
            discard(path)


def verify(name: str) -> Steps[tuple[Flaw, ...]]:
    """Read every file of some weights and compare it with what was fetched.

    Returns
    -------
    tuple of Flaw
        Files that are missing, cut off or changed, and files that nobody fetched. Hidden files do
        not count.

    Raises
    ------
    UnknownNameError
        If the catalogue has no such name.
    WeightsError
        If there are no such weights, or their list of files is damaged.
    """
    folder = weights_folder() / known(name).name
    if not folder.is_dir():
        raise _absent(known(name), "none")
    manifest = Manifest.read(folder)
    flaws: list[Flaw] = []
    done = 0
    for file in manifest.files:
        flaw = flaw_of_size(folder, file)
        if flaw is None:
            span = Span(done, done + file.size, manifest.size)
            found = yield from relay(sha256_steps(folder / file.name), span)
            flaw = None if found == file.sha256 else Flaw(file.name, "changed")
        flaws += [flaw] if flaw else []
        done += file.size
    return (*flaws, *_strangers(folder, manifest))


def _strangers(folder: Path, manifest: Manifest) -> tuple[Flaw, ...]:
    # A file more can change what a model is: transformers applies an adapter that it finds.
    listed = {MANIFEST, *(file.name for file in manifest.files)}
    names = (path.relative_to(folder).as_posix() for path in _visible_files(folder))
    return tuple(Flaw(name, "not one that was fetched") for name in names if name not in listed)


def _visible_files(folder: Path) -> list[Path]:
    """Return the files in a folder and below, in the order of their names, but no hidden ones."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    seen = [path for path in files if not _is_hidden(path.relative_to(folder))]
    return sorted(seen, key=lambda path: path.relative_to(folder).as_posix())


def _is_hidden(inner: Path) -> bool:
    return any(part.startswith(".") for part in inner.parts)
