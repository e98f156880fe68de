# SPDX-License-Identifier: MIT
"""Storms around a Bangle.js: its JavaScript in QuickJS, on the virtual radio, with its own log.

What the log in its flash holds is the truth, across resets: a boot id ends with the battery only.
That its player keeps to the plan is the differential's to show (`tests/bangle/differential.py`);
here the motor is held to the log: each cue was felt, and nothing else was.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.espruino import EspruinoLink
from tenuto.links.radios.adapters import radio_of
from tenuto.sessions.events import Record
from tenuto.sessions.view import State
from tenuto.simulator import VirtualPerson, World
from tenuto.simulator.bangle import APP_FILE, SimulatedBangle
from tenuto.state.keys import KeyStore
from tenuto.wearables.band import BandDriver
from tenuto_core import vocab
from tenuto_core.log import RECORD_BYTES, unpack_record
from tests.bangle.differential import MENDED_MS
from tests.core.oracle import Oracle
from tests.core.rig import PATTERNS
from tests.storm.rooms import Life, RadioRoom
from tests.storm.storm import Session, Storm
from tests.storm.weather import Trouble, What, forecast as common

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.storm.weather import Weather

LOOK_S = 30.0
"""How often its flash is read, which holds at least the newest 255 records: some minutes."""
OFF_S = 8.0
"""Longer than a session goes on after a reset by itself."""
ROUNDED_MS = 2.0
"""Times in the log are whole ms."""
_HALF_RECORDS = 255
_LOOK = """JSON.stringify({id: JSON.parse(__files["tenuto.id"] || "{}"),
  logs: [__files["tenuto.log0"] || "", __files["tenuto.log1"] || ""],
  now_ms: getTime() * 1000 - __t})"""
_IS_TRUSTED = "global.TENUTO?TENUTO.state().host:false"
_STATE = "global.TENUTO?TENUTO.state().st:0"
_INSTEAD = {
    What.RIVAL: (What.RESET, "app"),
    What.BIRTH: (What.RESET, "app"),
    What.BATTERY: (What.RESET, "other app"),
    What.BROKER_CUT: (What.RESET, "WATCHDOG"),
    What.BROKER_RESTART: (What.RESET, "BROWNOUT"),
}
"""It has room for one host, a battery that does not tell, and the stand-in of a broker."""
_ENDS = (vocab.PAUSED, vocab.SKIPPED, vocab.WENT_BACK, vocab.SESSION_ENDED, vocab.CUE)
"""After these nothing is felt of an earlier cue."""


_WORDS = ("other app", "other app", "app", "WATCHDOG", "WATCHDOG", "BROWNOUT", "POWER_ON")


def forecast(seed: int) -> Weather:
    """Return the storm of a seed: that of other rooms, with more that starts programs anew."""
    weather = common(seed)
    rng = random.Random(f"{seed}/watch")
    troubles = {trouble.at_s: trouble for trouble in weather.troubles}
    for trouble in weather.troubles:
        at_s = round(trouble.at_s + rng.choice((rng.uniform(0, 1), rng.uniform(0, 30))), 3)
        if rng.random() < 0.6 and at_s not in troubles:
            troubles[at_s] = Trouble(at_s, What.RESET, 0.0, rng.choice(_WORDS))
    return replace(weather, troubles=tuple(troubles[at_s] for at_s in sorted(troubles)))


class WatchRoom(RadioRoom):
    """The whole stack, with a watch."""

    async def open(self, weather: Weather) -> None:
        """Furnish it."""
        self._world = await self._stack.enter_async_context(
            World(weather.seed, loss=weather.loss, advertising_loss=weather.loss / 2)
        )
        person = VirtualPerson(seed=weather.seed, start_bpm=110)
        device = await self._world.add_device("bangle", "band", person)
        assert isinstance(device, SimulatedBangle)
        self._watch = device
        self._complaints: list[str] = []
        self._hear(device)
        self._lives: dict[int, Life] = {}
        self._kept: dict[int, dict[int, Record]] = {}
        self._first_edge = 0
        self._reader = asyncio.create_task(self._read_now_and_then(), name="read the flash")

    def _hear(self, watch: SimulatedBangle) -> None:
        """Note what its programs complain of on the console."""
        send = watch._send

        def heard(data: bytes) -> None:
            # A line that another app's start has cut is no JavaScript; its frame is sent again.
            if b"Uncaught" in data.replace(b"Uncaught SyntaxError", b""):
                self._complaints.append(repr(data))
            send(data)
            # Its wearer does so once; the buzz of that is in no log.
            watch.lets_in = watch.lets_in and not watch.js.evaluate(_IS_TRUSTED)

        watch._send = heard  # type: ignore[method-assign]

    async def close(self) -> None:
        """End everything."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await super().close()

    async def driver(self, host: str, utc_ms: Callable[[], float]) -> BandDriver:
        """Return the driver of a host that was started."""
        if host not in self._adapters:
            self._adapters[host] = await self._world.adapter(host)
        adapter = BleAdapter(radio_of(self._adapters[host]), name=host)
        keys = self._keys.setdefault(host, KeyStore(None).of(host))
        return BandDriver(EspruinoLink(adapter, self._watch.address), keys=keys, utc_ms=utc_ms)

    # --- its flash

    async def _read_now_and_then(self) -> None:
        while True:
            self._read()
            await asyncio.sleep(LOOK_S)

    def _read(self) -> tuple[Life, float] | None:
        """Add what its log has got, and what the motor did, to the life that it belongs to.

        Returns:
            That life, and what its clock is ahead of the power's; None before the first.
        """
        told = json.loads(self._watch.js.evaluate(_LOOK))
        boot_id = told["id"].get("boot")
        if boot_id is None:
            return None
        kept = self._kept.setdefault(boot_id, {})
        at = told["id"]["at"]
        for first in (at - _HALF_RECORDS, at):
            data = told["logs"][first // _HALF_RECORDS % 2].encode("latin-1")
            for index in range(len(data) // RECORD_BYTES if first >= 0 else 0):
                record = Record(first + index, *unpack_record(data, index * RECORD_BYTES))
                if record.kind == 0xFF:
                    break
                assert kept.setdefault(record.seq, record) == record, "its flash has changed"
        assert sorted(kept) == list(range(len(kept))), "read too seldom"
        life = self._lives.setdefault(boot_id, Life(boot_id))
        life.records = [kept[seq] for seq in sorted(kept)]
        ahead_ms = told["now_ms"] + told["id"]["off"] * 1000 - told["id"]["t0"]
        self._add_edges(life, ahead_ms)
        self.past = [other for other in self._lives.values() if other is not life]
        return life, ahead_ms

    def _add_edges(self, life: Life, ahead_ms: float) -> None:
        edges = self._watch.motor.edges
        life.edges += [(e.t_ms + ahead_ms, e.strength_pct) for e in edges[self._first_edge :]]
        self._first_edge = len(edges)

    def present(self) -> Life:
        """Return what it did since its battery was charged last."""
        self._read()
        return list(self._lives.values())[-1]

    def state(self) -> int:
        """Return the state of its player."""
        return int(self._watch.js.evaluate(_STATE))

    # --- what can be done to it

    def press(self, held_ms: float) -> None:
        """Press its button."""
        self._watch.button.press(held_ms)

    def silence(self, duration_s: float) -> None:
        """Take it off the air."""
        self._world.radio.silence(self._watch.address, duration_s)

    def drop(self) -> None:
        """Break its link at this very moment."""
        self._world.radio.drop(self._watch.address)

    def set_time(self, utc_s: float) -> None:
        """Set its wall clock, as a phone does."""
        self._watch._do(lambda: self._watch.js.set_time(utc_s))

    async def reset(self, reason: str) -> None:
        """Start it anew, by what `reason` says; another app is a start of all programs too."""
        js, do = self._watch.js, self._watch._do
        if reason in ("SOFTWARE", "other app"):
            do(lambda: js.load("another.app.js"))
        elif reason == "app":
            do(lambda: js.load(APP_FILE))
        elif reason == "POWER_ON":
            do(self._lose_power)
        elif reason == "WATCHDOG":
            self.drop()
            do(js.reset)
        else:
            self.silence(OFF_S)
            self.drop()
            do(lambda: js.reset(off_ms=1000 * OFF_S))

    def _lose_power(self) -> None:
        self._watch._poke()
        found = self._read()
        self.drop()
        self._watch.js.lose_power()
        self._watch._poke()
        if found is not None:  # the end of a pulse
            self._add_edges(*found)

    def complaints(self) -> list[str]:
        """Return what its programs complained of."""
        lost = self._watch.motor.edges_lost
        return [*self._complaints, *([f"{lost} edges were lost"] if lost else [])]


class WatchStorm(Storm):
    """A storm in that room."""

    room: WatchRoom

    async def _happen(self, trouble: Trouble) -> None:
        what, word = _INSTEAD.get(What(trouble.what), (trouble.what, trouble.word))
        await super()._happen(replace(trouble, what=what, word=word))
        if what is What.CLOCK_STEP:
            self.room.set_time(self.host.utc_ms() / 1000)

    def _sessions_of(self, life: Life) -> list[Session]:
        """Return the sessions as its log tells them."""
        sessions: list[Session] = []
        for record in life.records:
            if record.kind == vocab.SESSION_STARTED:
                steps = self._steps(record)
                sessions.append(Session(record.seq, steps, Oracle(steps), record.at_ms))
            elif record.kind == vocab.SESSION_ENDED:
                assert sessions, "an end without a session"
                assert sessions[-1].ended is None, "a session ended twice"
                sessions[-1].ended = record
        return sessions

    def _check_motor(self, life: Life) -> None:
        self.sessions += len(self._sessions_of(life))
        starts = [r.at_ms for r in life.records if r.kind == vocab.SESSION_STARTED]
        _check_felt(life, min(starts, default=math.inf))

    def _check_agreement(self, present: Life) -> None:
        host = self.host
        assert self.room.state() == 0, "the watch still plays"
        assert not host.supervisor.playing, "the host thinks that it plays"
        view = host.view()
        assert view.state in (State.IDLE, State.ENDED), f"the screen says {view.state}"
        ends = [r for r in present.records if r.kind == vocab.SESSION_ENDED]
        if ends and view.state is State.ENDED:
            assert view.reason == vocab.END_REASONS[ends[-1].a & 0xFF]
        told = [e.record for e in host.screen.entries if e.record and not e.replayed]
        (_, most), *_ = [*Counter(told).most_common(1), (None, 1)]
        assert most == 1, f"told twice: {Counter(told).most_common(3)}"


def _check_felt(life: Life, since_ms: float) -> None:
    """See that each cue of the log was felt, and that from then on nothing else was."""
    ons = [at_ms for at_ms, pct in life.edges if pct and at_ms >= since_ms - ROUNDED_MS]
    pulses: list[tuple[float, float]] = []
    for number, record in enumerate(life.records):
        if record.kind != vocab.CUE:
            continue
        at_ms: float = record.at_ms
        assert any(abs(on_ms - at_ms) <= ROUNDED_MS for on_ms in ons), (
            f"the log tells a cue at {at_ms} ms, felt were {ons}"
        )
        following = (r.at_ms for r in life.records[number + 1 :] if r.kind in _ENDS)
        ends_ms = next(following, math.inf)
        for _, on_ms, off_ms in PATTERNS[record.a]:
            if at_ms <= ends_ms:
                pulses.append((at_ms, on_ms))
            at_ms += on_ms + off_ms
    on, off = None, -math.inf
    for at_ms, pct in life.edges:
        if at_ms < since_ms - ROUNDED_MS:
            continue
        if pct:
            on = at_ms
            assert at_ms - off <= MENDED_MS or any(
                abs(at_ms - due_ms) <= ROUNDED_MS for due_ms, _ in pulses
            ), f"nothing in the log explains what was felt at {at_ms} ms"
        elif on is not None:
            longest = max(ms for due_ms, ms in pulses if -ROUNDED_MS <= on - due_ms <= ms)
            assert at_ms - on <= longest + ROUNDED_MS, f"on from {on} to {at_ms} ms"
            on = None
        off = off if pct else at_ms
    assert on is None, "the motor is still on"
