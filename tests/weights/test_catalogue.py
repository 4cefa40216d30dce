from __future__ import annotations

import re

import pytest

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.weights.catalogue import KNOWN, known


def test_every_name_is_fit_for_a_folder_and_for_one_repository() -> None:
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in KNOWN)
    assert all(re.fullmatch(r"[\w-]+/[\w.-]+", model.repo) for model in KNOWN.values())
    assert len({model.repo for model in KNOWN.values()}) == len(KNOWN)
    assert all(model.name == name for name, model in KNOWN.items())


@pytest.mark.parametrize(
    ("name", "repo", "stride"),
    [
        ("dino-s8", "facebook/dino-vits8", 8),
        ("dinov2-b", "facebook/dinov2-base", 14),
        ("dinov2-reg-l", "facebook/dinov2-with-registers-large", 14),
        ("dinov3-s16", "facebook/dinov3-vits16-pretrain-lvd1689m", 16),
        ("dinov3-l16-sat", "facebook/dinov3-vitl16-pretrain-sat493m", 16),
        ("dinov3-convnext-t", "facebook/dinov3-convnext-tiny-pretrain-lvd1689m", 32),
        ("tipsv2-b14", "google/tipsv2-b14", 14),
        ("siglip2-b16", "google/siglip2-base-patch16-224", 16),
        ("clip-b16", "openai/clip-vit-base-patch16", 16),
    ],
)
def test_short_names_stand_for_repositories(name: str, repo: str, stride: int) -> None:
    assert (known(name).repo, known(name).stride) == (repo, stride)


def test_what_is_gated_or_restricted_says_so() -> None:
    assert {name for name, model in KNOWN.items() if model.gated} == {
        name for name in KNOWN if name.startswith("dinov3-") or name == "sam3"
    }
    assert "non-commercial" in known("segformer-b0-ade").licence


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"dinov2-s, .*, found 'dinov9'; choose one") as info:
        known("dinov9")
    assert all(name in str(info.value) for name in KNOWN)
