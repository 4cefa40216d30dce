from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from napari_firstpass.bands import guess_roles, parse_bands, picture_bands
from napari_firstpass.errors import BandError

if TYPE_CHECKING:
    from napari_firstpass.bands import Role


@pytest.mark.parametrize(
    ("text", "count", "indexes", "roles"),
    [
        ("r,g,b", 3, (0, 1, 2), ("red", "green", "blue")),
        ("n,r,g", 3, (0, 1, 2), ("nir", "red", "green")),
        ("-,b,g,r,x", 6, (1, 2, 3, 4), ("blue", "green", "red", None)),
        (" Red , NIR", 2, (0, 1), ("red", "nir")),
    ],
)
def test_band_lists_name_the_bands_of_the_file_in_order(
    text: str, count: int, indexes: tuple[int, ...], roles: tuple[str | None, ...]
) -> None:
    assert parse_bands(text, count) == (indexes, roles)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r,g,purple", "found 'purple'; give one entry for each of the 3 bands"),
        ("r,g,b,n", "at most 3 entries"),
        ("r,r,b", "every role once"),
        ("-,-,-", "at least one band"),
        ("", "found ''"),
    ],
)
def test_a_wrong_band_list_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(BandError, match=message):
        parse_bands(text, 3)


def test_names_count_more_than_hints() -> None:
    roles = guess_roles(("NIR", "Red", "Green"), ("red", "green", "blue"))
    assert roles == ("nir", "red", "green")


def test_a_role_is_given_to_one_band_only() -> None:
    assert guess_roles(("red", "red", ""), (None, None, "blue")) == ("red", None, "blue")


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        (("blue", "green", "red", "nir"), [2, 1, 0]),
        (("red", "green", "nir"), [2, 0, 1]),
        (("red", "nir"), [0, 1, 1]),
        ((None, None, None, None), [0, 1, 2]),
        ((None,), [0, 0, 0]),
    ],
    ids=str,
)
def test_three_bands_make_a_picture(roles: tuple[Role | None, ...], expected: list[int]) -> None:
    assert picture_bands(roles) == expected
