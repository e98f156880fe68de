# SPDX-License-Identifier: MIT
"""Frames of one or two hosts in, answers and the log out."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from tenuto_core import device_requests, vocab, wire
from tenuto_core.alert import GAP_MS_MAX
from tenuto_core.band import Band
from tenuto_core.device_requests import NO_PLAN_ID
from tenuto_core.encode import encode
from tenuto_core.host_connection import ANSWERS_MAX, HostConnection
from tenuto_core.log import RECORD_BYTES, unpack_record
from tenuto_core.plan import MAX_BYTES, Plan, Step
from tenuto_core.player import IDLE, RUNNING, STATES
from tests.core.rig import (
    BOOT_MS,
    HOLD,
    OFF,
    PATTERNS,
    SWITCH,
    Host,
    Motor,
    Wrist,
    crc_of,
    log_bytes,
    plan_id_of,
    score_bytes,
)

DATA = score_bytes()
PLAN_ID = plan_id_of(DATA)
OTHER = encode("Other", (), [Step(vocab.DONE, 0)], PATTERNS)
OTHER_ID = plan_id_of(OTHER)


def linked(data: bytes | None = DATA) -> tuple[Wrist, Host]:
    wrist = Wrist(data)
    return wrist, Host(wrist)


def plan_of(wrist: Wrist) -> Plan:
    assert wrist.player.plan is not None
    return wrist.player.plan


def command(
    host: Host, what: int, command_id: int, plan_id: bytes = PLAN_ID, arg: int = 0
) -> tuple[int, str]:
    (status, state, echoed), tail = host.ask(wire.COMMAND, what, command_id, plan_id, arg)
    assert (echoed, tail) == (command_id, b"")
    return status, STATES[state]


def playing() -> tuple[Wrist, Host]:
    wrist, host = linked()
    assert command(host, vocab.START, 1) == (vocab.OK, "running")
    wrist.run(7_000)
    return wrist, host


# --- who are you, how are you


def test_hello() -> None:
    wrist, host = linked()

    (status, protocol, boot_id, plan_bytes, frame_bytes, records, _), name = host.ask(wire.HELLO)

    assert (status, protocol, boot_id, name) == (vocab.OK, wire.VERSION, 0xB0070001, b"bench")
    assert (plan_bytes, frame_bytes) == (MAX_BYTES, wire.MAX_FRAME)
    assert records == wrist.log.capacity


def test_state_of_a_bare_band() -> None:
    wrist, host = linked(None)

    values, _ = host.ask(wire.STATE)

    assert values == (
        *(vocab.OK, IDLE, vocab.NO_STEP, 255, NO_PLAN_ID, wire.NO_SESSION, wrist.now_ms, 0, 0),
        *(0, 1),
    )


def test_state_in_a_session() -> None:
    wrist, host = playing()
    wrist.band.battery_pct = 81

    values, _ = host.ask(wire.STATE)

    assert values == (
        *(vocab.OK, RUNNING, HOLD, 81, PLAN_ID, 1, BOOT_MS + 7_000, 2_000, 30_000),
        *(0, wrist.log.next),
    )


def test_the_clock_comes_back_with_the_token_and_wraps() -> None:
    wrist = Wrist(now_ms=(1 << 32) - 10)
    host = Host(wrist)
    wrist.run(15)

    assert host.ask(wire.CLOCK, 77)[0] == (vocab.OK, 77, 5)


# --- upload


@pytest.mark.parametrize("chunk", [1, 2, 7, 61, 128, 200, wire.MAX_FRAME - 4])
def test_a_plan_comes_in_chunks_of_any_size(chunk: int) -> None:
    wrist, host = linked(None)

    assert host.upload(DATA, chunk) == vocab.OK

    assert bytes(plan_of(wrist).data) == DATA
    assert host.ask(wire.STATE)[0][4] == PLAN_ID
    assert command(host, vocab.START, 1) == (vocab.OK, "running")


def test_a_band_that_is_short_of_memory_says_so_and_takes_no_larger_plan() -> None:
    wrist = Wrist()
    wrist.band.plan_bytes = len(DATA) - 1
    host = Host(wrist)
    (_, _, _, plan_bytes, *_), _ = host.ask(wire.HELLO)
    assert plan_bytes == len(DATA) - 1
    values, _ = host.ask(wire.UPLOAD_BEGIN, plan_id_of(DATA), len(DATA), crc_of(DATA))
    assert values == (vocab.OUT_OF_RANGE, 0)
    wrist.band.plan_bytes = len(DATA)
    assert host.ask(wire.UPLOAD_BEGIN, plan_id_of(DATA), len(DATA), crc_of(DATA))[0] == (0, 0)


def test_the_largest_plan() -> None:
    wrist, host = linked(None)
    name = "n" * 48
    steps = [Step(vocab.HOLD, 5_000, [(0, False, 2)] * 3, exercise=0) for _ in range(200)]
    steps.append(Step(vocab.DONE, 0))
    data = encode(name, [name] * 14, steps, PATTERNS)
    assert 7_500 < len(data) <= MAX_BYTES

    assert host.upload(data) == vocab.OK
    assert plan_of(wrist).steps == 201


def test_an_upload_goes_on_where_it_was_interrupted_at_every_chunk() -> None:
    chunk = 50
    for sent in range(0, len(DATA), chunk):
        wrist, host = linked(OTHER)
        host.ask(wire.UPLOAD_BEGIN, PLAN_ID, len(DATA), crc_of(DATA))
        for offset in range(0, sent, chunk):
            host.ask(wire.UPLOAD_CHUNK, offset, tail=DATA[offset : offset + chunk])
        host = Host(wrist)

        answer, _ = host.ask(wire.UPLOAD_BEGIN, PLAN_ID, len(DATA), crc_of(DATA))

        assert answer == (vocab.OK, sent)
        assert host.upload(DATA, chunk) == vocab.OK
        assert bytes(plan_of(wrist).data) == DATA


def test_chunks_that_come_twice_or_overlap_do_no_harm() -> None:
    wrist, host = linked(None)
    host.ask(wire.UPLOAD_BEGIN, PLAN_ID, len(DATA), crc_of(DATA))
    for offset in range(0, len(DATA), 40):
        for back in (0, 0, 30, offset):
            at = max(0, offset - back)
            tail = DATA[at : min(offset + 40, at + 200)]
            (status, _), _ = host.ask(wire.UPLOAD_CHUNK, at, tail=tail)
            assert status == vocab.OK

    assert host.ask(wire.UPLOAD_CHUNK, 0, tail=DATA[:10])[0] == (vocab.OK, len(DATA))
    assert host.ask(wire.UPLOAD_COMMIT, PLAN_ID)[0] == (vocab.OK,)
    assert bytes(plan_of(wrist).data) == DATA


def test_a_chunk_that_leaves_a_hole_or_goes_beyond_the_end_is_refused() -> None:
    _, host = linked(None)
    host.ask(wire.UPLOAD_BEGIN, PLAN_ID, len(DATA), crc_of(DATA))
    host.ask(wire.UPLOAD_CHUNK, 0, tail=DATA[:50])

    for offset, tail in ((51, b"x"), (51, b""), (len(DATA), b"x"), (60_000, b"")):
        assert host.ask(wire.UPLOAD_CHUNK, offset, tail=tail)[0] == (vocab.WRONG_OFFSET, 50)
    last = DATA[50 : 50 + 200]
    assert host.ask(wire.UPLOAD_CHUNK, 50, tail=last)[0] == (vocab.OK, 50 + len(last))
    over = len(DATA) - 100
    assert host.ask(wire.UPLOAD_CHUNK, over, tail=bytes(101))[0] == (
        vocab.WRONG_OFFSET,
        50 + len(last),
    )


def test_a_chunk_or_a_commit_without_a_beginning_is_refused() -> None:
    _, host = linked(None)

    assert host.ask(wire.UPLOAD_CHUNK, 0, tail=b"x")[0] == (vocab.NO_UPLOAD, 0)
    assert host.ask(wire.UPLOAD_COMMIT, PLAN_ID)[0] == (vocab.NO_UPLOAD,)


def test_an_upload_has_a_size_and_an_id() -> None:
    _, host = linked(None)

    for plan_id, size in ((PLAN_ID, 0), (PLAN_ID, MAX_BYTES + 1), (NO_PLAN_ID, 100)):
        assert host.ask(wire.UPLOAD_BEGIN, plan_id, size, 0)[0] == (vocab.OUT_OF_RANGE, 0)
    assert host.ask(wire.UPLOAD_CHUNK, 0, tail=b"x")[0] == (vocab.NO_UPLOAD, 0)
    assert host.ask(wire.UPLOAD_BEGIN, PLAN_ID, MAX_BYTES, 0)[0] == (vocab.OK, 0)


def test_an_upload_for_which_memory_has_no_room_in_one_piece_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A board has more memory free than it can give at once."""
    _, host = linked(None)

    def full(_size: int) -> bytearray:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(device_requests, "bytearray", full, raising=False)
        assert host.ask(wire.UPLOAD_BEGIN, PLAN_ID, 100, 0)[0] == (vocab.OUT_OF_RANGE, 0)
    assert host.ask(wire.UPLOAD_CHUNK, 0, tail=b"x")[0] == (vocab.NO_UPLOAD, 0)
    assert host.ask(wire.UPLOAD_BEGIN, PLAN_ID, 100, 0)[0] == (vocab.OK, 0)


def stage(host: Host, data: bytes, crc: int | None = None, upto: int | None = None) -> None:
    crc = crc_of(data) if crc is None else crc
    assert host.ask(wire.UPLOAD_BEGIN, PLAN_ID, len(data), crc)[0] == (vocab.OK, 0)
    end = len(data) if upto is None else upto
    for offset in range(0, end, 200):
        host.ask(wire.UPLOAD_CHUNK, offset, tail=data[offset : min(end, offset + 200)])


def assert_other_still_plays(wrist: Wrist, host: Host) -> None:
    assert bytes(plan_of(wrist).data) == OTHER
    assert host.ask(wire.STATE)[0][4] == OTHER_ID
    assert command(host, vocab.START, 99, OTHER_ID)[0] == vocab.OK


def test_a_wrong_checksum_leaves_the_old_plan() -> None:
    wrist, host = linked(OTHER)
    stage(host, DATA, crc=crc_of(DATA) ^ 1)

    values, tail = host.ask(wire.UPLOAD_COMMIT, PLAN_ID)

    assert (values, tail) == ((vocab.BAD_PLAN,), b"checksum is wrong")
    assert host.ask(wire.UPLOAD_COMMIT, PLAN_ID)[0] == (vocab.NO_UPLOAD,)
    assert_other_still_plays(wrist, host)
    wrist.run_out()
    assert host.upload(DATA) == vocab.OK


def test_a_wrong_id_leaves_the_old_plan() -> None:
    wrist, host = linked(OTHER)
    stage(host, DATA)

    assert host.ask(wire.UPLOAD_COMMIT, b"not this")[0] == (vocab.NO_UPLOAD,)

    assert_other_still_plays(wrist, host)


def test_a_part_of_a_plan_leaves_the_old_plan_and_can_be_completed() -> None:
    wrist, host = linked(OTHER)
    stage(host, DATA, upto=len(DATA) - 1)

    assert host.ask(wire.UPLOAD_COMMIT, PLAN_ID)[0] == (vocab.WRONG_OFFSET,)

    assert bytes(plan_of(wrist).data) == OTHER
    assert host.upload(DATA) == vocab.OK


# Of a plan made anew: version, kind and flags of the first step.
NEWER = (2, 16, 22)


@pytest.mark.parametrize("at", [0, 3, 4, 200, -20, *NEWER])
def test_a_bad_plan_leaves_the_old_plan_and_says_why(at: int) -> None:
    wrist, host = linked(OTHER)
    bad = bytearray(DATA[:-4])
    bad[at] ^= 0xFF
    bad += crc_of(bad).to_bytes(4, "little")
    stage(host, bytes(bad))

    (status,), text = host.ask(wire.UPLOAD_COMMIT, PLAN_ID)

    assert status == (vocab.UNKNOWN_PLAN if at in NEWER else vocab.BAD_PLAN)
    assert text.decode()
    assert_other_still_plays(wrist, host)


def test_the_reason_fits_a_link_of_small_frames() -> None:
    _, host = linked(OTHER)
    host.peer.frame_bytes = wire.MIN_FRAME
    host.room = wire.MIN_FRAME + 1
    bad = bytearray(DATA[:-4])
    bad[3] = 65  # exercises
    bad += crc_of(bad).to_bytes(4, "little")
    stage(host, bytes(bad))

    (status,), text = host.ask(wire.UPLOAD_COMMIT, PLAN_ID)

    assert (status, text) == (vocab.BAD_PLAN, b"number of exercises is 65, allowed is 0 to 64")
    bad[3] = 1
    stage(host, bytes(bad), crc=0)
    assert host.ask(wire.UPLOAD_COMMIT, PLAN_ID)[1] == b"checksum is wrong"
    host.wrist.band.name = "n" * 80
    assert 0 < len(host.ask(wire.HELLO)[1]) < 80
    assert host.ask(wire.STATE)[0][0] == vocab.OK


def test_another_upload_takes_the_place_of_one_that_was_begun() -> None:
    wrist, first = linked(None)
    second = Host(wrist)
    stage(first, DATA, upto=100)
    assert second.upload(OTHER) == vocab.OK
    assert first.ask(wire.UPLOAD_COMMIT, PLAN_ID)[0] == (vocab.NO_UPLOAD,)

    # Chunks carry no id: those of two hosts that mix are caught by the checksum.
    stage(first, DATA, upto=100)
    size = len(OTHER) + 3
    second.ask(wire.UPLOAD_BEGIN, b"thirdone", size, 123)
    first.ask(wire.UPLOAD_CHUNK, 0, tail=DATA[:size])
    assert second.ask(wire.UPLOAD_COMMIT, b"thirdone")[0] == (vocab.BAD_PLAN,)
    assert wrist.player.plan_id == OTHER_ID


def test_the_same_id_with_other_bytes_begins_anew() -> None:
    wrist, host = linked(None)
    stage(host, OTHER, crc=5, upto=20)

    assert host.ask(wire.UPLOAD_BEGIN, PLAN_ID, len(OTHER), crc_of(OTHER))[0] == (vocab.OK, 0)
    host.ask(wire.UPLOAD_CHUNK, 0, tail=OTHER[:20])
    assert host.ask(wire.UPLOAD_BEGIN, PLAN_ID, len(DATA), crc_of(OTHER))[0] == (vocab.OK, 0)
    assert host.upload(DATA) == vocab.OK
    assert bytes(plan_of(wrist).data) == DATA


def test_a_plan_that_is_there_need_not_be_sent_again() -> None:
    wrist, host = playing()

    assert host.ask(wire.UPLOAD_BEGIN, PLAN_ID, len(DATA), crc_of(DATA))[0] == (
        vocab.OK,
        len(DATA),
    )
    assert host.ask(wire.UPLOAD_COMMIT, PLAN_ID)[0] == (vocab.OK,)
    assert STATES[wrist.player.state] == "running"


def test_an_upload_during_a_session_is_refused_and_disturbs_nothing() -> None:
    begun_before, host = linked()
    assert host.ask(wire.UPLOAD_BEGIN, OTHER_ID, len(OTHER), crc_of(OTHER))[0] == (vocab.OK, 0)
    host.ask(wire.UPLOAD_CHUNK, 0, tail=OTHER)
    undisturbed, twin = linked()
    for w, h in ((begun_before, host), (undisturbed, twin)):
        assert command(h, vocab.START, 1)[0] == vocab.OK
        w.run(7_000)

    assert host.ask(wire.UPLOAD_COMMIT, OTHER_ID)[0] == (vocab.BUSY,)
    assert host.ask(wire.UPLOAD_BEGIN, OTHER_ID, len(OTHER), crc_of(OTHER))[0] == (vocab.BUSY, 0)

    for w in (begun_before, undisturbed):
        w.run(200_000)
        w.press()
        w.run_out()
    assert log_bytes(begun_before.log) == log_bytes(undisturbed.log)
    assert begun_before.motor.edges == undisturbed.motor.edges
    assert host.ask(wire.UPLOAD_COMMIT, OTHER_ID)[0] == (vocab.OK,)


@pytest.mark.parametrize("frame_bytes", [wire.MIN_FRAME, 100, wire.MAX_FRAME])
def test_a_plan_can_be_read_back(frame_bytes: int) -> None:
    _, host = playing()
    host.peer.frame_bytes = frame_bytes
    host.room = frame_bytes + 1
    data = b""
    while True:
        (status, size, offset), tail = host.ask(wire.PLAN_READ, PLAN_ID, len(data))
        assert (status, size, offset) == (vocab.OK, len(DATA), len(data))
        if not tail:
            break
        data += tail

    assert data == DATA
    assert host.ask(wire.PLAN_READ, OTHER_ID, 0)[0] == (vocab.NO_SUCH_PLAN, 0, 0)
    assert host.ask(wire.PLAN_READ, PLAN_ID, len(DATA) + 1)[0] == (
        vocab.WRONG_OFFSET,
        len(DATA),
        0,
    )


def test_a_bare_band_has_no_plan_to_read_or_to_play() -> None:
    wrist, host = linked(None)

    assert host.ask(wire.PLAN_READ, NO_PLAN_ID, 0)[0] == (vocab.NO_SUCH_PLAN, 0, 0)
    for what in range(len(vocab.COMMANDS)):
        assert command(host, what, what, NO_PLAN_ID) == (vocab.NO_PLAN, "idle")
    assert wrist.log.next == 1


# --- commands


def test_a_command_is_for_the_plan_that_it_names() -> None:
    wrist, host = linked()

    assert command(host, vocab.START, 1, OTHER_ID) == (vocab.WRONG_PLAN, "idle")
    assert wrist.log.next == 1


def test_the_same_command_again_is_answered_again_and_done_once() -> None:
    wrist, host = playing()
    before = wrist.player.duration_ms

    for _ in range(3):
        assert command(host, vocab.EXTEND, 50, arg=5_000) == (vocab.OK, "running")
    assert wrist.player.duration_ms == before + 5_000
    assert command(host, vocab.EXTEND, 51, arg=5_000) == (vocab.OK, "running")
    assert wrist.player.duration_ms == before + 10_000


def test_a_refusal_is_remembered_too_and_the_state_is_that_of_now() -> None:
    _, host = playing()

    assert command(host, vocab.RESUME, 60) == (vocab.NOT_PAUSED, "running")
    assert command(host, vocab.PAUSE, 61) == (vocab.OK, "paused")
    assert command(host, vocab.RESUME, 60) == (vocab.NOT_PAUSED, "paused")


def test_the_last_sixteen_commands_are_remembered() -> None:
    wrist, host = playing()
    for number in range(16):
        command(host, vocab.EXTEND, 100 + number, arg=1)
    assert wrist.player.duration_ms == 30_016

    for number in range(16):
        command(host, vocab.EXTEND, 100 + number, arg=1)

    assert wrist.player.duration_ms == 30_016


def test_two_hosts_share_one_memory_of_commands() -> None:
    wrist, first = playing()
    second = Host(wrist)

    assert command(first, vocab.PAUSE, 7) == (vocab.OK, "paused")
    assert command(second, vocab.RESUME, 8) == (vocab.OK, "running")
    assert command(second, vocab.PAUSE, 7) == (vocab.OK, "running")


@pytest.mark.parametrize("what", [8, 10, 13, 20, 255])
def test_a_command_that_does_not_exist_is_refused(what: int) -> None:
    wrist, host = playing()
    before = log_bytes(wrist.log)

    assert command(host, what, 5) == (vocab.UNKNOWN_REQUEST, "running")
    assert log_bytes(wrist.log) == before


def test_stop_from_a_host_is_at_once() -> None:
    wrist, host = linked()
    command(host, vocab.START, 1)
    wrist.run(50)
    assert wrist.motor.running

    assert command(host, vocab.STOP, 2) == (vocab.OK, "idle")

    assert wrist.motor.edges[-1] == (BOOT_MS + 50, OFF)
    assert wrist.band.due_ms is None


@pytest.mark.parametrize("now_ms", [BOOT_MS, (1 << 32) - 3_000, (1 << 32) + 5, (5 << 32) - 1])
def test_a_start_at_a_time_of_32_bits(now_ms: int) -> None:
    wrist = Wrist(DATA, now_ms=now_ms)
    host = Host(wrist)
    at_ms = now_ms + 5_000

    assert command(host, vocab.START_AT, 1, arg=at_ms & 0xFFFFFFFF) == (vocab.OK, "armed")
    wrist.run(5_000)
    assert wrist.motor.cues() == [(at_ms, vocab.GET_READY)]

    command(host, vocab.STOP, 2)
    past = (wrist.now_ms - 1) & 0xFFFFFFFF
    assert command(host, vocab.START_AT, 3, arg=past) == (vocab.TOO_LATE, "idle")


# --- what is not understood


def answers(peer: HostConnection, wrist: Wrist) -> list[tuple[int, int, tuple[int, ...], bytes]]:
    found = []
    while packet := peer.pull(wire.MAX_FRAME + 1, wrist.now_ms):
        found += [wire.decode(frame) for frame in wire.split(packet)]
    return found


@pytest.mark.parametrize(
    "frame, tag, status, op",
    [
        (b"", 0, vocab.UNKNOWN_REQUEST, 0),
        (b"\x01", 0, vocab.BAD_FRAME, 1),
        (b"\x77\x05", 5, vocab.UNKNOWN_REQUEST, 0x77),
        (b"\x01\x05\x00", 5, vocab.BAD_FRAME, 1),
        (b"\x20\x09\x00", 9, vocab.BAD_FRAME, 0x20),
        (bytes((wire.UPLOAD_CHUNK, 9)) + bytes(300), 9, vocab.BAD_FRAME, wire.UPLOAD_CHUNK),
        (wire.encode(wire.STATE | wire.ANSWER, 3, *([0] * 4), bytes(8), *([0] * 6)), 3, 12, 0x82),
        (wire.encode(wire.LOG, 3, 0), 3, vocab.UNKNOWN_REQUEST, wire.LOG),
        (wire.encode(wire.NOT_UNDERSTOOD, 3, 0, 0), 3, vocab.UNKNOWN_REQUEST, 0xFF),
    ],
)
def test_a_frame_that_is_no_request_is_answered_as_such(
    frame: bytes, tag: int, status: int, op: int
) -> None:
    wrist, host = playing()

    host.peer.receive(frame, wrist.now_ms)

    assert answers(host.peer, wrist) == [(wire.NOT_UNDERSTOOD, tag, (status, op), b"")]


def test_answers_nobody_fetches_are_bounded_and_the_oldest_go() -> None:
    wrist, host = linked()
    for tag in range(ANSWERS_MAX + 3):
        host.peer.receive(wire.encode(wire.CLOCK, tag, tag), wrist.now_ms)

    tags = [frame[1] for frame in answers(host.peer, wrist)]

    assert tags == list(range(3, ANSWERS_MAX + 3))
    assert host.peer.dropped == 3


def test_an_answer_waits_for_room() -> None:
    wrist, host = linked()
    host.peer.receive(wire.encode(wire.CLOCK, 1, 5), wrist.now_ms)

    for room in range(12):
        assert host.peer.pull(room, wrist.now_ms) == b""
    assert host.peer.has_more
    assert len(host.peer.pull(12, wrist.now_ms)) == 12
    assert not host.peer.has_more


def no_valid_command(frame: bytes) -> bool:
    """Whether a frame cannot be meant to change the session: the plan's id is not guessed.

    A beat of a heart is always meant.
    """
    if frame[:1] == bytes((wire.HEART,)):
        return False
    return not (frame[:1] == bytes((wire.COMMAND,)) and PLAN_ID in frame)


@st.composite
def near_frames(draw: st.DrawFn) -> bytes:
    """Frames as a broken or a hostile host would make them: well begun, then anything."""
    op = draw(st.sampled_from(sorted(wire.FRAMES)))
    size = 1 + sum(size for _, size in wire.FRAMES[op][1])
    slack = draw(st.sampled_from((0, 0, 0, -1, 1, 30)))
    body = draw(st.binary(min_size=max(0, size + slack), max_size=max(0, size + slack)))
    return bytes((op,)) + body


@given(st.lists(st.one_of(st.binary(max_size=260), near_frames()), max_size=12))
def test_hostile_frames_never_raise_and_never_touch_a_session(frames: list[bytes]) -> None:
    attacked, host = playing()
    left_alone, _ = playing()
    rng = random.Random(len(frames))

    for frame in filter(no_valid_command, frames):
        host.peer.receive(frame, attacked.now_ms)
        packet = host.peer.pull(rng.randrange(250), attacked.now_ms)
        assert all(wire.decode(part) for part in wire.split(packet))

    for w in (attacked, left_alone):
        w.run(100_000)
    assert log_bytes(attacked.log) == log_bytes(left_alone.log)
    assert attacked.motor.edges == left_alone.motor.edges
    assert attacked.player.due_ms == left_alone.player.due_ms
    assert bytes(plan_of(attacked).data) == DATA


@given(st.lists(near_frames(), max_size=20))
def test_hostile_frames_never_take_an_idle_band_out_of_idle(frames: list[bytes]) -> None:
    wrist, host = linked()

    for frame in filter(no_valid_command, frames):
        host.peer.receive(frame, wrist.now_ms)

    assert wrist.player.state == IDLE
    assert wrist.motor.edges == []
    assert wrist.log.next == 1
    # Another host, whose tags cannot meet an answer that was meant for these frames.
    assert Host(wrist).upload(OTHER) == vocab.OK


# --- the log's stream


class Follower:
    """A host that keeps records by their number and acknowledges what it has in a row."""

    def __init__(self, wrist: Wrist, start: int = 0) -> None:
        self.host = Host(wrist)
        self.records: dict[int, bytes] = {}
        self.frames: list[tuple[int, int]] = []
        self.next = start
        self.answer, _ = self.host.ask(wire.LOG_READ, start)

    def fetch(self, loss: random.Random | None = None, *, ack: bool = True) -> int:
        """Pull all there is now, losing frames and acks at random; gives how many came."""
        came = 0
        while (frame := self.host.pull()) is not None:
            op, _, (seq, *_), tail = frame
            assert op == wire.LOG
            came += 1
            self.frames.append((seq, len(tail) // RECORD_BYTES))
            if loss is not None and loss.random() < 0.3:
                continue
            for index in range(len(tail) // RECORD_BYTES):
                record = tail[index * RECORD_BYTES : (index + 1) * RECORD_BYTES]
                assert self.records.setdefault(seq + index, record) == record
            while self.next in self.records:
                self.next += 1
            if ack and not (loss is not None and loss.random() < 0.3):
                self.host.send(wire.LOG_ACK, self.next)
        return came

    def held(self) -> bytes:
        return b"".join(self.records[seq] for seq in sorted(self.records))


def write(wrist: Wrist, count: int) -> None:
    for _ in range(count):
        wrist.log.append(wrist.now_ms, vocab.HEART, 0, wrist.log.next & 0xFFFF)


def test_the_log_streams_as_it_grows() -> None:
    wrist, _ = linked()
    follower = Follower(wrist)
    assert follower.answer == (vocab.OK, 0, 1)
    for _ in range(50):
        wrist.run(1_000)
        if wrist.now_ms == BOOT_MS + 5_000:
            wrist.press()
        follower.fetch()
        assert follower.next == wrist.log.next

    assert follower.held() == log_bytes(wrist.log)
    assert follower.host.pull() is None


def test_the_log_can_be_read_from_any_number() -> None:
    wrist, _ = linked()
    write(wrist, 30)
    for start in range(32):
        follower = Follower(wrist, start)
        follower.fetch()
        assert sorted(follower.records) == list(range(start, 31))
    follower.answer, _ = follower.host.ask(wire.LOG_READ, 32)
    assert follower.answer == (vocab.OUT_OF_RANGE, 0, 31)


def test_nothing_streams_before_it_is_asked_for() -> None:
    wrist, host = linked()
    write(wrist, 10)

    assert host.pull() is None
    assert not host.peer.has_more
    host.send(wire.LOG_ACK, 5)
    assert host.pull() is None


def test_records_without_an_ack_are_bounded_and_come_again() -> None:
    wrist, _ = linked()
    write(wrist, 200)
    follower = Follower(wrist)

    came = follower.fetch(ack=False)
    assert sum(count for _, count in follower.frames) == wire.LOG_AHEAD_MAX
    assert not follower.host.peer.has_more
    assert follower.host.peer.due_ms == wrist.now_ms + wire.LOG_RESEND_MS
    wrist.run(wire.LOG_RESEND_MS - 1)
    assert follower.fetch(ack=False) == 0
    wrist.run(1)
    assert follower.fetch(ack=False) == came

    assert follower.frames[:came] == follower.frames[came:]


def test_acks_open_the_window_by_what_they_say() -> None:
    wrist, _ = linked()
    write(wrist, 200)
    follower = Follower(wrist)
    follower.fetch(ack=False)
    (_, first), (_, second), *_ = follower.frames

    for acked in (first, first + second):
        follower.host.send(wire.LOG_ACK, acked)
        assert follower.host.peer.has_more
        follower.fetch(ack=False)
        assert sum(follower.frames[-1]) == acked + wire.LOG_AHEAD_MAX
    follower.host.send(wire.LOG_ACK, first + second)
    follower.host.send(wire.LOG_ACK, 0)
    follower.host.send(wire.LOG_ACK, 100_000)
    assert follower.fetch(ack=False) == 0
    assert follower.host.peer.due_ms == wrist.now_ms + wire.LOG_RESEND_MS
    wrist.run(wire.LOG_RESEND_MS)
    follower.fetch()
    assert follower.next == wrist.log.next
    assert follower.host.peer.due_ms is None


def test_who_asks_from_a_number_on_has_what_is_before_it() -> None:
    """Its last acknowledgement was lost with the link; a band with something unread stays awake."""
    wrist, _ = linked()
    wrist.press()
    wrist.run_out()

    Follower(wrist, wrist.log.next - 1)
    assert wrist.band.has_unread
    Follower(wrist, wrist.log.next)
    assert not wrist.band.has_unread


def test_who_asks_for_what_it_has_had_gets_what_follows() -> None:
    """The answer to its question was lost, so it asked once more while the records came."""
    wrist, _ = linked()
    write(wrist, 200)
    follower = Follower(wrist)
    follower.fetch()
    follower.host.ask(wire.LOG_READ, 0)

    write(wrist, 5)
    for _ in range(2):
        follower.fetch()
        wrist.run(wire.LOG_RESEND_MS)

    assert follower.next == wrist.log.next
    assert follower.host.peer.due_ms is None


def test_one_ack_may_stand_for_several_frames() -> None:
    wrist, _ = linked()
    follower = Follower(wrist)
    for _ in range(10):
        write(wrist, 50)
        assert follower.fetch(ack=False) > 1
        assert follower.next == wrist.log.next
        follower.host.send(wire.LOG_ACK, follower.next)
        assert follower.host.peer.due_ms is None


@pytest.mark.parametrize("room", [*range(40), 60, 100, 244])
def test_a_frame_keeps_to_the_room_there_is(room: int) -> None:
    wrist, _ = linked()
    write(wrist, 40)
    follower = Follower(wrist)

    packet = follower.host.peer.pull(room, wrist.now_ms)

    least = 1 + 6 + RECORD_BYTES
    assert len(packet) <= room
    assert bool(packet) == (room >= least)


def test_a_frame_keeps_to_what_the_link_carries() -> None:
    wrist, _ = linked()
    write(wrist, 40)
    follower = Follower(wrist)
    follower.host.peer.frame_bytes = wire.MIN_FRAME
    follower.fetch()

    assert follower.next == wrist.log.next
    assert {count for _, count in follower.frames} <= {1, 2, 3}


def test_an_answer_goes_before_the_log() -> None:
    wrist, _ = linked()
    write(wrist, 40)
    follower = Follower(wrist)
    follower.host.send(wire.STATE)

    frame = follower.host.pull()

    assert frame is not None
    assert frame[0] == wire.STATE | wire.ANSWER


@pytest.mark.parametrize("seed", range(20))
def test_lost_frames_and_lost_acks_leave_no_hole(seed: int) -> None:
    wrist, _ = linked()
    loss = random.Random(seed)
    follower = Follower(wrist)
    for _ in range(60):
        write(wrist, loss.randrange(12))
        wrist.run(loss.randrange(1_500))
        follower.fetch(loss)
    for _ in range(40):
        wrist.run(wire.LOG_RESEND_MS)
        follower.fetch()

    assert follower.held() == log_bytes(wrist.log)


def small(records: int = 16) -> Wrist:
    wrist = Wrist(DATA, log_records=records)
    write(wrist, 2)
    return wrist


def test_a_log_that_was_overwritten_says_so() -> None:
    wrist = small()
    write(wrist, 40)

    follower = Follower(wrist)

    assert follower.answer == (vocab.LOG_OVERRUN, wrist.log.first, wrist.log.next)
    follower.fetch()
    assert sorted(follower.records) == list(range(wrist.log.first, wrist.log.next))


def test_records_overwritten_while_streaming_show_as_a_gap_and_the_rest_comes() -> None:
    wrist = small()
    follower = Follower(wrist)
    follower.fetch(ack=False)
    assert follower.next == 3
    write(wrist, 30)
    wrist.run(wire.LOG_RESEND_MS)

    frame = follower.host.pull()

    assert frame is not None
    assert frame[2] == (wrist.log.first,)
    assert unpack_record(frame[3])[3] == wrist.log.first
    follower.next = wrist.log.first
    for _ in range(4):
        wrist.run(wire.LOG_RESEND_MS)
        follower.fetch()
    assert follower.next == wrist.log.next
    assert follower.host.peer.due_ms is None


@pytest.mark.parametrize("seed", range(20))
def test_an_overrun_never_sends_a_record_under_a_wrong_number(seed: int) -> None:
    rng = random.Random(seed)
    wrist = small(8)
    follower = Follower(wrist)
    for _ in range(100):
        write(wrist, rng.randrange(14))
        wrist.run(rng.randrange(2_500))
        follower.fetch(rng)
        follower.next = max(follower.next, wrist.log.first)
    for _ in range(5):
        wrist.run(wire.LOG_RESEND_MS)
        follower.fetch()

    for seq, record in follower.records.items():
        if seq > 2:
            assert unpack_record(record)[3] == seq & 0xFFFF
    assert set(range(wrist.log.first, wrist.log.next)) <= set(follower.records)


def test_two_hosts_follow_at_their_own_pace() -> None:
    wrist, _ = linked()
    quick, slow = Follower(wrist), Follower(wrist, 1)
    wrist.press()
    for _ in range(30):
        wrist.run(3_000)
        quick.fetch()
    wrist.press(vocab.LONG_PRESS)
    quick.fetch()
    assert slow.fetch() > 0

    assert quick.held() == log_bytes(wrist.log)
    assert slow.held() == log_bytes(wrist.log)[RECORD_BYTES:]


# --- button, beats and alerts


def click(wrist: Wrist, hold_ms: int = 100) -> None:
    wrist.band.edge(pressed=True, at_ms=wrist.now_ms, now_ms=wrist.now_ms)
    wrist.run(hold_ms)
    wrist.band.edge(pressed=False, at_ms=wrist.now_ms, now_ms=wrist.now_ms)


def test_the_button_plays_the_session() -> None:
    wrist, _ = linked()
    click(wrist)
    wrist.run(1_000)
    assert STATES[wrist.player.state] == "running"
    click(wrist)
    click(wrist)
    assert wrist.player.number == HOLD
    click(wrist)
    wrist.run(1_000)
    assert STATES[wrist.player.state] == "paused"
    click(wrist)
    click(wrist)
    assert (wrist.player.number, STATES[wrist.player.state]) == (SWITCH, "running")

    pressed_ms = wrist.now_ms
    wrist.band.edge(pressed=True, at_ms=pressed_ms, now_ms=pressed_ms)
    wrist.run(799)
    assert STATES[wrist.player.state] == "running"
    wrist.run(1)

    assert STATES[wrist.player.state] == "idle"
    assert not wrist.motor.running


def test_the_band_switches_the_motor_off_when_it_starts() -> None:
    motor = Motor()
    motor.on(80, 1_000)

    Band(motor, 1, "bench", motor.now_ms)

    assert not motor.running


def test_a_beat_reaches_the_session() -> None:
    wrist, _ = playing()
    wrist.band.beat(77, (1_000,), wrist.now_ms)
    wrist.band.beat(0, (), wrist.now_ms)
    wrist.band.beat(256, (), wrist.now_ms)

    assert [r[3] for r in wrist.records() if r[1] == vocab.HEART] == [77]


def test_an_alert_is_felt_again_and_again_but_not_for_ever() -> None:
    wrist, _ = linked()
    wrist.band.alert(2, wrist.now_ms)
    wrist.run_out()

    begun = [ms for ms, pct in wrist.motor.edges if pct]
    gaps = [b - a for a, b in pairwise(begun) if b - a > 1_000]
    assert gaps
    assert gaps == sorted(gaps)
    assert max(gaps) <= GAP_MS_MAX
    assert wrist.log.next == 1


@pytest.mark.parametrize("how", ["level 0", "press", "long press"])
def test_an_alert_ends_when_it_is_answered(how: str) -> None:
    wrist, _ = linked()
    wrist.band.alert(2, wrist.now_ms)
    wrist.run(2_050)
    assert wrist.motor.running
    if how == "level 0":
        wrist.band.alert(0, wrist.now_ms)
    else:
        click(wrist, 1_000 if how == "long press" else 50)
        wrist.run(1_000)
    edges = len(wrist.motor.edges)
    wrist.run_out()

    assert len(wrist.motor.edges) == edges
    assert STATES[wrist.player.state] == "idle"


def test_a_mild_alert_is_felt_once_and_other_levels_not() -> None:
    wrist, _ = linked()
    wrist.band.alert(1, wrist.now_ms)
    wrist.run_out()
    assert len(wrist.motor.pulses) == 1
    wrist.band.alert(3, wrist.now_ms)
    wrist.run_out()
    assert len(wrist.motor.pulses) == 1


def test_no_alert_takes_the_place_of_a_cue() -> None:
    alerted, _ = linked()
    quiet, _ = linked()
    alerted.band.alert(2, alerted.now_ms)
    alerted.band.alert(2, alerted.now_ms)
    for w in (alerted, quiet):
        w.run(1_990)
        w.do(vocab.START)
    begun = len(alerted.motor.pulses)
    for n in range(60):
        for w in (alerted, quiet):
            w.run(501)
        alerted.band.alert(n % 3, alerted.now_ms)

    assert alerted.motor.pulses[begun:] == quiet.motor.pulses
    assert log_bytes(alerted.log) == log_bytes(quiet.log)


def test_a_long_press_ends_alert_and_session_alike() -> None:
    wrist, _ = playing()
    wrist.do(vocab.PAUSE)
    wrist.run(1_000)
    wrist.band.alert(2, wrist.now_ms)
    click(wrist)
    wrist.run(500)
    assert STATES[wrist.player.state] == "paused"
    wrist.band.alert(2, wrist.now_ms)

    click(wrist, 900)

    assert STATES[wrist.player.state] == "idle"
    assert wrist.band.due_ms is None
