"""Checkpoints of the official package."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import torch
from official import OFFICIAL, needs_official

from napari_firstpass.errors import WeightsError
from napari_firstpass.progress import run
from napari_firstpass.prompts import Box, Point, Prompt
from napari_firstpass.sam_models.checkpoint import CheckpointModel, Sizes, load_checkpoint
from napari_firstpass.sam_models.prepared import SamImage, prepare_steps
from napari_firstpass.sam_models.source import sam_source

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

CPU = torch.device("cpu")
SIDE, SHAPE = 64, (48, 64)
"""The longer side of the image is that of the picture, so that nothing is resized."""


def shapes() -> dict[str, Tensor]:
    """The tensors of a small model whose shapes tell what it is; others are left out."""
    e, p, d = "image_encoder", "prompt_encoder", "mask_decoder"
    sizes = {
        f"{e}.pos_embed": (1, 6, 6, 48),
        f"{e}.patch_embed.proj.weight": (48, 3, 8, 8),
        f"{e}.blocks.0.attn.rel_pos_h": (7, 16),
        f"{e}.blocks.1.attn.rel_pos_h": (11, 16),
        f"{e}.blocks.2.attn.rel_pos_h": (7, 16),
        f"{e}.blocks.0.mlp.lin1.weight": (96, 48),
        f"{e}.neck.0.weight": (32, 48, 1, 1),
        f"{p}.mask_downscaling.6.weight": (32, 4, 1, 1),
        f"{d}.transformer.layers.0.mlp.lin1.weight": (20, 32),
        f"{d}.transformer.layers.1.mlp.lin1.weight": (20, 32),
        f"{d}.iou_prediction_head.layers.0.weight": (24, 32),
        f"{d}.iou_prediction_head.layers.1.weight": (4, 24),
        f"{d}.mask_tokens.weight": (4, 32),
    }
    return {name: torch.zeros(shape) for name, shape in sizes.items()}


def test_shapes_tell_what_a_checkpoint_holds() -> None:
    assert Sizes.of(shapes()) == Sizes(
        side=48, patch=8, width=48, blocks=3, heads=3, inner=96, window=4, whole=(1,), features=32,
        start_features=4, layers=2, layer_inner=20, score_layers=2, score_width=24, candidates=3,
    )  # fmt: skip


@needs_official
@pytest.mark.parametrize(
    ("name", "width", "blocks", "heads", "whole"),
    [
        ("vit_b", 768, 12, 12, (2, 5, 8, 11)),
        ("vit_l", 1024, 24, 16, (5, 11, 17, 23)),
        ("vit_h", 1280, 32, 16, (7, 15, 23, 31)),
    ],
)
def test_published_models_are_told_by_their_shapes(
    name: str, width: int, blocks: int, heads: int, whole: tuple[int, ...]
) -> None:
    import segment_anything

    with torch.device("meta"):  # shapes without numbers
        tensors = segment_anything.sam_model_registry[name]().state_dict()
    sizes = Sizes.of(tensors)
    assert (sizes.name, sizes.side, sizes.patch, sizes.window) == (name, 1024, 16, 14)
    assert (sizes.width, sizes.blocks, sizes.heads, sizes.whole) == (width, blocks, heads, whole)


def tiny() -> Any:  # noqa: ANN401 - of a package that may be missing
    """A network of the official package, with random weights."""
    from segment_anything import modeling

    torch.manual_seed(0)
    encoder = modeling.ImageEncoderViT(
        img_size=SIDE, patch_size=16, embed_dim=32, depth=2, num_heads=2, mlp_ratio=2, out_chans=16,
        norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), use_rel_pos=True, window_size=3,
        global_attn_indexes=(1,),
    )  # fmt: skip
    prompts = modeling.PromptEncoder(16, (4, 4), (SIDE, SIDE), mask_in_chans=4)
    decoder = modeling.MaskDecoder(
        transformer_dim=16,
        transformer=modeling.TwoWayTransformer(depth=2, embedding_dim=16, num_heads=8, mlp_dim=32),
        iou_head_hidden_dim=16,
    )
    network = modeling.Sam(encoder, prompts, decoder).eval()
    with torch.no_grad():
        for weights in network.parameters():
            weights.normal_(std=weights[0].numel() ** -0.5 if weights.ndim > 1 else 0.5)
    return network


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A checkpoint as the package publishes them."""
    torch.save(tiny().state_dict(), tmp_path / "sam_vit_tiny.pth")
    return tmp_path / "sam_vit_tiny.pth"


def colours() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (3, *SHAPE), generator=generator).float()


def looked_at(file: Path) -> SamImage:
    valid = torch.ones(SHAPE, dtype=torch.bool)
    return run(prepare_steps(sam_source(str(file)), colours() / 255, valid, CPU, None))


# The package counts pixels from 0 at their centres, and clicks lie on them.
CLICKS = torch.tensor([[[20.0, 10.0], [50.0, 40.0]]])
LABELS = torch.tensor([[1, 0]])
BOX = torch.tensor([[4.0, 5.0, 40.0, 44.0]])
POINTS = (Point(10.5, 20.5), Point(40.5, 50.5, positive=False))
AROUND = (Box(5.5, 4.5, 44.5, 40.5),)


@needs_official
@pytest.mark.parametrize(
    ("prompt", "points", "box"),
    [
        (Prompt(points=POINTS), True, False),
        (Prompt(boxes=AROUND), False, True),
        (Prompt(points=POINTS, boxes=AROUND), True, True),
    ],
    ids=["points", "box", "both"],
)
def test_answers_are_those_of_the_package(
    file: Path, prompt: Prompt, points: bool, box: bool
) -> None:
    from segment_anything import SamPredictor

    network = tiny()
    network.load_state_dict(torch.load(file, weights_only=True))
    predictor = SamPredictor(network)
    predictor.set_torch_image(colours()[None], SHAPE)
    masks, scores, _ = predictor.predict_torch(
        CLICKS if points else None, LABELS if points else None, BOX if box else None
    )
    found = run(looked_at(file).answer(prompt))
    order = scores[0].argsort(descending=True)
    inside = torch.zeros(SHAPE, dtype=torch.bool)
    inside[5:44, 4:40] = True  # pixels whose middles a box holds, its far sides left out
    expected = masks[0, order] & (inside | (not box))
    torch.testing.assert_close(found.scores, scores[0, order].clamp(0, 1))
    assert float((found.masks == expected).float().mean()) > 0.999
    assert expected.any()


@needs_official
def test_a_start_is_taken_as_the_package_takes_it(file: Path) -> None:
    from segment_anything import SamPredictor

    image = looked_at(file)
    predictor = SamPredictor(image.model.module)  # type: ignore[attr-defined]
    predictor.set_torch_image(colours()[None], SHAPE)
    mask = torch.zeros(SHAPE, dtype=torch.bool)
    mask[10:30, 20:50] = True
    start = image.frame.start(mask, image.model.start_side)[None, None]
    theirs, scores, _ = predictor.predict_torch(CLICKS, LABELS, mask_input=start)
    found = run(image.answer(Prompt(points=POINTS, start=mask)))
    order = scores[0].argsort(descending=True)
    assert float((found.masks == theirs[0, order]).float().mean()) > 0.999


@needs_official
def test_half_precision_is_read_as_well(file: Path) -> None:
    halves = {name: one.half() for name, one in tiny().state_dict().items()}
    torch.save(halves, file)
    model = load_checkpoint(file)
    assert isinstance(model, CheckpointModel)
    assert next(model.module.parameters()).dtype == torch.float32


@needs_official
def test_a_tensor_that_is_missing_is_told(file: Path) -> None:
    tensors = tiny().state_dict()
    del tensors["mask_decoder.iou_token.weight"]
    torch.save(tensors, file)
    with pytest.raises(WeightsError, match=r"Missing key.*mask_decoder\.iou_token\.weight"):
        load_checkpoint(file)


class _Code:
    """What would run code when it is read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code of a file was run",)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"weights": _Code()}, "UnpicklingError"),
        ([torch.zeros(1)], "found a list"),
        ({"model": shapes()}, "other things than tensors, such as 'model'"),
        ({**shapes(), "mask_decoder.hf_token.weight": torch.zeros(1)}, "tensors of SAM-HQ"),
        ({"memory_encoder.a": torch.zeros(1)}, "tensors of SAM 2"),
        ({"backbone.a": torch.zeros(1)}, r"KeyError: 'image_encoder\.pos_embed'"),
    ],
)
def test_files_with_anything_else_are_refused(
    tmp_path: Path, content: object, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match=sentence):
        load_checkpoint(tmp_path / "other.pth")
    assert "was run" not in capsys.readouterr().out


def test_a_file_that_was_cut_off_is_refused(tmp_path: Path) -> None:
    torch.save(shapes(), tmp_path / "whole.pth")
    content = (tmp_path / "whole.pth").read_bytes()
    for length in (0, 10, len(content) // 2):
        (tmp_path / "half.pth").write_bytes(content[:length])
        with pytest.raises(WeightsError, match="a checkpoint of the package segment-anything"):
            load_checkpoint(tmp_path / "half.pth")


@pytest.mark.skipif(not OFFICIAL, reason="the package is here")
def test_without_the_package_it_says_what_to_install(tmp_path: Path) -> None:
    torch.save(shapes(), tmp_path / "sam.pth")
    with pytest.raises(WeightsError, match=r'pip install "napari-firstpass\[sam\]".*name sam-b'):
        load_checkpoint(tmp_path / "sam.pth")
