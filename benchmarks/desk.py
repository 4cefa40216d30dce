"""How long the window stands still, and what is kept, when labels of a large layer change.

With ``--scene SIDE``, what it costs to open a scene of that side, to paint on it and to keep it.
With ``--session SIDE``, a working session on an image of that side, done with mouse and keys, while
a timer notes when the window does not answer, and a thread what it does then.
Each writes a section of docs/results.md; ``--no-page`` only prints.

Needs a screen; without one: ``xvfb-run -a -s "-screen 0 1366x768x24" python benchmarks/desk.py``.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ["NAPARI_CONFIG"] = ""  # the user's settings are neither used nor changed

import resource
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, process_time, thread_time
from typing import TYPE_CHECKING

import napari
import numpy as np
import rasterio
from qtpy.QtCore import QPoint, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication
from rasterio.enums import Resampling
from scipy.ndimage import gaussian_filter

from napari_firstpass.grid import Grid, Window
from napari_firstpass.io.scene_labels import SceneLabels, scene_behind
from napari_firstpass.io.tile_store import TileStore
from napari_firstpass.provenance import Provenance
from napari_firstpass.segmentation import Segmentation
from napari_firstpass.taxonomy import numbered_taxonomy
from napari_firstpass.widgets.label_layers import labels_keywords, labels_tuple
from napari_firstpass.widgets.label_steps import change_pixels
from napari_firstpass.widgets.scene import MaskInfo
from rulers.desk_session import PLAINLY, Session, move, opened_by_loop, require, until, wait
from rulers.heartbeat import Heartbeat
from rulers.page import machine, replace_section

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Labels
    from numpy.typing import NDArray

    from napari_firstpass.packed_pixels import PackedMask
    from napari_firstpass.widgets.segment_panel import SegmentPanel
    from rulers.heartbeat import Phase

RESULTS = Path(__file__).parents[1] / "docs" / "results.md"

_NOTICED_MS = 20
"""Shorter gaps between two beats are no standstill; the layer is drawn well within a second."""

OWN = "ms of the window's thread"
_COARSE = 8
WINDOW = (900, 700)
_SPECKS = 0.01


def main() -> None:
    """Print one line for each thing that a user does to classes."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--side", type=int, default=6000, help="of the labels, in pixels")
    parser.add_argument("--classes", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--scene", type=int, help="side of a scene in a file, such as 20000")
    parser.add_argument("--session", type=int, help="side of an image to work on, such as 1024")
    parser.add_argument("--prompts", type=int, default=50, help="in a session")
    parser.add_argument("--strokes", type=int, default=200, help="in a session")
    parser.add_argument("--json", type=Path, help="where to write the figures of a session, too")
    parser.add_argument("--no-page", action="store_true", help="only print")
    options = parser.parse_args()
    if options.session:
        name = "desk-session"
        phases = session_phases(options.session, options.prompts, options.strokes)
        text = session_table(options.session, phases)
        if options.json:
            told = {phase.name: figures_of(phase) for phase in phases}
            options.json.write_text(json.dumps(told, indent=2), encoding="utf-8")
    elif options.scene:
        name, text = "desk-scene", scene_table(options.scene)
    else:
        name, text = "desk-classes", class_table(options.side, options.classes, options.repeats)
    print(text)
    if not options.no_page:
        replace_section(RESULTS, name, text)


_LAST_SAVE_MS = 5000
"""Closing the window saves what was done last, in a thread."""


def session_phases(side: int, prompts: int, strokes: int) -> list[Phase]:
    """Work through a session in a folder that is removed afterwards."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*WINDOW)
    wait(500)
    with TemporaryDirectory() as folder:
        phases = Session(Path(folder), side, prompts, strokes).watched(viewer)
        viewer.close()
        wait(_LAST_SAVE_MS)
    return phases


def figures_of(phase: Phase) -> dict[str, float | str]:
    """Return the longest standstill of a phase, and the longest by functions of ours."""
    longest, own = phase.most("milliseconds"), phase.most("own")
    busy = phase.most("own_computed")
    return {
        "seconds": round(phase.seconds, 1),
        "longest": 0.0 if longest is None else round(longest.milliseconds, 1),
        "at": "" if longest is None else longest.longest,
        "ours": 0.0 if own is None else round(own.own, 1),
        "where": "" if own is None else own.longest_of_ours,
        "computed": 0.0 if busy is None else round(busy.own_computed, 1),
        "busy": "" if busy is None else busy.longest_of_ours,
    }


def session_table(side: int, phases: list[Phase]) -> str:
    """Return for how long the window did not answer in each phase of a session."""
    lines = [
        f"`python benchmarks/desk.py --session {side}` on {machine('napari', 'torch')}, without a",
        f"graphics card, in a window of {WINDOW[0]} × {WINDOW[1]}: a town of {side} × {side}",
        "pixels, mouse and keys. A timer that should ring each 5 ms tells how long the window did",
        "not answer; a thread looks at what it does then. What napari and Qt do, drawing without a",
        "graphics card above all, counts for the longest standstill, not as ours. Other programs",
        "make the clock slower; “computing” is the processor's time of functions of ours in one",
        "standstill.",
        "",
        "| what | took, s | longest standstill, ms | longest by us, ms | computing, ms | where |",
        "|---|---|---|---|---|---|",
    ]
    for phase in phases:
        told = figures_of(phase)
        where = f"`{told['where']}`" if told["where"] else ""
        cells = (phase.name, told["seconds"], told["longest"], told["ours"], told["computed"])
        lines.append(f"| {' | '.join(map(str, cells))} | {where} |")
    return "\n".join(lines)


def scene_table(side: int) -> str:
    """Return what a scene in a file costs; the file is written by another process."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "scene.tif"
        writer = get_context("spawn").Process(target=write_scene, args=(path, side))
        writer.start()
        writer.join()
        size = path.stat().st_size / 1e9
        rows = large_scene(path, side)
    told = [
        f"`python benchmarks/desk.py --scene {side}` on {machine('napari', 'torch')}, without a",
        f"graphics card: a file of {side} × {side} pixels in three bands ({size:.1f} GB), its",
        "labels, and a real window of 1366 × 768. Other programs make the clock slower, not the",
        "processor.",
        "",
        "| what | took |",
        "|---|---|",
    ]
    return "\n".join([*told, *(f"| {what} | {took} |" for what, took in rows.items())])


def class_table(side: int, classes: int, repeats: int) -> str:
    """Return how long the window stands still while classes of a large layer are changed."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 768)
    _, dock = viewer.window.add_plugin_dock_widget("napari-firstpass", "Segment")
    panel = dock.panel
    labels = clusters(side, classes)
    made = Segmentation(labels, numbered_taxonomy(classes), Grid(*labels.shape))
    data, keywords, _ = labels_tuple(made, name="clusters", scene="scene")
    layer: Labels = viewer.add_labels(data, **keywords)
    panel.form.classing.click()
    wait(3000)
    lines = [
        f"`python benchmarks/desk.py` on {machine('napari')}: {side} × {side} labels of {classes}",
        f"classes; for how many milliseconds the window stands still, in {repeats} tries.",
        "",
        "| what | median | shortest | of it computing | kept for undo, MB |",
        "|---|---|---|---|---|",
    ]
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
        lines += report(what, layer, change, repeats)
    np.testing.assert_array_equal(layer.data, labels)
    viewer.close()
    return "\n".join(lines)


def large_scene(path: Path, side: int) -> dict[str, str]:
    """Return what a scene costs that is too large for memory."""
    told: dict[str, str] = {}
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1366, 768)
    wait(500)
    beat = Heartbeat()
    with beat.beating():
        with beat.phase("opening the panel") as opening:
            _, dock = viewer.window.add_plugin_dock_widget("napari-firstpass", "Segment")
            until(lambda: dock.is_loaded)
        told["opening the panel"] = f"{opening.seconds:.1f} s; {standstills(opening)}"
        with beat.phase("loading what a run needs") as loading:
            wait(8000)
        told["loading what a run needs, meanwhile"] = standstills(loading)
        told |= scene_opened(viewer, path, beat, "without overviews")
        viewer.layers.clear()
        overviewing = get_context("spawn").Process(target=add_overviews, args=(path,))
        overviewing.start()
        until(lambda: not overviewing.is_alive())
        told |= scene_opened(viewer, path, beat, "with overviews")
        panel, layer = dock.panel, scene_layer(dock.panel, path, side)
        told |= scene_painted(viewer, panel, layer, path, side)
        told |= scene_merge(panel, layer, beat)
        told |= scene_changed(layer, side, beat)
        told |= scene_reviewed(panel, beat)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    told["memory, at most"] = f"{most:.2f} GB"
    layer.paint(layer.world_to_data((side // 2, side // 2)), 3)
    before = thread_time(), perf_counter()
    viewer.window.remove_dock_widget(dock)
    busy, passed = 1000 * (thread_time() - before[0]), 1000 * (perf_counter() - before[1])
    told["closing the panel with work that is not saved"] = f"{busy:.0f} {OWN}, {passed:.0f} ms"
    viewer.close()
    return told


def standstills(phase: Phase) -> str:
    """Return the longest standstills of a phase, in words."""
    longest = figures_of(phase)
    return (
        f"the longest standstill {longest['longest']:.0f} ms, by us {longest['ours']:.0f} ms, "
        f"{longest['computed']:.0f} ms computing"
    )


def scene_opened(viewer: napari.Viewer, path: Path, beat: Heartbeat, what: str) -> dict[str, str]:
    """Open a scene as if it were dropped on the window, until all of it is drawn."""
    from napari_firstpass.widgets.opening import is_filling

    began, computed = perf_counter(), process_time()
    with beat.phase(what) as opening:
        opened_by_loop(viewer, path)
        wait(1)
        passed = perf_counter() - began
        until(lambda: not is_filling())
        wait(1)
    whole, busy = perf_counter() - began, process_time() - computed
    return {
        f"opening it {what}": f"{passed:.1f} s until it is in sight, {whole:.1f} s until all of it "
        f"is, {busy:.1f} s of them computing; {standstills(opening)}"
    }


def scene_layer(panel: SegmentPanel, path: Path, side: int) -> Labels:
    """Return a layer of labels of the whole scene."""
    scene = SceneLabels(TileStore(None, (side, side), np.dtype(np.uint8)))
    tile = clusters(2000, 8)
    for row in range(0, side, 2000):
        for col in range(0, side, 2000):
            part = tile[: side - row, : side - col]
            scene.store.write(Window(row, col, *part.shape), part)
    scene.look_at_all()
    grid = Grid(side, side)
    info = MaskInfo("scene", grid, numbered_taxonomy(8), Provenance(), (path,))
    return panel.following.add(scene, labels_keywords(info, "labels"))


def scene_painted(
    viewer: napari.Viewer, panel: SegmentPanel, layer: Labels, path: Path, side: int
) -> dict[str, str]:
    """Return what it costs to paint somewhere, and to keep that."""
    told: dict[str, str] = {}
    shown: list[float] = []
    panel.following.shown.connect(lambda: shown.append(perf_counter()))
    viewer.scene.camera.zoom, began = 1, perf_counter()
    viewer.scene.camera.center = (side // 2, side // 2)
    while not shown:
        wait(5)
    told["from afar to full resolution, ready to paint"] = f"{1000 * (shown[0] - began):.0f} ms"
    wait(500)
    strokes = [standstill(stroke(layer, side // 2 + 30 * i)) for i in range(5)]
    told["a stroke of 20 dabs, drawn"] = f"{median(s.busy for s in strokes):.0f} {OWN}"
    moves = dabs(viewer, layer)
    times, busy = [m.milliseconds for m in moves], median(m.busy for m in moves)
    told["from a move of the mouse to the screen, while painting"] = (
        f"{median(times):.0f} ms, {busy:.0f} {OWN}; the longest of {len(moves)} {max(times):.0f} ms"
    )
    before = thread_time()
    panel.keeping.save(path)
    told["beginning to save what was painted"] = f"{1000 * (thread_time() - before):.1f} {OWN}"
    wait(5000)
    told["taking the last stroke back, drawn"] = f"{standstill(layer.undo).busy:.0f} {OWN}"
    return told


def scene_merge(panel: SegmentPanel, layer: Labels, beat: Heartbeat) -> dict[str, str]:
    """Return what it costs to merge two classes of a whole scene, and to take that back."""
    panel.form.classing.click()
    tree = panel.form.class_list.tree
    until(lambda: len(tree.listed) == 8)
    wait(3000)
    told = {}

    def merge() -> None:
        tree.choose(1)
        tree.item(2).setSelected(True)
        panel.form.class_list.merge.click()

    for what, change in (("merging two classes of all of it", merge), ("undoing it", layer.undo)):
        with beat.phase(what) as phase:
            before, began = np.array(layer.data[:2000:100, :2000:100]), perf_counter()
            change()
            wait(1)
            passed = 1000 * (perf_counter() - began)
            require((layer.data[:2000:100, :2000:100] != before).any(), "nothing was merged")
            wait(500)
        told[what] = f"drawn after {passed:.0f} ms; {standstills(phase)}"
    began, computed = perf_counter(), process_time()
    merge()
    store = scene_behind(layer.data).store
    until(lambda: not store.is_behind)
    passed, busy = perf_counter() - began, process_time() - computed
    told["the tiles on disk after a merge, meanwhile"] = f"{passed:.0f} s, {busy:.0f} s computing"
    return told


def scene_changed(layer: Labels, side: int, beat: Heartbeat) -> dict[str, str]:
    """Return what it costs to give a large region another class."""
    window = Window(side // 2, side // 2, *(min(2048, side // 2),) * 2)
    with beat.phase("a region") as phase:
        change_pixels(layer, window, np.full((window.height, window.width), 5, np.uint8))
        wait(500)
    size = f"{window.height} × {window.width}"
    return {f"a region of {size} pixels given a class": standstills(phase)}


def scene_reviewed(panel: SegmentPanel, beat: Heartbeat) -> dict[str, str]:
    """Return how long the first and the last regions of a review are waited for."""
    panel.form.reviewing.click()
    wait(300)
    reviewing, began = panel.form.review, perf_counter()
    with beat.phase("review") as phase:
        reviewing.next.click()
        until(lambda: reviewing.accept.isEnabled())
        first = perf_counter() - began
        until(lambda: not panel.form.cancel.isEnabled())
        whole = perf_counter() - began
    return {
        "the first region of a review": f"{first:.1f} s, the whole list {whole:.0f} s; "
        f"{standstills(phase)}"
    }


def stroke(layer: Labels, row: int) -> Callable[[], None]:
    """Return what paints a line of 200 pixels with a brush of 20."""

    def paint() -> None:
        layer.brush_size = 20
        top, left = layer.world_to_data((row, row))
        with layer.block_history():
            for step in range(0, 200, 10):
                layer.paint((top, left + step), 3)

    return paint


_STROKES, _MOVES = 5, 10


def dabs(viewer: napari.Viewer, layer: Labels) -> list[Standstill]:
    """Paint strokes with the mouse; return for each move when it was drawn, and what that cost."""
    canvas = viewer.window._qt_viewer.canvas  # noqa: SLF001 - for mouse, and what is drawn
    drawn: list[float] = []
    canvas._scene_canvas.events.draw.connect(  # noqa: SLF001
        lambda _: drawn.append(perf_counter()), position="last"
    )
    viewer.layers.selection.active, layer.mode, layer.brush_size = layer, "paint", 20
    found = []
    for stroke in range(_STROKES):
        top = 150 + 40 * stroke
        QTest.mousePress(canvas.native, *PLAINLY, QPoint(200, top))
        wait(100)
        for index in range(1, _MOVES + 1):
            drawn.clear()
            began, before = perf_counter(), thread_time()
            move(canvas.native, QPoint(200 + 12 * index, top + 2 * index))
            while not drawn:
                QApplication.processEvents()
            found.append(Standstill(1000 * (drawn[0] - began), 1000 * (thread_time() - before)))
            wait(15)
        QTest.mouseRelease(canvas.native, *PLAINLY, QPoint(200 + 12 * _MOVES, top + 2 * _MOVES))
        wait(100)
    layer.mode = "pan_zoom"
    return found


def write_scene(path: Path, side: int) -> None:
    """Write a scene of three bands, of a pattern that repeats."""
    rng = np.random.default_rng(0)
    soft = gaussian_filter(rng.random((3, 2048, 2048), dtype=np.float32), (0, 9, 9))
    tile = np.clip(128 + 4000 * (soft - 0.5), 0, 255).astype(np.uint8)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "height": side, "width": side}
    layout = {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "deflate"}
    with rasterio.open(path, "w", **profile, **layout, zlevel=1, photometric="RGB") as file:
        for row in range(0, side, 2048):
            for col in range(0, side, 2048):
                part = tile[:, : side - row, : side - col]
                file.write(part, window=((row, row + part.shape[1]), (col, col + part.shape[2])))


def add_overviews(path: Path) -> None:
    """Give a scene overviews."""
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4, 8, 16], Resampling.average)


def report(what: str, layer: Labels, change: Callable[[], None], repeats: int) -> list[str]:
    """Change, take back, and return how long the window stood still and what was kept."""
    steps: list[list[tuple[PackedMask, int, int]]] = []
    layer.events.paint.connect(lambda event: steps.append(event.value))
    changed: list[Standstill] = []
    undone: list[Standstill] = []
    for _ in range(repeats):
        changed.append(standstill(change))
        undone.append(standstill(layer.undo))
        wait(1500)  # the pixels are counted meanwhile
    kept = max(sum(mask.nbytes for mask, _, _ in step) for step in steps) / 1e6
    rows = []
    for name, stood, size in ((what, changed, f"{kept:.1f}"), ("undo it", undone, "")):
        times, busy = [s.milliseconds for s in stood], median(s.busy for s in stood)
        rows.append(f"| {name} | {median(times):.0f} | {min(times):.0f} | {busy:.0f} | {size} |")
    return rows


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
