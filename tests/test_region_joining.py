"""Regions between which the image has no edge."""

from __future__ import annotations

import numpy as np
import pytest

from napari_firstpass.region_joining import JoinConfig, edge_strength, join_regions

STRICT = JoinConfig(edge=1.5)


def bands(width: int = 60) -> np.ndarray:
    """Label three stripes 4, 2 and 7."""
    return np.repeat([4, 2, 7], width // 3)[None].repeat(30, 0).astype(np.int64)


def picture(edge: bool) -> np.ndarray:
    """Paint grey that changes slowly, and at 40 of 60 columns in a step if there is an edge."""
    ramp = np.linspace(0.3, 0.4, 60)
    ramp[40:] += 0.4 * edge
    return np.broadcast_to(ramp.astype(np.float32), (3, 30, 60)).copy()


def test_what_changes_slowly_becomes_one_region() -> None:
    labels = bands()
    labels[:, 35:] = 7
    joined = join_regions(labels, picture(edge=False), STRICT)
    # 7 has 25 of 60 columns, 4 has 20, 2 has 15.
    assert np.unique(joined).tolist() == [7]
    assert np.unique(labels).tolist() == [2, 4, 7]


def test_an_edge_keeps_regions_apart() -> None:
    joined = join_regions(bands(), picture(edge=True), STRICT)
    assert np.unique(joined[:, 40:]).tolist() == [7]
    assert len(np.unique(joined[:, :40])) == 1
    assert 7 not in joined[:, :40]


def test_what_an_edge_is_depends_on_the_picture() -> None:
    step = picture(edge=True)
    faint = 0.5 + (step - 0.5) / 20
    for image in (step, faint):
        assert len(np.unique(join_regions(bands(), image.astype(np.float32), STRICT))) == 2
    grain = np.random.default_rng(0).normal(size=step.shape).astype(np.float32)
    noisy = faint + np.float32(0.1) * grain
    assert len(np.unique(join_regions(bands(), noisy.astype(np.float32), STRICT))) == 1


def test_small_regions_go_to_the_neighbour_they_differ_least_from() -> None:
    labels = np.full((30, 60), 4)
    labels[:, 40:] = 7
    labels[10:14, 36:40] = 2
    joined = join_regions(labels, picture(edge=True), JoinConfig(edge=0, least=17))
    assert np.array_equal(joined, np.where(np.arange(60) < 40, 4, 7)[None].repeat(30, 0))
    kept = join_regions(labels, picture(edge=True), JoinConfig(edge=0, least=16))
    assert np.array_equal(kept, labels)


def test_no_data_stays_and_joins_nothing() -> None:
    labels = bands()
    labels[:, 18:22] = 0
    joined = join_regions(labels, picture(edge=False), STRICT)
    assert not joined[:, 18:22].any()
    assert np.unique(joined[:, :18]).tolist() == [4]
    assert 4 not in joined[:, 22:]


@pytest.mark.parametrize("labels", [np.zeros((4, 5), np.int64), np.full((4, 5), 3)])
def test_a_single_region_and_none_at_all_stay(labels: np.ndarray) -> None:
    even = np.full((3, 4, 5), 0.5, np.float32)
    assert np.array_equal(join_regions(labels, even, STRICT), labels)


def test_a_ramp_is_as_strong_as_it_is_steep() -> None:
    # CIELAB's lightness of grey is about 100 · v on this stretch: 0.1 over 59 steps.
    strength = edge_strength(picture(edge=False))
    assert float(np.median(strength)) == pytest.approx(10 / 59, rel=0.15)
    assert float(edge_strength(picture(edge=True)).max()) > 4
