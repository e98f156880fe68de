# SPDX-License-Identifier: MIT
"""The wearable's application: one loop that never waits for anything but time.

It gets its parts as arguments and knows nothing of pins:

- `motor.on(strength_pct, on_ms)`, which ends by itself after `on_ms`, and `motor.off()`
- `heart.read()`: the newest beat not yet read, see `tenuto_core.heart`, or None
- `button.read()`: the edges since the last call, as a list of (pressed, at_ms)
- `battery.percent()`: 0 to 100
"""

import os
from binascii import hexlify

import microcontroller

from ble import Ble
from clock import Clock
from digest import sha256
from heap import free_bytes
from nvm_storage import NvmStorage
from radio import Radio
from tenuto_core import sleep, vocab
from tenuto_core.auth import Keyring
from tenuto_core.band import Band, earliest
from tenuto_core.heart import Beats
from tenuto_core.plan import MAX_BYTES

# Below one connection event of 30 ms; a shorter period would cost power and gain nothing.
# It must not go into connection intervals: time stamps that keep step with the radio would hide how
# fast this board's clock runs.
POLL_MS = 21
BATTERY_EVERY_MS = 60_000
# Garbage is collected so often, but for no more than one part in so many of the time: with PSRAM
# once takes 70 to 290 ms (CircuitPython issue 10456).
COLLECT_EVERY_MS, COLLECT_SHARE = 1_000, 20
# Nothing but the motor and the button while something is due so soon: a step takes up to 15 ms.
NEAR_MS = 16
# From an input to the first cue that it leads to, so that this one is on time as well.
PREPARE_MS = 30
# The motor's driver is set up for a cue when it is so near.
READY_MS = 120
# One is played, one is received, and some memory must stay free.
PLANS_IN_MEMORY = 3
LOW_BATTERY_PCT = 15

# `microcontroller.ResetReason` by its names.
CAUSES = {
    "POWER_ON": vocab.CAUSE_POWER_ON,
    "BROWNOUT": vocab.CAUSE_BROWNOUT,
    "SOFTWARE": vocab.CAUSE_SOFTWARE,
    "WATCHDOG": vocab.CAUSE_WATCHDOG,
    "RESET_PIN": vocab.CAUSE_PIN,
    "DEEP_SLEEP_ALARM": vocab.CAUSE_DEEP_SLEEP,
}


def reset_cause(noted=None):
    """Why the board started, as a number of `vocab`.

    Args:
        noted: The name in `CAUSES` that was stored before a reset by software, or None.
    """
    reason = str(getattr(microcontroller.cpu, "reset_reason", ""))
    reason = reason[reason.rfind(".") + 1 :]
    if noted and reason == "SOFTWARE":
        reason = noted
    return CAUSES.get(reason, vocab.CAUSE_UNKNOWN)


class App:
    """One wearable.

    Args:
        name: For people, at most 26 bytes so that it fits a scan response.
        alive: Called after each completed step, to feed the watchdog.
        led: See `drivers.led.StatusLed`, or None.
        cable: `usb_cdc.data`, or None.
        sleep: Puts the board into deep sleep, or returns without effect; None where that saves
            nothing (see `tenuto_core.sleep`).
        location: Where it is worn, as Body Sensor Location (0x2A38) numbers it: 0 other, 2 wrist.
        radio: The `radio.Radio`, with name and location, if it exists already.
        trust_bonds: Let every bonded peer read the heart rate and send alerts, see PROTOCOL.md.
        noted_cause: See `reset_cause`.
        log: The `tenuto_core.log.Log`, if it exists already.
        memory, memory_at: For the motor's ledger, see `tenuto_core.limits`.
    """

    def __init__(
        self,
        *,
        motor,
        heart,
        button,
        battery,
        name,
        alive=None,
        led=None,
        cable=None,
        sleep=None,
        location=2,
        radio=None,
        trust_bonds=False,
        noted_cause=None,
        log=None,
        memory=None,
        memory_at=0,
    ):
        radio = radio or Radio(name, location)
        self._clock = Clock()
        now_ms = self._clock.now()
        boot_id = int.from_bytes(os.urandom(4), "little")
        storage = NvmStorage(getattr(microcontroller, "nvm", None))
        keyring = Keyring(sha256, os.urandom, storage)
        self.band = Band(
            motor,
            boot_id,
            name,
            now_ms,
            storage=storage,
            keyring=keyring,
            cause=reset_cause(noted_cause),
            log=log,
            memory=memory,
            memory_at=memory_at,
        )
        self._heart = heart
        self._beats = Beats()
        self._button = button
        self._battery = battery
        self._battery_ms = now_ms + BATTERY_EVERY_MS
        self._alive = alive or (lambda: None)
        self._led = led
        self._sleep = sleep
        self._complaint = None
        self._collect_ms = 0
        self._collect()
        now_ms = self._clock.now()
        self._active_ms = now_ms
        self._edge_ms = None
        self._unsent = None
        if self._clock.takes_time:
            self.band.buzzer.clock = self._clock
            self.band.player.prepare_ms = PREPARE_MS
        self.band.battery_pct = battery.percent()
        self.band.serial = hexlify(microcontroller.cpu.uid)
        self.band.address = radio.address + bytes(2)
        self.ble = Ble(self.band, radio, storage, trust_bonds=trust_bonds)
        self.usb = None
        if cable is not None:
            from cable import Cable  # noqa: PLC0415 - takes memory only where there is a cable

            self.usb = Cable(self.band, cable)
        self.band.plan_bytes = min(MAX_BYTES, free_bytes() // PLANS_IN_MEMORY)
        self.ble.introduce()

    async def main(self):
        """Run for ever; the motor is off when this ends, for whatever reason."""
        try:
            while True:
                due_ms = self.step()
                self._alive()
                await self._clock.tick(POLL_MS, due_ms)
        finally:
            self.band.buzzer.stop(self._clock.now())

    def step(self):
        """Do all that is due now, and return when the next thing is due, in ms."""
        band, clock = self.band, self._clock
        now_ms = clock.now()
        # Before anything that is due: a release that is read late is still a release.
        for pressed, at_ms in self._button.read():
            band.edge(pressed, at_ms, now_ms)
            self._active_ms = now_ms
        now_ms = clock.wait_until(self._edge_ms)
        band.advance(now_ms)
        due_ms = self._edge_ms = band.due_ms
        if due_ms is not None:
            now_ms = clock.now()
            if due_ms - now_ms < NEAR_MS:
                return due_ms
        if now_ms >= self._battery_ms:
            self._battery_ms = now_ms + BATTERY_EVERY_MS
            band.battery_pct = self._battery.percent()
        beat = self._heart.read()
        measured = self._beats.add(*beat, now_ms) if beat else None
        if measured:
            self._unsent = measured
            bpm, contact, rr = measured
            if contact:
                band.beat(bpm, rr, now_ms)
        if self._receive(measured, now_ms):
            band.advance(now_ms)
            due_ms = self._edge_ms = band.due_ms
        if due_ms is None or due_ms - clock.now() >= NEAR_MS:
            self._send(now_ms)
            self._rest(due_ms, now_ms)
        return earliest(
            due_ms,
            self.ble.due_ms,
            None if self.usb is None else self.usb.due_ms,
            None if self._led is None else self._led.due_ms,
            self._battery_ms,
        )

    def _receive(self, measured, now_ms):
        """Read what the links have received, and return whether there was anything."""
        came = measured is not None
        try:
            came = self.ble.receive(now_ms, self._active_ms) or came
        except Exception as error:  # noqa: BLE001 - whatever the radio does, the player must live on
            self._complain("radio", error)
            self.ble.drop()
        if self.usb is not None:
            try:
                came = self.usb.receive(now_ms) or came
            except Exception as error:  # noqa: BLE001 - likewise
                self._complain("cable", error)
        return came

    def _send(self, now_ms):
        """Pass to the links what they have to send."""
        band = self.band
        try:
            if self._unsent:
                measured, self._unsent = self._unsent, None
                self.ble.beat(*measured)
            self.ble.send(now_ms)
        except Exception as error:  # noqa: BLE001 - as above
            self._complain("radio", error)
            self.ble.drop()
        if self.usb is not None:
            try:
                self.usb.send(now_ms)
            except Exception as error:  # noqa: BLE001 - as above
                self._complain("cable", error)
        by_air, by_cable = self.ble.peer, None if self.usb is None else self.usb.peer
        band.is_followed = (by_air is not None and by_air.is_following) or (
            by_cable is not None and by_cable.is_following
        )
        if by_air is not None or by_cable is not None or band.is_playing:
            self._active_ms = now_ms

    def _complain(self, link, error):
        """Print what went wrong, once, however often it does."""
        complaint = link + ": " + repr(error)
        if complaint != self._complaint:
            self._complaint = complaint
            print(complaint)

    def _rest(self, due_ms, now_ms):
        """Do what can wait: the driver's set-up, the journal, garbage, the light, sleep."""
        band = self.band
        if due_ms is not None and due_ms - now_ms < READY_MS:
            band.make_ready()
        band.settle(now_ms)
        every_ms = max(COLLECT_EVERY_MS, COLLECT_SHARE * self._collect_ms)
        if now_ms - self._collected_ms >= every_ms and band.is_quiet(now_ms, self._collect_ms):
            self._collect()
        if self._led is not None:
            self._led.show(self._light(now_ms), now_ms)
            self._led.advance(now_ms, band.is_playing)
        if self._sleep is not None and sleep.may_sleep(
            gains=True,
            idle_ms=now_ms - self._active_ms,
            is_playing=band.is_playing,
            is_connected=self.ble.peer is not None,
            is_pairing=band.is_pairing(now_ms),
            on_cable=self.usb is not None and self.usb.peer is not None,
            has_unread=band.has_unread,
            battery_pct=band.battery_pct,
        ):
            band.buzzer.stop(now_ms)
            for part in (self._heart, self._button):
                if hasattr(part, "sleep"):
                    part.sleep()
            self._sleep()
            self._active_ms = now_ms  # the sleep had to wait for the watchdog, see `power`

    def _collect(self):
        """Collect garbage, and note the longest time that it took: no cue must fall in it."""
        began_ms = self._clock.now()
        self._clock.collect()
        self._collected_ms = self._clock.now()
        self._collect_ms = max(self._collect_ms, self._collected_ms - began_ms)

    def _light(self, now_ms):
        if self.band.is_pairing(now_ms):
            return "pairing"
        return "low_battery" if self.band.battery_pct <= LOW_BATTERY_PCT else "off"
