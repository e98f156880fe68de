# SPDX-License-Identifier: MIT
"""Runs in place of everything else when CircuitPython has refused to run anything.

After a reset by the watchdog an nRF52840 on a USB cable ends here (ports/nordic/supervisor/port.c),
and so does any board after a fault of the interpreter.  A band that has hung must come back by
itself; but what fails again and again must not be hidden, so it comes back from these two only.
"""

import board
import microcontroller
import supervisor

import boards
from motor_off import motor_off

motor_off(boards.load(board.board_id))

if supervisor.runtime.safe_mode_reason in (
    supervisor.SafeModeReason.WATCHDOG,
    supervisor.SafeModeReason.HARD_FAULT,
):
    microcontroller.reset()
