"""How iSeg asks Stable Diffusion, as published for each of its tasks (arXiv 2409.03209)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from napari_firstpass.config import check_number
from napari_firstpass.diffusion.provider import AttentionConfig
from napari_firstpass.diffusion.sentences import Wording
from napari_firstpass.diffusion.word_maps import LEVELS, MapLevel
from napari_firstpass.entropy_reduction import EntSelfConfig

AFFINITY = "up_blocks.3.attentions.1.*.attn1"
"""The layer whose attention tells which places belong together."""

_SEEDS = 2**32


@dataclass(frozen=True, slots=True, kw_only=True)
class WordConfig:
    """How to find what is named.

    Attributes
    ----------
    spread : EntSelfConfig
        How maps are spread to places that belong together.
    background : float
        Below which value in [0, 1) a pixel has no name; 0 lets the names decide.
    stress : float
        r, what the vectors of names are multiplied by.
    wording : Wording
        The sentence that the network is told.
    levels : tuple of MapLevel
        What counts of the attention to words.
    layers : tuple of str
        The layers of attention to words that are looked at, by patterns of diffusers' names.
    means : int
        Cells along a side that groups of cells begin from, in which maps become constant; 0 for
        no groups.
    self_heads : tuple of int
        Heads of `AFFINITY` that count; all where empty.
    timestep : int
        How noisy the network is told that the picture is; noise is added accordingly.
    noise_seed : int
        Of the noise; a run's own seed is added to it.
    side : int
        Side of the square that pictures are resized to, whatever their shape; a multiple of 64 from
        64 to 1024.

    Raises
    ------
    OptionError
        If a number is out of its range.
    """

    spread: EntSelfConfig
    background: float
    stress: float = 1.6
    wording: Wording = field(default_factory=Wording)
    levels: tuple[MapLevel, ...] = LEVELS
    layers: tuple[str, ...] = (
        "down_blocks.2.*.attn2",
        "up_blocks.1.*.attn2",
        "down_blocks.1.attentions.1.*.attn2",
        "up_blocks.2.attentions.[01].*.attn2",
    )
    means: int = 6
    self_heads: tuple[int, ...] = (1, 2)
    timestep: int = 100
    noise_seed: int = 1101
    side: int = 512

    def __post_init__(self) -> None:
        check_number("side", self.side, 64, 1024, step=64)
        check_number("means", self.means, 0, 64)

    def attention(self, seed: int, *, words: bool, memory: str = "auto") -> AttentionConfig:
        """Return what the network is asked for, but for the sentence.

        Parameters
        ----------
        seed : int
            Of the run.
        words : bool
            Whether attention to words is kept too.
        memory : {"auto", "tiny"}
            See `AttentionConfig`.
        """
        return AttentionConfig(
            self_at=(),
            layers=(AFFINITY, *(self.layers if words else ())),
            prompt=" ",
            stress=self.stress,
            timestep=self.timestep,
            seed=(self.noise_seed + seed) % _SEEDS,
            per_head="cross",
            self_heads=self.self_heads,
            memory="tiny" if memory == "tiny" else "auto",
        )


def _published(rounds: int, strength: float) -> EntSelfConfig:
    return EntSelfConfig(rounds=rounds, strength=strength, tolerance=0.0, growth=math.inf)


_LAND = ("ground", "land", "grass", "tree", "building", "wall", "sky", "lake", "water")
_VOC = Wording(context=_LAND, heads={"potted plant": "plant", "tv monitor": "monitor"})
_COCO = Wording(context=(*_LAND, "river", "sea", "railway"))

_CHOSEN = (
    MapLevel(
        factor=4,
        share=0.7,
        heads=(
            76, 1, 43, 17, 81, 6, 44, 27, 2, 8, 22, 20, 60, 78, 12, 83, 94, 47, 88, 96, 3, 33, 46,
            52, 77, 93, 51, 58, 0, 13, 14, 19, 34, 41, 59, 87, 16, 24, 28, 30, 32,
        ),
    ),
    MapLevel(factor=2, share=0.3, heads=(22, 5, 21, 13, 8, 27, 28, 6, 25)),
)  # fmt: skip
"""41 of 100 heads, and 9 of 30, of Stable Diffusion 2.1 base."""

PAPER = WordConfig(
    spread=replace(_published(50, 0.1), capped=True),
    background=0.5,
    wording=Wording(opening="a photography of"),
    layers=("down_blocks.2.*.attn2", "up_blocks.1.*.attn2", "up_blocks.2.attentions.[01].*.attn2"),
    means=0,
    self_heads=(),
)
"""The interactive program of the authors."""

FAST = WordConfig(spread=EntSelfConfig(rounds=10, strength=0.1), background=0.45, self_heads=())
"""Ours: what goes with any network, and knows nothing of what else is seen."""

PRESETS = {
    "fast": FAST,
    "paper": PAPER,
    "wsss-voc12": WordConfig(
        spread=_published(10, 0.015), background=0.0, wording=_VOC, levels=_CHOSEN
    ),
    "wsss-coco14": WordConfig(spread=_published(10, 0.1), background=0.45, wording=_COCO),
    "ovs-voc12": WordConfig(
        spread=_published(8, 0.015), background=0.0, wording=_VOC, levels=_CHOSEN
    ),
    "ovs-context": WordConfig(spread=_published(5, 0.002), background=0.0),
    "ovs-coco-object": WordConfig(spread=_published(10, 0.2), background=0.45, wording=_COCO),
}
"""Settings by name. ``wsss`` is for images whose classes are known; ``ovs`` for others."""
