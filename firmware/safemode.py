# SPDX-License-Identifier: MIT
"""Runs in place of everything else when CircuitPython has refused to run anything.

After a reset by the watchdog an nRF52840 on a USB cable ends here, and any board after a fault of
the interpreter or when its voltage fell too low (ports/*/supervisor/port.c).  A band that has hung
must come back by itself; but what fails again and again must not be hidden, so it comes back from
these three only.
"""

import time

import board
import microcontroller
import supervisor

import boards
import power
from motor_off import motor_off

# The cell recovers when nothing pulls at it.  Less than the watchdog's time, which runs on here.
RECOVER_S = 2

motor_off(boards.load(board.board_id))

reason = supervisor.runtime.safe_mode_reason
reasons = supervisor.SafeModeReason
if reason in (reasons.WATCHDOG, reasons.HARD_FAULT, reasons.BROWNOUT):
    # After the reset below the chip would say that the program asked for it.
    if reason == reasons.WATCHDOG:
        power.note_cause(power.WATCHDOG)
    elif reason == reasons.BROWNOUT:
        power.note_cause(power.BROWNOUT)
        time.sleep(RECOVER_S)
    microcontroller.reset()
