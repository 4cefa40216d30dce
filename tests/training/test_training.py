from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from affine import Affine
from real_images import DATA
from safetensors import safe_open

from napari_firstpass.backbones import embedded
from napari_firstpass.grid import Grid, Pixel, Window
from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster
from napari_firstpass.scenes import make_scene
from napari_firstpass.tensor_file import pack
from training.config import AREAS, Area, Config
from training.crops import vectors_of_crops
from training.learn import explained, learn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_firstpass.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2]
MOSAICS = DATA / "aerial_geotiff"

TINY = Config(
    areas=(Area("east", (0, 192), (0, 128)), Area("west", (32, 192), (96, 256))),
    crops=9,
    held_out=3,
    side=64,
    vectors=2000,
    kinds=60,
    words=6,
    restarts=2,
    iterations=10,
)


def write_mosaic(folder: Path, name: str, image: NDArray[np.uint8]) -> None:
    roles = ("red", "green", "blue")
    raster = Raster.from_array(image, Grid(*image.shape[1:], crs="EPSG:32632"), roles=roles)
    write_raster(folder / f"{name}.tif", raster)


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two made-up towns of 192 x 256 pixels."""
    folder = tmp_path_factory.mktemp("mosaics")
    for seed, name in enumerate(("east", "west")):
        scene = make_scene(192, 256, seed=seed, pixel_size=0.3)
        write_mosaic(folder, name, scene.raster.bands[:3])
    return folder


def described(folder: Path, config: Config) -> tuple[torch.Tensor, torch.Tensor]:
    """The cells to learn from, and those held out."""
    drawn = list(vectors_of_crops(folder, config))
    return torch.cat(drawn[: config.crops]), torch.cat(drawn[config.crops :])


def learned(folder: Path, config: Config) -> Vocabulary:
    return run(learn(described(folder, config)[0], config))


def bytes_of(words: Vocabulary) -> bytes:
    fields = {"mean": words.mean, "projection": words.projection, "words": words.words}
    return pack({name: value.numpy() for name, value in fields.items()}, {})


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(mosaics: Path) -> None:
    content = bytes_of(learned(mosaics, TINY))
    assert bytes_of(learned(mosaics, TINY)) == content
    assert bytes_of(learned(mosaics, replace(TINY, seed=1))) != content


def test_the_seed_alone_decides_which_words_are_found(mosaics: Path) -> None:
    seen, _ = described(mosaics, TINY)
    one, same, other = (run(learn(seen, replace(TINY, seed=seed))) for seed in (0, 0, 1))
    assert torch.equal(one.words, same.words)
    assert not torch.equal(one.words, other.words)
    assert not torch.equal(one.mean, other.mean)  # from other cells


def test_what_is_learned_is_what_the_backbone_reads(mosaics: Path) -> None:
    words = learned(mosaics, TINY)
    read = embedded.vocabulary_of(bytes_of(words))
    assert len(read.words) == TINY.words
    assert torch.equal(read.words, words.words)
    assert torch.equal(read.projection, words.projection)


def test_every_crop_gives_its_cells(mosaics: Path) -> None:
    seen, unseen = described(mosaics, TINY)
    cells = (TINY.side // 4) ** 2
    assert (len(seen), len(unseen)) == (TINY.crops * cells, TINY.held_out * cells)
    assert seen.isfinite().all()


def test_learned_words_explain_more_than_random_ones(mosaics: Path) -> None:
    seen, unseen = described(mosaics, TINY)
    words = run(learn(seen, TINY))
    drawn = torch.randn(words.words.shape, generator=torch.Generator().manual_seed(0))
    chance = replace(words, words=drawn * words.words.std(0))
    assert explained(words, seen) > explained(chance, seen) + 0.1
    assert explained(words, unseen) > explained(chance, unseen) + 0.1


def test_more_words_explain_more(mosaics: Path) -> None:
    seen, _ = described(mosaics, TINY)
    few, many = (run(learn(seen, replace(TINY, words=words))) for words in (2, 24))
    assert 0 < explained(few, seen) < explained(many, seen) < 1


def test_as_many_words_as_descriptions_explain_everything() -> None:
    vectors = torch.randn(6, 22, generator=torch.Generator().manual_seed(0))
    words = run(learn(vectors, replace(TINY, kinds=6)))
    assert explained(words, vectors) == pytest.approx(1, abs=1e-5)


def test_nothing_outside_the_areas_is_described(mosaics: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for area in TINY.areas:
        with open_raster(mosaics / f"{area.mosaic}.tif") as source:
            image = source.read(source.grid.window).bands.copy()
        outside = np.ones(image.shape[1:], dtype=bool)
        outside[slice(*area.rows), slice(*area.cols)] = False
        # In another order, so that the range of the values, which all pixels decide, stays.
        image[:, outside] = rng.permutation(image[:, outside], axis=1)
        write_mosaic(tmp_path, area.mosaic, image)
    shuffled, before = (torch.cat(described(folder, TINY)) for folder in (tmp_path, mosaics))
    assert torch.equal(shuffled, before)


def test_an_area_no_larger_than_a_crop_is_enough(mosaics: Path) -> None:
    area = Area("west", (8, 72), (40, 104))
    tight = replace(TINY, areas=(area,), shrink=(1.0,), grey=0.0, shuffled=0.0)
    first, *others = vectors_of_crops(mosaics, tight)
    assert all(torch.equal(other, first) for other in others)


def test_grey_crops_have_no_colour(mosaics: Path) -> None:
    grey, _ = described(mosaics, replace(TINY, grey=1.0))
    colourful, _ = described(mosaics, replace(TINY, grey=0.0))
    assert float(grey[:, 1:3].abs().max()) < 1e-3 < float(colourful[:, 1:3].abs().max())


def test_the_shipped_words_were_learned_by_this_recipe() -> None:
    path = Path(embedded.__file__).with_name(embedded.WEIGHTS)
    with safe_open(path, framework="np") as file:
        noted = json.loads(file.metadata()["config"])
    assert noted == json.loads(json.dumps(asdict(Config())))
    assert len(embedded.shipped_vocabulary().words) == Config().words


@dataclass(frozen=True, slots=True)
class Ground:
    """A rectangle on Earth, in metres."""

    name: str
    crs: str | None
    left: float
    bottom: float
    right: float
    top: float

    @classmethod
    def of(cls, name: str, grid: Grid) -> Ground:
        left, top = grid.world_of(Pixel(0, 0))
        right, bottom = grid.world_of(Pixel(grid.height, grid.width))
        return cls(name, grid.crs, left, bottom, right, top)

    def overlaps(self, other: Ground) -> bool:
        """Whether both show the same ground; touching within a millimetre does not count."""
        assert self.crs == other.crs == "EPSG:3857"
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return width > 1e-3 and height > 1e-3


def ground_of(area: Area) -> Ground:
    """Where an area lies; it must lie inside its mosaic."""
    with open_raster(MOSAICS / f"{area.mosaic}.tif") as source:
        corner = (area.rows[0], area.cols[0])
        size = (area.rows[1] - area.rows[0], area.cols[1] - area.cols[0])
        return Ground.of(area.mosaic, source.grid.crop(Window(*corner, *size)))


@pytest.fixture(scope="module")
def scored() -> list[Ground]:
    """What the quality benchmark measures on, as it loads it itself."""
    if not MOSAICS.is_dir():
        pytest.skip(f"no mosaics in {MOSAICS}; set FIRSTPASS_DATA to the folder above")
    code = (
        "import json\n"
        "from rulers.datasets.aerial import BUILDINGS\n"
        "grids = {one.name: one.raster.grid for one in BUILDINGS.load()}\n"
        "print(json.dumps([(n, *g.shape, g.crs, g.transform[:6]) for n, g in grids.items()]))\n"
    )
    paths = {"PYTHONPATH": str(ROOT / "benchmarks"), "FIRSTPASS_DATA": str(DATA)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | paths,
    )
    return [
        Ground.of(name, Grid(height, width, Affine(*place), crs))
        for name, height, width, crs, place in json.loads(done.stdout)
    ]


def test_nothing_is_learned_from_what_is_scored(scored: list[Ground]) -> None:
    assert {ground.name[:5] for ground in scored} == {"site1", "site5"}
    assert not any(area.mosaic.startswith("site5") for area in AREAS)
    grounds = [ground_of(area) for area in AREAS]
    assert [(a, b) for a in grounds for b in scored if a.overlaps(b)] == []


def test_the_same_ground_at_half_the_resolution_would_be_noticed(scored: list[Ground]) -> None:
    # Scored at 15 cm, but beside the middle that is scored at 7 cm.
    ground = ground_of(Area("site1_a_7cm", (0, 512), (2560, 3000)))
    assert [b.name for b in scored if ground.overlaps(b)] == ["site1_a_15cm"]
