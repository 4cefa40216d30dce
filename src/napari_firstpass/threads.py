"""How the threads of numerical libraries wait for each other."""

from __future__ import annotations

import os


def wait_without_spinning() -> None:
    """Let idle compute threads sleep, unless the user chose otherwise.

    OpenMP's threads otherwise spin while they wait. On a machine that does other things too (a
    window to draw, a second job, a shared server) that made the same run two to four times slower.
    It works only before torch is first imported, so programs call it when they start; as a library
    we leave the process alone.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
