"""Patches and tiles of Potsdam, as they are published and as people keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from potsdam import ISPRS, fine_ids, hdf5_mat, picture_of, write_mat, write_tile
from rasters import write_raster
from scipy.io import savemat

from napari_firstpass.errors import FirstPassError, ImageReadError
from napari_firstpass.io.potsdam import UNEXPECTED, UNKNOWN, PotsdamSet, potsdam_steps
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def found(folder: Path) -> PotsdamSet:
    return run(potsdam_steps(folder))


def names(images: PotsdamSet) -> tuple[list[str], list[str]]:
    return [patch.name for patch in images.train], [patch.name for patch in images.test]


@pytest.mark.parametrize("apart", [False, True])
def test_a_patch_is_read_with_labels_of_its_own_or_beside_it(tmp_path: Path, apart: bool) -> None:
    for number in range(3):
        write_mat(tmp_path / "imgs", number, apart=apart)
    images = found(tmp_path)
    assert len(images.train) == 2
    for patch in (*images.train, *images.test):
        ids = fine_ids(seed=int(patch.name))
        wanted = picture_of(ids, int(patch.name))
        assert np.array_equal(patch.picture(), np.moveaxis(wanted[:, :, :3], -1, 0))
        assert np.array_equal(patch.truth(), ids)


def test_lists_of_names_decide_the_split_and_the_order(tmp_path: Path) -> None:
    for number in range(5):
        write_mat(tmp_path / "imgs", number, side=32, apart=True)
    (tmp_path / "labelled_train.txt").write_text("4\n0\n3\n")
    (tmp_path / "labelled_test.txt").write_text("2.mat\n\n")
    images = found(tmp_path)
    assert names(images) == (["4", "0", "3"], ["2"])
    assert "own split" not in images.split


def test_folders_decide_the_split(tmp_path: Path) -> None:
    for part, numbers in (("labelled_train", (1, 2)), ("labelled_test", (1, 3))):
        for number in numbers:
            write_mat(tmp_path / part, number, side=32)
    images = found(tmp_path)
    assert names(images) == (["1", "2"], ["1", "3"])
    assert images.train[0].image != images.test[0].image


def test_without_either_a_sixth_is_drawn_always_the_same(tmp_path: Path) -> None:
    for number in range(12):
        write_mat(tmp_path, number, side=16)
    images = found(tmp_path)
    train, test = names(images)
    assert len(test) == 2
    assert sorted(train + test) == sorted(map(str, range(12)))
    assert names(found(tmp_path)) == (train, test)
    assert "own split: 2 of 12" in images.split


def test_tiles_are_cut_and_halved(tmp_path: Path) -> None:
    write_tile(tmp_path, "top_potsdam_2_10", 830, 400)
    write_raster(tmp_path / "top_potsdam_2_10_IRRG.tif", np.ones((3, 830, 400), np.uint8))
    images = found(tmp_path)
    patches = sorted((*images.train, *images.test), key=lambda patch: patch.name)
    assert [patch.name.split(" at ")[1] for patch in patches] == ["0, 0", "400, 0"]
    assert images.metres == pytest.approx(0.1)
    ids = fine_ids(830, 7)[:, :400]
    ids[ids == 255] = 0
    whole = picture_of(ids, 7, 3)
    second = patches[1]
    assert second.picture().shape == (3, 200, 200)
    corner = whole[400:402, :2].astype(int).sum((0, 1)) / 4
    assert np.abs(second.picture()[:, 0, 0] - corner).max() <= 0.5
    assert np.array_equal(second.truth(), ids[400:800:2, ::2])
    assert second.roles == ("red", "green", "blue")


def test_colour_infrared_is_taken_where_there_is_nothing_else(tmp_path: Path) -> None:
    write_tile(tmp_path, "top_potsdam_2_10", 400, 800, form="IRRG")
    assert found(tmp_path).train[0].roles == ("nir", "red", "green")


def test_colours_mean_classes_and_others_mean_nothing(tmp_path: Path) -> None:
    for number in range(2):
        write_raster(tmp_path / f"{number}.tif", np.zeros((3, 8, 8), np.uint8))
        colours = np.zeros((3, 8, 8), np.uint8)
        colours[:, 0, :6] = ISPRS.T
        colours[:, 1] = 7
        write_raster(tmp_path / f"{number}_label.tif", colours)
    truth = found(tmp_path).test[0].truth()
    assert truth[0, :6].tolist() == [0, 1, 2, 3, 4, 5]
    assert set(truth[1].tolist()) == {UNEXPECTED}
    assert set(truth[2].tolist()) == {UNKNOWN}


def test_ids_that_mean_nothing_are_marked(tmp_path: Path) -> None:
    for number in range(2):
        labels = np.array([[0.0, 5.0, 255.0], [6.0, -1.0, 300.0]])
        savemat(tmp_path / f"{number}.mat", {"a": np.zeros((2, 3, 4), np.uint8), "b": labels})
    truth = found(tmp_path).test[0].truth()
    assert truth.tolist() == [[0, 5, UNKNOWN], [UNEXPECTED] * 3]


def nothing(folder: Path) -> None:
    (folder / "notes.txt").write_text("no images")


def no_labels(folder: Path) -> None:
    for number in range(2):
        write_raster(folder / f"{number}.tif", np.zeros((3, 8, 8), np.uint8))


def a_list_too_long(folder: Path) -> None:
    write_mat(folder, 0, side=16)
    for part in ("train", "test"):
        (folder / f"labelled_{part}.txt").write_text("0\n77\n")


def labels_of_another_size(folder: Path) -> None:
    write_tile(folder, "top", 400, 800)
    write_raster(folder / "top_label.tif", np.zeros((3, 400, 400), np.uint8))


def test_labels_without_their_borders_come_second(tmp_path: Path) -> None:
    write_tile(tmp_path, "top", 400, 800)
    write_raster(tmp_path / "top_label_noBoundary.tif", np.zeros((3, 400, 800), np.uint8))
    assert {patch.labels for patch in found(tmp_path).train} == {tmp_path / "top_label.tif"}


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (nothing, "found none; give the folder that holds them"),
        (no_labels, "found those of 0 out of 2; put them beside the images"),
        (a_list_too_long, "found no 77 (1 missing); complete the folder"),
        (labels_of_another_size, "expected labels as large as top_RGB.tif, 400 x 800"),
    ],
)
def test_a_folder_that_will_not_do_is_refused(
    tmp_path: Path, write: Callable[[Path], None], said: str
) -> None:
    write(tmp_path)
    with pytest.raises(ImageReadError) as caught:
        found(tmp_path)
    assert said in str(caught.value)


def test_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="found nothing there"):
        found(tmp_path / "none")


def no_image(path: Path) -> None:
    savemat(path, {"img": np.zeros((4, 4), np.uint8)})


def wide_values(path: Path) -> None:
    savemat(path, {"img": np.full((4, 4, 4), 0.5), "gt": np.zeros((4, 4), np.uint8)})


def damaged(path: Path) -> None:
    savemat(path, {"img": np.zeros((64, 64, 4), np.uint8)}, do_compression=True)
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (hdf5_mat, "found one of version 7.3 (HDF5); save it again"),
        (no_image, "expected one image (H, W, 3 or 4) of values from 0 to 255"),
        (wide_values, "expected one image (H, W, 3 or 4) of values from 0 to 255"),
        (damaged, "found one that cannot be read"),
    ],
)
def test_a_file_that_will_not_do_is_refused(
    tmp_path: Path, write: Callable[[Path], None], said: str
) -> None:
    for number in range(2):
        write(tmp_path / f"{number}.mat")
    with pytest.raises(FirstPassError) as caught:
        found(tmp_path).train[0].picture()
    assert said in str(caught.value)


def test_a_patch_without_labels_is_refused_when_they_are_needed(tmp_path: Path) -> None:
    for number in range(2):
        savemat(tmp_path / f"{number}.mat", {"img": np.zeros((4, 4, 4), np.uint8)})
    with pytest.raises(ImageReadError, match="expected one label map"):
        found(tmp_path).test[0].truth()
