"""Python texts that load chips; names of classes are written as Python writes texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_firstpass.exporting.rules import Coding

_TORCHGEO = '''"""Chips for TorchGeo: ``pairs(FOLDER, "train")``."""

from pathlib import Path

from torchgeo.datasets import IntersectionDataset, RasterDataset

CLASSES = {classes}
IGNORE = {ignore}


class Images(RasterDataset):
    filename_glob = "*.tif"
    is_image = True


class Masks(RasterDataset):
    filename_glob = "*.tif"
    is_image = False
    cmap = {{
{colors}    }}


def pairs(folder: str | Path, split: str = "train") -> IntersectionDataset:
    """Return images and masks of ``train``, ``val`` or ``test``; ignore ``IGNORE`` in the loss."""
    place = Path(folder) / split
    return Images(str(place / "images")) & Masks(str(place / "masks"))
'''

_MMSEG = '''"""Chips for mmsegmentation: a ``_base_`` of a configuration.

Set ``data_root`` to their folder. Codes on disk are {first} to {last}; {ignore} is ignored.
reduce_zero_label={reduce}{why}.
"""

dataset_type = "BaseSegDataset"
data_root = "."
metainfo = dict(
    classes={classes},
    palette=[
{palette}    ],
)
num_classes = {count}
reduce_zero_label = {reduce}

train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", reduce_zero_label={reduce}),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", reduce_zero_label={reduce}),
    dict(type="PackSegInputs"),
]
'''

_MMSEG_SPLIT = """{split}_dataloader = dict(
    batch_size={batch},
    num_workers=2,
    sampler=dict(type="{sampler}", shuffle={shuffle}),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        metainfo=metainfo,
        img_suffix=".{ending}",
        seg_map_suffix=".{ending}",
        reduce_zero_label={reduce},
        ignore_index=255,
        data_prefix=dict(img_path="img_dir/{split}", seg_map_path="ann_dir/{split}"),
        pipeline={pipeline},
    ),
)
"""


def torchgeo_module(coding: Coding) -> str:
    """Return a module that reads the chips of a folder with TorchGeo."""
    names = {entry.code: entry.name for entry in coding.classes}
    colors = {entry.code: (*entry.rgb, 255) for entry in coding.classes}
    lines = "".join(f"        {code}: {color},\n" for code, color in colors.items())
    return _TORCHGEO.format(classes=ascii(names), ignore=coding.ignore, colors=lines)


def mmseg_config(coding: Coding, ending: str) -> str:
    """Return the part of a configuration that is about the data.

    Classes are numbered from 0 there; where codes begin at 1, one is subtracted on reading.
    """
    codes = [entry.code for entry in coding.classes]
    reduce = bool(codes) and codes[0] == 1
    head = _MMSEG.format(
        first=min(codes, default=0),
        last=max(codes, default=0),
        ignore=coding.ignore,
        reduce=reduce,
        why=": 1 is subtracted, and 0 becomes 255" if reduce else "",
        classes=ascii(tuple(entry.name for entry in coding.classes)),
        palette="".join(f"        {list(entry.rgb)},\n" for entry in coding.classes),
        count=len(codes),
    )
    parts = []
    for split in ("train", "val", "test"):
        is_training = split == "train"
        parts.append(
            _MMSEG_SPLIT.format(
                split=split,
                batch=4 if is_training else 1,
                sampler="InfiniteSampler" if is_training else "DefaultSampler",
                shuffle=is_training,
                ending=ending,
                reduce=reduce,
                pipeline="train_pipeline" if is_training else "test_pipeline",
            )
        )
    return "\n".join([head, *parts])
