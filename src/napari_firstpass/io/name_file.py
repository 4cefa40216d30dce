"""Reading names of classes, and which of them are known to be in which image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.errors import ImageReadError, PromptError
from napari_firstpass.pairing import IMAGE_ENDINGS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

_LARGEST = 2**26
_JSON = ".json"
_LIST = ".txt"


@dataclass(frozen=True, slots=True)
class Tags:
    """What is known to be in images.

    Attributes
    ----------
    where : Path
        Where it is written.
    names : mapping of str to tuple of str
        By the name of the image without its ending; in the order of the classes.
    """

    where: Path
    names: Mapping[str, tuple[str, ...]]

    def of(self, image: str) -> tuple[str, ...]:
        """Return what is in an image, by the name of its file; nothing may be.

        Raises
        ------
        PromptError
            If the image is not told of.
        """
        found = self.names.get(_bare(image))
        if found is None:
            raise PromptError(
                expected=f"the names of what is in {image} in {self.where}",
                found="nothing about it",
                remedy="add it, or leave the image out",
            )
        return found


def read_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read names, one a line; empty lines, and what follows ``#``, say nothing.

    Raises
    ------
    ImageReadError
        If the file cannot be read.
    PromptError
        If it holds no name.
    """
    names = tuple(_listed(_text(Path(path)).splitlines()))
    if not names:
        raise PromptError(
            expected=f"names of what to look for in {path}, one a line",
            found="none",
            remedy="write some",
        )
    return names


def read_tags(path: str | os.PathLike[str], names: Sequence[str]) -> Tags:
    """Read what is in which image.

    Parameters
    ----------
    path : path
        A file with lines such as ``12: roof; road``; a ``.json`` with ``{"12": ["roof", "road"]}``;
        or a folder with ``12.txt``, one name a line.
    names : sequence of str
        The names that there are; capitals do not matter.

    Raises
    ------
    ImageReadError
        If it cannot be read.
    PromptError
        If it is none of these, or holds another name.
    """
    place = Path(path)
    if place.is_dir():
        found = {
            file.stem: _listed(_text(file).replace(";", "\n").splitlines())
            for file in sorted(place.iterdir())
            if file.suffix.lower() == _LIST
        }
    elif place.suffix.lower() == _JSON:
        found = _from_json(place)
    else:
        found = _from_lines(place)
    known = {name.casefold(): name for name in names}
    _require_known(place, found, known)
    told = {image: {known[tag.casefold()] for tag in tags} for image, tags in found.items()}
    return Tags(
        place, {key: tuple(name for name in names if name in tags) for key, tags in told.items()}
    )


def _from_json(path: Path) -> dict[str, list[str]]:
    try:
        content = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, f"no JSON ({error})") from error
    lists = isinstance(content, dict) and all(isinstance(v, list) for v in content.values())
    if not lists or not all(isinstance(tag, str) for v in content.values() for tag in v):
        raise _unreadable(path, "other JSON")
    return {_bare(key): _listed(value) for key, value in content.items()}


def _from_lines(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in _listed(_text(path).splitlines()):
        image, colon, tags = line.partition(":")
        if not colon:
            raise _unreadable(path, repr(line))
        found[_bare(image.strip())] = _listed(tags.split(";"))
    return found


def _require_known(
    path: Path, found: Mapping[str, Sequence[str]], known: Mapping[str, str]
) -> None:
    for image, tags in found.items():
        strangers = [tag for tag in tags if tag.casefold() not in known]
        if strangers:
            raise PromptError(
                expected=f"names out of {', '.join(known.values())} in {path}",
                found=f"{strangers[0]!r} for {image}",
                remedy="correct it, or add it to the names",
            )


def _listed(texts: Iterable[str]) -> list[str]:
    plain = (" ".join(text.split("#")[0].split()) for text in texts)
    return [text for text in plain if text]


def _bare(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return stem if f"{dot}{ending}".lower() in IMAGE_ENDINGS else name


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise _unreadable(path, f"{path.stat().st_size // 2**20} MB")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ImageReadError(
            expected=f"a text file at {path}",
            found=getattr(error, "strerror", None) or "no text in UTF-8",
            remedy="check the path",
        ) from error


def _unreadable(path: Path, found: str) -> PromptError:
    return PromptError(
        expected=f"lines such as 'NAME: roof; road' in {path}, or JSON with lists of names",
        found=found,
        remedy="correct it",
    )
