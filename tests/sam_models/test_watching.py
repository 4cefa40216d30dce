"""Networks that are computed aside."""

from __future__ import annotations

import time

import pytest
import torch
from torch.nn import Identity, Module, Sequential

from napari_firstpass.progress import run
from napari_firstpass.sam_models.watching import watched_steps


class Slow(Module):
    """Takes its time, and counts."""

    def __init__(self, calls: list[int]) -> None:
        super().__init__()
        self.calls = calls

    def forward(self, value: torch.Tensor) -> torch.Tensor:
        time.sleep(0.03)
        self.calls.append(1)
        return value + 1


def network(parts: int) -> tuple[Sequential, list[int]]:
    calls: list[int] = []
    return Sequential(*(Slow(calls) for _ in range(parts))), calls


def test_progress_counts_the_parts_of_a_network() -> None:
    slow, _ = network(12)
    heard = []
    found = run(watched_steps(slow, lambda: slow(torch.zeros(1)), "looking"), heard.append)
    assert found.item() == 12
    counts = [one.done for one in heard]
    assert len(counts) >= 2
    assert counts == sorted(counts)
    assert {(one.total, one.message) for one in heard} == {(12, "looking")}


def test_what_nobody_waits_for_stops_at_the_next_part() -> None:
    slow, calls = network(60)
    steps = watched_steps(slow, lambda: slow(torch.zeros(1)), "looking")
    next(steps)
    steps.close()
    done = len(calls)
    assert done < 60
    # Nothing goes on, and nothing is left in the network.
    assert slow[:3](torch.zeros(1)).item() == 3
    assert len(calls) == done + 3


def test_stopping_one_leaves_others_alone() -> None:
    slow, _ = network(20)
    one, other = (watched_steps(slow, lambda: slow(torch.zeros(1)), name) for name in "ab")
    next(one)
    next(other)
    one.close()
    assert run(other).item() == 20


def test_an_error_comes_out_as_it_is() -> None:
    def fail() -> None:
        raise RuntimeError("a full graphics card")

    with pytest.raises(RuntimeError, match="a full graphics card"):
        run(watched_steps(Identity(), fail, "looking"))
