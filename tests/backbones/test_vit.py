from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from features import RGB, agreement, landscape, rgb_raster
from memory_limits import needs_limits, said_when_short
from models import FAMILIES, IMAGENET, WIDTH, build, lively, save
from torch.nn import functional
from transformers import DINOv3ConvNextConfig, DINOv3ConvNextModel

from napari_firstpass.backbones.vit import ViTBackbone, ViTConfig, ViTFactory
from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import ComputeError, OptionError, WeightsError
from napari_firstpass.feature_scaling import FeatureScaler
from napari_firstpass.grid import Grid
from napari_firstpass.normalize import BandStats
from napari_firstpass.pipeline import FittedModel, label_steps
from napari_firstpass.progress import Progress, run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.segmenters import SEGMENTERS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from napari_firstpass.bands import Role
    from napari_firstpass.features import FeatureMap
    from napari_firstpass.grid import Window

CPU = torch.device("cpu")
every_family = pytest.mark.parametrize("name", FAMILIES)
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder with a tiny model of each family."""
    top = tmp_path_factory.mktemp("models")
    return {name: save(build(name), top / name) for name in FAMILIES}


def raw_stats(bands: int = 3) -> BandStats:
    """The stretch that divides by 255, as the makers of all these models do."""
    return BandStats((0.0,) * bands, (255.0,) * bands)


def backbone_of(
    folder: Path, raster: Raster, device: torch.device = CPU, **options: object
) -> ViTBackbone:
    factory = ViTFactory(folder, ViTConfig(**{"dtype": "float32", **options}))
    return factory(raw_stats(len(raster.roles)), raster.roles, device)


def features_of(folder: Path, raster: Raster, **options: object) -> FeatureMap:
    return run(backbone_of(folder, raster, **options).extract(raster))


def noise(height: int, width: int, bands: int = 3, seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (bands, height, width), dtype=np.uint8)


def prepared(image: NDArray[np.uint8], name: str) -> Tensor:
    """Return an RGB image (3, H, W) as the makers of a family would, on whole cells."""
    family = FAMILIES[name]
    height, width = (-(-side // family.stride) for side in image.shape[1:])
    ragged = [(0, 0)] + [(0, -side % family.stride) for side in image.shape[1:]]
    whole = torch.from_numpy(np.pad(image, ragged, mode="edge")).float()[None] / 255
    size = (height * family.patch, width * family.patch)
    resized = functional.interpolate(whole, size, mode="bilinear", antialias=True)
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) for numbers in family.scaling)
    return (resized - mean) / std


@every_family
@pytest.mark.parametrize("size", [(75, 101), (64, 64), (16, 130)], ids=str)
def test_features_are_what_the_model_says_of_patches(
    folders: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    image = noise(*size)
    found = features_of(folders[name], rgb_raster(image))
    expected = FAMILIES[name].maps(build(name), prepared(image, name))[0]
    assert len(found.vectors) == WIDTH
    assert float(expected.std(dim=(1, 2)).mean()) > 0.01  # cells do differ
    torch.testing.assert_close(found.vectors, expected, atol=1e-5, rtol=1e-5)


@every_family
@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 100)], ids=str)
def test_cells_cover_the_image_to_its_rim(
    folders: dict[str, Path], name: str, size: tuple[int, int]
) -> None:
    found = features_of(folders[name], rgb_raster(noise(*size)))
    assert found.stride == FAMILIES[name].stride
    assert found.grid == Grid(*size).coarsen(found.stride)
    assert found.vectors.dtype == torch.float32
    assert found.vectors.isfinite().all()
    assert not found.vectors.is_inference()


@every_family
def test_class_and_register_tokens_are_known_for_each_family(
    folders: dict[str, Path], name: str
) -> None:
    model = backbone_of(folders[name], rgb_raster(noise(16, 16))).model
    assert (model.patch, model.extra or 0) == (FAMILIES[name].patch, FAMILIES[name].extra)


@pytest.mark.parametrize("layers", [(1, 2), (2,), (-1, -2), (1, 1)], ids=str)
@pytest.mark.parametrize("name", ["DINOv2 with registers", "TIPSv2", "SigLIP 2", "DINOv3 ViT"])
def test_layers_are_put_one_behind_the_other(
    folders: dict[str, Path], name: str, layers: tuple[int, ...]
) -> None:
    image = noise(48, 80)
    found = features_of(folders[name], rgb_raster(image), layers=layers)
    states = FAMILIES[name].states(build(name), prepared(image, name))
    expected = torch.cat([states[i][0] for i in layers])
    torch.testing.assert_close(found.vectors, expected, atol=1e-5, rtol=1e-5)


def test_finer_stages_of_a_pyramid_are_averaged(folders: dict[str, Path]) -> None:
    name, image = "DINOv3 ConvNeXt", noise(48, 80)
    found = features_of(folders[name], rgb_raster(image), layers=(3, 4))
    states = FAMILIES[name].states(build(name), prepared(image, name))
    fine, coarse = states[3], states[4]
    assert fine.shape[2:] == (6, 10)
    expected = torch.cat([functional.avg_pool2d(fine, 2)[0], coarse[0]])
    torch.testing.assert_close(found.vectors, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layers", [(0,), (3,), (1, -3)], ids=str)
def test_a_block_that_the_model_has_not_is_refused(
    folders: dict[str, Path], layers: tuple[int, ...]
) -> None:
    with pytest.raises(OptionError, match="expected blocks from 1 to 2"):
        features_of(folders["DINOv2"], rgb_raster(noise(16, 16)), layers=layers)


def test_flip_averages_with_the_mirrored_image(folders: dict[str, Path]) -> None:
    image, folder = noise(64, 96), folders["DINOv3 ViT"]
    plain = features_of(folder, rgb_raster(image)).vectors
    mirrored = features_of(folder, rgb_raster(image[:, :, ::-1].copy())).vectors.flip(2)
    found = features_of(folder, rgb_raster(image), flip=True).vectors
    assert float((plain - mirrored).abs().max()) > 0.1
    torch.testing.assert_close(found, (plain + mirrored) / 2, atol=1e-5, rtol=1e-5)


def test_two_windows_are_blended_linearly_and_left_alone_elsewhere(
    folders: dict[str, Path],
) -> None:
    image, folder = noise(64, 96), folders["DINO"]
    left = features_of(folder, rgb_raster(image[:, :, :64])).vectors
    right = features_of(folder, rgb_raster(image[:, :, 32:])).vectors
    found = features_of(folder, rgb_raster(image), side=64, overlap=32).vectors
    torch.testing.assert_close(found[:, :, :4], left[:, :, :4], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[:, :, 8:], right[:, :, 4:], atol=1e-5, rtol=1e-5)
    share = torch.tensor([0.125, 0.375, 0.625, 0.875])
    mixed = left[:, :, 4:] * (1 - share) + right[:, :, :4] * share
    torch.testing.assert_close(found[:, :, 4:8], mixed, atol=1e-5, rtol=1e-5)


def test_a_model_that_sees_single_cells_sees_the_same_through_windows(tmp_path: Path) -> None:
    config = DINOv3ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[0, 0, 0, 0])
    folder = save(lively(DINOv3ConvNextModel(config)), tmp_path / "local")
    raster = rgb_raster(noise(200, 333))
    whole = features_of(folder, raster).vectors
    for overlap in (0, 16, 32):
        slid = features_of(folder, raster, side=64, overlap=overlap, batch=3).vectors
        inner = (slice(None), slice(0, -1), slice(0, -1))
        torch.testing.assert_close(slid[inner], whole[inner], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(slid, whole, atol=1e-4, rtol=1e-4)


def test_the_number_of_windows_at_once_changes_nothing(folders: dict[str, Path]) -> None:
    raster, folder = rgb_raster(noise(128, 160)), folders["DINOv2"]
    one, many = (
        features_of(folder, raster, side=64, overlap=16, batch=batch).vectors for batch in (1, 5)
    )
    torch.testing.assert_close(one, many, atol=1e-5, rtol=1e-5)


def test_short_numbers_differ_little(folders: dict[str, Path]) -> None:
    raster, folder = rgb_raster(noise(64, 64)), folders["DINOv2"]
    long, short, auto = (
        features_of(folder, raster, dtype=dtype).vectors
        for dtype in ("float32", "bfloat16", "auto")
    )
    assert short.dtype == torch.float32
    assert 0 < float((long - short).abs().mean()) < 0.03 * float(long.std())
    assert torch.equal(auto, long) or torch.equal(auto, short)


def test_cells_without_data_are_marked(folders: dict[str, Path]) -> None:
    valid = np.ones((64, 70), dtype=bool)
    valid[:33, :32] = False
    found = features_of(folders["DINOv2"], rgb_raster(noise(64, 70), valid)).valid
    assert found.tolist() == [[False] * 2 + [True] * 3] * 2 + [[True] * 5] * 2


@pytest.mark.parametrize(
    ("roles", "seen"),
    [
        (("red", "green", "blue", "nir"), (0, 1, 2)),
        (("blue", "green", "red"), (2, 1, 0)),
        (("green", "red", "nir"), (2, 1, 0)),
        ((None,) * 5, (0, 1, 2)),
        (("red", "nir"), (0, 1, 1)),
        ((None,), (0, 0, 0)),
    ],
    ids=str,
)
def test_any_bands_become_a_picture_of_three(
    folders: dict[str, Path], roles: tuple[Role | None, ...], seen: tuple[int, ...]
) -> None:
    image = noise(32, 48, bands=len(roles))
    found = features_of(folders["DINO"], Raster.from_array(image, Grid(32, 48), roles=roles))
    expected = features_of(folders["DINO"], rgb_raster(image[list(seen)]))
    torch.testing.assert_close(found.vectors, expected.vectors)


def test_bands_are_stretched_before_the_model_sees_them(folders: dict[str, Path]) -> None:
    image, folder = noise(32, 48), folders["DINO"]
    raster = rgb_raster(image)
    dark = Raster.from_array(image.astype(np.uint16) * 3 + 100, raster.grid, roles=RGB)
    factory = ViTFactory(folder, ViTConfig(dtype="float32"))
    backbone = factory(BandStats((100.0,) * 3, (865.0,) * 3), RGB, CPU)
    expected = features_of(folder, raster).vectors
    torch.testing.assert_close(run(backbone.extract(dark)).vectors, expected, atol=1e-4, rtol=1e-4)


def test_progress_counts_the_windows(folders: dict[str, Path]) -> None:
    raster = rgb_raster(noise(64, 112))
    seen: list[Progress] = []
    run(backbone_of(folders["DINO"], raster, side=64, overlap=16).extract(raster), seen.append)
    assert [(p.done, p.total) for p in seen[1:]] == [(0, 2), (1, 2)]
    assert seen[-1].message == "view 2 of 2"


def test_nothing_leaks_when_the_work_is_dropped(folders: dict[str, Path]) -> None:
    raster = rgb_raster(noise(64, 112))
    steps = backbone_of(
        folders["DINO"], raster, side=64, overlap=16, dtype="bfloat16"
    ).extract(raster)  # fmt: skip
    for _ in range(3):
        next(steps)
    assert not torch.is_inference_mode_enabled()
    assert not torch.is_autocast_enabled("cpu")
    assert torch.is_grad_enabled()
    steps.close()


def test_the_model_is_loaded_once(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    factory = ViTFactory(folder)
    save(build("DINO"), folder)
    one = factory(raw_stats(), RGB, CPU)
    (folder / "model.safetensors").unlink()
    assert factory(raw_stats(), RGB, CPU).model is one.model


@pytest.mark.parametrize(
    "options",
    [
        {"side": 48},
        {"side": 100},
        {"side": 8192},
        {"overlap": 272},
        {"overlap": -16},
        {"overlap": 20},
        {"batch": -1},
        {"batch": 1.0},
        {"dtype": "float16"},
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(options))):
        ViTConfig(**options)


class _Sink:
    """Keeps labels in memory."""

    def __init__(self, height: int, width: int) -> None:
        self.labels = np.zeros((height, width), np.int64)

    def write(self, window: Window, labels: NDArray[Any], confidence: NDArray[np.uint8]) -> None:
        assert labels.shape == confidence.shape == (window.height, window.width)
        self.labels[window.slices] = labels


@pytest.mark.parametrize("name", ["DINO", "DINOv3 ConvNeXt"])
def test_the_pipeline_segments_with_it(folders: dict[str, Path], name: str) -> None:
    truth = np.zeros((160, 224), np.int64)
    truth[:, 112:] = 1
    colours = np.array([[60, 120, 50], [170, 150, 140]])[truth]
    speckle = np.random.default_rng(0).normal(size=(3, *truth.shape)) * 4
    raster = rgb_raster((np.moveaxis(colours, -1, 0) + speckle).astype(np.uint8))
    stats, config = BandStats.of([raster]), SegmentConfig(classes=2, window=96, overlap=32)
    backbone = ViTFactory(folders[name], ViTConfig(side=128, overlap=32))(stats, RGB, CPU)
    sample = run(backbone.extract(raster))
    scaler = FeatureScaler.of([sample])
    segmenter = SEGMENTERS.load("kmeans")(classes=2, seed=0)
    scaled = type(sample)(
        scaler.apply(sample.vectors), sample.valid, sample.grid, sample.stride
    )  # fmt: skip
    classes = run(segmenter.fit([scaled]))
    model = FittedModel(stats, backbone, scaler, classes, (0, 1, 2), CPU)
    sink = _Sink(*truth.shape)
    run(label_steps(ArraySource(raster), model, config, sink))
    assert agreement(sink.labels, truth) > 0.95


SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np, torch
from napari_firstpass.backbones.vit import ViTConfig, ViTFactory
from napari_firstpass.errors import ComputeError
from napari_firstpass.grid import Grid
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster

torch.set_num_threads(1)

def steps_of(raster, side, batch):
    config = ViTConfig(side=side, overlap=side // 2, batch=batch, dtype="float32")
    stats = BandStats((0.0,) * 3, (255.0,) * 3)
    factory = ViTFactory(Path(sys.argv[1]), config)
    return factory(stats, raster.roles, torch.device("cpu")).extract(raster)

def try_with(size, side, spare):
    image = np.random.default_rng(0).integers(0, 256, (3, size, size), dtype=np.uint8)
    raster = Raster.from_array(image, Grid(size, size))
    expected = run(steps_of(raster, side, 1)).vectors if size > side else None
    steps = steps_of(raster, side, 256)
    next(steps), next(steps)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * resource.getpagesize() + spare * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        found = run(steps, lambda progress: print(progress.message))
    except ComputeError as error:
        print("ComputeError:", error)
    else:
        torch.testing.assert_close(found.vectors, expected, atol=1e-5, rtol=1e-5)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)

for numbers in sys.argv[2:]:
    try_with(*map(int, numbers.split()))
    print("---")
"""


@pytest.fixture(scope="module")
def said(folders: dict[str, Path]) -> list[str]:
    """What the backbone says in a process that may not have more than some more MiB."""
    # 81 windows of 3 · 256² numbers are 64 MB, one of 3 · 2048² is 50 MB.
    sizes = ("1280 256 40", "2048 2048 8")
    return said_when_short(SHORT_OF_MEMORY, folders["DINO"], *sizes, timeout=120)


@needs_limits
def test_where_memory_is_short_fewer_windows_are_computed_at_once(
    said: list[str],
) -> None:
    assert "at once: memory is short" in said[0]
    assert ComputeError.__name__ not in said[0]


@needs_limits
def test_too_little_memory_for_one_window_is_one_sentence(
    said: list[str],
) -> None:
    last = said[1].splitlines()[-1]
    assert last.startswith(f"{ComputeError.__name__}: expected enough memory for one window")
    assert "choose a smaller side" in last


@needs_gpu
def test_a_gpu_says_the_same(folders: dict[str, Path]) -> None:
    raster, folder = rgb_raster(landscape(200, 300)), folders["DINOv3 ViT"]
    gpu = features_of(folder, raster, device=torch.device("cuda"), side=128, overlap=32)
    cpu = features_of(folder, raster, side=128, overlap=32)
    assert gpu.vectors.device.type == "cuda"
    torch.testing.assert_close(gpu.vectors.cpu(), cpu.vectors, atol=1e-2, rtol=1e-2)


@needs_gpu
def test_a_full_gpu_computes_fewer_windows_at_once(folders: dict[str, Path]) -> None:
    cuda, raster = torch.device("cuda"), rgb_raster(noise(1280, 1280))
    options = {"side": 256, "overlap": 128, "device": cuda}
    expected = features_of(folders["DINO"], raster, batch=1, **options)
    messages: list[str] = []
    steps = backbone_of(folders["DINO"], raster, batch=81, **options).extract(raster)
    next(steps), next(steps)
    torch.cuda.empty_cache()
    # 81 windows of 3 · 256² numbers are 64 MB.
    limit = torch.cuda.memory_reserved() + 40 * 2**20
    total = torch.cuda.get_device_properties(cuda).total_memory
    torch.cuda.set_per_process_memory_fraction(limit / total)
    try:
        found = run(steps, lambda progress: messages.append(progress.message))
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert any("at once: memory is short" in message for message in messages)
    torch.testing.assert_close(found.vectors, expected.vectors, atol=1e-3, rtol=1e-3)


def test_the_hash_is_that_of_the_folder(folders: dict[str, Path], tmp_path: Path) -> None:
    hashes = {ViTFactory(folder).weights_sha256() for folder in folders.values()}
    assert len(hashes) == len(folders)
    with pytest.raises(WeightsError, match="nothing there"):
        ViTFactory(tmp_path / "none").weights_sha256()


def test_dinov3_for_satellites_brings_its_own_scaling(tmp_path: Path) -> None:
    folder = save(build("DINOv3 ViT"), tmp_path / "sat")
    written = '{"image_mean": [0.430, 0.411, 0.296], "image_std": [0.213, 0.156, 0.143]}'
    (folder / "preprocessor_config.json").write_text(written)
    image = noise(48, 64)
    found = features_of(folder, rgb_raster(image)).vectors
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in IMAGENET)
    pixels = prepared(image, "DINOv3 ViT") * std + mean
    mean, std = torch.tensor([0.430, 0.411, 0.296]), torch.tensor([0.213, 0.156, 0.143])
    pixels = (pixels - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    expected = FAMILIES["DINOv3 ViT"].maps(build("DINOv3 ViT"), pixels)[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
