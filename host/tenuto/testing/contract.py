# SPDX-License-Identifier: MIT
"""What a host and a wearer may expect of the firmware of a band: checks for a changed one.

Each of `FIRMWARE_CHECKS` takes a band that was just made with the firmware, plays in virtual time
and raises `AssertionError` where the firmware does not keep a promise.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import TYPE_CHECKING

from bleak import BleakClient
from bleak.exc import BleakError

from tenuto.links.ble import BleLink
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.links.uuids import INBOX_UUID
from tenuto.routines.library import Library
from tenuto.sessions.commands import Verb
from tenuto.simulator.hardware import Pulse
from tenuto.state.keys import KeyStore
from tenuto.wearables.band import BandDriver
from tenuto_core import vocab, wire
from tenuto_core.limits import MINUTE_MS, ON_MS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.routines.compile import CompiledPlan

    from .devices import Band

ROUTINE = "lower-back-short"
CUE_LATE_MS_MAX = 5.0
PULSE_MS_MAX = 1_000
GESTURES = 60
LET_IN_S = 3.0
PAUSE_S = 62.0
PRESSED_MS = 200
"""A press counts from its beginning or from its end."""
STOP_MS_MAX = 1_500.0
"""From the beginning of a long press: it is held for so long by `Band.long_press`."""


def promised(plan: CompiledPlan) -> list[Pulse]:
    """Return what a plan lets its wearer feel if nobody intervenes, in ms from its start."""
    found = []
    for _, at_ms, cue in plan.plan.cues_from(0, 0):
        begin_ms = float(at_ms)
        for strength_pct, on_ms, off_ms in plan.plan.patterns[cue]:
            found.append(Pulse(begin_ms, strength_pct, on_ms))
            begin_ms += on_ms + off_ms
    return found


def plays_every_cue_at_its_time(band: Band) -> None:
    """Each pulse of a whole session comes once, as strong and as long as the plan says."""
    plan = _begin(band)
    band.run_until_idle(plan)
    _compare(band.pulses, promised(plan))


def plays_alone(band: Band) -> None:
    """What a host has begun by Bluetooth goes on while that host is out of reach."""
    world = band.world
    plan = Library().plan(ROUTINE)
    adapter = BleAdapter(radio_of(world.add_adapter("host")), name="host")
    keys = KeyStore(None).of(band.name)
    host = BandDriver(BleLink(adapter, band.address), keys=keys)

    async def begin() -> None:
        await host.connect(lambda: None)
        await host.upload(plan.plan_id, plan.data)
        await asyncio.sleep(LET_IN_S)  # until the motor has said so
        band.clear()
        await host.command(Verb.START, plan.plan_id)

    band.let_in()
    world.advance(LET_IN_S)
    world.run(begin())
    band.walk_away()
    band.run_until_idle(plan)
    world.run(adapter.close())
    _compare(band.pulses, promised(plan))


def pauses_and_goes_on(band: Band) -> None:
    """A press holds the session, and another one goes on where it was."""
    plan = _begin(band)
    all_of_it = promised(plan)
    world = band.world
    world.until(lambda: len(band.pulses) >= 6)
    world.advance(2)
    before = len(band.pulses)
    band.press()
    world.advance(2)
    at_pause = len(band.pulses)
    world.advance(PAUSE_S - 2)
    _check(band.is_playing, "a press ended the session")
    _check(len(band.pulses) == at_pause, "it buzzed during a pause")
    _check(not band.is_buzzing, "the motor runs during a pause")
    band.press()
    band.run_until_idle(plan)
    felt, wanted = band.pulses, all_of_it
    _check(len(felt) > len(wanted) - 1, "after a pause it does not play all that was left")
    rest = len(wanted) - before
    _compare(felt[-rest:], wanted[-rest:])
    took_ms = felt[-rest].t_ms - felt[0].t_ms
    paused_ms = took_ms - (wanted[-rest].t_ms - wanted[0].t_ms)
    _check(abs(paused_ms - PAUSE_S * 1000) < PRESSED_MS, f"a pause counted {paused_ms:.0f} ms")


def stops_by_a_long_press(band: Band) -> None:
    """A long press ends the session at once, and nothing comes after it."""
    _begin(band)
    band.world.until(lambda: len(band.pulses) >= 6)
    band.long_press()
    band.world.advance(STOP_MS_MAX / 1000)
    _check(not band.is_playing, "a long press did not stop the session")
    band.world.advance(2)
    felt = len(band.pulses)
    band.world.advance(300)
    _check(len(band.pulses) == felt, "it buzzed after it was stopped")
    _check(not band.is_buzzing, "the motor stays on after a stop")


def spares_the_motor(band: Band) -> None:
    """No pulse is longer than 1 s, and in no minute the motor runs for more than 12 s."""
    for number in range(GESTURES):  # each is answered by a buzz
        band.let_in(after_s=2.0 * number)
    band.world.advance(2.0 * GESTURES + 5)
    felt = band.pulses
    _check(bool(felt), "it does not answer to press, press, hold")
    for pulse in felt:
        _check(pulse.length_ms <= PULSE_MS_MAX + 1, f"a pulse lasted {pulse.length_ms:.0f} ms")
    for first in felt:
        end_ms = first.t_ms + MINUTE_MS
        minute = [one for one in felt if first.t_ms <= one.t_ms < end_ms]
        on_ms = sum(min(one.length_ms, end_ms - one.t_ms) for one in minute)
        _check(on_ms <= ON_MS_MAX + 1, f"the motor ran for {on_ms:.0f} ms of a minute")


def obeys_no_stranger(band: Band) -> None:
    """A host that its wearer has not let in starts nothing."""
    band.lets_in = False
    plan = band.load(ROUTINE)
    stranger = band.world.add_adapter("stranger").client_backend
    number = vocab.COMMANDS.index(Verb.START.value)
    start = wire.encode(wire.COMMAND, 2, number, 1, plan.plan_id, 0)

    async def try_to_start() -> None:
        for _ in range(3):
            with contextlib.suppress(BleakError):
                async with BleakClient(band.address, backend=stranger, pair=True) as client:
                    while client.is_connected:
                        for frame in (wire.encode(wire.HELLO, 1), start):
                            await client.write_gatt_char(INBOX_UUID, frame, response=False)
                        await asyncio.sleep(0.1)

    band.world.run(try_to_start())
    _check(not band.is_playing, "a host that was not let in has started a session")
    _check(not band.pulses, "a host that was not let in made it buzz")


def survives_a_reset(band: Band) -> None:
    """After a reset in mid-session the motor is off, and the routine is still there."""
    plan = _begin(band)
    band.world.until(lambda: band.is_buzzing)
    band.reset()
    band.world.advance(1)
    _check(not band.is_buzzing, "the motor stays on after a reset")
    band.long_press()
    band.world.advance(5)
    _check(not band.is_playing, "a long press did not stop what went on after a reset")
    _press_to_begin(band)
    band.run_until_idle(plan)
    _compare(band.pulses, promised(plan))


FIRMWARE_CHECKS: dict[str, Callable[[Band], None]] = {
    check.__name__: check
    for check in (
        plays_every_cue_at_its_time,
        plays_alone,
        pauses_and_goes_on,
        stops_by_a_long_press,
        spares_the_motor,
        obeys_no_stranger,
        survives_a_reset,
    )
}
"""By their names."""


def _begin(band: Band) -> CompiledPlan:
    plan = band.load(ROUTINE)
    _press_to_begin(band)
    return plan


def _press_to_begin(band: Band) -> None:
    band.clear()
    band.press()
    band.world.until(lambda: band.is_playing, timeout_s=5)


def _compare(felt: Sequence[Pulse], wanted: Sequence[Pulse]) -> None:
    """Compare what was felt with what was promised, from the first pulse on."""
    for number, (one, other) in enumerate(itertools.zip_longest(felt, wanted), 1):
        if one is None or other is None:
            raise AssertionError(f"{len(felt)} pulses were felt, {len(wanted)} are in the plan")
        late_ms = (one.t_ms - felt[0].t_ms) - (other.t_ms - wanted[0].t_ms)
        _check(
            abs(late_ms) <= CUE_LATE_MS_MAX, f"pulse {number} came {late_ms:+.0f} ms off its time"
        )
        _check(
            one.strength_pct == other.strength_pct,
            f"pulse {number} had {one.strength_pct} %, not {other.strength_pct} %",
        )
        _check(
            abs(one.length_ms - other.length_ms) <= CUE_LATE_MS_MAX,
            f"pulse {number} lasted {one.length_ms:.0f} ms, not {other.length_ms:.0f} ms",
        )


def _check(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - as `assert` is written
    if not holds:
        raise AssertionError(otherwise)
