# SPDX-License-Identifier: MIT
"""Draws how a board is wired, from its file in `boards/`: `python -m tests.firmware.wiring`.

Writes `firmware/wiring/<board>.svg` for each board, so that no picture shows another pin than the
firmware uses.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tenuto.report.svg import Picture
from tenuto.shipped import shipped

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, ROW, PAD = 780, 26, 16
COLOURS = {"3V": "#c0392b", "GND": "#2c3e50", "SDA": "#2471a3", "SCL": "#b7950b", "": "#6c3483"}
BOARD_TITLES = {
    "feather_nrf52840_sense": "Adafruit Feather nRF52840 Sense",
    "xiao_nrf52840_sense": "Seeed XIAO nRF52840 Sense",
    "qtpy_esp32s3": "Adafruit QT Py ESP32-S3 (no PSRAM)",
}
SUPPLY_NAMES = {"xiao_nrf52840_sense": "3V3"}
CELLS = {
    "feather_nrf52840_sense": ("BAT", "LiPo cell, in the board's socket"),
    "xiao_nrf52840_sense": ("BAT+, BAT-", "LiPo cell, soldered under the board"),
    "qtpy_esp32s3": ("5V", "USB; or a LiPo cell through the MAX17048 and a LiPo BFF"),
}
"""Where the power comes in, by the board's own print: no pin of CircuitPython."""


STYLE = (
    "text{font:13px sans-serif;fill:#17202a}.title{font-weight:bold;font-size:15px}"
    ".right{text-anchor:end}.small{font-size:12px;fill:#566573}.paper{fill:#fdfefe}"
    ".box{fill:none;stroke:#34495e}.wire{fill:none;stroke-width:2.5}"
)


class Sheet(Picture):
    """A drawing under way; `height` grows with it."""

    def box(self, x: int, y: int, width: int, height: int) -> None:
        """Draw a rounded frame."""
        self.rect(x, y, width, height, class_="box", rx=8)
        self.height = max(self.height, y + height + PAD)

    def write(self, x: int, y: int, text: str, kind: str = "plain") -> None:
        """Write a line; kind: "plain", "title", "right" or "small"."""
        self.text(x, y, text, class_=kind)
        self.height = max(self.height, y + PAD)

    def wire(self, points: list[tuple[int, int]], colour: str) -> None:
        """Draw a line with a dot at each end."""
        path = " ".join(f"{x},{y}" for x, y in points)
        self.add("polyline", points=path, class_="wire", stroke=colour)
        for x, y in (points[0], points[-1]):
            self.add("circle", cx=x, cy=y, r=3.5, fill=colour)

    def trace(self, x: int, y: int, width: int) -> None:
        """Draw what the board has already, and nobody has to wire."""
        line = f"M{x} {y}h{width}"
        self.add("path", d=line, stroke="#95a5a6", stroke_width=1.5, stroke_dasharray="4 4")


@dataclass(frozen=True, slots=True)
class Pins:
    """What a file of `boards/` says: pins by the names of CircuitPython's `board`."""

    name: str
    values: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Pins:
        """Read a file of `boards/` without running it."""
        values = {}
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign):
                values[ast.unparse(node.targets[0])] = _value(node.value)
        return cls(path.stem, values)

    @property
    def is_ready_made(self) -> bool:
        """Whether all its parts are on it, as on a watch: it has a bus of its own."""
        return "BUS" in self.values

    @property
    def is_plugged(self) -> bool:
        """Whether the bus is a STEMMA QT socket."""
        return str(self.values["SCL"]).endswith("1")


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Dict):
        keys = [ast.literal_eval(key) for key in node.keys if key is not None]
        return dict(zip(keys, map(_value, node.values), strict=True))
    return None if isinstance(node, ast.BinOp) else ast.literal_eval(node)


def draw(pins: Pins) -> str:
    """Draw one board and its parts.

    The board stands on the left, the parts on its bus in a chain on the right, as STEMMA QT cables
    join them; what is on pins of its own is below.
    """
    name = BOARD_TITLES.get(pins.name, pins.name)
    svg = Sheet("wiring", WIDTH, 0, f"How the {name} is wired")
    svg.write(PAD, 26, name, "title")
    supply = SUPPLY_NAMES.get(pins.name, "3V")
    bus = [(supply, "3V"), ("GND", "GND"), (pins.values["SDA"], "SDA"), (pins.values["SCL"], "SCL")]
    motor, battery = pins.values["MOTOR"], pins.values["BATTERY"] or {}
    chain = [("DRV2605L haptic driver, 0x5A", _motor_text(motor))]
    if pins.values["HEART"]:
        chain.append(("MAX30102 heart-rate sensor, 0x57", "against the skin"))
    if battery.get("kind") == "max17048":
        chain.append(("MAX17048 fuel gauge, 0x36", "between battery and board"))
    own = _own_pins(pins)
    top, left, right = 44, PAD, 360
    y = top + PAD + 10
    for number, (pin, wire) in enumerate(bus):
        svg.write(left + 190, y + 4, pin, "right")
        svg.wire([(left + 200, y), (right, y)], COLOURS[wire])
        svg.write(right + 10, y + 4, "VIN" if wire == "3V" else wire, "small")
        if number == 0 and pins.is_plugged:
            svg.write(left + 12, y + 4, "STEMMA QT")
        y += ROW
    part_top = top
    for number, (title, detail) in enumerate(chain):
        height = ROW * 4 + PAD if number == 0 else 58
        svg.box(right, part_top, WIDTH - PAD - right, height)
        svg.write(right + 60, part_top + (30 if number == 0 else 24), title)
        svg.write(right + 60, part_top + (52 if number == 0 else 44), detail, "small")
        if number:
            for offset, wire in enumerate(("3V", "GND", "SDA", "SCL")):
                x = right + 280 + 18 * offset
                svg.wire([(x, part_top - 18), (x, part_top)], COLOURS[wire])
        part_top += height + 18
    y = max(y, part_top) + PAD
    for pin, text, is_there in own:
        svg.write(left + 190, y + 4, pin, "right")
        if is_there:
            svg.trace(left + 200, y, right - left - 200)
        else:
            svg.wire([(left + 200, y), (right, y)], COLOURS[""])
        svg.write(right + 10, y + 4, text, "small" if is_there else "plain")
        y += ROW
    svg.box(left, top, 200, y - top)
    return svg.file(STYLE)


def _motor_text(motor: dict[str, Any]) -> str:
    kind = "LRA" if motor.get("kind") == "lra" else "ERM coin motor"
    return f"{kind} of {motor['rated_mv'] / 1000:g} V on its two pads"


def _own_pins(pins: Pins) -> list[tuple[str, str, bool]]:
    """The pins beside the bus: name, what is on it, whether the board has that already."""
    values = pins.values
    own = []
    enable = values["MOTOR"].get("enable")
    if enable:
        text = "EN of the DRV2605L, and 100 kOhm from there to GND"
        own.append((enable, text, False))
    if values["BUTTON"] in ("SWITCH", "BUTTON"):
        own.append((values["BUTTON"], "button, on the board", True))
    else:
        own.append((values["BUTTON"], "push button, its other leg to GND", False))
    if pins.name in CELLS:
        own.append((*CELLS[pins.name], False))
    battery = values["BATTERY"] or {}
    if battery.get("kind") == "divider":
        own.append((battery["pin"], "the battery's divider, on the board", True))
    if values["LED"]:
        own.append((values["LED"]["pin"], "light, on the board", True))
    return own


def pictures() -> dict[str, str]:
    """Draw all boards that somebody has to wire: file name -> SVG."""
    folder = shipped("firmware") / "boards"
    skipped = ("__init__", "template")
    paths = (path for path in sorted(folder.glob("*.py")) if path.stem not in skipped)
    found = (Pins.read(path) for path in paths)
    return {f"{pins.name}.svg": draw(pins) for pins in found if not pins.is_ready_made}


if __name__ == "__main__":
    target = shipped("firmware") / "wiring"
    target.mkdir(exist_ok=True)
    for name, picture in pictures().items():
        (target / name).write_text(picture, "utf-8")
        sys.stdout.write(f"{target / name}\n")
