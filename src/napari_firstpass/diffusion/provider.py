"""Attention of Stable Diffusion: which places of a picture the network takes for alike.

Rombach, Blattmann, Lorenz, Esser and Ommer, "High-Resolution Image Synthesis with Latent Diffusion
Models" (arXiv 2112.10752), is the network. It was trained to make images of words; on the way it
learned which places belong together (its self-attention) and which words they show (its
cross-attention). It looks at a picture once, and nothing is made.

A picture is resized to a multiple of 64 pixels, so that it covers whole cells at every resolution;
the maps cover exactly the picture, however many cells they have.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal, TypeVar

import torch
from torch.nn import functional

from napari_firstpass.diffusion.attention import AttentionMap, Attentions, Kind, PromptTokens
from napari_firstpass.diffusion.capture import AttentionLayer, Storage, capture, layers_of
from napari_firstpass.diffusion.folder import DiffusionFolder
from napari_firstpass.diffusion.model import DiffusionModel, load_steps
from napari_firstpass.errors import ComputeError, ImageContentError, OptionError
from napari_firstpass.networks.viewing import computes_short_numbers_fast, is_out_of_memory
from napari_firstpass.progress import Progress, Span, Steps, relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from torch import Tensor

T = TypeVar("T")

NumberType = Literal["auto", "float32", "bfloat16", "float16"]

_CPU = torch.device("cpu")
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_FACTORS = (1, 2, 4, 8)
_LAST_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionConfig:
    """What to ask a network of.

    Attributes
    ----------
    self_at, cross_at : tuple of int
        Resolutions at which to keep attention to places and to words, all layers of them: 1 for
        that of the latent image, 2, 4, 8 for coarser ones. A latent image has an eighth of the
        picture's rows and columns.
    layers : tuple of str
        Further layers, by patterns of diffusers' names, such as
        ``up_blocks.3.attentions.1.*.attn1``.
    prompt : str
        What the network is told to see; empty for nothing.
    stressed : tuple of str or of (int, int)
        Words of the prompt whose vectors are multiplied by ``stress``, wherever they stand; or
        where in it their letters begin and end.
    stress : float
        From 0 to 10.
    timestep : int
        How noisy the network is told that the picture is, from 0 to 999 for those we know.
    noise : bool
        Whether noise is added accordingly; otherwise the picture is shown as it is.
    seed : int
        Of the noise, from 0 to 2³² − 1.
    per_head : bool or {"self", "cross"}
        Whether the heads of a layer are kept apart, of all layers or of those of a kind; their mean
        is kept otherwise.
    self_heads : tuple of int
        Heads of self-attention that this mean is taken of, from 0; all where empty.
    memory : {"auto", "tiny"}
        ``tiny`` computes attention in parts, and keeps it in main memory; ``auto`` does so only
        where memory is short. The result is the same.
    stored : {"float32", "float16"}
        Type of numbers in which attention is kept; computed as float32 in any case. float16 halves
        the memory, and loses weights below 6e-8.

    Raises
    ------
    OptionError
        If a setting lies outside its range.
    """

    self_at: tuple[int, ...] = _FACTORS
    cross_at: tuple[int, ...] = ()
    layers: tuple[str, ...] = ()
    prompt: str = ""
    stressed: tuple[str | tuple[int, int], ...] = ()
    stress: float = 1.0
    timestep: int = 100
    noise: bool = True
    seed: int = 0
    per_head: bool | Kind = False
    self_heads: tuple[int, ...] = ()
    memory: Literal["auto", "tiny"] = "auto"
    stored: Literal["float32", "float16"] = "float32"

    def __post_init__(self) -> None:
        for name in ("self_at", "cross_at"):
            factors = getattr(self, name)
            _require(set(factors) <= set(_FACTORS), f"{name} out of 1, 2, 4, 8", factors)
        some = (*self.self_at, *self.cross_at, *self.layers)
        _require(some, "a resolution or a layer to keep", "none")
        _require(0 <= self.stress <= 10, "stress in [0, 10]", self.stress)
        _require(self.timestep >= 0, "a timestep of 0 or more", self.timestep)
        _require(0 <= self.seed <= _LAST_SEED, f"a seed in [0, {_LAST_SEED}]", self.seed)
        _require(self.per_head in (True, False, "self", "cross"), "per_head a kind", self.per_head)
        _require(all(head >= 0 for head in self.self_heads), "heads from 0 on", self.self_heads)
        _require(self.memory in ("auto", "tiny"), "memory auto or tiny", self.memory)
        _require(self.stored in ("float32", "float16"), "stored float32 or float16", self.stored)


def _require(holds: object, expected: str, found: object) -> None:
    if not holds:
        raise OptionError(expected=expected, found=str(found), remedy="change it")


DEFAULT_ATTENTION = AttentionConfig()


@dataclass(frozen=True)
class AttentionProvider:
    """A loaded network, and what to ask it of.

    Other questions to the same network are ``dataclasses.replace(provider, config=…)``; nothing is
    loaded again. A provider works for one thread at a time.

    Attributes
    ----------
    model : DiffusionModel
        The network and its encoders.
    config : AttentionConfig
        What to ask.
    device : torch.device
        Where to compute.

    Raises
    ------
    OptionError
        If the network has no such layers, no such timestep, or the prompt lacks stressed words.
    """

    model: DiffusionModel
    config: AttentionConfig = DEFAULT_ATTENTION
    device: torch.device = _CPU

    def __post_init__(self) -> None:
        known, timestep = len(self.model.alphas), self.config.timestep
        _require(timestep < known, f"a timestep from 0 to {known - 1}", timestep)
        counts = [layer.module.heads for layer in self.layers if layer.kind == "self"]
        fewest, highest = min(counts, default=0), max(self.config.self_heads, default=-1)
        _require(not counts or highest < fewest, f"heads from 0 to {fewest - 1}", highest)

    @cached_property
    def layers(self) -> tuple[AttentionLayer, ...]:
        """The layers that are watched, in the order in which they are computed.

        Raises
        ------
        OptionError
            If the network has none for one of the resolutions or patterns.
        """
        everything, config = layers_of(self.model.unet), self.config
        there = {(layer.kind, layer.factor) for layer in everything}
        wanted = {("self", at) for at in config.self_at} | {("cross", at) for at in config.cross_at}
        for kind, at in sorted(wanted - there):
            known = sorted(factor for name, factor in there if name == kind)
            _require(False, f"{kind}-attention at a resolution out of {known}", at)
        for pattern in config.layers:
            fits = any(fnmatchcase(layer.name, pattern) for layer in everything)
            _require(fits, f"a layer such as {everything[0].name}", repr(pattern))
        return tuple(
            layer
            for layer in everything
            if (layer.kind, layer.factor) in wanted
            or any(fnmatchcase(layer.name, pattern) for pattern in config.layers)
        )

    @property
    def step(self) -> int:
        """Pixels of a picture for each cell of the coarsest layer: 64 for those we know."""
        return self.model.cell * max(layer.factor for layer in layers_of(self.model.unet))

    def attend(self, picture: Tensor) -> Steps[Attentions]:
        """Return what the layers attend to in a picture.

        Parameters
        ----------
        picture : (3, H, W) float tensor
            Red, green and blue in [0, 1], of any size. It is resized to the nearest multiples of
            `step`, by at most 6 in 100 for sides from 512 on; resize it yourself for others. The
            networks were trained on 512 × 512 or 768 × 768 pixels.

        Returns
        -------
        Attentions
            On `device`, unless memory was short or ``tiny`` was asked for. On a CPU, the same
            picture, settings and versions give the same bytes.

        Raises
        ------
        ImageContentError
            If the picture has another shape, or values that are not finite.
        OptionError
            If the prompt is too long, or lacks words that are to be stressed.
        ComputeError
            If memory is too short even in parts, or numbers overflowed.
        """
        _check_picture(picture)
        yield Progress(0, 3, "reading the prompt")
        _ = self.prompt
        yield Progress(1, 3, "encoding the picture")
        latents = self.encoded(picture)
        return (yield from relay(self.attend_to(latents), Span(2, 3, 3)))

    def encoded(self, picture: Tensor) -> Tensor:
        """Return the latent image (1, 4, h, w) of a picture, without noise; see `attend`."""
        _check_picture(picture)
        return self._fitting(lambda: self._latents(picture))

    def attend_to(self, latents: Tensor) -> Steps[Attentions]:
        """Return what the layers attend to in a picture that was `encoded`; see `attend`.

        The same picture may be asked about several prompts so, and is encoded once.
        """
        prompt, words = self._fitting(lambda: self._prompt)
        tiny = self.config.memory == "tiny"
        yield Progress(0, 1, f"attention of {len(self.layers)} layers{_in_parts(tiny)}")
        # Shown in the type of numbers that the network computes with.
        shown = self._noised(latents).to(self.model.dtype)
        ask = partial(self._maps, shown, words)
        maps = None if tiny else _if_it_fits(lambda: ask(tiny=False), self.device)
        if maps is None and not tiny:
            short = f"{_in_parts(True)}: memory is short"
            yield Progress(0, 1, f"attention of {len(self.layers)} layers{short}")
        if maps is None:
            maps = self._fitting(lambda: ask(tiny=True))
        self._check_finite(maps)
        return Attentions(maps, prompt, (latents.shape[2], latents.shape[3]))

    @property
    def prompt(self) -> PromptTokens:
        """The tokens of the prompt.

        Raises
        ------
        OptionError
            If it is too long, or lacks words that are to be stressed.
        """
        return self._fitting(lambda: self._prompt)[0]

    @cached_property
    def _prompt(self) -> tuple[PromptTokens, Tensor]:
        """The prompt, and (1, T, D): vectors of its tokens, some of them stressed."""
        self.model.text_encoder.to(self.device)
        prompt, words = self.model.embed(self.config.prompt)
        chosen = [token for said in self.config.stressed for token in _tokens(prompt, said)]
        factors = torch.ones(words.shape[1], device=words.device, dtype=words.dtype)
        factors[chosen] = self.config.stress
        self._put_away(self.model.text_encoder)
        return prompt, words * factors[None, :, None]

    def _latents(self, picture: Tensor) -> Tensor:
        """Return (1, 4, h, w): the latent image of a picture."""
        self.model.vae.to(self.device)
        sides = [max(1, round(side / self.step)) * self.step for side in picture.shape[1:]]
        fitted = picture.to(self.device, torch.float32)
        if list(picture.shape[1:]) != sides:
            fitted = functional.interpolate(
                fitted[None], sides, mode="bilinear", antialias=True
            )[0]  # fmt: skip
        latents = self.model.latents(fitted)
        self._put_away(self.model.vae)
        return latents

    def _noised(self, latents: Tensor) -> Tensor:
        if not self.config.noise:
            return latents
        return self.model.noised(latents, self.config.timestep, self.config.seed)

    def _maps(self, latents: Tensor, words: Tensor, *, tiny: bool) -> tuple[AttentionMap, ...]:
        config, unet = self.config, self.model.unet.to(self.device)
        storage = Storage(config.per_head, config.self_heads, _DTYPES[config.stored], tiny)
        return capture(unet, self.layers, latents, config.timestep, words, storage)

    def _put_away(self, module: torch.nn.Module) -> None:
        if self.config.memory == "tiny":
            module.to(_CPU)

    def _fitting(self, work: Callable[[], T]) -> T:
        found = _if_it_fits(work, self.device)
        if found is None:
            raise ComputeError(
                expected="enough memory for one picture and its attention in parts",
                found=f"too little on {self.device}",
                remedy="choose a smaller picture, fewer layers or resolutions, or another device",
            )
        return found

    def _check_finite(self, maps: Iterable[AttentionMap]) -> None:
        # What is not finite spreads over its row.
        wrong = [found.name for found in maps if not found.weights[..., 0].isfinite().all()]
        if wrong:
            raise ComputeError(
                expected="finite attention",
                found=f"numbers beyond the range of {self.model.dtype} in {wrong[0]}",
                remedy="load the model with dtype float32 or bfloat16",
            )


def load_diffusion(
    folder: Path,
    config: AttentionConfig = DEFAULT_ATTENTION,
    device: torch.device = _CPU,
    dtype: NumberType = "auto",
) -> Steps[AttentionProvider]:
    """Load a Stable Diffusion model of generation 1 or 2.

    Parameters
    ----------
    folder : Path
        As diffusers saves it: ``model_index.json``, and folders ``unet``, ``vae``,
        ``text_encoder``, ``tokenizer`` and ``scheduler``; weights as safetensors.
    config : AttentionConfig
        What to ask it of.
    device : torch.device
        Where to compute.
    dtype : {"auto", "float32", "bfloat16", "float16"}
        Type of numbers in which the U-Net computes; ``auto`` is bfloat16 where the hardware has
        units for it, else float32. The encoder of pictures computes with float32 in any case.

    Raises
    ------
    WeightsError
        If diffusers, transformers or a file is missing or damaged, or it is another kind of
        model, such as SDXL.
    OptionError
        If the dtype does not go with the device, or the network has no such layers.
    """
    numbers = _dtype(dtype, device)
    model = yield from relay(load_steps(DiffusionFolder(folder), numbers), Span(0, 4, 4))
    return AttentionProvider(model, config, device)


def _dtype(name: NumberType, device: torch.device) -> torch.dtype:
    _require(name == "auto" or name in _DTYPES, f"a dtype out of auto, {', '.join(_DTYPES)}", name)
    if name == "auto":
        return torch.bfloat16 if computes_short_numbers_fast(device) else torch.float32
    if name == "float16" and device.type == "cpu":
        raise OptionError(
            expected="a dtype that a CPU computes with",
            found="float16",
            remedy="choose auto, float32 or bfloat16",
        )
    return _DTYPES[name]


def _tokens(prompt: PromptTokens, said: str | tuple[int, int]) -> Iterable[int]:
    """Return the tokens of words, wherever they stand, or of those between two letters."""
    if isinstance(said, str):
        return (token for place in prompt.of(said) for token in place)
    return prompt.between(*said)


def _check_picture(picture: Tensor) -> None:
    shape = tuple(picture.shape)
    if len(shape) != 3 or shape[0] != 3 or not picture.isfinite().all():
        raise ImageContentError(
            expected="a picture (3, H, W) of finite values in [0, 1]",
            found=f"shape {shape}" if len(shape) != 3 or shape[0] != 3 else "values without end",
            remedy="choose three bands and fill their gaps",
        )


def _in_parts(tiny: bool) -> str:
    return ", in parts" if tiny else ""


def _if_it_fits(work: Callable[[], T], device: torch.device) -> T | None:
    """Return what some work returns, None where memory is too short for it."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    # Out of the handler, whose traceback held what had been computed.
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return None
