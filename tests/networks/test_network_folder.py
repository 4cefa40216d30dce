from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from napari_firstpass.errors import WeightsError
from napari_firstpass.networks.folder import PixelScaling, VisionFolder

if TYPE_CHECKING:
    from pathlib import Path

HALF, PLAIN = PixelScaling((0.5,) * 3, (0.5,) * 3), PixelScaling()


def folder_of(path: Path, **files: object) -> VisionFolder:
    """Write a folder; what is no bytes is written as JSON."""
    path.mkdir(exist_ok=True)
    for name, content in {"config": {"model_type": "vit"}, **files}.items():
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (path / (name if "." in name else f"{name}.json")).write_bytes(data)
    return VisionFolder(path)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="found nothing there"):
        VisionFolder(tmp_path / "none").config()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "model").touch()
    with pytest.raises(WeightsError, match="found a file"):
        VisionFolder(tmp_path / "model").config()


def test_a_folder_without_config_says_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(WeightsError, match=r"config\.json, found a folder with holiday\.jpg"):
        VisionFolder(tmp_path).config()


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "no JSON"),
        (b'{"model_type":', "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "a list"),
        (b"null", "a NoneType"),
        (b'{"hidden_size": 3}', "hidden_size"),
        (b'{"model_type": 7}', "model_type"),
        (b'{"model_type": "vit", "quantization_config": {}}', "quantised"),
    ],
)
def test_a_config_that_says_nothing_usable_is_refused(
    tmp_path: Path, content: bytes, found: str
) -> None:
    with pytest.raises(WeightsError, match=found):
        folder_of(tmp_path, config=content).config()


def test_names_of_code_are_left_out(tmp_path: Path) -> None:
    written = {
        "model_type": "clip",
        "auto_map": {"AutoModel": "evil.Model"},
        "vision_config": {"hidden_size": 3, "attn_implementation": "someone/kernel"},
        "_attn_implementation": "someone/kernel",
    }
    read = folder_of(tmp_path, config=written).config()
    assert read == {"model_type": "clip", "vision_config": {"hidden_size": 3}}


@pytest.mark.parametrize("name", ["preprocessor_config", "processor_config"])
def test_the_scaling_in_a_file_wins(tmp_path: Path, name: str) -> None:
    inner = {"image_mean": [0.1, 0.2, 0.3], "image_std": 0.4}
    content = inner if name == "preprocessor_config" else {"image_processor": inner}
    scaling = folder_of(tmp_path, **{name: content}).scaling("siglip")
    assert scaling == PixelScaling((0.1, 0.2, 0.3), (0.4,) * 3)


def test_a_file_may_say_that_nothing_is_scaled(tmp_path: Path) -> None:
    content = {"do_normalize": False, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    assert folder_of(tmp_path, preprocessor_config=content).scaling("vit") == PLAIN


@pytest.mark.parametrize("content", [{}, {"do_normalize": True}])
def test_without_a_word_the_type_of_model_decides(tmp_path: Path, content: dict[str, bool]) -> None:
    folder = folder_of(tmp_path, preprocessor_config=content)
    assert folder.scaling("siglip2") == folder.scaling("siglip_vision_model") == HALF
    assert folder.scaling("tipsv2") == PLAIN
    assert folder.scaling("clip").mean == pytest.approx((0.481, 0.458, 0.408), abs=1e-3)
    for kind in ("vit", "dinov2", "dinov2_with_registers", "dinov3_vit", "dinov3_convnext"):
        assert folder.scaling(kind).std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize(
    ("mean", "std"),
    [
        ([0.5] * 3, [0.5, 0.5, 0]),
        ([0.5] * 3, [-0.5] * 3),
        ([0.5] * 2, [0.5] * 3),
        ([0.5] * 3, "half"),
        ([None] * 3, [0.5] * 3),
        ([float("nan")] * 3, [0.5] * 3),
        ([0.5] * 3, []),
    ],
    ids=str,
)
def test_a_scaling_that_makes_no_sense_is_refused(
    tmp_path: Path, mean: object, std: object
) -> None:
    content = {"image_mean": mean, "image_std": std}
    with pytest.raises(WeightsError, match=r"preprocessor_config\.json"):
        folder_of(tmp_path, preprocessor_config=content).scaling("vit")


def test_safetensors_come_before_a_pickle(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, **{"pytorch_model.bin": b"2"})
    assert [file.name for file in folder.weight_files()] == ["pytorch_model.bin"]
    assert not folder.is_safe
    folder = folder_of(tmp_path, **{"model.safetensors": b"1"})
    assert [file.name for file in folder.weight_files()] == ["model.safetensors"]
    assert folder.is_safe


INDEX = {"weight_map": {"a": "one.safetensors", "b": "two.safetensors", "c": "one.safetensors"}}


def test_weights_may_be_in_several_files(tmp_path: Path) -> None:
    shards = {"one.safetensors": b"1", "two.safetensors": b"2"}
    folder = folder_of(tmp_path, **{"model.safetensors.index.json": INDEX}, **shards)
    names = [file.name for file in folder.weight_files()]
    assert names == ["model.safetensors.index.json", "one.safetensors", "two.safetensors"]
    assert folder.is_safe


@pytest.mark.parametrize(
    ("index", "found"), [(INDEX, r"no two\.safetensors"), ({}, "no names"), ([], "a list")]
)
def test_weights_that_are_missing_are_named(tmp_path: Path, index: object, found: str) -> None:
    folder = folder_of(tmp_path, **{"model.safetensors.index.json": index, "one.safetensors": b"1"})
    with pytest.raises(WeightsError, match=found):
        folder.weight_files()


def test_a_folder_without_weights_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"found only config\.json"):
        folder_of(tmp_path).weight_files()


def test_the_hash_depends_on_what_files_say_and_not_on_where_they_are(tmp_path: Path) -> None:
    one, two = (
        folder_of(tmp_path / name, **{"model.safetensors": b"1"}) for name in ("one", "two")
    )
    first = one.sha256()
    assert len(first) == 64
    assert two.sha256() == first
    (two.path / "README.md").write_text("no matter")
    assert two.sha256() == first
    seen = {first}
    for name, content in {
        "model.safetensors": b"2",
        "config": {"model_type": "vit", "hidden_size": 3},
        "preprocessor_config": {"do_normalize": False},
    }.items():
        seen.add(folder_of(one.path, **{name: content}).sha256())
    assert len(seen) == 4
