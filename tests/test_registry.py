from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_firstpass.backbones import BACKBONES
from napari_firstpass.errors import UnknownNameError
from napari_firstpass.segmenters import SEGMENTERS

if TYPE_CHECKING:
    from napari_firstpass.registry import Registry


@pytest.mark.parametrize("registry", [BACKBONES, SEGMENTERS], ids=lambda r: r.kind)
def test_every_registered_method_loads_and_is_explained(registry: Registry[object]) -> None:
    assert registry.names
    for name in registry.names:
        assert callable(registry.load(name))
        assert len(registry.summary(name)) > 10


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        UnknownNameError,
        match="a method out of diffseg, kmeans, primaps, primaps-em, smooseg, found 'magic'",
    ):
        SEGMENTERS.load("magic")
