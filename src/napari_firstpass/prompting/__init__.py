"""Prompters: methods that find the outline of what a user points at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_firstpass.registry import Entry, Registry

if TYPE_CHECKING:
    from napari_firstpass.protocols import PrompterFactory

PROMPTERS: Registry[PrompterFactory] = Registry(
    "way to answer prompts",
    "napari_firstpass.prompting",
    {
        "iseg": Entry(
            "napari_firstpass.prompting.iseg:iseg_prompter",
            "spreads what is pointed at to all that looks alike nearby; needs no weights",
        ),
        "sam": Entry(
            "napari_firstpass.prompting.sam:sam_prompter",
            "asks a Segment Anything model; needs its weights, by name, folder or .pth file",
        ),
        "sam3": Entry(
            "napari_firstpass.prompting.sam3:sam3_prompter",
            "all things of a name, by SAM 3 from a folder",
        ),
    },
)

WORDLESS = ("sam",)
"""Those that read no words, whatever their model."""
