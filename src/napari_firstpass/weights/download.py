"""Getting the files of a model from a hub, and comparing each with the hub's checksum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.digest import blob_sha1_steps, sha256_steps
from napari_firstpass.errors import WeightsError
from napari_firstpass.progress import Span, Steps, relay
from napari_firstpass.weights.disk import check_space, flush
from napari_firstpass.weights.folder import offline_way
from napari_firstpass.weights.hub import Listing, RemoteFile, receive_steps
from napari_firstpass.weights.manifest import FileRecord, Manifest
from napari_firstpass.weights.selection import wanted

if TYPE_CHECKING:
    from pathlib import Path


def download_steps(listing: Listing, part: Path) -> Steps[Manifest]:
    """Get what a model needs into a folder, except what is there already; counts bytes.

    Raises
    ------
    WeightsError
        If the hub cannot be reached or refuses, the repository holds no model, or a file was
        damaged on the way; that file is deleted.
    OSError
        If the disk is full or cannot be written.
    """
    files = _wanted_files(listing)
    part.mkdir(exist_ok=True)
    total = sum(file.size for file in files)
    check_space(part, total - sum(_received(part, file) for file in files))
    records: list[FileRecord] = []
    done = 0
    for file in files:
        span = Span(done, done + file.size, total)
        records.append((yield from relay(_sound_file(listing, file, part), span)))
        done += file.size
    return Manifest.of(listing.model, listing.commit, listing.endpoint, records)


def _wanted_files(listing: Listing) -> list[RemoteFile]:
    by_name = {file.name: file for file in listing.files}
    sizes = {name: file.size for name, file in by_name.items()}
    files = [by_name[name] for name in wanted(sizes, f"{listing.model.repo} at {listing.commit}")]
    unknown = [file.name for file in files if not (file.sha256 or file.blob_sha1)]
    if unknown:
        raise WeightsError(
            expected=f"a checksum for every file from {listing.endpoint}",
            found=f"none for {', '.join(unknown)}",
            remedy=f"set HF_ENDPOINT to a complete mirror; or {offline_way(listing.model)}",
        )
    return files


def _received(part: Path, file: RemoteFile) -> int:
    found = [path for path in (part / file.name, part / file.partial) if path.is_file()]
    return min(sum(path.stat().st_size for path in found), file.size)


def _sound_file(listing: Listing, file: RemoteFile, part: Path) -> Steps[FileRecord]:
    """Get one file, unless it is there, and compare its hash with the hub's."""
    path = part / file.name
    sha256 = yield from _sha256_if_good(path, file)
    if sha256 is None:
        yield from receive_steps(listing, file, part)
        checking = Span(file.size, file.size, file.size)
        sha256 = yield from relay(_sha256_if_good(path, file), checking, f"checking {file.name}")
    if sha256 is None:
        path.unlink()
        raise WeightsError(
            expected=f"the checksum of {file.name} that {listing.endpoint} states",
            found="another one: it was damaged on the way",
            remedy="run the same command again: this file was deleted and will be fetched anew",
        )
    flush(path)
    return FileRecord(file.name, file.size, sha256)


def _sha256_if_good(path: Path, file: RemoteFile) -> Steps[str | None]:
    """Return the hash of a file that is what the hub says it is; None for any other, or none."""
    if not path.is_file() or path.stat().st_size != file.size:
        return None
    sha256 = yield from sha256_steps(path)
    if file.sha256 is None:
        good = (yield from blob_sha1_steps(path)) == file.blob_sha1
    else:
        good = sha256 == file.sha256
    return sha256 if good else None
