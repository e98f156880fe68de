# SPDX-License-Identifier: MIT
"""How long a battery lasts, from published currents: `python -m tests.firmware.battery_life`.

Writes the tables of `firmware/README.md` anew. Nothing here was measured on a Tenuto band; each
figure says where it is from, and a measurement on a real one belongs in its place.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

BATTERIES_MAH = (100, 150, 400, 470)
USABLE = 0.85
"""Of the capacity on the label: age, cold, and the last per cents below 3.4 V."""

SESSION_MIN = 10.0
MOTOR_S = 2 * 18.67
"""Two rounds of the shipped routine, whose 92 pulses last 18.67 s together."""


@dataclass(frozen=True, slots=True)
class Current:
    """A current in mA, and where the figure is from."""

    name: str
    ma: float
    source: str


NRF_IDLE = Current(
    "nRF52840, CircuitPython between polls",
    0.5,
    "measured on a Feather nRF52840 Express with a cheap multimeter, adafruit/circuitpython "
    "issue 5318",
)
NRF_DEEP = Current(
    "nRF52840, CircuitPython's deep sleep",
    1.1,
    "the same issue: over twice as much as between polls; 1.1 is assumed for that",
)
NRF_SESSION = Current(
    "nRF52840, connected, main loop at 50 Hz",
    0.5 + 0.2 * 6.3 + 0.3,
    "between polls, and a fifth of the time at 6.3 mA (nRF52840 Product Specification, CPU at "
    "64 MHz from flash, LDO), an assumption; 0.3 mA of radio at 30 ms, estimated",
)
ESP_BLE = Current(
    "ESP32-S3 at 240 MHz with Bluetooth on",
    40.0,
    "assumed: adafruit/circuitpython issue 9626 has 40 mA for an S3 awake at 240 MHz, not for one "
    "with Bluetooth on; CircuitPython has no automatic light sleep, issue 9463",
)
ESP_DEEP = Current(
    "ESP32-S3 board in deep sleep",
    0.1,
    "Adafruit's guideline for ESP32-S3 boards, hoped for: by issue 9626 some of those with 8 MB of "
    "flash, as this one, stay awake at 40 mA after Bluetooth",
)
TWATCH = Current(
    "T-Watch S3 awake, its display dark",
    56.0,
    "reported of one in light sleep, which lost 12 % of its battery in an hour: "
    "Xinyuan-LilyGO/TTGO_TWatch_Library issue 235",
)
TWATCH_DEEP = Current(
    "T-Watch S3 in deep sleep, its button wakes it",
    0.53,
    "the maker's page on the watch in LilyGoLib, with power for its clock",
)
MOTOR = Current("coin motor at 3 V", 60.0, "Adafruit, product 1201")
DRIVER_REST = Current("DRV2605L in standby", 0.007, "maximum, TI E2E thread 1600930")
SENSOR = Current(
    "MAX30102 measuring",
    0.6 + 6.4 * 100 * 411e-6,
    "0.6 mA typical supply, and 6.4 mA in 100 pulses of 411 us a second (data sheet 19-7740)",
)
SENSOR_REST = Current("MAX30102 shut down", 0.0007, "typical, data sheet 19-7740")
GAUGE = Current("MAX17048", 0.023, "active, data sheet 19-6171")
DIVIDER = Current(
    "Feather's battery divider", 0.021, "4.2 V across 200 kOhm, the board's schematic"
)


@dataclass(frozen=True, slots=True)
class Case:
    """One way to use one board: what flows in a session, and between sessions.

    Attributes:
        own_mah: The battery that is built in, None where one chooses.
    """

    name: str
    session: tuple[Current, ...]
    between: tuple[Current, ...]
    own_mah: int | None = None

    @property
    def mah_per_day(self) -> float:
        """Charge for a day with one session."""
        session_h = SESSION_MIN / 60
        rest_h = 24 - session_h
        return (
            session_h * sum(current.ma for current in self.session)
            + rest_h * sum(current.ma for current in self.between)
            + MOTOR_S / 3600 * MOTOR.ma
        )

    def days(self, battery_mah: float) -> float:
        """Days from a full battery to an empty one."""
        return battery_mah * USABLE / self.mah_per_day


CASES = (
    Case(
        "Feather or XIAO nRF52840, awake and slowly advertising between sessions",
        (NRF_SESSION, SENSOR, DIVIDER),
        (NRF_IDLE, DRIVER_REST, SENSOR_REST, DIVIDER),
    ),
    Case(
        "the same, in CircuitPython's deep sleep between sessions",
        (NRF_SESSION, SENSOR, DIVIDER),
        (NRF_DEEP, DRIVER_REST, SENSOR_REST, DIVIDER),
    ),
    Case(
        "QT Py ESP32-S3, deep sleep between sessions",
        (ESP_BLE, SENSOR, GAUGE),
        (ESP_DEEP, DRIVER_REST, SENSOR_REST, GAUGE),
    ),
    Case(
        "the same, always reachable",
        (ESP_BLE, SENSOR, GAUGE),
        (ESP_BLE, DRIVER_REST, SENSOR_REST, GAUGE),
    ),
    Case(
        "LilyGO T-Watch S3 with its own battery, deep sleep between sessions",
        (TWATCH,),
        (TWATCH_DEEP,),
        own_mah=470,
    ),
)


def table() -> Iterator[str]:
    """Give the lines of the table of days, in Markdown."""
    yield (
        "| one session of 10 minutes a day | mAh a day | "
        + " | ".join(f"{mah} mAh" for mah in BATTERIES_MAH)
        + " |"
    )
    yield "|---|---" + "|---" * len(BATTERIES_MAH) + "|"
    for case in CASES:
        fits = (case.own_mah in (None, mah) for mah in BATTERIES_MAH)
        days = " | ".join(
            _days(case.days(mah)) if is_fit else ""
            for mah, is_fit in zip(BATTERIES_MAH, fits, strict=True)
        )
        yield f"| {case.name} | {case.mah_per_day:.1f} | {days} |"


def _days(days: float) -> str:
    return f"{days * 24:.0f} h" if days < 2 else f"{days:.0f} days"


def sources() -> Iterator[str]:
    """Give the lines of the table of currents, in Markdown."""
    yield "| current | mA | from |"
    yield "|---|---|---|"
    known = (
        *(NRF_IDLE, NRF_DEEP, NRF_SESSION, ESP_BLE, ESP_DEEP, TWATCH, TWATCH_DEEP),
        *(MOTOR, DRIVER_REST, SENSOR, SENSOR_REST, GAUGE, DIVIDER),
    )
    for current in known:
        yield f"| {current.name} | {current.ma:.3g} | {current.source} |"


def renew(readme: str) -> str:
    """Give a README with both tables as they are now, between their marks."""
    for title, lines in (("battery life", table()), ("currents", sources())):
        head, mark, rest = readme.partition(f"<!-- {title} -->\n")
        _, end, tail = rest.partition("<!-- end -->")
        readme = "".join([head, mark, *(f"{line}\n" for line in lines), end, tail])
    return readme


if __name__ == "__main__":
    path = shipped("firmware") / "README.md"
    path.write_text(renew(path.read_text("utf-8")), "utf-8")
    sys.stdout.write("\n".join(table()) + "\n")
