from __future__ import annotations

import pytest
import torch

from napari_firstpass.errors import GridMismatchError, TaxonomyError, UnknownNameError
from napari_firstpass.refinement import LabelGuide, decided, lead_of, preset_of

LABELS = torch.tensor([[0, 1], [3, 3]])


def test_a_guide_checks_itself() -> None:
    with pytest.raises(GridMismatchError, match="of one shape"):
        LabelGuide(LABELS, torch.ones(2, 3), 3)
    with pytest.raises(TaxonomyError, match="0 to 3"):
        LabelGuide(LABELS, torch.ones(2, 2), 2)
    with pytest.raises(TaxonomyError, match="-1 to 3"):
        LabelGuide(LABELS - torch.tensor([[1, 0], [0, 0]]), torch.ones(2, 2), 3)


def test_only_classes_that_occur_are_present() -> None:
    assert LabelGuide(LABELS, torch.ones(2, 2), 9).present.tolist() == [1, 3]
    assert LabelGuide(torch.zeros_like(LABELS), torch.ones(2, 2), 9).present.tolist() == []


def test_probabilities_share_what_is_left_among_all_classes() -> None:
    guide = LabelGuide(LABELS, torch.tensor([[1.0, 0.6], [0.2, 0.0]]), 4)
    found = guide.probabilities(guide.present)
    # c + (1 - c) / 4 and (1 - c) / 4 with c = 0, .6, .2, and .05, the least.
    expected = [[[0.25, 0.7], [0.2, 0.2375]], [[0.25, 0.1], [0.4, 0.2875]]]
    torch.testing.assert_close(found, torch.tensor(expected))
    everything = guide.probabilities(torch.arange(1, 5))
    torch.testing.assert_close(everything.sum(0), torch.ones(2, 2))


def test_no_label_is_beyond_doubt() -> None:
    guide = LabelGuide(LABELS, torch.ones(2, 2), 4)
    assert float(guide.probabilities(guide.present).max()) == pytest.approx(0.925)
    torch.testing.assert_close(guide.weight, torch.tensor([[0.0, 0.9], [0.9, 0.9]]))


def test_what_nothing_is_known_of_stays_unlabelled() -> None:
    guide = LabelGuide(torch.tensor([[0, 0, 1, 2]]), torch.ones(1, 4), 2)
    lead = torch.tensor([[0.05, 0.3, 0.05, 0.8]])
    valid = torch.tensor([[True, True, True, False]])
    found = decided(torch.full((1, 4), 2), lead, valid, guide)
    assert found.labels.tolist() == [[0, 2, 2, 0]]
    torch.testing.assert_close(found.confidence, torch.tensor([[0.0, 0.3, 0.05, 0.0]]))


def test_the_lead_is_that_over_the_second() -> None:
    best, lead = lead_of(torch.tensor([[0.1, 0.5], [0.7, 0.3], [0.2, 0.2]]))
    assert best.tolist() == [1, 0]
    torch.testing.assert_close(lead, torch.tensor([0.5, 0.2]))
    best, lead = lead_of(torch.tensor([[0.4]]))
    assert (best.tolist(), lead.tolist()) == ([0], [pytest.approx(0.4)])


def test_an_unknown_preset_names_the_known_ones() -> None:
    assert preset_of("crf", {"fast": 5}, "fast") == 5
    with pytest.raises(UnknownNameError, match="a preset of crf out of fast, paper, found 'slow'"):
        preset_of("crf", {"paper": 1, "fast": 2}, "slow")
