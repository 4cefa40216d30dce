"""The border to the package that reads and writes files of shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from napari_firstpass.errors import OptionError

if TYPE_CHECKING:
    from types import ModuleType


def ogr_package(what: str, instead: str) -> ModuleType:
    """Return pyogrio, needed for ``what``; without it one can do what ``instead`` says.

    Raises
    ------
    OptionError
        If it is not installed.
    """
    try:
        import pyogrio
    except ImportError as error:
        raise OptionError(
            expected=f"the package pyogrio for {what}",
            found="none",
            remedy=f'install it with pip install "napari-firstpass[vector]", or {instead}',
        ) from error
    return cast("ModuleType", pyogrio)
