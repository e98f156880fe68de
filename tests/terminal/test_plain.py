# SPDX-License-Identifier: MIT
"""Plain lines and JSON lines, and which of the sinks is chosen."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tenuto.routines.library import Library
from tenuto.sessions.events import Entry, HeartSensor, LinkLost, LinkRestored, RecordsLost, to_json
from tenuto.terminal import words
from tenuto.terminal.choose import choose_sink
from tenuto.terminal.jsonlines import JsonSink
from tenuto.terminal.live import LiveSink
from tenuto.terminal.plain import LinesSink
from tenuto_core import vocab
from tests.history.sessions import Band
from tests.terminal.picture import PICTURE
from tests.terminal.stage import ROUTINE, Screen, StuckScreen, plan

if TYPE_CHECKING:
    from collections.abc import Sequence


def whole() -> list[Entry]:
    band = Band(plan=plan())
    band.do(vocab.START)
    for _ in range(12):
        band.player.beat(72, (1000, 990), band.now_ms)
        band.pass_ms(10_000)
    return band.entries()


def eventful() -> list[Entry]:
    """A session with a press, a pause, a skip, a way back, an extension and its end by hand."""
    band = Band(plan=plan(ROUTINE.replace("hold_s = 30", "hold_s = 30\nself_paced = true")))
    band.do(vocab.START)
    band.pass_ms(12_000)
    band.player.press(vocab.PRESS, band.now_ms)
    band.pass_ms(4_000)
    band.do(vocab.EXTEND, 15_000)
    band.player.press(vocab.PRESS, band.now_ms)
    band.pass_ms(7_000)
    band.do(vocab.RESUME)
    band.player.press(vocab.DOUBLE_PRESS, band.now_ms)
    band.pass_ms(1_000)
    band.do(vocab.BACK)
    band.pass_ms(1_000)
    band.player.press(vocab.LONG_PRESS, band.now_ms)
    entries = band.entries()
    key, utc_ms = entries[0].session, entries[0].utc_ms
    noticed = [
        Entry(key, "wrist", None, event, utc_ms)
        for event in (
            LinkLost(t_ms=0),
            LinkRestored(t_ms=0),
            RecordsLost(t_ms=0, count=1),
            HeartSensor(t_ms=0, sensor="strap", kind="ecg"),
            HeartSensor(t_ms=0, sensor="strap", kind="ecg", is_heard=False),
        )
    ]
    return [*entries[:3], *noticed, *entries[3:]]


async def written(sink: JsonSink | LinesSink, stream: io.StringIO, entries: Sequence[Entry]) -> str:
    await sink.open()
    for start in range(0, len(entries), 7):
        await sink.handle(entries[start : start + 7])
    await sink.close()
    await sink.close()
    return stream.getvalue()


async def lines(entries: Sequence[Entry], **options: Any) -> list[str]:
    stream = io.StringIO()
    return (await written(LinesSink(stream, **options), stream, entries)).splitlines()


async def test_a_breath_is_told_by_the_names_of_its_phases() -> None:
    band = Band(plan=Library().plan("breathe-box").plan)
    band.do(vocab.START)
    band.pass_ms(22_000)
    told = [line[7:].split("  ")[0] for line in await lines(band.entries())]

    felt = [line for line in told if line.startswith("felt")]
    assert felt == [
        "felt: get ready",
        *("felt: in", "felt: hold", "felt: out", "felt: hold, empty", "felt: in"),
    ]


async def test_a_session_in_lines() -> None:
    text = await lines(whole())

    assert text[:6] == [
        " 0:00  evening begins, started from the computer",
        " 0:00  get ready for Glute Bridge: 5 s",
        " 0:00  felt: get ready          ▇▇  ▇▇▇▇▇",
        " 0:05  hold 1 of 3: Glute Bridge, 30 s, heart 72",
        " 0:05  felt: hold: go and stay  ▇▇▇▇▇",
        " 0:20  felt: halfway            ▅",
    ]
    assert " 0:35  change to Kneeling Lunge, left: 8 s" in text
    assert " 1:13  switch sides for Kneeling Lunge, right: 8 s" in text
    assert " 1:21  hold 3 of 3: Kneeling Lunge, right, 30 s, heart 72" in text
    assert " 1:54  finished" in text
    assert "Finished: evening" in text
    assert "3 of 3 holds done in 1:54 min" in text
    assert not any("tick" in line for line in text)


async def test_what_people_do_is_told_in_words() -> None:
    text = await lines(eventful())
    told = text[: text.index("")]
    said = [line[7:] for line in told if not line[7:].startswith("felt")]

    assert said[2:] == [
        "the wearable is out of reach; the session goes on there",
        "the wearable is in reach again",
        "1 record of the wearable could not be read",
        "the heart rate comes from strap",
        "strap is not heard: the heart rate is not known",
        "take your time: press when in position (ends by itself in 9:55)",
        "hold 1 of 3: Glute Bridge, 30 s",
        "15 s longer: 45 s in all",
        "paused: press to go on",
        "goes on after a pause of 7 s",
        "skipped on the wearable",
        "change to Kneeling Lunge, left: 8 s",
        "back to the hold before from the computer",
        "get ready for Glute Bridge: 5 s",
        "stopped on the wearable",
    ]
    assert "Stopped on the wearable: evening" in text
    assert "0 of 3 holds done in 0:25 min, 1 skipped" in text
    assert "Link    out of reach 1 time, 1 record of it is lost" in text


async def test_lines_have_no_control_codes_and_nothing_but_what_the_encoding_has() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\n")

    await LinesSink(stream).handle(whole())

    text = raw.getvalue().decode("ascii")

    assert "felt: let go             ##  ##  ##\n" in text
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert all(letter.isprintable() for line in await lines(eventful()) for letter in line)


async def test_a_foreign_name_is_shown_and_not_obeyed() -> None:
    from dataclasses import replace

    entry = whole()[0]
    nasty = replace(entry, event=replace(entry.event, routine="a\x1b[2Jb\nc"))  # type: ignore[call-arg]

    assert await lines([nasty]) == [" 0:00  a?[2Jb?c begins, started from the computer"]


async def test_a_hurried_session_tells_no_lateness_that_is_this_computers() -> None:
    assert not any("ms late" in line for line in await lines(whole(), speed=20.0))
    assert any("ms late" in line for line in await lines(whole()))


@pytest.mark.parametrize("entries", [whole(), eventful()])
async def test_json_is_one_object_a_line_for_every_event_in_order(entries: list[Entry]) -> None:
    stream = io.StringIO()
    text = await written(JsonSink(stream), stream, entries)

    assert text.endswith("}\n")
    assert [json.loads(line) for line in text.splitlines()] == [
        json.loads(json.dumps(to_json(entry.event))) for entry in entries
    ]


@pytest.mark.parametrize("make", [JsonSink, LinesSink])
async def test_a_reader_that_goes_away_ends_it_quietly(make: type[JsonSink | LinesSink]) -> None:
    ours, theirs = os.pipe()
    gone = []
    os.close(ours)

    with open(theirs, "w", encoding="utf-8") as stream:  # noqa: PTH123, ASYNC230 - a file descriptor
        sink = make(stream, on_gone=lambda: gone.append(1))
        for entry in whole():
            await sink.handle([entry])
        await sink.close()

    assert gone == [1]


class _FullDisk(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


async def test_another_failure_is_told_once() -> None:
    sink = JsonSink(_FullDisk())
    with pytest.raises(OSError, match="No space"):
        await sink.handle(whole())
    await sink.handle(whole())
    await sink.close()


@pytest.mark.slow
@pytest.mark.real_time
@pytest.mark.parametrize("make", [JsonSink, LinesSink])
async def test_a_slow_reader_holds_up_nobody_and_gets_all_of_it_once(
    make: type[JsonSink | LinesSink],
) -> None:
    slow, quick = StuckScreen(), Screen()
    entries = whole()

    sink = make(slow)
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await sink.handle(entries)
        slow.goes_on.set()
        await sink.handle(entries)
    finally:
        slow.goes_on.set()

    expected = await written(make(quick), quick, entries)
    assert slow.getvalue() == "".join(line + "\n" for line in expected.splitlines())


@pytest.mark.parametrize(
    "is_terminal, environment, as_json, kind",
    [
        (True, {"TERM": "xterm"}, False, LiveSink),
        (True, {"TERM": "xterm"}, True, JsonSink),
        (True, {"TERM": "dumb"}, False, LinesSink),
        (True, {"TERM": "xterm", "NO_COLOR": "1"}, False, LiveSink),
        (False, {"TERM": "xterm"}, False, LinesSink),
        (False, {"TERM": "xterm"}, True, JsonSink),
    ],
)
def test_the_sink_fits_the_console(
    is_terminal: bool, environment: dict[str, str], as_json: bool, kind: type
) -> None:
    stream = Screen() if is_terminal else io.StringIO()
    console = Console(file=stream, _environ=environment)

    assert type(choose_sink(console, json=as_json, now_ms=lambda: 0)) is kind


def test_the_picture_is_whole_and_asks_nobody_for_anything() -> None:
    text = PICTURE.read_text(encoding="utf-8")
    root = ET.fromstring(text)  # noqa: S314 - our own file
    words = "".join(root.itertext()).replace("\xa0", " ")

    assert "hold 4 of 9" in words
    assert "Knee to Chest Stretch" in words
    assert re.findall(r"https?://[^\"]*|url\((?!#)[^)]*\)", text) == ["http://www.w3.org/2000/svg"]


def test_a_heart_at_its_limit_is_held_back_and_told_what_comes() -> None:
    assert words.waiting("heart", 0, 150) == "held back until your heart is below 150"
    assert words.waiting("heart", 100, 150) == "resting until your heart is below 100"
    assert words.waiting_end("heart", 60_000, over_limit=True) == "ends by itself in 1:00"
    assert words.waiting_end("heart", 60_000) == "goes on in 1:00 at the latest"
