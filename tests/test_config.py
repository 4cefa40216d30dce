from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from napari_firstpass.config import SegmentConfig
from napari_firstpass.errors import OptionError


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"classes": 1}, r"classes in \[2, 1000\], a whole number, found 1"),
        ({"classes": 1001}, r"classes in \[2, 1000\], a whole number, found 1001"),
        ({"classes": 8.0}, r"a whole number, found 8.0"),
        ({"classes": np.int64(8)}, r"a whole number, found np.int64\(8\)"),
        ({"window": 1000}, "a multiple of 16, found 1000"),
        ({"window": 32}, r"window in \[64, 8192\]"),
        ({"window": 128, "overlap": 112}, r"overlap in \[0, 64\]"),
        ({"min_region": -1}, "min_region"),
        ({"seed": -1}, "seed"),
        ({"device": "tpu"}, "a device out of auto, cpu, cuda, found 'tpu'"),
        ({"runtime": "onnx"}, "a runtime out of torch, openvino, found 'onnx'"),
        ({"runtime": "openvino", "device": "cuda"}, "the device cpu or auto with the runtime"),
    ],
)
def test_an_option_out_of_range_is_refused(option: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        SegmentConfig(**option)
