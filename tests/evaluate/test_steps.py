from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from affine import Affine
from rasters import write_raster
from real_images import DATA
from scipy.io import savemat

from napari_firstpass.errors import ImageContentError, OptionError, TaxonomyError
from napari_firstpass.evaluate.config import EvaluateConfig
from napari_firstpass.evaluate.steps import Evaluation, evaluate_steps
from napari_firstpass.evaluation.class_table import ClassTable
from napari_firstpass.evaluation.statement import Protocol
from napari_firstpass.pairing import Pair
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TRUTH = np.array([[1, 1, 2, 2], [1, 1, 2, 2]], np.uint8)
SWAPPED = np.array([[2, 2, 1, 1], [2, 2, 1, 1]], np.uint8)


def png(path: Path, ids: NDArray[Any]) -> Path:
    """Write ids without a place."""
    return write_raster(path, ids[None], crs=None, transform=Affine.identity(), driver="PNG")


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair("a", png(tmp_path / "t.png", TRUTH), png(tmp_path / "p.png", SWAPPED))


def judged(*pairs: Pair, **options: Any) -> Evaluation:  # noqa: ANN401 - any option
    """Compare with some options."""
    return run(evaluate_steps(pairs, EvaluateConfig(**options)))


def test_each_protocol_has_its_figures_and_its_statement(pair: Pair) -> None:
    found = judged(pair, protocols=tuple(Protocol), split="test", ignore=(9,))
    accuracy = {
        r.statement.title: r.figures["accuracy"] for r in found.results if r.scores is not None
    }
    assert accuracy == {Protocol.SET: 1, Protocol.IMAGE: 1, Protocol.NAMED: 0}
    titles = {r.statement.title for r in found.results}
    assert titles == {*Protocol, "regions, DFC rule"}
    for result in found.results:
        sentence = result.statement.sentence()
        assert sentence.startswith(f"{result.statement.title}: ")
        for part in ("images 1", "split test", "ids 9 and no data", "labels used", "select"):
            assert part in sentence


def test_more_clusters_than_classes_bring_the_many_to_one_figure_beside(tmp_path: Path) -> None:
    split = np.array([[5, 6, 7, 7], [5, 6, 7, 7]], np.uint8)
    pair = Pair("a", png(tmp_path / "t.png", TRUTH), png(tmp_path / "p.png", split))
    one, many = judged(pair).results
    assert one.figures["accuracy"] == 6 / 8
    assert many.figures["accuracy"] == 1
    assert "more clusters give higher figures" in many.statement.sentence()


def test_a_table_merges_the_truth_and_names_its_classes(pair: Pair) -> None:
    found = judged(pair, table=ClassTable.parse({"all": [1, 2]}))
    assert found.names == {0: "all"}
    assert found.results[0].figures["accuracy"] == 1 / 2  # only one cluster may be the class


def test_under_names_the_table_holds_for_predictions_too(pair: Pair) -> None:
    table = ClassTable.parse({"truth": {"a": 1, "b": 2}, "pred": {"a": 2, "b": 1}})
    (result,) = judged(pair, protocols=(Protocol.NAMED,), table=table).results
    assert result.figures["accuracy"] == 1


def test_ids_outside_the_table_fail_where_they_are_judged_only(tmp_path: Path) -> None:
    truth = TRUTH.copy()
    truth[0, 0] = 255
    pred = TRUTH.copy()
    pred[0, 0] = 77
    table = ClassTable.parse({"a": 1, "b": 2})
    pair = Pair("a", png(tmp_path / "t.png", truth), png(tmp_path / "p.png", pred))
    config = {"protocols": (Protocol.NAMED,), "table": table}
    assert judged(pair, **config, ignore=(255,)).results[0].figures["accuracy"] == 1
    (failure,) = judged(pair, **config).failures
    assert isinstance(failure.error, TaxonomyError)
    assert "found ids 255" in str(failure.error)


def test_a_bad_pair_counts_under_no_protocol_and_stops_nothing(pair: Pair, tmp_path: Path) -> None:
    wide = Pair("wide", pair.truth, png(tmp_path / "w.png", np.zeros((2, 9), np.uint8)))
    void = Pair("void", png(tmp_path / "v.png", np.full((2, 4), 9, np.uint8)), pair.pred)
    gone = Pair("gone", pair.truth, tmp_path / "none.png")
    found = judged(wide, pair, void, gone, protocols=(Protocol.SET, Protocol.REGIONS), ignore=(9,))
    assert [failure.name for failure in found.failures] == ["wide", "void", "gone"]
    assert isinstance(found.failures[1].error, ImageContentError)
    assert {result.statement.images for result in found.results} == {1}


def test_without_a_good_pair_there_are_no_figures(tmp_path: Path) -> None:
    found = judged(Pair("a", tmp_path / "x.png", tmp_path / "y.png"))
    assert found.results == ()
    assert len(found.failures) == 1


def test_regions_of_rasters_are_connected_pieces_unless_ids_are_asked_for(tmp_path: Path) -> None:
    ids = np.array([[1, 2, 1]], np.uint8)
    blank = np.zeros((1, 3), np.uint8)
    pair = Pair("a", png(tmp_path / "t.png", ids), png(tmp_path / "p.png", blank))
    pieces = judged(pair, protocols=(Protocol.REGIONS,)).results[0]
    as_ids = judged(pair, protocols=(Protocol.REGIONS,), regions="ids").results[0]
    assert pieces.figures["covering"] == pytest.approx(1 / 3)  # three regions of a third each
    assert as_ids.figures["covering"] == pytest.approx((2 * 2 / 3 + 1 / 3) / 3)


def test_the_dfc_rule_always_splits_predictions(tmp_path: Path) -> None:
    ids = np.array([[1, 2, 3]], np.uint8)
    pred = np.array([[5, 6, 5]], np.uint8)
    pair = Pair("a", png(tmp_path / "t.png", ids), png(tmp_path / "p.png", pred))
    dfc = judged(pair, protocols=(Protocol.REGIONS,), regions="ids").results[1]
    assert dfc.figures["all"] == 1
    assert dfc.figures["predicted segments"] == 3


def test_a_prediction_elsewhere_is_resampled_on_request(tmp_path: Path) -> None:
    truth = write_raster(tmp_path / "t.tif", np.kron(TRUTH, np.ones((4, 4), np.uint8))[None])
    coarse = Affine(0.4, 0, 500_000, 0, -0.4, 5_000_000)
    pred = write_raster(tmp_path / "p.tif", SWAPPED[None], transform=coarse)
    pair = Pair("a", truth, pred)
    assert "--resample" in str(judged(pair).failures[0].error)
    assert judged(pair, resample=True).results[0].figures["accuracy"] == 1


def test_a_name_of_the_truths_file_is_used(tmp_path: Path) -> None:
    from napari_firstpass.grid import Grid
    from napari_firstpass.io.label_file import write_segmentation
    from napari_firstpass.segmentation import Segmentation
    from napari_firstpass.taxonomy import LabelClass, Taxonomy

    taxonomy = Taxonomy((LabelClass(1, "roof", "#FF0000"), LabelClass(2, "lawn", "#00FF00")))
    truth = write_segmentation(tmp_path / "t.tif", Segmentation(TRUTH, taxonomy, Grid(2, 4)))
    assert judged(Pair("a", truth, truth)).names == {1: "roof", 2: "lawn"}


def test_drawings_are_for_regions_only() -> None:
    folder = DATA / "bsds500" / "groundTruth" / "val"
    if not folder.is_dir():
        pytest.skip(f"no bsds500 in {DATA}")
    path = min(folder.glob("*.mat"))
    (failure,) = judged(Pair("a", path, path)).failures
    assert "expected a prediction of one map" in str(failure.error)


def test_drawings_are_compared_as_drawn_and_averaged(tmp_path: Path) -> None:
    # Two people: one drew two regions, of which one lies in two parts, the other drew nothing.
    cells = np.empty((1, 2), dtype=object)
    cells[0, 0] = {"Segmentation": np.array([[1.0, 2.0, 1.0]])}
    cells[0, 1] = {"Segmentation": np.array([[1.0, 1.0, 1.0]])}
    savemat(tmp_path / "t.mat", {"groundTruth": cells})
    pred = png(tmp_path / "p.png", np.array([[5, 5, 5]], np.uint8))
    pair = Pair("a", tmp_path / "t.mat", pred)
    scores, dfc = judged(pair, protocols=(Protocol.REGIONS,)).results
    first = 2 / 3 * 2 / 3 + 1 / 3 * 1 / 3
    assert scores.figures["covering"] == pytest.approx((first + 1) / 2)
    assert dfc.figures["fine"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert dfc.figures["coarse"] == 1
    (failure,) = judged(pair).failures
    assert "--protocol regions" in str(failure.error)


def test_instances_are_refused_as_classes_with_a_way_out(tmp_path: Path) -> None:
    ids = np.arange(90_000, dtype=np.uint32).reshape(300, 300)
    truth = write_raster(tmp_path / "t.tif", ids[None])
    pair = Pair("a", truth, truth)
    with pytest.raises(OptionError, match="90,000 and 90,000 different ids; compare regions"):
        judged(pair)
    (scores, _) = judged(pair, protocols=(Protocol.REGIONS,)).results
    assert scores.figures["covering"] == 1


def test_what_was_done_to_labels_is_stated(pair: Pair) -> None:
    table = ClassTable.parse({"roof": 1, "lawn": 2})
    (result,) = judged(pair, table=table, resample=True, protocols=(Protocol.MERGE,)).results
    sentence = result.statement.sentence()
    assert "ids merged into roof, lawn; predictions elsewhere resampled" in sentence
    assert "a region is connected pixels of one id" in sentence


def test_negative_ids_of_a_truth_can_be_ignored(tmp_path: Path) -> None:
    ids = TRUTH.astype(np.int16)
    ids[0, 0] = -1
    truth = write_raster(tmp_path / "t.tif", ids[None])
    pred = write_raster(tmp_path / "p.tif", TRUTH[None])
    (failure,) = judged(Pair("a", truth, pred)).failures
    assert f"expected ids of at least 0 and less than 2^63 in {truth}" in str(failure.error)
    (result,) = judged(Pair("a", truth, pred), ignore=(-1,)).results
    assert result.figures["pixels"] == 7


def test_resampling_leaves_alone_what_fits(pair: Pair) -> None:
    assert judged(pair, resample=True).failures == ()


@pytest.mark.parametrize(
    "options", [{"protocols": ()}, {"protocols": (Protocol.SET,) * 2}, {"tolerance": -1.0}]
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError):
        EvaluateConfig(**options)


def test_progress_names_each_pair_and_ends_at_the_end(pair: Pair) -> None:
    seen = []
    run(evaluate_steps([pair, pair], EvaluateConfig()), seen.append)
    assert [(one.done, one.total) for one in seen] == [(0, 2), (1, 2), (2, 2)]
    assert seen[0].message == "a"
