"""What the bands of an image show: red, green, blue, near infrared, or something else."""

from __future__ import annotations

from typing import Literal, get_args

from napari_firstpass.errors import BandError

Role = Literal["red", "green", "blue", "nir"]
ROLES: tuple[Role, ...] = get_args(Role)

RGB: tuple[Role, ...] = ("red", "green", "blue")
COLOUR_INFRARED: tuple[Role, ...] = ("nir", "red", "green")

_SPELLINGS: dict[str, Role] = {
    "r": "red", "red": "red", "rot": "red", "rouge": "red",
    "g": "green", "green": "green", "grün": "green", "vert": "green",
    "b": "blue", "blue": "blue", "blau": "blue", "bleu": "blue",
    "n": "nir", "nir": "nir", "ir": "nir", "infrared": "nir", "near infrared": "nir",
    "near-infrared": "nir", "near_infrared": "nir", "nearinfrared": "nir", "infrarot": "nir",
}  # fmt: skip

SKIP = "-"
OTHER = "x"


def role_of_name(name: str) -> Role | None:
    """Return the role a band's name stands for, None where it stands for none."""
    return _SPELLINGS.get(name.strip().lower())


def visible_bands(roles: tuple[Role | None, ...]) -> list[int]:
    """Return the positions of red, green and blue, in this order; those that there are."""
    return [roles.index(role) for role in RGB if role in roles]


def picture_bands(roles: tuple[Role | None, ...]) -> list[int]:
    """Return the positions of the three bands that make a picture for eyes used to colours.

    Red, green and blue where known; else near infrared, red and green, as colour-infrared
    photographs show them; else the first three, the last of fewer being repeated.
    """
    for wanted in (RGB, COLOUR_INFRARED):
        if all(role in roles for role in wanted):
            return [roles.index(role) for role in wanted]
    return [min(i, len(roles) - 1) for i in range(3)]


def parse_bands(text: str, count: int) -> tuple[tuple[int, ...], tuple[Role | None, ...]]:
    """Read ``"r,g,b,n"``: one entry for each band of the file, in the file's order.

    Parameters
    ----------
    text : str
        Comma-separated entries: a role (``r``, ``g``, ``b``, ``n`` or the word), ``x`` for a band
        used without a role, ``-`` for one left out. Bands after the last entry are left out.
    count : int
        Number of bands in the file.

    Returns
    -------
    indexes : tuple of int
        Zero-based positions of the bands to read.
    roles : tuple of str or None
        Their roles.

    Raises
    ------
    BandError
        For an unknown entry, a role given twice, more entries than bands, or none used.
    """
    entries = [entry.strip().lower() for entry in text.split(",")]
    unknown = [e for e in entries if e not in (SKIP, OTHER) and role_of_name(e) is None]
    if unknown:
        raise BandError(
            expected="bands named r, g, b, n, x (used, no role) or - (left out)",
            found=", ".join(repr(entry) for entry in unknown),
            remedy=f"give one entry for each of the {count} bands, in the file's order",
        )
    if len(entries) > count:
        raise BandError(
            expected=f"at most {count} entries, one for each band of the file",
            found=f"{len(entries)} in {text!r}",
            remedy="remove the surplus entries",
        )
    indexes = tuple(i for i, entry in enumerate(entries) if entry != SKIP)
    roles = tuple(role_of_name(entries[i]) for i in indexes)
    named = [role for role in roles if role is not None]
    if not indexes or len(named) != len(set(named)):
        raise BandError(
            expected="at least one band, and every role once",
            found=repr(text),
            remedy="name each of red, green, blue and nir at most once",
        )
    return indexes, roles


def guess_roles(names: tuple[str, ...], hints: tuple[Role | None, ...]) -> tuple[Role | None, ...]:
    """Decide the roles of a file's bands.

    Parameters
    ----------
    names : tuple of str
        Band descriptions; they count most.
    hints : tuple of str or None
        Roles by colour interpretation; used for bands whose name says nothing, where no other
        band's name claims the role.

    Returns
    -------
    tuple of str or None
        One role for each band; a role that would occur twice stays with its first band. Three
        nameless 8-bit bands are not guessed to be red, green and blue here: a reader that knows
        the format says so through ``hints``.
    """
    named = [role_of_name(name) for name in names]
    taken: set[Role] = set()
    roles: list[Role | None] = []
    for own, hint in zip(named, hints, strict=True):
        role = own or (None if hint in named else hint)
        roles.append(None if role in taken else role)
        taken.update({role} if role else ())
    return tuple(roles)
