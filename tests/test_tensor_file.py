from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors import numpy as reference
from safetensors import safe_open

from napari_firstpass.errors import WeightsError
from napari_firstpass.tensor_file import notes_of, pack, unpack

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NAME = "words.bin"


def arrays() -> dict[str, NDArray[np.float32]]:
    values = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    return {
        "words": values,
        "turned": values.T,
        "strided": values[:, ::2],
        "mean": values[0],
        "scale": np.float32(7) * np.ones((), np.float32),
        "none": np.zeros((0, 4), np.float32),
    }


def assert_same_arrays(
    found: dict[str, NDArray[np.float32]], expected: dict[str, NDArray[np.float32]]
) -> None:
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], array, strict=True)


def file_of(header: bytes, body: bytes = b"") -> bytes:
    return struct.pack("<Q", len(header)) + header + body


def entry(
    shape: object = (2,), offsets: object = (0, 8), dtype: object = "F32", body: bytes = bytes(8)
) -> bytes:
    """A file of one array, well-formed unless told otherwise."""
    array = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
    return file_of(json.dumps({"a": array}).encode(), body)


def test_what_is_packed_is_unpacked() -> None:
    assert_same_arrays(unpack(pack(arrays(), {"config": "{}"}), NAME), arrays())


def test_the_same_values_give_the_same_bytes_in_any_order() -> None:
    backwards = dict(reversed(arrays().items()))
    one = pack(arrays(), {"a": "1", "b": "2"})
    assert one == pack(backwards, {"b": "2", "a": "1"})
    assert one != pack(arrays() | {"mean": np.zeros(5, np.float32)}, {"a": "1", "b": "2"})


@pytest.mark.parametrize("note", ["", "a", "abc", "abcdefg"])
def test_the_numbers_begin_at_a_multiple_of_8_bytes(note: str) -> None:
    content = pack({"a": np.ones(3, np.float32)}, {"by": note})
    assert (len(content) - 3 * 4) % 8 == 0


def test_a_file_made_by_hand_is_read() -> None:
    header = (
        b'{"__metadata__":{"by":"hand"},'
        b'"late":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},'
        b'"early":{"dtype":"F32","shape":[1,3],"data_offsets":[0,12]}}    '
    )
    found = unpack(file_of(header, struct.pack("<5f", 1, 2, 3, -0.5, 8)), NAME)
    expected = {"late": [-0.5, 8], "early": [[1, 2, 3]]}
    assert_same_arrays(found, {name: np.float32(value) for name, value in expected.items()})


def test_what_is_read_may_be_changed() -> None:
    array = unpack(entry(), NAME)["a"]
    array += 1
    assert array.tolist() == [1, 1]


def test_the_reference_library_reads_what_we_write(tmp_path: Path) -> None:
    content = pack(arrays(), {"config": '{"words": 64}', "by": "us"})
    assert_same_arrays(reference.load(content), arrays())
    path = tmp_path / "words.safetensors"
    path.write_bytes(content)
    with safe_open(path, framework="np") as file:
        assert file.metadata() == {"config": '{"words": 64}', "by": "us"}


def test_we_read_what_the_reference_library_writes() -> None:
    solid = {name: np.ascontiguousarray(array) for name, array in arrays().items()}
    assert_same_arrays(unpack(reference.save(solid, {"by": "them"}), NAME), solid)


def test_a_file_cut_off_anywhere_is_refused() -> None:
    content = pack({"a": np.ones(3, np.float32), "b": np.ones((2, 2), np.float32)}, {"by": "us"})
    for length in range(len(content)):
        with pytest.raises(WeightsError, match=f"in {NAME}, found {length} bytes"):
            unpack(content[:length], NAME)


@pytest.mark.parametrize("seed", range(8))
def test_random_bytes_are_refused(seed: int) -> None:
    noise = np.random.default_rng(seed).bytes(4096)
    for content in (noise, file_of(noise), file_of(noise[:100], noise)):
        with pytest.raises(WeightsError, match=f"in {NAME}, found"):
            unpack(content, NAME)


DAMAGED = {
    "wrong dtype": entry(dtype="F16", shape=[4]),
    "whole numbers": entry(dtype="I32"),
    "no dtype": file_of(b'{"a":{"shape":[2],"data_offsets":[0,8]}}', bytes(8)),
    "beyond the end": entry(offsets=[4, 12]),
    "before the beginning": entry(offsets=[-8, 0]),
    "counted from the end": entry(offsets=[-12, -4], body=bytes(12)),
    "backwards": entry(offsets=[8, 0]),
    "three offsets": entry(offsets=[0, 4, 8]),
    "offsets in words": entry(offsets=["0", "8"]),
    "fractional offsets": entry(offsets=[0.0, 8.0]),
    "infinite offsets": entry(offsets=[0, float("inf")]),
    "too large a shape": entry(shape=[3]),
    "enormous shape": entry(shape=[2**40, 2**40]),
    "negative shape": entry(shape=[-2]),
    "twice negative shape": entry(shape=[-1, -2]),
    "infinite shape": entry(shape=[float("inf")]),
    "shape in words": entry(shape="two"),
    "no shape": entry(shape=None),
    "not a number": entry(body=struct.pack("<2f", 1, float("nan"))),
    "infinite": entry(body=struct.pack("<2f", 1, float("-inf"))),
    "absurd header length": struct.pack("<Q", 2**64 - 1) + entry()[8:],
    "header length of 0": struct.pack("<Q", 0) + entry()[8:],
    "a list for a header": file_of(b"[]"),
    "a number for a header": file_of(b"1"),
    "a number for an array": file_of(b'{"a":1}'),
    "half a header": file_of(b'{"a":'),
    "bottomless header": file_of(b"[" * 100_000),
    "a header in no encoding": file_of(b'{"\xff\xfe":1}'),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(WeightsError, match=f"in {NAME}, found {len(content)} bytes"):
        unpack(content, NAME)


def test_the_file_that_is_damaged_in_these_tests_is_sound_without() -> None:
    assert unpack(entry(), NAME)["a"].tolist() == [0, 0]


def test_notes_are_read_back_beside_any_arrays() -> None:
    notes = {"by": "us", "größe": '{"words": 64}'}
    assert notes_of(pack(arrays(), notes), NAME) == notes
    assert notes_of(entry(), NAME) == {}


def test_notes_that_the_reference_library_wrote_are_read() -> None:
    assert notes_of(reference.save({"a": np.ones(2)}, {"by": "them"}), NAME) == {"by": "them"}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"1",
        b'{"a":',
        b'{"__metadata__":[]}',
        b'{"__metadata__":{"by":1}}',
        b'{"__metadata__":null}',
    ],
)
def test_notes_that_are_no_texts_are_refused_by_name(header: bytes) -> None:
    with pytest.raises(WeightsError, match=f"in {NAME}, found"):
        notes_of(file_of(header, bytes(8)), NAME)
