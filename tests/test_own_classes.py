from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from models import LAND, save_semantic

from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import UnknownNameError, WeightsError
from napari_firstpass.networks.semantic_source import semantic_folder, semantic_names
from napari_firstpass.own_classes import load_model_steps
from napari_firstpass.progress import Progress, run
from napari_firstpass.weights.catalogue import KNOWN

if TYPE_CHECKING:
    from pathlib import Path


def test_the_names_are_those_of_weights_that_tell_classes() -> None:
    assert "segformer-b0-ade" in semantic_names()
    assert "dinov2-s" in KNOWN
    assert "dinov2-s" not in semantic_names()


def test_a_model_is_loaded_and_hashed_with_progress_that_never_goes_back(tmp_path: Path) -> None:
    folder = save_semantic("SegFormer", tmp_path / "model")
    seen: list[Progress] = []
    model = run(load_model_steps(str(folder), SegmentConfig(device="cpu")), seen.append)
    assert [entry.name for entry in model.classes.classes] == list(LAND)
    shares = [progress.done / progress.total for progress in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert [progress.message for progress in seen[:2]] == ["loading the model", "trying the model"]
    assert "reading its files" in {progress.message for progress in seen}


def test_names_of_other_weights_and_of_none_are_refused() -> None:
    with pytest.raises(UnknownNameError, match=r"mask2former-s-ade.*found 'clip-b16', .* text;"):
        semantic_folder("clip-b16")
    with pytest.raises(UnknownNameError, match=r"or a folder such as \./model, found 'unet'"):
        semantic_folder("unet")


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"config\.json"):
        semantic_folder(str(tmp_path))
