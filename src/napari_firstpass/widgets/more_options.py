"""Options of a run that rarely need a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magicgui.widgets import ComboBox, FileEdit, SpinBox

from napari_firstpass.config import MAX_REGION, SegmentConfig
from napari_firstpass.refiners import REFINERS
from napari_firstpass.upsampling import NO_UPSAMPLER, UPSAMPLERS

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

MAX_SEED = 999_999
HEAD_FILES = "*.ckpt *.pt *.pth *.safetensors"

TIPS = {
    "min_region": "Regions of fewer pixels are merged into what surrounds them. Larger gives a "
    "calmer map, 0 keeps every speck.",
    "seed": "Another number starts the search elsewhere and may find other classes. The same "
    "number gives the same result again.",
    "refine": "Moves the borders of the new labels to where the image has them, as “Refine” does "
    "afterwards. It takes longer.",
    "upsample": "Makes what a network sees finer, so that small things keep their outline. Only "
    "for networks: the other features are fine already.",
    "projection": "A trained head of STEGO or HP for the network chosen above: its codes tell "
    "classes apart better than the features do. Leave it empty if you have none.",
}


class MoreOptions:
    """What a run can be told beyond method, features and number of classes.

    Attributes
    ----------
    refine : ComboBox
        What refines the labels of the run; its values are those of ``SegmentConfig.refine``.
    upsample : ComboBox
        As ``SegmentConfig.upsample``.
    projection : FileEdit
        The file of a head, or nothing.
    min_region, seed : SpinBox
        As in `SegmentConfig`.
    """

    def __init__(self) -> None:
        defaults = SegmentConfig()
        self.refine = ComboBox(choices=_refinements(), value=defaults.refine, label="Then refine")
        finer = (NO_UPSAMPLER, *UPSAMPLERS.names)
        self.upsample = ComboBox(choices=finer, value=defaults.upsample, label="Finer features")
        self.projection = FileEdit(filter=HEAD_FILES, nullable=True, label="Trained head")
        self.min_region = SpinBox(
            value=defaults.min_region, max=MAX_REGION, label="Smallest region, px"
        )
        self.seed = SpinBox(value=defaults.seed, max=MAX_SEED, label="Seed")
        for name, tip in TIPS.items():
            getattr(self, name).tooltip = tip
        self.projection.choose_btn.text = "File…"
        for part in self.projection:
            part.tooltip = TIPS["projection"]

    @property
    def rows(self) -> list[tuple[str, QWidget]]:
        """Captions and controls, in the order in which they are shown."""
        shown = (self.min_region, self.refine, self.upsample, self.projection, self.seed)
        return [(option.label, option.native) for option in shown]

    def show_decided(self, tip: str | None) -> None:
        """Leave to the user only what a model has not decided; None for no model."""
        for name in ("upsample", "seed"):
            widget = getattr(self, name)
            widget.enabled, widget.tooltip = tip is None, tip or TIPS[name]

    def take_seed(self, seed: int) -> None:
        """Show a seed, which may be one that only the command line allows."""
        self.seed.max = max(MAX_SEED, seed)
        self.seed.value = seed

    @property
    def head(self) -> str:
        """What ``SegmentConfig.projection`` takes."""
        chosen = self.projection.value
        return SegmentConfig().projection if chosen is None else str(chosen)


def _refinements() -> list[tuple[str, str]]:
    """Return what users read, and what ``SegmentConfig.refine`` takes; no settings: many."""
    return [("no", SegmentConfig().refine), *((name, name) for name in REFINERS.names)]
