"""What the features of the backbones are worth by themselves, without sharpening and the like.

``python benchmarks/feature_quality.py`` puts colour, the texture bank, the embedded backbone and
the same backbone with drawn instead of learned words side by side, and writes a section of
docs/results.md.
Three seeds each: of k-means, of the pixels the probe learns from, and of the drawn words.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from napari_firstpass.backbones.embedded import EmbeddedBackbone, shipped_vocabulary
from napari_firstpass.backbones.texture import TextureBackbone
from napari_firstpass.bands import RGB
from napari_firstpass.clustering import kmeans
from napari_firstpass.evaluation.matching import Rule
from napari_firstpass.feature_scaling import FeatureScaler
from napari_firstpass.grid import Grid
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.prototypes import PrototypeModel
from napari_firstpass.raster import Raster
from rulers.changes import CHANGES, Change
from rulers.datasets import DATA
from rulers.datasets.aerial import BUILDINGS, LAND_COVER
from rulers.linear_probe import SHARE, enlarged, probe
from rulers.page import machine, replace_section
from rulers.pictures import Picture
from rulers.protocols.best_cluster import BestCluster
from rulers.protocols.classes import Classes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_firstpass.features import FeatureMap
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.vocabulary import Vocabulary

RESULTS = Path(__file__).parents[1] / "docs" / "results.md"
SEEDS = (0, 1, 2)
CPU = torch.device("cpu")
EVERY = 4
_CELLS = 32_000
_CLUSTERS = 12


@dataclass(frozen=True, slots=True)
class Row:
    """Features to measure: a name, and how to make a backbone for a seed."""

    name: str
    make: Callable[[BandStats, int], Backbone]
    colours_only: bool = False


def drawn_words(seed: int) -> Vocabulary:
    """Return as many words in the same space, drawn from a Gaussian of their spread."""
    learned = shipped_vocabulary()
    draw = torch.Generator().manual_seed(seed)
    words = torch.randn(learned.words.shape, generator=draw) * learned.words.std(0)
    return replace(learned, words=words)


def _texture(stats: BandStats, seed: int) -> Backbone:  # noqa: ARG001
    return TextureBackbone(stats, RGB, CPU)


def _embedded(stats: BandStats, seed: int) -> Backbone:  # noqa: ARG001
    return EmbeddedBackbone(stats, RGB, CPU)


def _drawn(stats: BandStats, seed: int) -> Backbone:
    return EmbeddedBackbone(stats, RGB, CPU, drawn_words(seed))


ROWS = (
    Row("colour", _texture, colours_only=True),
    Row("texture", _texture),
    Row("embedded, drawn words", _drawn),
    Row("embedded", _embedded),
)


def main() -> None:
    """Measure, print and write."""
    if LAND_COVER.missing or BUILDINGS.missing:
        print(f"skipped: aerial_landcover and aerial_geotiff are not in {DATA}")
        return
    lines = header()
    chips = LAND_COVER.load()
    site = tuple(picture for picture in BUILDINGS.load() if picture.name.startswith("site5"))
    for row in ROWS:
        values = [figures(row, chips, site, seed) for seed in SEEDS]
        cells = [spread([one[key] for one in values]) for key in values[0]]
        if row.colours_only:
            cells[-1] = "–"  # its textures were computed, too
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    replace_section(RESULTS, "features", "\n".join(lines))


def figures(
    row: Row, chips: Sequence[Picture], site: Sequence[Picture], seed: int
) -> dict[str, float]:
    """Return all figures of a row and a seed, in the order of the columns."""
    stats = BandStats.of([picture.raster for picture in chips])
    maps, _ = extracted(row, chips, stats, seed)
    found = {}
    for clusters, rule in ((3, Rule.SET), (_CLUSTERS, Rule.SET_MANY_TO_ONE)):
        labels = clustered(maps, chips, clusters, seed)
        scores = Classes(clusters, rule).score(chips, labels)
        found[f"k{clusters}"] = next(value for key, value in scores.items() if "miou" in key)
    found["probe"] = probe(chips, maps, seed)
    site_maps, seconds = extracted(row, site, BandStats.of([site[0].raster]), seed)
    labels = clustered(site_maps, site, _CLUSTERS, seed)
    found["f1"] = BestCluster(_CLUSTERS, 1, "site5").score(site, labels)["f1_site5"]
    for change, (anew, kept) in changed(row, chips[::EVERY], seed):
        found[change], found[f"{change}, kept"] = anew, kept
    found["speed"] = seconds / sum(picture.megapixels for picture in site)
    return found


def extracted(
    row: Row, pictures: Sequence[Picture], stats: BandStats, seed: int
) -> tuple[list[FeatureMap], float]:
    """Return the features of pictures, and how many seconds they took."""
    backbone = row.make(stats, seed)
    start = perf_counter()
    maps = [run(backbone.extract(picture.raster)) for picture in pictures]
    seconds = perf_counter() - start
    if row.colours_only:
        maps = [replace(one, vectors=one.vectors[:3]) for one in maps]
    return maps, seconds


@dataclass(frozen=True, slots=True)
class Fitted:
    """Clusters, and the scale in which they were found."""

    scaler: FeatureScaler
    classes: PrototypeModel

    @classmethod
    def of(cls, maps: Sequence[FeatureMap], clusters: int, seed: int) -> Fitted:
        """Run k-means on cells drawn from all maps."""
        scaler = FeatureScaler.of(maps)
        cells = torch.cat([scaler.apply(one.vectors).flatten(1).T for one in maps])
        drawn = torch.randperm(len(cells), generator=torch.Generator().manual_seed(seed))
        some = cells[drawn[:_CELLS]]
        return cls(scaler, PrototypeModel.of(run(kmeans(some, clusters, seed=seed)), some))

    def label(self, features: FeatureMap, picture: Picture) -> NDArray[np.int32]:
        """Return the cluster of every pixel."""
        scores = self.classes.scores(self.scaler.apply(features.vectors))
        return enlarged(scores, features, picture).argmax(0).numpy().astype(np.int32)


def clustered(
    maps: Sequence[FeatureMap], pictures: Sequence[Picture], clusters: int, seed: int
) -> list[NDArray[np.int32]]:
    """Return the cluster of every pixel of pictures that share their clusters."""
    fitted = Fitted.of(maps, clusters, seed)
    return [fitted.label(one, picture) for one, picture in zip(maps, pictures, strict=True)]


def changed(
    row: Row, pictures: Sequence[Picture], seed: int
) -> Iterator[tuple[str, tuple[float, float]]]:
    """Yield for each change the share of labels that differ afterwards, in two ways.

    Everything fitted anew, and scale and clusters kept; the stretch is that of the changed images
    in both. Clusters are matched one to one by pixels.
    """
    maps, _ = extracted(row, pictures, BandStats.of([one.raster for one in pictures]), seed)
    fitted = Fitted.of(maps, _CLUSTERS, seed)
    before = [fitted.label(one, picture) for one, picture in zip(maps, pictures, strict=True)]
    for name, change in CHANGES.items():
        others = [_with_bands(picture, change.apply(picture.raster.bands)) for picture in pictures]
        stats = BandStats.of([one.raster for one in others])
        maps, _ = extracted(row, others, stats, seed)
        shares = [
            differing(before, labels, change)
            for labels in (
                clustered(maps, others, _CLUSTERS, seed),
                [fitted.label(one, other) for one, other in zip(maps, others, strict=True)],
            )
        ]
        yield name, (shares[0], shares[1])


def _with_bands(picture: Picture, bands: NDArray[np.uint8]) -> Picture:
    raster = Raster.from_array(bands, Grid(*bands.shape[1:]), roles=RGB)
    return Picture(picture.name, raster)


def differing(
    before: Sequence[NDArray[np.int32]], after: Sequence[NDArray[np.int32]], change: Change
) -> float:
    """Return the share of pixels whose matched cluster is another."""
    table = np.zeros((_CLUSTERS, _CLUSTERS), np.int64)
    for one, other in zip(before, after, strict=True):
        there = change.restore(other.astype(np.int64))
        both = one[: there.shape[0], : there.shape[1]].astype(np.int64) * _CLUSTERS + there
        table += np.bincount(both.ravel(), minlength=table.size).reshape(table.shape)
    rows, cols = linear_sum_assignment(-table)
    return 1 - float(table[rows, cols].sum() / table.sum())


def spread(values: Sequence[float]) -> str:
    """Return mean ± standard deviation over seeds."""
    return f"{mean(values):.3f} ± {stdev(values):.3f}"


def header() -> list[str]:
    """Return what must be known to read the table, and its first lines."""
    changes = [text for name in CHANGES for text in (name, f"{name}, kept")]
    columns = ["3 clusters, mIoU", "12 clusters, mIoU", "linear probe, mIoU", "buildings, F1"]
    columns += [*changes, "s / megapixel"]
    where = machine("torch", "scikit-image")
    seeds = ", ".join(map(str, SEEDS))
    threads = torch.get_num_threads()
    return [
        f"`python benchmarks/feature_quality.py` on {where}, {threads} compute threads.",
        f"Seeds {seeds}: mean ± standard deviation. k-means on the scaled features of cells,",
        "labels enlarged to pixels, nothing else. The odd-numbered chips of aerial_landcover,",
        "one fit over all: 3 clusters matched one to one over the set, 12 named many-to-one; the",
        f"probe learns from {SHARE:.0%} of the pixels of every second of these chips and is tested",
        "on the others, both ways. Buildings: the best of 12 clusters in the middle of site 5.",
        "Then the share of 12-cluster labels that differ after a change, matched one to one, on",
        "every fourth of the chips: everything fitted anew, and clusters kept.",
        "",
        f"| features | {' | '.join(columns)} |",
        "|---" * (len(columns) + 1) + "|",
    ]


if __name__ == "__main__":
    main()
