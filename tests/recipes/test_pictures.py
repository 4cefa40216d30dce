from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from rasters import pixels

from napari_firstpass.recipes.pictures import fitted


@pytest.mark.parametrize(("how", "most"), [("nearest", 0), ("bilinear", 1)])
@pytest.mark.parametrize("side", [224, 320, 96])
def test_pictures_are_resized_as_pillow_does(how: str, most: int, side: int) -> None:
    picture = pixels(3, 200, 200)
    found = fitted(picture, side, how)
    method = {"nearest": Image.Resampling.NEAREST, "bilinear": Image.Resampling.BILINEAR}[how]
    wanted = np.asarray(Image.fromarray(np.moveaxis(picture, 0, -1)).resize((side, side), method))
    assert np.abs(np.moveaxis(found, 0, -1).astype(int) - wanted).max() <= most


def test_the_middle_is_kept() -> None:
    picture = np.zeros((1, 8, 16), np.uint8)
    picture[0, :, 4:12] = 1
    assert fitted(picture, 8, "nearest").tolist() == np.ones((1, 8, 8)).tolist()
    assert np.array_equal(fitted(picture[:, :, 4:12], 8, "nearest"), picture[:, :, 4:12])
