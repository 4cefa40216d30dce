"""The list of files that belongs to fetched weights: what there must be, byte by byte."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from napari_firstpass.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from napari_firstpass.weights.catalogue import KnownModel

MANIFEST = "firstpass.json"
"""File name of the list, in the folder of the weights."""

_PLAIN = re.compile(r"(\w[\w.-]*/)?\w[\w.-]*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file: its name (in one folder at most), bytes, and sha256 in hexadecimal."""

    name: str
    size: int
    sha256: str

    def __post_init__(self) -> None:
        if not (_PLAIN.fullmatch(self.name) and _SHA256.fullmatch(self.sha256) and self.size >= 0):
            raise WeightsError(
                expected="a plain file name, a size and a sha256",
                found=f"{self.name!r}, {self.size}, {self.sha256!r}",
                remedy="fetch the weights again",
            )


@dataclass(frozen=True, slots=True)
class Manifest:
    """What was fetched.

    Attributes
    ----------
    name, repo, licence : str
        As in the catalogue.
    commit : str or None
        Which version of the repository; None where a folder did not tell.
    source : str
        Address of the hub, or ``"folder"``.
    files : tuple of FileRecord
        All files but the manifest itself.
    """

    name: str
    repo: str
    licence: str
    commit: str | None
    source: str
    files: tuple[FileRecord, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    @classmethod
    def of(
        cls, model: KnownModel, commit: str | None, source: str, files: Iterable[FileRecord]
    ) -> Manifest:
        """Make the list of files that were got for a model of the catalogue."""
        return cls(model.name, model.repo, model.licence, commit, source, tuple(files))

    def write(self, folder: Path) -> None:
        """Write it into the folder that it describes."""
        text = json.dumps({"format": 1, **asdict(self)}, indent=2, ensure_ascii=False)
        (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read what `write` wrote.

        Raises
        ------
        WeightsError
            If there is none, or it cannot be read.
        """
        path = folder / MANIFEST
        try:
            return _parse(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            raise WeightsError(
                expected=f"a list of files, {path}",
                found="none" if isinstance(error, FileNotFoundError) else "one that is damaged",
                remedy="fetch the weights again",
            ) from error

    def misfits(self, folder: Path) -> tuple[Flaw, ...]:
        """Return which files are missing or of another size; their content is not read."""
        found = (flaw_of_size(folder, file) for file in self.files)
        return tuple(flaw for flaw in found if flaw is not None)


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one file: its name, and a phrase that goes after *is*."""

    file: str
    problem: str

    def __str__(self) -> str:
        return f"{self.file} is {self.problem}"


def flaw_of_size(folder: Path, file: FileRecord) -> Flaw | None:
    """Return what is wrong with a file as far as its size tells."""
    path = folder / file.name
    if not path.is_file():
        return Flaw(file.name, "missing")
    size = path.stat().st_size
    if size < file.size:
        return Flaw(file.name, f"cut off: {size} of {file.size} bytes")
    return Flaw(file.name, "changed: it has grown") if size > file.size else None


def _parse(text: str) -> Manifest:
    content = json.loads(text)
    files = tuple(FileRecord(str(f["name"]), int(f["size"]), f["sha256"]) for f in content["files"])
    name, repo, licence, source = (str(content[k]) for k in ("name", "repo", "licence", "source"))
    commit = None if content["commit"] is None else str(content["commit"])
    return Manifest(name, repo, licence, commit, source, files)
