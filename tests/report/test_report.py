# SPDX-License-Identifier: MIT
"""Reports as their readers find them: people, browsers, screen readers."""

from __future__ import annotations

import asyncio
import html
import re
import struct
from collections import Counter
from dataclasses import fields, replace
from datetime import UTC, date
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tenuto.history import ExerciseNote, Store
from tenuto.history.adherence import Streak, Tally
from tenuto.history.period import Period, PeriodAccount
from tenuto.report import Report, period_report, session_report
from tenuto.report.png import png
from tenuto.report.style import DAY, NIGHT, Colours
from tenuto.report.svg import Picture, text_width, together
from tenuto.report.text import text_score, week_lines
from tenuto.routines import routine
from tenuto.routines.compile import compile_routine
from tenuto.routines.library import Library
from tenuto.sessions.heart import Zones
from tenuto_core import vocab
from tests.conftest import ROOT
from tests.history.sessions import Band, whole_session
from tests.report.picture import FOLDER, draw
from tests.report.played import DAY_MS, EVENING_MS, accounts, month, played, told

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.history.timeline import Account
    from tenuto_core.plan import Plan

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
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("history") / "history.db"


@pytest.fixture(scope="module")
def sessions(kept: Path) -> list[Account]:
    return month(kept)


@pytest.fixture(scope="module")
def session(sessions: list[Account]) -> Report:
    return session_report(sessions[-1], zones=Zones(185), zone=UTC)


@pytest.fixture(scope="module")
def of_month(kept: Path, sessions: list[Account]) -> Report:
    assert sessions
    return period_report(told(kept, "month", TODAY, TODAY), zone=UTC)


@pytest.fixture(scope="module")
def of_week(kept: Path, sessions: list[Account]) -> Report:
    assert sessions
    return period_report(told(kept, "week", TODAY, TODAY), zone=UTC)


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
    text = Page(session.html).text

    for hold in sessions[-1].holds:
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
    last = sessions[-1]
    bars = [b for b in drawn(session, "hold") if float(b.get("height", 0)) > 10]

    assert len(bars) == last.summary.holds_completed + 1  # the pause cuts one in two
    assert len(drawn(session, "skipped")) == 1
    assert len(drawn(session, "cut")) == 1
    assert len(drawn(session, "pause")) == 1
    assert len(drawn(session, "heart")) == 2  # the strap fell silent once
    strokes = "".join(one.get("d", "") for one in drawn(session, "ink-tick"))
    assert strokes.count("M") >= len(last.cues)


def test_bars_lie_on_the_lane_of_their_side_and_at_their_time(session: Report) -> None:
    bars = [b for b in drawn(session, "hold") if float(b.get("height", 0)) > 10]
    tops = sorted({float(bar.get("y", 0)) for bar in bars})
    starts = [float(bar.get("x", 0)) for bar in bars]

    assert len(tops) == 2
    assert starts == sorted(starts)
    px_per_s = float(bars[0].get("width", 0)) / 30
    assert px_per_s == pytest.approx(2.7, abs=0.1)
    assert starts[0] - 34 == pytest.approx(5 * px_per_s, abs=0.5)  # after what gets one ready


def test_a_short_session_fills_the_page(tmp_path: Path) -> None:
    (short,) = accounts(tmp_path / "h.db", played(1, EVENING_MS, routine="lower-back-short"))
    report = session_report(short, zone=UTC)
    bars = [b for b in drawn(report, "hold") if float(b.get("height", 0)) > 10]
    names = {element.text for element in drawn(report, "label")}

    assert short.duration_ms == 178_000
    assert float(bars[-1].get("x", 0)) > 800
    assert {"Tabletop", "Leg Press"} <= names  # in two lines, and whole


def test_no_system_is_only_the_rest_of_one(tmp_path: Path) -> None:
    """The whole routine is a little longer than a wide system has room for."""
    (whole,) = accounts(tmp_path / "h.db", played(1, EVENING_MS))
    report = session_report(whole, zone=UTC)

    assert whole.duration_ms == 342_000
    names = [picture.name for picture in report.pictures]
    assert names == ["score-wide-1", "muscles-stretch", "muscles-strength"]
    last = [float(e.get("x", 0)) for e in drawn(report, "quiet") if e.text == "5:40"]
    assert 800 < max(last) < 960


@pytest.mark.parametrize("routine,numbers", [("lower-back", 6), ("lower-back-60", 12)])
def test_on_a_phone_the_score_is_one_picture_with_every_hold(
    tmp_path: Path, routine: str, numbers: int
) -> None:
    (whole,) = accounts(tmp_path / "h.db", played(1, EVENING_MS, routine=routine))
    page = session_report(whole, zone=UTC).html
    small = page.partition('class="narrow"')[2].partition("<figcaption")[0]

    assert small.count("<svg") == 1
    assert 'viewBox="0 0 325 ' in small
    assert small.count('class="hold"') == whole.summary.holds_completed
    # Exercises are numbered, and the table beneath says which is which.
    assert len(re.findall(r'class="label">(\d)<', small)) == numbers
    for number, name in enumerate(whole.exercise_names, 1):
        assert f'<td class="n">{number}</td><td>{name}</td>' in page


def test_what_was_held_has_one_line_for_an_exercise(
    session: Report, sessions: list[Account]
) -> None:
    table = session.html.partition("<h2>What was held")[2].partition("</table>")[0]
    rows = [" ".join(re.sub("<[^>]+>", " ", row).split()) for row in table.split("<tr>")[2:]]

    assert len(rows) == len(sessions[-1].exercise_names) == 6
    assert "30 s, both sides" in rows[0]
    assert "Knee to Chest Stretch" in rows[2]
    assert "30 s skipped after 11 s" in rows[2]  # left, right
    assert "26 of 30 s, then stopped, both sides" in rows[5]


def test_rounds_of_an_exercise_are_counted(tmp_path: Path) -> None:
    (whole,) = accounts(tmp_path / "h.db", played(1, EVENING_MS, routine="lower-back-60"))
    page = session_report(whole, zone=UTC).html

    assert page.count("2\u00a0\u00d7\u00a030\u00a0s") == 2 + 3 * 2 + 1


def written(path: Path, text: str) -> Account:
    """Play a routine that is written here."""
    found = routine.parse(text, "routine.toml")
    return finished(path, compile_routine(found, Library().vocabulary()).plan)


def finished(path: Path, plan: Plan) -> Account:
    """Play a plan to its end; nobody presses anything."""
    band = Band(plan=plan)
    band.do(vocab.START)
    band.pass_ms(7_200_000)
    (one,) = accounts(path, band.entries())
    return one


@pytest.mark.parametrize(
    "lines,cells",
    [
        (
            'reps = 30\nrest_s = 0\nphases = [{name = "in", s = 4}, {name = "out", s = 6}]',
            ["30 \u00d7 (in 4 s, out 6 s)"],
        ),
        (
            'sides = "each"\nphases = [{name = "stretch", s = 10}, {name = "press", s = 6}]',
            ["stretch 10 s, press 6 s", "stretch 10 s, press 6 s"],
        ),
        ("reps = [3, 1]\nhold_s = 10", ["4 \u00d7 10 s"]),
    ],
)
def test_repetitions_and_their_phases_are_told_in_a_few_words(
    tmp_path: Path, lines: str, cells: list[str]
) -> None:
    one = written(tmp_path / "h.db", f'name = "r"\n[[exercise]]\nname = "Cat"\n{lines}\n')
    page = session_report(one, zone=UTC).html
    (row,) = page.partition("<h2>What was held")[2].partition("</tbody>")[0].split("<tr>")[2:]
    told_cells = re.findall("<td>(.*?)</td>", row.replace("\u00a0", " "))

    assert told_cells == ["Cat", *cells]


def test_the_score_of_letters_numbers_an_exercise_once(tmp_path: Path) -> None:
    text = 'name = "cat"\n[[exercise]]\nname = "Cat"\nreps = 9\nrest_s = 4\nhold_s = 5\n'
    lines = text_score(written(tmp_path / "h.db", text), 80)
    numbers = lines[next(n for n, line in enumerate(lines) if line.startswith("  left ")) - 1]

    assert numbers.split() == ["1"]
    assert lines[-1].split() == ["1", "Cat"]


def test_a_routine_is_called_by_its_title(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    one = written(path, 'name = "cat"\ntitle = "The cat, slowly"\n[[exercise]]\nname = "Cat"\n')
    day = date(2027, 1, 15)
    week = period_report(told(path, "week", day, day), zone=UTC)

    assert "<h1>The cat, slowly</h1>" in session_report(one, zone=UTC).html
    assert "08:00, The cat, slowly</h3>" in week.html
    assert "<td>cat</td>" in week.html


def test_a_session_of_which_little_is_known(tmp_path: Path) -> None:
    entries = [entry for entry in whole_session()[4:9] if entry.event.name != "heart"]
    (little,) = accounts(tmp_path / "h.db", entries)
    report = session_report(little, zone=UTC)

    assert Page(report.html).open == []
    assert "a routine whose name is not known" in report.title
    assert "Recovery" not in report.html


def test_a_session_that_has_only_begun(tmp_path: Path) -> None:
    band = Band()
    band.do(0)
    (begun,) = accounts(tmp_path / "h.db", band.entries()[:1])
    report = session_report(begun, zone=UTC)

    assert "Not known to have ended" in Page(report.html).text
    ET.fromstring(report.svg())  # noqa: S314 - it is our own


def test_names_cannot_become_markup(tmp_path: Path) -> None:
    nasty = "<script>alert(1)</script>"
    (one,) = accounts(tmp_path / "h.db", whole_session(wearable=nasty, person='"><b>x'))
    page = Page(session_report(one, zone=UTC).html)
    day = date(2027, 1, 15)
    of_week = period_report(told(tmp_path / "h.db", "week", day, day, '"><b>x'), zone=UTC)

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


@pytest.mark.parametrize(
    "day,title",
    [
        (date(2026, 11, 20), "Week from 16 to 22 November 2026"),
        (date(2026, 12, 2), "Week from 30 November to 6 December 2026"),
        (date(2027, 1, 1), "Week from 28 December 2026 to 3 January 2027"),
    ],
)
def test_a_week_says_its_months_where_it_has_two(day: date, title: str) -> None:
    assert Period.of("week", day).title == title


def nothing(period: Period) -> PeriodAccount:
    return PeriodAccount(
        period=period,
        today=TODAY,
        person=None,
        sessions=(),
        before=Tally(),
        streak=Streak(0, 0, None),
    )


@pytest.mark.parametrize("name", ["week", "month"])
def test_a_period_without_a_session(name: str) -> None:
    report = period_report(nothing(Period.of(name, TODAY)), zone=UTC)

    assert "None yet" in Page(report.html).text
    ET.fromstring(report.svg())  # noqa: S314 - it is our own


@pytest.mark.parametrize(
    "day,words",
    [
        (date(2026, 10, 20), "no streak on 25 October."),
        (date(2026, 10, 28), "1 day in a row on 1 November"),
        (date(2026, 11, 8), "4 days in a row on 8 November, with at most 3 days of rest between."),
    ],
)
def test_a_week_that_is_over_has_the_streak_of_its_end(
    kept: Path, sessions: list[Account], day: date, words: str
) -> None:
    """Sessions on 1, 4, 6 and 8 November, and more after that."""
    assert sessions
    text = Page(period_report(told(kept, "week", day, TODAY), zone=UTC).html).text

    assert words in text
    assert "keeps it" not in text


def test_a_session_of_the_table_leads_to_its_score(
    of_month: Report, sessions: list[Account]
) -> None:
    page = Page(of_month.html)
    links = [value for name, value in page.attributes if name == "href"]

    assert links == [f"#session-{one.row.id}" for one in reversed(sessions)]
    for link in links:
        assert ("id", link.removeprefix("#")) in page.attributes
        score = of_month.html.partition(f'id="{link[1:]}"')[2].partition("</article>")[0]
        assert score.count("<svg") == 1


def test_a_period_stands_beside_the_one_before(kept: Path, sessions: list[Account]) -> None:
    assert sessions
    week = Page(period_report(told(kept, "week", TODAY, TODAY), zone=UTC).html).text
    month = Page(period_report(told(kept, "month", date(2026, 12, 1), TODAY), zone=UTC).html).text
    first = Page(period_report(told(kept, "month", TODAY, TODAY), zone=UTC).html).text

    assert "the week before: 3 " in week  # on 11, 13 and 14 November
    assert "the week before: 13:30 min" in week
    assert "November: 2.1 a week" in month
    assert "October" not in first  # nothing is known of it


def test_the_calendar_tells_days_that_count_from_others(tmp_path: Path) -> None:
    band = Band(boot_utc_ms=EVENING_MS)
    band.do(vocab.START)
    band.pass_ms(15_000)
    band.do(vocab.STOP)
    path = tmp_path / "h.db"
    accounts(path, band.entries(), whole_session(boot_id=2, boot_utc_ms=EVENING_MS - DAY_MS))
    report = period_report(told(path, "month", TODAY, TODAY), zone=UTC)
    circles = [e for e in drawn(report, "hold") if e.tag == f"{SVG}circle"]
    empty = [e for e in drawn(report, "skipped") if e.tag == f"{SVG}circle"]

    assert (len(circles), len(empty)) == (1 + 2, 1 + 1)  # days, and the legend
    assert {"minutes held", "not to the end", "today"} <= {e.text for e in drawn(report, "quiet")}
    assert "1 day" in {e.text for e in drawn(report, "quiet")}


def cut_off(report: Report) -> list[str]:
    """Give the texts of its pictures that reach over an edge."""
    root = ET.fromstring(report.svg())  # noqa: S314 - it is our own
    found: list[str] = []
    sizes = {"top": 20, "heading": 15, "text": 12, "label": 12}

    for part in (root, *root.findall(f"{SVG}svg")):
        for text in part.findall(f"{SVG}text"):
            width = text_width(text.text or "", sizes.get(text.get("class", ""), 11))
            share = {"middle": 0.5, "end": 1.0}.get(text.get("text-anchor", ""), 0.0)
            x = float(text.get("x", 0)) - share * width
            if x < 0 or x + width > float(part.get("width", 0)):
                found.append(text.text or "")
    return found


def test_no_text_is_cut_off_at_the_edge_of_a_picture(report: Report) -> None:
    assert cut_off(report) == []
    root = ET.fromstring(report.svg())  # noqa: S314 - it is our own
    assert all(one.get("overflow") == "visible" for one in root.findall(f"{SVG}svg"))


@pytest.mark.parametrize("name", Library().names())
def test_each_routine_that_comes_with_tenuto_can_be_reported_on(tmp_path: Path, name: str) -> None:
    """With phases, open holds, titles and private names, whatever they have."""
    one = finished(tmp_path / "h.db", Library().plan(name).plan)
    report = session_report(one, zone=UTC)
    page = Page(report.html)
    table = report.html.partition("<h2>What was held")[2].partition("</tbody>")[0]

    assert one.row.reason == "finished"
    assert page.open == []
    assert f"<h1>{html.escape(one.title)}</h1>" in report.html
    assert table.count("<tr>") - 1 == len(one.exercise_names)
    assert cut_off(report) == []


# --- what is advised, and what counts


def planks(path: Path, **band: object) -> Path:
    """One session of strength holds alone."""
    (one,) = accounts(path, whole_session(boot_utc_ms=EVENING_MS, **band))
    notes = [ExerciseNote(name or "", "strength", ("abdominals",)) for name in one.exercise_names]

    async def describe() -> None:
        async with Store(path) as store:
            await store.describe(one.row.plan_id or "", notes)

    asyncio.run(describe())
    return path


def test_nothing_is_advised_for_strength_holds(tmp_path: Path) -> None:
    week = told(planks(tmp_path / "h.db"), "week", TODAY, TODAY)
    of_week = period_report(week, zone=UTC)
    (session,) = accounts(tmp_path / "h.db")
    of_session = session_report(session, zone=UTC)
    lines = "\n".join(week_lines(week, "Ada", UTC))

    for text in (of_week.html, of_week.svg(), of_session.html, of_session.svg(), lines):
        assert "abdominals" in text
        assert not re.search("advised|ACSM|days with 60 s", text, re.IGNORECASE)


def test_stretches_are_told_from_strength_holds(
    session: Report, of_month: Report, kept: Path
) -> None:
    for report in (session, of_month):
        stretched, _, strength = report.html.partition("<h2>Time stretched, by muscle")[
            2
        ].partition("<h2>Strength holds, by muscle")
        strength = strength.partition("</figure>")[0]
        assert "advised" in stretched
        assert "abdominals" not in stretched.partition("</figure>")[0]
        assert "abdominals" in strength
        assert "advised" not in strength
    lines = list(week_lines(told(kept, "week", TODAY, TODAY), "Ada", UTC))
    heads = [line for line in lines if "left  right" in line]
    assert ["advised" in head for head in heads] == [True, False]


def test_what_was_simulated_is_in_no_sum_and_no_calendar(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    simulated = [
        replace(entry, is_simulated=True) for entry in played(2, EVENING_MS - DAY_MS, trouble=True)
    ]
    accounts(path, played(1, EVENING_MS), simulated)
    week = told(path, "week", TODAY, TODAY)
    with_it = period_report(week, zone=UTC)
    lines = list(week_lines(week, "Ada", UTC))
    path.unlink()
    accounts(path, played(1, EVENING_MS))
    without = period_report(told(path, "week", TODAY, TODAY), zone=UTC)

    assert with_it.svg() == without.svg()
    note = "1 simulated session is left out and counted nowhere."
    assert note in with_it.html
    hint = f'<p class="hint">{note}</p>\n'
    assert with_it.html.replace(hint, "") == without.html
    assert "1 simulated session does not count." in lines
    assert (week.streak.present, len(week.sessions)) == (1, 1)


def test_a_simulated_session_says_so(tmp_path: Path) -> None:
    simulated = [replace(entry, is_simulated=True) for entry in played(1, EVENING_MS)]
    (one,) = accounts(tmp_path / "h.db", simulated)

    assert "wrist (simulated)" in session_report(one, zone=UTC).html
    assert "It was simulated and does not count." in session_report(one, zone=UTC).html


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


def test_the_pictures_of_a_session_are_those_that_are_drawn() -> None:
    """`python -m tests.report.picture` draws them anew."""
    for name, svg in draw().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == svg


def test_a_readme_shows_each_picture_by_day_and_by_night() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    dark = re.findall(r'<source media="\(prefers-color-scheme: dark\)" srcset="(.+)">', text)
    light = re.findall(r'<img alt=".+" src="([^"]+)"', text)

    assert [name.replace("-dark.", ".") for name in dark] == light
    assert {"host/tenuto/mqtt/dashboard.svg", "host/tenuto/report/session.svg"} <= set(light)
    assert all((ROOT / name).exists() for name in (*dark, *light))


def test_a_picture_is_sound_xml_whatever_it_says() -> None:
    said = "<b> & \"quoted\" 'too'\n\tDrücken"
    picture = Picture(said, 100, 50, said, said)
    picture.rect(0, 0, 10, 10, class_="pause")
    picture.text(1, 2.25, said, class_=said)
    root = ET.fromstring(together([picture], said).file("text { fill: red }"))  # noqa: S314 - ours
    texts = [element.text for element in root.iter() if element.tag.endswith("text")]
    assert texts == [said] * 3
    told = [element for element in root.iter() if element.attrib.get("class") == said]
    assert [(one.attrib["x"], one.attrib["y"]) for one in told] == [("1", "2.2")]
