"""Prompts answered by a tiny Stable Diffusion, through the prompter iseg."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from features import landscape, rgb_raster
from torch.nn import functional

from diffusion import save_diffusion
from napari_firstpass.backbones.texture import TextureBackbone
from napari_firstpass.diffusion.attentive import AttentiveImage, AttentivePrompter
from napari_firstpass.diffusion.sentences import Sentence, Wording
from napari_firstpass.diffusion.word_maps import MapLevel, name_maps, smoothed, token_maps
from napari_firstpass.diffusion.word_presets import AFFINITY, FAST, PRESETS
from napari_firstpass.entropy_reduction import EntSelfConfig, Reduced, refine_maps
from napari_firstpass.errors import (
    OptionError,
    PromptError,
    UnknownNameError,
    WeightsError,
)
from napari_firstpass.naming import named_steps
from napari_firstpass.progress import run
from napari_firstpass.prompting import PROMPTERS
from napari_firstpass.prompts import Box, Line, Point, Prompt
from napari_firstpass.protocols import RecordedPrompter, WordImage

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (64, 112)
NAMES = ("roof", "car")
SMALL = replace(FAST, side=128, spread=EntSelfConfig(rounds=3, strength=0.1))
PICTURE = torch.from_numpy(landscape(*SHAPE).astype(np.float32) / 255)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_diffusion(tmp_path_factory.mktemp("diffusion") / "model", "2", tokens=77)


def prompter(folder: Path | str, preset: str = "fast", seed: int = 0) -> AttentivePrompter:
    made = PROMPTERS.load("iseg")(
        preset=preset, model=str(folder), backbone=TextureBackbone, seed=seed,
        device=torch.device("cpu"),
    )  # fmt: skip
    assert isinstance(made, AttentivePrompter)
    return made


def prepared(folder: Path, seed: int = 0, valid: np.ndarray | None = None) -> AttentiveImage:
    small = replace(prompter(folder, seed=seed), config=SMALL)
    return run(small.prepare(rgb_raster(landscape(*SHAPE), valid), PICTURE))


@pytest.fixture(scope="module")
def image(folder: Path) -> AttentiveImage:
    return prepared(folder)


def likely(image: AttentiveImage, **asked: object) -> torch.Tensor:
    answer = run(image.answer(Prompt(**asked)))
    assert answer.masks.shape == (3, *SHAPE)
    assert (answer.masks[2] >= answer.masks[0]).all()  # candidates: the usual, smaller, larger
    assert (answer.masks[0] >= answer.masks[1]).all()
    return answer.masks[0]


@pytest.mark.parametrize(
    ("name", "rounds", "strength", "background", "heads", "words"),
    [
        ("wsss-voc12", 10, 0.015, 0.0, (41, 9), 9),
        ("wsss-coco14", 10, 0.1, 0.45, (0, 0), 12),
        ("ovs-voc12", 8, 0.015, 0.0, (41, 9), 9),
        ("ovs-context", 5, 0.002, 0.0, (0, 0), 0),
        ("ovs-coco-object", 10, 0.2, 0.45, (0, 0), 12),
        ("paper", 50, 0.1, 0.5, (0, 0), 0),
    ],
)
def test_published_settings_are_presets(
    name: str, rounds: int, strength: float, background: float, heads: tuple[int, int], words: int
) -> None:
    config = PRESETS[name]
    assert (config.spread.rounds, config.spread.strength) == (rounds, strength)
    assert (config.background, config.stress) == (background, 1.6)
    assert tuple(len(set(level.heads)) for level in config.levels) == heads
    # 5 layers of 20 heads, and 3 of 10, in Stable Diffusion 2.1.
    assert max(config.levels[0].heads, default=0) < 100
    assert max(config.levels[1].heads, default=0) < 30
    assert len(config.wording.context) == words
    interactive = name == "paper"
    assert config.self_heads == (() if interactive else (1, 2))
    assert (config.means, config.spread.capped) == ((0, True) if interactive else (6, False))


def test_the_layers_are_those_of_the_paper(image: AttentiveImage) -> None:
    def watched(preset: str) -> list[str]:
        asked = PRESETS[preset].attention(0, words=True)
        layers = replace(image.provider, config=replace(asked, self_heads=())).layers
        return [layer.name.replace(".transformer_blocks.0", "") for layer in layers]

    interactive = [
        *(f"down_blocks.2.attentions.{i}.attn2" for i in (0, 1)),
        *(f"up_blocks.1.attentions.{i}.attn2" for i in (0, 1, 2)),
        *(f"up_blocks.2.attentions.{i}.attn2" for i in (0, 1)),
        "up_blocks.3.attentions.1.attn1",
    ]
    assert watched("paper") == interactive
    assert watched("wsss-voc12") == ["down_blocks.1.attentions.1.attn2", *interactive]


def test_the_vectors_of_names_and_no_others_are_made_longer(image: AttentiveImage) -> None:
    sentence = Sentence.of(["car", "scar"], Wording(context=("car park",)))
    asked = FAST.attention(0, words=True)
    told = replace(asked, prompt=sentence.text, stressed=sentence.letters)
    plain = replace(told, stressed=())
    longer, usual = (replace(image.provider, config=c)._prompt for c in (told, plain))
    # A CPU with units for short numbers gives vectors of those.
    ratios = longer[1][0].float() / usual[1][0].float()
    names = [token for own in sentence.tokens(longer[0]) for token in own]
    assert len(names) == 3 + 4  # a letter is a token
    expected = torch.ones(len(ratios))
    expected[names] = 1.6
    torch.testing.assert_close(ratios, expected[:, None].expand_as(ratios), rtol=0.01, atol=0)


def test_names_are_found_as_the_parts_say(image: AttentiveImage) -> None:
    found = run(image.classes(NAMES, 0.3))
    sentence = Sentence.of(NAMES, SMALL.wording)
    assert sentence.text == "a photograph of roof and car and other object and background"
    asked = replace(
        SMALL.attention(0, words=True), prompt=sentence.text, stressed=("roof", "car"), seed=1101
    )
    square = functional.interpolate(PICTURE[None], (128, 128), mode="bilinear", antialias=True)[0]
    seen = run(replace(image.provider, config=asked).attend(square.clamp(0, 1)))
    maps = smoothed(token_maps(seen), (16, 16))
    tokens = [seen.prompt.of(name)[0] for name in NAMES]
    start = name_maps(maps, tokens, (16, 16)).flatten(1)
    (affinity,) = seen.where("self", 1)
    links = Reduced.of(affinity.weights, SMALL.spread)
    spread = run(refine_maps(links, start.T, SMALL.spread)).maps.T.reshape(2, 16, 16)
    expected = run(named_steps(spread, SHAPE, 0.3, between=128))
    # Attention in parts has other last digits, so a few pixels may differ.
    assert (found.labels == expected.labels).float().mean() > 0.99
    assert set(found.labels.unique().tolist()) <= {0, 1, 2}
    assert (found.confidence[found.labels == 0] == 0).all()
    assert isinstance(image, WordImage)


def test_the_same_seed_finds_the_same_and_another_does_not(folder: Path) -> None:
    first, again, other = (prepared(folder, seed) for seed in (0, 0, 7))
    assert torch.equal(first.latents, other.latents)  # noise is added later
    one, same, different = (run(image.classes(NAMES, None)) for image in (first, again, other))
    assert torch.equal(one.labels, same.labels)
    assert torch.equal(one.confidence, same.confidence)
    assert not torch.equal(one.confidence, different.confidence)


def test_names_that_need_several_sentences_are_all_looked_for(image: AttentiveImage) -> None:
    names = ("roof", "car", "tree", "meadow", "mountain", "lake", "sea")  # most letters are tokens
    assert not image.provider.model.fits(Sentence.of(names, SMALL.wording).text)
    found = run(image.classes(names, 0.0))
    assert found.labels.shape == SHAPE
    assert len(set(found.labels.unique().tolist()) - {0}) >= 2


@pytest.fixture(scope="module")
def three(image: AttentiveImage) -> tuple[AttentiveImage, torch.Tensor]:
    """Return an image whose network sees three things side by side, and which pixel is which."""
    edges = torch.tensor([4, 10])
    cells = torch.bucketize(torch.arange(16), edges, right=True).repeat(16)
    alike = (cells[:, None] == cells).float() + 0.01  # a little goes to other things
    links = Reduced.of(alike / alike.sum(1, keepdim=True), SMALL.spread)
    things = torch.bucketize(torch.arange(112) // 7, edges, right=True).expand(SHAPE)
    return replace(image, held=[links]), things


def overlap(found: torch.Tensor, truth: torch.Tensor) -> float:
    return float((found & truth).sum() / (found | truth).sum())


@pytest.mark.parametrize(
    "prompt",
    [
        {"points": (Point(30.0, 50.0),)},
        {"points": (Point(3.0, 40.0), Point(60.0, 60.0))},
        {"lines": (Line(((10.0, 35.0), (50.0, 65.0))),)},
        {"boxes": (Box(0.0, 28.0, 64.0, 70.0),)},
        {"points": (Point(30.0, 50.0), Point(30.0, 10.0, positive=False))},
        {
            "points": (Point(30.0, 50.0), Point(30.0, 100.0)),
            "lines": (Line(((5.0, 90.0), (60.0, 90.0)), positive=False),),
        },
    ],
    ids=["point", "points", "line", "box", "negative elsewhere", "negative takes one off"],
)
def test_a_thing_among_three_is_found_from_a_point_a_line_or_a_box(
    three: tuple[AttentiveImage, torch.Tensor], prompt: dict[str, object]
) -> None:
    image, things = three
    assert overlap(likely(image, **prompt), things == 1) > 0.9  # cells of 7 pixels, interpolated


def test_a_thing_that_stands_out_has_a_better_score(
    three: tuple[AttentiveImage, torch.Tensor], image: AttentiveImage
) -> None:
    asked = Prompt(points=(Point(30.0, 50.0),))
    clear, vague = (run(seen.answer(asked)).scores for seen in (three[0], image))
    assert clear.tolist() == sorted(clear.tolist(), reverse=True)
    assert 0 <= vague[0] < clear[0] <= 1


def test_a_thing_that_is_known_in_part_is_completed(
    three: tuple[AttentiveImage, torch.Tensor],
) -> None:
    image, things = three
    start = torch.zeros(SHAPE, dtype=torch.bool)
    start[20:40, 75:95] = True
    assert overlap(likely(image, start=start), things == 2) > 0.9


def test_nothing_leaves_a_box_and_a_thin_one_is_answered(image: AttentiveImage) -> None:
    found = likely(image, boxes=(Box(8.0, 8.0, 40.0, 50.0),))
    assert found.any()
    outside = found.clone()
    outside[8:40, 8:50] = False
    assert not outside.any()
    thin = likely(image, boxes=(Box(20.2, 30.0, 20.4, 60.0),))
    assert thin.any()
    assert thin.sum() <= 30
    whole = likely(image, boxes=(Box(0, 0, *SHAPE),))
    assert whole.any()
    both = likely(image, boxes=(Box(8.0, 8.0, 40.0, 50.0),), points=(Point(20, 20),))
    assert both.any()
    assert not both[40:].any()


def test_words_and_points_together_are_answered(image: AttentiveImage) -> None:
    words = likely(image, words=NAMES, boxes=(Box(0, 0, 32, 112),))
    assert words.any()
    assert not words[32:].any()
    alone = likely(image, words=("roof",))
    assert not torch.equal(likely(image, words=("roof",), points=(Point(10, 20),)), alone)


def test_pixels_without_data_belong_to_nothing(folder: Path) -> None:
    valid = np.ones(SHAPE, dtype=bool)
    valid[:, :40] = False
    image = prepared(folder, valid=valid)
    assert not run(image.classes(NAMES, 0.0)).labels[:, :40].any()
    assert not likely(image, points=(Point(10, 90),))[:, :40].any()
    with pytest.raises(PromptError, match="where the image holds none"):
        likely(image, points=(Point(10, 20),))


@pytest.mark.parametrize(
    ("names", "found"),
    [((), "found none"), (("  ",), "found an empty one"), (("car", "Car"), "'car' more than once")],
)
def test_text_that_says_nothing_is_refused(
    image: AttentiveImage, names: tuple[str, ...], found: str
) -> None:
    with pytest.raises(PromptError, match=found):
        run(image.classes(names, None))


def test_wrong_settings_are_refused(folder: Path, image: AttentiveImage) -> None:
    with pytest.raises(OptionError, match="a background threshold"):
        run(image.classes(NAMES, 1.0))
    with pytest.raises(
        UnknownNameError, match="a preset of iseg with Stable Diffusion out of fast"
    ):
        prompter(folder, preset="magic")
    voc = replace(
        image, config=replace(SMALL, levels=(MapLevel(factor=4, share=1.0, heads=(99,)),))
    )
    with pytest.raises(OptionError, match=r"more than 99 heads at 1/4 .* found 20 heads"):
        run(voc.classes(NAMES, None))


def test_missing_weights_say_how_to_get_them_and_what_works_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTPASS_WEIGHTS", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        prompter("sd-2-1-base")
    assert 'run "firstpass models fetch sd-2-1-base"' in str(caught.value)
    assert "leave out the model" in str(caught.value)
    (tmp_path / "other").mkdir()
    (tmp_path / "other/config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(WeightsError, match=r"model_index\.json"):
        prompter(tmp_path / "other")


def test_the_record_tells_the_settings_and_the_weights(folder: Path) -> None:
    made = prompter(folder, preset="ovs-voc12")
    assert isinstance(made, RecordedPrompter)
    told = run(made.record())
    assert len(told["weights_sha256"]) == 64
    assert told["settings"]["spread"]["strength"] == 0.015
    assert told["settings"]["wording"]["heads"] == {
        "potted plant": "plant",
        "tv monitor": "monitor",
    }
    assert AFFINITY.startswith("up_blocks.3.attentions.1")
