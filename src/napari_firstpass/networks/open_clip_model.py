"""Models of the package open_clip in folders: words and pictures as vectors.

Ilharco et al., "OpenCLIP" (https://doi.org/10.5281/zenodo.5143773). The package holds the networks,
such as ConvNeXt, that those of transformers lack. Nothing is fetched, and no code that comes with a
model is run.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.errors import PromptError, WeightsError
from napari_firstpass.networks.loading import quiet, refusing
from napari_firstpass.networks.viewing import scaled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

    from torch import Tensor
    from torch.nn import Module

    from napari_firstpass.networks.folder import PixelScaling
    from napari_firstpass.networks.open_clip_folder import OpenClipFolder


@dataclass(frozen=True, slots=True, eq=False)
class OpenClipModel:
    """A loaded model; a `TextModel` that tells nothing of cells.

    Attributes
    ----------
    module : open_clip.CLIP or another model of the package
        The network, in evaluation mode.
    tokenizer : callable
        Turns words into numbers.
    scaling : PixelScaling
        What it expects of its input.
    device : torch.device
        Where to compute.
    side : int
        Side of the pictures that it was trained on, in pixels.
    """

    module: Any  # its type is in a library that may be missing
    tokenizer: Any
    scaling: PixelScaling
    device: torch.device
    side: int

    @property
    def network(self) -> Module:
        """The network."""
        found: Module = self.module
        return found

    @property
    def patch(self) -> int | None:
        """None: what a place shows is not asked."""
        return None

    @property
    def scale(self) -> float:
        """What likenesses are multiplied by, as it was trained."""
        return float(self.module.logit_scale.exp())

    @torch.no_grad()
    def read(self, sentences: Sequence[str]) -> Tensor:
        """Return (K, D): a vector for each sentence; see `TextModel`."""
        longest = int(self.tokenizer.context_length)
        # The package cuts off what is too long. With room for one more, padding tells.
        roomy = self.tokenizer(["a", *sentences], context_length=longest + 1)[:, -1]
        wordy = [one for one, last in zip(sentences, roomy[1:], strict=True) if last != roomy[0]]
        if wordy:
            raise PromptError(
                expected=f"names that {longest} tokens can tell", found=repr(wordy[0]),
                remedy="shorten it",
            )  # fmt: skip
        self.module.to(self.device)
        found: Tensor = self.module.encode_text(self.tokenizer(list(sentences)).to(self.device))
        return found

    @torch.no_grad()
    def see(self, pictures: Tensor) -> Tensor:
        """Return (N, D): a vector for each picture; see `TextModel`."""
        self.module.to(self.device)
        found: Tensor = self.module.encode_image(scaled(pictures.to(self.device), self.scaling))
        return found

    def cells(self, pixels: Tensor) -> Tensor:
        """Say that nothing is told of cells.

        Raises
        ------
        NotImplementedError
            Always; `patch` says so before.
        """
        raise NotImplementedError(f"cells of {tuple(pixels.shape)}")


def load_open_clip(folder: OpenClipFolder, device: torch.device) -> OpenClipModel:
    """Load a model, with 32-bit weights.

    Raises
    ------
    WeightsError
        If the package or a file is missing or damaged, or the model reads with another package's.
    """
    package, told, file = _package(), folder.config(), folder.weights()
    with refusing(folder, f"a model of open_clip in {folder.path}"), quiet(), torch.no_grad():
        module: Any = _built(package, told)
        package.load_checkpoint(module, str(file), strict=True, weights_only=True)
        module.float().eval().requires_grad_(requires_grad=False)
        # Its vocabulary comes with the package, or lies in the folder.
        tokenizer = package.get_tokenizer(f"local-dir:{folder.path}")
        side = _side(module.visual.image_size)
        model = OpenClipModel(module, tokenizer, folder.scaling(), device, side)
        word, seen = model.read(["a"]), model.see(torch.zeros(1, 3, side, side))
        if word.shape != seen.shape or not (word.isfinite().all() and seen.isfinite().all()):
            raise ValueError(f"vectors of {word.shape[1]} and {seen.shape[1]} numbers")
        return model


def _package() -> ModuleType:
    try:
        import open_clip
    # A torchvision made for another torch fails with the last two.
    except (ImportError, OSError, RuntimeError) as error:
        raise WeightsError(
            expected="the package open_clip, which this model is of",
            found=str(error),
            remedy='install it with: pip install "napari-firstpass[open-clip]"',
        ) from error
    package: ModuleType = open_clip
    return package


def _built(package: ModuleType, told: Mapping[str, Any]) -> Module:
    """Return the network with random weights; its own maker would fetch some, and prints."""
    parts = deepcopy(dict(told))
    custom = parts.pop("custom_text", False)
    if "timm_model_name" in parts["vision_cfg"]:
        parts["vision_cfg"]["timm_model_pretrained"] = False
    if "multimodal_cfg" in parts:
        maker = package.CoCa
    else:
        maker = package.CustomTextCLIP if custom else package.CLIP
    found: Module = maker(**parts)
    return found


def _side(said: int | tuple[int, int]) -> int:
    sides = {said} if isinstance(said, int) else set(said)
    if len(sides) > 1:
        raise ValueError(f"pictures of {said}, which are no squares")
    return int(sides.pop())
