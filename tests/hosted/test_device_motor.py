# SPDX-License-Identifier: MIT
"""What the hosted player makes of devices of every kind: slow, mute, dead, with whole patterns."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError, LinkReason, RefusedError
from tenuto.routines.feel import Feel
from tenuto.routines.library import Library
from tenuto.sessions.commands import Verb
from tenuto.state.player_store import PlayerStore
from tenuto.wearables.buzzer import CueText, DeviceInfo, StepDisplay
from tenuto.wearables.device_motor import DEAD_WITHIN_S, TAKEN_WITHIN_S
from tenuto.wearables.hosted import HostedDriver
from tenuto.wearables.latency import LEAD_MS_MAX, Latency
from tenuto_core import vocab
from tests.daemon.rig import utc_ms
from tests.hosted.rig import ROUTINE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from tenuto.routines.haptics import Pattern
    from tenuto.sessions.events import Record
    from tenuto.sessions.heart import Measurement
    from tenuto.wearables.buzzer import Answer

PLAIN = Feel(title="device", strengths=1, pulse_ms_min=100, gap_ms=150)
WHOLE = replace(PLAIN, whole_pattern=True, ends_by_itself=True)


class Device:
    """A device on the desk: notes what it is told, and when.

    Attributes:
        takes: What becomes of a buzz: returns whether it is taken, after however long.
    """

    rssi_dbm = None

    def __init__(self, feel: Feel = PLAIN, *, confirms: bool = True) -> None:
        self.name = "device"
        self.feel = feel
        self.confirms = confirms
        self.told: list[tuple[float, str | Pattern]] = []
        self.connections = 0
        self.said = ""
        self.lose: Callable[[], None] = lambda: None
        self.takes: Callable[[], object] = lambda: True

    def _note(self, what: str | Pattern) -> None:
        self.told.append((asyncio.get_running_loop().time(), what))

    @property
    def patterns(self) -> list[Pattern]:
        return [what for _, what in self.told if not isinstance(what, str)]

    async def connect(
        self,
        on_lost: Callable[[], None],
        on_answer: Callable[[Answer], None],  # noqa: ARG002
        on_heart: Callable[[Measurement], None],  # noqa: ARG002
    ) -> DeviceInfo:
        self.connections += 1
        self.lose = on_lost
        return DeviceInfo(name=self.name, confirms=self.confirms)

    async def buzz(self, pattern: Pattern, text: CueText) -> bool:
        self.said = text.title
        self._note(pattern)
        taken = self.takes()
        if isinstance(taken, float):
            await asyncio.sleep(taken)
        return bool(taken)

    async def stop(self) -> None:
        self._note("stop")

    async def show(self, shown: StepDisplay) -> None:
        pass

    async def disconnect(self) -> None:
        pass


class Played:
    """A driver with what its log has said."""

    def __init__(self, device: Device, store: PlayerStore | None = None) -> None:
        self.device = device
        self.driver = HostedDriver(device, store, utc_ms=utc_ms)
        self.records: list[Record] = []
        self.lost = 0
        self.plan = Library().compile(ROUTINE, feel=device.feel)

    def _take(self, records: Sequence[Record]) -> bool:
        self.records += records
        return True

    def _lose(self) -> None:
        self.lost += 1

    async def start(self) -> None:
        await self.driver.connect(self._lose)
        await self.driver.follow(0, self._take, lambda _first, _end: None)
        await self.driver.upload(self.plan.plan_id, self.plan.data)
        await self.driver.command(Verb.START, self.plan.plan_id)

    def of(self, kind: int) -> list[Record]:
        return [record for record in self.records if record.kind == kind]

    @property
    def unfelt(self) -> set[int]:
        return {record.b for record in self.of(vocab.UNFELT)}


@asynccontextmanager
async def playing(
    device: Device, for_s: float, store: PlayerStore | None = None
) -> AsyncIterator[Played]:
    played = Played(device, store)
    await played.start()
    await asyncio.sleep(for_s)
    yield played
    await played.driver.close()


async def test_each_pulse_is_sent_when_it_is_due_and_ended() -> None:
    device = Device()
    async with playing(device, 16) as played:
        cues = played.of(vocab.CUE)
        patterns = [played.plan.plan.patterns[record.a] for record in cues]
        pulses = [pulse for pattern in patterns for pulse in pattern]
        told = device.told
        assert [p[0][:2] for p in device.patterns] == [pulse[:2] for pulse in pulses]
        assert [what for _, what in told][1::2] == ["stop"] * len(pulses)
        ends = [at_s for at_s, _ in told[1::2]]
        for (at_s, _), end_s, pulse in zip(told[::2], ends, pulses, strict=True):
            assert end_s - at_s == pytest.approx(pulse[1] / 1000, abs=0.01)


async def test_a_whole_pattern_is_one_message() -> None:
    device = Device(WHOLE)
    async with playing(device, 16) as played:
        patterns = [played.plan.plan.patterns[record.a] for record in played.of(vocab.CUE)]
        assert device.patterns == [pattern for pattern in patterns if pattern]
        assert all(not isinstance(what, str) for _, what in device.told), "it ends by itself"


@pytest.mark.parametrize("after_s", [0.05, 0.2, 0.42])
async def test_a_whole_pattern_is_stopped_in_a_pulse_and_between_two(after_s: float) -> None:
    device = Device(WHOLE)
    async with playing(device, 0) as played:
        while not device.told:  # noqa: ASYNC110 - of what has no event
            await asyncio.sleep(0.01)
        await asyncio.sleep(after_s)  # get_ready: 150 on, 150 off, 500 on
        await played.driver.command(Verb.STOP, played.plan.plan_id)
        await asyncio.sleep(0.1)
        assert [what for _, what in device.told][1:] == ["stop"]


async def test_a_stop_after_a_pattern_is_over_says_nothing_more() -> None:
    device = Device(WHOLE)
    async with playing(device, 1.5) as played:
        await played.driver.command(Verb.STOP, played.plan.plan_id)
        await asyncio.sleep(0.1)
        assert len(device.told) == 1


async def test_a_device_that_does_not_take_a_cue_has_not_felt_it() -> None:
    device = Device()
    answers = iter([True] * 3 + [False] + [True] * 1000)
    device.takes = lambda: next(answers)
    async with playing(device, 16) as played:
        cues = played.of(vocab.CUE)
        assert len(played.unfelt) == 1
        assert played.unfelt <= {record.seq for record in cues}
        assert played.lost == 0


async def test_a_device_that_is_slow_to_confirm_delays_no_end_of_a_pulse() -> None:
    device = Device()
    device.takes = lambda: 0.8
    async with playing(device, 16) as played:
        assert played.unfelt == set()
        gaps = [b - a for (a, _), (b, what) in zip(device.told, device.told[1:], strict=False)
                if what == "stop"]  # fmt: skip
        assert max(gaps) <= 0.51


async def test_a_device_that_never_answers_is_dead_and_the_session_is_paused() -> None:
    device = Device()
    device.takes = lambda: 100.0
    async with playing(device, 30) as played:
        assert played.lost == 1
        assert (await played.driver.status()).state == "paused"
        felt = {record.seq for record in played.of(vocab.CUE)} - played.unfelt
        assert felt == set()


@pytest.mark.parametrize("answer_s", [0.8, 100.0])
@pytest.mark.parametrize("how", ["stopped", "finished", "let go of", "started again"])
async def test_a_cue_whose_answer_is_open_at_the_end_is_told_before_it(
    how: str, answer_s: float
) -> None:
    device = Device()
    async with playing(device, 1.5) as played:
        plan = played.plan.plan
        of_all = sum(len(plan.step(number).cues) for number in range(plan.steps))
        is_whole = how == "finished"
        last = of_all if is_whole else len(played.of(vocab.CUE)) + 1
        last_said = "Finished" if is_whole else device.said
        device.takes = lambda: True if is_whole and device.said != last_said else answer_s
        while len(played.of(vocab.CUE)) < last:  # noqa: ASYNC110 - of what has no event
            await asyncio.sleep(0.1)
        if how == "let go of":
            await played.driver.disconnect()
        if how != "finished":
            await played.driver.command(Verb.STOP, played.plan.plan_id)
        if how == "started again":
            await played.driver.command(Verb.START, played.plan.plan_id)
        await asyncio.sleep(4)  # with all its pulses
        is_felt = answer_s < TAKEN_WITHIN_S and how in ("stopped", "finished")
        assert (played.of(vocab.CUE)[last - 1].seq in played.unfelt) is not is_felt
        (ended,) = played.of(vocab.SESSION_ENDED)
        of_it = [record.seq for record in played.of(vocab.UNFELT) if record.b < ended.seq]
        assert all(seq < ended.seq for seq in of_it)
        times_ms = [record.at_ms for record in played.records]
        assert times_ms == sorted(times_ms)


@pytest.mark.parametrize("lost_after_s", [2.0, DEAD_WITHIN_S + 1])
async def test_what_a_mute_device_got_just_before_the_end_is_told_before_it(
    lost_after_s: float,
) -> None:
    """Its link may have been dead when it was stopped, and be found to be only then."""
    device = Device(confirms=False)
    async with playing(device, 1.5) as played:
        (cue,) = played.of(vocab.CUE)
        await played.driver.command(Verb.STOP, played.plan.plan_id)
        await asyncio.sleep(lost_after_s)
        device.lose()
        await asyncio.sleep(1)
        assert (cue.seq in played.unfelt) is (lost_after_s < DEAD_WITHIN_S)
        assert played.records[-1].kind == vocab.SESSION_ENDED


async def test_a_last_cue_that_is_taken_in_part_is_not_felt() -> None:
    device = Device()
    async with playing(device, 0) as played:
        plan = played.plan.plan
        finished = plan.patterns[vocab.FINISHED]
        assert len(finished) > 1
        pulses = itertools.count(1)
        device.takes = lambda: device.said != "Finished" or next(pulses) < len(finished)
        while not played.of(vocab.SESSION_ENDED):  # noqa: ASYNC110 - of what has no event
            await asyncio.sleep(1)
        assert [record.a for record in played.of(vocab.UNFELT)] == [vocab.FINISHED]


async def test_whatever_a_model_raises_is_a_cue_that_was_not_felt() -> None:
    device = Device()

    def fail() -> bool:
        raise ZeroDivisionError

    device.takes = fail
    async with playing(device, 2) as played:
        assert played.unfelt == {record.seq for record in played.of(vocab.CUE)}


async def test_what_a_mute_device_got_just_before_its_loss_is_not_told_as_felt() -> None:
    """Nobody knows when its link died; what is older than that can take is felt."""
    device = Device(confirms=False)
    async with playing(device, 18.5) as played:
        before = played.of(vocab.CUE)
        assert played.unfelt == set()
        lost_ms = (await played.driver.clock())[0]
        device.lose()
        await asyncio.sleep(1)
        late = {r.seq for r in before if lost_ms - r.at_ms <= 1000 * DEAD_WITHIN_S}
        assert late
        assert late < {record.seq for record in before}
        assert late <= played.unfelt
        assert not (played.unfelt - late) & {record.seq for record in before}


async def test_nothing_that_is_felt_begins_while_it_is_away() -> None:
    device = Device()
    async with playing(device, 5) as played:
        device.lose()
        await asyncio.sleep(1)
        sent = len(device.told)
        for verb in (Verb.RESUME, Verb.SKIP, Verb.BACK, Verb.EXTEND):
            with pytest.raises(LinkError) as refused:
                await played.driver.command(verb, played.plan.plan_id)
            assert refused.value.reason is LinkReason.LOST
        with pytest.raises(RefusedError):  # it is obeyed, and paused already
            await played.driver.command(Verb.PAUSE, played.plan.plan_id)
        await played.driver.command(Verb.STOP, played.plan.plan_id)
        assert (await played.driver.status()).state == "idle"
        assert len(device.told) == sent


async def test_a_start_that_is_set_for_later_does_not_come_while_it_is_away() -> None:
    device = Device()
    async with playing(device, 1) as played:
        await played.driver.command(Verb.STOP, played.plan.plan_id)
        player = played.driver._player
        assert player is not None
        now_ms = player._host.now_ms
        status = player._player.receive(vocab.START_AT, now_ms + 5_000, vocab.BY_HOST, now_ms)
        assert status == vocab.OK
        player._host.poke()
        device.lose()
        await asyncio.sleep(10)
        assert (await played.driver.status()).state == "idle"
        assert len(played.of(vocab.SESSION_STARTED)) == 1


async def test_a_feel_that_cannot_be_is_refused() -> None:
    for wrong in (
        {"strengths": 0},
        {"lead_ms": 300},
        {"pulse_ms_min": 5},
        {"pulse_ms_min": 200, "pulse_ms_max": 100},
        {"whole_pattern": True},
    ):
        with pytest.raises(ValueError):
            replace(PLAIN, **wrong)


async def test_a_device_is_led_by_how_long_it_takes_to_answer(tmp_path: Path) -> None:
    device = Device()
    device.takes = lambda: 0.12
    store = PlayerStore(tmp_path)
    async with playing(device, 30, store) as played:
        assert {record.c for record in played.of(vocab.CUE)} == {0}, "nothing is known of it yet"
        await played.driver.command(Verb.STOP, played.plan.plan_id)
        await asyncio.sleep(60)
        await played.driver.command(Verb.START, played.plan.plan_id)
        await asyncio.sleep(10)
        assert played.of(vocab.CUE)[-1].c == 60, "the way there is half of both ways"
        await played.driver.command(Verb.STOP, played.plan.plan_id)
    async with playing(device, 5, store) as played:
        assert played.of(vocab.CUE)[-1].c == 60, "it is remembered"
        await played.driver.command(Verb.STOP, played.plan.plan_id)
    device.feel = replace(PLAIN, lead_ms=20, is_lead_fixed=True)
    async with playing(device, 5, store) as played:
        assert played.of(vocab.CUE)[-1].c == 20, "what is configured counts"


def test_a_slow_answer_changes_the_lead_of_a_device_little() -> None:
    latency = Latency(25)
    for answer_ms in [80.0] * 4 + [900.0] * 3:
        latency.add(answer_ms)
    assert latency.lead_ms == 25, "seven answers say too little"
    for answer_ms in [80.0] * 20 + [5_000.0]:
        latency.add(answer_ms)
    assert latency.lead_ms == 40
    assert Latency(25, answers_ms=Latency.unpack(latency.pack())).lead_ms == 40
    for _ in range(100):
        latency.add(900.0)
    assert latency.lead_ms == LEAD_MS_MAX


@pytest.mark.parametrize("data", [b"", b"{", b"[1, null]", b"7", b"[" * 100_000, b"[-5, 1e9]"])
def test_a_lead_that_cannot_be_read_is_measured_anew(data: bytes) -> None:
    assert Latency.unpack(data) == []
