"""A folder with a Stable Diffusion model, as diffusers saves it: what its small files say.

Nothing here needs torch or diffusers, and nothing in the folder is run.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from napari_firstpass.digest import sha256_steps
from napari_firstpass.errors import WeightsError
from napari_firstpass.progress import Span, Steps, relay

if TYPE_CHECKING:
    from pathlib import Path

INDEX = "model_index.json"
"""What lists the parts."""

NETWORKS = {"unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel"}
"""The networks that we use, by the names of their folders, and their classes."""

_STEMS = {"text_encoder": "model"}
_STEM = "diffusion_pytorch_model"
_PLAIN = (".safetensors", ".safetensors.index.json", "-*-of-*.safetensors")
_SCHEDULE = "scheduler/scheduler_config.json"
_VOCABULARIES = (("tokenizer/vocab.json", "tokenizer/merges.txt"), ("tokenizer/tokenizer.json",))

_STRANGERS = ("text_encoder_2", "text_encoder_3", "transformer", "prior")
"""Parts that other generations of models have."""

_ABSENT = (
    "addition_embed_type", "class_embed_type", "num_class_embeds", "encoder_hid_dim",
    "encoder_hid_dim_type", "time_cond_proj_dim", "dual_cross_attention", "only_cross_attention",
    "mid_block_only_cross_attention", "cross_attention_norm", "quantization_config",
)  # fmt: skip
"""Settings of a U-Net that make it expect more than an image, a time and words."""

_BLOCKS = {
    "CrossAttnDownBlock2D", "DownBlock2D", "UNetMidBlock2DCrossAttn", "CrossAttnUpBlock2D",
    "UpBlock2D",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class DiffusionFolder:
    """A folder with ``model_index.json`` and a folder for each part.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    def check(self) -> None:
        """Make sure that there is a Stable Diffusion 1 or 2 with all that we need of it.

        Raises
        ------
        WeightsError
            If a part is missing, or it is another kind of model.
        """
        if not self.path.is_dir():
            raise WeightsError(
                expected=f"a folder with a model at {self.path}",
                found="a file" if self.path.exists() else "nothing there",
                remedy=f"give the folder that holds {INDEX}",
            )
        self._check_index()
        for part in NETWORKS:
            self.variant(part)
        if not any(all((self.path / n).is_file() for n in names) for names in _VOCABULARIES):
            raise self._lacks(" and ".join(_VOCABULARIES[0]), "not both")
        self._json(_SCHEDULE)
        self._check_configs()

    def variant(self, part: str) -> str | None:
        """Return the variant in which a part's weights are there: None for the plain one.

        Raises
        ------
        WeightsError
            If there are no safetensors.
        """
        stem = _STEMS.get(part, _STEM)
        plain = f"{stem}.safetensors"
        if any((self.path / part / name).is_file() for name in (plain, f"{plain}.index.json")):
            return None
        if (self.path / part / f"{stem}.fp16.safetensors").is_file():
            return "fp16"
        pickles = sorted(path.name for path in self.path.glob(f"{part}/*.bin"))
        found = f"only {pickles[0]}, a pickle, which can run code" if pickles else "none"
        raise self._lacks(f"{part}/{plain}", found)

    def sha256_steps(self) -> Steps[str]:
        """Return a hash over everything that decides what the model attends to; counts bytes.

        Raises
        ------
        WeightsError
            If a file is missing or cannot be read.
        """
        self.check()
        files = self._files()
        sizes = [file.stat().st_size for file in files]
        digest = sha256()
        for number, file in enumerate(files):
            done = sum(sizes[:number])
            span = Span(done, done + sizes[number], sum(sizes))
            try:
                found = yield from relay(sha256_steps(file), span)
            except OSError as error:
                raise WeightsError(
                    expected=f"to read {file}", found=str(error.strerror), remedy="check the file"
                ) from error
            digest.update(f"{file.relative_to(self.path).as_posix()}\0{found}\n".encode())
        return digest.hexdigest()

    def _files(self) -> list[Path]:
        small = [self.path / _SCHEDULE, *sorted(self.path.glob("tokenizer/*.[jt][sx]*"))]
        for part in NETWORKS:
            stem, variant = _STEMS.get(part, _STEM), self.variant(part)
            endings = [f".{variant}.safetensors"] if variant else _PLAIN
            chosen = [file for end in endings for file in (self.path / part).glob(stem + end)]
            small += [self.path / part / "config.json", *sorted(chosen)]
        return small

    def _check_index(self) -> None:
        listed = self._json(INDEX)
        said = str(listed.get("_class_name", "a model without a name"))
        strangers = [part for part in _STRANGERS if _class(listed.get(part))]
        wrong = [part for part, kind in NETWORKS.items() if _class(listed.get(part)) != kind]
        if not strangers and not wrong:
            return
        inside = [f"{p} ({_class(listed.get(p)) or 'none'})" for p in (*strangers, *wrong)]
        raise self._other_model(f"{said} with {', '.join(inside)}")

    def _check_configs(self) -> None:
        unet, vae, text = (self._json(f"{part}/config.json") for part in NETWORKS)
        more = [key for key in _ABSENT if any(_listed(unet.get(key)))]
        kinds = [kind for key in ("down", "up") for kind in _listed(unet.get(f"{key}_block_types"))]
        kinds.append(unet.get("mid_block_type", "UNetMidBlock2DCrossAttn"))
        more += [str(kind) for kind in kinds if kind not in _BLOCKS]
        if unet.get("attention_type", "default") != "default":
            more.append(f"attention_type {unet['attention_type']}")
        channels, width = unet.get("in_channels", 4), unet.get("cross_attention_dim", 1280)
        if channels != vae.get("latent_channels", 4):
            more.append(f"{channels} channels of input")
        if set(map(str, _listed(width))) != {str(text.get("hidden_size", 512))}:
            more.append(f"words of {width} numbers")
        if more:
            raise self._other_model(f"a U-Net with {', '.join(more)}")

    def _other_model(self, found: str) -> WeightsError:
        return WeightsError(
            expected=f"a Stable Diffusion 1 or 2 for images and text in {self.path}",
            found=found,
            remedy="give another folder; SDXL, inpainting and upscaling models are not supported",
        )

    def _lacks(self, name: str, found: str) -> WeightsError:
        return WeightsError(
            expected=f"{name} in {self.path}",
            found=found,
            remedy="get the missing files of the model",
        )

    def _json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            raise self._lacks(name, "none") from None
        except (OSError, ValueError, RecursionError) as error:
            raise self._lacks(
                f"a JSON object {name}", f"none that can be read ({error})"
            ) from error
        if not isinstance(content, dict):
            raise self._lacks(f"a JSON object {name}", f"a {type(content).__name__}")
        return content


def _listed(value: object) -> list[object]:
    """Return what may be given for all blocks at once, or for each."""
    return value if isinstance(value, list) else [value] if value is not None else []


def _class(entry: object) -> str | None:
    """Return the class that an entry of the index names: the second of library and class."""
    if not isinstance(entry, list) or len(entry) != 2 or entry[1] is None:
        return None
    return str(entry[1])
