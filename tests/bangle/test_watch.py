# SPDX-License-Identifier: MIT
"""What the watch does that no band does: its flash, its apps, its clock, its keys."""

from __future__ import annotations

import base64
import json
import re
import struct
from binascii import crc32
from itertools import accumulate

import pytest

from tenuto.flashing.watch_app import read_app
from tenuto.routines.library import Library
from tenuto.simulator import espruino
from tenuto.simulator.bangle import APP_FILE, PLAYER_FILE
from tenuto.simulator.espruino import BOOT_FILE
from tenuto_core import auth, vocab, wire
from tenuto_core.encode import encode
from tenuto_core.limits import ON_MS_MAX
from tenuto_core.log import unpack_record
from tenuto_core.plan import MAX_BYTES, Step
from tests.bangle.differential import FILES, KEY, LEAD_MS, OPEN, Watch, digest
from tests.bangle.room import FOLDER
from tests.core import phased

BOOT, PLAYER, APP = (FILES[name] for name in (BOOT_FILE, PLAYER_FILE, APP_FILE))
PLAN = Library().plan("lower-back")
EACH_APP_BYTES_MAX = 1_000
"""Runs whenever any app of the watch is opened."""
WRITTEN_BYTES_MAX, UPLOADED_BYTES_MAX = 25_000, 23_000
START = wire.encode(wire.COMMAND, 1, vocab.START, 1, PLAN.plan_id, 0)


def upload(watch: Watch, plan_id: bytes = PLAN.plan_id, data: bytes = PLAN.data) -> int:
    """Upload a plan; returns the status of its commit."""
    watch.ask(wire.encode(wire.UPLOAD_BEGIN, 1, plan_id, len(data), crc32(data)))
    for at in range(0, len(data), 70):
        watch.ask(wire.encode(wire.UPLOAD_CHUNK, 1, at, tail=data[at : at + 70]))
    status: int = wire.decode(watch.ask(wire.encode(wire.UPLOAD_COMMIT, 1, plan_id)))[2][0]
    return status


def playing(*, to_ms: int = 20_000) -> Watch:
    watch = Watch(1)
    assert upload(watch) == vocab.OK
    assert wire.decode(watch.ask(START))[2][0] == vocab.OK
    watch.js.advance(to_ms)
    return watch


def status(watch: Watch) -> tuple[object, ...]:
    values: tuple[object, ...] = wire.decode(watch.ask(wire.encode(wire.STATE, 1)))[2]
    return values


def log(watch: Watch) -> list[tuple[int, ...]]:
    watch.take()
    watch.read_log()
    return [unpack_record(data) for _, data in sorted(watch.heard.items())]


def kinds(watch: Watch) -> list[str | None]:
    return [vocab.RECORDS[record[1]] for record in log(watch)]


# --- through other apps and resets


def test_a_session_goes_on_through_other_apps_with_its_log_and_its_host() -> None:
    watch = playing()
    boot = wire.decode(watch.ask(wire.encode(wire.HELLO, 1)))[2][2]
    for at_ms in range(30_000, 330_000, 30_000):
        watch.js.advance(at_ms)
        watch.js.load()
    watch.js.advance(400_000)
    again = wire.decode(watch.ask(wire.encode(wire.HELLO, 1)))[2]
    assert again[2] == boot
    assert not again[6] & wire.FEATURE_LOCKED, "the host must not prove its key again"
    records = log(watch)
    assert [record[1] for record in records].count(vocab.BOOTED) == 1
    cues = [record for record in records if record[1] == vocab.CUE]
    steps = [PLAN.plan.step(number) for number in range(PLAN.plan.steps)]
    assert len(cues) == sum(len(step.cues) for step in steps)
    assert max(record[4] for record in cues) <= espruino.LOAD_MS + 1
    assert records[-1][1:4] == (vocab.SESSION_ENDED, vocab.NO_STEP, vocab.ENDED_FINISHED)


def test_a_pulse_that_another_app_cuts_ends_there() -> None:
    watch = playing(to_ms=100)
    while not watch.js.evaluate("__motor"):
        watch.js.advance(watch.js.due_ms)
    watch.js.load()
    assert watch.js.edges[-1][1] is False


def test_after_a_fault_it_goes_on_where_it_was_and_no_cue_comes_twice() -> None:
    watch = playing(to_ms=60_000)
    watch.js.reset(off_ms=800)
    watch.js.connect(is_on=True)
    watch.prove()
    watch.js.advance(400_000)
    cues = [(record[2], record[3], record[0]) for record in log(watch) if record[1] == vocab.CUE]
    steps = [PLAN.plan.step(number) for number in range(PLAN.plan.steps)]
    assert len(cues) == sum(len(step.cues) for step in steps)


def test_after_a_fault_a_step_that_was_begun_again_goes_on_from_its_new_beginning() -> None:
    holds = [Step(vocab.HOLD, 20_000, (), exercise=0, rep=rep) for rep in (1, 2)]
    data = encode("twice", ["stretch"], [*holds, Step(vocab.DONE, 0, ())], (((50, 100, 0),),) * 9)
    plan_id = digest(data)[:8]
    watch = Watch(1)
    assert upload(watch, plan_id, data) == vocab.OK
    watch.ask(wire.encode(wire.COMMAND, 1, vocab.START, 1, plan_id, 0))
    watch.js.advance(35_000)
    gone_back = watch.ask(wire.encode(wire.COMMAND, 1, vocab.BACK, 2, plan_id, 0))
    assert wire.decode(gone_back)[2][0] == vocab.OK
    watch.js.reset()
    watch.js.connect(is_on=True)
    watch.prove()
    watch.js.advance(37_000)
    _, _, step, *_, elapsed_ms, _, _, _ = status(watch)
    assert (step, elapsed_ms) == (1, 2_000)


def test_after_a_fault_it_starts_when_it_was_told_last() -> None:
    watch = Watch(1)
    assert upload(watch) == vocab.OK
    for command_id, at_ms in ((1, 20_000), (2, 60_000)):
        start = wire.encode(wire.COMMAND, 1, vocab.START_AT, command_id, PLAN.plan_id, at_ms)
        assert wire.decode(watch.ask(start))[2][0] == vocab.OK
    watch.js.reset()
    watch.js.connect(is_on=True)
    watch.prove()
    watch.js.advance(70_000)
    (started,) = (record for record in log(watch) if record[1] == vocab.SESSION_STARTED)
    assert abs(started[0] - 60_000) <= LEAD_MS


def test_after_a_long_fault_it_waits_for_its_wearer() -> None:
    watch = playing(to_ms=60_000)
    watch.js.reset(off_ms=120_000)
    watch.js.connect(is_on=True)
    watch.prove()
    assert vocab.RECORDS.index("paused") == log(watch)[-2][1]
    assert log(watch)[-2][3] == vocab.BY_RESET
    assert status(watch)[1] == 4
    resumed = watch.ask(wire.encode(wire.COMMAND, 1, vocab.RESUME, 9, PLAN.plan_id, 0))
    assert wire.decode(resumed)[2][0] == vocab.OK


def test_after_an_empty_battery_it_is_another_boot_that_tells_what_was_cut() -> None:
    watch = playing()
    boot, session = wire.decode(watch.ask(wire.encode(wire.HELLO, 1)))[2][2], status(watch)[5]
    watch.js.lose_power()
    watch.js.connect(is_on=True)
    watch.prove()
    watch.heard.clear()
    booted, interrupted = log(watch)
    assert booted[1] == vocab.BOOTED
    assert booted[4] != boot
    assert interrupted[1:] == (vocab.INTERRUPTED, interrupted[2], 0, boot, session)
    assert status(watch)[1] == 0


def test_its_clock_goes_on_when_the_phone_sets_the_time() -> None:
    watch = playing()
    before = wire.decode(watch.ask(wire.encode(wire.CLOCK, 1, 1)))[2][2]
    watch.js.set_time(1_600_000_000)
    watch.js.set_time(1_800_000_000)
    assert wire.decode(watch.ask(wire.encode(wire.CLOCK, 1, 1)))[2][2] == before
    watch.js.load()
    after = wire.decode(watch.ask(wire.encode(wire.CLOCK, 1, 1)))[2][2]
    assert after == before + espruino.LOAD_MS


def test_a_start_from_a_clock_opens_the_screen_between_two_cues() -> None:
    watch = Watch(1)
    watch.js.evaluate(f"__files['tenuto.app.js']={json.dumps(APP)};TENUTO.show=undefined")
    upload(watch)
    watch.ask(START)
    watch.js.advance(30_000)
    assert watch.js.loads == 2
    assert watch.js.evaluate("typeof TENUTO.show") == "function"
    watch.js.load("")  # its wearer goes on to another app, and is left there
    watch.js.advance(90_000)
    assert watch.js.loads == 3


def test_other_apps_load_no_player_while_nobody_uses_it() -> None:
    watch = playing()
    watch.ask(wire.encode(wire.COMMAND, 1, vocab.STOP, 2, PLAN.plan_id, 0))
    session = status(watch)[5]
    watch.js.connect(is_on=False)
    watch.js.advance(100_000)  # what the motor did counts for a minute
    watch.js.load()
    assert watch.js.evaluate("typeof TENUTO") == "undefined"
    before_s = watch.js.evaluate("getTime()")
    watch.js.set_time(before_s - 7_200)
    watch.js.load()
    watch.js.advance(110_000)
    watch.js.connect(is_on=True)
    watch.prove()
    assert status(watch)[5] == session
    assert status(watch)[6] == 110_000, "its clock has gone on all the time"


# --- flash


def test_a_log_that_overruns_keeps_the_newest_and_says_so() -> None:
    watch = playing(to_ms=1_000)
    watch.ask(wire.encode(wire.COMMAND, 1, vocab.PAUSE, 2, PLAN.plan_id, 0))
    for second in range(2, 1_500):
        watch.js.advance(second * 1000)
        watch.js.heart(70 + second % 50)
        watch.ask(wire.encode(wire.HEART, 0, 100))
    end = watch.read_log()
    asked = wire.decode(watch.ask(wire.encode(wire.LOG_READ, 1, 0)))[2]
    assert end - asked[1] <= 510
    assert (asked[0] == vocab.LOG_OVERRUN) is (asked[1] > 0)
    at = [unpack_record(watch.heard[seq])[0] for seq in range(asked[1], end)]
    assert at == sorted(at)


def test_who_asks_for_what_it_has_had_gets_what_follows() -> None:
    """The answer to its question was lost, so it asked once more while the records came."""
    watch = playing(to_ms=1_000)
    watch.read_log()
    for second in range(2, 120):
        watch.js.advance(second * 1000)
        watch.ask(wire.encode(wire.HEART, 0, 100))
    end = watch.read_log()
    assert end > wire.LOG_AHEAD_MAX + 20

    watch.ask(wire.encode(wire.LOG_READ, 1, 0))
    watch.ask(wire.encode(wire.LOG_ACK, 0, end))
    watch.js.advance(121_000)
    watch.ask(wire.encode(wire.HEART, 0, 100))
    assert end in watch.heard


@pytest.mark.parametrize("when", ["before the start", "in the session"])
def test_a_full_store_costs_no_cue_and_no_record(when: str) -> None:
    watch = Watch(1)
    upload(watch)
    if when == "before the start":
        watch.js.evaluate("__freeBytes=0")
    watch.ask(START)
    watch.js.advance(5_000)
    watch.js.evaluate("__freeBytes=0")
    watch.read_log()  # a host that follows gets each heart rate
    for second in range(6, 400):
        watch.js.advance(second * 1000)
        watch.ask(wire.encode(wire.HEART, 0, 100))
    records = log(watch)
    assert sorted(watch.heard) == list(range(len(records)))
    assert len(records) > 300, "more than one file holds"
    assert records[-1][1] == vocab.HEART or vocab.SESSION_ENDED in {r[1] for r in records}
    cues = [record for record in records if record[1] == vocab.CUE]
    assert len(cues) == sum(len(PLAN.plan.step(n).cues) for n in range(PLAN.plan.steps))


@pytest.mark.parametrize("when", ["idle", "in a session"])
def test_the_storage_is_tidied_between_sessions_only(when: str) -> None:
    """It takes seconds on a watch, in which no cue would come."""
    watch = Watch(1)
    upload(watch)
    if when == "in a session":
        watch.ask(START)
        watch.js.advance(10_000)
    watch.js.evaluate("__freeBytes=30000;__trashBytes=50000")
    watch.js.load()
    watch.js.evaluate(OPEN)
    assert watch.js.evaluate("__compactions") == (1 if when == "idle" else 0)


def test_a_torn_upload_leaves_the_plan_that_was_there() -> None:
    watch = Watch(1)
    upload(watch)
    other = Library().plan("lower-back-60")
    watch.ask(wire.encode(wire.UPLOAD_BEGIN, 1, other.plan_id, len(other.data), crc32(other.data)))
    watch.ask(wire.encode(wire.UPLOAD_CHUNK, 1, 0, tail=other.data[:70]))
    watch.js.load()
    assert status(watch)[4] == PLAN.plan_id
    assert upload(watch, other.plan_id, other.data) == vocab.OK
    assert status(watch)[4] == other.plan_id


def test_the_largest_plan_is_taken_and_one_byte_more_is_not() -> None:
    watch = Watch(1)
    for size, wanted in ((MAX_BYTES, vocab.OK), (MAX_BYTES + 1, vocab.OUT_OF_RANGE)):
        begin = wire.encode(wire.UPLOAD_BEGIN, 1, bytes(range(8)), size, 1)
        assert wire.decode(watch.ask(begin))[2][0] == wanted


def test_no_room_for_a_plan_is_told_and_changes_nothing() -> None:
    watch = Watch(1)
    upload(watch)
    watch.js.evaluate("__freeBytes=100")
    other = Library().plan("lower-back-60")
    begin = wire.encode(wire.UPLOAD_BEGIN, 1, other.plan_id, len(other.data), crc32(other.data))
    assert wire.decode(watch.ask(begin))[2][0] == vocab.OUT_OF_RANGE
    assert status(watch)[4] == PLAN.plan_id


def spoiled(at: int, value: int) -> bytes:
    data = bytearray(PLAN.data)
    data[at] = value
    return bytes(data[:-4]) + crc32(data[:-4]).to_bytes(4, "little")


@pytest.mark.parametrize(
    "data, wanted",
    [
        (b"TP", vocab.BAD_PLAN),
        (PLAN.data[:-1] + bytes([PLAN.data[-1] ^ 1]), vocab.BAD_PLAN),
        (PLAN.data + bytes(4), vocab.BAD_PLAN),
        (spoiled(2, 3), vocab.UNKNOWN_PLAN),
        (spoiled(4, 200), vocab.BAD_PLAN),
        (spoiled(16, 7), vocab.UNKNOWN_PLAN),
        (spoiled(16 + 6, 4), vocab.UNKNOWN_PLAN),
        (spoiled(16 + 6, 2), vocab.BAD_PLAN),
        (spoiled(16 + 2, 3), vocab.UNKNOWN_PLAN),
        (spoiled(16 + 18, 99), vocab.BAD_PLAN),
    ],
)
def test_a_plan_that_must_not_be_played_is_refused(data: bytes, wanted: int) -> None:
    watch = Watch(1)
    upload(watch)
    assert upload(watch, digest(data)[:8], data) == wanted
    assert status(watch)[4] == PLAN.plan_id


# --- strangers


def test_without_a_key_nothing_is_obeyed_and_nothing_told() -> None:
    watch = playing()
    watch.js.connect(is_on=False)
    watch.js.connect(is_on=True)
    for frame in (START, wire.encode(wire.STATE, 1), wire.encode(wire.LOG_READ, 1, 0)):
        assert wire.decode(watch.ask(frame))[2][0] == vocab.NOT_PROVEN
    watch.js.receive(b'\x10GB({"t":"tn","find":1})\n')
    watch.js.advance(30_000)
    assert watch.take() == []


def test_who_connects_while_another_app_is_opened_is_a_stranger() -> None:
    watch = playing()
    watch.js.evaluate('__emit("kill")')
    watch.js.peer = "f0:00:00:00:00:99 random"
    watch.js._load("")
    watch.take()
    assert wire.decode(watch.ask(wire.encode(wire.STATE, 1)))[2][0] == vocab.NOT_PROVEN


def test_a_wrong_proof_lets_nobody_in_and_a_third_one_ends_it() -> None:
    watch = Watch(1)
    watch.js.connect(is_on=False)
    watch.js.connect(is_on=True)
    for _ in range(3):
        watch.ask(wire.encode(wire.CHALLENGE, 1, auth.key_id(digest, KEY), bytes(16)))
        proof = watch.ask(wire.encode(wire.PROOF, 1, bytes(32)))
        assert wire.decode(proof)[2][0] == vocab.NOT_PROVEN
    challenge = watch.ask(wire.encode(wire.CHALLENGE, 1, auth.key_id(digest, KEY), bytes(16)))
    assert wire.decode(challenge)[2][0] == vocab.NOT_PROVEN


def gesture(watch: Watch) -> None:
    """Press, press and hold, in the app."""
    began_ms = watch.js.now_ms
    for down_ms, up_ms in ((1_000, 1_080), (1_200, 1_280), (1_500, 2_600)):
        watch.js.advance(began_ms + down_ms)
        watch.js.button(is_down=True)
        watch.js.advance(began_ms + up_ms)
        watch.js.button(is_down=False)


def comes_anew(watch: Watch) -> None:
    watch.js.connect(is_on=False)
    watch.js.connect(is_on=True)


SET_KEY = wire.encode(wire.KEY_SET, 1, bytes(16))


def test_a_stranger_that_waits_for_the_gesture_gets_nothing_by_it() -> None:
    watch = Watch(1)
    comes_anew(watch)
    gesture(watch)
    assert watch.js.drops_link
    for _ in range(5):  # what it has sent before the link ends
        watch.js.advance(watch.js.now_ms + 100)
        assert not wire.decode(watch.ask(wire.encode(wire.HELLO, 1)))[2][6] & wire.FEATURE_OPEN
        assert wire.decode(watch.ask(SET_KEY))[2][0] == vocab.NOT_OPEN
    comes_anew(watch)
    assert wire.decode(watch.ask(SET_KEY))[2][0] == vocab.OK, "the window is for who comes now"
    assert not watch.js.drops_link


def test_a_gesture_keeps_the_link_of_who_has_proven_a_key_and_takes_no_other_key_by_it() -> None:
    watch = Watch(1)
    gesture(watch)
    assert not watch.js.drops_link
    assert wire.decode(watch.ask(SET_KEY))[2][0] == vocab.NOT_OPEN
    assert status(watch)[0] == vocab.OK
    gesture(watch)
    comes_anew(watch)
    gesture(watch)  # another window is not for the link that was made in the one before
    assert wire.decode(watch.ask(SET_KEY))[2][0] == vocab.NOT_OPEN


def test_a_key_is_taken_in_the_minute_after_the_gesture_only() -> None:
    watch = Watch(1)
    comes_anew(watch)
    set_key = SET_KEY
    assert wire.decode(watch.ask(set_key))[2][0] == vocab.NOT_OPEN
    gesture(watch)
    comes_anew(watch)
    watch.js.advance(4_000)
    assert [on for _, on in watch.js.edges] == [True, False] * 3, "its opening is felt"
    assert wire.decode(watch.ask(wire.encode(wire.HELLO, 1)))[2][6] & wire.FEATURE_OPEN
    assert wire.decode(watch.ask(set_key))[2][0] == vocab.OK
    watch.js.advance(70_000)
    other = wire.encode(wire.KEY_SET, 1, bytes(range(16, 32)))
    assert wire.decode(watch.ask(other))[2][0] == vocab.NOT_OPEN
    watch.js.load()
    assert wire.decode(watch.ask(wire.encode(wire.STATE, 1)))[2][0] == vocab.OK


def test_nobody_is_let_in_when_the_minute_is_over() -> None:
    watch = Watch(1)
    gesture(watch)
    comes_anew(watch)
    watch.js.advance(62_500)
    assert not wire.decode(watch.ask(wire.encode(wire.HELLO, 1)))[2][6] & wire.FEATURE_OPEN
    refused = wire.decode(watch.ask(wire.encode(wire.KEY_SET, 1, bytes(16))))[2]
    assert refused[0] == vocab.NOT_OPEN


@pytest.mark.parametrize(
    "data", [b"", b"\x01", b"\x02\x01\x00", b"\x20\x01", b"\x7f\x01", b"\xff" * 90]
)
def test_what_is_no_frame_is_answered_and_does_no_harm(data: bytes) -> None:
    watch = playing()
    watch.js.receive(b'\x10GB({"t":"tn","d":"' + base64.b64encode(data) + b'"})\n')
    watch.js.receive(b'\x10GB({"t":"tn","d":"***"})\n')
    watch.js.receive(b'\x10GB({"t":"tn"})\n')
    watch.take()
    assert status(watch)[1] == 2


def test_what_the_phone_says_goes_on_to_its_own_app() -> None:
    files = {"android.boot.js": "global.GB=function(e){global.got=e.t}", BOOT_FILE: BOOT}
    watch = espruino.Espruino(files)
    watch.receive(b'\x10GB({"t":"notify"})\n')
    assert watch.evaluate("got") == "notify"


# --- motor and heart


def test_a_pulse_ends_although_the_program_hangs() -> None:
    watch = playing(to_ms=100)
    while not watch.js.evaluate("__motor"):
        watch.js.advance(watch.js.due_ms)
    watch.js.evaluate("__timers=[]")  # JavaScript does nothing any more
    watch.js.advance(2_000)
    on, off = watch.js.edges[-2:]
    assert (on[1], off[1]) == (True, False)
    assert off[0] - on[0] <= 1_000


def test_a_minute_that_is_too_full_is_held_to_the_motors_budget() -> None:
    """Such a plan is refused; whatever plays all the same is held at the motor itself."""
    cues = [(at * 3_000, False, vocab.COUNTDOWN) for at in range(20)]
    steps = [
        Step(vocab.HOLD, 61_000, exercise=0),  # a start looks ahead for a minute
        Step(vocab.HOLD, 60_000, cues, exercise=0),
        Step(vocab.DONE, 0),
    ]
    short = ((100, 20, 10), (100, 20, 10), (100, 20, 0))
    data = encode("full", ["stretch"], steps, (short,) * 9)
    for length, pulse in zip((1000, 1000, 900), short, strict=True):
        data = data.replace(struct.pack("<BHH", *pulse), struct.pack("<BHH", 100, length, pulse[2]))
    data = data[:-4] + crc32(data[:-4]).to_bytes(4, "little")
    watch = Watch(1)
    upload(watch)
    assert upload(watch, digest(data)[:8], data) == vocab.BAD_PLAN
    assert status(watch)[4] == PLAN.plan_id
    kept = json.dumps((digest(data)[:8] + data).decode("latin-1"))
    watch.js.evaluate(f"__files['tenuto.plan0']={kept}")
    watch.js.load()
    watch.js.evaluate(OPEN)
    for again in range(3):
        watch.ask(wire.encode(wire.COMMAND, 1, vocab.START, again, digest(data)[:8], 0))
        for _ in range(12):
            watch.js.advance(watch.js.now_ms + 10_400)
            watch.js.load()  # another app, in the midst of it all
    ons = [at for at, is_on in watch.js.edges if is_on]
    offs = [at for at, is_on in watch.js.edges if not is_on]
    assert ons
    for start in ons:
        ran = sum(
            max(0, min(off, start + 60_000) - max(on, start))
            for on, off in zip(ons, offs, strict=True)
        )
        assert ran <= ON_MS_MAX + 1
    assert max(off - on for on, off in zip(ons, offs, strict=True)) <= 1_001


def test_an_uncertain_heart_rate_does_not_count() -> None:
    watch = playing()
    watch.js.heart(90, confidence=59)
    watch.js.heart(80, confidence=60)
    assert [record[3] for record in log(watch) if record[1] == vocab.HEART] == [80]


def test_the_sensor_is_on_in_a_session_only() -> None:
    watch = playing()
    assert watch.js.evaluate("Bangle.isHRMOn()")
    watch.js.load()
    assert watch.js.evaluate("Bangle.isHRMOn()")
    watch.ask(wire.encode(wire.COMMAND, 1, vocab.STOP, 2, PLAN.plan_id, 0))
    assert not watch.js.evaluate("Bangle.isHRMOn()")


def test_cues_are_driven_their_lead_before_they_are_meant() -> None:
    watch = playing(to_ms=400_000)
    assert {record[5] for record in log(watch) if record[1] == vocab.CUE} == {LEAD_MS}


# --- the screen


def screen(watch: Watch) -> list[str]:
    drawn: list[str] = json.loads(watch.js.evaluate("TENUTO.show(),JSON.stringify(__screen)"))
    return drawn


def with_screen() -> Watch:
    watch = Watch(1)
    watch.js.evaluate(f"__files['tenuto.app.js']={json.dumps(APP)}")
    watch.js.load("tenuto.app.js")
    return watch


def swipe(watch: Watch, across: int, down: int) -> None:
    watch.js.evaluate(f"__handlers.swipe.forEach(function(f){{f({across},{down})}})")


def test_the_screen_shows_exercise_side_and_time() -> None:
    watch = with_screen()
    assert screen(watch) == ["no routine yet"]
    upload(watch)
    assert screen(watch) == ["lower-back", "press to start"]
    swipe(watch, 1, 0)
    watch.js.advance(12_000)
    step = status(watch)[2]
    assert isinstance(step, int)
    shown = screen(watch)
    exercise = PLAN.plan.exercise_name(PLAN.plan.step(step).exercise)
    assert shown[0] == exercise
    assert shown[1] in ("left", "right", "hold", "get ready")
    assert re.fullmatch(r"\d:\d\d", shown[2])


def test_the_screen_shows_title_phase_and_an_open_hold_that_counts_up() -> None:
    watch = with_screen()
    upload(watch, b"8 bytes!", phased.data())
    assert screen(watch)[0] == "The title"
    swipe(watch, 1, 0)
    at_ms = watch.js.now_ms
    ahead_ms = [0, *accumulate(step.duration_ms for step in phased.steps())]
    watch.js.advance(at_ms + ahead_ms[phased.PRESS] + 2_000)
    assert screen(watch)[:2] == ["hamstrings", "left press"]
    watch.js.advance(at_ms + ahead_ms[phased.OPEN] + 12_500)
    shown = screen(watch)
    assert shown[0] == "plank"
    assert shown[2] in ("0:11", "0:12")
    assert shown[3] == "press to end"
    watch.js.button(is_down=True)
    watch.js.advance(watch.js.now_ms + 80)
    watch.js.button(is_down=False)
    watch.js.advance(watch.js.now_ms + 3_000)
    assert screen(watch)[0] == "breathing"


def test_swipes_pause_go_on_skip_and_stop() -> None:
    watch = with_screen()
    upload(watch)
    swipe(watch, 1, 0)
    states = []
    for across, down in ((1, 0), (1, 0), (-1, 0), (0, 1)):
        watch.js.advance(watch.js.now_ms + 3_000)
        swipe(watch, across, down)
        states.append(status(watch)[1])
    assert states == [4, 2, 2, 0]
    assert "skipped" in kinds(watch)


def test_a_swipe_chooses_among_the_routines_that_it_keeps() -> None:
    watch = with_screen()
    names = ("lower-back", "lower-back-short", "lower-back-60")
    for name in names:
        plan = Library().plan(name)
        upload(watch, plan.plan_id, plan.data)
    shown = []
    for down in (1, 1, 1, -1):
        swipe(watch, 0, down)
        shown.append(screen(watch)[0])
    assert shown == ["lower-back", "lower-back-short", "lower-back-60", "lower-back-short"]
    swipe(watch, 1, 0)
    assert status(watch)[4] == Library().plan("lower-back-short").plan_id
    watch.js.load()
    watch.js.advance(watch.js.now_ms + 1_000)
    assert status(watch)[1] == 2, "it is the one that goes on"


def test_a_button_starts_in_the_app_only() -> None:
    watch = Watch(1)
    upload(watch)
    watch.js.evaluate("TENUTO.show=undefined")
    watch.js.button(is_down=True)
    watch.js.advance(80)
    watch.js.button(is_down=False)
    watch.js.advance(1_000)
    assert status(watch)[1] == 0


# --- size


def test_the_files_stay_small_and_the_documents_say_how_small() -> None:
    written = sum(len(text) for text in (BOOT, PLAYER, APP))
    installed = read_app("bangle").files
    uploaded = sum(len(installed[name]) for name in (BOOT_FILE, PLAYER_FILE, APP_FILE))
    assert len(BOOT) <= EACH_APP_BYTES_MAX
    assert written <= WRITTEN_BYTES_MAX
    assert uploaded <= UPLOADED_BYTES_MAX
    assert (BOOT + PLAYER + APP).isascii()
    told = f"{written / 1000:.1f} kB as written, {uploaded / 1000:.1f} kB as it is installed"
    assert told in (FOLDER / "README.md").read_text(encoding="utf-8")
