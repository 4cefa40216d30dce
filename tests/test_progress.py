from __future__ import annotations

import pytest
import torch

from napari_firstpass.errors import ComputeError, FirstPassError
from napari_firstpass.progress import Progress, Span, Steps, guarded, relay, run


def count_to(total: int) -> Steps[str]:
    for done in range(total):
        yield Progress(done, total, "counting")
    return "done"


def test_driving_steps_shows_all_progress_and_returns_the_result() -> None:
    seen: list[Progress] = []
    assert run(count_to(3), seen.append) == "done"
    assert [p.done for p in seen] == [0, 1, 2]


def test_steps_are_closed_when_the_callback_fails() -> None:
    steps = count_to(3)

    def fail(_: Progress) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        run(steps, fail)
    assert list(steps) == []


def test_inner_progress_is_placed_within_the_whole() -> None:
    seen: list[Progress] = []
    assert run(relay(count_to(4), Span(100, 200, 300)), seen.append) == "done"
    assert [(p.done, p.total) for p in seen] == [(100, 300), (125, 300), (150, 300), (175, 300)]


def test_a_message_replaces_those_of_the_inner_steps() -> None:
    assert next(relay(count_to(1), Span(0, 1, 1), "outer")).message == "outer"


def failing(error: BaseException) -> Steps[None]:
    yield Progress(0, 1)
    raise error


@pytest.mark.parametrize("error", [RuntimeError("shapes differ\nat line 3"), MemoryError()])
def test_errors_that_a_worker_would_lose_become_our_own(error: BaseException) -> None:
    with pytest.raises(ComputeError, match=f"found {type(error).__name__}") as caught:
        run(guarded(failing(error)))
    assert "\n" not in str(caught.value)


def test_a_torch_error_is_a_runtime_error() -> None:
    # What `guarded` relies on; traps.md 7.1.
    with pytest.raises(RuntimeError):
        torch.zeros(2, 3) @ torch.zeros(2, 3)


def test_no_error_of_ours_is_one_that_a_worker_would_lose() -> None:
    def children(kind: type[Exception]) -> list[type[Exception]]:
        return [kind, *(c for child in kind.__subclasses__() for c in children(child))]

    assert len(children(FirstPassError)) > 10
    assert not [kind for kind in children(FirstPassError) if issubclass(kind, RuntimeError)]


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(ZeroDivisionError):
        run(guarded(failing(ZeroDivisionError())))
