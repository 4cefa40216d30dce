"""Stable Diffusion models as functions: pictures to latent images, prompts to vectors.

Only the parts that look are kept: nothing is ever decoded. Nothing is fetched, and no code that
comes with a model is run.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from logging import CRITICAL
from math import sqrt
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.diffusion.attention import PromptTokens
from napari_firstpass.diffusion.folder import NETWORKS
from napari_firstpass.errors import OptionError, WeightsError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.loading import (
    clip_vocabulary,
    config_of,
    quiet,
    refusing,
    require_vocabulary,
    require_whole,
    transformers_package,
)
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from torch import Tensor
    from transformers import CLIPTokenizer, PreTrainedModel

    from napari_firstpass.diffusion.folder import DiffusionFolder

_UNUSED = {"decoder", "post_quant_conv", "position_ids"}
"""Parts of names; weights with one of them change nothing that is asked for."""


@dataclass(frozen=True, slots=True, eq=False)
class DiffusionModel:
    """A loaded model.

    Attributes
    ----------
    unet, vae, text_encoder : Module
        The network that is watched, the encoder of pictures (always with 32-bit weights), and
        that of words; in evaluation mode.
    tokenizer : CLIPTokenizer
        Turns words into numbers.
    alphas : (T,) float32 tensor
        What share of a latent image is left at each timestep: ``alphas_cumprod``.
    prediction : str
        What the network was trained to tell: ``epsilon``, ``v_prediction`` or ``sample``.
    dtype : torch.dtype
        Of the U-Net and the encoder of words.
    """

    unet: Any  # their types are in a library that may be missing
    vae: Any
    text_encoder: Any
    tokenizer: CLIPTokenizer
    alphas: Tensor
    prediction: str
    dtype: torch.dtype

    @property
    def cell(self) -> int:
        """Pixels of a picture for each cell of its latent image, along a side: 8 by default."""
        return int(2 ** (len(self.vae.config["block_out_channels"]) - 1))

    @property
    def longest(self) -> int:
        """Tokens that the encoder of words takes at most, with those that begin and end."""
        return int(self.text_encoder.config.max_position_embeddings)

    def fits(self, prompt: str) -> bool:
        """Tell whether a prompt is short enough to be read to its end."""
        return len(self.tokenizer(prompt)["input_ids"]) <= self.longest

    @torch.no_grad()
    def embed(self, prompt: str) -> tuple[PromptTokens, Tensor]:
        """Return the tokens of a prompt, and (1, T, D): a vector for each.

        Raises
        ------
        OptionError
            If the prompt is too long.
        """
        longest = self.longest
        spelt = self.tokenizer(
            prompt, padding="max_length", max_length=longest, return_offsets_mapping=True
        )
        numbers = spelt["input_ids"]
        if len(numbers) > longest:
            raise OptionError(
                expected=f"a prompt of at most {longest - 2} tokens",
                found=f"one of {len(numbers) - 2}",
                remedy="shorten it: a token is a word or a part of one",
            )
        tokens = torch.tensor([numbers], device=self.text_encoder.device)
        letters = tuple((int(start), int(stop)) for start, stop in spelt["offset_mapping"])
        vectors: Tensor = self.text_encoder(input_ids=tokens).last_hidden_state
        return PromptTokens(prompt, letters), vectors

    @torch.no_grad()
    def latents(self, picture: Tensor) -> Tensor:
        """Return the latent image of a picture: the mean of what the encoder says.

        Parameters
        ----------
        picture : (3, H, W) float32 tensor
            Red, green and blue in [0, 1]; H and W are multiples of ``cell``.

        Returns
        -------
        (1, 4, H / cell, W / cell) float32 tensor
            Scaled as the U-Net was trained.
        """
        mean = self.vae.encode(picture[None] * 2 - 1).latent_dist.mean
        settings = self.vae.config
        found: Tensor = (mean - (settings.get("shift_factor") or 0)) * settings["scaling_factor"]
        return found

    def noised(self, latents: Tensor, timestep: int, seed: int) -> Tensor:
        """Return a latent image as it looks at a timestep; the noise is drawn on a CPU."""
        generator = torch.Generator().manual_seed(seed)
        drawn: Tensor = torch.randn(latents.shape, generator=generator)
        left = float(self.alphas[timestep])
        return latents * sqrt(left) + drawn.to(latents) * sqrt(1 - left)


def load_steps(folder: DiffusionFolder, dtype: torch.dtype) -> Steps[DiffusionModel]:
    """Load a model onto the CPU, part by part.

    Parameters
    ----------
    folder : DiffusionFolder
        Where it is.
    dtype : torch.dtype
        Of the U-Net and the encoder of words.

    Raises
    ------
    WeightsError
        If diffusers, transformers or a file is missing or damaged, or this is another kind of
        model.
    """
    yield Progress(0, 4, "loading the libraries")
    _diffusers(), transformers_package()
    folder.check()
    yield Progress(1, 4, "loading the encoder of words")
    tokenizer, text_encoder = _tokenizer(folder), _text_encoder(folder, dtype)
    known = int(text_encoder.config.vocab_size)
    require_vocabulary(VisionFolder(folder.path / "tokenizer"), tokenizer, known)
    yield Progress(2, 4, "loading the encoder of pictures")
    vae = _network(folder, "vae", torch.float32)
    # Half of it, and nothing is ever decoded.
    vae.decoder = vae.post_quant_conv = None
    alphas, prediction = _schedule(folder)
    yield Progress(3, 4, "loading the U-Net")
    unet = _network(folder, "unet", dtype)
    return DiffusionModel(unet, vae, text_encoder, tokenizer, alphas, prediction, dtype)


def _diffusers() -> ModuleType:
    try:
        import diffusers
    except ImportError as error:
        raise WeightsError(
            expected="the package diffusers, which Stable Diffusion needs",
            found=str(error),
            remedy='install it with: pip install "napari-firstpass[diffusion]"',
        ) from error
    package: ModuleType = diffusers
    return package


def _network(folder: DiffusionFolder, part: str, dtype: torch.dtype) -> Any:  # noqa: ANN401
    """Load a network of diffusers."""
    inner = VisionFolder(folder.path / part)
    with refusing(inner, f"weights of a {NETWORKS[part]} in {inner.path}"), _quiet():
        module, info = getattr(_diffusers(), NETWORKS[part]).from_pretrained(
            inner.path,
            torch_dtype=dtype,
            variant=folder.variant(part),
            local_files_only=True,
            use_safetensors=True,
            # Otherwise it depends on whether another package is installed.
            low_cpu_mem_usage=False,
            # Else those that do not fit would be an error that names no file.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    require_whole(f"all weights of a {NETWORKS[part]} in {folder.path / part}", info, _UNUSED)
    return module.eval().requires_grad_(requires_grad=False)


def _text_encoder(folder: DiffusionFolder, dtype: torch.dtype) -> PreTrainedModel:
    part = "text_encoder"
    inner = VisionFolder(folder.path / part)
    config = config_of(inner, inner.config())
    with refusing(inner, f"weights of a {NETWORKS[part]} in {inner.path}"), _quiet():
        module, info = transformers_package().CLIPTextModel.from_pretrained(
            inner.path,
            config=config,
            dtype=dtype,
            variant=folder.variant(part),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    require_whole(f"all weights of a {NETWORKS[part]} in {folder.path / part}", info, _UNUSED)
    found: PreTrainedModel = module.eval().requires_grad_(requires_grad=False)
    return found


def _tokenizer(folder: DiffusionFolder) -> CLIPTokenizer:
    return clip_vocabulary(VisionFolder(folder.path / "tokenizer"))


def _schedule(folder: DiffusionFolder) -> tuple[Tensor, str]:
    """Return the shares of the latent image that are left, and what is predicted."""
    inner = VisionFolder(folder.path / "scheduler")
    with refusing(inner, f"a schedule of noise in {inner.path}"), _quiet():
        # Any of them will do: they share the schedule of their training, and differ in sampling.
        found = _diffusers().DDIMScheduler.from_pretrained(inner.path, local_files_only=True)
        return found.alphas_cumprod.float(), str(found.config.prediction_type)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep both libraries from writing to the terminal."""
    from diffusers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity(CRITICAL)
    try:
        with quiet():
            yield
    finally:
        logging.set_verbosity(level)
