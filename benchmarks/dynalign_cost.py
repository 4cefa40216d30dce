"""What DynAlign costs, stage by stage: 1024 x 1024 pixels, about 150 masks, without a GPU.

``OMP_NUM_THREADS=1 python benchmarks/dynalign_cost.py`` prints a table of seconds and counts for
each preset, and what reading all phrases again for every mask would cost, as the published program
does. CLIP has the size of ViT-B/32 and random weights: seconds do not depend on what it learned.
Masks are regions of one colour; Segment Anything has a benchmark of its own, ``sam_cost.py``. With
``--small``, all stages but the network's own can be measured in a minute.
Seconds are those of the processor, so that other work on the machine counts for little.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from time import process_time
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_firstpass.aligners.dynalign import PRESETS, PreparedDynAlign
from napari_firstpass.aligning import AlignImage, AlignJob, AlignView, ArrayLabels
from napari_firstpass.cli_progress import peak_memory
from napari_firstpass.costs import Costs
from napari_firstpass.grid import Grid
from napari_firstpass.io.candidate_file import read_candidates
from napari_firstpass.io.taxonomy_file import read_taxonomy
from napari_firstpass.networks.folder import PixelScaling
from napari_firstpass.networks.hub_text_model import FAMILIES, HubTextModel
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster
from napari_firstpass.region_vectors import words_steps
from napari_firstpass.segmentation import Segmentation, id_counts
from napari_firstpass.threads import wait_without_spinning
from napari_firstpass.word_alignment import WordConfig, WordJudge

if TYPE_CHECKING:
    from napari_firstpass.candidates import Choices

SMALL = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
}  # fmt: skip
"""A network that takes pictures of the same size, and hardly any time."""

SIDE = 1024
BLOCK = 64
SENTENCE = WordConfig().sentence
SOURCE, TARGET = read_taxonomy("cityscapes"), read_taxonomy("mapillary")


def clip(choices: Choices, *, small: bool) -> HubTextModel:
    """Return CLIP of the size of ViT-B/32, or small, and a vocabulary of the words in phrases."""
    import transformers
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    torch.manual_seed(0)
    part = SMALL if small else {}
    config = transformers.CLIPConfig(vision_config=part, text_config=part)
    module = transformers.CLIPModel(config).eval().requires_grad_(False)
    told = " ".join(phrase for phrases in choices.phrases.values() for phrase in phrases)
    words = dict.fromkeys(["?", "_", *SENTENCE.split(), *told.split()])
    tokenizer = Tokenizer(WordLevel({w: i for i, w in enumerate(words)}, unk_token="?"))  # noqa: S106
    tokenizer.pre_tokenizer = WhitespaceSplit()
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="_")  # noqa: S106
    return HubTextModel(module, fast, PixelScaling(), torch.device("cpu"), FAMILIES["clip"])


def scene() -> tuple[Raster, Segmentation]:
    """Return an image of blocks of one colour each, and labels of its source."""
    rng = np.random.default_rng(0)
    cells = SIDE // BLOCK
    colours = rng.integers(0, 255, (3, cells, cells)).astype(np.float32)
    image = colours.repeat(BLOCK, 1).repeat(BLOCK, 2) + rng.normal(0, 6, (3, SIDE, SIDE))
    grid = Grid(SIDE, SIDE)
    raster = Raster.from_array(image.astype(np.float32), grid, roles=("red", "green", "blue"))
    ids = rng.choice(np.array(SOURCE.ids, np.uint8), (cells, cells))
    return raster, Segmentation(ids.repeat(BLOCK, 0).repeat(BLOCK, 1), SOURCE, grid)


def measured(model: HubTextModel, choices: Choices, preset: str) -> Costs:
    """Align the scene; return what it cost."""
    raster, labels = scene()
    settings, costs = PRESETS[preset], Costs(process_time)
    words = run(words_steps(model, choices.phrases, settings.words.sentence, costs))
    judge = WordJudge(model, choices, words, settings.words, costs)
    image = AlignImage("scene", lambda: nullcontext(ArrayLabels(labels)))
    job = AlignJob((image,), SOURCE, TARGET, dict(enumerate(id_counts(labels.labels).tolist())))
    prepared = PreparedDynAlign(job, judge, settings, None, (BandStats.of([raster]),))
    view = AlignView(0, labels.grid.window, labels.labels, None, raster)
    run(prepared.align(view))
    return costs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="what DynAlign costs")
    known = list(PRESETS)
    parser.add_argument("presets", nargs="*", default=known, metavar="PRESET", help=str(known))
    parser.add_argument("--small", action="store_true", help="a network that takes hardly any time")
    options = parser.parse_args()
    names = options.presets
    wait_without_spinning()
    choices = read_candidates("cityscapes-mapillary").bound(SOURCE, TARGET)
    model = clip(choices, small=options.small)
    for name in names:
        told = measured(model, choices, name).to_dict()
        print(f"\n{name}")
        for stage, spent in told["seconds"].items():
            print(f"  {stage:22}{spent:9.2f} s")
        print("  " + ", ".join(f"{count} {what}" for what, count in told["counts"].items()))
    costs = Costs(process_time)
    few = dict(list(choices.phrases.items())[:10])
    run(words_steps(model, few, SENTENCE, costs))
    texts = costs["texts"]
    spent = costs.to_dict()["seconds"]["reading words"] / texts
    print(f"\n{spent * 1000:.0f} ms to read a phrase; 30 candidates' phrases for each of 150 masks")
    print(f"would be {spent * 30 * 150:.0f} s. Peak memory {peak_memory()} MB.")


if __name__ == "__main__":
    main()
