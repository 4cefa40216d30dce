"""What notebooks and the command line call to make labels once more, from what they tell."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.api import label_file_steps, segment_file_steps
from napari_firstpass.config import Device, SegmentConfig
from napari_firstpass.grid import Window
from napari_firstpass.image_work import file_sha256
from napari_firstpass.io.label_source import LabelSource
from napari_firstpass.progress import Progress, Span, guarded, ignore, relay, run
from napari_firstpass.provenance import ProvenanceError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from napari_firstpass.image_work import SegmentReport
    from napari_firstpass.progress import Steps
    from napari_firstpass.provenance import Provenance

_AFTERWARDS = {
    "refined": "refined",
    "aligned": "aligned",
    "prompted": "changed where somebody pointed",
    "things": "made where somebody pointed",
    "imported": "imported",
}
"""What a record calls steps that are not the run itself."""

_HERE = ("window", "overlap", "min_region", "seed")
"""Options of labelling with classes that are there already."""

_ROWS_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Replay:
    """How labels that were made once more compare with those that are there.

    Attributes
    ----------
    labels, image : Path
        The label file, and the image that it was made of.
    same_bytes : bool
        Whether the files agree byte for byte, and so do their sidecars.
    different_pixels : int
        Pixels with another label.
    pixels : int
        All of them.
    changes : tuple of str
        What the two records tell differently, such as ``version: 0.1.0, now 0.2.0``.
    """

    labels: Path
    image: Path
    same_bytes: bool
    different_pixels: int
    pixels: int
    changes: tuple[str, ...]


def replay_file(
    labels: str | os.PathLike[str],
    *,
    image: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    device: Device = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
) -> Replay:
    """Run once more what a label file tells it was made by, and compare.

    Parameters
    ----------
    labels : path
        A label file of ours that nothing was done to since.
    image : path or None
        The image; None for the one of the recorded name beside the labels.
    model : path or None
        The model that labelled, if one did. See `label_file`.
    device : str
        ``cpu``, ``cuda`` or ``auto``. Graphics cards add up in another order.
    on_progress : callable or None
        Called with a `Progress` about every 100 ms of work.

    Raises
    ------
    FirstPassError
        `ProvenanceError` if the file does not tell how it was made, was changed afterwards, or
        the image is not the one it was made of; what `segment_file` raises.

    Examples
    --------
    >>> replay_file("labels.tif").same_bytes  # doctest: +SKIP
    True
    """
    steps = replay_file_steps(labels, image=image, model=model, device=device)
    return run(guarded(steps), on_progress or ignore)


def replay_file_steps(
    labels: str | os.PathLike[str],
    *,
    image: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    device: Device = "cpu",
) -> Steps[Replay]:
    """Do the work of `replay_file` in steps."""
    place = Path(labels)
    with LabelSource(place) as source:
        yield from relay(source.look_steps(), Span(0, 5, 100))
        record = source.provenance
    _require_run(record, place, model)
    picture = place.with_name(record.source) if image is None else Path(image)
    yield from relay(_same_image(record, picture), Span(5, 8, 100))
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again.tif"
        yield from relay(_made(record, picture, again, model, device), Span(8, 95, 100))
        with LabelSource(place) as old, LabelSource(again) as new:
            yield from relay(new.look_steps(), Span(95, 97, 100))
            different = yield from relay(_different(old, new), Span(97, 99, 100))
            changes = tuple(_changes(_flat(record), _flat(new.provenance)))
            pixels = new.grid.height * new.grid.width
        same = yield from relay(_same_files(place, again), Span(99, 100, 100), "comparing")
        return Replay(place, picture, same, different, pixels, changes)


def _require_run(record: Provenance, place: Path, model: object) -> None:
    """Refuse labels that one run has not made, or that nobody can make without its model."""
    later = [told for key, told in _AFTERWARDS.items() if key in record.config]
    found, remedy = "", ""
    if not record.config or "method" not in record.config:
        found, remedy = "no record of a run", "replay a file of segment"
    if later:
        found = f"labels {' and '.join(later)}"
        remedy = "replay the file that they were before, and then do that again"
    if not found and "model" in record.config and model is None:
        found, remedy = f"that {record.config['model']} labelled it", "give this model"
    if found:
        raise ProvenanceError(
            expected=f"labels that one run has made in {place}", found=found, remedy=remedy
        )


def _same_image(record: Provenance, image: Path) -> Steps[None]:
    """Refuse another image than the one that labels were made of."""
    if not image.is_file():
        raise ProvenanceError(
            expected=f"the image that the labels were made of, {record.source}",
            found=f"none at {image}",
            remedy="give its path",
        )
    digest = yield from file_sha256(image)
    if record.source_sha256 is not None and digest != record.source_sha256:
        raise ProvenanceError(
            expected=f"the image that the labels were made of, SHA-256 {record.source_sha256}",
            found=f"{digest} at {image}",
            remedy="give the original",
        )


def _made(
    record: Provenance,
    image: Path,
    out: Path,
    model: str | os.PathLike[str] | None,
    device: Device,
) -> Steps[SegmentReport]:
    told = record.config
    refine = told.get("refine")
    options: dict[str, Any] = {} if refine is None else {"refine": _refiner(refine)}
    names = _HERE if model is not None else tuple(field.name for field in fields(SegmentConfig))
    options = {name: told[name] for name in names if name in told and name != "refine"} | options
    config = SegmentConfig(**{**options, "device": device})
    bands, metres = told.get("bands"), told.get("resample_m")
    if model is not None:
        return (yield from label_file_steps(image, out, model, config, bands=bands, metres=metres))
    auto = "suggested" in told
    return (
        yield from segment_file_steps(
            image, out, config, bands=bands, metres=metres, auto_classes=auto
        )
    )


def _refiner(told: Mapping[str, Any]) -> str:
    return f"{told['refiner']}:{told['preset']}"


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


def _same_files(first: Path, second: Path) -> Steps[bool]:
    """Tell whether two files and their sidecars agree."""
    for end in ("", ".aux.xml"):
        one = yield from file_sha256(f"{first}{end}")
        other = yield from file_sha256(f"{second}{end}")
        if one != other:
            return False
    return True


def _flat(record: Provenance) -> dict[str, Any]:
    return {
        "version": record.version,
        "weights_sha256": record.weights_sha256,
        **{f"config {key}": value for key, value in record.config.items()},
    }


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    keys = [*before, *(key for key in now if key not in before)]
    return [
        f"{key}: {before.get(key)}, now {now.get(key)}"
        for key in keys
        if before.get(key) != now.get(key)
    ]
