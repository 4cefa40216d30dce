"""Learn the weights of the embedded backbone: ``python -m training``, or ``make train-backbone``.

Reads the mosaics in ../shared/data, or the folder that FIRSTPASS_DATA names, and writes
src/napari_firstpass/backbones/embedded.safetensors. The same data, config and library versions give
the same words; the last digits may differ between processors.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

import torch
from tqdm import tqdm

import napari_firstpass.backbones
from napari_firstpass.progress import run
from napari_firstpass.tensor_file import pack
from training.config import Config
from training.crops import vectors_of_crops
from training.learn import explained, learn

DATA = Path(os.environ.get("FIRSTPASS_DATA", Path(__file__).parents[2] / "shared" / "data"))
SHIPPED = Path(napari_firstpass.backbones.__file__).with_name("embedded.safetensors")


def main() -> None:
    """Draw, describe, learn, check, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=SHIPPED)
    parser.add_argument("--words", type=int, default=Config().words)
    parser.add_argument("--seed", type=int, default=Config().seed)
    options = parser.parse_args()
    config = replace(Config(), words=options.words, seed=options.seed)
    began = time.monotonic()
    crops = vectors_of_crops(DATA / "aerial_geotiff", config)
    drawn = list(tqdm(crops, "describing", config.crops + config.held_out))
    seen, unseen = torch.cat(drawn[: config.crops]), torch.cat(drawn[config.crops :])
    vocabulary = run(learn(seen, config))
    arrays = {one.name: getattr(vocabulary, one.name).numpy() for one in fields(vocabulary)}
    content = pack(arrays, {"config": json.dumps(asdict(config))})
    options.out.write_bytes(content)
    print(f"{len(seen)} cells of {config.crops} crops; {len(unseen)} held out")
    print(
        f"variance explained by {config.words} words: {explained(vocabulary, seen):.3f},"
        f" held out {explained(vocabulary, unseen):.3f}"
    )
    print(f"{time.monotonic() - began:.0f} s; wrote {options.out}, {len(content)} bytes")
    print(f"sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
