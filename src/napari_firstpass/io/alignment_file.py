"""The record of an alignment: a JSON file that tells what became of each class, or region, and why.

Regions are written as they come, so that it does not matter how many there are.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from napari_firstpass.io.files import whole_file, writing

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from types import TracebackType

    from napari_firstpass.alignment import Decision


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
        self._regions = 0

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

    def finish(self, told: Mapping[str, Any]) -> None:
        """Add everything else there is to tell, by names other than ``regions``.

        Raises
        ------
        OutputError
            If the disk is full.
        """
        parts = [f",\n{_json(key)}: {_json(value, indent=1)}" for key, value in told.items()]
        self._write("".join(["\n]", *parts, "}\n"]))
        with writing(self.path):
            self._file.flush()

    def _write(self, text: str) -> None:
        with writing(self.path):
            self._file.write(text)


def _json(value: object, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, indent=indent)
