"""How threads wait for each other, and for what is loaded."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest

from napari_firstpass.threads import without_collecting

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def nothing_is_frozen() -> Iterator[None]:
    """As in a process of its own: tests of windows freeze what they load."""
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    yield
    if frozen:
        gc.freeze()


class Ring:
    """Refers to itself: only Python's search for garbage finds it."""

    def __init__(self) -> None:
        self.me = self


def test_nobody_looks_through_all_objects_while_many_are_made_or_soon_after() -> None:
    seen: list[int] = []

    def note(phase: str, told: dict[str, int]) -> None:
        if phase == "start":
            seen.append(told["generation"])

    gc.collect()
    usual, many = gc.get_threshold(), len(gc.get_objects())
    gc.set_threshold(100, 2, 2)
    gc.callbacks.append(note)
    try:
        with without_collecting():
            made = [[i] for i in range(many)]
            assert not seen
        more = [[i] for i in range(5000)]
        assert {0, 1} == set(seen)
    finally:
        gc.callbacks.remove(note)
        gc.set_threshold(*usual)
    assert len(made) > len(more)


def test_what_becomes_garbage_is_found_later() -> None:
    here = [Ring()]
    before = weakref.ref(here[0])
    with without_collecting():
        del here[0]
        gone = weakref.ref(Ring())
        gc.collect()  # as napari does for each layer that is removed
        assert before() is not None
    assert gc.isenabled()
    assert not gc.get_freeze_count()
    gc.collect()
    assert before() is None
    assert gone() is None


def test_whoever_switches_it_off_and_on_meanwhile_does_not_leave_it_off() -> None:
    usual = gc.get_threshold()
    with without_collecting():
        was_on = gc.isenabled()  # as PyQt does around some of its methods
        gc.disable()
    (gc.enable if was_on else gc.disable)()
    assert gc.isenabled()
    assert gc.get_threshold() == usual


def test_who_ends_first_leaves_the_pause_to_the_other_one() -> None:
    usual = gc.get_threshold()
    one, other = without_collecting(), without_collecting()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_threshold()[0] == 0
    other.__exit__(None, None, None)
    assert gc.get_threshold() == usual
    assert not gc.get_freeze_count()


def test_what_somebody_froze_stays_frozen() -> None:
    gc.freeze()
    try:
        with without_collecting():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
