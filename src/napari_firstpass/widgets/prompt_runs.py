"""What prompts compute in a thread: from marks on an image to outlines that can be shown."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_firstpass.io.geotiff import open_raster
from napari_firstpass.progress import Progress, Span, relay
from napari_firstpass.widgets.runs import feature_cache, leave_a_core

if TYPE_CHECKING:
    from collections.abc import Hashable

    from numpy.typing import NDArray

    from napari_firstpass.config import PromptConfig
    from napari_firstpass.feature_cache import KeptFeatures
    from napari_firstpass.mask_writing import Where
    from napari_firstpass.progress import Steps
    from napari_firstpass.prompt_session import Prompting
    from napari_firstpass.prompt_windows import Outlines
    from napari_firstpass.prompts import Prompt
    from napari_firstpass.widgets.image_layers import Subject

_BORDER = 2
"""Value of the pixels of an outline that have a neighbour outside; those inside have one less."""


@dataclass(frozen=True, slots=True)
class Preview:
    """An answer, and how it is shown.

    Attributes
    ----------
    found : Outlines
        The candidates.
    pictures : (N, h, w) uint8 array
        0 outside, 1 inside, 2 on the border.
    prompt : Prompt
        What was pointed at.
    record : dict
        How it was answered, for the record of the labels.
    """

    found: Outlines
    pictures: NDArray[np.uint8]
    prompt: Prompt
    record: dict[str, Any]

    @classmethod
    def of(cls, found: Outlines, prompt: Prompt, record: dict[str, Any]) -> Preview:
        """Draw the candidates."""
        return cls(found, drawn(found.masks), prompt, record)

    def accepted(self, candidate: int, class_id: int, where: Where) -> dict[str, Any]:
        """Return what is noted of a candidate that became part of labels."""
        thing = {"class": class_id, **self.prompt.record(), "outline": candidate + 1}
        return {**self.record, "where": where, "things": [thing]}


def drawn(masks: NDArray[np.bool_], border: int = 1) -> NDArray[np.uint8]:
    """Return masks (N, h, w) as they are shown: 0 outside, 1 inside, 2 on the border.

    Parameters
    ----------
    masks : (N, h, w) bool array
        What is shown.
    border : int
        Width of the border, in pixels.
    """
    inner = masks
    for _ in range(border):
        outer, inner = inner, inner.copy()
        # Four comparisons take a tenth of the time of an erosion.
        inner[:, 1:] &= outer[:, :-1]
        inner[:, :-1] &= outer[:, 1:]
        inner[:, :, 1:] &= outer[:, :, :-1]
        inner[:, :, :-1] &= outer[:, :, 1:]
    pictures: NDArray[np.uint8] = _BORDER * masks.view(np.uint8) - inner.view(np.uint8)
    return pictures


class PromptedImage:
    """An image that is pointed at; made in the thread of the window, used in another.

    Parameters
    ----------
    subject : Subject
        The image.
    config : PromptConfig
        How to answer.
    kept : KeptFeatures
        Where the user prefers features to be kept.
    """

    def __init__(self, subject: Subject, config: PromptConfig, kept: KeptFeatures) -> None:
        self._subject, self._config, self._kept = subject, config, kept
        self._prompting: Prompting | None = None
        self._record: dict[str, Any] | None = None

    def answer_steps(self, prompt: Prompt) -> Steps[Preview]:
        """Find what is pointed at, and draw it."""
        yield Progress(0, 100, "looking at the image")
        leave_a_core()
        if self._prompting is None:
            self._prompting = self._begun()
        found = yield from relay(self._prompting.answer_steps(prompt), Span(0, 99, 100))
        if self._record is None:
            self._record = yield from relay(self._record_steps(self._prompting), Span(99, 100, 100))
        return Preview.of(found, prompt, self._record)

    def _record_steps(self, prompting: Prompting) -> Steps[dict[str, Any]]:
        """Return how prompts are answered; without the hash of a file, which can take seconds."""
        from napari_firstpass.prompt_images import prompter_record_steps, step_record

        told = yield from prompter_record_steps(self._config, prompting)
        source = self._subject.source
        name = source.name if isinstance(source, Path) else self._subject.name
        return step_record(told, name, None)

    def _begun(self) -> Prompting:
        from napari_firstpass.prompt_session import Prompting

        cache = feature_cache(self._config.backbone, self._kept)
        if self._config.model is not None:
            cache = self._kept.opened()
        source = self._subject.source
        if isinstance(source, Path):
            opening, stamp = partial(open_raster, source), partial(_stamp, source)
            return Prompting(opening, self._config, stamp=stamp, cache=cache)
        return Prompting(lambda: nullcontext(source), self._config, cache=cache)


def _stamp(path: Path) -> Hashable:
    """Return what changes when a file is written."""
    status = path.stat()
    return status.st_size, status.st_mtime_ns
