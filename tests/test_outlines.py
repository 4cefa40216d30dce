from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from pycocotools import mask as coco
from rasterio.features import rasterize

from napari_firstpass.outlines import regions as regions_module
from napari_firstpass.outlines.bridges import bridged
from napari_firstpass.outlines.regions import Regions, regions_by_strips
from napari_firstpass.outlines.rings import Rings
from napari_firstpass.outlines.runs import run_lengths
from napari_firstpass.outlines.smoothing import smoothed
from napari_firstpass.run_length import RunLength

if TYPE_CHECKING:
    from numpy.typing import NDArray

# A ring whose hole touches what is outside with a corner, in a frame; unlabelled is 0.
TOUCHING = np.array([
    [1, 1, 1, 0],
    [1, 2, 1, 0],
    [1, 1, 2, 2],
    [0, 0, 2, 2],
])  # fmt: skip


def noise(seed: int, classes: int = 3) -> NDArray[np.uint8]:
    """Return labels in which everything touches everything, of a size of its own."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(2, 24, 2)
    return rng.integers(0, classes, (height, width)).astype(np.uint8)


def found(labels: NDArray[np.uint8], sure: NDArray[np.uint8] | None = None) -> list[Regions]:
    return list(
        regions_by_strips(
            *labels.shape,
            lambda window: labels[window.slices],
            None if sure is None else lambda window: sure[window.slices],
        )
    )


def polygon(rings: Rings, region: int) -> list[NDArray[np.float64]]:
    """Return the rings of a region as (x, y)."""
    bounds = zip(rings.starts[:-1], rings.starts[1:], strict=True)
    own = [slice(*b) for b, r in zip(bounds, rings.region, strict=True) if r == region]
    return [rings.points[part][:, ::-1] for part in own]


def filled(rings: Rings, region: int, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return the pixels whose middles GDAL finds inside."""
    closed = [np.vstack([ring, ring[:1]]).tolist() for ring in polygon(rings, region)]
    geometry = {"type": "Polygon", "coordinates": closed}
    return rasterize([geometry], out_shape=shape).astype(bool)


@pytest.mark.parametrize("pixels", [1, 60, 10_000])
@pytest.mark.parametrize("seed", range(5))
def test_gdal_draws_the_labels_again_whatever_the_strips(
    seed: int, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regions_module, "_PIXELS_AT_ONCE", pixels)
    labels = noise(seed)
    drawn, covered = np.zeros_like(labels), np.zeros(labels.shape, int)
    for batch in found(labels):
        for region, value in enumerate(batch.value):
            mask = filled(batch.rings, region, labels.shape)
            drawn[mask] = value
            covered += mask
            assert mask.sum() == batch.pixels[region]
            rows, cols = np.nonzero(mask)
            row, col, height, width = batch.box[region]
            assert (rows.min(), cols.min()) == (row, col)
            assert (rows.max() + 1, cols.max() + 1) == (row + height, col + width)
    np.testing.assert_array_equal(drawn, labels)
    assert covered.max() == 1


def test_regions_are_the_same_whatever_the_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, sure = noise(11, classes=2), noise(11, classes=200)
    seen = []
    for pixels in (1, 90, 10_000):
        monkeypatch.setattr(regions_module, "_PIXELS_AT_ONCE", pixels)
        batches = found(labels, sure)
        told = [np.column_stack([b.box, b.pixels, b.value, b.confidence]) for b in batches]
        together = np.concatenate(told)
        seen.append(together[np.lexsort(together.T)])
    np.testing.assert_allclose(seen[0], seen[1])
    np.testing.assert_allclose(seen[0], seen[2])


def test_the_confidence_of_a_region_is_the_mean_of_its_pixels() -> None:
    labels = np.array([[1, 1, 2], [1, 2, 2]], np.uint8)
    sure = np.array([[10, 20, 5], [60, 6, 7]], np.uint8)
    (batch,) = found(labels, sure)
    assert batch.confidence is not None
    assert batch.confidence.tolist() == [30.0, 6.0]


def test_a_hole_that_touches_the_outside_is_a_ring_of_its_own() -> None:
    (batch,) = found(TOUCHING.astype(np.uint8))
    outer, hole = polygon(batch.rings, 0)
    assert hole.tolist() == [[1, 1], [1, 2], [2, 2], [2, 1]]
    assert len({tuple(point) for point in outer.tolist()}) == len(outer)


def test_pixels_that_touch_with_a_corner_are_two_regions() -> None:
    (batch,) = found(np.eye(2, dtype=np.uint8))
    assert batch.pixels.tolist() == [1, 1]


def test_a_point_where_three_classes_meet_belongs_to_all_of_them() -> None:
    labels = np.array([[1, 1], [2, 3]], np.uint8)
    (batch,) = found(labels)
    for region in range(3):
        (ring,) = polygon(batch.rings, region)
        assert [1, 1] in ring.tolist()


def test_nothing_has_no_regions() -> None:
    (batch,) = found(np.zeros((3, 4), np.uint8))
    assert len(batch) == len(batch.rings.region) == 0
    assert not list(run_lengths(batch, 3, 4))
    assert not len(smoothed(bridged(batch.rings), 3, 4).points)


@pytest.mark.parametrize("seed", range(5))
def test_runs_are_those_of_the_pixels(seed: int) -> None:
    labels = noise(seed)
    (batch,) = found(labels)
    for region, runs in enumerate(run_lengths(batch, *labels.shape)):
        np.testing.assert_array_equal(runs.mask, filled(batch.rings, region, labels.shape))


@pytest.mark.parametrize("seed", range(5))
def test_pycocotools_fills_a_polygon_with_bridges_but_for_its_holes(seed: int) -> None:
    labels = noise(seed, classes=2)
    (batch,) = found(labels)
    rings = bridged(batch.rings)
    for region in range(len(batch)):
        (ring,) = polygon(rings, region)
        masks = coco.frPyObjects([ring.ravel().tolist()], *labels.shape)
        expected = filled(batch.rings, region, labels.shape)
        assert coco.merge(masks)["counts"].decode() == RunLength.of(expected).text


@pytest.mark.parametrize("seed", range(5))
def test_smooth_outlines_leave_no_gap_and_no_overlap(seed: int) -> None:
    labels = noise(seed) + np.uint8(1)
    (batch,) = found(labels)
    rings = smoothed(batch.rings, *labels.shape)
    assert rings.areas.sum() == labels.size
    fine = np.zeros(tuple(8 * side + 1 for side in labels.shape), int)
    for region in range(len(batch)):
        at = Rings(8 * rings.points + 0.5, rings.node, rings.starts, rings.region)
        fine += filled(at, region, fine.shape)
    # Middles of these pixels may lie on a border, where GDAL gives them to one side or both.
    inside = fine[1:-1, 1:-1]
    assert (inside == 1).mean() > 0.9
    assert set(np.unique(inside)) <= {0, 1, 2}


def test_the_stairs_of_a_slanting_border_become_one_line() -> None:
    labels = (np.tri(12, 12, dtype=np.uint8)) + np.uint8(1)
    (batch,) = found(labels)
    rings = smoothed(batch.rings, 12, 12)
    for region in range(2):
        (ring,) = polygon(rings, region)
        assert len(ring) <= 7  # of 26 corners


def test_a_border_is_smoothed_the_same_from_both_sides() -> None:
    labels = np.ones((9, 9), np.uint8)
    labels[2:7, 3:5] = labels[4, 2:8] = 2
    (batch,) = found(labels)
    rings = smoothed(batch.rings, 9, 9)
    _, hole = polygon(rings, 0)
    (island,) = polygon(rings, 1)
    assert {tuple(p) for p in hole.tolist()} == {tuple(p) for p in island.tolist()}
