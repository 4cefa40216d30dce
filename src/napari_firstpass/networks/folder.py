"""A folder with a Hugging Face model: what its small files say, and which files hold the weights.

Nothing here needs torch or transformers, and nothing in the folder is run.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from napari_firstpass.digest import sha256_steps
from napari_firstpass.errors import WeightsError
from napari_firstpass.progress import Span, relay, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_firstpass.progress import Steps

CONFIG = "config.json"
_SAFE, _SAFE_INDEX = "model.safetensors", "model.safetensors.index.json"
_OLD = "pytorch_model.bin"
_ADAPTER = "adapter_config.json"

_FORBIDDEN = (
    "auto_map", "attn_implementation", "_attn_implementation", "_name_or_path", "backbone",
)  # fmt: skip
"""Entries of a config that name code or places to fetch; a folder must do without them."""


@dataclass(frozen=True, slots=True)
class PixelScaling:
    """What a model expects of its input: (x − mean) / std of red, green and blue in [0, 1].

    Attributes
    ----------
    mean, std : tuple of 3 float
        Finite; every ``std`` positive.
    """

    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        numbers = (*self.mean, *self.std)
        sound = len(self.mean) == len(self.std) == 3 and all(map(math.isfinite, numbers))
        if not sound or min(self.std) <= 0:
            raise WeightsError(
                expected="a mean and a positive spread for each of red, green and blue",
                found=f"{self.mean} and {self.std}",
                remedy="get the file preprocessor_config.json again",
            )


_PLAIN = PixelScaling()
_IMAGENET = PixelScaling((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_CLIP = PixelScaling((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HALF = PixelScaling((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
_USUAL = {
    "clip": _CLIP, "metaclip": _CLIP, "aimv2": _CLIP, "siglip": _HALF, "tipsv2": _PLAIN,
    "sam3": _HALF,
}  # fmt: skip
"""By the start of the model's type, where no file says it; all others are used to ImageNet's."""


@dataclass(frozen=True, slots=True)
class VisionFolder:
    """A folder with ``config.json``, weights, and perhaps ``preprocessor_config.json``.

    Attributes
    ----------
    path : Path
        The folder.
    """

    path: Path

    def config(self) -> dict[str, Any]:
        """Return what ``config.json`` says, without the names of code.

        Raises
        ------
        WeightsError
            If there is no such folder or file, or the file names no type of model.
        """
        if not self.path.is_dir():
            raise WeightsError(
                expected=f"a folder with a model at {self.path}",
                found="a file" if self.path.exists() else "nothing there",
                remedy="give the folder that holds config.json and model.safetensors",
            )
        content = self.content_of(CONFIG)
        if (self.path / _ADAPTER).is_file():
            raise WeightsError(
                expected=f"a whole model in {self.path}",
                found=f"{_ADAPTER}, changes to another model",
                remedy="merge the adapter into its model and save that",
            )
        if not isinstance(content.get("model_type"), str):
            raise WeightsError(
                expected=f"a model_type in {self.path / CONFIG}",
                found=f"{', '.join(content) or 'no entries'}",
                remedy="give the folder of a model in the format of Hugging Face transformers",
            )
        if "quantization_config" in content:
            raise WeightsError(
                expected=f"weights in {self.path} as floating-point numbers",
                found="quantised ones",
                remedy="get the model in its original form",
            )
        return _without_code(content)

    def scaling(self, model_type: str) -> PixelScaling:
        """Return what the model expects of its input.

        Parameters
        ----------
        model_type : str
            Decides where no file says it.

        Raises
        ------
        WeightsError
            If a file says it in no way that makes sense.
        """
        written = self._preprocessor()
        if written.get("do_normalize") is False:
            return _PLAIN
        if "image_mean" in written and "image_std" in written:
            return PixelScaling(three_of(written["image_mean"]), three_of(written["image_std"]))
        usual = (known for start, known in _USUAL.items() if model_type.startswith(start))
        return next(usual, _IMAGENET)

    def weight_files(self) -> tuple[Path, ...]:
        """Return the files with the weights: safetensors, else a pickle, as transformers choose.

        Raises
        ------
        WeightsError
            If there are none, or some that the index names are missing.
        """
        for name in (_SAFE, _OLD):
            index = self.path / f"{name}.index.json"
            if (self.path / name).is_file():
                return (self.path / name,)
            if index.is_file():
                return (index, *self._shards(index))
        raise self._no_weights(f"only {self._listing()}")

    @property
    def is_safe(self) -> bool:
        """Whether the weights are safetensors, which can run no code."""
        return any((self.path / name).is_file() for name in (_SAFE, _SAFE_INDEX))

    def sha256(self) -> str:
        """Return a hash over everything that decides what features the model makes.

        Raises
        ------
        WeightsError
            If a file is missing or cannot be read.
        """
        return run(self.sha256_steps())

    def sha256_steps(self) -> Steps[str]:
        """Do the work of `sha256` in steps; counts bytes."""
        self.config()
        small = (CONFIG, "preprocessor_config.json", "processor_config.json")
        there = [self.path / name for name in small if (self.path / name).is_file()]
        files = (*there, *self.weight_files())
        return (yield from files_sha256_steps(files))

    def content_of(self, name: str) -> dict[str, Any]:
        """Return what a file of JSON in the folder says.

        Raises
        ------
        WeightsError
            If it is not there, or holds no JSON object.
        """
        try:
            content = json.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            found = f"a folder with {self._listing()}"
        except OSError as error:
            found = error.strerror or str(error)
        except (ValueError, RecursionError) as error:
            found = f"no JSON ({error})"
        else:
            if isinstance(content, dict):
                return content
            found = f"a {type(content).__name__}"
        raise WeightsError(
            expected=f"a JSON object in {self.path / name}",
            found=found,
            remedy="get the file again, or give the folder that holds it",
        )

    def _shards(self, index: Path) -> tuple[Path, ...]:
        places = self.content_of(index.name).get("weight_map")
        names = sorted({str(name) for name in places.values()}) if isinstance(places, dict) else []
        missing = [name for name in names if not (self.path / name).is_file()]
        if missing or not names:
            raise self._no_weights(f"no {', '.join(missing[:3]) or f'names in {index.name}'}")
        return tuple(self.path / name for name in names)

    def _no_weights(self, found: str) -> WeightsError:
        return WeightsError(
            expected=f"weights (model.safetensors) in {self.path}",
            found=found,
            remedy="get the missing files of the model",
        )

    def _listing(self) -> str:
        names = sorted(entry.name for entry in self.path.iterdir())
        return ", ".join(names[:8]) + (" …" if len(names) > 8 else "") if names else "an empty one"

    def _preprocessor(self) -> dict[str, Any]:
        if (self.path / "preprocessor_config.json").is_file():
            return self.content_of("preprocessor_config.json")
        if (self.path / "processor_config.json").is_file():
            inner = self.content_of("processor_config.json").get("image_processor")
            return inner if isinstance(inner, dict) else {}
        return {}


def _without_code(content: dict[str, Any]) -> dict[str, Any]:
    return {
        key: _without_code(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if key not in _FORBIDDEN
    }


def files_sha256_steps(files: Sequence[Path]) -> Steps[str]:
    """Return a hash of names and contents of files, in their order; counts bytes."""
    total = sum(_size(file) for file in files)
    digest, done = sha256(), 0
    for file in files:
        span = Span(done, done + _size(file), total)
        found = yield from relay(_file_sha256(file), span)
        digest.update(f"{file.name}\0{found}\n".encode())
        done = span.stop
    return digest.hexdigest()


def three_of(values: object) -> tuple[float, ...]:
    """Return numbers from JSON, a single one for all three bands; else what is refused later."""
    listed = values if isinstance(values, list) else [values] * 3
    return tuple(v if isinstance(v, int | float) else math.nan for v in listed)


def _size(file: Path) -> int:
    return file.stat().st_size


def _file_sha256(file: Path) -> Steps[str]:
    try:
        return (yield from sha256_steps(file))
    except OSError as error:
        raise WeightsError(
            expected=f"to read {file}", found=str(error.strerror), remedy="check the file"
        ) from error
