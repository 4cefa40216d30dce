"""The record of an alignment: a JSON file that tells what became of each class, or region, and why.

Regions are written as they come, and masks of classes as far as columns of the labels are known, so
that it does not matter how many there are.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from napari_firstpass.class_runs import ClassRuns
from napari_firstpass.io.files import whole_file, writing
from napari_firstpass.progress import Progress

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType

    from numpy.typing import NDArray

    from napari_firstpass.alignment import Decision
    from napari_firstpass.grid import Grid
    from napari_firstpass.progress import Steps

_PIXELS_AT_ONCE = 2**22


class AlignmentFile:
    """A record in the making: a context manager, on leaving which it is complete and in place.

    Parameters
    ----------
    path : path
        The file, ``.json``.
    overwrite : bool
        Whether a file at the path may be replaced.
    forbid : iterable of Path
        Files that must not be replaced even then: the inputs.

    Raises
    ------
    OutputError
        On entering the block, if the path may not be written.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, forbid: Iterable[Path] = ()
    ) -> None:
        self.path = Path(path)
        self._overwrite, self._forbid = overwrite, tuple(forbid)
        self._stack = ExitStack()
        self._regions, self._end = 0, "\n]"

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            place = whole_file(self.path, overwrite=self._overwrite, forbid=self._forbid)
            partial = stack.enter_context(place)
            self._file = stack.enter_context(partial.open("w", encoding="utf-8", newline="\n"))
            self._write('{"regions": [')
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def tell(self, decisions: Iterable[Decision]) -> None:
        """Add decisions on regions.

        Raises
        ------
        OutputError
            If the disk is full.
        """
        for entry in decisions:
            comma = "," if self._regions else ""
            self._write(f"{comma}\n  {_json(entry.to_dict())}")
            self._regions += 1

    def tell_masks(self, grid: Grid, columns: Callable[[int, int], NDArray[Any]]) -> Steps[None]:
        """Add, after all regions, the pixels of each class of the new labels (``semantic_mask``).

        Parameters
        ----------
        grid : Grid
            The size of the labels.
        columns : callable
            Returns their ids (H, w) in columns from the first, up to the second number.

        Raises
        ------
        OutputError
            If the disk is full.
        """
        runs, step = ClassRuns(), max(_PIXELS_AT_ONCE // grid.height, 1)
        with writing(self.path), tempfile.TemporaryFile(dir=self.path.parent) as kept:
            parts = _Parts(kept)
            for left in range(0, grid.width, step):
                yield Progress(left, grid.width, "outlining classes")
                parts.add(runs.add(columns(left, min(left + step, grid.width))))
            parts.add(runs.close())
            self._write(f'{self._end},\n"semantic_mask": {{')
            for number, one in enumerate(parts.ids):
                self._write(f'{"," if number else ""}\n  "{one}": {{"counts": "')
                for text in parts.of(one):
                    self._write(_json(text)[1:-1])
                self._write(f'", "size": [{grid.height}, {grid.width}]}}')
            self._write("\n}")
        self._end = ""

    def finish(self, told: Mapping[str, Any]) -> None:
        """Add everything else there is to tell, by names other than ``regions``.

        Raises
        ------
        OutputError
            If the disk is full.
        """
        parts = [f",\n{_json(key)}: {_json(value, indent=1)}" for key, value in told.items()]
        self._write("".join([self._end, *parts, "}\n"]))
        with writing(self.path):
            self._file.flush()

    def _write(self, text: str) -> None:
        with writing(self.path):
            self._file.write(text)


class _Parts:
    """Texts by class, in the order in which they come, kept in a file."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._places: dict[int, list[tuple[int, int]]] = {}

    @property
    def ids(self) -> list[int]:
        """The classes, ascending."""
        return sorted(self._places)

    def add(self, texts: Mapping[int, str]) -> None:
        for one, text in texts.items():
            self._places.setdefault(one, []).append((self._file.tell(), len(text)))
            self._file.write(text.encode("ascii"))

    def of(self, one: int) -> Iterator[str]:
        for start, length in self._places[one]:
            self._file.seek(start)
            yield self._file.read(length).decode("ascii")


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=indent)
