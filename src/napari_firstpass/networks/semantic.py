"""Networks that name what pixels show: SegFormer, Mask2Former and OneFormer, from a folder.

They were trained with labels, on classes of their own. What they say is a source of labels beside
the clusters, to be matched with the classes that a user wants. They are no backbones: a backbone's
vectors mean nothing until classes are fitted to them, while these have names.

Xie et al., "SegFormer" (arXiv 2105.15203), gives a score for each class. Cheng et al.,
"Mask2Former" (arXiv 2112.01527), and Jain et al., "OneFormer" (arXiv 2211.06220), give masks with
classes; what a pixel shows is the sum over masks of class times mask, as section 3.4 of Cheng,
Schwing and Kirillov, "MaskFormer" (arXiv 2107.06278), has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from napari_firstpass import descriptors
from napari_firstpass.errors import WeightsError
from napari_firstpass.features import FeatureMap
from napari_firstpass.networks.folder import CONFIG
from napari_firstpass.networks.loading import (
    config_of,
    load_weights,
    quiet,
    refusing,
    require_whole,
    transformers_package,
)
from napari_firstpass.networks.viewing import ViewConfig, Viewer, picture_of, scaled
from napari_firstpass.normalize import BandStats, filled, usable
from napari_firstpass.progress import Progress, Span, relay, run
from napari_firstpass.taxonomy import LabelClass, Taxonomy, color_of

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module
    from transformers import PreTrainedConfig

    from napari_firstpass.networks.folder import PixelScaling, VisionFolder
    from napari_firstpass.progress import Steps
    from napari_firstpass.raster import Raster

_MAKERS = {
    "segformer": "SegformerForSemanticSegmentation",
    "mask2former": "Mask2FormerForUniversalSegmentation",
    "oneformer": "OneFormerForUniversalSegmentation",
}
_HEADS = ("decode_head.classifier", "class_predictor", "decoder.class_embed")
"""Layers with an output for each class; the last two have one more, for no object."""

_UNUSED = {"criterion"}
"""Parts of a model that are there for training only."""

_STEP = 32
"""Pictures are continued to a multiple of this: the coarsest cells inside these networks."""
_LEAST = 64
"""Sides of a picture at least: on a single coarsest cell, norms and attention fail."""
_STRIDES = (4, 8, 16)
_TASK = "the task is semantic"
_FIRST_ID = 1
"""Id of a model's class 0, since 0 is unlabelled with us."""

SEMANTIC_VIEW = ViewConfig(side=512, overlap=128)
"""Windows of the size that most of these networks were trained on."""
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class SemanticModel:
    """A loaded network that tells classes.

    Attributes
    ----------
    module : torch.nn.Module
        The network, in evaluation mode.
    classes : Taxonomy
        What it tells, in the order of its outputs; the id of output i is i + 1.
    stride : int
        Image pixels for each cell of its output, along each axis.
    scaling : PixelScaling
        What it expects of its input.
    tokens : (1, T) int64 tensor or None
        The task, for OneFormer.
    name : str
        Of its folder, without those above.
    sha256 : str
        Hash of the files that it is made of.
    """

    module: Module
    classes: Taxonomy
    stride: int
    scaling: PixelScaling
    tokens: Tensor | None
    name: str
    sha256: str

    @staticmethod
    def own_id(class_id: int) -> int:
        """Return the model's own number of a class of `classes`, from 0."""
        return class_id - _FIRST_ID

    def probabilities(self, pixels: Tensor) -> Tensor:
        """Return class probabilities of whole pictures.

        Parameters
        ----------
        pixels : (N, 3, H, W) float tensor
            Scaled; H and W are multiples of 16, and 64 at least.

        Returns
        -------
        (N, K, H / stride, W / stride) float32 tensor
            They sum to 1 over K.
        """
        return _probabilities(self.module, pixels, self.tokens)

    def scores(
        self,
        raster: Raster,
        stats: BandStats | None = None,
        device: torch.device = _CPU,
        view: ViewConfig = SEMANTIC_VIEW,
    ) -> Steps[FeatureMap]:
        """Return class probabilities for each block of pixels, blended over windows.

        Parameters
        ----------
        raster : Raster
            An image of any bands (`picture_bands` tells which three are seen) and any size.
        stats : BandStats, optional
            The stretch of its bands; for windows of a larger image, that of the whole. By
            default, measured on ``raster``.
        device : torch.device
            Where to compute.
        view : ViewConfig
            How to look through the network.

        Returns
        -------
        FeatureMap
            Its vectors (K, h, w) are probabilities that sum to 1 over K. Where ``valid`` is False,
            they are of values continued from beside.

        Raises
        ------
        ImageContentError
            If ``stats`` is not given, and ``raster`` holds no data or one value everywhere.
        ComputeError
            If there is not enough memory for a single window.
        """
        raster = usable(raster)
        stats = stats or BandStats.of([raster])
        picture = picture_of(filled(raster), stats, raster.roles, device, _STEP)
        picture = scaled(_large_enough(picture), self.scaling)
        viewer = Viewer(self.module, self.probabilities, self.stride, self.stride, device, view)
        blended = yield from viewer.look(picture)
        grid = raster.grid.coarsen(self.stride)
        inside = blended[:, : grid.height, : grid.width].contiguous()
        valid = descriptors.any_valid(raster, device, self.stride)
        return FeatureMap(inside, valid, grid, self.stride)


def load_semantic(folder: VisionFolder) -> SemanticModel:
    """Load a network that tells classes, with 32-bit weights.

    Parameters
    ----------
    folder : VisionFolder
        Holds a SegFormer, Mask2Former or OneFormer as transformers saves it, with the names of
        its classes (``id2label``); for OneFormer also the vocabulary of its tokenizer.

    Raises
    ------
    WeightsError
        If transformers or a file is missing or damaged, the folder holds another kind of model,
        weights are missing (those of the head too), or not every class has a name.
    """
    return run(load_semantic_steps(folder))


def load_semantic_steps(folder: VisionFolder) -> Steps[SemanticModel]:
    """Do the work of `load_semantic` in steps."""
    yield Progress(0, 100, "loading the model")
    written = folder.config()
    _require_maker(folder, written)
    names = _names(folder, written)
    # A OneFormer saved amid its training would ask for the truth, too.
    config = config_of(folder, {**written, "is_training": False})
    if config is None:
        raise _other_model(folder, f"model_type {written['model_type']!r}, unknown to transformers")
    tokens = _task_tokens(folder, config) if config.model_type == "oneformer" else None
    module, info = load_weights(folder, config, _MAKERS[config.model_type])
    _require_names(folder, names, info["mismatched_keys"])
    whole = f"all weights of a {config.model_type} model in {folder.path}"
    require_whole(whole, info, _UNUSED)
    yield Progress(50, 100, "trying the model")
    stride = _tried_stride(folder, config, module, tokens)
    sha256 = yield from relay(folder.sha256_steps(), Span(60, 100, 100), "reading its files")
    return SemanticModel(
        module=module,
        classes=_taxonomy(names),
        stride=stride,
        scaling=folder.scaling(config.model_type),
        tokens=tokens,
        name=folder.path.resolve().name,
        sha256=sha256,
    )


def _require_maker(folder: VisionFolder, written: dict[str, Any]) -> None:
    kind, made = written["model_type"], written.get("architectures")
    if kind not in _MAKERS:
        said = f" ({', '.join(map(str, made))})" if isinstance(made, list) and made else ""
        raise _other_model(folder, f"model_type {kind!r}{said}")
    if isinstance(made, list) and made and _MAKERS[kind] not in made:
        raise _other_model(folder, ", ".join(map(str, made)))


def _other_model(folder: VisionFolder, found: str) -> WeightsError:
    return WeightsError(
        expected=f"a model that names what pixels show: {', '.join(_MAKERS.values())}",
        found=f"{found} in {folder.path / CONFIG}",
        remedy="give another folder",
    )


def _names(folder: VisionFolder, written: dict[str, Any]) -> tuple[str, ...]:
    """Return the names of a model's classes in the order of its outputs."""
    said = written.get("id2label")
    if not isinstance(said, dict) or not said:
        raise _other_names(folder, "names of the classes (id2label)", "none")
    wanted = [str(i) for i in range(len(said))]
    if sorted(said) != sorted(wanted):
        raise _other_names(folder, f"names of classes 0 to {len(said) - 1}", ", ".join(said)[:80])
    if len(said) < 2:
        raise _other_names(folder, "at least two classes", "one")
    return tuple(str(said[key]) for key in wanted)


def _require_names(
    folder: VisionFolder, names: tuple[str, ...], misfits: set[tuple[str, Any, Any]]
) -> None:
    """Check that there are as many names as outputs; transformers make as many as are named."""
    for weight, in_file, in_model in misfits:
        if weight.removesuffix(".weight").endswith(_HEADS) and in_file[1:] == in_model[1:]:
            outputs = len(names) + in_file[0] - in_model[0]
            found = f"{len(names)} in id2label"
            raise _other_names(folder, f"a name for each of {outputs} outputs", found)


def _other_names(folder: VisionFolder, expected: str, found: str) -> WeightsError:
    return WeightsError(
        expected=f"{expected} in {folder.path / CONFIG}",
        found=found,
        remedy="get the config that belongs to the weights",
    )


def _taxonomy(names: tuple[str, ...]) -> Taxonomy:
    """Return classes of these names; names given twice are numbered, empty ones made up."""
    classes: list[LabelClass] = []
    taken = set(names)
    for class_id, name in enumerate(names, start=_FIRST_ID):
        known = {entry.name for entry in classes}
        unique = name if name.strip() else f"class {class_id}"
        number = 2
        while unique in known or (unique != name and unique in taken):
            unique, number = f"{name} ({number})", number + 1
        classes.append(LabelClass(class_id, unique, color_of(class_id)))
    return Taxonomy(tuple(classes))


def _task_tokens(folder: VisionFolder, config: PreTrainedConfig) -> Tensor:
    """Return (1, T): what OneFormer is told to do, in the numbers of its vocabulary."""
    expected = f"a vocabulary that spells {_TASK!r} in {folder.path}"
    remedy = "get vocab.json and merges.txt, or tokenizer.json, of the model too"
    files = [("vocab.json", "merges.txt"), ("tokenizer.json",)]
    if not any(all((folder.path / name).is_file() for name in names) for names in files):
        found = "neither vocab.json with merges.txt nor tokenizer.json"
        raise WeightsError(expected=expected, found=found, remedy=remedy)
    with refusing(folder, expected), quiet():
        tokenizer = transformers_package().CLIPTokenizer.from_pretrained(
            folder.path, local_files_only=True
        )
        length = config.task_seq_len
        spelt = tokenizer(_TASK, padding="max_length", max_length=length, truncation=True)
        tokens, mask = (torch.tensor([spelt[key]]) for key in ("input_ids", "attention_mask"))
        inner = tokens[0, : int(mask.sum())][1:-1]
    # The unknown stands for the end as well, so that only what is between the ends tells.
    if not len(inner) or tokenizer.unk_token_id in inner.tolist():
        raise WeightsError(expected=expected, found="one without these letters", remedy=remedy)
    # The model was trained with 0 for padding, whatever number the vocabulary has for it.
    return tokens * mask


def _tried_stride(
    folder: VisionFolder, config: PreTrainedConfig, module: Module, tokens: Tensor | None
) -> int:
    """Return pixels for each cell of the output, from a trial with the smallest picture."""
    shape = (_LEAST, _LEAST + _STEP)  # not square on purpose
    with refusing(folder, f"a {config.model_type} model of colour images of any size"):
        found = _probabilities(module, torch.zeros(1, 3, *shape), tokens)
        if not found.isfinite().all():
            raise ValueError("an output that is not finite")
        for stride in _STRIDES:
            if found.shape[2:] == tuple(side // stride for side in shape):
                return stride
        raise ValueError(f"an output of shape {tuple(found.shape)} for an image of {shape}")


def _probabilities(module: Module, pixels: Tensor, tokens: Tensor | None) -> Tensor:
    options = {}
    if tokens is not None:
        options["task_inputs"] = tokens.to(pixels.device).expand(len(pixels), -1)
    with torch.inference_mode():
        output = module(pixel_values=pixels, **options)
        # The caller may have chosen short numbers for the network; for shares, they are too coarse.
        with torch.autocast(pixels.device.type, enabled=False):
            if "logits" in output:
                found: Tensor = output.logits.float().softmax(1)
                return found
            return _of_masks(output.class_queries_logits, output.masks_queries_logits)


def _of_masks(classes: Tensor, masks: Tensor) -> Tensor:
    """Return (N, K, h, w) of the classes (N, Q, K + 1) and the masks (N, Q, h, w) of queries."""
    shares = classes.float().softmax(2)[:, :, :-1]  # the last is for no object
    total = torch.einsum("nqk,nqhw->nkhw", shares, masks.float().sigmoid())
    claimed = total.sum(1, keepdim=True)
    # Where no query claims a place, all classes are as likely.
    even = torch.full_like(total, 1 / total.shape[1])
    return torch.where(claimed > 0, total / claimed, even)


def _large_enough(picture: Tensor) -> Tensor:
    """Continue (3, H, W) beyond its last row and column to the size that networks need."""
    height, width = picture.shape[1:]
    pad = (0, max(0, _LEAST - width), 0, max(0, _LEAST - height))
    return functional.pad(picture[None], pad, mode="replicate")[0]
