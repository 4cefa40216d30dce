"""JSON as bytes: readable where it can be, and the same for the same content."""

from __future__ import annotations

import json


def json_bytes(content: object, indent: int | None = 1) -> bytes:
    """Return JSON in UTF-8, with a line break at its end.

    Texts that cannot be written in UTF-8 (names of files in another encoding) make it ASCII.
    """
    try:
        return (json.dumps(content, indent=indent, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:
        return (json.dumps(content, indent=indent) + "\n").encode()
