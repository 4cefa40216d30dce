"""The built-in scene: a made-up town with exact truth, for trying out, demos and tests."""

from __future__ import annotations

from napari_firstpass.scenes.classes import SCENE_TAXONOMY
from napari_firstpass.scenes.scene import Scene, make_scene, make_scene_steps

__all__ = ["SCENE_TAXONOMY", "Scene", "make_scene", "make_scene_steps"]
