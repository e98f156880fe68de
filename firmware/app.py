# SPDX-License-Identifier: MIT
"""The wearable's application: one loop that never waits for anything but time.

It is given its parts and knows nothing of pins:

- `motor.on(strength_pct, on_ms)`, which ends by itself after `on_ms`, and `motor.off()`
- `heart.read()`: the newest beat not yet read, see `tenuto_core.heart`, or None
- `button.read()`: edges since the last call, as a list of (pressed, at_ms)
- `battery.percent()`: 0 to 100
"""

import os

from ble import Ble
from clock import Clock
from tenuto_core.band import Band
from tenuto_core.heart import Beats

# Below one connection event of 30 ms; a shorter period would cost power and gain nothing.  It must
# not go into connection intervals: time stamps that keep step with the radio would hide how fast
# this board's clock runs.
POLL_MS = 21
BATTERY_EVERY_MS = 60_000


class App:
    """One wearable.

    name: for people, at most 26 bytes so that it fits a scan response.
    alive: called after each step that came to its end, to feed the watchdog.
    """

    def __init__(self, *, motor, heart, button, battery, name, alive=None):
        self._clock = Clock()
        now_ms = self._clock.now()
        boot_id = int.from_bytes(os.urandom(4), "little")
        self.band = Band(motor, boot_id, name, now_ms)
        self._heart = heart
        self._beats = Beats()
        self._button = button
        self._battery = battery
        self._battery_ms = now_ms
        self._alive = alive or (lambda: None)
        self.band.battery_pct = battery.percent()
        self.ble = Ble(self.band, name)

    async def main(self):
        """Run for ever; whatever happens, the motor is off when this ends."""
        try:
            while True:
                due_ms = self.step()
                self._alive()
                await self._clock.tick(POLL_MS, due_ms)
        finally:
            self.band.buzzer.stop()

    def step(self):
        """Do all that there is to do now and tell when the next thing is due, in ms or None."""
        band, now_ms = self.band, self._clock.now()
        # Before anything is due: a release that was not looked at in time is still a release.
        for pressed, at_ms in self._button.read():
            band.edge(pressed, at_ms, now_ms)
        band.advance(now_ms)
        if now_ms >= self._battery_ms:
            self._battery_ms = now_ms + BATTERY_EVERY_MS
            band.battery_pct = self._battery.percent()
        beat = self._heart.read()
        measured = self._beats.add(*beat, now_ms) if beat else None
        if measured:
            bpm, contact, rr = measured
            if contact:
                band.beat(bpm, rr, now_ms)
        try:
            if measured:
                self.ble.beat(*measured)
            self.ble.receive(now_ms)
            band.advance(now_ms)
            self.ble.send(now_ms)
        except Exception as error:  # noqa: BLE001 - whatever the radio does, the player must live on
            print("radio:", repr(error))
            self.ble.drop()
        times = [t for t in (band.due_ms, self.ble.due_ms, self._battery_ms) if t is not None]
        return min(times)
