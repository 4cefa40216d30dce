"""Backbones: what turns pixels into feature vectors."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from napari_firstpass.errors import OptionError, UnknownNameError
from napari_firstpass.registry import Entry, Registry
from napari_firstpass.weights.catalogue import KNOWN
from napari_firstpass.weights.folder import find, is_path

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.config import Runtime
    from napari_firstpass.protocols import BackboneFactory

BACKBONES: Registry[BackboneFactory] = Registry(
    "backbone",
    "napari_firstpass.backbones",
    {
        "embedded": Entry(
            "napari_firstpass.backbones.embedded:EmbeddedBackbone",
            "colours and learned words for what places look like; nothing to download",
        ),
        "texture": Entry(
            "napari_firstpass.backbones.texture:TextureBackbone",
            "colour, contrast, edges and micro-patterns; the plain baseline, nothing learned",
        ),
    },
)


def backbone_factory(reference: str, runtime: Runtime = "torch") -> BackboneFactory:
    """Return what makes backbones, loading nothing but its code.

    Parameters
    ----------
    reference : str
        A name of `BACKBONES`; or of weights that ``firstpass models`` knows; or the path of a
        folder that holds a network as transformers saves it (see `weights.folder.find`).
    runtime : str
        What is to run it, if it is a network: ``torch`` or ``openvino``.

    Raises
    ------
    UnknownNameError
        If it is none of them, or weights of a maker of images or for prompts, which have no
        vectors to give.
    WeightsError
        If the weights are not there; the message says how to get them.
    OptionError
        If ``openvino`` is to run what is no network, or is not installed.
    """
    if reference in BACKBONES.names:
        _require_torch(reference, runtime)
        return BACKBONES.load(reference)
    if not is_path(reference) and (
        reference not in KNOWN or KNOWN[reference].task in ("diffusion", "prompts")
    ):
        raise UnknownNameError(
            expected=f"a backbone out of {', '.join(BACKBONES.names)}, a name that "
            '"firstpass models list" shows, or a folder such as ./model',
            found=repr(reference),
            remedy="choose one of them",
        )
    return _network(find(reference), runtime)


def _require_torch(name: str, runtime: Runtime) -> None:
    if runtime != "torch":
        raise OptionError(
            expected=f"a network as the backbone for the runtime {runtime}",
            found=repr(name),
            remedy="choose a network, or leave out the runtime",
        )


def keeps_features(reference: str) -> bool:
    """Tell whether the features of a backbone are kept on disk: not those of our own."""
    return reference not in BACKBONES.built_in


@lru_cache(maxsize=1)  # a network is loaded once for all images of a run
def _network(folder: Path, runtime: Runtime) -> BackboneFactory:
    from napari_firstpass.backbones.vit import ViTConfig, ViTFactory
    from napari_firstpass.networks.openvino_network import openvino_version

    if runtime == "openvino":
        openvino_version()
    return ViTFactory(folder, ViTConfig(runtime=runtime))
