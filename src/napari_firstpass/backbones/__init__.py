"""Backbones: what turns pixels into feature vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.registry import Entry, Registry

if TYPE_CHECKING:
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
