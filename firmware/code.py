# SPDX-License-Identifier: MIT
# ruff: noqa: A005 - CircuitPython wants this name
"""The composition root: a board's pins, the drivers, the application and its watchdog.

Order matters here.  The motor is off before anything is imported that could fail, and the watchdog
runs before the first pulse can.  What takes most memory while it is loaded comes first, when most
is free: compiling a module takes several times the memory that the module keeps, and `adafruit_ble`
is unloaded when it has done its work.
"""

import board

import boards
from motor_off import motor_off

pins = boards.load(board.board_id)
motor_off(pins)

import os  # noqa: E402

import microcontroller  # noqa: E402
import supervisor  # noqa: E402
import usb_cdc  # noqa: E402

import power  # noqa: E402
from heap import forget, free_bytes, load  # noqa: E402

NAME_BYTES_MAX = 26
# Records of 16 bytes, in one piece; half as many where the later modules need the memory.
LOG_RECORDS, FREE_BYTES_MIN = 1024, 160_000
# Body Sensor Location (0x2A38).
OTHER, WRIST = 0, 2


def name():
    """Return the name that people see: TENUTO_NAME of settings.toml, or one from the chip's number.

    A name too long for the scan response is cut, or the band could not advertise at all.
    """
    given = os.getenv("TENUTO_NAME")
    if not given:
        return "Tenuto %02X%02X" % tuple(microcontroller.cpu.uid[-2:])
    shown = str(given)
    while len(shown.encode()) > NAME_BYTES_MAX:
        shown = shown[:-1]
    if shown != given:
        print("TENUTO_NAME is too long, and cut to", repr(shown))
    return shown


def setting(key, values, otherwise):
    """Return the one of `values` that settings.toml names; `otherwise` if it names none of them."""
    given = os.getenv(key)
    if given is None:
        return otherwise
    # CircuitPython returns a number as its digits; older versions returned it as a number.
    if str(given) in values:
        return values[str(given)]
    print(key, "is", repr(given), "and must be one of", sorted(values))
    return otherwise


def compose(called, log, radio, i2c, motor):
    """Build everything around the motor.

    Returns:
        The application and its watchdog.
    """
    import parts  # noqa: PLC0415 - forgotten after this
    from app import App  # noqa: PLC0415
    from loop_watchdog import LoopWatchdog  # noqa: PLC0415

    if getattr(motor, "needs_calibration", False):
        print("motor calibrated" if motor.calibrate() else "motor not calibrated")
    watchdog = LoopWatchdog(motor)
    heart = parts.make_heart(pins, i2c)
    parts.darken(pins)
    power_chip = parts.make_power_chip(pins, i2c)

    def alive():
        watchdog.alive()
        # The sensor takes more power than the rest of a waiting band.
        if app.band.is_playing or app.ble.peer or (app.usb and app.usb.peer):
            heart.wake()
        else:
            heart.sleep()

    memory, memory_at = power.ledger_memory()
    app = App(
        motor=motor,
        heart=heart,
        button=parts.make_button(pins, power_chip),
        battery=parts.make_battery(pins, i2c, power_chip),
        name=called,
        radio=radio,
        alive=alive,
        led=parts.make_led(pins),
        cable=usb_cdc.data,
        sleep=(lambda: go_to_sleep(motor, heart, watchdog)) if pins.DEEP_SLEEP else None,
        trust_bonds=setting("TENUTO_TRUST_BONDS", {"0": False, "1": True}, False),
        noted_cause=power.noted_cause(),
        log=log,
        memory=memory,
        memory_at=memory_at,
    )
    return app, watchdog


def go_to_sleep(motor, heart, watchdog):
    """Switch everything off, then sleep deeply; returns only where `power.sleep` has to wait."""
    heart.sleep()
    motor.shut_down()
    power.sleep(pins, watchdog)


async def main():
    """Run for ever; whatever happens, the motor is off when this ends."""
    try:
        guard = asyncio.create_task(motor.guard())
        watchdog.start()
        try:
            await app.main()
        finally:
            guard.cancel()
    finally:
        motor.off()


app = motor = watchdog = running = None
if power.is_wanted():
    power.until_pressed(pins)
elif power.is_held(pins) and not power.was_woken():
    print("safe mode: the button was held at the start; press reset to leave it")
else:
    try:
        supervisor.runtime.autoreload = False
        from tenuto_core.log import Log

        log = Log(LOG_RECORDS if free_bytes() > FREE_BYTES_MIN else LOG_RECORDS // 2)
        called = name()
        from radio import Radio

        radio = Radio(called, setting("TENUTO_WORN", {"wrist": WRIST, "waist": OTHER}, WRIST))
        load("tenuto_core.player", "asyncio", "drivers.drv2605", "parts")
        import asyncio

        import parts

        i2c = parts.make_bus(pins)
        motor = parts.make_motor(pins, i2c)
        load("tenuto_core.auth", "tenuto_core.wire", "tenuto_core.plans")
        load("tenuto_core.device_requests", "tenuto_core.band", "tenuto_core.host_connection")
        load("ble", "app")
        app, watchdog = compose(called, log, radio, i2c, motor)
        # Needed for the start only.
        del parts, boards, motor_off
        forget("parts", "boards", "motor_off")
        print("ready,", free_bytes(), "bytes of memory left")
        running = asyncio.run(main())
    except Exception as error:
        print("ended by", repr(error))
        # At a console somebody wants to read this; on a wrist the band has to start again.
        if supervisor.runtime.usb_connected and usb_cdc.console:
            raise
        microcontroller.reset()
    finally:
        if motor is not None:
            motor.off()
