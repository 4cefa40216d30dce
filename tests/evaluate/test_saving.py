from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from affine import Affine
from rasters import write_raster

from napari_firstpass.evaluate.config import EvaluateConfig
from napari_firstpass.evaluate.saving import (
    FELZENSZWALB,
    PREDICTION,
    SLIC,
    TILE,
    Savings,
    saving_steps,
)
from napari_firstpass.evaluation.annotator import AnnotatorConfig
from napari_firstpass.evaluation.statement import Protocol
from napari_firstpass.pairing import Pair
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NAMED = EvaluateConfig(protocols=(Protocol.NAMED,))
HALVES = np.repeat(np.repeat(np.array([[1, 2], [2, 1]], np.uint8), 40, 0), 40, 1)


def png(path: Path, ids: NDArray[Any]) -> Path:
    """Write ids, or colours (H, W, 3), without a place."""
    bands = np.moveaxis(ids, -1, 0) if ids.ndim == 3 else ids[None]
    return write_raster(path, bands, crs=None, transform=Affine.identity(), driver="PNG")


def saved(config: EvaluateConfig, *pairs: Pair) -> Savings:
    """Annotate."""
    return run(saving_steps(pairs, config))


def test_a_perfect_prediction_costs_nothing(tmp_path: Path) -> None:
    truth = png(tmp_path / "t.png", HALVES)
    for config in (NAMED, EvaluateConfig()):
        found = saved(config, Pair("a", truth, truth)).savings[PREDICTION]
        assert found.share == 1
        assert found.prelabelled.clicks == found.prelabelled.strokes == 0
        assert found.prelabelled.seconds == 0
        assert found.scratch.seconds > 0


def test_naming_clusters_is_paid_once_for_the_set(tmp_path: Path) -> None:
    truth, pred = png(tmp_path / "t.png", HALVES), png(tmp_path / "p.png", HALVES + 6)
    pairs = [Pair(name, truth, pred) for name in "abc"]
    found = saved(EvaluateConfig(), *pairs).savings[PREDICTION]
    assert found.prelabelled.clicks == 2  # two clusters, in three images
    assert found.prelabelled.seconds == pytest.approx(2 * 0.75)


def test_the_cheaper_of_correcting_and_drawing_is_done(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(1, 3, HALVES.shape).astype(np.uint8)
    truth, pred = png(tmp_path / "t.png", HALVES), png(tmp_path / "p.png", noise)
    found = saved(NAMED, Pair("a", truth, pred)).savings[PREDICTION]
    extra = found.prelabelled.seconds - found.scratch.seconds
    clicks = found.prelabelled.clicks - found.scratch.clicks
    assert found.scratch.seconds > 0
    assert extra <= max(clicks, 0) * (0.75 + 2 * TILE / 800)


def test_superpixels_stand_beside_where_there_is_an_image(tmp_path: Path) -> None:
    truth = png(tmp_path / "t.png", HALVES)
    image = png(tmp_path / "i.png", np.stack([HALVES * 90] * 3, axis=-1))
    found = saved(NAMED, Pair("a", truth, truth, image)).savings
    assert list(found) == [PREDICTION, SLIC, FELZENSZWALB]
    # Four squares of two greys: Felzenszwalb's regions are the truth's, so that clicks are enough.
    assert found[FELZENSZWALB].prelabelled.strokes == 0
    assert 0 < found[FELZENSZWALB].prelabelled.clicks <= 4
    assert list(saved(NAMED, Pair("a", truth, truth)).savings) == [PREDICTION]


def test_large_images_are_annotated_in_tiles_where_there_is_a_truth(tmp_path: Path) -> None:
    ids = np.zeros((TILE + 100, 2 * TILE), np.uint8)
    ids[:, :TILE] = np.arange(TILE) // 256 + 1
    truth = png(tmp_path / "t.png", ids)
    config = EvaluateConfig(protocols=(Protocol.NAMED,), ignore=(0,))
    assert saved(config, Pair("a", truth, truth)).savings[PREDICTION].tiles == 2


def test_the_rule_states_constants_and_naming(tmp_path: Path) -> None:
    truth, pred = png(tmp_path / "t.png", HALVES), png(tmp_path / "p.png", HALVES + 6)
    config = EvaluateConfig(ignore=(9,), split="val")
    rule = saved(config, Pair("a", truth, pred)).statement.sentence()
    assert "split val; ignored in the truth: ids 9 and no data; labels used to name" in rule
    assert "2 clicks for all" in rule
    assert "0.75 s a click, 1.4 s a stroke, 800 px/s moving, 120 px/s drawing" in rule
    assert "95% of pixels farther than 2 px" in rule


def test_bad_pairs_stop_nothing_and_are_reported(tmp_path: Path) -> None:
    truth = png(tmp_path / "t.png", HALVES)
    wrong = png(tmp_path / "w.png", HALVES[:9])
    void = Pair("void", png(tmp_path / "v.png", np.full(HALVES.shape, 7, np.uint8)), truth)
    pairs = [Pair("bad", truth, wrong), Pair("bad image", truth, truth, wrong), void]
    config = EvaluateConfig(ignore=(7,))
    assert saved(config, *pairs).savings == {}
    found = saved(config, *pairs, Pair("good", truth, truth))
    assert found.savings[PREDICTION].tiles == 1
    assert found.statement.images == 1
    assert [failure.name for failure in found.failures] == ["bad", "bad image", "void"]
    assert "expected an image as large as the truth" in str(found.failures[1].error)


def test_another_annotator_may_want_less(tmp_path: Path) -> None:
    # Three quarters are right already.
    pred = HALVES.copy()
    pred[:40, :40] = 2
    pair = Pair("a", png(tmp_path / "t.png", HALVES), png(tmp_path / "p.png", pred))
    content = run(saving_steps([pair], NAMED, AnnotatorConfig(target=0.7)))
    assert content.savings[PREDICTION].prelabelled.seconds == 0
    # The wrong square has joined its neighbours: one stroke along two of its sides.
    work = saved(NAMED, pair).savings[PREDICTION].prelabelled
    assert (work.clicks, work.strokes, work.path) == (0, 1, 80)
    assert "until 70% of pixels" in content.statement.rule
