# SPDX-License-Identifier: MIT
"""What is shown of sets, repetitions, phases and open holds while a plan with them is played."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.mqtt.topics import session_payload
from tenuto.routines import routine
from tenuto.routines.compile import compile_routine
from tenuto.sessions.events import StepEnded, StepStarted
from tenuto.sessions.places import count_words, places
from tenuto.sessions.view import SessionView
from tenuto.terminal import words
from tenuto_core import vocab
from tenuto_core.plan import Plan
from tests.core import phased
from tests.history.sessions import UTC_MS, Band
from tests.sample_routines import vocabulary

if TYPE_CHECKING:
    from tenuto.sessions.events import Event


class Watched:
    """A band that plays a plan, and the view of it."""

    def __init__(self, data: bytes) -> None:
        self.band = Band(plan=Plan(data))
        self.band.do(vocab.START)
        self.view = SessionView()
        self.events: list[Event] = []

    def after(self, ms: int) -> SessionView:
        self.band.pass_ms(ms)
        for entry in self.band.entries():
            self.events.append(entry.event)
            self.view.apply(entry.event, entry.utc_ms)
        return self.view


PYRAMID = """\
name = "pyramid"
[[exercise]]
name = "Side Bridge"
sides = "each"
hold_s = 10
reps = [6, 4, 2]
"""


def test_it_says_which_set_side_and_repetition_of_how_many() -> None:
    data = compile_routine(routine.parse(PYRAMID, "p.toml"), vocabulary()).data
    seen = Watched(data)
    second = next(n for n, place in enumerate(places(seen.band.plan)) if place.set_no == 2)
    at_ms = sum(seen.band.plan.step(n).duration_ms for n in range(second + 1))

    view = seen.after(at_ms + 100)

    assert count_words(view) == ["set 2 of 3", "left", "1 of 4"]
    assert words.with_rep(view) == "Side Bridge, set 2 of 3, left, 1 of 4"
    shown = session_payload(view)
    assert [shown[name] for name in ("set_no", "sets", "rep", "reps")] == [2, 3, 1, 4]
    assert (view.hold, view.holds) == (13, 24)
    begun = [event for event in seen.events if isinstance(event, StepStarted)][-1]
    assert (begun.set_no, begun.sets, begun.rep, begun.reps) == (2, 3, 1, 4)


def test_phases_of_a_repetition_are_one_hold_and_each_has_its_name() -> None:
    seen = Watched(phased.data())
    told = []
    for number in range(phased.SWITCH):
        view = seen.after(0 if number else 100)
        told.append((view.hold, view.phase))
        seen.after(seen.band.plan.step(number).duration_ms)

    rep = [None, "stretch", "press", "deeper"]
    expected = [(hold, phase) for hold in (1, 2) for phase in rep]
    assert told == [*expected, (3, None), (3, None)]
    assert seen.view.holds == 5
    assert seen.view.next_exercise == "breathing"


def test_an_open_hold_counts_up_and_has_no_end_before_it_has_come() -> None:
    seen = Watched(phased.data())
    before_ms = sum(seen.band.plan.step(number).duration_ms for number in range(phased.OPEN))
    view = seen.after(before_ms + 43_000)
    now_ms = UTC_MS + seen.band.now_ms

    assert view.is_open
    assert (view.elapsed_ms(now_ms), view.left_ms(now_ms)) == (43_000, None)
    assert (view.step_ends, view.session_ends) == (None, None)
    assert session_payload(view)["open"] is True

    seen.band.player.press(vocab.PRESS, seen.band.now_ms)
    view = seen.after(100)
    ended = [event for event in seen.events if isinstance(event, StepEnded)][-1]
    assert (ended.exercise, ended.elapsed_ms, ended.outcome) == ("plank", 43_000, "complete")
    assert not view.is_open
    assert view.session_ends is not None


def test_a_pattern_of_its_own_has_a_name_for_people() -> None:
    seen = Watched(phased.data())
    seen.after(20_000)

    assert seen.view.last_cue == "own_1"
    assert words.cue("own_1", "press") == "press"
    assert words.cue("own_1") == "a pattern of its own", "the plan is not known"
    assert words.cue("hold_end", "deeper") == "let go"
    assert vocab.cue_number("own_1") == phased.OWN
