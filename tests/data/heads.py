"""Checkpoints with segmentation heads as STEGO and HP train them, made up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from napari_firstpass.tensor_file import pack

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


class Head(nn.Module):
    """A linear layer, and a small network beside it; both see vectors after dropout."""

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout2d(p=0.1)
        self.cluster1 = nn.Sequential(nn.Conv2d(features, width, (1, 1)))
        self.cluster2 = nn.Sequential(
            nn.Conv2d(features, features, (1, 1)), nn.ReLU(), nn.Conv2d(features, width, (1, 1))
        )

    def forward(self, maps: Tensor) -> Tensor:
        seen = self.dropout(maps)
        return self.cluster1(seen) + self.cluster2(seen)


def head_module(features: int, width: int, seed: int = 0) -> Head:
    """Return a head with random weights, as it is used."""
    rng = torch.Generator().manual_seed(seed)
    module = Head(features, width)
    with torch.no_grad():
        for weights in module.parameters():
            weights.copy_(torch.randn(weights.shape, generator=rng) / weights[0].numel() ** 0.5)
    return module.eval()


def probe_of(classes: int, width: int, seed: int = 1) -> Tensor:
    """Return centres of a cluster probe."""
    return torch.randn(classes, width, generator=torch.Generator().manual_seed(seed))


def stego(module: Head, probe: Tensor) -> dict[str, Tensor]:
    """Return the tensors of a training run, the head among much else."""
    features, width = module.cluster2[0].in_channels, probe.shape[1]
    net = {f"net.{name}": tensor for name, tensor in module.state_dict().items()}
    backbone = {
        "net.model.cls_token": torch.zeros(1, 1, features),
        "net.model.patch_embed.proj.weight": torch.zeros(features, 3, 8, 8),
        "net.model.patch_embed.proj.bias": torch.zeros(features),
        "net.model.blocks.0.attn.proj.weight": torch.zeros(features, features),
        "net.model.blocks.0.attn.proj.bias": torch.zeros(features),
        "net.model.blocks.0.mlp.fc1.weight": torch.zeros(4 * features, features),
        "net.model.blocks.0.mlp.fc1.bias": torch.zeros(4 * features),
    }
    others = {
        "train_cluster_probe.clusters": torch.ones(len(probe), width),
        "cluster_probe.clusters": probe,
        "linear_probe.weight": torch.zeros(len(probe), width, 1, 1),
        "linear_probe.bias": torch.zeros(len(probe)),
        "decoder.weight": torch.zeros(features, width, 1, 1),
        "decoder.bias": torch.zeros(features),
    }
    return {**backbone, **net, **others}


def lightning(module: Head, probe: Tensor) -> dict[str, Any]:
    """Return what Lightning writes of such a run."""
    return {
        "epoch": 3,
        "pytorch-lightning_version": "1.8",
        "state_dict": stego(module, probe),
        "optimizer_states": [{"state": {0: {"step": 5, "exp_avg": torch.zeros(3)}}}],
        "hyper_parameters": {"n_classes": len(probe)},
    }


def nested(module: Head, probe: Tensor) -> dict[str, Any]:
    """Return tables of their own for the network and the probe, with a moving mean of the head."""
    copied = {"cluster1": "mean_model1", "cluster2": "mean_model2"}
    mean = {
        f"module.{copied[name.split('.')[0]]}.{name.partition('.')[2]}": torch.zeros_like(tensor)
        for name, tensor in module.state_dict().items()
    }
    own = {f"module.{name}": tensor for name, tensor in module.state_dict().items()}
    return {
        "net_state": {**mean, **own},
        "cluster_probe_state": {"module.clusters": probe},
        "linear_probe_state": {"module.weight": torch.zeros(len(probe), probe.shape[1], 1, 1)},
        "epoch": 7,
    }


def write_checkpoint(path: Path, content: dict[str, Any]) -> Path:
    """Write a checkpoint; into a .safetensors file, the tensors of its ``state_dict``."""
    if path.suffix == ".safetensors":
        arrays = {name: tensor.numpy() for name, tensor in content["state_dict"].items()}
        path.write_bytes(pack(arrays, {}))
    else:
        torch.save(content, path)
    return path
