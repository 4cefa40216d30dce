"""The state of a fit in a file beside its output: what an interrupted fit goes on from.

Numbers in safetensors format, all else as JSON in its notes, with a hash over both: it can run no
code, and what is not as it was written is not used. Losing it costs time and nothing else, so
nothing that is wrong with it ends a fit.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import torch

from napari_firstpass.errors import OutputError, WeightsError
from napari_firstpass.io.files import whole_file
from napari_firstpass.tensor_file import notes_of, pack, unpack
from napari_firstpass.training_state import State

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

SUFFIX = ".state"
"""What is added to the name of a model file."""

PAUSE_S = 5.0
"""Seconds of work between two states, at least."""

_FORMAT = "1"
"""To be raised when what is written would be read otherwise."""

SHARE = 0.02
"""Of the time of a fit that may go into writing states."""

_MOST_BYTES = 2**30


def state_path(model: str | os.PathLike[str]) -> Path:
    """Return where the state of a fit is kept: beside its model file."""
    place = Path(model)
    return place.with_name(place.name + SUFFIX)


class StateFile:
    """Keeps the state of one fit in a file; see `StateStore` and `Keeper`.

    Parameters
    ----------
    path : path
        The file; written whole or not at all.
    restart : bool
        Whether to leave unread what is there. It is replaced by the first state that is written.
    tell : callable
        Called with one sentence, for a person to read, when there is an earlier state, and when
        none can be kept.
    pause_s : float
        Seconds of work between two states, at least.
    share : float
        Of the time, what may go into writing states: after a slow disk, the pause is longer.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        restart: bool = False,
        tell: Callable[[str], None] = lambda _: None,
        pause_s: float = PAUSE_S,
        share: float = SHARE,
    ) -> None:
        self.path = Path(path)
        self._restart, self._tell = restart, tell
        self._pause_s, self._share = pause_s, share
        self._fit: str | None = None
        self._found: State | None = None
        self._due = 0.0
        self.kept: str | None = None
        """Where a fit stands that goes on from the file, None if it would start anew."""

    def begin(self, fit: str) -> StateFile:
        """Return this, as the keeper of a fit; an earlier state of it is read and told."""
        own = self._fit is not None  # what lies there is of the fit before, in the same run
        self._fit, self._due = fit, monotonic() + self._pause_s
        self._found = None if self._restart else self._read(fit, quiet=own)
        if self._found is not None:
            self.kept = self._found.place
            self._tell(f"going on from {self.kept}")
        return self

    def restore(self) -> State | None:
        """Return the state that `begin` found."""
        return self._found

    def keep(self, state: Callable[[], State]) -> None:
        """Write a state, if the last one was written long enough ago."""
        start = monotonic()
        if self._fit is None or start < self._due:
            return
        now = state()
        try:
            with whole_file(self.path, overwrite=True) as partial:
                partial.write_bytes(_packed(now, self._fit))
        except OSError as error:
            self._due = float("inf")
            why = error.found if isinstance(error, OutputError) else error.strerror
            self._tell(f"no state can be kept in {self.path} ({why}); the fit goes on without")
            return
        self.kept = now.place
        end = monotonic()
        self._due = end + max(self._pause_s, (end - start) * (1 / self._share - 1))

    def remove(self) -> None:
        """Remove the file, unless it was not used: the state of another fit may lie there."""
        if self._fit is not None:
            self.kept = None
            try:
                self.path.unlink(missing_ok=True)
            except OSError as error:
                # What was fitted counts more than a file that stays behind.
                self._tell(f"{self.path.name} could not be removed ({error.strerror})")

    def _read(self, fit: str, *, quiet: bool) -> State | None:
        try:
            content = _content(self.path)
            if content is None:
                return None
            found, state = _unpacked(content, self.path.name)
        except (OSError, WeightsError, LookupError, TypeError, ValueError):
            self._tell(f"{self.path.name} is damaged, or no state of a fit; starting anew")
            return None
        if found == fit:
            return state
        if not quiet:
            self._tell(
                f"{self.path.name} is of another fit (other images, options or version); starting "
                "anew, it will be replaced"
            )
        return None


def _content(path: Path) -> bytes | None:
    if not path.exists():
        return None
    if path.stat().st_size > _MOST_BYTES:
        raise ValueError("too large")
    return path.read_bytes()


def _packed(state: State, fit: str) -> bytes:
    """Return the bytes of a file with a state."""
    arrays = {name: tensor.detach().cpu().float().numpy() for name, tensor in state.tensors.items()}
    told = {
        "counting": state.counting,
        "done": state.done,
        "notes": dict(state.notes),
        "total": state.total,
    }
    notes = {"firstpass-state": _FORMAT, "fit": fit, "state": json.dumps(told, sort_keys=True)}
    return pack(arrays, notes | {"sha256": _digest(arrays, notes)})


def _unpacked(content: bytes, name: str) -> tuple[str, State]:
    """Return the fit and the state in a file."""
    arrays, notes = unpack(content, name), notes_of(content, name)
    told = {key: text for key, text in notes.items() if key != "sha256"}
    if notes["sha256"] != _digest(arrays, told) or notes["firstpass-state"] != _FORMAT:
        raise ValueError("changed, or of another format")
    # Whoever can compute the digest has written what follows, so it needs no check of its own.
    # In memory of torch: matrix products may hang on where it begins.
    tensors = {key: torch.from_numpy(array).clone() for key, array in arrays.items()}
    return notes["fit"], State(tensors=tensors, **json.loads(notes["state"]))


def _digest(arrays: Mapping[str, NDArray[np.float32]], notes: Mapping[str, str]) -> str:
    return sha256(pack(arrays, notes)).hexdigest()
