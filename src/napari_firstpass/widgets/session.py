"""The state of one panel: what runs, how far it is, what to say. Knows neither Qt nor napari."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from napari_firstpass.errors import FirstPassError
    from napari_firstpass.progress import Progress

_LEAST_SECONDS = 1.0
"""Before this, the remaining time is a guess not worth showing."""

LOOK_EVERY = 0.2
"""Seconds between two looks at the progress. Without a graphics card, every change of the window
draws all of it anew on the processor."""


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence for the status line, a file that it speaks of, and the error behind it."""

    text: str
    kind: Literal["info", "error"] = "info"
    path: Path | None = None
    error: FirstPassError | None = field(default=None, compare=False)

    @classmethod
    def of(cls, error: FirstPassError) -> Message:
        """Return the sentence of an error."""
        return cls(capitalised(str(error)), "error", error=error)

    def then(self, other: Message) -> Message:
        """Return one that says both, the other last; it is an error if one of them is."""
        kind: Literal["info", "error"] = "error" if "error" in (self.kind, other.kind) else "info"
        text = " ".join(filter(None, (self.text, other.text)))
        return Message(text, kind, self.path or other.path, self.error or other.error)


@dataclass(frozen=True, slots=True)
class Standing:
    """How far the running computation is.

    Attributes
    ----------
    share : float
        Part that is done, 0 to 1.
    text : str
        What happens now, and about how long it will take.
    """

    share: float = 0.0
    text: str = ""


class Session:
    """State of one panel.

    Every start and every cancel takes a new generation number; whatever comes back with an older
    one is dropped. So a thread never has to be waited for.
    """

    def __init__(self) -> None:
        self._generation = 0
        self._started = self._next_look = 0.0
        self._unseen: Progress | None = None
        self.running = False
        self.standing = Standing()
        self.message = Message("Ready.")

    def start(self, what: str, now: float) -> int:
        """Begin a computation and return its generation number.

        Parameters
        ----------
        what : str
            Sentence for the status line.
        now : float
            Seconds on any steady clock.
        """
        self._generation += 1
        self._started = self._next_look = now
        self._unseen = None
        self.running = True
        self.standing = Standing(text="starting")
        self.message = Message(what)
        return self._generation

    def advance(self, generation: int, progress: Progress, now: float) -> bool:
        """Note progress; return whether there is something new to show.

        There is not if the progress belongs to an older computation, or comes so soon after the
        last that showing it would only keep the machine from computing.
        """
        is_last = progress.done >= progress.total
        if not self._is_current(generation):
            return False
        if now < self._next_look and not is_last:
            self._unseen = progress
            return False
        self._look(progress, now)
        return True

    def catch_up(self, now: float) -> bool:
        """Note what came too soon to be shown, if nothing came since; return whether it did.

        The last step before a long one would otherwise never be seen.
        """
        if not self.running or self._unseen is None:
            return False
        self._look(self._unseen, now)
        return True

    def _look(self, progress: Progress, now: float) -> None:
        self._unseen = None
        self._next_look = now + LOOK_EVERY
        # Estimates may shrink; a bar that goes back only worries.
        share = max(self.standing.share, _share(progress))
        text = progress.message or "working"
        if share > 0 and self.elapsed(now) >= _LEAST_SECONDS:
            left = self.elapsed(now) * (1 - share) / share
            text = f"{text} · {in_words(left)} left"
        self.standing = Standing(share, text)

    def elapsed(self, now: float) -> float:
        """Return the seconds since the computation began."""
        return now - self._started

    def finish(self, generation: int, message: str) -> bool:
        """End the computation with good news; return whether it was still wanted."""
        return self._end(generation, Message(message))

    def fail(self, generation: int, error: FirstPassError) -> bool:
        """End the computation with an error; return whether it was still wanted."""
        return self._end(generation, Message.of(error))

    def cancel(self, message: str) -> None:
        """Forget the running computation at once; its replies will be dropped."""
        self._generation += 1
        self.running = False
        self.standing = Standing()
        self.message = Message(message)

    def say(self, message: Message) -> None:
        """Replace the message; what runs goes on."""
        self.message = message

    def _is_current(self, generation: int) -> bool:
        return self.running and generation == self._generation

    def _end(self, generation: int, message: Message) -> bool:
        if not self._is_current(generation):
            return False
        self.running = False
        self.standing = Standing()
        self.message = message
        return True


def capitalised(sentence: str) -> str:
    """Return the sentence with a capital first letter and a full stop."""
    ending = "" if sentence.endswith((".", "!", "?")) else "."
    return sentence[:1].upper() + sentence[1:] + ending


def in_words(seconds: float) -> str:
    """Return ``9 s`` or ``2 min``."""
    return f"{max(1, round(seconds))} s" if seconds < 99.5 else f"{round(seconds / 60)} min"


def _share(progress: Progress) -> float:
    return min(progress.done / progress.total, 1.0) if progress.total > 0 else 0.0
