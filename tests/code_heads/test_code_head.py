"""Codes are what the layers of a head make of vectors, each by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from features import RGB, landscape, rgb_raster, with_vectors
from heads import head_module, lightning, probe_of

from napari_firstpass.backbones.texture import TextureBackbone
from napari_firstpass.code_heads.head import CodeHead, HeadFile
from napari_firstpass.code_heads.layout import head_among
from napari_firstpass.code_heads.projected import ProjectedBackbone
from napari_firstpass.errors import OptionError, WeightsError
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run


def head(features: int = 12, width: int = 5) -> CodeHead:
    return head_file(features, width).head


def head_file(features: int = 12, width: int = 5, classes: int = 3) -> HeadFile:
    content = lightning(head_module(features, width), probe_of(classes, width))
    return head_among(content["state_dict"], "a.ckpt")


@pytest.mark.parametrize("shape", [(7, 9), (70, 90)])
def test_codes_are_those_of_the_layers(shape: tuple[int, int]) -> None:
    vectors = torch.randn(12, *shape, generator=torch.Generator().manual_seed(2))
    features = replace(with_vectors(vectors), groups=(4, 8))
    found = run(head().project(features))
    with torch.no_grad():
        expected = head_module(12, 5)(vectors[None])[0]
    torch.testing.assert_close(found.vectors, expected)
    assert (found.grid, found.stride, found.groups) == (features.grid, features.stride, ())


def test_a_head_that_does_not_bend_is_one_layer() -> None:
    direct, bias = torch.randn(5, 12), torch.randn(5)
    vectors = torch.randn(12, 30)
    found = CodeHead.linear(direct, bias).codes(vectors)
    torch.testing.assert_close(found, direct @ vectors + bias[:, None])


def test_a_backbone_with_a_head_gives_codes_of_its_features() -> None:
    raster = rgb_raster(landscape(80, 96))
    inner = TextureBackbone(BandStats.of([raster]), RGB, torch.device("cpu"))
    plain = run(inner.extract(raster))
    found = run(ProjectedBackbone(inner, head(len(plain.vectors))).extract(raster))
    with torch.no_grad():
        expected = head_module(len(plain.vectors), 5)(plain.vectors[None])[0]
    torch.testing.assert_close(found.vectors, expected)
    assert torch.equal(found.valid, plain.valid)


def test_shapes_that_contradict_each_other_and_numbers_that_are_none_are_refused() -> None:
    parts = head().tensors
    with pytest.raises(WeightsError, match=r"a head of shapes \(W, D\)"):
        CodeHead(**{**parts, "outer": parts["outer"][:, :4]})
    with pytest.raises(WeightsError, match="found others in inner_bias"):
        CodeHead(**{**parts, "inner_bias": torch.full((12,), torch.nan)})


def test_other_features_and_other_classes_are_refused() -> None:
    file = head_file()
    file.require_features(12)
    with pytest.raises(WeightsError, match=r"vectors of 12 numbers, on which a\.ckpt was trained"):
        file.require_features(32)
    assert torch.equal(file.require_classes(3), probe_of(3, 5))
    with pytest.raises(OptionError, match=r"expected 3 classes, as the cluster probe of a\.ckpt"):
        file.require_classes(4)
    with pytest.raises(
        WeightsError, match=r"a cluster probe in a\.ckpt, to start from, found none"
    ):
        replace(file, centres=None).require_classes(3)
