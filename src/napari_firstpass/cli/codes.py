"""Exit codes.

0 done; 1 some of several inputs failed, or a replay differs; 2 wrong options; 3 an input or an
output is not fit for the job; 4 the computation failed; 130 interrupted; 141 nobody reads what is
printed any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.errors import (
    ComputeError,
    DeviceError,
    FirstPassError,
    OptionError,
    UnknownNameError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

DONE, SOME_FAILED, USAGE, UNFIT, FAILED, INTERRUPTED, UNREAD = 0, 1, 2, 3, 4, 130, 141
DIFFERS = SOME_FAILED


def exit_code(error: FirstPassError) -> int:
    """Return the exit code that stands for an error."""
    if isinstance(error, (DeviceError, OptionError, UnknownNameError)):
        return USAGE
    return FAILED if isinstance(error, ComputeError) else UNFIT


def joint_code(codes: Iterable[int]) -> int:
    """Return the exit code of a run over several inputs: theirs if they agree."""
    different = set(codes)
    return different.pop() if len(different) == 1 else SOME_FAILED
