# SPDX-License-Identifier: MIT
"""A plain ERM motor behind a transistor, on a PWM pin.

The PWM goes on by itself, so a pulse ends by the buzzer, by the stop timer, or by the watchdog's
reset; there is nothing in the hardware that ends it sooner.  The gate needs a pull-down resistor,
which holds the motor still while the pin floats: at power-up, in the bootloader, after a reset.
"""

import pwmio

from .motor import TimedMotor

# Above what can be heard, below what the transistor minds.
FREQUENCY_HZ = 20_000
# A coin motor for 3 V starts at about 2.3 V at the latest (Precision Microdrives 310-103) but goes
# on turning with less: under this duty many never start.
START_PCT = 40


class PwmMotor(TimedMotor):
    """pin: drives the transistor's gate, high is on.  lead_ms: see `TimedMotor`."""

    def __init__(self, pin, lead_ms):
        super().__init__(lead_ms)
        self._pwm = pwmio.PWMOut(pin, frequency=FREQUENCY_HZ, duty_cycle=0)

    def _drive(self, strength_pct, on_ms):
        duty_pct = START_PCT + strength_pct * (100 - START_PCT) // 100
        self._pwm.duty_cycle = duty_pct * 65535 // 100

    def _halt(self):
        self._pwm.duty_cycle = 0
