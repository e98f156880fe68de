# SPDX-License-Identifier: MIT
"""What a supervisor may expect of the driver of any model, see `tenuto.wearables.base.Driver`.

Each model of the registry is tested, on each of its rigs; see `rigs`. What a model cannot do, its
capabilities say, and the suite holds them to it in both directions.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError, LinkReason, RefusedError
from tenuto.routines.adjust import Adjustment
from tenuto.routines.library import Library
from tenuto.sessions.commands import Verb
from tenuto.wearables import registry
from tenuto.wearables.model import Capability
from tenuto_core import vocab
from tests.contracts import throwaway_model
from tests.contracts.rigs import ROUTINE, Rig, rigs_of
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tenuto.sessions.events import Record

MODELS = {**registry.models(), throwaway_model.MODEL.id: throwaway_model.MODEL}
_RIGS = [(model_id, name) for model_id, model in MODELS.items() for name in rigs_of(model)]
OTHER = Library().plan("lower-back")
LASTS_S = Library().compile(ROUTINE).plan.duration_ms / 1000


@pytest.fixture(
    params=[
        pytest.param(
            (model_id, name),
            id=f"{model_id} {name}",
            marks=[] if "process" in name else pytest.mark.slow,
        )
        for model_id, name in _RIGS
    ]
)
async def rig(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Rig]:
    model_id, name = request.param
    model = MODELS[model_id]
    if model_id not in registry.models():
        monkeypatch.setattr(registry, "plug_ins", lambda: ({model_id: model}, ()))
    async with rigs_of(model)[name](model) as made:
        yield made


class Follower:
    """Takes the log of a wearable as a supervisor does, over as many links as it takes."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.gaps: list[tuple[int, int]] = []
        self.refusals = 0
        self.next = 0

    def take(self, records: Sequence[Record]) -> bool:
        if self.refusals:
            self.refusals -= 1
            return False
        self.records += records
        self.next = records[-1].seq + 1
        return True

    def miss(self, first: int, end: int) -> None:
        self.gaps.append((first, end))
        self.next = end

    async def follow(self, rig: Rig) -> None:
        await rig.driver.follow(self.next, self.take, self.miss)

    def of(self, kind: int) -> list[Record]:
        return [record for record in self.records if record.kind == kind]


async def ready(rig: Rig) -> None:
    """Connected, with the plan in its hands."""
    await rig.connect()
    await rig.driver.upload(rig.compiled.plan_id, rig.compiled.data)


async def start(rig: Rig) -> None:
    await ready(rig)
    await rig.driver.command(Verb.START, rig.compiled.plan_id)


async def back(rig: Rig) -> None:
    """Connect again, as often as it takes."""
    async with asyncio.timeout(120):
        while True:
            try:
                return await rig.connect()
            except LinkError:
                await asyncio.sleep(1)


async def go_on(rig: Rig) -> None:
    """Resume where the session was paused because the device was gone."""
    if rig.driver.hosts_player and (await rig.driver.status()).state == "paused":
        await rig.driver.command(Verb.RESUME, rig.compiled.plan_id)


def test_every_model_that_buzzes_has_a_rig() -> None:
    assert {model_id for model_id, _ in _RIGS} == {
        model.id for model in MODELS.values() if model.buzzes
    }


# --- the link


async def test_it_says_who_it_is_and_is_the_same_again(rig: Rig) -> None:
    await rig.connect()
    await rig.driver.disconnect()
    first = await rig.driver.connect(lambda: None)
    await rig.driver.disconnect()
    again = await rig.driver.connect(lambda: None)
    assert first.name
    assert first.boot_id == again.boot_id
    assert first.plan_bytes_max >= len(rig.compiled.data)
    assert (await rig.driver.status()).playing is False


async def test_a_loss_is_told_once_and_ends_what_waits(rig: Rig) -> None:
    await rig.connect()
    await rig.lose()
    await until(lambda: rig.lost == 1)
    with pytest.raises(LinkError):
        await rig.driver.upload(OTHER.plan_id, OTHER.data)
    await back(rig)
    await rig.driver.upload(OTHER.plan_id, OTHER.data)
    await rig.driver.disconnect()
    await asyncio.sleep(5)
    assert rig.lost == 1, "who lets go is not told that it is lost"


async def test_its_clock_goes_as_the_time_does(rig: Rig) -> None:
    await rig.connect()
    first_ms, before_s, after_s = await rig.driver.clock()
    assert before_s <= after_s
    await asyncio.sleep(10)
    then_ms, again_s, later_s = await rig.driver.clock()
    least_s, most_s = again_s - after_s, later_s - before_s
    assert least_s - 0.1 <= (then_ms - first_ms) / 1000 <= most_s + 0.1


# --- plans


async def test_a_plan_is_there_wholly_and_can_be_read_back(rig: Rig) -> None:
    await ready(rig)
    assert (await rig.driver.status()).plan_id == rig.compiled.plan_id
    assert await rig.driver.read_plan(rig.compiled.plan_id) == rig.compiled.data
    assert await rig.driver.read_plan(OTHER.plan_id) is None


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.15, 0.3])
async def test_an_upload_that_is_cut_changes_nothing(rig: Rig, after_s: float) -> None:
    await ready(rig)
    uploading = asyncio.create_task(rig.driver.upload(OTHER.plan_id, OTHER.data), name="upload")
    await asyncio.sleep(after_s)
    await rig.lose()
    with suppress(LinkError):
        await uploading
    await back(rig)
    held = (await rig.driver.status()).plan_id
    assert held in (rig.compiled.plan_id, OTHER.plan_id)
    whole = rig.compiled.data if held == rig.compiled.plan_id else OTHER.data
    assert held is not None
    assert await rig.driver.read_plan(held) == whole


async def test_a_plan_that_is_damaged_or_too_large_is_refused(rig: Rig) -> None:
    await ready(rig)
    damaged = bytes([*OTHER.data[:-1], OTHER.data[-1] ^ 1])
    for data in (damaged, OTHER.data * 20):
        with pytest.raises(RefusedError):
            await rig.driver.upload(OTHER.plan_id, data)
    assert (await rig.driver.status()).plan_id == rig.compiled.plan_id
    assert await rig.driver.read_plan(rig.compiled.plan_id) == rig.compiled.data


# --- commands


async def test_a_command_that_is_repeated_is_obeyed_once(rig: Rig) -> None:
    await ready(rig)
    for _ in range(2):
        await rig.driver.command(Verb.START, rig.compiled.plan_id, command_id=7)
    first = await rig.driver.status()
    assert first.playing
    await rig.driver.command(Verb.PAUSE, rig.compiled.plan_id, command_id=8)
    await rig.driver.command(Verb.RESUME, rig.compiled.plan_id, command_id=9)
    await rig.driver.command(Verb.PAUSE, rig.compiled.plan_id, command_id=8)
    now = await rig.driver.status()
    assert (now.state, now.session) == (first.state, first.session)


async def test_what_is_refused_changes_nothing(rig: Rig) -> None:
    await ready(rig)
    for verb, plan_id in ((Verb.PAUSE, rig.compiled.plan_id), (Verb.START, OTHER.plan_id)):
        before = await rig.driver.status()
        with pytest.raises(RefusedError) as refused:
            await rig.driver.command(verb, plan_id)
        assert refused.value.reason in ("not_playing", "wrong_plan")
        after = await rig.driver.status()
        assert (after.state, after.session, after.log_next) == (
            before.state,
            before.session,
            before.log_next,
        )
    assert rig.pulses == []


# --- the log


async def test_the_log_has_neither_hole_nor_double_whatever_the_link_does(rig: Rig) -> None:
    log = Follower()
    await start(rig)
    await log.follow(rig)
    log.refusals = 2
    for _ in range(3):
        await asyncio.sleep(LASTS_S / 5)
        await rig.lose()
        await back(rig)
        await log.follow(rig)
        await go_on(rig)
    await until(lambda: bool(log.of(vocab.SESSION_ENDED)), 2 * LASTS_S)
    numbers = [record.seq for record in log.records]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert log.gaps == []
    assert len(log.of(vocab.SESSION_STARTED)) == len(log.of(vocab.SESSION_ENDED)) == 1
    assert (await rig.driver.status()).session == log.of(vocab.SESSION_STARTED)[0].seq


# --- what is felt


async def test_it_can_be_found_or_says_that_it_cannot(rig: Rig) -> None:
    await rig.connect()
    try:
        await rig.driver.alert()
    except RefusedError:
        await asyncio.sleep(2)
        assert rig.pulses == []
    else:
        await until(lambda: bool(rig.pulses), 5)


async def test_a_beat_is_taken_and_logged_or_is_not(rig: Rig) -> None:
    log = Follower()
    await start(rig)
    await log.follow(rig)
    takes = await rig.driver.beat(101, (608,))
    await asyncio.sleep(12)
    assert bool(log.of(vocab.HEART)) is takes


async def test_stops_at_once(rig: Rig) -> None:
    await start(rig)
    await until(lambda: bool(rig.edges()) and rig.edges()[-1][1] > 0)
    asked_s = asyncio.get_running_loop().time()
    await rig.driver.command(Verb.STOP, rig.compiled.plan_id)
    assert not (await rig.driver.status()).playing
    await asyncio.sleep(LASTS_S)
    assert rig.edges()[-1][1] == 0
    if rig.can(Capability.STOPS_AT_ONCE):
        assert rig.edges()[-1][0] - asked_s < 0.3


async def test_plays_alone(rig: Rig) -> None:
    await start(rig)
    await until(lambda: bool(rig.pulses))
    await rig.take_away()
    before = len(rig.pulses)
    await asyncio.sleep(15)
    goes_on = len(rig.pulses) > before
    await rig.bring_back()
    assert goes_on is rig.can(Capability.PLAYS_ALONE)


async def test_confirms(rig: Rig) -> None:
    """What the log says was felt, was; all of it, on what plays alone."""
    log = Follower()
    await start(rig)
    await until(lambda: bool(rig.pulses))
    await rig.take_away()
    await asyncio.sleep(LASTS_S)
    while_away = len(rig.pulses)  # a watch may say by a buzz that it lets a host in again
    await rig.bring_back()
    await back(rig)
    await log.follow(rig)
    await go_on(rig)
    await until(lambda: bool(log.of(vocab.SESSION_ENDED)), 2 * LASTS_S)
    unfelt = {record.b for record in log.of(vocab.UNFELT)}
    felt = [record for record in log.of(vocab.CUE) if record.seq not in unfelt]
    said = sum(len(rig.compiled.plan.patterns[record.a]) for record in felt)
    assert (said <= len(rig.pulses)) is rig.can(Capability.CONFIRMS)
    if rig.can(Capability.PLAYS_ALONE):
        assert said == while_away
    if rig.driver.hosts_player:
        assert len(unfelt) >= rig.can(Capability.CONFIRMS)


async def test_strength(rig: Rig) -> None:
    """A plan at half strength is weaker, or feels as it always does."""
    weak = rig.compile(Adjustment(strength_pct=50))
    await rig.connect()
    await rig.driver.upload(weak.plan_id, weak.data)
    await rig.driver.command(Verb.START, weak.plan_id)
    await until(lambda: bool(rig.pulses))
    assert (rig.pulses[0][1] < 100) is rig.can(Capability.STRENGTH)


async def test_button(rig: Rig) -> None:
    await start(rig)
    await asyncio.sleep(5)
    rig.press(80)
    await asyncio.sleep(2)
    assert ((await rig.driver.status()).state == "paused") is rig.can(Capability.BUTTON)


async def test_heart(rig: Rig) -> None:
    log = Follower()
    await start(rig)
    await log.follow(rig)
    for _ in range(5):
        rig.beat(101)
        await asyncio.sleep(3)
    assert bool(log.of(vocab.HEART)) is rig.can(Capability.HEART)


async def test_trusted(rig: Rig) -> None:
    """Where no stranger can come, such as by cable, there is nothing to test."""
    await start(rig)
    await rig.driver.disconnect()
    if rig.stranger is None:
        return
    other = await rig.stranger()
    with pytest.raises(LinkError) as refused:
        await other.connect(lambda: None)
    assert refused.value.reason in (LinkReason.NOT_PAIRED, LinkReason.REFUSED, LinkReason.LOST)
    await other.disconnect()
