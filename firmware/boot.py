# SPDX-License-Identifier: MIT
"""Runs once after each reset, before USB is up: the motor off, then the second serial port."""

import board
import usb_cdc

import boards
from motor_off import motor_off

try:
    trouble = motor_off(boards.load(board.board_id))
except Exception as error:  # noqa: BLE001 - without this file the drive must still appear
    trouble = error
if trouble:
    print("motor:", repr(trouble))

# The host's cable speaks on the second port; the first stays the console.
usb_cdc.enable(console=True, data=True)
