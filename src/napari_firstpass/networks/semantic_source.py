"""Where a network that knows classes comes from: a name, or a folder."""

from __future__ import annotations

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.weights.catalogue import KNOWN
from napari_firstpass.weights.folder import find, is_path


def semantic_names() -> tuple[str, ...]:
    """Return the short names of weights that tell classes, in the order of the catalogue."""
    return tuple(name for name, model in KNOWN.items() if model.task == "semantic")


def semantic_folder(reference: str, *, others: str = "") -> VisionFolder:
    """Return the folder of a network that tells classes, loading nothing.

    Parameters
    ----------
    reference : str
        A name of `semantic_names`, or the path of a folder (see `weights.folder.find`).
    others : str
        What else the caller takes, for messages, such as ``"a file, "``.

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
            expected=f"a model that knows classes out of {', '.join(semantic_names())}, {others}"
            "or a folder such as ./model",
            found=f"{reference!r}{other}",
            remedy="choose one of them",
        )
    return VisionFolder(find(reference))
