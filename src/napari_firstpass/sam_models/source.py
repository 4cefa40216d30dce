"""Where a Segment Anything model comes from: a name, a folder of transformers, or a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.digest import sha256_steps
from napari_firstpass.errors import UnknownNameError, WeightsError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.progress import Progress
from napari_firstpass.sam_models.checkpoint import SUFFIXES, load_checkpoint
from napari_firstpass.sam_models.hub_model import load_hub_model
from napari_firstpass.weights.catalogue import KNOWN
from napari_firstpass.weights.folder import find, is_path

if TYPE_CHECKING:
    from napari_firstpass.progress import Steps
    from napari_firstpass.sam_models.model import SamModel


@dataclass(slots=True)
class SamSource:
    """Weights of a model; they are read once, when they are first needed.

    Attributes
    ----------
    path : Path
        A folder, or a checkpoint.
    """

    path: Path
    _model: SamModel | None = field(default=None, init=False, repr=False)
    _sha256: str | None = field(default=None, init=False, repr=False)

    @property
    def is_checkpoint(self) -> bool:
        """Whether it is a file for the official package."""
        return self.path.suffix in SUFFIXES

    def model(self) -> Steps[SamModel]:
        """Return the model.

        Raises
        ------
        WeightsError
            If something is missing, damaged or of another kind.
        """
        yield Progress(0, 1, "loading the network")
        if self._model is None:
            if self.is_checkpoint:
                self._model = load_checkpoint(self.path)
            else:
                self._model = load_hub_model(VisionFolder(self.path))
        return self._model

    def sha256(self) -> Steps[str]:
        """Return the hash of the weights and of all that decides what they say.

        Raises
        ------
        WeightsError
            If they cannot be read.
        """
        if self._sha256 is None:
            file = sha256_steps(self.path)
            folder = VisionFolder(self.path)
            self._sha256 = yield from (file if self.is_checkpoint else folder.sha256_steps())
        return self._sha256


def sam_source(reference: str | None) -> SamSource:
    """Return where a model is; the same object for the same place, so that it is loaded once.

    Parameters
    ----------
    reference : str or None
        A name of the catalogue whose task is prompts; the path of a folder as transformers saves
        it; or the path of a checkpoint (``.pth``) of the package segment-anything.

    Raises
    ------
    UnknownNameError
        If it is a name, but none of these.
    WeightsError
        If there is nothing, or no reference was given.
    """
    names = [name for name, model in KNOWN.items() if model.task == "prompts"]
    if reference is None:
        raise WeightsError(
            expected="the weights of a Segment Anything model",
            found="none given",
            remedy=f"name some of {', '.join(names)}, or a folder or a .pth file that you have",
        )
    if Path(reference).suffix in SUFFIXES:
        return _source_at(_checkpoint_at(reference))
    if not is_path(reference) and reference not in names:
        raise UnknownNameError.of("Segment Anything model", reference, names)
    return _source_at(find(reference))


@lru_cache(maxsize=1)
def _source_at(path: Path) -> SamSource:
    return SamSource(path)


def _checkpoint_at(reference: str) -> Path:
    file = Path(reference).expanduser().absolute()
    if file.is_file():
        return file
    raise WeightsError(
        expected=f"a checkpoint at {file}",
        found="a folder" if file.is_dir() else "nothing there",
        remedy="check the path",
    )
