"""What was read when labels were made, found again by its name and checked by its hash."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.image_work import file_sha256
from napari_firstpass.provenance import ProvenanceError
from napari_firstpass.upsampling import ANYUP, NO_UPSAMPLER, UPSAMPLERS
from napari_firstpass.weights.catalogue import KNOWN

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.progress import Steps

IMAGE = "the image that the labels were made of"


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where to look for what a record names.

    Attributes
    ----------
    folder : Path
        That of the labels: what was read is looked for in it by its name.
    image : Path or None
        What was said to be the image.
    others : tuple of Path
        Files and folders that were named besides.
    """

    folder: Path
    image: Path | None = None
    others: tuple[Path, ...] = ()

    def image_steps(self, name: str, digest: str | None) -> Steps[Path]:
        """Return the image, by its name and SHA-256; see `file_steps`."""
        first = () if self.image is None else (self.image,)
        return (yield from self.file_steps(IMAGE, name, digest, first))

    def file_steps(
        self, what: str, name: str, digest: str | None, first: tuple[Path, ...] = ()
    ) -> Steps[Path]:
        """Return a file that was read.

        Parameters
        ----------
        what : str
            What to call it in messages.
        name : str
            Its name; any folder that it lay in was not noted.
        digest : str or None
            Its SHA-256; None where nobody noted it: then the name must do.
        first : tuple of Path
            Where to look before all others, whatever the name there.

        Raises
        ------
        ProvenanceError
            If it is nowhere, or only others of its name are there.
        """
        places = [*first, *(path for path in self.others if path.name == name), self.folder / name]
        found = None
        for place in dict.fromkeys(path for path in places if path.is_file()):
            if digest is None:
                return place
            held = yield from file_sha256(place)
            if held == digest:
                return place
            found = found or f"{held} at {place}"
        told = f", SHA-256 {digest}" if found else f", {name}"
        raise ProvenanceError(
            expected=f"{what}{told}",
            found=found or f"none at {places[0]}",
            remedy="give the original" if found else "give its path",
        )

    def same_steps(self, digest: str) -> Steps[Path | None]:
        """Return the file with this SHA-256 among those that were named, None if there is none."""
        for path in self.others:
            held = yield from file_sha256(path)
            if held == digest:
                return path
        return None

    def reference(self, name: str) -> str:
        """Return where weights of a name are: in what was named so; or the name, for known ones.

        Raises
        ------
        ProvenanceError
            If they were in a folder that nobody gave.
        """
        place = next((path for path in self.others if path.name == name), None)
        if place is not None:
            return os.fspath(place.absolute())
        if name in _known():
            return name
        raise ProvenanceError(
            expected=f"the weights {name} that labels were made with",
            found="no name that is known",
            remedy="give their folder or file (--input)",
        )


def _known() -> set[str]:
    """Return what weights, and ways that may need some, are called."""
    return {*KNOWN, *BACKBONES.names, *UPSAMPLERS.names, NO_UPSAMPLER, ANYUP}
