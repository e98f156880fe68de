# SPDX-License-Identifier: MIT
"""Draws what the dashboard shows in the middle of a session: `python -m tests.mqtt.picture`.

The session is played by the real player, and every text is read from the payloads that the bridge
publishes, by way of the table of entities. The cards are those of the dashboard, in its order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
WIDTH, GAP, TOP = 300, 12, 58
HALF = (WIDTH - GAP) / 2
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
        self.card(x, y, width, 72)
        self.write(x + width / 2, y + 41, name, 14, "t", "middle")


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _side(exercise: str, side: str | None) -> str:
    return ", ".join(filter(None, (exercise, side)))


def draw(shown: Shown) -> dict[str, str]:
    """Draw the dashboard, by day and by night."""
    sheet = Sheet("dashboard", 988, 440, "A drawing of Tenuto on a Home Assistant dashboard")
    session = shown.payloads["session"]
    one, two, three = (20 + number * (WIDTH + 24) for number in range(3))
    following = _side(session["next_exercise"], session["next_side"])
    share = _draw_now(sheet, one, shown, following)
    _draw_week(sheet, two, shown)
    _draw_band(sheet, three, shown)
    sheet.desc = (
        f"{_side(session['exercise'], session['side'])}: {share:.0%} of the "
        f"{session['kind']} is done. Next: {following}. "
        f"Hold {session['hold']} of {session['holds']} of {session['routine']}."
    )
    return {name: sheet.file(style(colours)) for name, colours in COLOURS.items()}


def _draw_now(sheet: Sheet, x: float, shown: Shown, following: str) -> float:
    session = shown.payloads["session"]
    sheet.write(x, 38, "Now", 16, "h")
    sheet.card(x, TOP, WIDTH, 116)
    sheet.write(x + 16, TOP + 34, _side(session["exercise"], session["side"]), 18, "h")
    until = datetime.fromisoformat(session["step_ends_at"]).strftime("%H:%M:%S")
    present = f"{session['kind']} until {until} · {session['hold']}/{session['holds']}"
    sheet.write(x + 16, TOP + 66, present)
    sheet.write(x + 16, TOP + 96, f"Next: {following}")
    began, ends = _ms(session["step_started_at"]), _ms(session["step_ends_at"])
    share = (shown.now_ms - began) / (ends - began)
    sheet.tile(x, TOP + 128, WIDTH, "This step", f"{share:.0%}")
    sheet.bar(x + HALF, TOP + 145, WIDTH - HALF - 16, share)
    for number, name in enumerate(("Pause or resume", "Stop", "Back", "Skip")):
        sheet.button(x + number % 2 * (HALF + GAP), TOP + 196 + number // 2 * 84, HALF, name)
    return share


def _draw_week(sheet: Sheet, x: float, shown: Shown) -> None:
    summary = shown.payloads["summary"]
    sheet.write(x, 38, "How it goes", 16, "h")
    right = x + HALF + GAP
    sheet.tile(x, TOP, HALF, "Streak", f"{shown.value('streak', PERSON)} d", "p")
    sheet.tile(right, TOP, HALF, "Days this week", f"{summary['days_this_week']} d")
    sheet.tile(x, TOP + 68, HALF, "Held this week", f"{summary['minutes_this_week']:g} min")
    last = datetime.fromisoformat(summary["last_session_at"]).strftime("%d %b %H:%M")
    sheet.tile(right, TOP + 68, HALF, "Last session", last)
    sheet.card(x, TOP + 136, WIDTH, 216)
    sheet.write(x + 16, TOP + 164, "The week", 15, "h")
    today = datetime.fromtimestamp(shown.now_ms / 1000, UTC).date()
    held = {
        datetime.fromtimestamp(one.row.started_utc_ms / 1000, UTC).date(): one.held_ms
        for one in _before()
    }
    days = [today - timedelta(days=ago) for ago in range(6, -1, -1)]
    most, wide = max(held.values()), (WIDTH - 32) / len(days)
    for number, day in enumerate(days):
        left, tall = x + 16 + number * wide, 130 * held.get(day, 0) / most
        sheet.rect(left + 4, TOP + 322 - tall, wide - 8, tall, class_="b1", rx=3)
        sheet.write(left + wide / 2, TOP + 342, day.strftime("%a"), 12, "s", "middle")


def _draw_band(sheet: Sheet, x: float, shown: Shown) -> None:
    settings, right = shown.payloads["settings"], x + HALF + GAP
    sheet.write(x, 38, "The band", 16, "h")
    sheet.card(x, TOP, WIDTH, 136)
    for number, (name, value) in enumerate(
        (
            ("Strength", f"{settings['strength']} %"),
            ("Hold time", f"{settings['hold_time']} %"),
            ("Halfway cue", "on" if settings["halfway"] else "off"),
            ("Countdown", "on" if settings["countdown"] else "off"),
        )
    ):
        sheet.write(x + 16, TOP + 30 + number * 30, name)
        sheet.write(x + WIDTH - 16, TOP + 30 + number * 30, value, 14, "s", "end")
    sheet.tile(x, TOP + 148, HALF, "Link", "Connected", "g")
    sheet.tile(right, TOP + 148, HALF, "Find it", "")
    sheet.tile(x, TOP + 216, HALF, "Battery", f"{shown.value('battery')}%", "g")
    sheet.tile(right, TOP + 216, HALF, "Firmware", "Up-to-date")
    sheet.card(x, TOP + 284, WIDTH, 68)
    sheet.write(x + 16, TOP + 310, f"Heart rate: {shown.value('heart_rate')} bpm", 15, "h")
    low, high = min(BPM), max(BPM)
    points = [
        (
            x + 16 + number * (WIDTH - 32) / (len(BPM) - 1),
            TOP + 344 - (bpm - low) / (high - low) * 24,
        )
        for number, bpm in enumerate(BPM)
    ]
    sheet.path(points, class_="l")


if __name__ == "__main__":
    for name, svg in draw(moment()).items():
        (FOLDER / name).write_text(svg, encoding="utf-8")
