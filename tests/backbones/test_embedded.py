from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import RGB, agreement, landscape, rgb_raster
from rasters import write_rgb

import napari_firstpass
from napari_firstpass.backbones.embedded import (
    REACH,
    WEIGHTS,
    EmbeddedBackbone,
    shipped_vocabulary,
    vocabulary_of,
)
from napari_firstpass.cli.codes import DONE, UNFIT
from napari_firstpass.clustering import kmeans, squared_distances
from napari_firstpass.errors import WeightsError
from napari_firstpass.grid import Grid
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster
from napari_firstpass.tensor_file import pack
from napari_firstpass.vocabulary import Vocabulary

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.bands import Role

ROOT = Path(__file__).parents[2]
PACKAGE = Path(napari_firstpass.__file__).parent
SHIPPED = PACKAGE / "backbones" / WEIGHTS
RGBN: tuple[Role, ...] = (*RGB, "nir")
CIR: tuple[Role, ...] = ("nir", "red", "green")


def embedded(raster: Raster, stats: BandStats | None = None) -> torch.Tensor:
    stats = stats or BandStats.of([raster])
    backbone = EmbeddedBackbone(stats, raster.roles, torch.device("cpu"))
    return run(backbone.extract(raster)).vectors


def raster_of(bands: NDArray[np.uint8], roles: tuple[Role | None, ...]) -> Raster:
    return Raster.from_array(bands, Grid(*bands.shape[1:]), roles=roles)


def noisy(bands: int, height: int, width: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(0)
    return rng.integers(70, 90, (bands, height, width), dtype=np.uint8)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_turning_the_image_turns_the_vectors(turns: int) -> None:
    image = landscape(128, 160)
    turned = embedded(rgb_raster(np.rot90(image, turns, axes=(1, 2)).copy()))
    expected = torch.rot90(embedded(rgb_raster(image)), turns, dims=(1, 2))
    torch.testing.assert_close(turned, expected, atol=1e-3, rtol=1e-3)


def test_mirroring_the_image_mirrors_the_vectors() -> None:
    image = landscape(64, 96)
    mirrored = embedded(rgb_raster(image[:, :, ::-1].copy()))
    expected = embedded(rgb_raster(image)).flip(2)
    torch.testing.assert_close(mirrored, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("first", [97, 98, 99, 100])
def test_no_pixel_beyond_the_stated_reach_changes_a_vector(first: int) -> None:
    image = landscape(96, 192)
    other = image.copy()
    other[:, :, first:] = landscape(96, 192 - first, seed=1)
    stats = BandStats.of([rgb_raster(image)])
    one, two = (embedded(rgb_raster(i), stats) for i in (image, other))
    changed = torch.nonzero((one != two).any(0).any(0))[:, 0]
    last_pixel = 4 * int(changed.min()) + 3
    assert REACH * 3 / 4 < first - last_pixel <= REACH


@pytest.mark.usefixtures("two_threads")
def test_the_number_of_threads_does_not_change_the_vectors() -> None:
    raster, found = rgb_raster(landscape()), []
    for threads in (2, 1):
        torch.set_num_threads(threads)
        found.append(embedded(raster))
    torch.testing.assert_close(*found, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("roles", "band"),
    [((None,), 0), ((None,) * 12, 0), ((None,) * 12, 11), (CIR, 0), (RGBN, 3)],
    ids=["grey", "first of 12", "last of 12", "nir of CIR", "nir of RGBN"],
)
def test_every_band_counts(roles: tuple[Role | None, ...], band: int) -> None:
    bands = noisy(len(roles), 48, 64)
    other = bands.copy()
    other[band] = other[band, ::-1]
    stats = BandStats.of([raster_of(bands, roles)])
    one, two = (embedded(raster_of(image, roles), stats) for image in (bands, other))
    assert one.isfinite().all()
    assert two.isfinite().all()
    assert float((one - two).abs().max()) > 0.01


def test_words_make_a_difference() -> None:
    raster, vocabulary = rgb_raster(landscape(64, 64)), shipped_vocabulary()
    half = Vocabulary(vocabulary.mean, vocabulary.projection, vocabulary.words[::2])
    stats = BandStats.of([raster])
    one, two = (
        run(EmbeddedBackbone(stats, RGB, torch.device("cpu"), v).extract(raster)).vectors
        for v in (vocabulary, half)
    )
    assert len(one) - len(two) == len(vocabulary.words) - len(half.words)


@pytest.mark.parametrize(("rise", "is_found"), [(90, True), (0, False)])
def test_vegetation_that_only_near_infrared_shows_is_found(rise: int, is_found: bool) -> None:
    bands = noisy(4, 192, 192)
    bands[3, 64:128, 64:128] += rise
    bands[3, 0, 0] = 200
    vectors = embedded(raster_of(bands, RGBN)).flatten(1).T
    nearest = squared_distances(vectors, run(kmeans(vectors, 2, seed=0))).argmin(1)
    patch = np.zeros((48, 48), np.int64)
    patch[16:32, 16:32] = 1
    overlap = agreement(nearest.reshape(48, 48).numpy(), patch)
    assert (overlap > 0.95) == is_found


def test_what_only_near_infrared_shows_keeps_its_edge() -> None:
    bands = np.full((4, 160, 160), 90, np.uint8)
    bands[:3] += np.random.default_rng(0).integers(0, 20, (3, 160, 160), dtype=np.uint8)
    bands[3, :, 80:] = 220
    raster = raster_of(bands, RGBN)
    index = embedded(raster)[4, 20]  # after three of colour and near infrared itself
    rise = (index - index[5]) / (index[35] - index[5])
    assert float(rise[18]) < 0.1
    assert float(rise[21]) > 0.9


def test_the_page_of_the_weights_has_their_checksum() -> None:
    page = (ROOT / "docs" / "models" / "embedded.md").read_text(encoding="utf-8")
    assert hashlib.sha256(SHIPPED.read_bytes()).hexdigest() in page


def test_the_weights_are_small() -> None:
    assert 1000 < SHIPPED.stat().st_size <= 4_000_000


def test_the_shipped_words_differ() -> None:
    words = shipped_vocabulary().words
    apart = squared_distances(words, words) + torch.eye(len(words)) * 1e9
    assert float(apart.min()) > 0.01


SOUND = {"mean": (22,), "projection": (4, 22), "words": (5, 4)}


def weights_of(shapes: dict[str, tuple[int, ...]]) -> bytes:
    return pack({name: np.ones(shape, np.float32) for name, shape in shapes.items()}, {})


def test_a_file_of_the_right_shapes_is_taken() -> None:
    assert vocabulary_of(weights_of(SOUND)).words.shape == (5, 4)


@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"words": (5, 4)},
        SOUND | {"more": (1,)},
        SOUND | {"mean": (21,)},
        SOUND | {"mean": (22, 1)},
        SOUND | {"projection": (3, 22)},
        SOUND | {"projection": (22, 4)},
        SOUND | {"words": (5, 3)},
        SOUND | {"words": (0, 4)},
        SOUND | {"words": (5,)},
        SOUND | {"words": ()},
        SOUND | {"words": (5, 4, 1)},
        SOUND | {"projection": (0, 22), "words": (5, 0)},
    ],
    ids=str,
)
def test_a_file_of_other_arrays_is_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(WeightsError, match="expected arrays mean"):
        vocabulary_of(weights_of(shapes))


DAMAGING = """
import sys
from pathlib import Path
import napari_firstpass
from napari_firstpass.cli import main

package, command = Path(sys.argv[1]), sys.argv[2:]
assert Path(napari_firstpass.__file__).parent == package
weights = package / "backbones" / "embedded.safetensors"
weights.write_bytes(weights.read_bytes()[:1000])
codes = [main(command)]
weights.unlink()
codes += [main(command), main([*command, "--backbone", "texture"])]
print(codes)
"""


def test_damaged_or_missing_weights_are_one_sentence_that_offers_what_needs_none(
    tmp_path: Path,
) -> None:
    # A copy of the package, as others have a damaged install.
    package = shutil.copytree(PACKAGE, tmp_path / "copy" / PACKAGE.name)
    weights, out = package / "backbones" / WEIGHTS, tmp_path / "labels.tif"
    image = write_rgb(tmp_path / "image.tif")
    command = ["segment", image, "--out", out, "--classes", "2"]
    done = subprocess.run(
        [sys.executable, "-c", DAMAGING, package, *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=package.parent,
        env=os.environ | {"PYTHONPATH": str(package.parent)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"{[UNFIT, UNFIT, DONE]}\n")  # nothing was in the way of the last
    assert out.exists()
    said = [line for line in done.stderr.splitlines() if line.startswith("firstpass: ")]
    assert len(said) == 2
    assert said[0] != said[1]
    assert all(str(weights) in line for line in said)
    assert all("choose the backbone 'texture'" in line for line in said)
    assert "Traceback" not in done.stderr
