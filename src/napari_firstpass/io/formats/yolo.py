"""Chips with their regions as YOLO reads them for segmentation."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_firstpass.io.formats.chips import ChipsExporter


@dataclass(frozen=True, slots=True, kw_only=True)
class YoloExporter(ChipsExporter):
    """Chips in the layout ``yolo``; the other options are those of chips."""

    layout: str = field(default="yolo", metadata={"help": "yolo; others are those of chips"})
