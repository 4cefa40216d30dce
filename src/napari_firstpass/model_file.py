"""Files of fitted models: numbers in safetensors format, all else as JSON in its notes.

Such a file can run no code. A hash over all that it says shows whether it is as it was written.
"""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.code_heads.head import CodeHead
from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import FirstPassError, WeightsError
from napari_firstpass.feature_scaling import FeatureScaler
from napari_firstpass.fitting import SetModel, shown_references
from napari_firstpass.imagery import Imagery
from napari_firstpass.io.files import whole_file
from napari_firstpass.kernel_model import KernelModel
from napari_firstpass.linear_model import LinearModel
from napari_firstpass.mixture_model import MixtureModel
from napari_firstpass.normalize import BandStats
from napari_firstpass.projection import ProjectedModel
from napari_firstpass.prototypes import PrototypeModel
from napari_firstpass.provenance import Provenance
from napari_firstpass.taxonomy import Taxonomy
from napari_firstpass.tensor_file import notes_of, pack, unpack

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from napari_firstpass.protocols import ClassModel

SUFFIX = ".firstpass"
_FORMAT = "1"
"""To be raised when what is written would be read otherwise."""

_KINDS: dict[str, type[Any]] = {
    "kernel": KernelModel,
    "linear": LinearModel,
    "mixture": MixtureModel,
    "projected": ProjectedModel,
    "prototypes": PrototypeModel,
}
"""What tells classes, by its name in the file. Fields are tensors, and numbers."""

_KEPT = ("method", "backbone", "upsample", "projection", "classes", "seed")
_HEAD = "head."
_MOST_BYTES = 2**30
_ANEW = "get the file again, or fit anew"


def write_model(path: str | os.PathLike[str], model: SetModel, *, overwrite: bool = False) -> Path:
    """Write a model, whole or not at all; the same bytes for the same model.

    Parameters
    ----------
    path : path
        The file to write.
    model : SetModel
        What to write.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OutputError
        If the file exists or cannot be written.
    """
    arrays, notes = _arrays(model), _notes(model)
    notes["sha256"] = _digest(arrays, notes)
    with whole_file(path, overwrite=overwrite) as partial:
        partial.write_bytes(pack(arrays, notes))
    return Path(path)


def read_model(path: str | os.PathLike[str]) -> SetModel:
    """Read what `write_model` wrote.

    Raises
    ------
    WeightsError
        If the file is missing, damaged, of another version, or something else.
    """
    place = Path(path)
    content = _content(place)
    try:
        arrays, notes = unpack(content, place.name), notes_of(content, place.name)
    except WeightsError as error:
        raise WeightsError(
            expected=f'a model of "firstpass fit" in {place.name}',
            found="another kind of file, or one that is damaged",
            remedy="choose another, or get the file again",
        ) from error
    _require_sound(arrays, notes, place.name)
    try:
        return _model(arrays, notes, place.name)
    except (LookupError, TypeError, ValueError) as error:
        raise WeightsError(
            expected=f"a fitted model in {place.name}",
            found=f"one without sense ({_reason(error)})",
            remedy=_ANEW,
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, FirstPassError):
        return f"expected {error.expected}, found {error.found}"
    return f"{type(error).__name__}: {error}"


def _content(place: Path) -> bytes:
    try:
        if place.is_file() and place.stat().st_size <= _MOST_BYTES:
            return place.read_bytes()
        found = "something else" if place.exists() else "nothing there"
    except OSError as error:
        found = str(error.strerror)
    raise WeightsError(
        expected=f"a fitted model at {place}",
        found=found,
        remedy='give a file that "firstpass fit" wrote',
    )


def _require_sound(
    arrays: Mapping[str, NDArray[np.float32]], notes: Mapping[str, str], name: str
) -> None:
    version = notes.get("firstpass")
    if version is not None and version != _FORMAT:
        raise WeightsError(
            expected=f"a model of format {_FORMAT} in {name}",
            found=f"format {version!r}",
            remedy="use the version of napari-firstpass that wrote it, or fit anew",
        )
    told = {key: text for key, text in notes.items() if key != "sha256"}
    if version is None or notes.get("sha256") != _digest(arrays, told):
        raise WeightsError(
            expected=f"a fitted model in {name}, as it was written",
            found="other numbers" if version is None else "one that was changed afterwards",
            remedy=_ANEW,
        )


def _digest(arrays: Mapping[str, NDArray[np.float32]], notes: Mapping[str, str]) -> str:
    return sha256(pack(arrays, notes)).hexdigest()


def _arrays(model: SetModel) -> dict[str, NDArray[np.float32]]:
    tensors, _ = _parts(model.classes)
    named = {f"classes.{name}": tensor for name, tensor in tensors.items()}
    named |= {"mean": model.scaler.mean, "projection": model.scaler.projection}
    if model.head is not None:
        named |= {_HEAD + name: tensor for name, tensor in model.head.tensors.items()}
    return {name: tensor.cpu().float().numpy() for name, tensor in named.items()}


def _notes(model: SetModel) -> dict[str, str]:
    config = asdict(model.config) | shown_references(model.config)
    _, numbers = _parts(model.classes)
    told = {
        "config": {key: config[key] for key in _KEPT},
        "features": model.features,
        "imagery": model.imagery.to_dict(),
        "numbers": numbers,
        "stats": asdict(model.stats),
        "taxonomy": model.taxonomy.to_dict(),
    }
    kinds = {made: kind for kind, made in _KINDS.items()}
    return {
        "firstpass": _FORMAT,
        "kind": kinds[type(model.classes)],
        "provenance": model.provenance.to_json(),
        **{key: json.dumps(value, sort_keys=True) for key, value in told.items()},
    }


def _parts(classes: ClassModel) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Take a class model apart into tensors and numbers."""
    values = {field.name: getattr(classes, field.name) for field in fields(classes)}  # type: ignore[arg-type]
    tensors = {key: value for key, value in values.items() if isinstance(value, torch.Tensor)}
    return tensors, {key: value for key, value in values.items() if key not in tensors}


def _model(
    arrays: Mapping[str, NDArray[np.float32]], notes: Mapping[str, str], name: str
) -> SetModel:
    tensors = {key: torch.from_numpy(array) for key, array in arrays.items()}
    scaler = FeatureScaler(tensors.pop("mean"), tensors.pop("projection"))
    inner = [key for key in tensors if key.startswith(_HEAD)]
    head = {key.removeprefix(_HEAD): tensors.pop(key) for key in inner}
    own = {key.removeprefix("classes."): tensor for key, tensor in tensors.items()}
    stats = json.loads(notes["stats"])
    return SetModel(
        stats=BandStats(tuple(stats["low"]), tuple(stats["high"])),
        scaler=scaler,
        classes=_KINDS[notes["kind"]](**own, **json.loads(notes["numbers"])),
        features=float(json.loads(notes["features"])),
        config=SegmentConfig(**json.loads(notes["config"])),
        taxonomy=Taxonomy.from_dict(json.loads(notes["taxonomy"])),
        imagery=Imagery.from_dict(json.loads(notes["imagery"])),
        provenance=Provenance.from_json(notes["provenance"]),
        head=CodeHead(**head) if head else None,
        name=name,
        sha256=notes["sha256"],
    )
