"""The dense CRF against its equations, written out over all pairs of pixels."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from features import stripes
from patience import longest_step

from napari_firstpass.progress import run
from napari_firstpass.refinement import LabelGuide
from napari_firstpass.refiners.dense_crf import (
    PUBLISHED,
    CRFRefiner,
    DenseCRFConfig,
    crf_refiner,
    dense_crf_steps,
    library_steps,
)


def scene(
    classes: int, grain: float, seed: int, side: int = 48
) -> tuple[torch.Tensor, torch.Tensor]:
    """Soft and wrong-in-places probabilities of stripes, and a picture of them with grain."""
    rng = torch.Generator().manual_seed(seed)
    ids = torch.from_numpy(stripes(side, side, classes)).roll(3, 1)
    colours = torch.randint(40, 215, (classes, 3), generator=rng).float()
    image = colours[ids].movedim(-1, 0)
    image = image + grain * torch.randn(image.shape, generator=rng)
    logits = 1.5 * torch.nn.functional.one_hot(ids, classes).movedim(-1, 0)
    logits = logits + 1.5 * torch.randn(logits.shape, generator=rng)
    return logits.softmax(0), image.round().clamp(0, 255)


def exact(p: torch.Tensor, image: torch.Tensor, config: DenseCRFConfig) -> torch.Tensor:
    """The mean-field equations with n x n matrices."""
    sides = (torch.arange(side) for side in image.shape[1:])
    rows, cols = torch.meshgrid(*sides, indexing="ij")
    places = torch.stack([rows, cols], -1).reshape(-1, 2).double()
    colours = image.flatten(1).T.double()
    apart, other = (torch.cdist(x, x).square() for x in (places, colours))
    near = torch.exp(-apart / (2 * config.near_spread**2))
    like = torch.exp(-apart / (2 * config.like_spread**2) - other / (2 * config.colour_spread**2))
    near, like = ((k / torch.outer(k.sum(1), k.sum(1)).sqrt()).float() for k in (near, like))
    pull = config.near_weight * near + config.like_weight * like
    energy = -torch.log(p.clamp(config.least, 1)).flatten(1).T
    q = torch.softmax(-energy, 1)
    for _ in range(config.iterations):
        q = torch.softmax(-energy + pull @ q, 1)
    return q.T.reshape(p.shape)


@pytest.mark.parametrize(("classes", "grain"), [(3, 12.0), (8, 4.0)])
def test_labels_are_those_of_the_exact_equations(classes: int, grain: float) -> None:
    p, image = scene(classes, grain, seed=classes)
    found, wanted = run(dense_crf_steps(p, image)), exact(p, image, PUBLISHED)
    same = float((found.argmax(0) == wanted.argmax(0)).float().mean())
    assert same >= 0.97
    assert same > float((p.argmax(0) == wanted.argmax(0)).float().mean()) + 0.02
    assert float((found - wanted).abs().mean()) < 0.02
    torch.testing.assert_close(found.sum(0), torch.ones(48, 48))


def test_position_alone_is_summed_exactly() -> None:
    p, image = scene(3, 4.0, seed=1, side=20)
    config = DenseCRFConfig(like_weight=0.0)
    found = run(dense_crf_steps(p, image, config))
    torch.testing.assert_close(found, exact(p, image, config), atol=1e-5, rtol=0)


@pytest.mark.parametrize(("classes", "grain"), [(2, 12.0), (8, 4.0)])
def test_the_library_solves_the_same_equations(classes: int, grain: float) -> None:
    pytest.importorskip("pydensecrf.densecrf")
    p, image = scene(classes, grain, seed=classes)
    found, wanted = run(library_steps(p, image)), exact(p, image, PUBLISHED)
    assert found.shape == p.shape
    assert float((found.argmax(0) == wanted.argmax(0)).float().mean()) >= 0.97
    torch.testing.assert_close(found.sum(0), torch.ones(48, 48))


def test_the_refiner_tells_what_solves_the_field() -> None:
    solver = crf_refiner(preset="paper", seed=0, device=torch.device("cpu"))
    assert solver.config == PUBLISHED
    there = find_spec("pydensecrf") is not None
    assert solver.record() == {"solver": "pydensecrf2" if there else "own"}
    # The library cannot use a graphics card.
    assert not crf_refiner(preset="fast", seed=0, device=torch.device("cuda")).library


def test_whoever_cancels_waits_for_no_long_step() -> None:
    p, image = scene(4, 12.0, seed=0, side=400)
    labels = p.argmax(0) + 1
    labels[:, :90] = 0
    guide = LabelGuide(labels, p.amax(0), 4)
    refiner = CRFRefiner(config=DenseCRFConfig(iterations=1), library=False)
    steps = refiner.refine(image / 255, torch.ones_like(labels, dtype=torch.bool), guide)
    assert longest_step(steps) < 0.15
