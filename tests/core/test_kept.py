# SPDX-License-Identifier: MIT
"""What outlives a reset: plans in their places, and that a session was going on."""

from __future__ import annotations

import pytest

from tenuto_core import vocab
from tenuto_core.band import Band
from tenuto_core.encode import encode
from tenuto_core.journal import NONE, PLAYING, Entry, Journal
from tenuto_core.lateness import ENDS_MS, Lateness
from tenuto_core.menu import COUNT_PULSE, EMPTY, LEAVE_MS, PAIR_WITHIN_MS
from tenuto_core.plan import Plan, Step
from tenuto_core.plans import PLACES, Shelf
from tenuto_core.player import STATES
from tenuto_core.sleep import AWAKE_MS, EMPTY_PCT, FAST_MS, interval_ms, may_sleep
from tests.core.rig import PATTERNS, Host, Memory, Wrist, plan_id_of, score_bytes


def small(name: str, steps: int = 1) -> bytes:
    hold = Step(vocab.HOLD, 30_000, [(0, False, vocab.HOLD_START)], exercise=0)
    return encode(name, ["a"], [hold] * steps + [Step(vocab.DONE, 1_000)], PATTERNS)


def keep(shelf: Shelf, data: bytes) -> bool:
    return shelf.keep(plan_id_of(data), Plan(data))


def names(shelf: Shelf) -> list[str | None]:
    return [None if kept is None else kept.name for kept in shelf.places]


# --- the shelf


def test_plans_hold_their_places_and_the_first_that_came_gives_way() -> None:
    storage = Memory()
    shelf = Shelf(storage)
    for name in "abcd":
        assert keep(shelf, small(name))
    assert names(shelf) == list("abcd")
    assert keep(shelf, small("e"))
    assert keep(shelf, small("b"))
    assert keep(shelf, small("f"))

    for same in (shelf, Shelf(storage)):
        assert names(same) == list("efcd")
        assert same.newest() == 1
        place = same.find(plan_id_of(small("c")))
        assert place == 2
        plan = same.load(2)
        assert plan is not None
        assert bytes(plan.data) == small("c")


def test_a_large_plan_takes_the_place_of_older_ones() -> None:
    one = len(small("a")) + 12
    shelf = Shelf(Memory(room=3 * one))
    for name in "abc":
        assert keep(shelf, small(name))
    large = small("large", steps=7)
    assert len(large) + 12 > one

    assert keep(shelf, large)

    assert "large" in names(shelf)
    assert "c" in names(shelf)
    assert "a" not in names(shelf)


def test_a_plan_that_fits_nowhere_is_played_but_not_kept() -> None:
    storage = Memory(room=100)
    wrist = Wrist()
    band = Band(wrist.motor, 1, "x", wrist.now_ms, storage=storage)
    wrist.band, wrist.player, wrist.log = band, band.player, band.log

    assert Host(wrist).upload(score_bytes()) == vocab.OK
    assert band.shelf.kept == []
    assert wrist.do(vocab.START) == vocab.OK


@pytest.mark.parametrize("at", [0, 5, 12, 40, -1])
def test_a_place_that_was_spoilt_is_empty(at: int) -> None:
    storage = Memory()
    keep(Shelf(storage), small("a"))
    spoilt = bytearray(storage.held["plan0"])
    spoilt[at] ^= 0x10
    storage.held["plan0"] = bytes(spoilt)

    shelf = Shelf(storage)

    # The head carries no checksum of its own: the storage has one.
    assert names(shelf)[0] in ((None,) if at >= 12 or at < 0 else ("a",))


def test_a_plan_that_can_no_longer_be_read_is_forgotten() -> None:
    storage = Memory()
    shelf = Shelf(storage)
    keep(shelf, small("a"))
    storage.held["plan0"] = b""

    assert shelf.load(0) is None
    assert shelf.kept == []
    assert len(shelf.places) == PLACES


# --- the journal


def worn(storage: Memory, cause: int = vocab.CAUSE_WATCHDOG, boot_id: int = 7) -> Wrist:
    wrist = Wrist()
    band = Band(wrist.motor, boot_id, "x", wrist.now_ms, storage=storage, cause=cause)
    wrist.band, wrist.player, wrist.log = band, band.player, band.log
    return wrist


def follow(wrist: Wrist, ms: int) -> None:
    for _ in range(ms // 100):
        wrist.run(100)
        wrist.band.settle(wrist.now_ms)


def begun(storage: Memory, ms: int) -> Wrist:
    wrist = worn(storage)
    assert Host(wrist).upload(score_bytes()) == vocab.OK
    wrist.do(vocab.START)
    follow(wrist, ms)
    return wrist


def test_a_session_that_a_reset_cut_comes_up_paused_where_it_was_last_noted() -> None:
    storage = Memory()
    before = begun(storage, 42_000)
    noted = Journal(storage).read()
    assert noted is not None
    assert (noted.state, noted.boot_id, noted.session) == (PLAYING, 7, before.player.session)

    wrist = worn(storage, boot_id=8)

    assert wrist.player.number == noted.step
    assert STATES[wrist.player.state] == "paused"
    assert wrist.player.elapsed_at(wrist.now_ms) == noted.elapsed_ms
    kinds = [vocab.RECORDS[r[1]] for r in wrist.records()]
    assert kinds == [*("booted", "interrupted", "session_started", "step_started", "paused", "cue")]
    assert wrist.records()[1][3:] == (1, 7, before.player.session)
    wrist.do(vocab.RESUME)
    wrist.run(400_000)
    wrist.press()
    wrist.run_out()
    assert wrist.records()[-1][1] == vocab.SESSION_ENDED


@pytest.mark.parametrize("cause", range(len(vocab.CAUSES)))
def test_only_where_hardly_any_time_can_have_passed_it_goes_on(cause: int) -> None:
    storage = Memory()
    begun(storage, 20_000)

    wrist = worn(storage, cause)

    goes_on = vocab.CAUSES[cause] in ("software", "watchdog", "pin")
    assert (STATES[wrist.player.state] == "paused") == goes_on
    (cut,) = [r for r in wrist.records() if r[1] == vocab.INTERRUPTED]
    assert cut[3] == goes_on
    # Told once: afterwards it is over.
    if not goes_on:
        wrist.band.settle(wrist.now_ms)
        assert [r for r in worn(storage).records() if r[1] == vocab.INTERRUPTED] == []


def test_a_session_whose_plan_is_gone_is_closed() -> None:
    storage = Memory()
    begun(storage, 20_000)
    storage.held["plan0"] = b""

    wrist = worn(storage)

    assert STATES[wrist.player.state] == "idle"
    assert [r[3] for r in wrist.records() if r[1] == vocab.INTERRUPTED] == [0]


def test_the_journal_is_written_rarely_and_at_the_end() -> None:
    storage = Memory()
    wrist = begun(storage, 110_000)
    writes = wrist.band._journal.writes
    assert 2 <= writes <= 1 + 110_000 // Memory.write_every_ms

    wrist.do(vocab.STOP)
    follow(wrist, 2_000)
    entry = Journal(storage).read()
    assert entry is not None
    assert (entry.state, entry.plan_id) == (NONE, plan_id_of(score_bytes()))
    assert wrist.band._journal.writes == writes + 1
    follow(wrist, 60_000)
    assert wrist.band._journal.writes == writes + 1


@pytest.mark.parametrize("at", range(0, 32, 3))
def test_a_torn_entry_is_none(at: int) -> None:
    storage = Memory()
    Journal(storage).write(Entry(PLAYING, b"12345678", 1, 2, 3, 4, 5), 0)
    data = bytearray(storage.held["journal"])
    assert len(data) == 32
    data[at] ^= 1
    storage.held["journal"] = bytes(data)

    assert Journal(storage).read() is None
    storage.held["journal"] = bytes(data[:-1])
    assert Journal(storage).read() is None


def test_an_entry_comes_back_as_it_was() -> None:
    storage = Memory()
    Journal(storage).write(Entry(PLAYING, b"12345678", 1, 2, 3, 4, 5), 0)

    entry = Journal(storage).read()

    assert entry is not None
    assert vars(entry) == vars(Entry(PLAYING, b"12345678", 1, 2, 3, 4, 5))


# --- the menu, beyond what tests/firmware_app shows


def click(wrist: Wrist, times: int = 1) -> None:
    for _ in range(times):
        for pressed in (True, False):
            wrist.band.edge(pressed, wrist.now_ms, wrist.now_ms)
            wrist.run(60)


def shelved(*plans: str) -> Wrist:
    storage = Memory()
    for name in plans:
        keep(Shelf(storage), small(name))
    return worn(storage)


def felt(wrist: Wrist, since: int) -> list[tuple[int, int]]:
    return [(pct, on_ms) for _, pct, on_ms, _ in wrist.motor.pulses[since:]]


def test_a_band_without_plans_says_so_and_starts_nothing() -> None:
    wrist = shelved()
    click(wrist, 2)
    wrist.run(2_000)
    assert felt(wrist, 0) == [EMPTY[0][:2]]
    click(wrist, 2)
    wrist.run(2_000)

    assert not wrist.band.is_playing


def test_the_number_of_a_plan_is_felt() -> None:
    wrist = shelved("a", "b")
    click(wrist, 2)
    wrist.run(2_000)
    assert felt(wrist, 0) == [COUNT_PULSE[:2]] * 2, "b came last and would be started by a press"


def test_a_long_press_leaves_the_menu() -> None:
    wrist = shelved("a")
    click(wrist, 2)
    wrist.run(PAIR_WITHIN_MS)
    wrist.band.edge(pressed=True, at_ms=wrist.now_ms, now_ms=wrist.now_ms)
    wrist.run(1_000)
    wrist.band.edge(pressed=False, at_ms=wrist.now_ms, now_ms=wrist.now_ms)
    wrist.run(LEAVE_MS * 2)

    assert not wrist.band.is_pairing(wrist.now_ms)
    assert not wrist.band.is_playing
    click(wrist)
    wrist.run(1_000)
    assert wrist.band.is_playing


# --- lateness


def test_the_worst_and_the_99th_percentile() -> None:
    late = Lateness()
    for ms in [0] * 980 + [3] * 15 + [40] * 4 + [777]:
        late.add(ms)

    assert (late.count, late.worst_ms, late.p99_ms) == (1_000, 777, 3)
    for _ in range(20):
        late.add(44)
    assert late.p99_ms == 50, "rounded up to the end of its class"


def test_nothing_was_late_where_nothing_was() -> None:
    assert (Lateness().count, Lateness().worst_ms, Lateness().p99_ms) == (0, 0, 0)
    late = Lateness()
    late.add(9_999)
    assert late.p99_ms == 9_999
    assert sorted(ENDS_MS) == list(ENDS_MS)


# --- sleep

READY = {
    "gains": True,
    "idle_ms": AWAKE_MS,
    "is_playing": False,
    "is_connected": False,
    "is_pairing": False,
    "on_cable": False,
    "has_unread": False,
    "battery_pct": 80,
}


@pytest.mark.parametrize(
    "change, sleeps",
    [
        ({}, True),
        ({"gains": False}, False),
        ({"idle_ms": AWAKE_MS - 1}, False),
        ({"is_playing": True}, False),
        ({"is_connected": True}, False),
        ({"is_pairing": True}, False),
        ({"on_cable": True}, False),
        ({"has_unread": True}, False),
        ({"has_unread": True, "battery_pct": 255}, False),
        ({"has_unread": True, "battery_pct": EMPTY_PCT}, True),
        ({"is_playing": True, "battery_pct": 0}, False),
    ],
    ids=str,
)
def test_when_to_sleep(change: dict[str, int], sleeps: bool) -> None:
    assert may_sleep(**READY | change) == sleeps  # type: ignore[arg-type]


def test_how_often_to_be_heard() -> None:
    assert interval_ms(0) < interval_ms(FAST_MS)
    assert interval_ms(FAST_MS - 1) == 100
    assert interval_ms(10 * FAST_MS) == 1_000
