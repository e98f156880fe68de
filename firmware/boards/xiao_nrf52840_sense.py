# SPDX-License-Identifier: MIT
"""Seeed Studio XIAO nRF52840 Sense: the smallest."""

import board

SCL = board.SCL
SDA = board.SDA

# A linear resonant actuator of 8 mm for 1.8 V RMS and 235 Hz, such as Vybronics VG0832013D.  An LRA
# needs 10 to 20 ms until it is felt (TDK, as on the reference board); 15 is the middle.
MOTOR = {
    "driver": "drv2605",
    "kind": "lra",
    "rated_mv": 1800,
    "overdrive_mv": 2600,
    "resonance_hz": 235,
    "enable": board.D3,
    "lead_ms": 15,
}

HEART = True

# Between D1 and ground; the board's own button is its reset.
BUTTON = board.D1
BUTTON_PRESSED = False

# The red one of the three, which light when low.
LED = {"kind": "pin", "pin": board.LED_RED, "lit_high": False}

# 1 MOhm to the battery and 510 kOhm to READ_BATT_ENABLE, which Seeed asks to keep low always: high,
# it would put the charging voltage on the analogue pin.
BATTERY = {
    "kind": "divider",
    "pin": board.VBATT,
    "ratio": 1510 / 510,
    "enable": board.READ_BATT_ENABLE,
    "enable_level": False,
}

SERIAL_PORTS = 2

# CircuitPython's deep sleep draws more here than waiting does (adafruit/circuitpython issue 5318).
DEEP_SLEEP = False
