"""What Segment Anything costs: seconds to look and to answer, and peak memory, without a GPU.

``python benchmarks/sam_cost.py`` prints a table; on two cores it takes about three minutes. The
networks have the sizes of published ones and random weights: neither seconds nor memory change with
what they have learned. Each row is a process of its own, so that its peak memory is its own.
Seconds are those of the processor, so that other work on the machine counts for little.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from time import process_time
from typing import TYPE_CHECKING, Any

import torch

from napari_firstpass.cli_progress import peak_memory
from napari_firstpass.networks.folder import PixelScaling
from napari_firstpass.progress import run
from napari_firstpass.prompts import Box, Point, Prompt
from napari_firstpass.sam_models.automatic import AutomaticConfig, automatic_masks
from napari_firstpass.sam_models.frame import Frame
from napari_firstpass.sam_models.hub_model import HubModel
from napari_firstpass.sam_models.prepared import SamImage
from napari_firstpass.threads import wait_without_spinning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SIDE = 1024
ANSWERS = 5
PER_SIDE = 4
CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Network:
    """A published network: its family and classes, and what differs from their defaults."""

    family: str
    kind: str
    settings: Mapping[str, Any]


NETWORKS = {
    "sam-b": Network("sam", "Sam", {}),
    "sam-hq-b": Network("sam_hq", "SamHQ", {}),
    "sam2-t": Network("sam2", "Sam2", {}),
}
PROMPTS = {
    "point": Prompt(points=(Point(500, 500),)),
    "box": Prompt(boxes=(Box(100, 100, 600, 600),)),
}


def seconds(work: Callable[[], object]) -> float:
    """Return the time that the processor spent on it."""
    start = process_time()
    work()
    return process_time() - start


def measured(name: str) -> dict[str, float]:
    """Measure one network, in this process."""
    import transformers

    network = NETWORKS[name]
    torch.manual_seed(0)
    config = getattr(transformers, f"{network.kind}Config")(**network.settings)
    module = getattr(transformers, f"{network.kind}Model")(config).eval()
    model = HubModel(module.requires_grad_(False), network.family, PixelScaling(), SIDE, SIDE // 4)
    frame = Frame(SIDE, SIDE, SIDE, model.keeps_ratio)
    picture = frame.picture(torch.rand(3, SIDE, SIDE), model.scaling)
    looks: list[tuple[torch.Tensor, ...]] = []
    found = {"look": seconds(lambda: looks.append(model.embed(picture)))}
    valid = torch.ones(SIDE, SIDE, dtype=torch.bool)
    image = SamImage(model, looks[0], frame, valid, CPU, "")
    for said, prompt in PROMPTS.items():
        found[said] = min(seconds(lambda p=prompt: run(image.answer(p))) for _ in range(ANSWERS))
    every = AutomaticConfig(points_per_side=PER_SIDE, score=0, stability=0)
    found["masks"] = seconds(lambda: run(automatic_masks(image, every))) / PER_SIDE**2
    kept = sum(one.numel() * one.element_size() for one in looks[0])
    return {**found, "kept": kept / 1e6, "peak": peak_memory() or 0}


def main() -> None:
    """Print the table, or one row as JSON if its name is given."""
    wait_without_spinning()
    if len(sys.argv) > 1:
        print(json.dumps(measured(sys.argv[1])))
        return
    print("| network | look, s | point, s | box, s | masks, s / point | kept MB | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for name in NETWORKS:
        said = subprocess.run(
            [sys.executable, __file__, name], capture_output=True, text=True, check=True
        ).stdout
        row = json.loads(said.splitlines()[-1])
        figures = (f"{row[key]:.2f}" for key in ("look", "point", "box", "masks"))
        print(
            f"| `{name}` |", " | ".join([*figures, f"{row['kept']:.0f}", f"{row['peak']:.0f}"]), "|"
        )


if __name__ == "__main__":
    main()
