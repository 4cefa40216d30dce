from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from rasters import write_raster

from napari_firstpass.cli import main
from napari_firstpass.cli.codes import DONE, SOME_FAILED, UNFIT, USAGE
from napari_firstpass.cli.evaluate import parse_ids
from napari_firstpass.errors import OptionError

if TYPE_CHECKING:
    from pathlib import Path

TRUTH = np.array([[[1, 1, 2, 2], [1, 1, 2, 255]]], np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    truth, pred = tmp_path / "truth", tmp_path / "pred"
    truth.mkdir()
    pred.mkdir()
    for name in ("a", "b"):
        write_raster(truth / f"{name}.tif", TRUTH)
        write_raster(pred / f"{name}_labels.tif", TRUTH + 5)
    return truth, pred


def test_figures_come_with_their_statement(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, pred = map(str, folders)
    command = ["evaluate", "--truth", truth, "--pred", pred, "--ignore", "255", "--split", "val"]
    assert main(command) == DONE
    said = capsys.readouterr().out
    assert "2 of 2 pairs compared" in said
    assert "split val" in said
    assert "ids 255 and no data" in said
    assert "labels used to name the clusters of the set" in said
    assert "accuracy             1.0000" in said
    assert "pixels               14" in said


def test_json_is_one_document(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, pred = map(str, folders)
    command = ["evaluate", "--truth", truth, "--pred", pred, "--protocol", "set", "regions"]
    assert main([*command, "--ignore", "255", "--json"]) == DONE
    content = json.loads(capsys.readouterr().out)
    assert [one["protocol"] for one in content["results"]] == [
        "set",
        "regions",
        "regions, DFC rule",
    ]
    first = content["results"][0]
    assert first["figures"]["accuracy"] == 1
    assert first["names_of_clusters"] == {"6": 1, "7": 2}
    assert [one["iou"] for one in first["classes"]] == [1, 1]
    assert first["confusion"] == [[8, 0, 0], [0, 6, 0]]
    assert content["failures"] == []


def test_good_pairs_are_reported_and_bad_ones_listed(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, pred = folders
    write_raster(pred / "b_labels.tif", TRUTH[:, :1])
    write_raster(truth / "c.tif", TRUTH)
    command = ["evaluate", "--truth", str(truth), "--pred", str(pred)]
    assert main(command) == SOME_FAILED
    said = capsys.readouterr()
    assert "1 of 3 pairs compared" in said.out
    assert "firstpass: b: expected a prediction on the grid of the truth" in said.err
    assert "firstpass: c: expected a prediction for c.tif" in said.err


def test_without_a_good_pair_the_code_says_why(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, pred = folders
    write_raster(pred / "a_labels.tif", TRUTH[:, :1])
    command = ["evaluate", "--truth", str(truth / "a.tif"), "--pred", str(pred / "a_labels.tif")]
    assert main(command) == UNFIT
    assert "0 of 1 pairs compared" in capsys.readouterr().out


def test_many_failures_are_counted_not_all_listed(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, pred = folders
    for number in range(30):
        write_raster(truth / f"n{number}.tif", TRUTH)
    assert main(["evaluate", "--truth", str(truth), "--pred", str(pred)]) == SOME_FAILED
    said = capsys.readouterr().err
    assert said.count("expected a prediction for") == 20
    assert "10 more failed; --json lists all" in said


def test_a_table_names_the_classes(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.yaml"
    table.write_text("roof: 1\nlawn: [2, 255]\n", encoding="utf-8")
    truth, pred = map(str, folders)
    assert main(["evaluate", "--truth", truth, "--pred", pred, "--merge", str(table)]) == DONE
    said = capsys.readouterr().out
    assert "0 roof" in said
    assert "1 lawn" in said


@pytest.mark.parametrize(
    "options",
    [["--ignore", "a"], ["--ignore", "1-2"], ["--tolerance", "-2"], ["--truth-suffix", "_x"]],
)
def test_wrong_options_are_refused(folders: tuple[Path, Path], options: list[str]) -> None:
    truth, pred = map(str, folders)
    assert main(["evaluate", "--truth", truth, "--pred", pred, *options]) == USAGE


def test_an_unknown_protocol_lists_the_known_ones(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, pred = map(str, folders)
    with pytest.raises(SystemExit):
        main(["evaluate", "--truth", truth, "--pred", pred, "--protocol", "best"])
    assert "regions" in capsys.readouterr().err


def test_ids_are_parsed_in_order() -> None:
    assert parse_ids("255, 0,7,0") == (0, 7, 255)
    assert parse_ids("") == ()
    with pytest.raises(OptionError, match="ids with commas"):
        parse_ids("1;2")


def test_the_annotator_tells_what_is_saved(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, pred = map(str, folders)
    for name in ("a", "b"):
        write_raster(tmp_path / f"{name}.tif", np.repeat(TRUTH, 3, axis=0))
    command = ["evaluate", "--truth", truth, "--pred", pred, "--ignore", "255", "--annotator"]
    command += ["--images", str(tmp_path)]
    assert main(command) == DONE
    said = capsys.readouterr().out
    assert "simulated annotator" in said
    assert "Felzenszwalb" in said
    assert main([*command, "--json"]) == DONE
    saved = json.loads(capsys.readouterr().out)["annotator"]["savings"]
    assert saved["prediction"]["tiles"] == 2
    assert saved["prediction"]["prelabelled"]["clicks"] == 2


def test_a_missing_image_is_reported_and_figures_are_not_lost(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, pred = map(str, folders)
    images = tmp_path / "images"
    images.mkdir()
    write_raster(images / "b.tif", np.repeat(TRUTH, 3, axis=0))
    command = ["evaluate", "--truth", truth, "--pred", pred, "--annotator"]
    assert main([*command, "--images", str(images)]) == SOME_FAILED
    said = capsys.readouterr()
    assert "a: expected one image called a for a.tif, found none in" in said.err
    assert "2 of 2 pairs compared" in said.out
    assert "SLIC" in said.out


def test_images_need_an_annotator_and_a_place(
    tmp_path: Path, folders: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    truth, pred = map(str, folders)
    command = ["evaluate", "--truth", truth, "--pred", pred]
    assert main([*command, "--images", str(tmp_path)]) == USAGE
    assert "expected --images together with --annotator" in capsys.readouterr().err
    assert main([*command, "--annotator", "--images", str(tmp_path / "no")]) == USAGE
    assert "found nothing at" in capsys.readouterr().err


def test_an_annotator_that_cannot_work_takes_no_figures_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = np.arange(90_000, dtype=np.uint32).reshape(1, 300, 300)
    truth = str(write_raster(tmp_path / "t.tif", ids))
    command = ["evaluate", "--truth", truth, "--pred", truth, "--protocol", "regions"]
    assert main([*command, "--annotator"]) == SOME_FAILED
    said = capsys.readouterr()
    assert "covering             1.0000" in said.out
    assert "annotator: expected classes and clusters, to match them" in said.err
