"""DiffSeg on features: rows of similarities instead of attention."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import TYPE_CHECKING

import pytest
import torch
from features import agreement, feature_map, rgb_raster, stripes
from mosaics import mosaic

from napari_firstpass.api import segment_source_steps
from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import OptionError
from napari_firstpass.feature_scaling import valid_vectors
from napari_firstpass.kl_merging import anchored_steps, count_steps
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource
from napari_firstpass.segmenters.diffseg import (
    DEFAULT,
    DiffSegConfig,
    DiffSegSegmenter,
    similarities,
    temperature_for,
)

if TYPE_CHECKING:
    from napari_firstpass.features import FeatureMap

SMALL = replace(DEFAULT, keys=512, anchors=64)


def window(count: int = 4, noise: float = 0.3) -> FeatureMap:
    return feature_map(stripes(24, 24, count), noise=noise)


@pytest.mark.parametrize("spread", [1 / 64, 1 / 8])
def test_rows_spread_over_as_many_keys_as_said(spread: float) -> None:
    keys = torch.randn(700, 8, generator=torch.Generator().manual_seed(0))
    rows, sums = similarities(keys, temperature_for(keys, spread))
    torch.testing.assert_close(rows.sum(1), torch.ones(700))
    entropy = -(rows * rows.clamp_min(1e-30).log()).sum(1).mean()
    assert float(entropy) == pytest.approx(log(spread * 700), abs=0.05)
    assert bool((sums >= 1).all())


def test_the_scale_of_features_does_not_matter() -> None:
    one, large = window(), window()
    large = replace(large, vectors=large.vectors * 64)
    found, other = (
        run(DiffSegSegmenter(classes=4, seed=0, config=SMALL).fit([w])).scores(w.vectors)
        for w in (one, large)
    )
    torch.testing.assert_close(found, other)


def test_at_the_keys_classes_are_the_strongest_proposals() -> None:
    sample = [window()]
    segmenter = DiffSegSegmenter(classes=5, seed=0, config=replace(SMALL, keys=24 * 24))
    model = run(segmenter.fit(sample))
    cells = valid_vectors(sample)
    keys, anchors = segmenter._drawn(cells)
    assert torch.equal(keys, cells)
    rows, _ = similarities(keys, temperature_for(keys, segmenter.spread))
    proposals = run(count_steps(run(anchored_steps(rows, anchors)), 5, proposals=12)).maps
    shares = proposals / proposals.sum(0)
    found = model.scores(cells.T[:, :, None])[:, :, 0]
    order = torch.argsort(torch.bincount(shares.argmax(0)), descending=True, stable=True)
    torch.testing.assert_close(found, shares[order], atol=1e-4, rtol=0)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_with_a_threshold_the_number_of_classes_emerges(count: int) -> None:
    config = replace(SMALL, threshold=1.1, spread=1 / count)
    sample = window(count, noise=0.1)
    model = run(DiffSegSegmenter(classes=2, seed=0, config=config).fit([sample]))
    found = model.scores(sample.vectors).argmax(0).numpy()
    assert model.count == count
    assert agreement(found, stripes(24, 24, count)) > 0.98


def test_the_order_of_windows_does_not_matter() -> None:
    windows = [window(n, noise=0.2) for n in (2, 3, 4)]
    found = []
    for sample in (windows, windows[::-1]):
        model = run(DiffSegSegmenter(classes=4, seed=0).fit(sample))
        found.append(model.scores(windows[2].vectors).argmax(0).numpy())
        assert agreement(found[-1], stripes(24, 24, 4)) > 0.95
    assert agreement(*found) > 0.95


def test_refining_keeps_what_is_clear() -> None:
    config = replace(SMALL, refine=True)
    model = run(DiffSegSegmenter(classes=4, seed=0, config=config).fit([window()]))
    found = model.scores(window().vectors).argmax(0).numpy()
    assert agreement(found, stripes(24, 24, 4)) > 0.95


@pytest.mark.parametrize("count", [3, 6])
def test_a_mosaic_of_textures_is_recovered(count: int) -> None:
    image, truth = mosaic(count, seed=1)
    config = SegmentConfig(method="diffseg", classes=count, device="cpu")
    source = ArraySource(rgb_raster(image))
    one, other = (run(segment_source_steps(source, config, name="mosaic")) for _ in range(2))
    assert agreement(one.labels, truth) > 0.9
    assert one.labels.tobytes() == other.labels.tobytes()


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.0},
        {"keys": 8},
        {"keys": 5000},
        {"proposals": 0},
        {"anchors": 0},
        {"rounds": 0},
        {"spread": 1},
    ],
)
def test_settings_out_of_their_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(OptionError):
        DiffSegConfig(**options)
