"""How long whoever cancels has to wait."""

from __future__ import annotations

from time import thread_time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_firstpass.progress import Steps


def longest_step(steps: Steps[object]) -> float:
    """Drive steps to the end; return the seconds that this thread computed for the longest."""
    longest, begun = 0.0, thread_time()
    for _ in steps:
        longest, begun = max(longest, thread_time() - begun), thread_time()
    return max(longest, thread_time() - begun)
