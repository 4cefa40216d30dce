"""Finding a head and a cluster probe among the tensors of a checkpoint, by shapes and by names.

Of the names little is asked: they differ between STEGO, HP and what others made of them. A head is
a convolution of 1 x 1 (or a linear layer) from D to W numbers, and beside it, in the same module,
two in a row from D to H to W. Where there are several such pairs, as where a moving mean of the
head is kept too, those called ``cluster1`` and ``cluster2`` count. Shapes must fit without a rest.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from napari_firstpass.code_heads.head import CodeHead, HeadFile
from napari_firstpass.errors import WeightsError
from napari_firstpass.tensor_file import pack

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

_DIRECT, _BENT = "cluster1", "cluster2"
_PROBE = "cluster_probe"
_TELLING = re.compile("cluster|head|probe")
_SHOWN = 6


@dataclass(frozen=True, slots=True)
class _Layer:
    """A linear layer: its weight (out, in) and bias (out,), and what both are called."""

    weight: Tensor
    bias: Tensor
    names: tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Pair:
    """A layer, and two in a row beside it that end where it does."""

    called: tuple[str, str]
    layers: tuple[_Layer, ...]

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for layer in self.layers for name in layer.names)

    @property
    def head(self) -> CodeHead:
        parts = [_own(part) for layer in self.layers for part in (layer.weight, layer.bias)]
        return CodeHead(*parts) if len(self.layers) > 1 else CodeHead.linear(*parts)


_Blocks = dict[tuple[str, str], tuple[_Layer, ...]]
"""Layers in a row, by the path of the module that they are part of and their name in it."""


def head_among(tensors: Mapping[str, Tensor], name: str) -> HeadFile:
    """Find the head and the cluster probe of a checkpoint.

    Parameters
    ----------
    tensors : mapping of str to float tensor
        All that it holds, by their paths. Of what is found, 32-bit copies are made.
    name : str
        What the file is called.

    Raises
    ------
    WeightsError
        If there is no head, or there are several and nothing tells which one is meant; or the same
        of the probe, but that there may be none. The message shows what names were found.
    """
    blocks = _blocks(tensors)
    pairs = list(_pairs(blocks)) or list(_linear(blocks, tensors))
    usual = [pair for pair in pairs if pair.called == (_DIRECT, _BENT)]
    chosen = usual or pairs
    if len(chosen) != 1:
        raise _unclear(
            f"one segmentation head of STEGO or HP in {name}: layers from D to W numbers, and "
            "beside them from D to H to W",
            f"{len(chosen) or 'none'} among {_shown(tensors)}",
        )
    head = chosen[0].head
    centres = _centres(tensors, head.width, chosen[0].names, name)
    return HeadFile(head, centres, name, _digest(head, centres))


def _digest(head: CodeHead, centres: Tensor | None) -> str:
    both = head.tensors | ({} if centres is None else {"centres": centres})
    return sha256(pack({key: part.numpy() for key, part in both.items()}, {})).hexdigest()


def _own(part: Tensor) -> Tensor:
    """Return a copy, so that nothing holds the file."""
    return part.float().clone()


def _blocks(tensors: Mapping[str, Tensor]) -> _Blocks:
    found: dict[tuple[str, str], dict[int, _Layer]] = defaultdict(dict)
    for name, weight in tensors.items():
        *path, kind = name.split(".")
        bias_name = ".".join([*path, "bias"])
        bias = tensors.get(bias_name)
        if kind != "weight" or bias is None or not _is_linear(weight, bias):
            continue
        place = int(path.pop()) if path and path[-1].isdecimal() else 0
        key = (".".join(path[:-1]), path[-1] if path else "")
        found[key][place] = _Layer(weight.flatten(1), bias, (name, bias_name))
    return {key: tuple(row[i] for i in sorted(row)) for key, row in found.items()}


def _is_linear(weight: Tensor, bias: Tensor) -> bool:
    flat = weight.ndim == 2 or (weight.ndim == 4 and weight.shape[2:] == (1, 1))
    return flat and bias.shape == weight.shape[:1]


def _pairs(blocks: _Blocks) -> Iterator[_Pair]:
    """Yield all that may be a head with a part that bends."""
    for (module, bent), row in blocks.items():
        if len(row) != 2 or row[1].weight.shape[1] != len(row[0].weight):
            continue
        wanted = (len(row[1].weight), row[0].weight.shape[1])
        for (other, direct), alone in blocks.items():
            if other == module and len(alone) == 1 and alone[0].weight.shape == wanted:
                yield _Pair((direct, bent), (*alone, *row))


def _linear(blocks: _Blocks, tensors: Mapping[str, Tensor]) -> Iterator[_Pair]:
    """Yield heads that do not bend; these are told by their name alone."""
    if any(_BENT in name.split(".") for name in tensors):
        return  # a head of which something is missing
    for (_, direct), row in blocks.items():
        if direct == _DIRECT and len(row) == 1:
            yield _Pair((direct, _BENT), row)


def _centres(
    tensors: Mapping[str, Tensor], width: int, used: frozenset[str], name: str
) -> Tensor | None:
    found = {
        key: tensor
        for key, tensor in tensors.items()
        if tensor.ndim == 2 and tensor.shape[1] == width and "cluster" in key and key not in used
    }
    usual = [key for key in found if any(p.startswith(_PROBE) for p in key.split("."))]
    chosen = usual or list(found)
    if len(chosen) > 1:
        raise _unclear(
            f"one cluster probe in {name}, a tensor (K, {width})",
            f"{len(chosen)}: {', '.join(chosen[:_SHOWN])}",
        )
    if not chosen:
        return None
    centres = _own(found[chosen[0]])
    if len(centres) < 2 or not bool(centres.isfinite().all() and (centres != 0).any(1).all()):
        raise _unclear(
            f"directions of two classes or more in {chosen[0]} of {name}",
            f"shape {tuple(centres.shape)}, or numbers that are no direction",
        )
    return centres


def _shown(tensors: Mapping[str, Tensor]) -> str:
    telling = [name for name in tensors if _TELLING.search(name)] or list(tensors)
    shown = [f"{name} {tuple(tensors[name].shape)}" for name in telling[:_SHOWN]]
    more = len(tensors) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "") if shown else "no tensors"


def _unclear(expected: str, found: str) -> WeightsError:
    return WeightsError(
        expected=expected,
        found=found,
        remedy="give the checkpoint as its authors publish it, or a .safetensors file with "
        "cluster1.0, cluster2.0, cluster2.2 (weight and bias each) and cluster_probe.clusters",
    )
