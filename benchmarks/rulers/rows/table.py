"""Which rows there are."""

from __future__ import annotations

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.refiners import REFINERS
from napari_firstpass.segmenters import SEGMENTERS
from rulers.rows import Row

_TRAINED = ("primaps-em", "smooseg")
"""Methods that learn from many images; on photographs one by one they say little, and take long."""


def _ours(method: str, backbone: str) -> Row:
    about = f"ours: {SEGMENTERS.summary(method)}; features: {BACKBONES.summary(backbone)}"
    return Row(
        name=f"firstpass {method} on {backbone}",
        about=about,
        target="rulers.rows.ours:FirstPass",
        options={"method": method, "backbone": backbone},
        regions=method not in _TRAINED,
    )


def _refined(method: str, refiner: str, *, regions: bool) -> Row:
    name, _, preset = refiner.partition(":")
    return Row(
        name=f"firstpass {method}, {refiner}",
        about=f"ours: {method} on embedded, its labels refined: {REFINERS.summary(name)}"
        + (f"; preset {preset}" if preset else ""),
        target="rulers.rows.ours:FirstPass",
        options={"method": method, "backbone": "embedded", "refine": refiner},
        regions=regions,
        classes=not regions,
    )


def _felzenszwalb(scale: int) -> Row:
    return Row(
        name=f"Felzenszwalb {scale}",
        about=f"its regions as they are: scale {scale}, sigma 0.8, at least 20 pixels; needs no "
        "number of clusters",
        target="rulers.rows.felzenszwalb:Felzenszwalb",
        options={"scale": scale},
        most_seeds=1,
        classes=False,
    )


_OTHERS = (
    Row(
        name="k-means on Lab",
        about="k-means on the Lab colour of pixels",
        target="rulers.rows.colour:ColourKMeans",
    ),
    Row(
        name="SLIC + k-means on Lab",
        about="k-means on the mean Lab colour of SLIC superpixels of about 400 pixels, weighted by "
        "size",
        target="rulers.rows.superpixels:SlicKMeans",
        options={"pixels": 400},
    ),
    Row(
        name="Felzenszwalb + k-means on Lab",
        about="k-means on the mean Lab colour of Felzenszwalb regions (scale 100, sigma 0.8, at "
        "least 20 pixels), weighted by size",
        target="rulers.rows.superpixels:FelzenszwalbKMeans",
        options={"scale": 100},
        regions=False,
    ),
    _felzenszwalb(500),
    _felzenszwalb(100),
    Row(
        name="DFC network",
        about="differentiable feature clustering, our own from Kim, Kanezaki and Tanaka 2020, "
        "sized for two cores: two blocks of 32 channels, half resolution, as many responses as "
        "clusters, continuity weighted 1; 40 steps on an image by itself, 200 steps of four "
        "windows of at most 320 × 320 pixels on a set",
        target="rulers.rows.feature_clustering:FeatureClustering",
        most_seeds=2,
    ),
    Row(
        name="blank",
        about="one cluster everywhere: what a figure gives for nothing",
        target="rulers.rows.blank:Blank",
        most_seeds=1,
    ),
)

ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        *(_ours(method, "embedded") for method in SEGMENTERS.names),
        *(_ours(method, "texture") for method in ("kmeans", "primaps")),
        _refined("primaps", "dynaguide", regions=False),
        _refined("kmeans", "dynaguide", regions=True),
        _refined("kmeans", "dynaguide:photographs", regions=True),
        *_OTHERS,
    )
}
