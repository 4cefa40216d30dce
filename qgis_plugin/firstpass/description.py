"""The options of ``firstpass``, as its command line describes them.

``parameters.json`` is made from the parsers of the command line by .ci/qgis_parameters.py of
napari-firstpass; a test says whether it is up to date. So names, defaults and help are the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DESCRIPTION: dict[str, Any] = json.loads(
    (Path(__file__).parent / "parameters.json").read_text(encoding="utf-8")
)


def options_of(command: str) -> list[dict[str, Any]]:
    """Return what is known of the options of a command, in order.

    Each has ``name``, ``flag`` (None for what goes without one), ``type`` (``flag``, ``integer``,
    ``number``, ``path`` or ``text``), ``default``, ``usual`` (what counts without one, where the
    default is None), ``choices``, ``known`` (names that are examples), ``several``, ``required``
    and ``help``.
    """
    options: list[dict[str, Any]] = DESCRIPTION["commands"][command]
    return options
