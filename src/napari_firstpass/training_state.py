"""Where a long computation stands, so that another run can go on from there.

Methods say what they would need (`State`), and ask for what there is. Who keeps it, and where, they
do not know: without a keeper, or with one that keeps nothing, they do the same work and find the
same classes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import torch

from napari_firstpass.progress import Progress, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from napari_firstpass.features import FeatureMap


@dataclass(frozen=True, slots=True)
class State:
    """Where a computation stands, and all that it needs to go on as if it had never stopped.

    Attributes
    ----------
    counting : str
        What is counted at this stage, such as ``"step"``.
    done, total : int
        How many were done, of how many at most.
    tensors : mapping of str to float tensor
        Finite numbers. Whole numbers are exact up to 2²⁴. They come back as 32-bit floats on the
        CPU, row by row: where a tensor was laid out otherwise, copy them into one that is, or
        products of matrices end in other last digits.
    notes : mapping of str
        What else there is, such as the state of random numbers; goes to JSON and back.
    """

    counting: str
    done: int
    total: int
    tensors: Mapping[str, Tensor]
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """What a person reads: ``"step 340 of 500"``."""
        return f"{self.counting} {self.done} of {self.total}"


class Keeper(Protocol):
    """Keeps the state of one fit."""

    def restore(self) -> State | None:
        """Return where an earlier run of the same fit stood, None if nothing is known of one."""
        ...

    def keep(self, state: Callable[[], State]) -> None:
        """Keep a state in place of the one before, or do nothing.

        Methods call this as often as they like. ``state`` is called only if it is time, and at
        once: it may look at what changes later.
        """
        ...


class StateStore(Protocol):
    """Where states of fits are kept."""

    def begin(self, fit: str) -> Keeper:
        """Return the keeper of a fit, by its `identity_steps`."""
        ...


@dataclass(frozen=True, slots=True)
class Forgetful:
    """Keeps nothing."""

    def restore(self) -> State | None:
        """Return None."""
        return None

    def keep(self, state: Callable[[], State]) -> None:
        """Do nothing."""


FORGETFUL = Forgetful()


def identity_steps(segmenter: object, sample: Sequence[FeatureMap]) -> Steps[str]:
    """Return a text that two fits share only if they do the same.

    Images and all that was done with them are in the numbers that a segmenter is handed, so these
    decide, and not the names of files. Beside them it is the segmenter with its options, the
    version of this package, and what computes.

    Parameters
    ----------
    segmenter : object
        Its ``repr`` must tell all its options, as that of a dataclass does.
    sample : sequence of FeatureMap
        What it will be fitted on.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    device = sample[0].vectors.device.type
    told = [version("napari-firstpass"), torch.__version__, device, repr(segmenter)]
    digest = sha256(json.dumps(told).encode())
    for done, window in enumerate(sample):
        yield Progress(done, len(sample), "looking for an earlier state")
        digest.update(json.dumps(window.vectors.shape).encode())
        for part in (window.vectors, window.valid):
            digest.update(part.cpu().contiguous().numpy().data)
    return digest.hexdigest()
