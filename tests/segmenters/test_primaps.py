"""The default method."""

from __future__ import annotations

import torch
from features import with_vectors

from napari_firstpass.progress import run
from napari_firstpass.segmenters.primaps import PrimapsSegmenter


def test_few_masks_still_give_the_classes_asked_for() -> None:
    window = with_vectors(torch.rand(2, 12, 12, generator=torch.Generator().manual_seed(0)) + 9)
    model = run(PrimapsSegmenter(classes=6, seed=0).fit([window]))
    assert len(torch.unique(model.scores(window.vectors).argmax(0))) == 6
