"""Bringing features to a common scale, with statistics of valid vectors only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_firstpass.progress import Progress, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.progress import Steps


@dataclass(frozen=True, slots=True)
class FeatureScaler:
    """Centres, decorrelates and scales feature vectors.

    Attributes
    ----------
    mean : (D,) tensor
        Mean of the sample.
    projection : (E, D) tensor
        Rows are scaled principal directions, E ≤ D.
    """

    mean: Tensor
    projection: Tensor

    @classmethod
    def of(
        cls, sample: Sequence[FeatureMap], *, keep: float = 0.95, power: float = 0.4
    ) -> FeatureScaler:
        """Do the work of `of_steps` at once."""
        return run(cls.of_steps(sample, keep=keep, power=power))

    @classmethod
    def of_steps(
        cls, sample: Sequence[FeatureMap], *, keep: float = 0.95, power: float = 0.4
    ) -> Steps[FeatureScaler]:
        """Fit to a sample.

        Channels are divided by their spread, then weighted so that each group of them has the same
        variance; then come the principal directions.

        Parameters
        ----------
        sample : sequence of FeatureMap
            Windows with at least one valid cell between them.
        keep : float
            Share of the variance, of features so weighted, to keep.
        power : float
            0 leaves the principal components as they are, 1 whitens them fully.
        """
        mean, covariance = yield from _moments_steps(sample)
        spread = covariance.diagonal().sqrt()
        inverse = torch.where(spread > 1e-9, 1 / spread.clamp_min(1e-9), 0.0)
        inverse *= _weights(sample[0].groups or (len(mean),)).to(inverse)
        values, directions = torch.linalg.eigh(inverse[:, None] * covariance * inverse)
        values, directions = values.flip(0).clamp_min(0), directions.flip(1).T
        share = values.cumsum(0) / values.sum().clamp_min(1e-12)
        count = max(1, int((share < keep).sum()) + 1)
        directions, values = fixed_sign(directions[:count]), values[:count].clamp_min(1e-9)
        projection = directions * inverse / values.pow(power / 2).unsqueeze(1)
        return cls(mean.float(), projection.float())

    @classmethod
    def identity(cls, width: int, device: torch.device | None = None) -> FeatureScaler:
        """Return what leaves vectors of ``width`` numbers as they are."""
        return cls(torch.zeros(width, device=device), torch.eye(width, device=device))

    def apply(self, vectors: Tensor) -> Tensor:
        """Scale vectors (D, h, w) to (E, h, w)."""
        flat = self.projection @ (vectors.flatten(1) - self.mean.unsqueeze(1))
        return flat.reshape(-1, *vectors.shape[1:])


def _moments_steps(sample: Sequence[FeatureMap]) -> Steps[tuple[Tensor, Tensor]]:
    """Return mean (D,) and covariance (D, D) of all valid vectors, in double precision.

    Window by window: of a large sample, no second copy is made.
    """
    count = sum(int(window.valid.sum()) for window in sample)
    sums = []
    for done, window in enumerate(sample):
        yield Progress(done, 2 * len(sample), "comparing features")
        sums.append(window.vectors[:, window.valid].double().sum(1))
    mean = torch.stack(sums).sum(0) / count
    covariance = mean.new_zeros(len(mean), len(mean))
    for done, window in enumerate(sample, start=len(sample)):
        yield Progress(done, 2 * len(sample), "comparing features")
        centred = window.vectors[:, window.valid].double() - mean[:, None]
        covariance.addmm_(centred, centred.T)
    return mean, covariance / count


def _weights(groups: tuple[int, ...]) -> Tensor:
    """Return a weight (D,) for each channel of the groups; with one group they are all 1."""
    sizes = torch.tensor(groups)
    weights = (sizes.sum() / (len(sizes) * sizes.double())).sqrt()
    return weights.repeat_interleave(sizes)


def valid_vectors(sample: Sequence[FeatureMap]) -> Tensor:
    """Return the valid vectors of a sample as (n, D)."""
    return torch.cat([window.vectors[:, window.valid].T for window in sample])


def fixed_sign(directions: Tensor) -> Tensor:
    """Flip rows of (E, D) so that the largest entry is positive: an axis has no sign."""
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    return directions * torch.where(largest < 0, -1.0, 1.0).to(directions.dtype)
