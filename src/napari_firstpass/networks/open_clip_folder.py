"""A folder with a model of the package open_clip: what its config says, and which file has weights.

Nothing here needs torch or open_clip, and nothing in the folder is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.folder import (
    PixelScaling,
    VisionFolder,
    files_sha256_steps,
    three_of,
)
from napari_firstpass.progress import run
from napari_firstpass.weights.selection import OPEN_CLIP

if TYPE_CHECKING:
    from pathlib import Path

_WEIGHTS = (
    "open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors",
    "open_clip_pytorch_model.bin",
)  # fmt: skip
"""The first that is there counts. The last is a pickle, of which only tensors are read."""

_PARTS = ("embed_dim", "vision_cfg", "text_cfg")


@dataclass(frozen=True, slots=True)
class OpenClipFolder:
    """A folder with ``open_clip_config.json`` and weights.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    def config(self) -> dict[str, Any]:
        """Return what to make the model of.

        Raises
        ------
        WeightsError
            If the file does not say it, or the model reads with a network of another package,
            which would be fetched.
        """
        said = self._written().get("model_cfg")
        if not isinstance(said, dict) or any(part not in said for part in _PARTS):
            raise WeightsError(
                expected=f"a model_cfg with {', '.join(_PARTS)} in {self.path / OPEN_CLIP}",
                found="none" if not isinstance(said, dict) else ", ".join(said) or "no entries",
                remedy="get the file again",
            )
        reader = said["text_cfg"].get("hf_model_name") if isinstance(said["text_cfg"], dict) else 0
        if reader is not None:
            raise WeightsError(
                expected=f"a model in {self.path} that reads words by itself",
                found=f"one that takes {reader!r} for that" if reader else "no text_cfg",
                remedy="choose another model",
            )
        return said

    def scaling(self) -> PixelScaling:
        """Return what the model expects of its input; where nothing says it, what CLIP does."""
        said = self._written().get("preprocess_cfg")
        if isinstance(said, dict) and "mean" in said and "std" in said:
            return PixelScaling(three_of(said["mean"]), three_of(said["std"]))
        return VisionFolder(self.path).scaling("clip")

    def weights(self) -> Path:
        """Return the file with the weights.

        Raises
        ------
        WeightsError
            If there is none.
        """
        for name in _WEIGHTS:
            if (self.path / name).is_file():
                return self.path / name
        raise WeightsError(
            expected=f"weights ({_WEIGHTS[0]}) in {self.path}",
            found="none",
            remedy="get the missing file of the model",
        )

    def sha256(self) -> str:
        """Return a hash over everything that decides what the model says.

        Raises
        ------
        WeightsError
            If a file is missing or cannot be read.
        """
        self.config()
        return run(files_sha256_steps((self.path / OPEN_CLIP, self.weights())))

    def _written(self) -> dict[str, Any]:
        return VisionFolder(self.path).content_of(OPEN_CLIP)
