from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from counting import Counting, texture_of
from features import landscape, rgb_raster

from napari_firstpass.cached_backbone import CachedBackbone, identity_of
from napari_firstpass.feature_cache import FeatureCache
from napari_firstpass.grid import Grid, Window
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import Progress, Steps, run

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.bands import Role
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.protocols import Backbone
    from napari_firstpass.raster import Raster

CPU = torch.device("cpu")


@pytest.fixture
def raster() -> Raster:
    valid = np.ones((70, 90), bool)
    valid[:9, :30] = False
    return rgb_raster(np.ascontiguousarray(landscape(70, 90)), valid)


def cached(raster: Raster, folder: Path, inner: Backbone | None = None) -> CachedBackbone:
    backbone = inner or texture_of(raster)
    cache, stats = FeatureCache(folder), BandStats.of([raster])
    return CachedBackbone(backbone, cache, "texture", stats, raster.roles, CPU)


def assert_same(one: FeatureMap, other: FeatureMap) -> None:
    assert one.vectors.numpy().tobytes() == other.vectors.numpy().tobytes()
    assert one.vectors.stride() == other.vectors.stride()
    assert one.valid.equal(other.valid)
    assert replace(one, vectors=other.vectors, valid=other.valid) == other


def test_a_hit_is_what_was_computed_and_computes_nothing(raster: Raster, tmp_path: Path) -> None:
    inner = Counting(texture_of(raster))
    plain = run(texture_of(raster).extract(raster))
    first = run(cached(raster, tmp_path, inner).extract(raster))
    again = run(cached(raster, tmp_path, inner).extract(raster))  # as another run would
    assert inner.calls == 1
    assert_same(first, plain)
    assert_same(again, plain)
    assert not plain.valid.all()


def test_the_same_pixels_elsewhere_are_a_hit_with_their_own_place(
    raster: Raster, tmp_path: Path
) -> None:
    inner = Counting(texture_of(raster))
    run(cached(raster, tmp_path, inner).extract(raster))
    moved = replace(raster, grid=Grid(70, 90, crs="EPSG:32631"), names=("a", "b", "c"))
    found = run(cached(raster, tmp_path, inner).extract(moved))
    assert inner.calls == 1
    assert found.grid == moved.grid.coarsen(4)


def test_a_window_has_the_key_of_its_pixels_not_of_its_memory(
    raster: Raster, tmp_path: Path
) -> None:
    backbone = cached(raster, tmp_path)
    window = raster.crop(Window(16, 16, 32, 48))
    copied = replace(window, bands=window.bands.copy(), valid=window.valid.copy())
    assert not window.bands.flags.c_contiguous
    assert backbone.key(window) == backbone.key(copied)


def test_what_features_depend_on_changes_the_key(raster: Raster, tmp_path: Path) -> None:
    backbone = cached(raster, tmp_path)
    pixel, bit = raster.bands.copy(), raster.valid.copy()
    pixel[1, 69, 89] += 1
    bit[69, 89] = False
    turned = rgb_raster(raster.bands.transpose(0, 2, 1), raster.valid.T)
    # The same bytes as another shape and as another type.
    wide = rgb_raster(raster.bands.reshape(3, 35, 180), raster.valid.reshape(35, 180))
    narrow = rgb_raster(raster.bands.view(np.uint16), raster.valid[:, ::2])
    signed = replace(raster, bands=raster.bands.view(np.int8))
    low, high = backbone.stats.low, backbone.stats.high
    roles: tuple[Role | None, ...] = ("red", "green", None)
    keys = [
        backbone.key(raster),
        backbone.key(replace(raster, bands=pixel)),
        backbone.key(replace(raster, valid=bit)),
        *(backbone.key(other) for other in (turned, wide, narrow, signed)),
        backbone.key(replace(raster, bands=raster.bands[::-1])),
        replace(backbone, stats=BandStats(low, (*high[:2], high[2] + 1e-9))).key(raster),
        replace(backbone, stats=BandStats((low[0] - 1e-9, *low[1:]), high)).key(raster),
        replace(backbone, roles=roles).key(raster),
        replace(backbone, identity="texture 2").key(raster),
        replace(backbone, device=torch.device("cuda")).key(raster),
    ]
    assert len(set(keys)) == len(keys) == 13
    assert backbone.key(raster) == keys[0]


def test_settings_have_one_identity_in_any_order() -> None:
    settings: dict[str, Any] = {"layer": 9, "flips": True, "mean": [0.5, 0.25]}
    backwards = dict(reversed(settings.items()))
    one = identity_of("vit", "ab12", settings)
    assert one == identity_of("vit", "ab12", backwards)
    others = {
        identity_of("vit", "ab13", settings),
        identity_of("vit", None, settings),
        identity_of("vit 2", "ab12", settings),
        identity_of("vit", "ab12", settings | {"layer": 10}),
        identity_of("vit", "ab12", settings | {"layer": "9"}),
    }
    assert len(others | {one}) == 6


class Turned:
    """A backbone whose vectors lie in memory as transformers leave them: cell after cell."""

    def __init__(self, backbone: Backbone) -> None:
        self.backbone = backbone

    def extract(self, raster: Raster) -> Steps[FeatureMap]:
        found = yield from self.backbone.extract(raster)
        last = found.vectors.permute(1, 2, 0).contiguous().permute(2, 0, 1)
        return replace(found, vectors=last)


def test_new_features_lie_in_memory_as_those_from_disk(raster: Raster, tmp_path: Path) -> None:
    backbone = cached(raster, tmp_path, Turned(texture_of(raster)))
    assert_same(run(backbone.extract(raster)), run(backbone.extract(raster)))


def test_a_damaged_entry_is_computed_again_and_then_found(raster: Raster, tmp_path: Path) -> None:
    inner = Counting(texture_of(raster))
    backbone = cached(raster, tmp_path, inner)
    expected = run(backbone.extract(raster))
    (entry,) = tmp_path.rglob("*.safetensors")
    content = bytearray(entry.read_bytes())
    content[len(content) // 2] ^= 4
    entry.write_bytes(content)
    assert_same(run(backbone.extract(raster)), expected)
    assert_same(run(backbone.extract(raster)), expected)
    assert inner.calls == 2


def test_a_cache_that_cannot_be_written_stops_no_run(raster: Raster, tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("mine")
    backbone = cached(raster, folder)
    assert_same(run(backbone.extract(raster)), run(texture_of(raster).extract(raster)))
    assert backbone.cache.trouble is not None
    assert folder.read_text() == "mine"


def test_progress_is_that_of_the_inner_backbone(raster: Raster, tmp_path: Path) -> None:
    seen: list[Progress] = []
    run(cached(raster, tmp_path).extract(raster), seen.append)
    inner: list[Progress] = []
    run(texture_of(raster).extract(raster), inner.append)
    assert seen[1:] == inner
    run(cached(raster, tmp_path).extract(raster), seen.append)
    assert len(seen) == len(inner) + 2


def test_a_run_that_is_dropped_stores_nothing(raster: Raster, tmp_path: Path) -> None:
    steps = cached(raster, tmp_path).extract(raster)
    next(steps)
    next(steps)
    steps.close()
    assert list(tmp_path.rglob("*")) == []
