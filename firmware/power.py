# SPDX-License-Identifier: MIT
"""Deep sleep until the button is pressed.

The nRF52840's watchdog goes on in deep sleep and would end it after seconds, and nothing but its
own reset stops it.  So there deep sleep takes a detour: a note in the memory that outlives a
reset, no more food, the reset, and then sleep as the first thing that the new program does.
"""

import alarm
import microcontroller

# In `alarm.sleep_memory`, which outlives resets and wears not.
_NOTE = b"zZ"
_AT = 0


def is_wanted():
    """Whether the last program asked for deep sleep; asking clears the note."""
    memory = alarm.sleep_memory
    if not memory or bytes(memory[_AT : _AT + 2]) != _NOTE:
        return False
    memory[_AT : _AT + 2] = b"\x00\x00"
    return True


def was_woken():
    """Whether this program was begun by the button that ended a deep sleep."""
    return alarm.wake_alarm is not None


def sleep(pins, watch):
    """Leave the program and sleep.  Everything that takes power must be off already.

    Returns only where the sleep has to wait for the watchdog's reset, at most its timeout; the
    caller then goes on as usual, with nothing to do.
    """
    try:
        microcontroller.watchdog.mode = None
    except RuntimeError:
        alarm.sleep_memory[_AT : _AT + 2] = _NOTE
        watch.starve()
        return
    until_pressed(pins)


def until_pressed(pins):
    """Sleep now; never returns, for waking is a reset."""
    button = alarm.pin.PinAlarm(pin=pins.BUTTON, value=pins.BUTTON_PRESSED, pull=True)
    alarm.exit_and_deep_sleep_until_alarms(button)
