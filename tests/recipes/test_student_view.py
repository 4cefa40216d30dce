from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_firstpass.recipes.student_view import blurred, grey, jittered, student_view, turned

PICTURE = torch.rand(3, 24, 28, generator=torch.Generator().manual_seed(0))


def test_a_third_of_the_circle_makes_red_green() -> None:
    red = torch.tensor([0.9, 0.2, 0.2])[:, None, None]
    torch.testing.assert_close(turned(red, 1 / 3)[:, 0, 0], torch.tensor([0.2, 0.9, 0.2]))
    torch.testing.assert_close(turned(PICTURE, 0.0), PICTURE)
    there_and_back = turned(turned(PICTURE, 0.07), -0.07)
    torch.testing.assert_close(there_and_back, PICTURE, atol=1e-5, rtol=0)
    greys = grey(PICTURE).contiguous()
    torch.testing.assert_close(turned(greys, 0.2), greys)


def test_grey_is_as_bright_as_the_eye_sees_it() -> None:
    found = grey(PICTURE)
    assert torch.equal(found[0], found[2])
    expected = 0.299 * PICTURE[0] + 0.587 * PICTURE[1] + 0.114 * PICTURE[2]
    torch.testing.assert_close(found[1], expected)


def test_a_blur_is_a_gaussian() -> None:
    point = torch.zeros(3, 41, 41)
    point[:, 20, 20] = 1
    found = blurred(point, 1.5)
    assert float(found[0].sum()) == pytest.approx(1, abs=1e-5)
    assert float(found[0, 20, 22] / found[0, 20, 20]) == pytest.approx(np.exp(-4 / 4.5), rel=1e-4)
    torch.testing.assert_close(blurred(PICTURE, 0.1), PICTURE)


def test_jitter_changes_colours_by_a_tenth_or_so() -> None:
    for seed in range(20):
        found = jittered(PICTURE, np.random.default_rng(seed))
        assert 0 <= float(found.min()) <= float(found.max()) <= 1
        assert 0.001 < float((found - PICTURE).abs().mean()) < 0.3


def test_students_see_colours_changed_as_often_as_published() -> None:
    rng = np.random.default_rng(0)
    plain = torch.tensor([0.6, 0.4, 0.2])[:, None, None].expand(3, 12, 12)
    seen = [student_view(plain, rng)[:, 0, 0] for _ in range(400)]
    greys = sum(float(one.max() - one.min()) < 1e-6 for one in seen)
    same = sum(bool(torch.allclose(one, plain[:, 0, 0], atol=1e-5)) for one in seen)
    assert greys / 400 == pytest.approx(0.05, abs=0.03)
    assert same / 400 == pytest.approx(0.8, abs=0.05)
