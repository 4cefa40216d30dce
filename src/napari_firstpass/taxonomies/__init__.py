"""Published lists of classes: a name, one line of explanation, and a YAML file beside this one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from napari_firstpass.errors import UnknownNameError
from napari_firstpass.taxonomies.forms import FORMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_firstpass.taxonomy import Taxonomy

BUILT_IN: Mapping[str, str] = {
    "potsdam": "ISPRS Potsdam and Vaihingen: six classes of aerial images, with their RGB colours",
    "potsdam-3": "Potsdam merged to three classes, as benchmarks without labels count it",
    "loveda": "LoveDA: seven classes of town and country in 0.3 m images",
    "openearthmap": "OpenEarthMap: eight classes of land cover",
    "dronedeploy": "DroneDeploy: six classes of images from drones",
    "cityscapes": "Cityscapes: the nineteen classes of streets that are judged",
    "mapillary": "Mapillary Vistas: those classes that DynAlign goes to; the numbers are ours",
    "idd": "India Driving Dataset: those classes that DynAlign goes to; the numbers are ours",
}
"""In the order users see them."""


@cache
def built_in(name: str) -> Taxonomy:
    """Return a built-in taxonomy.

    Raises
    ------
    UnknownNameError
        If there is none of this name; lists those that there are.
    """
    file = built_in_file(name)
    return FORMS[file.suffix].read(file.read_text(encoding="utf-8"), file.name)


def built_in_file(name: str) -> Path:
    """Return the file of a built-in taxonomy; raises as `built_in`."""
    if name not in BUILT_IN:
        raise UnknownNameError.of("taxonomy", name, BUILT_IN)
    return Path(__file__).with_name(f"{name}.yaml")
