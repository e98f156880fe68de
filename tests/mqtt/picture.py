# SPDX-License-Identifier: MIT
"""Draws what the dashboard shows in the middle of a session: `python -m tests.mqtt.picture`.

The session is played by the real player, and every text is read from the payloads that the bridge
publishes, by way of the table of entities. The cards are those of `dashboard.yaml`, in its order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tenuto import mqtt
from tenuto.history import SessionRow
from tenuto.history.person_summary import Counted, person_summary
from tenuto.mqtt.discovery import PERSON, WEARABLE, Entity
from tenuto.mqtt.topics import device_payload, session_payload, settings_payload, summary_payload
from tenuto.report.svg import Picture
from tenuto.routines.library import Library
from tenuto.sessions.events import SessionKey
from tenuto.sessions.view import SessionView
from tenuto.state.preferences import Preferences
from tenuto.wearables.device_state import DeviceState
from tenuto_core import vocab
from tests.history.sessions import Band

FOLDER = Path(mqtt.__file__).parent
BEGAN_MS = int(datetime(2026, 11, 24, 18, 0, tzinfo=UTC).timestamp() * 1000)
PLAYED_MS = 136_000
DAY_MS = 86_400_000
BPM = (96, 95, 93, 90, 92, 88, 85, 83, 84, 80, 78, 77, 79, 76, 74)


@dataclass
class Shown:
    """What Home Assistant knows at that moment, by topic."""

    payloads: dict[str, dict[str, Any]]
    now_ms: int

    def value(self, key: str, table: tuple[Entity, ...] = WEARABLE) -> Any:
        (row,) = [row for row in table if row.key == key]
        return self.payloads[row.topic].get(row.value)


def moment() -> Shown:
    """Play two minutes of the lower-back routine."""
    band = Band(plan=Library().plan("lower-back").plan, boot_utc_ms=BEGAN_MS, now_ms=0)
    view = SessionView()
    band.do(vocab.START)
    band.pass_ms(PLAYED_MS)
    for entry in band.entries():
        view.apply(entry.event, entry.utc_ms)
    now_ms = BEGAN_MS + PLAYED_MS
    return Shown(
        {
            "session": session_payload(view),
            "settings": settings_payload(Preferences(), "lower-back"),
            "device": device_payload(
                DeviceState(
                    link="ble",
                    battery_pct=87,
                    rssi_dbm=-58,
                    firmware="0.1.0",
                    latest_firmware="0.1.0",
                )
            ),
            "summary": summary_payload(person_summary(_before(), now_ms, UTC)),
            "heart": {"bpm": BPM[-1]},
        },
        now_ms,
    )


def _before() -> list[Counted]:
    days = (1, 2, 4, 5, 7, 8, 10)
    return [
        Counted(
            SessionRow(
                number,
                SessionKey("serial:1", 1, number),
                "wrist",
                "anna",
                None,
                "lower-back",
                BEGAN_MS - ago * DAY_MS,
                BEGAN_MS - ago * DAY_MS + 342_000,
                "finished",
                "plan",
            ),
            270_000,
            9,
            9,
            6,
        )
        for number, ago in enumerate(days, 1)
    ]


CLASSES = {
    "c": "fill:{card};stroke:{edge}",
    "paper": "fill:{paper}",
    "t": "fill:{ink}",
    "h": "fill:{ink};font-weight:600",
    "s": "fill:{quiet}",
    "d": "fill:{blue}",
    "p": "fill:{orange}",
    "g": "fill:{green}",
    "b0": "fill:{empty}",
    "b1": "fill:#3f8f4b",
    "l": "fill:none;stroke:{line};stroke-width:2",
}
DAY = {
    "card": "#fff",
    "edge": "#e0e0e0",
    "paper": "#f4f5f7",
    "ink": "#212121",
    "quiet": "#616161",
    "blue": "#cfe3f7",
    "orange": "#ffe0b2",
    "green": "#d5ecd6",
    "empty": "#d9e8d9",
    "line": "#c0392b",
}
NIGHT = {
    "card": "#1e1f22",
    "edge": "#333",
    "paper": "#111214",
    "ink": "#eee",
    "quiet": "#aaa",
    "blue": "#28425c",
    "orange": "#5c4524",
    "green": "#2b4a2e",
    "empty": "#2c3a2d",
    "line": "#e57368",
}
COLOURS = {"dashboard.svg": DAY, "dashboard-dark.svg": NIGHT}


def style(colours: dict[str, str]) -> str:
    """Give the rules of the picture's classes."""
    rules = (f".{name}{{{rule.format(**colours)}}}" for name, rule in CLASSES.items())
    return "".join(rules) + "text{font-family:Roboto,Helvetica,Arial,sans-serif}"


class Sheet(Picture):
    """A sheet of cards in three columns."""

    def write(  # noqa: PLR0917 - as SVG has it
        self, x: float, y: float, text: str, size: int = 14, kind: str = "t", anchor: str = "start"
    ) -> None:
        self.add("text", text, x=x, y=y, font_size=size, class_=kind, text_anchor=anchor)

    def card(self, x: float, y: float, width: float, height: float) -> None:
        self.rect(x, y, width, height, class_="c", rx=12)

    def tile(  # noqa: PLR0917
        self, x: float, y: float, width: float, name: str, value: str, dot: str = "d"
    ) -> None:
        self.card(x, y, width, 56)
        self.add("circle", cx=x + 22, cy=y + 28, r=12, class_=dot)
        self.write(x + 42, y + 25, name, 13)
        self.write(x + 42, y + 43, value, 12, "s")

    def bar(self, x: float, y: float, width: float, share: float) -> None:
        self.rect(x, y, width, 22, class_="b0", rx=8)
        self.rect(x, y, width * share, 22, class_="b1", rx=8)

    def button(self, x: float, y: float, width: float, name: str) -> None:
        self.card(x, y, width, 44)
        self.write(x + width / 2, y + 27, name, 13, "t", "middle")


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _in(shown: Shown, text: str) -> str:
    left_s = round((_ms(text) - shown.now_ms) / 1000)
    return f"in {left_s // 60} min {left_s % 60} s" if left_s >= 60 else f"in {left_s} s"


def draw(shown: Shown) -> dict[str, str]:  # noqa: PLR0915 - a card a line
    """Draw the dashboard, by day and by night."""
    sheet = Sheet("dashboard", 988, 500, "A drawing of Tenuto on a Home Assistant dashboard")
    width, gap = 300, 12
    half = (width - gap) / 2
    session, settings = shown.payloads["session"], shown.payloads["settings"]
    one, two, three = (20 + number * (width + 24) for number in range(3))
    top = 58

    sheet.write(one, 38, "Now", 16, "h")
    sheet.tile(one, top, width, "Exercise", session["exercise"], "p")
    began, ends = _ms(session["step_started_at"]), _ms(session["step_ends_at"])
    share = (shown.now_ms - began) / (ends - began)
    sheet.card(one, top + 68, width, 92)
    sheet.write(one + 16, top + 94, "This step")
    sheet.write(one + 16, top + 112, f"{share:.0%}", 12, "s")
    sheet.bar(one + 16, top + 124, width - 32, share)
    sheet.tile(one, top + 172, half, "Side", session["side"] or "both")
    sheet.tile(one + half + gap, top + 172, half, "Step", session["kind"])
    sheet.tile(one, top + 240, half, "Until", _in(shown, session["step_ends_at"]))
    sheet.tile(
        one + half + gap, top + 240, half, "All done", _in(shown, session["session_ends_at"])
    )
    following = ", ".join(filter(None, (session["next_exercise"], session["next_side"])))
    sheet.tile(one, top + 308, width, "Next", following)
    sheet.card(one, top + 376, width, 44)
    place = f"Hold {session['hold']} of {session['holds']} of {session['routine']}"
    sheet.write(one + 16, top + 403, place, 13)

    sheet.write(two, 38, "Play", 16, "h")
    sheet.tile(two, top, width, "Session", session["state"], "g")
    sheet.tile(two, top + 68, width, "Routine", settings["routine"])
    third = (width - 2 * gap) / 3
    for number, name in enumerate(("Start", "Pause", "Stop", "Back", "Skip", "Find")):
        x, y = two + number % 3 * (third + gap), top + 136 + number // 3 * 56
        sheet.button(x, y, third, name)
    sheet.card(two, top + 248, width, 172)
    sheet.write(two + 16, top + 276, "How it feels", 15, "h")
    for number, (name, value) in enumerate(
        (
            ("Strength", f"{settings['strength']} %"),
            ("Hold time", f"{settings['hold_time']} %"),
            ("Halfway cue", "on" if settings["halfway"] else "off"),
            ("Countdown", "on" if settings["countdown"] else "off"),
        )
    ):
        sheet.write(two + 16, top + 306 + number * 30, name)
        sheet.write(two + width - 16, top + 306 + number * 30, value, 14, "s", "end")

    sheet.write(three, 38, "How it goes", 16, "h")
    summary = shown.payloads["summary"]
    sheet.tile(three, top, half, "Streak", f"{shown.value('streak', PERSON)} d", "p")
    days = f"{summary['days_this_week']} d of {summary['advised_days_a_week']} advised"
    sheet.tile(three + half + gap, top, half, "Days this week", days)
    held = f"{summary['minutes_this_week']:g} min"
    sheet.tile(three, top + 68, half, "Held this week", held)
    last = datetime.fromisoformat(summary["last_session_at"]).strftime("%d %b %H:%M")
    sheet.tile(three + half + gap, top + 68, half, "Last session", last)
    sheet.card(three, top + 136, width, 140)
    sheet.write(three + 16, top + 162, f"Heart rate: {shown.value('heart_rate')} bpm", 15, "h")
    low, high = min(BPM), max(BPM)
    points = [
        (
            three + 16 + number * (width - 32) / (len(BPM) - 1),
            top + 260 - (bpm - low) / (high - low) * 80,
        )
        for number, bpm in enumerate(BPM)
    ]
    sheet.path(points, class_="l")
    sheet.card(three, top + 288, width, 132)
    sheet.write(three + 16, top + 316, "The band", 15, "h")
    firmware = shown.payloads["device"]["firmware"]
    for number, (name, value) in enumerate(
        (
            ("Connected", "yes"),
            ("Battery", f"{shown.value('battery')} %"),
            ("Firmware", f"{firmware}, up to date"),
        )
    ):
        sheet.write(three + 16, top + 346 + number * 28, name)
        sheet.write(three + width - 16, top + 346 + number * 28, value, 14, "s", "end")
    sheet.desc = (
        f"{session['exercise']}, {session['side'] or 'both sides'}: {share:.0%} of the "
        f"{session['kind']} is done. Next: {following}. {place}."
    )
    return {name: sheet.file(style(colours)) for name, colours in COLOURS.items()}


if __name__ == "__main__":
    for name, svg in draw(moment()).items():
        (FOLDER / name).write_text(svg, encoding="utf-8")
