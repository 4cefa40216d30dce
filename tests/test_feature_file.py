from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors import numpy as reference

from napari_firstpass.errors import GridMismatchError, WeightsError
from napari_firstpass.feature_file import pack_features, unpack_features
from napari_firstpass.features import FeatureMap
from napari_firstpass.grid import Grid
from napari_firstpass.tensor_file import pack

KEY = "0f" * 32
GRID = Grid(21, 30, crs="EPSG:3857")  # 2 x 2 cells of 16 pixels, the last ones ragged


def features() -> FeatureMap:
    vectors = torch.tensor([0.1, -0.0, 1e-42, 3e38, -7.25, 1 / 3]).repeat(4)[:20].reshape(5, 2, 2)
    valid = torch.tensor([[True, False], [True, True]])
    return FeatureMap(vectors, valid, GRID.coarsen(16), 16, (3, 2))


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.numpy().tobytes()


def test_every_bit_comes_back_and_the_grid_is_that_of_the_image() -> None:
    found = unpack_features(pack_features(features(), KEY), KEY, GRID)
    assert bits(found.vectors) == bits(features().vectors)
    assert found.valid.tolist() == [[True, False], [True, True]]
    assert (found.stride, found.groups, found.grid) == (16, (3, 2), GRID.coarsen(16))


def test_a_tensor_laid_out_otherwise_gives_the_same_file() -> None:
    turned = features()
    last = turned.vectors.permute(1, 2, 0).contiguous().permute(2, 0, 1)
    assert not last.is_contiguous()
    other = FeatureMap(last, turned.valid, turned.grid, 16, (3, 2))
    assert pack_features(other, KEY) == pack_features(turned, KEY)


def test_the_reference_library_reads_the_file() -> None:
    arrays = reference.load(pack_features(features(), KEY))
    np.testing.assert_array_equal(arrays["vectors"], features().vectors.numpy())


def test_no_flipped_bit_changes_what_is_read() -> None:
    content = pack_features(features(), KEY)
    refused = 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        try:
            found = unpack_features(bytes(damaged), KEY, GRID)
        except (WeightsError, GridMismatchError):
            refused += 1
        else:  # white space of the header
            assert bits(found.vectors) == bits(features().vectors)
            assert found.valid.equal(features().valid)
            assert (found.stride, found.groups) == (16, (3, 2))
    assert refused > 0.9 * len(content)


def test_a_file_cut_off_anywhere_is_refused() -> None:
    content = pack_features(features(), KEY)
    for length in range(len(content)):
        with pytest.raises(WeightsError):
            unpack_features(content[:length], KEY, GRID)


def test_a_file_under_another_key_is_refused() -> None:
    with pytest.raises(WeightsError, match="that are not those"):
        unpack_features(pack_features(features(), KEY), "f0" * 32, GRID)


def test_arrays_of_somebody_else_are_refused() -> None:
    for arrays in ({}, {"vectors": np.zeros((5, 2, 2), np.float32)}):
        with pytest.raises(WeightsError, match="that are not those"):
            unpack_features(pack(arrays, {"layout": "[16, []]"}), KEY, GRID)


def test_features_of_an_image_of_another_size_are_refused() -> None:
    with pytest.raises(GridMismatchError):
        unpack_features(pack_features(features(), KEY), KEY, Grid(64, 64))
