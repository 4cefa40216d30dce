"""Masks of everything in an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from known_sam import SameColour
from sam import save_sam

from napari_firstpass.errors import OptionError
from napari_firstpass.progress import run
from napari_firstpass.prompts import Point, Prompt
from napari_firstpass.sam_models.automatic import (
    AutomaticConfig,
    FoundMasks,
    automatic_masks,
    different,
)
from napari_firstpass.sam_models.frame import Frame
from napari_firstpass.sam_models.prepared import SamImage, prepare_steps
from napari_firstpass.sam_models.source import SamSource

if TYPE_CHECKING:
    from pathlib import Path

CPU = torch.device("cpu")
SHAPE = (48, 80)
PARTS = {
    (1.0, 0.0, 0.0): (slice(0, 48), slice(0, 30)),
    (0.0, 1.0, 0.0): (slice(0, 20), slice(30, 80)),
    (0.0, 0.0, 1.0): (slice(20, 48), slice(30, 80)),
}
"""Three regions that cover an image."""


def looked_at(keeps_ratio: bool = True, valid: torch.Tensor | None = None) -> SamImage:
    picture = torch.zeros(3, *SHAPE)
    for colour, where in PARTS.items():
        picture[:, *where] = torch.tensor(colour)[:, None, None]
    return seen(picture, keeps_ratio, valid)


def seen(
    picture: torch.Tensor, keeps_ratio: bool = True, valid: torch.Tensor | None = None
) -> SamImage:
    """A picture, looked at by the model that is known by heart."""
    model = SameColour(keeps_ratio)
    frame = Frame(*SHAPE, model.side, keeps_ratio)
    embedding = model.embed(frame.picture(picture, model.scaling))
    valid = torch.ones(SHAPE, dtype=torch.bool) if valid is None else valid
    return SamImage(model, embedding, frame, valid, CPU, "")


def masks_of(image: SamImage, **options: float) -> FoundMasks:
    return run(automatic_masks(image, AutomaticConfig(**{"points_per_side": 6, **options})))


def overlap(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("keeps_ratio", [True, False])
def test_each_region_is_found_once(keeps_ratio: bool) -> None:
    found = masks_of(looked_at(keeps_ratio), stability=0.8)
    assert found.scores.tolist() == pytest.approx([0.9] * 3)
    for where in PARTS.values():
        region = torch.zeros(SHAPE, dtype=torch.bool)
        region[where] = True
        overlaps = sorted(overlap(found[index], region) for index in range(len(found)))
        assert overlaps[-1] > 0.9
        assert overlaps[-2] < 0.1


def test_masks_that_the_model_doubts_are_left_out() -> None:
    image = looked_at()
    assert len(masks_of(image, score=0.91, stability=0)) == 0
    # That of everything has a score of .6, and covers no other.
    assert len(masks_of(image, score=0.5, stability=0)) == 4


def test_masks_that_hang_on_the_threshold_are_left_out() -> None:
    # From red to green at even steps: logits are 9 − 18 · |t − ½|. They are above 1 on 8/9 of the
    # way, and above −1 all over.
    ramp = torch.linspace(0, 1, SHAPE[1]).expand(SHAPE)
    image = seen(torch.stack([ramp, 1 - ramp, torch.zeros(SHAPE)]))
    (mask,) = masks_of(image, stability=0.85, points_per_side=1).masks
    assert mask.stability == pytest.approx(8 / 9, abs=0.02)
    assert len(masks_of(image, stability=0.93, points_per_side=1)) == 0


def test_small_masks_are_left_out() -> None:
    sizes = sorted(int(mask.inside().sum()) for mask in masks_of(looked_at(), stability=0.8).masks)
    assert len(masks_of(looked_at(), stability=0.8, least_area=sizes[0] + 1)) == 2


def test_where_there_is_no_data_nothing_is_found() -> None:
    valid = torch.ones(SHAPE, dtype=torch.bool)
    valid[:, 30:] = False
    found = masks_of(looked_at(valid=valid), stability=0.8)
    assert len(found) == 1
    assert not (found[0] & ~valid).any()
    assert len(masks_of(looked_at(valid=torch.zeros_like(valid)))) == 0


def test_boxes_hold_their_masks_and_no_more() -> None:
    found = masks_of(looked_at(), stability=0.8)
    for index, (top, left, bottom, right) in enumerate(found.boxes.tolist()):
        rows, cols = np.nonzero(found[index].numpy())
        assert (rows.min(), cols.min(), rows.max() + 1, cols.max() + 1) == (
            top, left, bottom, right,
        )  # fmt: skip


def test_of_boxes_that_are_nearly_the_same_the_first_stays() -> None:
    boxes = torch.tensor(
        [
            [0, 0, 10, 10],
            [0, 0, 10, 9],  # shares 9/10 with the first
            [0, 4, 10, 14],  # 6/14 with the first
            [0, 5, 10, 14],  # 5/14 with the first, 9/10 with the third
            [20, 20, 21, 21],
        ]
    )
    assert different(boxes, 0.7) == [0, 2, 4]
    assert different(boxes, 0.4) == [0, 3, 4]
    assert different(boxes, 0.35) == [0, 4]
    assert different(boxes, 0.9) == [0, 1, 2, 3, 4]
    assert different(boxes[:0], 0.5) == []


def test_what_a_box_hides_hides_nothing_itself() -> None:
    chain = torch.tensor([[0, 0, 1, 10], [0, 3, 1, 13], [0, 6, 1, 16]])
    # Each shares 7/13 with the next; the second goes, and so the third stays.
    assert different(chain, 0.5) == [0, 2]


def test_masks_of_a_real_model_are_its_answers_at_points(tmp_path: Path) -> None:
    source = SamSource(save_sam("SAM", tmp_path / "sam"))
    picture = torch.rand(3, *SHAPE, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(SHAPE, dtype=torch.bool)
    image = run(prepare_steps(source, picture, valid, CPU, None))
    options = {"score": 0.0, "stability": 0.0, "points_per_side": 3, "overlap": 1.0}
    found = masks_of(image, batch=4, **options)
    assert len(found) > 3
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    for index, mask in enumerate(found.masks):
        answer = run(image.answer(Prompt(points=(Point(mask.row, mask.col),))))
        assert max(overlap(found[index], one) for one in answer.masks) > 0.99


@pytest.mark.parametrize(
    ("option", "value"),
    [("points_per_side", 0), ("batch", 0), ("score", 1.1), ("stability", -1), ("least_area", 0)],
)
def test_options_out_of_their_range_are_refused(option: str, value: float) -> None:
    with pytest.raises(OptionError, match=option):
        AutomaticConfig(**{option: value})
