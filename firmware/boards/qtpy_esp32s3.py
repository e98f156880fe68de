# SPDX-License-Identifier: MIT
"""Adafruit QT Py ESP32-S3 without PSRAM (product 5426): all parts plug in, nothing is soldered.

Without PSRAM on purpose: with it the heap is megabytes, and collecting its garbage stops
everything for 70 to 290 ms (CircuitPython issue 10456, and measured with MicroPython), which a cue
would be late by.  Without it, it takes some milliseconds.
"""

import board

# The STEMMA QT socket.
SCL = board.SCL1
SDA = board.SDA1

# As on the reference board.
MOTOR = {"driver": "drv2605", "kind": "erm", "rated_mv": 3000, "lead_ms": 60}

HEART = True

# The button BOOT on the board, to ground.
BUTTON = board.BUTTON
BUTTON_PRESSED = False

LED = {"kind": "neopixel", "pin": board.NEOPIXEL, "power": board.NEOPIXEL_POWER}

# On the STEMMA QT cable too; Adafruit 5580.
BATTERY = {"kind": "max17048"}

# With the drive, two ports would be one endpoint too many (issue 10326).
SERIAL_PORTS = 1

# Awake this chip takes some 40 mA, asleep the board should take 0.1 mA (issue 9626, which also has
# boards that stay awake; the bring-up list says to measure).
DEEP_SLEEP = True
