# SPDX-License-Identifier: MIT
"""Reports as their readers find them: people, browsers, screen readers."""

from __future__ import annotations

import re
import struct
from collections import Counter
from dataclasses import fields
from datetime import UTC, date
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tenuto.history.adherence import Streak, streak, tally
from tenuto.report import Period, Report, period_report, session_report
from tenuto.report.png import png
from tenuto.report.style import DAY, NIGHT, Colours
from tenuto.sessions.heart import Zones
from tests.history.sessions import Band, whole_session
from tests.report.picture import PICTURE, draw
from tests.report.played import EVENING_MS, accounts, month, played

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.history.timeline import Account

TODAY = date(2026, 11, 20)
VOID = {"meta", "rect", "line", "path", "circle", "br"}
SVG = "{http://www.w3.org/2000/svg}"


class Page(HTMLParser):
    """Reads a page and keeps what the tests ask about."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> list[Account]:
    return month(tmp_path_factory.mktemp("history") / "history.db")


@pytest.fixture(scope="module")
def session(sessions: list[Account]) -> Report:
    return session_report(sessions[-1], zones=Zones(185), zone=UTC)


@pytest.fixture(scope="module")
def of_month(sessions: list[Account]) -> Report:
    days = streak(tally(sessions, UTC).days, TODAY)
    return period_report(sessions, Period.of("month", TODAY), days, TODAY, UTC)


@pytest.fixture(scope="module")
def of_week(sessions: list[Account]) -> Report:
    days = streak(tally(sessions, UTC).days, TODAY)
    return period_report(sessions[-2:], Period.of("week", TODAY), days, TODAY, UTC)


@pytest.fixture(params=["session", "of_month", "of_week"])
def report(request: pytest.FixtureRequest) -> Report:
    found: Report = request.getfixturevalue(request.param)
    return found


# --- any report


def test_it_is_one_page_that_needs_nothing_else(report: Report) -> None:
    page = Page(report.html)

    assert page.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    assert not re.search(r"https?://|@import|url\((?!#)", report.html)
    assert ("lang", "en") in page.attributes
    assert ("name", "viewport") in page.attributes


def test_everything_that_is_drawn_is_said(report: Report) -> None:
    page = Page(report.html)
    ids = Counter(value for name, value in page.attributes if name == "id")

    assert {1} == set(ids.values())
    for name, value in page.attributes:
        if name == "aria-labelledby":
            assert set(value.split()) <= set(ids)
        if name == "fill":
            assert value.removeprefix("url(#").removesuffix(")") in ids
    pictures = [value for name, value in page.attributes if (name, value) == ("role", "img")]
    assert page.tags.count("svg") == len(pictures) == page.tags.count("desc")


def test_its_picture_is_well_formed_and_stands_alone(report: Report) -> None:
    svg = report.svg()
    root = ET.fromstring(svg)  # noqa: S314 - it is our own

    assert root.tag == f"{SVG}svg"
    assert len(root.findall(f".//{SVG}desc")) == len(report.pictures)
    assert "@media" not in svg
    for picture in root.findall(f"{SVG}svg"):
        assert float(picture.get("x", 0)) + float(picture.get("width", 0)) <= float(
            root.get("width", 0)
        )


def test_it_becomes_a_png(report: Report) -> None:
    data = png(report.svg())
    width, height = struct.unpack(">II", data[16:24])
    root = ET.fromstring(report.svg())  # noqa: S314 - it is our own

    assert data.startswith(b"\x89PNG")
    assert width == 2 * float(root.get("width", 0))
    assert height > 200


# --- the session


def test_the_session_is_told_in_words_too(session: Report, sessions: list[Account]) -> None:
    told, text = sessions[-1], Page(session.html).text

    for hold in told.holds:
        assert hold.exercise is not None
        assert hold.exercise in text
    for words in (
        "Stopped in Tabletop Leg Press, after 26 s",
        "7 of 9",
        "1 skipped, 1 cut short",
        "skipped after 11 s",
        "26 of 30 s, then stopped",
        "0:22 min",
        "Experimental",
        "artefacts",
        "A timer, not medical advice",
    ):
        assert words in text, words


def drawn(session: Report, class_: str) -> list[ET.Element]:
    return [
        element
        for element in ET.fromstring(session.svg()).iter()  # noqa: S314 - it is our own
        if element.get("class") == class_
    ]


def test_the_score_has_a_bar_for_each_hold_and_a_tick_for_each_cue(
    session: Report, sessions: list[Account]
) -> None:
    told = sessions[-1]
    bars = [b for b in drawn(session, "hold") if float(b.get("height", 0)) > 10]

    assert len(bars) == told.summary.holds_completed + 1  # the pause cuts one in two
    assert len(drawn(session, "skipped")) == 1
    assert len(drawn(session, "cut")) == 1
    assert len(drawn(session, "pause")) == 1
    assert len(drawn(session, "heart")) == 2  # the strap fell silent once
    assert len(drawn(session, "ink-tick")) >= len(told.cues)


def test_bars_lie_on_the_lane_of_their_side_and_at_their_time(session: Report) -> None:
    bars = [b for b in drawn(session, "hold") if float(b.get("height", 0)) > 10]
    tops = sorted({float(bar.get("y", 0)) for bar in bars})
    starts = [float(bar.get("x", 0)) for bar in bars]

    assert len(tops) == 2
    assert starts == sorted(starts)
    assert float(bars[0].get("width", 0)) == pytest.approx(30 * 2.7, abs=0.2)


def test_no_system_is_only_the_rest_of_one(tmp_path: Path) -> None:
    """The whole routine is a little longer than a wide system has room for."""
    (told,) = accounts(tmp_path / "h.db", played(1, EVENING_MS))
    report = session_report(told, zone=UTC)

    assert told.duration_ms == 342_000
    assert [picture.name for picture in report.pictures] == ["score-wide-1", "muscles"]
    last = [float(e.get("x", 0)) for e in drawn(report, "quiet") if e.text == "5:40"]
    assert 800 < max(last) < 960


def test_on_a_phone_the_score_goes_on_in_systems_without_losing_a_hold(
    session: Report, sessions: list[Account]
) -> None:
    narrow = session.html.partition('class="narrow"')[2].partition("<figcaption")[0]

    assert narrow.count("<svg") == 4
    widths = set(re.findall(r'viewBox="0 0 (\d+)', narrow))
    assert widths == {"325"}
    assert narrow.count('class="hold"') == sessions[-1].summary.holds_completed + 1


def test_a_session_of_which_little_is_known(tmp_path: Path) -> None:
    entries = [entry for entry in whole_session()[4:9] if entry.event.name != "heart"]
    (told,) = accounts(tmp_path / "h.db", entries)
    report = session_report(told, zone=UTC)

    assert Page(report.html).open == []
    assert "a routine whose name is not known" in report.title
    assert "Recovery" not in report.html


def test_a_session_that_has_only_begun(tmp_path: Path) -> None:
    band = Band()
    band.do(0)
    (told,) = accounts(tmp_path / "h.db", band.entries()[:1])
    report = session_report(told, zone=UTC)

    assert "Not known to have ended" in Page(report.html).text
    ET.fromstring(report.svg())  # noqa: S314 - it is our own


def test_names_cannot_become_markup(tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script>"
    (told,) = accounts(tmp_path / "h.db", whole_session(wearable=nasty, person='"><b>x'))
    page = Page(session_report(told, zone=UTC).html)
    of_week = period_report([told], Period.of("week", TODAY), Streak(0, 1, None), TODAY, UTC)

    assert "script" not in page.tags
    assert nasty in page.text
    assert "b" not in Page(of_week.html).tags
    ET.fromstring(of_week.svg())  # noqa: S314 - it is our own


# --- the month and the week


def test_the_month_is_told_in_words_too(of_month: Report) -> None:
    text = Page(of_month.html).text

    for words in (
        "November 2026",
        "ada: 9 days in a row, with at most 3 days of rest between",
        "a session until Tuesday keeps it",
        "Friday 20 November",
        "piriformis",
        "2 to 3 days a week",
    ):
        assert words in text, words


@pytest.mark.parametrize(
    "day,first,days,title",
    [
        (date(2026, 11, 20), date(2026, 11, 1), 30, "November 2026"),
        (date(2028, 2, 29), date(2028, 2, 1), 29, "February 2028"),
        (date(2026, 12, 31), date(2026, 12, 1), 31, "December 2026"),
    ],
)
def test_a_month_has_its_days(day: date, first: date, days: int, title: str) -> None:
    period = Period.of("month", day)

    assert (period.first, period.days, period.title) == (first, days, title)


def test_a_week_begins_on_monday() -> None:
    period = Period.of("week", date(2026, 11, 22))

    assert (period.first, period.last) == (date(2026, 11, 16), date(2026, 11, 22))


@pytest.mark.parametrize("name", ["week", "month"])
def test_a_period_without_a_session(name: str) -> None:
    report = period_report([], Period.of(name, TODAY), Streak(0, 0, None), TODAY, UTC)

    assert "None yet" in Page(report.html).text
    ET.fromstring(report.svg())  # noqa: S314 - it is our own


# --- colours


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [DAY, NIGHT], ids=["day", "night"])
def test_texts_and_marks_stand_out(colours: Colours) -> None:
    """WCAG 2.2: 4.5 for texts, 3 for what is drawn."""
    for ground in (colours.paper, colours.card):
        for text in (colours.ink, colours.quiet):
            assert contrast(text, ground) >= 4.5
        for data in (colours.hold, colours.heart):
            assert contrast(data, ground) >= 3
    assert contrast(colours.on_hold, colours.hold) >= 4.5
    assert contrast(colours.ink, colours.mark) >= 4.5
    assert all(re.fullmatch("#[0-9a-f]{6}", getattr(colours, f.name)) for f in fields(colours))


# --- the picture in README


def test_the_picture_of_a_session_is_the_one_that_is_drawn() -> None:
    """`python -m tests.report.picture` draws it anew."""
    assert PICTURE.read_text(encoding="utf-8") == draw()
