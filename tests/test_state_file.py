"""The state of a fit in a file."""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from napari_firstpass.state_file import StateFile, state_path
from napari_firstpass.training_state import State

if TYPE_CHECKING:
    from pathlib import Path

DRAWS = {"state": {"state": 2**127 + 1, "inc": 3}, "text": "größe"}


def state(done: int = 3) -> State:
    tensors = {"weights": torch.arange(6.0).view(2, 3) / 7, "ids": torch.tensor([-1, 2**24])}
    return State("step", done, 9, tensors, {"draws": DRAWS})


def always(path: Path, told: list[str] | None = None) -> StateFile:
    """A file that keeps every state."""
    return StateFile(path, pause_s=0, share=1, tell=[].append if told is None else told.append)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A state of the fit `one`, with nothing beside it."""
    path = state_path(tmp_path / "m.firstpass")
    always(path).begin("one").keep(state)
    assert [other.name for other in tmp_path.iterdir()] == ["m.firstpass.state"]
    return path


def test_what_is_kept_is_found_by_the_same_fit_and_told(file: Path) -> None:
    told: list[str] = []
    found = always(file, told).begin("one").restore()
    assert found is not None
    assert (found.counting, found.done, found.total) == ("step", 3, 9)
    assert torch.equal(found.tensors["weights"], torch.arange(6.0).view(2, 3) / 7)
    assert found.tensors["ids"].long().tolist() == [-1, 2**24]
    assert found.notes["draws"] == DRAWS
    assert told == ["going on from step 3 of 9"]


def test_another_fit_finds_nothing_and_replaces_it(file: Path) -> None:
    told: list[str] = []
    other = always(file, told).begin("two")
    assert other.restore() is None
    assert len(told) == 1
    assert "m.firstpass.state is of another fit (other images, options or version)" in told[0]
    other.keep(lambda: state(5))
    assert always(file).begin("one").restore() is None
    again = always(file).begin("two").restore()
    assert again is not None
    assert again.done == 5


def test_a_run_of_several_fits_keeps_the_state_of_the_last_without_a_word(tmp_path: Path) -> None:
    told: list[str] = []
    several = always(tmp_path / "m.state", told)
    for fit in ("one", "two"):
        keeper = several.begin(fit)
        assert keeper.restore() is None
        keeper.keep(state)
    assert told == []
    assert always(tmp_path / "m.state").begin("two").restore() is not None


def test_nothing_is_told_where_nothing_was_kept(tmp_path: Path) -> None:
    told: list[str] = []
    assert always(tmp_path / "none.state", told).begin("one").restore() is None
    assert told == []


def test_a_new_start_looks_at_nothing(file: Path) -> None:
    told: list[str] = []
    restarted = StateFile(file, restart=True, tell=told.append).begin("one")
    assert restarted.restore() is None
    assert told == []


def test_damage_is_found_wherever_it_is_and_told_in_one_sentence(file: Path) -> None:
    content = file.read_bytes()
    rng = np.random.default_rng(0)
    places = (0, 9, len(content) - 1, *rng.integers(0, len(content), 20))
    damaged = [content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :] for at in places]
    damaged += [content[:length] for length in (0, 5, len(content) // 2, len(content) - 1)]
    damaged += [b"no state at all", rng.bytes(2000)]
    for bad in damaged:
        told: list[str] = []
        file.write_bytes(bad)
        opened = always(file, told).begin("one")
        assert opened.restore() is None
        assert told == ["m.firstpass.state is damaged, or no state of a fit; starting anew"]
        assert opened.kept is None
    opened.keep(state)
    assert always(file).begin("one").restore() is not None


def test_a_state_with_a_number_that_is_not_finite_is_not_gone_on_from(file: Path) -> None:
    always(file).begin("one").keep(lambda: State("step", 4, 9, {"a": torch.tensor([torch.nan])}))
    assert always(file).begin("one").restore() is None


def test_states_are_written_after_a_pause_only(tmp_path: Path) -> None:
    kept: list[int] = []

    def counted() -> State:
        kept.append(1)
        return state()

    patient = StateFile(tmp_path / "m.state", pause_s=0.2).begin("one")
    end = monotonic() + 0.1
    while monotonic() < end:
        patient.keep(counted)
    assert not kept
    sleep(0.15)
    patient.keep(counted)
    patient.keep(counted)
    assert len(kept) == 1


def test_writing_takes_no_more_than_its_share(tmp_path: Path) -> None:
    calls = 0

    def slow() -> State:
        nonlocal calls
        calls += 1
        sleep(0.05)
        return state()

    keeper = StateFile(tmp_path / "m.state", pause_s=0, share=0.1).begin("one")
    end = monotonic() + 0.4
    while monotonic() < end:
        keeper.keep(slow)
    assert calls == 1


def test_it_is_removed_by_a_fit_that_used_it_and_by_no_other(file: Path) -> None:
    StateFile(file).remove()
    assert file.exists()
    used = StateFile(file).begin("one")
    assert used.kept == "step 3 of 9"
    used.remove()
    used.remove()
    assert not file.exists()


def test_a_folder_that_is_missing_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    told: list[str] = []
    keeper = always(tmp_path / "none" / "m.state", told).begin("one")
    for _ in range(3):
        keeper.keep(state)
    assert len(told) == 1
    assert "no state can be kept in" in told[0]
    assert "(none at " in told[0]
    assert keeper.kept is None
    keeper.remove()


def test_before_it_is_known_which_fit_it_is_nothing_is_kept(tmp_path: Path) -> None:
    always(tmp_path / "m.state").keep(state)
    assert not list(tmp_path.iterdir())
