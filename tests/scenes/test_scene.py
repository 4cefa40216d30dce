"""The built-in scene: what it promises to everybody who uses it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from affine import Affine
from scipy.ndimage import binary_dilation, uniform_filter

from napari_firstpass.errors import OptionError
from napari_firstpass.progress import Progress
from napari_firstpass.scenes import SCENE_TAXONOMY, Scene, make_scene, make_scene_steps

IDS = {entry.name: entry.id for entry in SCENE_TAXONOMY.classes}
PLANTS = [IDS["grass"], IDS["tree"]]


@pytest.fixture(scope="module")
def scene() -> Scene:
    """The scene that users see first."""
    return make_scene()


def share(scene: Scene, name: str) -> float:
    """Return which part of a scene a class covers."""
    return float((scene.truth.labels == IDS[name]).mean())


def vegetation_index(scene: Scene) -> np.ndarray:
    """Return (nir − red) / (nir + red) of every pixel."""
    red, _, _, nir = scene.raster.bands.astype(np.float64)
    return (nir - red) / (nir + red + 1e-9)


def test_the_scene_is_georeferenced_north_up_in_metres(scene: Scene) -> None:
    grid = scene.raster.grid
    assert (grid.shape, grid.crs) == ((1024, 1024), "EPSG:32632")
    assert grid.transform == Affine(0.1, 0, 455_000, 0, -0.1, 5_430_000)
    assert scene.truth.grid == grid


def test_the_bands_are_red_green_blue_and_near_infrared_bytes(scene: Scene) -> None:
    assert scene.raster.roles == ("red", "green", "blue", "nir")
    assert scene.raster.bands.dtype == np.uint8
    assert scene.raster.valid.all()


def test_every_pixel_is_labelled(scene: Scene) -> None:
    assert scene.truth.labels.min() >= 1
    assert scene.truth.taxonomy == SCENE_TAXONOMY


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("paved", 0.15, 0.50),
        ("building", 0.08, 0.35),
        ("grass", 0.15, 0.55),
        ("tree", 0.05, 0.30),
        ("car", 0.004, 0.05),
        ("bare soil", 0.004, 0.10),
        ("water", 0.0005, 0.05),
    ],
)
def test_every_class_covers_a_plausible_share(
    scene: Scene, name: str, low: float, high: float
) -> None:
    assert low <= share(scene, name) <= high


def test_plants_have_a_high_vegetation_index_and_nothing_else_has(scene: Scene) -> None:
    index = vegetation_index(scene)
    for entry in SCENE_TAXONOMY.classes:
        median = np.median(index[scene.truth.labels == entry.id])
        assert median > 0.3 if entry.id in PLANTS else median < 0.05, entry.name


def test_colours_within_a_class_overlap_those_of_others(scene: Scene) -> None:
    red = scene.raster.bands[0]
    roofs, streets = (red[scene.truth.labels == IDS[name]] for name in ("building", "paved"))
    assert np.quantile(roofs, 0.25) < np.median(streets) < np.quantile(roofs, 0.95)


def test_every_band_varies_and_is_seldom_saturated(scene: Scene) -> None:
    for band in scene.raster.bands:
        assert band.std() > 20
        assert np.isin(band, (0, 255)).mean() < 0.01


def test_cars_stand_on_pavement_or_gravel(scene: Scene) -> None:
    labels = scene.truth.labels
    cars = labels == IDS["car"]
    around = binary_dilation(cars, iterations=4) & ~cars & (labels != IDS["tree"])
    assert np.isin(labels[around], (IDS["paved"], IDS["bare soil"])).mean() > 0.8


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, second = (make_scene(90, 120, seed=7) for _ in range(2))
    np.testing.assert_array_equal(first.raster.bands, second.raster.bands)
    np.testing.assert_array_equal(first.truth.labels, second.truth.labels)


def test_another_seed_gives_another_town() -> None:
    first, second = (make_scene(200, 200, seed=seed).truth.labels for seed in (1, 2))
    assert (first != second).mean() > 0.2


@pytest.mark.parametrize(
    ("size", "pixel_size"), [((16, 16), 0.07), ((37, 301), 0.3), ((301, 37), 0.07), ((16, 16), 0.3)]
)
def test_odd_sizes_and_resolutions_work(size: tuple[int, int], pixel_size: float) -> None:
    scene = make_scene(*size, pixel_size=pixel_size)
    assert scene.raster.bands.shape == (4, *size)
    assert scene.truth.labels.min() >= 1


def test_a_town_of_many_windows_continues_across_their_seams() -> None:
    whole, parted = make_scene(1000, 300, seed=3), make_scene(1100, 300, seed=3)
    np.testing.assert_array_equal(whole.truth.labels, parted.truth.labels[:1000])
    # Each window has its own noise; without it only what is beyond a seam could differ.
    apart = whole.raster.bands[0].astype(float) - parted.raster.bands[0, :1000]
    assert np.abs(uniform_filter(apart, 15)).max() < 2


def test_coarser_pixels_show_the_same_town() -> None:
    fine = make_scene(200, 200, seed=4, pixel_size=0.1).truth.labels
    coarse = make_scene(100, 100, seed=4, pixel_size=0.2).truth.labels
    assert (fine[::2, ::2] == coarse).mean() > 0.9


def test_the_provenance_holds_what_makes_the_scene_again(scene: Scene) -> None:
    config = dict(scene.truth.provenance.config)
    assert config.pop("scene") == "town"
    assert config == {"height": 1024, "width": 1024, "seed": 0, "pixel_size": 0.1}


def test_progress_counts_windows_and_comes_often() -> None:
    steps = list(make_scene_steps(60, 1100))
    assert steps[-1] == Progress(2, 2, "painting the town")
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert len(steps) > 30


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"height": 15}, r"scene height in \[16, 32768\], found 15"),
        ({"width": 10**6}, r"scene width in \[16, 32768\], found 1000000"),
        ({"seed": -1}, r"scene seed in \[0, 4294967295\], found -1"),
        ({"pixel_size": float("nan")}, r"scene pixel size in \[0.05, 0.5\], found nan"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        make_scene(**options)


OFFLINE = """
import os, socket, sys

def refuse(*args, **kwargs):
    raise OSError("no network")

socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from napari_firstpass.scenes import make_scene

assert make_scene(64, 64).raster.bands.std() > 5
assert not os.listdir(os.environ["HOME"]), os.listdir(os.environ["HOME"])
assert not {"torch", "rasterio", "napari"} & set(sys.modules)
"""


def test_no_network_no_cache_and_no_heavy_library_is_needed(tmp_path: object) -> None:
    environment = {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE],
        env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
