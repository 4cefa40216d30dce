"""Visible tables of methods: a name, one line of explanation, and where the code is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from napari_firstpass.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered method.

    Attributes
    ----------
    target : str
        ``package.module:attribute``; imported when the method is used, so that a list of names
        costs nothing.
    summary : str
        One line for users, without a full stop.
    presets : tuple of str
        Names of its settings, the usual one first; empty where there are none to choose from.
    """

    target: str
    summary: str
    presets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Registry(Generic[T]):
    """Methods of one kind, ours and those of other packages.

    Attributes
    ----------
    kind : str
        What they are, for messages.
    group : str
        Entry-point group in which other packages announce theirs.
    built_in : mapping of str to Entry
        Ours, in the order users see them.
    """

    kind: str
    group: str
    built_in: Mapping[str, Entry]

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        announced = {
            point.name: Entry(point.value, f"from {point.value.split(':')[0]}")
            for point in entry_points(group=self.group)
        }
        return {**announced, **self.built_in}

    @property
    def names(self) -> tuple[str, ...]:
        """Known names, ours first."""
        others = [name for name in self._entries if name not in self.built_in]
        return (*self.built_in, *sorted(others))

    def summary(self, name: str) -> str:
        """Return the line of explanation of a method."""
        return self._find(name).summary

    def presets(self, name: str) -> tuple[str, ...]:
        """Return the names of a method's settings, the usual one first; empty if it has none."""
        return self._find(name).presets

    def load(self, name: str) -> T:
        """Import a method.

        Raises
        ------
        UnknownNameError
            If no method has this name; lists the known ones.
        """
        module, _, attribute = self._find(name).target.partition(":")
        return cast("T", getattr(import_module(module), attribute))

    def _find(self, name: str) -> Entry:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError.of(self.kind, name, self._entries) from None
