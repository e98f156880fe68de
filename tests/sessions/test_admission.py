# SPDX-License-Identifier: MIT
"""Repeats, limits and stops that share one outcome, with the time as an argument."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from tenuto.sessions.admission import (
    REPEAT_WITHIN_S,
    REPEATS_KEPT,
    REQUEST_BURST,
    REQUESTS_AT_ONCE,
    REQUESTS_PER_S,
    STOPS_AT_ONCE,
    Admission,
    Bucket,
    Request,
    Ticket,
)
from tenuto.sessions.commands import Answer, Command, Preference, Unreadable, Verb

OPEN = "mqtt"
DONE = Answer(ok=True, reason="ok", text="done")


def admission() -> Admission:
    return Admission(itertools.count(1).__next__, limited=(OPEN,))


def command(verb: Verb = Verb.SKIP, *, wearable: str = "wrist", id: str | None = None) -> Command:  # noqa: A002
    return Command(wearable=wearable, verb=verb, id=id)


def let_in(it: Admission, asked: Request, origin: str = OPEN, now_s: float = 0.0) -> Ticket:
    """Let in what has to be carried out."""
    ticket = it.enter(asked, origin, now_s)
    assert isinstance(ticket, Ticket)
    assert ticket.shared_by == 0
    return ticket


def reason(it: Admission, asked: Request, origin: str = OPEN, now_s: float = 0.0) -> str:
    answer = it.enter(asked, origin, now_s)
    assert isinstance(answer, Answer)
    return answer.reason


def test_a_repeat_gets_the_first_answer_for_a_while_and_is_new_then() -> None:
    it, asked = admission(), command(id="7")
    first = let_in(it, asked)
    it.leave(first, asked, OPEN, DONE)

    assert it.enter(asked, OPEN, REPEAT_WITHIN_S - 1) == Answer(
        ok=True, reason="ok", text="done", id="7"
    )
    again = let_in(it, asked, now_s=REPEAT_WITHIN_S)
    assert again.command_id != first.command_id


def test_a_repeat_by_another_door_is_the_same_request() -> None:
    it, asked = admission(), command(id="7")
    it.leave(let_in(it, asked), asked, OPEN, DONE)

    assert reason(it, asked, origin="socket") == "ok"


@pytest.mark.parametrize("why", ["unreachable", "failed", "too_soon"])
@pytest.mark.parametrize("verb", [Verb.STOP, Verb.SKIP])
def test_what_did_not_come_about_is_tried_again_by_the_same_number(verb: Verb, why: str) -> None:
    it, asked = admission(), command(verb, id="7")
    first = let_in(it, asked)
    it.leave(first, asked, OPEN, Answer(ok=False, reason=why, text="no"))

    assert let_in(it, asked).command_id == first.command_id


def test_what_was_given_up_is_tried_again_by_the_same_number() -> None:
    it, asked = admission(), command(Verb.STOP, id="7")
    first = let_in(it, asked)
    it.leave(first, asked, OPEN, None)

    assert let_in(it, asked).command_id == first.command_id


def test_a_repeat_of_what_is_under_way_waits_for_it() -> None:
    it, asked = admission(), command(id="7")
    first = let_in(it, asked)

    assert it.enter(asked, OPEN, 1.0) is first


def test_without_an_id_and_with_another_content_it_is_another_request() -> None:
    it = admission()
    tickets = [let_in(it, command()) for _ in range(2)]
    tickets += [let_in(it, command(verb, id="7")) for verb in (Verb.SKIP, Verb.BACK)]

    assert len({ticket.command_id for ticket in tickets}) == 4


def test_stops_share_one_outcome() -> None:
    it = admission()
    first = let_in(it, command(Verb.STOP, id="a"))

    assert it.enter(command(Verb.STOP, id="b"), OPEN, 0.0) is first
    assert it.enter(command(Verb.STOP), "socket", 0.0) is first
    assert let_in(it, command(Verb.STOP, wearable="waist")) is not first
    it.leave(first, command(Verb.STOP, id="a"), OPEN, DONE)
    assert let_in(it, command(Verb.STOP, id="c")) is not first


def test_a_stop_that_shared_an_outcome_is_answered_by_it_when_it_is_repeated() -> None:
    it, shared = admission(), command(Verb.STOP, id="b")
    first = let_in(it, command(Verb.STOP, id="a"))
    it.enter(shared, OPEN, 0.0)
    it.leave(first, command(Verb.STOP, id="a"), OPEN, DONE)
    it.keep(shared, DONE)

    assert it.enter(shared, OPEN, 1.0) == Answer(ok=True, reason="ok", text="done", id="b")


@pytest.mark.parametrize("verb", [Verb.START, Verb.RESUME, Verb.PAUSE])
def test_a_stop_shares_nothing_with_one_before_another_command(verb: Verb) -> None:
    """That one may have been obeyed before a start that came in between."""
    it = admission()
    before = let_in(it, command(Verb.STOP))
    let_in(it, command(verb))

    assert let_in(it, command(Verb.STOP)) is not before


def test_a_flood_of_others_keeps_no_stop_out() -> None:
    it = admission()
    others: list[Request] = [
        command(),
        Preference(wearable="wrist", name="strength", value=80),
        Unreadable(wearable="wrist", refusal=Answer(ok=False, reason="bad_request", text="no")),
    ]
    for number in range(300):
        it.enter(others[number % len(others)], OPEN, 0.0)
    assert reason(it, command()) == "too_many"
    for number in range(300):
        asked = command(Verb.STOP, id=str(number))
        it.leave(let_in(it, asked), asked, OPEN, DONE)


def test_of_a_flood_of_stops_each_is_part_of_one_until_too_many_wait() -> None:
    it = admission()
    first = let_in(it, command(Verb.STOP))
    for number in range(STOPS_AT_ONCE):
        assert it.enter(command(Verb.STOP, id=str(number)), OPEN, 0.0) is first

    assert reason(it, command(Verb.STOP)) == "too_many"
    it.leave(first, command(Verb.STOP), OPEN, DONE)
    let_in(it, command(Verb.STOP))


def test_a_door_that_anyone_may_use_is_limited_and_takes_nothing_from_the_others() -> None:
    it = admission()
    for _ in range(REQUEST_BURST):
        asked = command()
        it.leave(let_in(it, asked), asked, OPEN, DONE)
    assert reason(it, command()) == "too_many"
    let_in(it, command(wearable="waist"))
    for _ in range(3 * REQUEST_BURST):
        let_in(it, command(), origin="socket")
    asked = command()
    it.leave(let_in(it, asked, now_s=1 / REQUESTS_PER_S), asked, OPEN, DONE)


def test_so_many_are_under_way_and_no_more() -> None:
    it, asked = admission(), command()
    tickets = [let_in(it, asked, now_s=10.0 * number) for number in range(REQUESTS_AT_ONCE)]
    assert reason(it, asked, now_s=1e6) == "too_many"

    it.leave(tickets[0], asked, OPEN, DONE)
    let_in(it, asked, now_s=2e6)


@given(st.lists(st.tuples(st.sampled_from([*Verb]), st.sampled_from([None, *"abc"]))))
def test_what_is_remembered_is_bounded(asked: list[tuple[Verb, str | None]]) -> None:
    it = admission()
    for number in range(2 * REPEATS_KEPT):
        one = command(id=str(number))
        it.leave(let_in(it, one, origin="socket"), one, "socket", DONE)
    for verb, request in asked:
        it.enter(command(verb, id=request), OPEN, 0.0)

    assert len(it._repeats) <= REPEATS_KEPT


def test_a_bucket_gives_its_burst_and_then_its_rate() -> None:
    bucket = Bucket(3, 2.0)

    assert [bucket.take(100.0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert [bucket.take(101.0) for _ in range(4)] == [True] * 2 + [False] * 2
    assert [bucket.take(1e9) for _ in range(4)] == [True] * 3 + [False]
