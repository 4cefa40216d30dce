"""Learning from corrections on real images: how right labels are before and after.

``python benchmarks/corrections.py`` puts chips of aerial_landcover together to scenes of 900 × 900
pixels, 36 of the even chips and 108 of the odd ones; LoveDA's tiles are scenes as they are. The
method was chosen on the 72 other even chips. In each scene, somebody corrects ten places in one of
several ways (`rulers.correcting`); then the rest is learned, and all that is proposed is accepted
unseen. Writes a section of docs/results.md; ``--no-page`` only prints. Takes about ten minutes;
``--arrangements 3`` puts the even chips together in three ways.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from napari_firstpass.config import SegmentConfig
from napari_firstpass.corrections import CorrectedLabels, learn_steps
from napari_firstpass.progress import run
from napari_firstpass.raster import ArraySource
from rulers.correcting import SITUATIONS, Scene
from rulers.page import machine, replace_section

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulers.correcting import Corrected

DATA = Path(os.environ.get("FIRSTPASS_DATA", "../shared/data"))
RESULTS = Path(__file__).parents[1] / "docs" / "results.md"
SIDE, HELD_BACK, IGNORE = 3, 72, 255
NOTICED = 0.001

SETS = {
    "odd": "aerial_landcover, odd chips",
    "held": "aerial_landcover, even chips",
    "loveda": "LoveDA",
}


@dataclass(frozen=True)
class Outcome:
    """How much of a scene is right: as made, corrected, and learned; what was proposed, of that.

    ``right`` and ``wrong`` count pixels that were proposed and became right, or were right before.
    """

    made: float
    corrected: float
    learned: float
    right: int
    wrong: int

    @property
    def gain(self) -> float:
        """What learning brought."""
        return self.learned - self.corrected


def main() -> None:
    """Print a line for each scene and situation, and the tables."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--arrangements", type=int, default=1, help="of the even chips")
    parser.add_argument("--no-page", action="store_true", help="only print")
    options = parser.parse_args()
    text = introduction(options.arrangements)
    for name in options.sets:
        outcomes: dict[str, list[Outcome]] = {situation: [] for situation in SITUATIONS}
        for number, scene in enumerate(scenes(name, options.arrangements)):
            for index, (situation, correct) in enumerate(SITUATIONS.items()):
                corrected = correct(scene, np.random.default_rng((number, index)))
                if corrected is None or (corrected.made == corrected.now).all():
                    continue
                outcome = measured(scene, corrected)
                outcomes[situation].append(outcome)
                print(name, number, situation, f"{100 * outcome.gain:+.2f}", flush=True)
        text += ["", f"**{SETS[name]}**", "", *table(outcomes)]
    print("\n".join(text))
    if not options.no_page:
        replace_section(RESULTS, "corrections", "\n".join(text))


def introduction(arrangements: int) -> list[str]:
    """Return what must be known to read the tables."""
    more = "" if arrangements == 1 else f" --arrangements {arrangements}"
    return [
        f"`python benchmarks/corrections.py{more}` on {machine('torch')}.",
        "Percent of the pixels that are right: as a first pass made them, once ten places were",
        "corrected, and once all that *Learn* then proposes was accepted unseen. Scenes of 900",
        "× 900 pixels are nine chips side by side: 36 even chips, and 108 odd chips. The method",
        "was chosen on 72 other even chips. Both sets here were measured twice: the first time,",
        "nothing limited how much is proposed, and three scenes of odd chips lost 2.4, 7.8 and",
        "8.4 points; that it is at most twice of what was corrected was then chosen, on the",
        "same 72, and nothing since. LoveDA is two tiles as they are. *Gain* is the mean in",
        "points, with the worst and the best scene; *worse* counts scenes that lost more than",
        "0.1; *right* is the share of what changed, of what was right before or is now, that is",
        "right now.",
    ]


def table(outcomes: dict[str, list[Outcome]]) -> list[str]:
    """Return a line for each situation."""
    columns = (
        "what was corrected", "scenes", "made", "corrected", "learned", "gain", "worst", "best",
        "worse", "proposed in", "right",
    )  # fmt: skip
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    for situation, some in outcomes.items():
        if not some:
            continue
        gains = [outcome.gain for outcome in some]
        shares = [
            f"{100 * np.mean([getattr(outcome, name) for outcome in some]):.1f}"
            for name in ("made", "corrected", "learned")
        ]
        right, wrong = (sum(getattr(one, name) for one in some) for name in ("right", "wrong"))
        numbers = [f"{100 * value:+.2f}" for value in (np.mean(gains), min(gains), max(gains))]
        worse = sum(gain < -NOTICED for gain in gains)
        fired = sum(outcome.right + outcome.wrong > 0 for outcome in some)
        share = f"{100 * right / (right + wrong):.0f} %" if right + wrong else "–"
        cells = [situation, len(some), *shares, *numbers, worse, fired, share]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def measured(scene: Scene, corrected: Corrected) -> Outcome:
    """Learn, accept everything, and compare with what is true."""
    labels = CorrectedLabels(corrected.made, corrected.now, corrected.reviewed)
    steps = learn_steps(ArraySource(scene.raster), labels, SegmentConfig())
    after, now, truth = run(steps).replacement.after, corrected.now, scene.truth
    known, changed = truth > 0, after != now
    shares = [float((ids == truth)[known].mean()) for ids in (corrected.made, now, after)]
    right = int(np.count_nonzero(changed & known & (after == truth)))
    wrong = int(np.count_nonzero(changed & known & (now == truth)))
    return Outcome(*shares, right, wrong)


def scenes(name: str, arrangements: int) -> Iterator[Scene]:
    """Yield the scenes of a set."""
    if name == "loveda":
        for path in sorted((DATA / "loveda").glob("*_label.png")):
            image = np.asarray(Image.open(path.with_name(path.name.replace("_label", ""))))
            yield Scene.of(image[..., :3], np.asarray(Image.open(path)))
        return
    if name == "odd":
        orders = [np.random.default_rng(0).permutation(range(1, 224, 2))]
    else:
        held = np.random.default_rng(0).permutation(range(0, 224, 2))[HELD_BACK:]
        later = range(1, arrangements)
        orders = [held, *(np.random.default_rng(seed).permutation(held[:36]) for seed in later)]
    for order in orders:
        count = len(order) // SIDE**2
        for chips in np.split(order[: count * SIDE**2], count):
            truth = together("labels", chips)
            yield Scene.of(together("images", chips), np.where(truth == IGNORE, 0, truth + 1))


def together(kind: str, chips: np.ndarray) -> np.ndarray:
    """Put nine chips side by side."""
    folder = DATA / "aerial_landcover" / kind
    parts = [np.asarray(Image.open(folder / f"{chip:03d}.png")) for chip in chips]
    rows = [np.concatenate(parts[i : i + SIDE], 1) for i in range(0, SIDE**2, SIDE)]
    whole = np.concatenate(rows)
    return whole[..., :3] if kind == "images" else whole


if __name__ == "__main__":
    main()
