"""What goes wrong, as one sentence."""

from __future__ import annotations


class ToolError(Exception):
    """Something went wrong that a user can do something about; the message is fit to show."""


class SetupError(ToolError):
    """There is no environment with napari-firstpass that could be used."""


class CanceledError(Exception):
    """Somebody asked to stop; nothing was left behind."""
