"""Codes: what a segmentation head that was trained elsewhere makes of a network's features.

STEGO (Hamilton, Zhang, Hariharan, Snavely and Freeman, ICLR 2022, arXiv 2203.08414) and HP (Seong,
Moon, Lee and Heo, CVPR 2023, arXiv 2303.15014) train a small head on the frozen features of
DINO, so that the cosine of two codes tells whether two places are of one kind. Beside it they train
a cluster probe: a centre for each class, to which a place belongs by the largest cosine.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import torch

from napari_firstpass.errors import OptionError, WeightsError
from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from torch import Tensor

    from napari_firstpass.features import FeatureMap

_CELLS = 2**12
"""Cells that are projected at a time: about 100 ms for vectors of 768 numbers on one core."""


@dataclass(frozen=True, slots=True)
class CodeHead:
    """z = A f + a + C ReLU(B f + b) + c, each place by itself.

    Attributes
    ----------
    direct, direct_bias : (W, D), (W,) tensor
        A and a.
    inner, inner_bias : (H, D), (H,) tensor
        B and b.
    outer, outer_bias : (W, H), (W,) tensor
        C and c.

    Raises
    ------
    WeightsError
        If the shapes contradict each other, or a number is not finite.
    """

    direct: Tensor
    direct_bias: Tensor
    inner: Tensor
    inner_bias: Tensor
    outer: Tensor
    outer_bias: Tensor

    def __post_init__(self) -> None:
        found = [tuple(tensor.shape) for tensor in self.tensors.values()]
        if self.direct.ndim == self.inner.ndim == 2:
            (width, features), hidden = found[0], len(self.inner)
            straight, bent = [(width, features), (width,)], [(hidden, features), (hidden,)]
            if found == [*straight, *bent, (width, hidden), (width,)]:
                _require_finite(self.tensors)
                return
        raise WeightsError(
            expected="a head of shapes (W, D), (W,), (H, D), (H,), (W, H) and (W,)",
            found=", ".join(map(str, found)),
            remedy="get the file again",
        )

    @classmethod
    def linear(cls, direct: Tensor, direct_bias: Tensor) -> CodeHead:
        """Return a head without the part that bends."""
        width, features = direct.shape
        bent = direct.new_zeros(1, features), direct.new_zeros(1)
        return cls(
            direct, direct_bias, *bent, direct.new_zeros(width, 1), torch.zeros_like(direct_bias)
        )

    @property
    def features(self) -> int:
        """D: numbers in a vector of the network."""
        return self.direct.shape[1]

    @property
    def width(self) -> int:
        """W: numbers in a code."""
        return len(self.direct)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All six, by the names of the attributes."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to(self, device: torch.device) -> CodeHead:
        """Return the same head on a device."""
        return CodeHead(**{name: tensor.to(device) for name, tensor in self.tensors.items()})

    def codes(self, vectors: Tensor) -> Tensor:
        """Return the codes (W, n) of vectors (D, n); their lengths are not 1."""
        hidden = torch.addmm(self.inner_bias[:, None], self.inner, vectors).relu_()
        straight = torch.addmm(self.direct_bias[:, None], self.direct, vectors)
        return straight.addmm_(self.outer, hidden).add_(self.outer_bias[:, None])

    def project(self, features: FeatureMap) -> Steps[FeatureMap]:
        """Return the codes of all cells of a map, holding little more than these at a time."""
        flat = features.vectors.flatten(1)
        found = flat.new_empty(self.width, flat.shape[1])
        for at in range(0, flat.shape[1], _CELLS):
            yield Progress(at, flat.shape[1], "making codes")
            found[:, at : at + _CELLS] = self.codes(flat[:, at : at + _CELLS])
        shape = (self.width, *features.vectors.shape[1:])
        return replace(features, vectors=found.reshape(shape), groups=())


def _require_finite(tensors: dict[str, Tensor]) -> None:
    wrong = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if wrong:
        raise WeightsError(
            expected="a head of finite numbers",
            found=f"others in {', '.join(wrong)}",
            remedy="get the file again",
        )


@dataclass(frozen=True, slots=True)
class HeadFile:
    """What was found in a checkpoint.

    Attributes
    ----------
    head : CodeHead
        The head.
    centres : (K, W) tensor or None
        Those of the cluster probe, None for a file without one. Their lengths do not matter.
    name : str
        Of the file, without its folder.
    sha256 : str
        Hash of the numbers of both: the same for a checkpoint and for what was converted from it.
    """

    head: CodeHead
    centres: Tensor | None
    name: str
    sha256: str

    def require_features(self, count: int) -> None:
        """Check that the head fits vectors of ``count`` numbers.

        Raises
        ------
        WeightsError
            If it was trained on others.
        """
        if count != self.head.features:
            raise WeightsError(
                expected=f"vectors of {self.head.features} numbers, on which {self.name} was "
                "trained",
                found=f"{count} from the backbone",
                remedy="choose the network that it was trained on as the backbone",
            )

    def require_classes(self, count: int) -> Tensor:
        """Return the centres of the cluster probe, (count, W).

        Raises
        ------
        WeightsError
            If the file has no cluster probe.
        OptionError
            If the probe has another number of classes.
        """
        if self.centres is None:
            raise WeightsError(
                expected=f"a cluster probe in {self.name}, to start from",
                found="none: no tensor (K, W) with cluster in its name, of codes of "
                f"{self.head.width} numbers",
                remedy="choose another checkpoint, or a method that needs none, such as kmeans",
            )
        if len(self.centres) != count:
            raise OptionError(
                expected=f"{len(self.centres)} classes, as the cluster probe of {self.name} has",
                found=str(count),
                remedy="ask for as many, or choose a method that needs no probe, such as kmeans",
            )
        return self.centres
