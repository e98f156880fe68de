# SPDX-License-Identifier: MIT
"""Deep sleep until the button is pressed, and the notes in the memory that survives a reset.

The nRF52840's watchdog goes on in deep sleep and would end it after seconds, and nothing but its
own reset stops it.  So there deep sleep takes a detour: a note, no more food, the reset, and then
sleep as the first thing that the new program does.

Another says why CircuitPython was in safe mode, from where it comes back by one more reset.  The
third is the motor's: what it did in the last minute, see `tenuto_core.limits.Ledger`.
"""

import alarm
import microcontroller
from digitalio import DigitalInOut, Pull

# In `alarm.sleep_memory`, which survives resets and does not wear.
_NOTE = b"zZ"
_AT = 0
_CAUSE_NOTE = b"c!"
_CAUSE_AT = 2
_LEDGER_AT = 5
# The names in `microcontroller.ResetReason`.
WATCHDOG, BROWNOUT = "WATCHDOG", "BROWNOUT"
_CAUSES = (WATCHDOG, BROWNOUT)


def is_wanted():
    """Return whether the last program asked for deep sleep; this clears the note."""
    memory = alarm.sleep_memory
    if not memory or bytes(memory[_AT : _AT + 2]) != _NOTE:
        return False
    memory[_AT : _AT + 2] = b"\x00\x00"
    return True


def note_cause(cause):
    """Store the cause of the coming reset: one of the names above."""
    alarm.sleep_memory[_CAUSE_AT : _CAUSE_AT + 3] = _CAUSE_NOTE + bytes((_CAUSES.index(cause),))


def noted_cause():
    """Return the cause that was stored before this start, or None; this clears the note."""
    memory = alarm.sleep_memory
    if not memory:
        return None
    noted = bytes(memory[_CAUSE_AT : _CAUSE_AT + 3])
    memory[_CAUSE_AT : _CAUSE_AT + 3] = b"\x00\x00\x00"
    if noted[:2] != _CAUSE_NOTE or noted[2] >= len(_CAUSES):
        return None
    return _CAUSES[noted[2]]


def ledger_memory():
    """Return the memory that survives a reset, or None, and the offset of the ledger's part."""
    return alarm.sleep_memory or None, _LEDGER_AT


def is_held(pins):
    """Return whether the button is down now; False where it is a power chip's: that tells edges."""
    if hasattr(pins, "BUTTON_CHIP"):
        return False
    with DigitalInOut(pins.BUTTON) as button:
        button.switch_to_input(pull=Pull.DOWN if pins.BUTTON_PRESSED else Pull.UP)
        return button.value == pins.BUTTON_PRESSED


def was_woken():
    """Return whether the button ended a deep sleep and so started this program."""
    return alarm.wake_alarm is not None


def sleep(pins, loop_watchdog):
    """Leave the program and sleep.  Everything that takes power must be off already.

    Returns only where the sleep has to wait for the watchdog's reset, at most its timeout; the
    caller then goes on as usual, with nothing to do.
    """
    try:
        microcontroller.watchdog.mode = None
    except RuntimeError:
        alarm.sleep_memory[_AT : _AT + 2] = _NOTE
        loop_watchdog.starve()
        return
    until_pressed(pins)


def until_pressed(pins):
    """Sleep now; never returns, for waking is a reset."""
    button = alarm.pin.PinAlarm(pin=pins.BUTTON, value=pins.BUTTON_PRESSED, pull=True)
    alarm.exit_and_deep_sleep_until_alarms(button)
