# SPDX-License-Identifier: MIT
"""Adafruit Feather nRF52840 Sense (product 4516): the reference board.

It has no STEMMA QT socket: four wires go to its pins 3V, GND, SCL and SDA.
"""

import board

SCL = board.SCL
SDA = board.SDA

# Adafruit's DRV2605L board (2305) ties EN to its supply; with a board that brings EN out, give its
# pin as "enable", with a pull-down resistor on it.
#
# A coin motor for 3 V, 10 x 2.7 mm, such as Adafruit 1201 or Precision Microdrives 310-103.  An ERM
# needs 50 to 100 ms until it is felt (TDK, in Mouser's white paper "Piezoelectric technology
# enhances haptics", table 4); the 60 ms are an assumption, because a small one is a quick one.
MOTOR = {"driver": "drv2605", "kind": "erm", "rated_mv": 3000, "lead_ms": 60}

HEART = True

# The user switch on the board, to ground.
BUTTON = board.SWITCH
BUTTON_PRESSED = False

LED = {"kind": "pin", "pin": board.LED, "lit_high": True}

# 100 kOhm to the battery and 100 kOhm to ground, on the board.
BATTERY = {"kind": "divider", "pin": board.VOLTAGE_MONITOR, "ratio": 2.0}

SERIAL_PORTS = 2

# CircuitPython's deep sleep draws more here than waiting does (adafruit/circuitpython issue 5318).
DEEP_SLEEP = False
