"""Finer maps by AnyUp, a learned upsampler whose weights are in a folder; nothing is fetched.

Wimmer et al., "AnyUp: Universal Feature Upsampling", ICLR 2026 (arXiv 2510.12764); see
`anyup_network`. It looks at 16 x 16 coarse cells at a time, as many as it was trained with, and
what it says of the same place from two such views is blended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.folder import PixelScaling
from napari_firstpass.networks.loading import FAILURES
from napari_firstpass.networks.sliding import views
from napari_firstpass.networks.viewing import scaled
from napari_firstpass.progress import Progress, Steps
from napari_firstpass.tensor_file import unpack
from napari_firstpass.upsampling.anyup_network import AnyUpNetwork

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

SUFFIXES = (".safetensors", ".pth", ".pt")

_SCALING = PixelScaling((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_SIDE = 16
_OVERLAP = 4
_NAMED = 3


@dataclass(frozen=True, slots=True)
class AnyUp:
    """Means of coarse vectors, weighted by a network that looks at the picture.

    Attributes
    ----------
    network : AnyUpNetwork
        In evaluation mode.
    """

    network: AnyUpNetwork

    def finer(
        self, maps: Tensor, picture: Tensor, factor: int, shape: tuple[int, int]
    ) -> Steps[Tensor]:
        """Return maps on a finer grid; see `Upsampler`."""
        self.network.to(maps.device)
        seen = scaled(picture, _SCALING)
        patch = picture.shape[1] // maps.shape[1]
        result = maps.new_zeros(len(maps), *shape)
        cuts = views(*maps.shape[1:], side=_SIDE, overlap=_OVERLAP)
        for done, view in enumerate(cuts):
            yield Progress(done, len(cuts), "making features finer")
            w = view.window
            pixels = seen[:, w.row * patch : w.bottom * patch, w.col * patch : w.right * patch]
            rows, cols = w.slices
            with torch.inference_mode():
                found = self.network(pixels, maps[:, rows, cols].contiguous(), factor)
            found = found * _fine(view.weights, factor).to(found)
            place = result[:, w.row * factor : w.bottom * factor, w.col * factor : w.right * factor]
            place += found[:, : place.shape[1], : place.shape[2]]
        return result


def _fine(weights: Tensor, factor: int) -> Tensor:
    """Repeat weights (h, w) for the fine cells of each coarse one; they still sum to 1."""
    return functional.interpolate(weights[None, None], scale_factor=factor, mode="nearest")[0, 0]


def weights_file(folder: Path) -> Path:
    """Return the file with weights in a folder.

    Raises
    ------
    WeightsError
        If there is none, or more than one of a kind.
    """
    for suffix in SUFFIXES:
        found = sorted(folder.glob(f"*{suffix}"))
        if len(found) == 1:
            return found[0]
        if found:
            break
    else:
        found = []
    raise WeightsError(
        expected=f"one file with the weights of AnyUp (.safetensors or .pth) in {folder}",
        found=f"{len(found)}: {', '.join(file.name for file in found[:_NAMED])}"
        if found
        else ("none" if folder.is_dir() else "no such folder"),
        remedy="put anyup_multi_backbone.pth from https://github.com/wimmerth/anyup there, alone",
    )


def load_anyup(folder: Path) -> AnyUp:
    """Load AnyUp from the weights in a folder; no code that may be in a file is run.

    Parameters
    ----------
    folder : Path
        Holds one ``.safetensors`` or ``.pth`` file with the parameters by name.

    Raises
    ------
    WeightsError
        If there is no such file, it cannot be read, or its parameters are not those of AnyUp.
    """
    file = weights_file(folder)
    found = _read(file)
    network = AnyUpNetwork()
    _require_same(found, network.state_dict(), file)
    network.load_state_dict(found)
    return AnyUp(network.eval().requires_grad_(requires_grad=False))


def _read(file: Path) -> dict[str, Tensor]:
    try:
        if file.suffix == ".safetensors":
            arrays = unpack(file.read_bytes(), str(file))
            return {name: torch.from_numpy(array) for name, array in arrays.items()}
        content = torch.load(file, map_location="cpu", weights_only=True)
    except FAILURES as error:
        if isinstance(error, WeightsError):
            raise
        raise _unfit(file, f"a file that cannot be read so ({type(error).__name__})") from error
    if not isinstance(content, dict):
        raise _unfit(file, f"a {type(content).__name__}")
    others = [str(name) for name, value in content.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise _unfit(file, f"something else: {', '.join(others[:_NAMED])}")
    return {str(name): value.float() for name, value in content.items()}


def _require_same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], file: Path) -> None:
    """Check names, shapes and values of parameters."""
    flaws = {
        "no": [name for name in wanted if name not in found],
        "an unknown": [name for name in found if name not in wanted],
        "another shape of": [
            name for name in wanted if name in found and found[name].shape != wanted[name].shape
        ],
        "numbers that are not finite in": [
            name for name, value in found.items() if not value.isfinite().all()
        ],
    }
    for what, names in flaws.items():
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise _unfit(file, f"{what} {', '.join(names[:_NAMED])}{more}")


def _unfit(file: Path, found: str) -> WeightsError:
    return WeightsError(
        expected=f"the parameters of AnyUp by name, as plain tensors, in {file}",
        found=found,
        remedy="get the file again from https://github.com/wimmerth/anyup",
    )
