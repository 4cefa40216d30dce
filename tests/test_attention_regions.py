"""Pictures taken apart by a tiny Stable Diffusion, loaded as a real one is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import torch

from diffusion import save_diffusion
from napari_firstpass.attention_regions import (
    LOOK,
    RegionConfig,
    _cuts,
    _named,
    by_size,
    diffseg_attention_steps,
    regions_steps,
)
from napari_firstpass.diffusion.aggregation import aggregated_attention
from napari_firstpass.diffusion.provider import AttentionConfig, AttentionProvider, load_diffusion
from napari_firstpass.errors import ImageContentError, OptionError
from napari_firstpass.kl_merging import MergeConfig, merge_steps
from napari_firstpass.progress import run

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.grid import Window

PICTURE = torch.rand(3, 128, 240, generator=torch.Generator().manual_seed(0))
# Weights that nobody trained attend to all places about alike: hence a low threshold.
FINE = RegionConfig(merging=MergeConfig(threshold=0.002), side=128, overlap=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_diffusion(tmp_path_factory.mktemp("diffusion") / "model")


@pytest.fixture(scope="module")
def provider(folder: Path) -> AttentionProvider:
    return run(load_diffusion(folder, dtype="float32"))


def test_one_square_is_what_its_attention_says(provider: AttentionProvider) -> None:
    picture = PICTURE[:, :, :128]
    found = run(diffseg_attention_steps(picture, provider, FINE))
    attended = run(replace(provider, config=LOOK).attend(picture))
    maps = aggregated_attention(attended)
    torch.testing.assert_close(maps.sum(1), torch.ones(256), atol=1e-5, rtol=0)
    proposals = run(merge_steps(maps, (16, 16), FINE.merging)).maps
    fine = torch.nn.functional.interpolate(
        proposals.view(1, -1, 16, 16), (128, 128), mode="bilinear", align_corners=False
    )[0]
    assert torch.equal(found.labels, by_size(fine.argmax(0) + 1))
    assert found.count > 1
    assert found.labels.dtype == torch.int64
    assert found.confidence.shape == (128, 128)
    assert 0 <= float(found.confidence.min()) <= float(found.confidence.max()) <= 1


def test_other_settings_of_the_provider_change_nothing(provider: AttentionProvider) -> None:
    asked = AttentionConfig(self_at=(8,), timestep=5, seed=7, prompt="a tree", memory="tiny")
    picture = PICTURE[:, :, :128]
    one = run(diffseg_attention_steps(picture, provider, FINE))
    other = run(diffseg_attention_steps(picture, replace(provider, config=asked), FINE))
    assert torch.equal(one.labels, other.labels)


def test_squares_slide_over_a_wide_picture(provider: AttentionProvider) -> None:
    one, other = (run(diffseg_attention_steps(PICTURE, provider, FINE)) for _ in range(2))
    assert one.labels.shape == (128, 240)
    assert torch.equal(one.labels, other.labels)
    assert torch.equal(one.confidence, other.confidence)
    sizes = torch.bincount(one.labels.flatten()).tolist()
    assert sizes[0] == 0
    assert sizes[1:] == sorted(sizes[1:], reverse=True)
    assert sizes[-1] > 0


def test_what_cannot_be_seen_stays_0(provider: AttentionProvider) -> None:
    def read(window: Window) -> torch.Tensor | None:
        return None if window.col == 0 else PICTURE[:, :, window.col : window.right]

    found = run(regions_steps((128, 224), read, provider, FINE))
    # The second square decides from the middle of what the two share: 96 … 128.
    assert not found.labels[:, :112].any()
    assert bool((found.labels[:, 112:] > 0).all())
    nothing = run(regions_steps((128, 224), lambda _: None, provider, FINE))
    assert nothing.count == 0


@pytest.mark.parametrize("shape", [(60, 60), (20, 150), (130, 8)])
def test_small_and_slim_pictures_are_enlarged(
    provider: AttentionProvider, shape: tuple[int, int]
) -> None:
    picture = torch.nn.functional.interpolate(PICTURE[None], shape, mode="area")[0]
    found = run(diffseg_attention_steps(picture, provider, replace(FINE, side=64, overlap=16)))
    assert found.labels.shape == shape
    assert int(found.labels.min()) == 1


@pytest.mark.parametrize(
    "shape", [(512, 512), (321, 481), (300, 300), (2000, 700), (40, 900), (1, 3)]
)
def test_every_pixel_is_decided_by_a_square_that_sees_it(shape: tuple[int, int]) -> None:
    decided = torch.zeros(shape, dtype=torch.int64)
    cuts = _cuts(shape, RegionConfig())
    for number, cut in enumerate(cuts, start=1):
        inner = cut.decided.relative_to(cut.seen)
        assert inner.bottom == cut.seen.height
        assert inner.right == cut.seen.width
        decided[cut.decided.slices] = number
    assert int(decided.min()) == 1
    assert sorted(set(decided.flatten().tolist())) == list(range(1, len(cuts) + 1))
    sides = {(cut.seen.height, cut.seen.width) for cut in cuts}
    squares = {(512, 512): (512, 512), (321, 481): (321, 321), (300, 300): (300, 300)}
    squares |= {(2000, 700): (512, 512), (40, 900): (40, 128), (1, 3): (1, 3)}
    assert sides == {squares[shape]}


def test_regions_go_on_from_square_to_square() -> None:
    before = torch.zeros(6, 10, dtype=torch.int64)
    before[:3, :4], before[3:, :4] = 7, 4
    found = torch.zeros(6, 10, dtype=torch.int64)
    found[3:], found[:, 8:] = 1, 3  # and 2 does not occur
    named, known = _named(found, before, 7)
    assert named[:3, :8].unique().tolist() == [7]
    assert named[3:, :8].unique().tolist() == [4]
    assert named[:, 8:].unique().tolist() == [8]
    assert known == 8


def test_regions_that_share_half_or_less_are_new() -> None:
    before = torch.tensor([[1, 1, 1, 1, 2, 2, 0, 0]])
    named, known = _named(torch.tensor([[0, 0, 1, 1, 1, 1, 0, 0]]), before, 2)
    # Two of four are shared with 1; with 2, two of four: one half each.
    assert (named.tolist(), known) == ([[3, 3, 4, 4, 4, 4, 3, 3]], 4)
    named, known = _named(torch.tensor([[0, 0, 0, 1, 1, 1, 2, 2]]), before, 2)
    assert (named.tolist(), known) == ([[1, 1, 1, 2, 2, 2, 3, 3]], 3)


def test_ids_are_counted_anew_by_size() -> None:
    found = by_size(torch.tensor([[0, 0, 0, 9], [5, 5, 9, 9], [2, 2, 9, 0]]))
    assert found.tolist() == [[0, 0, 0, 1], [3, 3, 1, 1], [2, 2, 1, 0]]


def test_settings_and_pictures_that_make_no_sense_are_refused(provider: AttentionProvider) -> None:
    for options in ({"side": 100}, {"side": 2048}, {"overlap": 300}):
        with pytest.raises(OptionError):
            RegionConfig(**options)
    with pytest.raises(ImageContentError, match="a picture"):
        run(diffseg_attention_steps(torch.rand(4, 128, 128), provider, FINE))
