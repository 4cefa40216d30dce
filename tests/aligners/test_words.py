"""Labels aligned by words: decisions by a model known by heart, the way there by a tiny CLIP."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from known_words import ColourWords
from sam import save_sam
from words import save_clip

from napari_firstpass.align_images import align_array, align_windows_steps
from napari_firstpass.aligners.dynalign import PRESETS, DynAlignConfig, DynAligner
from napari_firstpass.aligners.text import TextAligner
from napari_firstpass.aligning import AlignConfig, AlignImage, AlignJob, ArrayLabels
from napari_firstpass.candidates import Choice, Choices, open_choices
from napari_firstpass.costs import Costs
from napari_firstpass.errors import OptionError, WeightsError
from napari_firstpass.grid import Grid
from napari_firstpass.mask_decisions import MaskConfig
from napari_firstpass.networks.folder import VisionFolder
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource, Raster
from napari_firstpass.region_vectors import CropConfig
from napari_firstpass.region_words import RuleConfig
from napari_firstpass.run_length import RunLength
from napari_firstpass.segmentation import ArraySink, Segmentation, id_counts
from napari_firstpass.taxonomy import LabelClass, Taxonomy
from napari_firstpass.word_alignment import WordConfig, WordJudge, own_masks_steps

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_firstpass.alignment import Decision

SIDE = 96
SOURCE = Taxonomy(tuple(LabelClass(i, f"cluster {i}", "#000000") for i in (1, 2, 3)))
TARGET = Taxonomy(
    tuple(
        LabelClass(number, name, "#FFFFFF", phrases=(word,))
        for number, name, word in (
            (5, "roof", "red"), (6, "tree", "green"), (7, "lake", "blue"), (8, "sea", "blue"),
        )
    )
)  # fmt: skip
DENSE = WordConfig(dense=True, rule=RuleConfig(threshold=0.05), masks=MaskConfig(veto=0))
CROPS = WordConfig(crops=CropConfig(context="none"), masks=MaskConfig(veto=0), regions=400)


def bands() -> NDArray[np.uint8]:
    """Return three stripes: red, green and blue, of 32 columns each."""
    image = np.full((3, SIDE, SIDE), 10, np.uint8)
    for index in range(3):
        image[index, :, 32 * index : 32 * index + 32] = 200
    return image


def labels(stripes: tuple[int, int, int] = (1, 2, 3)) -> Segmentation:
    whole = np.repeat(np.array(stripes, np.uint8), 32)[None].repeat(SIDE, axis=0)
    return Segmentation(whole, SOURCE, Grid(SIDE, SIDE))


def job(segmentation: Segmentation) -> AlignJob:
    raster = Raster.from_array(bands(), segmentation.grid, roles=("red", "green", "blue"))
    image = AlignImage(
        "stripes",
        lambda: nullcontext(ArrayLabels(segmentation)),
        lambda: nullcontext(ArraySource(raster)),
    )
    counts = {i: int(n) for i, n in enumerate(id_counts(segmentation.labels)) if n}
    return AlignJob((image,), SOURCE, TARGET, counts)


def judge(choices: Choices, config: WordConfig) -> WordJudge:
    model = ColourWords()
    words = {key: model.read([said[0]])[0] for key, said in choices.phrases.items()}
    return WordJudge(model, choices, words, config, Costs())


def by_text(config: AlignConfig) -> TextAligner:
    return TextAligner(config, DENSE, VisionFolder(None))  # type: ignore[arg-type]


def aligned(
    aligner: TextAligner | DynAligner, work: AlignJob, choices: Choices, config: WordConfig
) -> tuple[NDArray[np.integer], list[Decision], dict[str, object]]:
    prepared = run(aligner.looked(judge(choices, config), work))
    sink = ArraySink.of(Grid(SIDE, SIDE), TARGET)
    told: list[Decision] = []
    run(align_windows_steps(work, prepared, 0, aligner.config, sink, told.extend))
    return sink.labels, told or list(prepared.proposals), dict(prepared.report())


def test_classes_get_the_name_of_what_they_show() -> None:
    twice = Taxonomy(TARGET.classes[:3])
    work = job(labels((2, 1, 3)))
    found, told, report = aligned(
        by_text(AlignConfig(way="text")), work, open_choices(SOURCE, twice), DENSE
    )
    assert found[0, ::32].tolist() == [5, 6, 7]
    assert [(e.source, e.target, e.reason) for e in told] == [
        (1, 6, "text"), (2, 5, "text"), (3, 7, "text"),
    ]  # fmt: skip
    assert report["cost"]["counts"]["masks"] > 0


def test_what_words_cannot_tell_apart_is_not_guessed() -> None:
    found, told, _ = aligned(
        by_text(AlignConfig(way="text")), job(labels()), open_choices(SOURCE, TARGET), DENSE
    )
    # Lake and sea are both blue: neither leads.
    assert found[0, ::32].tolist() == [5, 6, 0]
    assert [e.reason for e in told] == ["text", "text", "unknown"]
    assert dict(told[2].scores)[7] == pytest.approx(dict(told[2].scores)[8])


def test_regions_are_told_apart_inside_a_class() -> None:
    config = AlignConfig(way="text", level="regions")
    three = Taxonomy(TARGET.classes[:3])
    found, told, _ = aligned(
        by_text(config), job(labels((1, 1, 1))), open_choices(SOURCE, three), DENSE
    )
    assert found[48, [8, 24, 40, 56, 72, 88]].tolist() == [5, 5, 6, 6, 7, 7]
    assert {e.reason for e in told} <= {"text", "default"}


def dyn(settings: WordConfig, config: AlignConfig | None = None) -> DynAligner:
    return DynAligner(
        config or AlignConfig(way="dynalign"),
        DynAlignConfig(words=settings),
        VisionFolder(None),
        None,  # type: ignore[arg-type]
    )


CHOICES = Choices(
    # Cluster 1 may be roof or tree, cluster 2 stands for tree and nothing else, cluster 3 may not
    # be what it shows.
    {0: Choice(0, ()), 1: Choice(6, (5, 6)), 2: Choice(6, (6,)), 3: Choice(6, (5, 6))},
    (),
    {5: ("red",), 6: ("green",), 7: ("blue",)},
)


def test_masks_get_the_candidate_that_they_show_or_the_default() -> None:
    found, told, report = aligned(dyn(CROPS), job(labels()), CHOICES, CROPS)
    assert found[48, [8, 40, 72]].tolist() == [5, 6, 6]
    reasons = {e.source: set() for e in told}
    for entry in told:
        reasons[entry.source].add((entry.target, entry.reason))
    assert reasons == {1: {(5, "clip")}, 2: {(6, "default")}, 3: {(6, "default")}}
    assert report["cost"]["counts"]["masks looked at"] < report["cost"]["counts"]["masks"]


def test_masks_of_a_window_brought_to_another_size_come_back_to_its_pixels() -> None:
    plain, told, _ = aligned(dyn(CROPS), job(labels()), CHOICES, CROPS)
    settings = replace(dyn(CROPS).settings, frame=(SIDE * 2, SIDE * 3))
    found, again, _ = aligned(replace(dyn(CROPS), settings=settings), job(labels()), CHOICES, CROPS)
    assert np.mean(found == plain) > 0.98
    large = {(e.source, e.target, e.reason) for e in again if e.pixels > 300}
    assert large == {(e.source, e.target, e.reason) for e in told}
    assert sum(e.pixels for e in again) == SIDE * SIDE


def test_the_published_settings_resize_and_look_closer() -> None:
    paper = PRESETS["paper"]
    assert (paper.frame, paper.crop_layers) == ((1440, 1920), 1)
    smaller = replace(dyn(CROPS), settings=replace(paper, frame=(SIDE, SIDE * 4 // 3)))
    found, told, _ = aligned(smaller, job(labels()), CHOICES, paper.words)
    assert (found[:, 40] == 6).all()  # all that it may be
    assert {e.target for e in told} <= {5, 6}


def test_the_record_of_a_mask_holds_its_pixels_in_the_frame_of_the_image() -> None:
    config = AlignConfig(way="dynalign", window=64, overlap=16)
    _, told, _ = aligned(dyn(CROPS, config), job(labels()), CHOICES, CROPS)
    assert len({entry.region for entry in told}) == len(told)
    seen = np.zeros((SIDE, SIDE), int)
    for entry in told:
        plain = entry.to_dict()
        runs = RunLength.from_dict(plain["segmentation"])
        assert (runs.height, runs.width) == (SIDE, SIDE)
        assert runs.area == plain["area"] == entry.pixels  # regions do not overlap
        assert runs.box == entry.window
        assert 0 < plain["source_share"] <= 1
        seen += runs.mask
    assert seen.min() == seen.max() == 1  # every pixel once, though windows overlap


def test_own_regions_follow_colours_and_cross_no_class() -> None:
    picture = torch.from_numpy(bands().astype(np.float32) / 255)
    valid = np.ones((SIDE, SIDE), bool)
    valid[:8] = False
    halves = np.repeat(np.array([4, 9], np.uint8), SIDE // 2)[:, None].repeat(SIDE, axis=1)
    found = run(own_masks_steps(picture, valid, 1, halves))
    assert sum(mask.area for mask in found.masks) == valid.sum()
    for mask in found.masks:
        assert mask.left // 32 == (mask.right - 1) // 32
        assert mask.top // (SIDE // 2) == (mask.bottom - 1) // (SIDE // 2)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_clip(tmp_path_factory.mktemp("clip") / "model")


@pytest.mark.parametrize("preset", ["fast", "dense"])
def test_a_network_decides_and_says_the_same_again(clip: Path, preset: str) -> None:
    config = AlignConfig(way="dynalign", preset=preset, model=str(clip))
    found = align_array(labels(), TARGET, config, bands=bands())
    if preset == "dense":
        again = align_array(labels(), TARGET, config, bands=bands())
        assert np.array_equal(found.segmentation.labels, again.segmentation.labels)
        assert found.decisions == again.decisions
    told = found.segmentation.provenance.config["aligned"][-1]
    assert (told["preset"], told["model"], len(told["weights_sha256"])) == (preset, "model", 64)


def test_segment_anything_finds_the_masks(clip: Path, tmp_path: Path) -> None:
    sam = save_sam("SAM", tmp_path / "sam")
    config = AlignConfig(way="dynalign", model=str(clip), masks=str(sam), window=96)
    found = align_array(labels(), TARGET, config, bands=bands())
    told = found.segmentation.provenance.config["aligned"][-1]
    assert told["masks"] == "sam"
    assert len(told["masks_sha256"]) == 64


def test_what_is_missing_is_said_with_what_needs_nothing() -> None:
    for way in ("text", "dynalign"):
        with pytest.raises(WeightsError, match=r"fetch some .* or align with table or reference"):
            align_array(labels(), TARGET, AlignConfig(way=way), bands=bands())


def test_an_image_is_needed(clip: Path) -> None:
    for way in ("text", "dynalign"):
        with pytest.raises(OptionError, match="the image of array, found none"):
            align_array(labels(), TARGET, AlignConfig(way=way, model=str(clip)))


@pytest.mark.parametrize("way", ["text", "dynalign"])
def test_windows_without_data_and_tiny_images_pass(clip: Path, way: str) -> None:
    config = AlignConfig(way=way, model=str(clip), window=64, overlap=0, level="regions")
    valid = np.ones((SIDE, SIDE), bool)
    valid[:, 64:] = False  # two of four windows
    empty = labels()
    empty.labels[~valid] = 0
    found = align_array(empty, TARGET, config, bands=bands(), valid=valid)
    assert not found.segmentation.labels[~valid].any()
    small = Segmentation(np.array([[1, 2, 3]], np.uint8), SOURCE, Grid(1, 3))
    one_row = bands()[:, :1, [0, 40, 80]]
    assert align_array(small, TARGET, config, bands=one_row).segmentation.labels.shape == (1, 3)
