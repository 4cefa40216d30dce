"""How long the window stands still, and what is kept, when classes of a large layer change.

Needs a screen; without one: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/desk.py``.
"""

from __future__ import annotations

import argparse
import os

os.environ["NAPARI_CONFIG"] = ""  # the user's settings are neither used nor changed

from dataclasses import dataclass
from statistics import median
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

import napari
import numpy as np
from qtpy.QtCore import QEventLoop, QTimer
from scipy.ndimage import gaussian_filter

from napari_firstpass.grid import Grid
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import numbered_taxonomy
from napari_firstpass.widgets.label_layers import labels_tuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_firstpass.packed_pixels import PackedMask

_NOTICED_MS = 20
"""Shorter gaps between two beats are no standstill; the layer is drawn well within a second."""

_COARSE = 8
_SPECKS = 0.01


def main() -> None:
    """Print one line for each thing that a user does to classes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--side", type=int, default=6000, help="of the labels, in pixels")
    parser.add_argument("--classes", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 768)
    _, panel = viewer.window.add_plugin_dock_widget("napari-firstpass", "Segment")
    labels = clusters(options.side, options.classes)
    made = Segmentation(labels, numbered_taxonomy(options.classes), Grid(*labels.shape))
    data, keywords, _ = labels_tuple(made, name="clusters", scene="scene")
    layer: Labels = viewer.add_labels(data, **keywords)
    panel.form.classing.click()
    wait(3000)
    print(f"{options.side} x {options.side} labels, {options.classes} classes")
    print("| what | standstill (ms), median | shortest | of it computing | kept for undo (MB) |")
    print("|---|---|---|---|---|")
    tree, merge = panel.form.class_list.tree, panel.form.class_list.merge

    def merging(ids: list[int]) -> Callable[[], None]:
        def select_and_merge() -> None:
            tree.choose(ids[0])
            for class_id in ids:
                tree.item(class_id).setSelected(True)
            merge.click()

        return select_and_merge

    def dragging() -> None:
        tree.dropped.emit([5], 6, "into")

    for what, change in (
        ("merge two classes", merging([1, 2])),
        ("merge four classes", merging([1, 2, 3, 4])),
        ("drag a cluster onto another", dragging),
    ):
        report(what, layer, change, options.repeats)
    np.testing.assert_array_equal(layer.data, labels)
    viewer.close()


def report(what: str, layer: Labels, change: Callable[[], None], repeats: int) -> None:
    """Change, take back, and print how long the window stood still and what was kept."""
    steps: list[list[tuple[PackedMask, int, int]]] = []
    layer.events.paint.connect(lambda event: steps.append(event.value))
    changed: list[Standstill] = []
    undone: list[Standstill] = []
    for _ in range(repeats):
        changed.append(standstill(change))
        undone.append(standstill(layer.undo))
        wait(1500)  # the pixels are counted meanwhile
    kept = max(sum(mask.nbytes for mask, _, _ in step) for step in steps) / 1e6
    for name, stood, size in ((what, changed, f"{kept:.1f}"), ("undo it", undone, "")):
        times, busy = [s.milliseconds for s in stood], median(s.busy for s in stood)
        print(
            f"| {name} | {median(times):.0f} | {min(times):.0f} | {busy:.0f} | {size} |", flush=True
        )


@dataclass(frozen=True, slots=True)
class Standstill:
    """For how many milliseconds the window stood still, and for how many it computed."""

    milliseconds: float
    busy: float


def standstill(do: Callable[[], None]) -> Standstill:
    """Return what an act costs until it is drawn."""
    beats, began = [perf_counter()], thread_time()
    timer = QTimer()
    timer.timeout.connect(lambda: beats.append(perf_counter()))
    timer.start(5)
    do()
    wait(200)  # it is counted after 250
    timer.stop()
    gaps = 1000 * np.diff([*beats, perf_counter()])
    return Standstill(float(gaps[gaps > _NOTICED_MS].sum()), 1000 * (thread_time() - began))


def wait(milliseconds: int) -> None:
    """Let the window live."""
    loop = QEventLoop()
    QTimer.singleShot(milliseconds, loop.quit)
    loop.exec()


def clusters(side: int, classes: int) -> NDArray[np.uint8]:
    """Return labels (side, side) of ragged regions and specks, as a method makes them."""
    rng = np.random.default_rng(0)
    small = (classes, -(-side // _COARSE), -(-side // _COARSE))
    best = np.zeros(small[1:], np.uint8)
    top = np.full(small[1:], -np.inf, np.float32)
    for index in range(classes):
        field = gaussian_filter(rng.random(small[1:], dtype=np.float32), 3)
        best[field > top] = index + 1
        top = np.maximum(top, field)
    labels = np.kron(best, np.ones((_COARSE, _COARSE), np.uint8))[:side, :side].copy()
    specks = rng.random(labels.shape, dtype=np.float32) < _SPECKS
    labels[specks] = rng.integers(1, classes + 1, int(specks.sum()))
    return labels


if __name__ == "__main__":
    main()
