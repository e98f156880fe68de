# SPDX-License-Identifier: MIT
"""LilyGO T-Watch S3: a watch that is bought as it is, nothing is soldered.

CircuitPython's start switches the supplies of its parts on through the power chip AXP2101: ALDO2
and ALDO3 feed backlight and display, ALDO4 the long-range radio, DLDO1 the loudspeaker, and BLDO2
is the pin EN of the DRV2605.  It has no heart-rate sensor: wear a strap.

It has 8 MB of PSRAM, so that collecting garbage may take 70 to 290 ms (CircuitPython issue 10456);
see "Memory" in the README.
"""

import board

SCL = board.I2C_SCL
SDA = board.I2C_SDA
# CircuitPython's start has made this bus, and another one on its pins would be refused.
BUS = board.I2C

# The motor on the watch, taken for an ERM of 3 V: LilyGO publishes no data sheet of it.
MOTOR = {"driver": "drv2605", "kind": "erm", "rated_mv": 3000, "lead_ms": 60}

HEART = False

# The button is the power chip's own; this is the chip's interrupt, low while there is something to
# read.  The pin BOOT has a button on the S3 Plus only.
BUTTON = board.PMU_INT
BUTTON_PRESSED = False
BUTTON_CHIP = "axp2101"

LED = None
# Dark while the firmware runs.
DISPLAY = board.DISPLAY
# The outputs of the power chip that only use up the battery here: ALDO2, ALDO3, ALDO4, DLDO1.
SUPPLIES_OFF = 0x8E

BATTERY = {"kind": "axp2101"}

# As on the QT Py: two ports would be one endpoint too many.
SERIAL_PORTS = 1

# As on the QT Py.  PMU_INT is GPIO21, which can end it.
DEEP_SLEEP = True
