"""The state of the panel, without a toolkit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from napari_firstpass.errors import OptionError
from napari_firstpass.progress import Progress
from napari_firstpass.widgets.session import Message, Session, capitalised, in_words

ERROR = OptionError(expected="two", found="one", remedy="add one")


@pytest.fixture
def session() -> Session:
    return Session()


def test_a_new_session_is_ready(session: Session) -> None:
    assert not session.running
    assert session.message == Message("Ready.")


def test_a_stale_reply_is_dropped(session: Session) -> None:
    first, second = session.start("one", 0.0), session.start("two", 0.0)
    assert not session.finish(first, "old")
    assert session.message.text == "two"
    assert session.finish(second, "new")
    assert session.message.text == "new"


def test_a_reply_after_cancel_is_dropped(session: Session) -> None:
    generation = session.start("one", 0.0)
    session.cancel("Cancelled.")
    assert not session.finish(generation, "old")
    assert not session.fail(generation, ERROR)
    assert (session.running, session.message.text) == (False, "Cancelled.")


def test_stale_progress_is_dropped(session: Session) -> None:
    first = session.start("one", 0.0)
    session.start("two", 0.0)
    assert not session.advance(first, Progress(1, 2, "old"), 1.0)
    assert session.standing.share == 0.0


def test_a_reply_counts_once(session: Session) -> None:
    generation = session.start("one", 0.0)
    assert session.finish(generation, "new")
    assert not session.finish(generation, "again")


def test_an_error_ends_the_run_and_keeps_its_sentence(session: Session) -> None:
    generation = session.start("one", 0.0)
    assert session.fail(generation, ERROR)
    assert not session.running
    assert session.message == Message("Expected two, found one; add one.", "error")


def test_the_remaining_time_follows_the_pace(session: Session) -> None:
    generation = session.start("one", 100.0)
    assert session.advance(generation, Progress(3, 12, "fitting"), 103.0)
    assert session.standing.text == "fitting · 9 s left"


def test_the_bar_never_goes_back(session: Session) -> None:
    generation = session.start("one", 0.0)
    for now, done in ((0.2, 5), (0.4, 3)):
        session.advance(generation, Progress(done, 10, f"part {done}"), now)
    assert (session.standing.share, session.standing.text) == (0.5, "part 3")


def test_progress_is_shown_five_times_a_second_and_at_the_end(session: Session) -> None:
    generation = session.start("one", 0.0)
    shown = [
        session.advance(generation, Progress(done, 10), now)
        for done, now in ((1, 0.0), (2, 0.1), (3, 0.25), (4, 0.3), (10, 0.35))
    ]
    assert shown == [True, False, True, False, True]


def test_the_last_step_before_a_long_one_is_shown_though_it_came_soon(session: Session) -> None:
    generation = session.start("one", 0.0)
    session.advance(generation, Progress(1, 10, "reading"), 0.0)
    assert not session.advance(generation, Progress(2, 10, "loading"), 0.1)
    assert session.catch_up(0.3)
    assert (session.standing.share, session.standing.text) == (0.2, "loading")
    assert not session.catch_up(0.5)


def test_what_was_overtaken_or_cancelled_is_not_caught_up_with(session: Session) -> None:
    generation = session.start("one", 0.0)
    session.advance(generation, Progress(1, 10), 0.0)
    session.advance(generation, Progress(2, 10), 0.1)
    assert session.advance(generation, Progress(3, 10), 0.3)
    assert not session.catch_up(0.5)
    session.advance(generation, Progress(4, 10), 0.4)
    session.cancel("Cancelled.")
    assert not session.catch_up(0.7)
    session.start("two", 1.0)
    assert not session.catch_up(1.5)


def test_an_unknown_total_counts_as_nothing_done(session: Session) -> None:
    generation = session.start("one", 0.0)
    session.advance(generation, Progress(3, 0, "opening"), 5.0)
    assert (session.standing.share, session.standing.text) == (0.0, "opening")


def test_no_time_is_guessed_in_the_first_second(session: Session) -> None:
    generation = session.start("one", 100.0)
    session.advance(generation, Progress(3, 12, "fitting"), 100.5)
    assert session.standing.text == "fitting"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (9.4, "9 s"), (99.4, "99 s"), (150.0, "2 min")]
)
def test_times_are_said_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_sentences_begin_large_and_end_with_a_stop() -> None:
    assert capitalised("expected a, found b; do c") == "Expected a, found b; do c."
    assert capitalised("Done!") == "Done!"


def test_the_session_loads_neither_qt_nor_napari() -> None:
    code = (
        "import sys, napari_firstpass.widgets.session\n"
        "sys.exit(str({'napari', 'qtpy', 'PyQt6'} & set(sys.modules) or ''))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_a_message_may_speak_of_a_file() -> None:
    assert Message("Saved", path=Path("a.tif")).path == Path("a.tif")
