"""The prompter iseg on scenes of which every pixel is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from counting import texture_of

from napari_firstpass.backbones.embedded import EmbeddedBackbone
from napari_firstpass.bands import RGB
from napari_firstpass.errors import PromptError, UnknownNameError
from napari_firstpass.grid import Grid
from napari_firstpass.normalize import BandStats, filled
from napari_firstpass.progress import run
from napari_firstpass.prompting import PROMPTERS
from napari_firstpass.prompts import Box, Line, Point, Prompt
from napari_firstpass.raster import Raster

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.prompts import Answer
    from napari_firstpass.protocols import Backbone, PreparedImage

PRESETS = ("fast", "paper", "row")
COLOURS = np.array([[70, 110, 60], [190, 90, 70], [60, 70, 140]])
SHAPE = (120, 144)


def scene() -> NDArray[np.int64]:
    """Grass (0), with a red roof (1) and a blue pond (2)."""
    ids = np.zeros(SHAPE, np.int64)
    ids[30:70, 20:64] = 1
    ids[60:100, 84:132] = 2
    return ids


def raster_of(ids: NDArray[np.int64], seed: int = 0) -> Raster:
    grain = np.random.default_rng(seed).normal(size=ids.shape) * 4
    image = np.clip(np.moveaxis(COLOURS[ids], -1, 0) + grain, 0, 255).astype(np.uint8)
    return Raster.from_array(image, Grid(*ids.shape), roles=RGB)


def prepared(
    raster: Raster, preset: str = "fast", backbone: Backbone | None = None
) -> PreparedImage:
    whole = filled(raster)
    cpu = torch.device("cpu")
    stats = BandStats((0.0,) * 3, (255.0,) * 3)
    own = backbone or EmbeddedBackbone(stats, raster.roles, cpu)
    prompter = PROMPTERS.load("iseg")(preset=preset, model=None, backbone=own, seed=0, device=cpu)
    return run(prompter.prepare(whole, torch.from_numpy(whole.bands).float() / 255))


@pytest.fixture(scope="module")
def images() -> dict[str, PreparedImage]:
    return {preset: prepared(raster_of(scene()), preset) for preset in PRESETS}


@pytest.fixture(scope="module")
def image(images: dict[str, PreparedImage]) -> PreparedImage:
    return images["fast"]


def overlap(answer: Answer, thing: int) -> float:
    mask, truth = answer.masks[0].numpy(), scene() == thing
    return float((mask & truth).sum() / (mask | truth).sum())


PROMPTS = {
    "a point": Prompt(points=(Point(50, 42),)),
    "a line": Prompt(lines=(Line(((50, 30), (50, 56))),)),
    "a box": Prompt(boxes=(Box(28, 18, 72, 66),)),
    "a mask": Prompt(start=torch.from_numpy(scene() == 1)),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_a_roof_is_found_from(name: str, image: PreparedImage) -> None:
    answer = run(image.answer(PROMPTS[name]))
    assert overlap(answer, 1) > 0.95
    assert 1 <= len(answer.masks) <= 3
    assert bool((answer.scores.diff() <= 0).all())
    assert 0 <= float(answer.scores.min()) <= float(answer.scores.max()) <= 1


@pytest.mark.parametrize("preset", ["paper", "row"])
@pytest.mark.parametrize("name", PROMPTS)
def test_a_roof_is_found_with_the_published_method_from(
    name: str, preset: str, images: dict[str, PreparedImage]
) -> None:
    # Its masks are as coarse as cells of four pixels.
    assert overlap(run(images[preset].answer(PROMPTS[name])), 1) > 0.7


def test_a_box_is_a_hard_limit(image: PreparedImage) -> None:
    masks = run(image.answer(Prompt(boxes=(Box(30, 20, 70, 40),)))).masks
    assert not bool(masks[:, :, 40:].any())
    assert not bool(masks[:, :30].any())


def test_two_boxes_hold_two_parts(image: PreparedImage) -> None:
    boxes = (Box(28, 18, 72, 66), Box(58, 82, 102, 134))
    mask = run(image.answer(Prompt(boxes=boxes))).masks[0].numpy()
    truth = scene() > 0
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9


@pytest.mark.parametrize("known", [{"start": torch.from_numpy(scene() > 0)}, {"points": ()}])
def test_a_negative_point_removes_a_thing(known: dict[str, object], image: PreparedImage) -> None:
    both = (Point(50, 42), Point(80, 108)) if "points" in known else (Point(50, 42),)
    shown = {**known, "points": both}
    before = run(image.answer(Prompt(**shown))).masks[0]  # type: ignore[arg-type]
    without = Point(80, 108, positive=False)
    shown["points"] = (Point(50, 42), without)
    after = run(image.answer(Prompt(**shown))).masks[0]  # type: ignore[arg-type]
    pond = torch.from_numpy(scene() == 2)
    assert float(before[pond].float().mean()) > 0.8
    assert float(after[pond].float().mean()) < 0.05
    assert float(after[torch.from_numpy(scene() == 1)].float().mean()) > 0.9


def test_marks_of_both_kinds_in_one_region_divide_it(image: PreparedImage) -> None:
    points = (Point(50.5, 40.5), Point(50.5, 42.5, positive=False))
    mask = run(image.answer(Prompt(points=points))).masks[0]
    assert bool(mask[50, 40])
    assert not bool(mask[50, 42])


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("place", [(0, 0), (119.9, 0), (0, 143.9), (119.9, 143.9)])
def test_corners_can_be_clicked(
    place: tuple[float, float], preset: str, images: dict[str, PreparedImage]
) -> None:
    mask = run(images[preset].answer(Prompt(points=(Point(*place),)))).masks[0]
    assert bool(mask[int(place[0]), int(place[1])])
    assert float(mask[torch.from_numpy(scene() > 0)].float().mean()) < 0.1


@pytest.mark.parametrize("preset", PRESETS)
def test_a_box_thinner_than_a_pixel_is_answered(
    preset: str, images: dict[str, PreparedImage]
) -> None:
    answer = run(images[preset].answer(Prompt(boxes=(Box(40.1, 30, 40.2, 50),))))
    assert int(answer.masks[0].sum()) <= 20
    assert bool(answer.scores.isfinite().all())


@pytest.mark.parametrize("preset", PRESETS)
def test_nothing_without_data_is_in_a_mask(preset: str) -> None:
    raster = raster_of(scene())
    valid = np.ones(SHAPE, bool)
    valid[40:60, 30:50] = False
    image = prepared(Raster.from_array(raster.bands, raster.grid, roles=RGB, valid=valid), preset)
    masks = run(image.answer(Prompt(boxes=(Box(28, 18, 72, 66),)))).masks
    assert bool(masks.any())
    assert not bool(masks[:, ~torch.from_numpy(valid)].any())
    with pytest.raises(PromptError, match="on pixels with data"):
        run(image.answer(Prompt(points=(Point(50, 40),))))


@pytest.mark.parametrize("preset", PRESETS)
def test_what_lies_outside_is_refused(preset: str, images: dict[str, PreparedImage]) -> None:
    with pytest.raises(PromptError, match="in the image"):
        run(images[preset].answer(Prompt(points=(Point(120, 4),))))


def test_words_are_refused(image: PreparedImage) -> None:
    with pytest.raises(PromptError, match="the words roof"):
        run(image.answer(Prompt(words=("roof",))))


@pytest.mark.parametrize("preset", PRESETS)
def test_an_image_of_one_colour_is_answered(preset: str) -> None:
    ids = np.zeros((60, 50), np.int64)
    bands = np.moveaxis(COLOURS[ids], -1, 0).astype(np.uint8)
    image = prepared(Raster.from_array(bands, Grid(60, 50), roles=RGB), preset)
    for prompt in (Prompt(points=(Point(30, 25),)), Prompt(boxes=(Box(10, 10, 40, 40),))):
        answer = run(image.answer(prompt))
        assert bool(answer.masks[0].any())
        assert bool(answer.scores.isfinite().all())


@pytest.mark.parametrize("preset", PRESETS)
def test_the_same_prompt_gives_the_same_answer(
    preset: str, images: dict[str, PreparedImage]
) -> None:
    prompt = Prompt(points=(Point(50, 42), Point(10, 10, positive=False)))
    first = run(images[preset].answer(prompt))
    again = run(prepared(raster_of(scene()), preset).answer(prompt))
    assert torch.equal(first.masks, again.masks)
    assert torch.equal(first.scores, again.scores)


def test_any_backbone_will_do() -> None:
    raster = raster_of(scene())
    image = prepared(raster, backbone=texture_of(raster))
    assert overlap(run(image.answer(PROMPTS["a box"])), 1) > 0.9


def test_unknown_presets_and_models_are_refused() -> None:
    raster = raster_of(scene())
    made = PROMPTERS.load("iseg")
    cpu = torch.device("cpu")
    backbone = texture_of(raster)
    with pytest.raises(UnknownNameError, match="fast, paper, row"):
        made(preset="best", model=None, backbone=backbone, seed=0, device=cpu)
    with pytest.raises(UnknownNameError, match=r"weights out of .* found 'sam'"):
        made(preset="fast", model="sam", backbone=backbone, seed=0, device=cpu)
