"""Options of a format, from text."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from napari_firstpass.errors import OptionError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari_firstpass.exporting.job import Exporter, ExporterFactory

Option: TypeAlias = bool | float | str

_WORDS = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


def configured(kind: ExporterFactory, given: Mapping[str, Option]) -> Exporter:
    """Return an exporter with some of its options set; texts become what the option is.

    Parameters
    ----------
    kind : ExporterFactory
        The class of an exporter, a dataclass.
    given : mapping of str to value
        Options by name.

    Raises
    ------
    UnknownNameError
        If the format has no such option; lists those it has.
    OptionError
        If a text is not what the option is, or a value is out of range.
    """
    known = _usual(kind)
    for name in given:
        if name not in known:
            raise UnknownNameError.of("option of this format", name, known)
    return kind(**{name: _converted(name, known[name], value) for name, value in given.items()})


def option_lines(kind: ExporterFactory) -> list[str]:
    """Return one line for each option of an exporter: name, usual value, what it is."""
    told = {field.name: field.metadata.get("help", "") for field in fields(cast("Any", kind))}
    return [f"{name}={_text(value)}  {told[name]}" for name, value in _usual(kind).items()]


def _usual(kind: ExporterFactory) -> dict[str, Option]:
    return {field.name: cast("Option", field.default) for field in fields(cast("Any", kind))}


def _converted(name: str, usual: Option, value: Option) -> Option:
    if not isinstance(value, str) or isinstance(usual, str):
        return value
    try:
        return _WORDS[value.lower()] if isinstance(usual, bool) else type(usual)(value)
    except (KeyError, ValueError):
        nouns = {bool: "yes or no", int: "a whole number", float: "a number"}
        raise OptionError(
            expected=f"{nouns[type(usual)]} for {name}", found=repr(value), remedy="correct it"
        ) from None


def _text(value: Option) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
