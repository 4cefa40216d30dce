"""Seconds per megapixel and peak memory of networks as backbones, computed anew and from the cache.

``python benchmarks/networks.py`` writes a section of docs/results.md; on two cores it takes about
ten minutes. The networks have the sizes of published ones and random weights: neither seconds nor
memory change with what they have learned. Each row is a process of its own, so that its peak memory
is its own. ``embedded`` and ``texture`` are in the same table.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.backbones.vit import ViTConfig, ViTFactory
from napari_firstpass.bands import RGB
from napari_firstpass.cached_backbone import CachedBackbone
from napari_firstpass.cli_progress import peak_memory
from napari_firstpass.config import Runtime
from napari_firstpass.feature_cache import FeatureCache
from napari_firstpass.networks.viewing import computes_short_numbers_fast
from napari_firstpass.normalize import BandStats
from napari_firstpass.progress import run
from napari_firstpass.raster import Raster
from napari_firstpass.scenes import make_scene
from napari_firstpass.threads import wait_without_spinning
from rulers.page import machine, replace_section

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_firstpass.protocols import Backbone, BackboneFactory

RESULTS = Path(__file__).parents[1] / "docs" / "results.md"
SIDE = 1024
MEGAPIXELS = SIDE * SIDE / 1e6
REPEATS = 2
CPU = torch.device("cpu")
Numbers = Literal["float32", "bfloat16"]
_SMALL = {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
_BASE = {"hidden_size": 768, "num_attention_heads": 12, "intermediate_size": 3072}


@dataclass(frozen=True, slots=True)
class Network:
    """A published network: the class of its config, and what differs from the defaults."""

    config: str
    settings: Mapping[str, Any]


NETWORKS = {
    "DINO ViT-S/16": Network("ViTConfig", {**_SMALL, "patch_size": 16}),
    "DINO ViT-S/8": Network("ViTConfig", {**_SMALL, "patch_size": 8}),
    "DINO ViT-B/16": Network("ViTConfig", {**_BASE, "patch_size": 16}),
    "DINOv2 ViT-S/14": Network("Dinov2Config", {**_SMALL, "patch_size": 14, "image_size": 518}),
    "DINOv2 ViT-B/14": Network("Dinov2Config", {**_BASE, "patch_size": 14, "image_size": 518}),
    "DINOv3 ViT-S/16": Network("DINOv3ViTConfig", {**_SMALL, "num_register_tokens": 4}),
    "DINOv3 ConvNeXt-T": Network("DINOv3ConvNextConfig", {}),
}


WITHOUT_UNITS = ("DINO ViT-S/16", "DINOv3 ConvNeXt-T")
"""What is measured with bfloat16 where the processor has no units for it: enough to warn."""


def main() -> None:
    """Measure, print and write."""
    if len(sys.argv) == 4:
        wait_without_spinning()
        print(json.dumps(measured(*sys.argv[1:])))
        return
    lines = header()
    print(*lines, sep="\n")
    for name, runtime, numbers in rows():
        command = [sys.executable, __file__, name, runtime, numbers]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        cells = [name, runtime or "–", numbers or "–", found["vectors"]]
        times = ("anew", "first", "cached")
        cells += [f"{found[key]:.2f}" if key in found else "–" for key in times]
        lines.append(f"| {' | '.join(cells)} | {found['memory_mb']:.0f} |")
        print(lines[-1], flush=True)
    replace_section(RESULTS, "networks", "\n".join(lines))


def rows() -> list[tuple[str, str, str]]:
    """Return backbone, runtime and type of numbers of each row."""
    short = computes_short_numbers_fast(CPU)
    found = [(name, "", "") for name in BACKBONES.built_in]
    for name in NETWORKS:
        found += [(name, runtime, "float32") for runtime in get_args(Runtime)]
        if short or name in WITHOUT_UNITS:
            found.append((name, "torch", "bfloat16"))
        if short:  # without the units, OpenVINO takes 40 times as long
            found.append((name, "openvino", "bfloat16"))
    return found


def measured(name: str, runtime: Runtime, numbers: Numbers) -> dict[str, Any]:
    """Return what a row says, of this process."""
    raster = picture()
    stats = BandStats.of([raster])
    with TemporaryDirectory() as folder:
        factory = (
            BACKBONES.load(name) if not runtime else network(name, runtime, numbers, Path(folder))
        )
        backbone = factory(stats, raster.roles, CPU)
        start = perf_counter()
        features = run(backbone.extract(raster))
        first = perf_counter() - start
        found = {"anew": seconds(backbone, raster), "memory_mb": peak_memory()}
        if runtime == "openvino":
            found["first"] = first - found["anew"] * MEGAPIXELS
        if (identity := factory.identity()) is not None:
            cache = FeatureCache(Path(folder) / "cache")
            kept = CachedBackbone(backbone, cache, identity, stats, raster.roles, CPU)
            cache.put(kept.key(raster), features)
            found["cached"] = seconds(kept, raster)
    return {**found, "vectors": f"{len(features.vectors)} × {SIDE // features.stride}²"}


def picture() -> Raster:
    """Return a made-up town, without its near infrared."""
    town = make_scene(SIDE, SIDE, seed=1).raster
    return Raster.from_array(town.bands[:3], town.grid, roles=RGB)


def network(name: str, runtime: Runtime, numbers: Numbers, folder: Path) -> BackboneFactory:
    """Write a network of random weights, and return what makes backbones of it."""
    import transformers

    torch.manual_seed(0)
    config = getattr(transformers, NETWORKS[name].config)(**NETWORKS[name].settings)
    transformers.logging.disable_progress_bar()
    transformers.AutoModel.from_config(config).save_pretrained(folder / "model")
    return ViTFactory(folder / "model", ViTConfig(dtype=numbers, runtime=runtime))


def seconds(backbone: Backbone, raster: Raster) -> float:
    """Return seconds per megapixel, of the fastest of some runs: others may have been disturbed."""
    times = []
    for _ in range(REPEATS):
        start = perf_counter()
        run(backbone.extract(raster))
        times.append(perf_counter() - start)
    return min(times) / MEGAPIXELS


def header() -> list[str]:
    """Return what must be known to read the table, and its first lines."""
    where = machine("torch", "transformers", "openvino")
    view, units = ViTConfig(), "" if computes_short_numbers_fast(CPU) else "no "
    columns = [
        "backbone", "runtime", "numbers", "vectors",
        "s / megapixel", "preparing, s", "from the cache", "peak MB",
    ]  # fmt: skip
    return [
        f"`python benchmarks/networks.py` on {where}; {units}units for bfloat16.",
        f"A town of {SIDE} × {SIDE} pixels; windows of {view.side} pixels that overlap by",
        f"{view.overlap}; the faster of {REPEATS} runs after a first one. Networks have random",
        "weights. OpenVINO prepares a network once in a run, before the first window. Memory is",
        "the peak of the process, imports and the writing of the network included. `embedded` and",
        "`texture` are not cached.",
        "",
        f"| {' | '.join(columns)} |",
        "|---" * len(columns) + "|",
    ]


if __name__ == "__main__":
    main()
