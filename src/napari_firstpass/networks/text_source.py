"""Where a model of pictures and words comes from: a name or folder, and which package loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from napari_firstpass.errors import UnknownNameError, WeightsError
from napari_firstpass.networks.folder import CONFIG, VisionFolder
from napari_firstpass.networks.open_clip_folder import OpenClipFolder
from napari_firstpass.weights.catalogue import KNOWN
from napari_firstpass.weights.folder import find, is_path

if TYPE_CHECKING:
    import torch

    from napari_firstpass.networks.text_model import TextModel
    from napari_firstpass.weights.catalogue import KnownModel

TextFolder: TypeAlias = VisionFolder | OpenClipFolder
"""With a model as transformers saves it, or else as open_clip does."""


def text_names() -> tuple[str, ...]:
    """Return the short names of weights that compare words with pictures."""
    return tuple(model.name for model in KNOWN.values() if model.task == "text")


def text_folder(reference: str | None) -> TextFolder:
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
    path = find(reference)
    return VisionFolder(path) if (path / CONFIG).is_file() else OpenClipFolder(path)


def load_text_model(folder: TextFolder, device: torch.device) -> TextModel:
    """Load a model of pictures and words; see `load_hub_text_model` and `load_open_clip`.

    Raises
    ------
    WeightsError
        If its package or a file is missing or damaged, or this is another kind of model.
    """
    # Imported here, so that a name can be checked without torch.
    if isinstance(folder, OpenClipFolder):
        from napari_firstpass.networks.open_clip_model import load_open_clip

        return load_open_clip(folder, device)
    from napari_firstpass.networks.hub_text_model import load_hub_text_model

    return load_hub_text_model(folder, device)


def _size(model: KnownModel) -> int:
    return model.megabytes
