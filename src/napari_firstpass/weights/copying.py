"""Getting the files of a model from a folder, as somebody with a network downloaded it."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from napari_firstpass.digest import CHUNK
from napari_firstpass.errors import WeightsError
from napari_firstpass.progress import Progress, Span, Steps, relay
from napari_firstpass.weights.disk import check_space, flush
from napari_firstpass.weights.manifest import MANIFEST, FileRecord, Manifest
from napari_firstpass.weights.selection import CONFIG, INDEX, wanted
from napari_firstpass.weights.whole import check_whole

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.weights.catalogue import KnownModel

_COMMIT = re.compile(r"[0-9a-f]{40}")


def copy_steps(model: KnownModel, source: Path, part: Path) -> Steps[Manifest]:
    """Copy what a model needs from ``source`` into the folder ``part``; counts bytes.

    Raises
    ------
    WeightsError
        If the source holds no model, a file is cut off, or differs from the list of files that
        an earlier fetch left there.
    OSError
        If the disk is full or cannot be written.
    """
    origin = _unwrapped(source.expanduser().absolute())
    names = _names_in(origin)
    known_files = _known_files(model, origin)
    _check_apart(origin, part)
    sizes = {name: (origin / name).stat().st_size for name in names}
    for name in names:
        check_whole(origin / name)
    part.mkdir(exist_ok=True)
    check_space(part, sum(sizes.values()))
    records: list[FileRecord] = []
    for name in names:
        done = sum(record.size for record in records)
        span = Span(done, done + sizes[name], sum(sizes.values()))
        record = yield from relay(_copy_file(origin, part, name), span)
        _check_against(known_files, record, origin)
        records.append(record)
    return Manifest.of(model, _commit_of(origin), "folder", records)


def _check_apart(origin: Path, part: Path) -> None:
    if part.exists() and part.samefile(origin):
        raise WeightsError(
            expected="a folder with all files",
            found=f"an unfinished fetch, {origin}",
            remedy="finish it without --from-folder",
        )


def _unwrapped(folder: Path) -> Path:
    """Return where the files are, given a repository's folder in the hub's own cache."""
    main = folder / "refs" / "main"
    if any((folder / name).is_file() for name in (CONFIG, INDEX)) or not main.is_file():
        return folder
    return folder / "snapshots" / main.read_text(encoding="utf-8").strip()


def _names_in(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise WeightsError(
            expected=f"a folder at {folder}",
            found="none",
            remedy="check the path after --from-folder",
        )
    paths = [path for path in (*folder.iterdir(), *folder.glob("[!.]*/*")) if path.is_file()]
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in paths}
    return wanted(sizes, str(folder))


def _known_files(model: KnownModel, origin: Path) -> dict[str, FileRecord]:
    """Return what a folder that was fetched elsewhere says of its files; else nothing."""
    if not (origin / MANIFEST).is_file():
        return {}
    manifest = Manifest.read(origin)
    if manifest.name != model.name:
        raise WeightsError(
            expected=f"the weights {model.name} in {origin}",
            found=f"the weights {manifest.name}",
            remedy="choose the other name or the other folder",
        )
    return {file.name: file for file in manifest.files}


def _check_against(known_files: dict[str, FileRecord], record: FileRecord, origin: Path) -> None:
    if known_files and known_files.get(record.name) != record:
        raise WeightsError(
            expected=f"{record.name} as {origin / MANIFEST} lists it",
            found="another content",
            remedy="copy the folder again from where the weights were fetched",
        )


def _commit_of(origin: Path) -> str | None:
    if (origin / MANIFEST).is_file():
        return Manifest.read(origin).commit
    is_snapshot = origin.parent.name == "snapshots" and _COMMIT.fullmatch(origin.name)
    return origin.name if is_snapshot else None


def _copy_file(origin: Path, part: Path, name: str) -> Steps[FileRecord]:
    digest = hashlib.sha256()
    source, target = origin / name, part / name
    size = source.stat().st_size
    target.parent.mkdir(exist_ok=True)
    with source.open("rb") as file, target.open("wb") as out:
        while chunk := file.read(CHUNK):
            out.write(chunk)
            digest.update(chunk)
            yield Progress(out.tell(), size, source.name)
    flush(target)
    return FileRecord(name, target.stat().st_size, digest.hexdigest())
