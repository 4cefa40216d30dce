"""Models that name what pixels show, by a short name or a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.semantic import load_semantic_steps
from napari_firstpass.vision_folder import VisionFolder
from napari_firstpass.weights.catalogue import KNOWN
from napari_firstpass.weights.folder import find, is_path

if TYPE_CHECKING:
    from napari_firstpass.progress import Steps
    from napari_firstpass.semantic import SemanticModel


def semantic_names() -> tuple[str, ...]:
    """Return the short names of weights that tell classes, in the order of the catalogue."""
    return tuple(name for name, model in KNOWN.items() if model.task == "semantic")


def semantic_folder(reference: str) -> VisionFolder:
    """Return the folder of a model, loading nothing.

    Parameters
    ----------
    reference : str
        A name of `semantic_names`, or the path of a folder (see `weights.folder.find`).

    Raises
    ------
    UnknownNameError
        If it is neither; weights that ``firstpass models`` knows for something else are none.
    WeightsError
        If the weights are not there; the message says how to get them.
    """
    if not is_path(reference) and reference not in semantic_names():
        other = f", weights for {KNOWN[reference].task}" if reference in KNOWN else ""
        raise UnknownNameError(
            expected=f"a model that knows classes out of {', '.join(semantic_names())}, or a "
            "folder such as ./model",
            found=f"{reference!r}{other}",
            remedy="choose one of them",
        )
    return VisionFolder(find(reference))


def semantic_model_steps(reference: str) -> Steps[SemanticModel]:
    """Find and load a model.

    Parameters
    ----------
    reference : str
        See `semantic_folder`.

    Raises
    ------
    UnknownNameError
        See `semantic_folder`.
    WeightsError
        If the weights are not there, or `load_semantic` refuses them.
    """
    return (yield from load_semantic_steps(semantic_folder(reference)))
