"""Checkpoints of the official package ``segment-anything``: files that end in ``.pth``.

Which of its models a file holds (``vit_b``, ``vit_l``, ``vit_h``, or one of another size) is told
by the shapes of its tensors. The package itself is asked for the networks; it imports torchvision.
"""

from __future__ import annotations

import re
import zipfile
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.nn import LayerNorm

from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.folder import PixelScaling
from napari_firstpass.networks.loading import FAILURES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import ModuleType

    from torch.nn import Module

    from napari_firstpass.sam_models.marks import Marks

SUFFIXES = (".pth", ".pt")
"""How the names of these files end."""

_SCALING = PixelScaling((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HEADS = 8
"""Of the decoder, in every model that was published; its shapes do not tell."""
_SMALL = 1e-6
_NAMES = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}

_ENCODER, _PROMPTS, _DECODER = "image_encoder.", "prompt_encoder.", "mask_decoder."
_REL_POS = re.compile(r"image_encoder\.blocks\.(\d+)\.attn\.rel_pos_h")
_LATER = (("hf_", "SAM-HQ"), ("memory_", "SAM 2"), ("obj_ptr", "SAM 2"))
"""Parts of names in checkpoints of other models that people take for these."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the shapes in a checkpoint say of the networks.

    Attributes
    ----------
    side, patch : int
        Of the picture and its cells, in pixels.
    width, blocks, heads, inner : int
        Of the encoder of pictures; ``inner`` is the width inside a block.
    window : int
        Cells along a side of the windows of most blocks; 0 where all look at everything.
    whole : tuple of int
        Blocks that look at everything.
    features : int
        Width of the embedding.
    start_features : int
        Width of the encoder of starts.
    layers, layer_inner : int
        Of the decoder.
    score_layers, score_width : int
        Of the part that scores masks.
    candidates : int
        Masks for one question.
    """

    side: int
    patch: int
    width: int
    blocks: int
    heads: int
    inner: int
    window: int
    whole: tuple[int, ...]
    features: int
    start_features: int
    layers: int
    layer_inner: int
    score_layers: int
    score_width: int
    candidates: int

    @property
    def name(self) -> str:
        """What the package calls a model of this width."""
        return _NAMES.get(self.width, f"one of width {self.width}")

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Sizes:
        """Read the sizes off the shapes of tensors; KeyError or ValueError if they do not fit."""
        place = tensors[f"{_ENCODER}pos_embed"].shape
        patch = tensors[f"{_ENCODER}patch_embed.proj.weight"].shape
        reach = _reach(tensors)
        grid, width = place[1], place[3]
        whole = tuple(block for block, cells in enumerate(reach) if cells == grid)
        windows = {cells for cells in reach if cells != grid}
        if len(windows) > 1 or place[1] != place[2]:
            raise ValueError(f"windows of {sorted(windows)} cells in {tuple(place[1:3])}")
        return cls(
            side=grid * patch[2],
            patch=patch[2],
            width=width,
            blocks=len(reach),
            heads=width // tensors[f"{_ENCODER}blocks.0.attn.rel_pos_h"].shape[1],
            inner=len(tensors[f"{_ENCODER}blocks.0.mlp.lin1.weight"]),
            window=max(windows, default=0),
            whole=whole,
            features=len(tensors[f"{_ENCODER}neck.0.weight"]),
            start_features=tensors[f"{_PROMPTS}mask_downscaling.6.weight"].shape[1],
            layers=_count(tensors, f"{_DECODER}transformer.layers."),
            layer_inner=len(tensors[f"{_DECODER}transformer.layers.0.mlp.lin1.weight"]),
            score_layers=_count(tensors, f"{_DECODER}iou_prediction_head.layers."),
            score_width=len(tensors[f"{_DECODER}iou_prediction_head.layers.0.weight"]),
            candidates=len(tensors[f"{_DECODER}mask_tokens.weight"]) - 1,
        )


@dataclass(frozen=True, slots=True, eq=False)
class CheckpointModel:
    """A model of the official package; see `SamModel`.

    Attributes
    ----------
    module : torch.nn.Module
        The network (``segment_anything.modeling.Sam``), in evaluation mode.
    sizes : Sizes
        What it is.
    """

    module: Module
    sizes: Sizes

    @property
    def side(self) -> int:
        """Side of the picture."""
        return self.sizes.side

    @property
    def start_side(self) -> int:
        """Side of a start: four cells for each of the embedding."""
        return 4 * (self.sizes.side // self.sizes.patch)

    @property
    def keeps_ratio(self) -> bool:
        """An image keeps its shape, and the rest of the picture is empty."""
        return True

    @property
    def scaling(self) -> PixelScaling:
        """Colours are scaled as those of ImageNet."""
        return _SCALING

    @property
    def versions(self) -> tuple[str, ...]:
        """The version of the package."""
        return ("segment-anything", version("segment-anything"))

    @property
    def encoder(self) -> Module:
        """The part that looks at pictures."""
        return cast("Module", self.module.image_encoder)

    def to(self, device: torch.device) -> None:
        """Move to a device."""
        self.module.to(device)

    @torch.no_grad()
    def embed(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Return what the model keeps of a picture; see `SamModel`."""
        network: Any = self.module
        return (network.image_encoder(picture[None]).float().contiguous(),)

    @torch.no_grad()
    def candidates(self, embedding: tuple[Tensor, ...], marks: Marks) -> tuple[Tensor, Tensor]:
        """Answer questions about a picture; see `SamModel`."""
        network: Any = self.module
        sparse, dense = network.prompt_encoder(
            points=(marks.places, marks.labels) if marks.has_places else None,
            boxes=marks.boxes,
            masks=None if marks.start is None else marks.start[None, None],
        )
        logits, scores = network.mask_decoder(
            image_embeddings=embedding[0],
            image_pe=network.prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
        )
        return logits.float(), scores.float()


def load_checkpoint(file: Path) -> CheckpointModel:
    """Load a checkpoint of the official package. No code that may be in the file is run.

    Raises
    ------
    WeightsError
        If the package or torchvision is missing, or the file is damaged or holds another model.
    """
    tensors = _tensors(file)
    if other := _guess(tensors):
        raise _unfit(file, f"tensors of {other}")
    try:
        sizes = Sizes.of(tensors)
    except (LookupError, ValueError, ArithmeticError) as error:
        raise _unfit(file, f"{type(error).__name__}: {error}") from error
    _package()
    network = _network(sizes)
    try:
        network.load_state_dict(dict(tensors))
    except RuntimeError as error:
        raise _unfit(file, " ".join(str(error).split())[:200]) from error
    return CheckpointModel(network.eval().requires_grad_(requires_grad=False), sizes)


def _tensors(file: Path) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint, with 32 bits."""
    try:
        mapped = zipfile.is_zipfile(file)
        content = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
    except FAILURES as error:
        text = " ".join(str(error).split())[:200]
        raise _unfit(file, f"{type(error).__name__}: {text}") from error
    if not isinstance(content, dict):
        raise _unfit(file, f"a {type(content).__name__}")
    others = [str(name) for name, one in content.items() if not isinstance(one, Tensor)]
    if others:
        raise _unfit(file, f"other things than tensors, such as {others[0]!r}")
    return {str(name): one.float() for name, one in content.items()}


def _guess(tensors: Mapping[str, Tensor]) -> str:
    """Return which other model these tensors look like, nothing if like none."""
    found = (name for part, name in _LATER if any(part in one for one in tensors))
    return next(found, "")


def _reach(tensors: Mapping[str, Tensor]) -> list[int]:
    """Return how many cells along a side each block of the encoder looks at."""
    found = {
        int(match[1]): (len(tensor) + 1) // 2
        for name, tensor in tensors.items()
        if (match := _REL_POS.fullmatch(name))
    }
    return [found[block] for block in range(len(found))]


def _count(tensors: Mapping[str, Tensor], start: str) -> int:
    names = (name.removeprefix(start) for name in tensors if name.startswith(start))
    return len({name.partition(".")[0] for name in names})


def _package() -> ModuleType:
    """Return the official package."""
    try:
        import segment_anything
    # torchvision made for another torch fails with RuntimeError or OSError when it is imported.
    except (ImportError, OSError, RuntimeError) as error:
        raise WeightsError(
            expected="the package segment-anything, and a torchvision made for this torch",
            found=f"{type(error).__name__}: {error}",
            remedy='install them with pip install "napari-firstpass[sam]", or give a folder with '
            "the same model as transformers saves it, such as the name sam-b",
        ) from error
    module: ModuleType = segment_anything
    return module


def _network(sizes: Sizes) -> Module:
    """Return a network of these sizes, with random weights."""
    from segment_anything import modeling

    grid = sizes.side // sizes.patch
    encoder = modeling.ImageEncoderViT(
        img_size=sizes.side,
        patch_size=sizes.patch,
        embed_dim=sizes.width,
        depth=sizes.blocks,
        num_heads=sizes.heads,
        mlp_ratio=sizes.inner / sizes.width,
        out_chans=sizes.features,
        norm_layer=partial(LayerNorm, eps=_SMALL),
        use_rel_pos=True,
        window_size=sizes.window,
        global_attn_indexes=sizes.whole,
    )
    prompts = modeling.PromptEncoder(
        embed_dim=sizes.features,
        image_embedding_size=(grid, grid),
        input_image_size=(sizes.side, sizes.side),
        mask_in_chans=sizes.start_features,
    )
    decoder = modeling.MaskDecoder(
        transformer_dim=sizes.features,
        transformer=modeling.TwoWayTransformer(
            depth=sizes.layers,
            embedding_dim=sizes.features,
            num_heads=_HEADS,
            mlp_dim=sizes.layer_inner,
        ),
        num_multimask_outputs=sizes.candidates,
        iou_head_depth=sizes.score_layers,
        iou_head_hidden_dim=sizes.score_width,
    )
    network: Module = modeling.Sam(encoder, prompts, decoder)
    return network


def _unfit(file: Path, found: str) -> WeightsError:
    return WeightsError(
        expected=f"a checkpoint of the package segment-anything in {file}",
        found=found,
        remedy="get the file sam_vit_b_01ec64.pth, sam_vit_l_0b3195.pth or sam_vit_h_4b8939.pth "
        "from its makers",
    )
