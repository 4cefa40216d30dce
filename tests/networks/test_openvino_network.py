from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest
import torch
from features import landscape, rgb_raster
from models import FAMILIES, build, save
from torch.nn import Module

from napari_firstpass.backbones.vit import ViTConfig, ViTFactory
from napari_firstpass.errors import ComputeError, DeviceError, OptionError
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.openvino_network import openvino_version, prepare_steps
from napari_firstpass.networks.vision import VisionModel, load_model
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import Progress, run

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from napari_firstpass.features import FeatureMap

CPU = torch.device("cpu")
LAYERED = ["DINO", "DINOv2 with registers", "DINOv3 ViT", "DINOv3 ConvNeXt", "SigLIP 2"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with a tiny model of each family."""
    top = tmp_path_factory.mktemp("models")
    return {name: save(build(name), top / name) for name in FAMILIES}


def pixels_of(name: str, rows: int, cols: int, count: int = 1) -> Tensor:
    """Return pictures (N, 3, H, W) of that many patches, brighter at one end than at the other."""
    patch, rng = FAMILIES[name].patch, torch.Generator().manual_seed(7)
    noise = torch.randn(count, 3, rows * patch, cols * patch, generator=rng)
    return noise + torch.linspace(-2, 2, cols * patch)


def features_of(folder: Path, size: tuple[int, int], **options: object) -> FeatureMap:
    settings = {"dtype": "float32", "side": 96, "overlap": 32, "runtime": "openvino", **options}
    raster = rgb_raster(landscape(*size))
    stats = BandStats((0.0,) * 3, (255.0,) * 3)
    return run(ViTFactory(folder, ViTConfig(**settings))(stats, raster.roles, CPU).extract(raster))


@pytest.mark.parametrize(
    ("name", "size"), [*((name, (4, 7)) for name in FAMILIES), ("DINOv2", (6, 3))]
)
def test_a_prepared_network_says_what_its_own_class_says(
    folders: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    model = load_model(VisionFolder(folders[name]))
    pixels = pixels_of(name, *size, count=2)
    found = run(prepare_steps(model, (), tuple(pixels.shape[2:]), short=False)).maps(pixels)
    expected = FAMILIES[name].maps(build(name), pixels)
    assert float(expected.std(dim=(2, 3)).mean()) > 0.01  # places do differ
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", LAYERED)
def test_layers_are_those_of_torch(folders: dict[str, Path], name: str) -> None:
    model = load_model(VisionFolder(folders[name]), (1, -1))
    pixels = pixels_of(name, 4, 6)
    found = run(prepare_steps(model, (1, -1), tuple(pixels.shape[2:]), short=False)).maps(pixels)
    torch.testing.assert_close(found, model.maps(pixels, (1, -1)), atol=1e-4, rtol=1e-4)


def test_the_model_is_left_as_it_was(folders: dict[str, Path]) -> None:
    model = load_model(VisionFolder(folders["DINOv2"]))
    others = [pixels_of("DINOv2", rows, 5) for rows in (2, 4, 6)]
    before = [model.maps(pixels) for pixels in others]
    weights = [weight.data_ptr() for weight in model.module.parameters()]
    run(prepare_steps(model, (), (56, 70), short=False))
    assert [weight.data_ptr() for weight in model.module.parameters()] == weights
    for pixels, expected in zip(others, before, strict=True):
        assert torch.equal(model.maps(pixels), expected)


@pytest.mark.parametrize(
    "options", [{}, {"flip": True, "batch": 4}, {"batch": 4, "layers": (1, 2)}], ids=str
)
@pytest.mark.parametrize("name", ["DINOv2 with registers", "DINOv3 ConvNeXt"])
def test_features_are_those_of_torch(
    folders: dict[str, Path], name: str, options: dict[str, object]
) -> None:
    size = (130, 215)
    expected = features_of(folders[name], size, **{**options, "runtime": "torch"})
    found = features_of(folders[name], size, **options)
    assert found.vectors.dtype == torch.float32
    assert not torch.equal(found.vectors, expected.vectors)  # it was another that computed
    torch.testing.assert_close(found.vectors, expected.vectors, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("size", [(80, 215), (215, 80), (33, 20)], ids=str)
def test_pictures_smaller_than_a_window_stay_with_torch(
    folders: dict[str, Path], size: tuple[int, int]
) -> None:
    expected = features_of(folders["DINOv2"], size, runtime="torch").vectors
    assert torch.equal(features_of(folders["DINOv2"], size).vectors, expected)


def test_the_same_run_gives_the_same_bytes(folders: dict[str, Path]) -> None:
    one, other = (features_of(folders["DINOv3 ViT"], (150, 160)).vectors for _ in range(2))
    assert torch.equal(one, other)


def test_short_numbers_differ_little(folders: dict[str, Path]) -> None:
    long, short = (
        features_of(folders["DINO"], (96, 96), dtype=dtype).vectors
        for dtype in ("float32", "bfloat16")
    )
    assert 0 < float((long - short).abs().mean()) < 0.03 * float(long.std())


def test_a_network_is_prepared_once_and_says_so(folders: dict[str, Path]) -> None:
    raster = rgb_raster(landscape(96, 160))
    stats = BandStats.of([raster])
    factory = ViTFactory(folders["DINO"], ViTConfig(side=96, overlap=32, runtime="openvino"))
    messages: list[list[str]] = []
    for _ in range(2):  # as for two images
        seen: list[Progress] = []
        run(factory(stats, raster.roles, CPU).extract(raster), seen.append)
        messages.append([progress.message for progress in seen])
    views = ["view 1 of 2", "view 2 of 2"]
    assert messages[0] == ["reading colours", *["preparing the network"] * 3, *views]
    assert messages[1] == ["reading colours", *views]


def test_features_are_kept_apart_from_those_of_torch_and_other_versions(
    folders: dict[str, Path],
) -> None:
    one, other = (
        ViTFactory(folders["DINO"], ViTConfig(runtime=runtime)).identity()
        for runtime in ("torch", "openvino")
    )
    assert one != other
    assert f'"openvino": "{version("openvino")}"' in other
    assert openvino_version() == version("openvino")


class _Unfaithful(Module):
    """Says another thing when it is traced than when it is asked, as faulty code may."""

    def forward(self, pixel_values: Tensor) -> object:
        patches = torch.nn.functional.avg_pool2d(pixel_values, 16)
        wrong = patches * 1.01 if torch.jit.is_tracing() else patches
        return type("Output", (), {"last_hidden_state": wrong})()


class _Unknown(Module):
    """Computes what OpenVINO has no operation for."""

    def forward(self, pixel_values: Tensor) -> object:
        patches = torch.nn.functional.avg_pool2d(pixel_values, 16)
        state = patches * torch.linalg.svdvals(patches).sum()
        return type("Output", (), {"last_hidden_state": state})()


class _Untraceable(Module):
    """Cannot be traced."""

    def forward(self, pixel_values: Tensor) -> object:
        if torch.jit.is_tracing():
            raise ValueError("this model\ncannot be traced")
        patches = torch.nn.functional.avg_pool2d(pixel_values, 16)
        return type("Output", (), {"last_hidden_state": patches})()


@pytest.mark.parametrize(
    ("module", "found"),
    [
        (_Unfaithful(), "spreads apart from those of torch"),
        (_Unknown(), "no conversion rule found for operations: aten::linalg_svdvals"),
        (_Untraceable(), "ValueError: this model cannot be traced"),
    ],
)
def test_a_model_that_openvino_cannot_run_is_refused(
    folders: dict[str, Path], module: Module, found: str
) -> None:
    scaling = load_model(VisionFolder(folders["DINO"])).scaling
    model = VisionModel(module.eval(), 16, None, scaling)
    with pytest.raises(ComputeError, match=f"(?i){found}.*; choose the runtime torch"):
        run(prepare_steps(model, (), (64, 96), short=False))


def test_it_computes_on_no_gpu(folders: dict[str, Path]) -> None:
    raster = rgb_raster(landscape(32, 32))
    factory = ViTFactory(folders["DINO"], ViTConfig(runtime="openvino"))
    with pytest.raises(DeviceError, match="the device cpu for the runtime openvino, found cuda"):
        factory(BandStats.of([raster]), raster.roles, torch.device("cuda"))


def test_unknown_runtimes_are_refused() -> None:
    with pytest.raises(OptionError, match="a runtime out of torch, openvino, found 'onnx'"):
        ViTConfig(runtime="onnx")
    with pytest.raises(OptionError, match="overlap"):
        ViTConfig(overlap=20)  # what a `ViewConfig` checks is still checked


QUIETLY = """
import sys
from pathlib import Path
from napari_firstpass.networks.openvino_network import prepare_steps
from napari_firstpass.progress import run
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.networks.vision import load_model

reached = []
watched = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname")
sys.addaudithook(lambda event, args: reached.append(event) if event in watched else None)
model = load_model(VisionFolder(Path(sys.argv[1])))
assert "openvino" not in sys.modules
run(prepare_steps(model, (), (64, 96), short=False))
assert "openvino" in sys.modules and "openvino_telemetry" not in sys.modules
assert not reached, reached
"""


def test_nothing_is_sent_written_or_printed(folders: dict[str, Path], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    places = {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home)}
    # Set where builds run, it would keep the reports away by itself.
    env = {key: value for key, value in os.environ.items() if key not in ("CI", "GITHUB_ACTIONS")}
    done = subprocess.run(
        [sys.executable, "-c", QUIETLY, str(folders["DINO"])],
        check=False, capture_output=True, text=True, cwd=home, env=env | places,
    )  # fmt: skip
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert list(home.rglob("*")) == []
