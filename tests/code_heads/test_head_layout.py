"""Heads and probes are found by what they must be like, and refused where that leaves a choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from heads import head_module, probe_of, stego

from napari_firstpass.code_heads.layout import head_among
from napari_firstpass.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Spoil = Callable[[dict[str, Tensor]], object]

FEATURES, WIDTH, CLASSES = 12, 5, 3


def tensors() -> dict[str, Tensor]:
    return stego(head_module(FEATURES, WIDTH), probe_of(CLASSES, WIDTH))


def renamed(old: str, new: str) -> dict[str, Tensor]:
    return {name.replace(old, new): tensor for name, tensor in tensors().items()}


def codes(found: dict[str, Tensor]) -> Tensor:
    vectors = torch.randn(FEATURES, 9, generator=torch.Generator().manual_seed(3))
    return head_among(found, "a.ckpt").head.codes(vectors)


@pytest.mark.parametrize(
    "found",
    [
        tensors(),
        renamed("net.", ""),
        renamed("net.cluster", "model.student.module.cluster"),
        renamed("net.cluster1.0", "net.cluster1"),
        renamed("net.cluster1", "seg.linear") | renamed("net.cluster2", "seg.mlp"),
        {name: part.squeeze() if part.ndim == 4 else part for name, part in tensors().items()},
    ],
    ids=["as published", "no prefix", "another prefix", "no sequence", "other names", "linear"],
)
def test_prefixes_and_names_do_not_matter_where_shapes_tell(found: dict[str, Tensor]) -> None:
    if "seg.linear.0.weight" in found:
        found = {name: part for name, part in found.items() if not name.startswith("net.cluster")}
    vectors = torch.randn(FEATURES, 9, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        expected = head_module(FEATURES, WIDTH)(vectors[None, :, None])[0, :, 0]
    torch.testing.assert_close(codes(found), expected)
    centres = head_among(found, "a.ckpt").centres
    assert centres is not None
    assert torch.equal(centres, probe_of(CLASSES, WIDTH))


def test_a_moving_mean_of_the_head_is_passed_over() -> None:
    mean = {
        name.replace("cluster", "mean_model"): torch.zeros_like(part)
        for name, part in tensors().items()
        if name.startswith("net.cluster")
    }
    assert torch.equal(codes(mean | tensors()), codes(tensors()))


def test_a_linear_head_is_one_layer() -> None:
    found = {name: part for name, part in tensors().items() if "cluster2" not in name}
    weight, bias = (tensors()[f"net.cluster1.0.{kind}"] for kind in ("weight", "bias"))
    vectors = torch.randn(FEATURES, 9, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(codes(found), weight.flatten(1) @ vectors + bias[:, None])


def test_the_hash_is_of_the_numbers_and_not_of_their_names() -> None:
    first, again = (head_among(found, "a") for found in (tensors(), renamed("net.", "x.y.")))
    assert first.sha256 == again.sha256
    for name in ("net.cluster2.2.bias", "cluster_probe.clusters"):
        other = {**tensors(), name: tensors()[name] + 1}
        assert head_among(other, "a").sha256 != first.sha256


def test_a_file_without_a_probe_has_no_centres() -> None:
    found = {name: part for name, part in tensors().items() if "probe" not in name}
    assert head_among(found, "a.ckpt").centres is None


def drop(name: str) -> Spoil:
    return lambda found: found.pop(name)


def put(name: str, *shape: int) -> Spoil:
    return lambda found: found.update({name: torch.ones(shape)})


def second_head(found: dict[str, Tensor]) -> None:
    found.update(renamed("net.cluster", "other.cluster"))


def not_finite(found: dict[str, Tensor]) -> None:
    found["net.cluster1.0.weight"][0, 0] = torch.inf


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (drop("net.cluster1.0.weight"), "found none among net.cluster1.0.bias"),
        (drop("net.cluster1.0.bias"), "found none among net.cluster1.0.weight"),
        (drop("net.cluster2.0.weight"), r"net.cluster1.0.weight \(5, 12, 1, 1\), .* and \d+ more"),
        (drop("net.cluster2.2.weight"), "found none among"),
        (put("net.cluster1.0.weight", WIDTH, FEATURES + 1, 1, 1), "found none among"),
        (put("net.cluster1.0.weight", WIDTH, FEATURES, 3, 3), "found none among"),
        (put("net.cluster2.0.bias", FEATURES + 1), "found none among"),
        (second_head, "found 2 among"),
        (not_finite, "found others in direct"),
        (put("cluster_probe.more", CLASSES, WIDTH), "one cluster probe .* found 2: "),
        (put("cluster_probe.clusters", 1, WIDTH), r"found shape \(1, 5\)"),
        (put("cluster_probe.clusters", 0, WIDTH), r"found shape \(0, 5\)"),
    ],
)
def test_what_is_not_plain_to_see_is_refused(spoil: Spoil, message: str) -> None:
    found = tensors()
    spoil(found)
    with pytest.raises(WeightsError, match=message):
        head_among(found, "a.ckpt")


def test_a_backbone_alone_is_refused() -> None:
    found = {name: part for name, part in tensors().items() if name.startswith("net.model")}
    with pytest.raises(WeightsError, match=r"found none among net.model.cls_token \(1, 1, 12\)"):
        head_among(found, "a.ckpt")
    with pytest.raises(WeightsError, match="found none among no tensors"):
        head_among({}, "a.ckpt")
