"""Label maps of what is named, by a tiny Stable Diffusion."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import landscape
from words import save_clip, save_sam3

from diffusion import save_diffusion
from napari_firstpass.diffusion.word_presets import FAST, PRESETS
from napari_firstpass.errors import (
    ImageReadError,
    OptionError,
    OutputError,
    PromptError,
    WeightsError,
)
from napari_firstpass.grid import Grid
from napari_firstpass.io.label_file import read_segmentation
from napari_firstpass.io.raster_file import write_raster
from napari_firstpass.progress import run
from napari_firstpass.prompt_folders import (
    WordRun,
    WordsConfig,
    label_words_steps,
    word_file,
    word_file_steps,
    word_run_steps,
)
from napari_firstpass.prompts import Named
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.segmentation import ArraySink

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from napari_firstpass.progress import Steps

SHAPE = (72, 96)
NAMES = ("roof", "road", "car")


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at pictures of 128 pixels: the preset is for 512."""
    monkeypatch.setitem(PRESETS, "fast", replace(FAST, side=128))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_diffusion(tmp_path_factory.mktemp("diffusion") / "model", tokens=120)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_raster(tmp_path / "scene.tif", scene_raster())


def scene_raster(valid: np.ndarray | None = None) -> Raster:
    grid = Grid(*SHAPE, crs="EPSG:3857")
    return Raster.from_array(landscape(*SHAPE), grid, roles=("red", "green", "blue"), valid=valid)


def config_of(folder: Path, **changes: object) -> WordsConfig:
    plain = {"names": NAMES, "model": str(folder), "preset": "fast", "device": "cpu"}
    return WordsConfig(**{**plain, **changes})


class Bright:
    """A prompter that is known by heart: *roof* is bright, *road* is dark, and no more."""

    def prepare(self, _raster: Raster, picture: torch.Tensor) -> Steps[BrightImage]:
        return BrightImage(picture.mean(0))
        yield

    def record(self) -> Steps[dict[str, str]]:
        return {"weights_sha256": "0" * 64}
        yield


class BrightImage:
    def __init__(self, grey: torch.Tensor) -> None:
        self.grey = grey

    def answer(self, _prompt: object) -> Steps[object]:
        raise NotImplementedError
        yield

    def classes(self, names: Sequence[str], background: float | None) -> Steps[Named]:
        least = background or 0.0
        values = {"roof": self.grey, "road": 1 - self.grey}
        maps = torch.stack([values.get(name, torch.zeros_like(self.grey)) for name in names])
        best, winner = maps.max(0)
        return Named((winner + 1) * (best > least), best * (best > least))
        yield


def bright_run(**changes: object) -> WordRun:
    config = WordsConfig(**{"names": NAMES, "window": 64, "overlap": 16, **changes})
    return WordRun(config, Bright(), None, None, {"method": "words"}, torch.device("cpu"))


def labelled(
    ready: WordRun, names: tuple[str, ...] = NAMES, valid: np.ndarray | None = None
) -> ArraySink:
    raster = scene_raster(valid)
    sink = ArraySink.of(raster.grid, ready.config.taxonomy)
    run(label_words_steps(ArraySource(raster), sink, ready=ready, names=names))
    return sink


def test_windows_together_are_the_whole_image() -> None:
    whole, parts = labelled(bright_run(window=256)), labelled(bright_run())
    assert np.array_equal(whole.labels, parts.labels)
    assert np.array_equal(whole.confidence, parts.confidence)
    assert set(np.unique(whole.labels)) == {1, 2}


def test_labels_are_ids_of_the_run_whichever_names_are_there() -> None:
    whole = labelled(bright_run()).labels
    few = labelled(bright_run(), names=("road",)).labels
    assert set(np.unique(few)) == {0, 2} or set(np.unique(few)) == {2}
    assert (few[whole == 2] == 2).all()
    above = labelled(bright_run(background=0.75)).labels
    assert (above == 0).any()
    assert (above[above > 0] == whole[above > 0]).all()
    assert not labelled(bright_run(), names=()).labels.any()


def test_pixels_without_data_have_no_class() -> None:
    valid = np.ones(SHAPE, dtype=bool)
    valid[:, 40:] = False
    found = labelled(bright_run(), valid=valid)
    assert not found.labels[:, 40:].any()
    assert not found.confidence[:, 40:].any()
    assert (found.labels[:, :40] > 0).all()


def test_a_file_is_written_with_names_and_a_record(
    folder: Path, scene: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.tif"
    report = word_file(scene, out, config_of(folder))
    found = read_segmentation(out)
    assert [entry.name for entry in found.taxonomy.classes] == list(NAMES)
    assert found.grid.crs == "EPSG:3857"
    assert report.written is not None
    assert sum(report.written.counts.values()) == SHAPE[0] * SHAPE[1]
    assert found.labels.any()
    told = found.provenance
    assert told.source == "scene.tif"
    assert told.weights_sha256 is not None
    assert told.config["names"] == list(NAMES)
    assert told.config["model"] == "model"  # no folders
    assert told.config["settings"]["spread"]["strength"] == 0.1


def test_what_is_done_is_passed_over_and_what_differs_is_not_replaced(
    folder: Path, scene: Path, tmp_path: Path
) -> None:
    out = tmp_path / "labels.tif"
    ready = run(word_run_steps(config_of(folder)))
    assert run(word_file_steps(scene, out, ready)).written is not None
    before = out.read_bytes(), out.stat().st_mtime_ns
    assert run(word_file_steps(scene, out, ready)).written is None
    assert (out.read_bytes(), out.stat().st_mtime_ns) == before
    other = replace(ready, config=config_of(folder, background=0.3), told={"method": "words"})
    with pytest.raises(OutputError, match="exist"):
        run(word_file_steps(scene, out, other))
    write_raster(
        scene, Raster.from_array(landscape(*SHAPE)[::-1].copy(), Grid(*SHAPE)), overwrite=True
    )
    with pytest.raises(OutputError, match="exist"):
        run(word_file_steps(scene, out, ready))
    assert out.read_bytes() == before[0]
    assert run(word_file_steps(scene, out, ready, overwrite=True)).written is not None


def test_the_same_options_write_the_same_bytes(folder: Path, scene: Path, tmp_path: Path) -> None:
    config = config_of(folder, seed=3)
    for name in ("one.tif", "two.tif"):
        word_file(scene, tmp_path / name, config)
    assert (tmp_path / "one.tif").read_bytes() == (tmp_path / "two.tif").read_bytes()


def test_only_what_is_tagged_is_found_and_images_without_tags_are_refused(
    folder: Path, scene: Path, tmp_path: Path
) -> None:
    tags = tmp_path / "tags.txt"
    tags.write_text("scene.tif: car\nempty.tif:\n")
    ready = run(word_run_steps(config_of(folder, tags=str(tags))))
    out = tmp_path / "labels.tif"
    run(word_file_steps(scene, out, ready))
    found = read_segmentation(out)
    assert set(np.unique(found.labels)) <= {0, 3}
    assert (found.labels == 3).any()
    assert found.provenance.config["tags"] == ["car"]
    nothing = write_raster(tmp_path / "empty.tif", scene_raster())
    run(word_file_steps(nothing, tmp_path / "none.tif", ready))
    assert not read_segmentation(tmp_path / "none.tif").labels.any()
    stranger = write_raster(tmp_path / "other.tif", scene_raster())
    with pytest.raises(PromptError, match=r"what is in other\.tif in .*tags\.txt, found nothing"):
        run(word_file_steps(stranger, tmp_path / "more.tif", ready))
    assert not (tmp_path / "more.tif").exists()


def test_a_tagger_looks_first(folder: Path, scene: Path, tmp_path: Path) -> None:
    clip = save_clip(tmp_path / "clip")
    ready = run(word_run_steps(config_of(folder, tagger=str(clip))))
    assert ready.tagger is not None
    assert ready.record("scene.tif", None, None).config["tagger_sha256"] is not None
    report = run(word_file_steps(scene, tmp_path / "labels.tif", ready))
    assert report.written is not None
    # A CLIP that is never sure tells of nothing, so nothing is looked for.
    assert set(report.written.counts) == {0}


def test_sam3_reads_words_too(scene: Path, tmp_path: Path) -> None:
    model = save_sam3(tmp_path / "sam3")
    config = config_of(model, prompter="sam3", preset="fast", background=0.05)
    report = word_file(scene, tmp_path / "labels.tif", config)
    assert report.written is not None
    told = read_segmentation(tmp_path / "labels.tif").provenance
    assert told.config["prompter"] == "sam3"
    assert told.config["score"] == 0.5


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"names": ()}, PromptError, "names of what to look for, each once, found none"),
        ({"names": ("roof", " ")}, PromptError, "an empty one"),
        ({"background": 1.5}, OptionError, "a background threshold"),
        ({"tags": "a", "tagger": "b"}, PromptError, "found both"),
        ({"overlap": 1024}, OptionError, "overlap in"),
    ],
)
def test_wrong_options_are_refused(
    folder: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        config_of(folder, **changes)


def test_what_is_missing_is_told_before_any_image_is_read(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(tmp_path))
    with pytest.raises(ImageReadError, match=r"a text file at .*tags\.txt"):
        run(word_run_steps(config_of(folder, tags=str(tmp_path / "tags.txt"))))
    (tmp_path / "tags.txt").write_text("scene: boat\n")
    with pytest.raises(PromptError, match=r"names out of roof, road, car in .* found 'boat'"):
        run(word_run_steps(config_of(folder, tags=str(tmp_path / "tags.txt"))))
    with pytest.raises(WeightsError, match="models fetch sd-2-1-base"):
        run(word_run_steps(replace(config_of(folder), model="sd-2-1-base")))
    with pytest.raises(WeightsError, match="models fetch clip-b16"):
        run(word_run_steps(config_of(folder, tagger="clip-b16")))
    with pytest.raises(PromptError, match=r"a prompter that reads words: .* need no weights"):
        run(word_run_steps(replace(config_of(folder), model=None, preset="fast")))
    with pytest.raises(WeightsError, match="a folder with SAM 3"):
        run(word_run_steps(replace(config_of(folder), model=None, prompter="sam3", preset="fast")))
