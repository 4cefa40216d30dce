"""The fit of weights finds those that the data were made with."""

from __future__ import annotations

import numpy as np
import pytest

from training.prompt_data import large
from training.prompt_weights import Sample, fitted


def test_weights_are_found_again() -> None:
    rng = np.random.default_rng(0)
    cues = rng.normal(size=(4000, 3)) * (1.0, 5.0, 0.2)
    chance = 1 / (1 + np.exp(-(cues @ (1.0, -0.3, 4.0) - 0.5)))
    ones = np.ones(2000)
    halves = [Sample(cues[part], chance[part], ones) for part in (slice(2000), slice(2000, None))]
    assert fitted(halves) == pytest.approx((1.0, -0.3, 4.0, -0.5), rel=0.02)


def test_what_has_no_weight_does_not_count() -> None:
    cues = np.concatenate([np.linspace(-2, 2, 200), np.full(50, 1e6)])[:, None]
    chance = 1 / (1 + np.exp(-2 * cues[:, 0].clip(-5, 5)))
    weight = np.concatenate([np.ones(200), np.zeros(50)])
    # The ridge keeps weights a little nearer to 0.
    assert fitted([Sample(cues, chance, weight)]) == pytest.approx((2.0, 0.0), abs=0.1)


def test_objects_are_those_of_one_hundredth() -> None:
    numbers = np.zeros((20, 20), int)
    numbers[0, :4], numbers[1, :3] = 5, 7
    assert [int(mask.sum()) for mask in large(numbers)] == [4]
