# SPDX-License-Identifier: MIT
"""Runs once after each reset, before USB is up: the motor off, then the serial ports."""

import os

import board
import usb_cdc
import usb_hid
import usb_midi

import boards
from motor_off import motor_off

pins = None
try:
    pins = boards.load(board.board_id)
    trouble = motor_off(pins)
except Exception as error:  # noqa: BLE001 - without this file the drive must still appear
    trouble = error
if trouble:
    print("motor:", repr(trouble))

# A band is neither a keyboard nor an instrument, and each takes one of the few endpoints.
usb_hid.disable()
usb_midi.disable()
# The host's cable speaks on a port of its own, the other is the console.  An ESP32-S3 has room for
# one of them beside the drive, and with both it would not start at all: it gets the cable, or the
# console where settings.toml asks for it.  A board without a file needs its console to be mended.
has_both = pins is not None and pins.SERIAL_PORTS > 1
has_console = has_both or pins is None or str(os.getenv("TENUTO_CONSOLE")) == "1"
usb_cdc.enable(console=has_console, data=has_both or not has_console)
