"""Where a model of pictures and words comes from: a name, or a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.errors import UnknownNameError, WeightsError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.weights.catalogue import KNOWN
from napari_firstpass.weights.folder import find, is_path

if TYPE_CHECKING:
    from napari_firstpass.weights.catalogue import KnownModel


def text_names() -> tuple[str, ...]:
    """Return the short names of weights that compare words with pictures."""
    return tuple(model.name for model in KNOWN.values() if model.task == "text")


def text_folder(reference: str | None) -> VisionFolder:
    """Return the folder of a model that knows pictures and words, loading nothing.

    Parameters
    ----------
    reference : str or None
        A name of `text_names`, or the path of a folder (see `weights.folder.find`).

    Raises
    ------
    UnknownNameError
        If it is a name, but none of these.
    WeightsError
        If there are no such weights, or no reference was given.
    """
    if reference is None:
        smallest: KnownModel = min((KNOWN[name] for name in text_names()), key=_size)
        raise WeightsError(
            expected="the weights of a model that compares words with pictures",
            found="none given",
            remedy=f'fetch some ({", ".join(text_names())}), such as with "firstpass models fetch '
            f'{smallest.name}" ({smallest.megabytes} MB), and name them (--model), or align with '
            "table or reference, which need none",
        )
    if not is_path(reference) and reference not in text_names():
        raise UnknownNameError.of("model of words and pictures", reference, text_names())
    return VisionFolder(find(reference))


def _size(model: KnownModel) -> int:
    return model.megabytes
