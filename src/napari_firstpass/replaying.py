"""What notebooks and the command line call to make labels once more, from what they tell."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.grid import Window
from napari_firstpass.image_work import file_sha256
from napari_firstpass.io.export_folder import RECORD, exported_with
from napari_firstpass.io.label_source import LabelSource
from napari_firstpass.progress import Progress, Span, guarded, ignore, relay, run
from napari_firstpass.provenance import Provenance, ProvenanceError
from napari_firstpass.replays.chains import remade_steps
from napari_firstpass.replays.exports import reexported_steps
from napari_firstpass.replays.inputs import Inputs
from napari_firstpass.replays.runs import Again
from napari_firstpass.taxonomy import Taxonomy

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from napari_firstpass.config import Device
    from napari_firstpass.progress import Steps

_ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Replay:
    """How labels that were made once more compare with those that are there.

    Attributes
    ----------
    labels : Path
        The label file, or the folder of an export.
    same_bytes : bool
        Whether the files agree byte for byte: labels with their sidecar, and their confidence if
        there is one; or all files of an export.
    different_pixels : int or None
        Pixels with another label; None for an export.
    pixels : int
        All of them.
    changes : tuple of str
        What the two records tell differently, such as ``version: 0.1.0, now 0.2.0``.
    files : tuple of str
        Files of an export that differ.
    edited : float
        Share of the pixels, 0 to 1, that a person has changed, at most.
    left_out : tuple of str
        What was done to the labels that cannot be done once more.
    """

    labels: Path
    same_bytes: bool
    different_pixels: int | None
    pixels: int
    changes: tuple[str, ...]
    files: tuple[str, ...] = ()
    edited: float = 0.0
    left_out: tuple[str, ...] = ()


def replay_file(
    labels: str | os.PathLike[str],
    *,
    image: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    inputs: Sequence[str | os.PathLike[str]] = (),
    device: Device = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
) -> Replay:
    """Do once more what a label file, or an export, tells it was made by, and compare.

    That is all that was done, from the image on: a run, a model, a prompt or an import, and what
    refined, aligned, added to and exported the labels afterwards.

    Parameters
    ----------
    labels : path
        A label file of ours; or the folder of an export, or a file in it.
    image : path or None
        The image; None for the one of the recorded name beside the labels.
    model : path or None
        The model that labelled, if one did; None for the one of the recorded name. See
        `label_file`.
    inputs : sequence of path
        Other files and folders that were read, by the names that they had then: references, labels
        that were imported, networks, tables of candidates. Labels that something was done to are
        known by their hash; it begins with them then, not with the image.
    device : str
        ``cpu``, ``cuda`` or ``auto``. Graphics cards add up in another order.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        `ProvenanceError` if the file does not tell how it was made, or what was read then is not
        there or was changed; what `segment_file` and the others raise.

    Examples
    --------
    >>> replay_file("labels.tif").same_bytes  # doctest: +SKIP
    True
    """
    steps = replay_file_steps(labels, image=image, model=model, inputs=inputs, device=device)
    return run(guarded(steps), on_progress or ignore)


def replay_file_steps(
    labels: str | os.PathLike[str],
    *,
    image: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    inputs: Sequence[str | os.PathLike[str]] = (),
    device: Device = "cpu",
) -> Steps[Replay]:
    """Do the work of `replay_file` in steps."""
    place = Path(labels)
    export = exported_with(place)
    where = Inputs(
        place.parent if export is None else export.parent,
        None if image is None else Path(image),
        tuple(map(Path, inputs)),
    )
    again = Again(where, Taxonomy(()), None if model is None else str(model), device)
    with tempfile.TemporaryDirectory() as folder:
        if export is not None:
            return (yield from _export_steps(export, again, Path(folder)))
        return (yield from _labels_steps(place, again, Path(folder)))


def _labels_steps(place: Path, again: Again, folder: Path) -> Steps[Replay]:
    with LabelSource(place) as old:
        yield from relay(old.look_steps(), Span(0, 5, 100))
        if old.is_export:
            raise ProvenanceError(
                expected=f"{RECORD} beside {place}, which tells how it was exported",
                found="none",
                remedy="replay it in the folder that was exported, or export it again",
            )
        record, sure = old.provenance, old.confidence_path
        here = Again(again.inputs, old.taxonomy, again.model, again.device)
        making = remade_steps(record, here, folder, sure=sure is not None)
        remade = yield from relay(making, Span(5, 94, 100))
        with LabelSource(remade.labels) as new:
            yield from relay(new.look_steps(), Span(94, 96, 100))
            different = yield from relay(_different(old, new), Span(96, 99, 100))
            changes = list(_changes(record, new.provenance))
            if old.taxonomy != new.taxonomy:
                changes.append("classes: others, or with other names or colours")
            pairs = [(place, remade.labels), *_sidecars(place, remade.labels)]
            if sure is not None and new.confidence_path is not None:
                pairs.append((sure, new.confidence_path))
        same = yield from relay(_same_files(pairs), Span(99, 100, 100), "comparing")
        pixels = old.grid.height * old.grid.width
    return Replay(
        place,
        same,
        different,
        pixels,
        tuple(changes),
        edited=record.edited,
        left_out=remade.left_out,
    )


def _export_steps(folder: Path, again: Again, scratch: Path) -> Steps[Replay]:
    found = yield from reexported_steps(folder, again, scratch)
    before, now = (Provenance(**told["provenance"]) for told in (found.record, found.now))
    changes = list(_changes(before, now))
    if found.record["version"] != found.now["version"]:
        changes.append(f"exported by {found.record['version']}, now {found.now['version']}")
    return Replay(
        folder,
        not found.different,
        None,
        found.record["height"] * found.record["width"],
        tuple(changes),
        found.different,
        before.edited,
        found.left_out,
    )


def _different(old: LabelSource, new: LabelSource) -> Steps[int]:
    """Count pixels that differ; all of them where the sizes do."""
    if old.grid.shape != new.grid.shape:
        return new.grid.height * new.grid.width
    different = 0
    for top in range(0, new.grid.height, _ROWS_AT_ONCE):
        yield Progress(top, new.grid.height, "comparing")
        height = min(_ROWS_AT_ONCE, new.grid.height - top)
        window = Window(top, 0, height, new.grid.width)
        different += int(np.count_nonzero(old.read(window) != new.read(window)))
    return different


def _sidecars(first: Path, second: Path) -> list[tuple[Path, Path]]:
    return [(first.with_name(f"{first.name}.aux.xml"), second.with_name(f"{second.name}.aux.xml"))]


def _same_files(pairs: Sequence[tuple[Path, Path]]) -> Steps[bool]:
    """Tell whether pairs of files agree."""
    for first, second in pairs:
        one = yield from file_sha256(first)
        other = yield from file_sha256(second)
        if one != other:
            return False
    return True


def _changes(before: Provenance, now: Provenance) -> Iterator[str]:
    """Yield what two records tell differently."""
    old, new = (dict(_flat("", _told(record))) for record in (before, now))
    for key in dict.fromkeys((*old, *new)):
        if old.get(key) != new.get(key):
            yield f"{key}: {old.get(key)}, now {new.get(key)}"


def _told(record: Provenance) -> dict[str, Any]:
    return {
        "version": record.version,
        "source": record.source,
        "weights_sha256": record.weights_sha256,
        **{f"config {key}": value for key, value in record.config.items()},
    }


def _flat(name: str, told: object) -> Iterator[tuple[str, Any]]:
    """Yield single values, each with the way to it as its name."""
    if isinstance(told, list):
        told = dict(enumerate(told, start=1))
    if not isinstance(told, dict):
        yield name, told
        return
    for key, value in told.items():
        yield from _flat(f"{name} {key}".strip(), value)
