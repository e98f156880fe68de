# SPDX-License-Identifier: MIT
# ruff: noqa: ERA001 - what may be chosen instead stands beside what is chosen
"""A board of your own: copy this file, give it your board's name, and change what differs.

Then add a row to `FILES` in `boards/__init__.py`, or write the file's name to `settings.toml` on
the drive: `TENUTO_BOARD = "my_board"`.  In the console, `import board; dir(board)` lists the pins.
"""

import board

# --- the bus of the haptic driver, the heart-rate sensor and the fuel gauge
SCL = board.SCL
SDA = board.SDA

# --- the motor, one of these
# An ERM, a coin or bar motor, behind a DRV2605L.  rated_mv: from its data sheet, at most 5,500.
# lead_ms: how long it takes from the first current until it is felt.
MOTOR = {"driver": "drv2605", "kind": "erm", "rated_mv": 3000, "lead_ms": 60}
# An LRA behind a DRV2605L; all five from its data sheet.  It is calibrated at the first start.
#   MOTOR = {"driver": "drv2605", "kind": "lra", "rated_mv": 1800, "overdrive_mv": 2600,
#            "resonance_hz": 235, "lead_ms": 15}
# With the chip's pin EN on a pin of the board, and a resistor of 100 kOhm from there to ground:
#            "enable": board.D5
# A plain ERM behind an N-channel transistor, with 10 kOhm from its gate to ground and a diode
# across the motor.  Only the watchdog guards a hung program here; see the README.
#   MOTOR = {"driver": "pwm", "pin": board.D6, "lead_ms": 80}

# --- the heart-rate sensor MAX30102 on the bus: True or False
HEART = True

# --- the button, and the level that its pin has while it is pressed
BUTTON = board.D1
BUTTON_PRESSED = False
# A watch whose button, gauge and supplies are a power chip's: see lilygo_twatch_s3.py.

# --- the light: None, an LED on a pin, or a NeoPixel
LED = None
#   LED = {"kind": "pin", "pin": board.LED, "lit_high": True}
#   LED = {"kind": "neopixel", "pin": board.NEOPIXEL, "power": board.NEOPIXEL_POWER}

# --- the battery: None, the fuel gauge MAX17048 on the bus, or a divider on an analogue pin
BATTERY = None
#   BATTERY = {"kind": "max17048"}
#   BATTERY = {"kind": "divider", "pin": board.A6, "ratio": 2.0}

# --- serial ports that USB has room for beside the drive: 2, on an ESP32-S3 or -S2 only 1
SERIAL_PORTS = 2

# --- whether deep sleep saves power: True on an ESP32, False on an nRF52840
DEEP_SLEEP = False
