# SPDX-License-Identifier: MIT
"""The live display, read as a person reads it."""

from __future__ import annotations

import asyncio
import dataclasses
import math
import random
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from tenuto.sessions.events import LinkLost, LinkRestored, RecordsLost
from tenuto.terminal.draw import Frame, draw_screen
from tenuto.terminal.live import LiveSink
from tenuto.terminal.screen_state import ScreenState
from tenuto_core import vocab
from tenuto_core.plan import Plan
from tests.core import phased
from tests.history.sessions import Band
from tests.patience import patience_s
from tests.terminal.stage import HOW, ROUTINE, Stage, StuckScreen, plan

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

LEFT_TOP, LEFT_BOTTOM = "██        ████████  ████████  ██████", "████████  ████████  ██          ██"
RIGHT_TOP = "████████  ██████  ████████  ██    ██  ██████"
SELF_PACED = ROUTINE.replace("hold_s = 30", "hold_s = 30\nself_paced = true")
GATED = ROUTINE.replace("hold_s = 30", "hold_s = 30\nheart_gate = {below_bpm = 100, max_s = 60}")


def row(text: str, start: str) -> str:
    """Give the first line that begins with a text."""
    return next(line for line in text.splitlines() if line.startswith(start))


def bar(text: str) -> str:
    return next(line for line in text.splitlines() if "left of" in line)


def left_s(text: str) -> int:
    found = re.search(r"(\d+) s left of", text)
    assert found is not None, text
    return int(found[1])


async def test_a_hold_says_what_to_do_and_for_how_long() -> None:
    async with Stage() as stage:
        await stage.start(at_s=90)
        text = await stage.frame()

    assert re.match(r"evening +hold 3 of 3\n", text)
    assert "Hold Kneeling Lunge, right" in text
    assert "21 s left of 30 s" in text
    assert "1:30 of 1:54" in text
    assert "Kneel and lean forward." in text
    assert row(text, "Then").split()[1:3] == ["nothing", "more"]
    assert row(text, "Wearable").split()[1] == "connected"


@pytest.mark.parametrize("at_s, top, at_the_left", [(50, LEFT_TOP, True), (90, RIGHT_TOP, False)])
async def test_the_side_is_big_and_stands_on_its_side(
    at_s: int, top: str, at_the_left: bool
) -> None:
    async with Stage() as stage:
        await stage.start(at_s=at_s)
        text = await stage.frame()

    lines = text.splitlines()

    assert any(
        line.startswith(top) if at_the_left else line.rstrip().endswith(top) for line in lines
    )


async def test_the_step_before_a_hold_already_says_the_side() -> None:
    async with Stage() as stage:
        await stage.start(at_s=75)
        text = await stage.frame()

    assert "Switch sides for Kneeling Lunge, right" in text
    assert RIGHT_TOP in text
    assert "6 s left of 8 s" in text
    assert re.match(r"evening +hold 3 of 3\n", text)


async def test_the_coming_exercise_is_named_with_its_side() -> None:
    async with Stage() as stage:
        await stage.start(at_s=10)
        text = await stage.frame()

    assert "Kneeling Lunge, left" in row(text, "Then")


@pytest.mark.parametrize("speed", [1.0, 20.0])
async def test_the_bar_moves_by_itself_with_the_clock_of_the_loop(speed: float) -> None:
    async with Stage(speed=speed) as stage:
        await stage.start(at_s=10)
        before = await stage.frame()
        await asyncio.sleep(12)
        after = await stage.frame(news=False)

    assert left_s(before) - left_s(after) == pytest.approx(12 + 0.15 * speed, abs=1)
    assert bar(after).count("█") > bar(before).count("█")


@pytest.mark.parametrize("speed", [0.5, 1.0, 20.0, 500.0])
async def test_no_more_than_ten_frames_in_a_real_second(speed: float) -> None:
    async with Stage(speed=speed) as stage:
        await stage.start()
        stage.screen.forget()
        for _ in range(10):
            await asyncio.sleep(0.1 * speed)
            stage.band.pass_ms(round(100 * speed))
            stage.band.player.beat(70, (), stage.band.now_ms)
            await stage.show()
        frames = len(re.findall("hold [123] of 3|Finished", stage.screen.text))

    assert 1 <= frames <= 11


async def test_with_time_that_jumps_it_draws_what_happens() -> None:
    """And neither keeps the clock running by itself nor fills the terminal."""
    async with Stage(speed=math.inf) as stage:
        await stage.start()
        await asyncio.sleep(0)
        tasks = {task.get_name() for task in asyncio.all_tasks()}
        for _ in range(120):
            await stage.pass_s(1)
        text = stage.screen.text

    assert "Get ready for Glute Bridge" in text
    assert "Finished: evening" in text
    assert "terminal refresh" not in tasks


async def test_cues_are_drawn_as_they_are_felt_and_named_newest_first() -> None:
    async with Stage() as stage:
        await stage.start(at_s=80.5)
        text = await stage.frame()

    felt = [line[39:] for line in text.splitlines() if re.search(r"\d:\d\d  \w.*▇|▅", line[39:])]
    assert [" ".join(line.split()[1 : -1 if "x 3" in line else None]) for line in felt][:1] == [
        "countdown tick x 3"
    ]
    assert "switch sides" in felt[1]
    assert re.search(r"▇▇▇ +▇▇▇$", felt[1].rstrip())
    assert "let go" in felt[2]
    assert "halfway" in felt[3]
    assert "hold: go and stay" in felt[4]
    assert len(felt) == 5


async def test_a_pause_is_said_and_stops_the_bar() -> None:
    async with Stage() as stage:
        await stage.start(at_s=15)
        stage.band.do(vocab.PAUSE)
        paused = await stage.frame()
        await stage.pass_s(10)
        later = await stage.frame()
        stage.band.do(vocab.RESUME)
        await stage.show()
        await stage.pass_s(5)
        resumed = await stage.frame()

    assert "paused: press to go on" in paused
    assert "0:10 so far" in later
    assert left_s(paused) == left_s(later) == 20
    assert "paused" not in resumed
    assert left_s(resumed) == 15


async def test_an_extension_moves_the_end() -> None:
    async with Stage() as stage:
        await stage.start(at_s=15)
        stage.band.do(vocab.EXTEND, 15_000)
        text = await stage.frame()

    assert "35 s left of 45 s" in text


async def test_a_self_paced_start_takes_its_time() -> None:
    async with Stage(routine=SELF_PACED) as stage:
        await stage.start(at_s=2)
        before = await stage.frame()
        await stage.pass_s(10)
        waiting = await stage.frame()

    assert "press when in position" in before
    assert "take your time: press when in position" in waiting
    assert "ends by itself in 9:4" in waiting


async def test_a_heart_gate_says_what_it_waits_for() -> None:
    async with Stage(routine=GATED) as stage:
        await stage.start(at_s=10)
        stage.band.player.beat(131, (), stage.band.now_ms)
        text = await stage.frame()

    assert "resting until your heart is below 100; goes on in 0:49 at the latest" in text
    assert "131 bpm" in text


async def test_a_heart_rate_has_its_curve_and_its_age_and_grows_old() -> None:
    async with Stage() as stage:
        await stage.start()
        none = await stage.frame()
        for bpm in (60, 80, 100):
            stage.band.player.beat(bpm, (), stage.band.now_ms)
            await stage.pass_s(1)
        fresh = await stage.frame()
        await stage.pass_s(3)
        older = await stage.frame()
        await stage.pass_s(10)
        old = await stage.frame()

    none, fresh, older, old = (row(text, "Heart") for text in (none, fresh, older, old))

    assert "not measured" in none
    assert "100 bpm ▁▅█ now" in fresh
    assert "100 bpm ▁▅█ 4 s ago" in older
    assert "no beat for 0:14, it was 100" in old


async def test_without_the_link_nothing_old_is_shown_as_now() -> None:
    async with Stage() as stage:
        await stage.start(at_s=15)
        await stage.show(LinkLost(t_ms=15_000))
        await asyncio.sleep(7)
        lost = await stage.frame(news=False)
        stage.band.pass_ms(7_150)
        await stage.show(LinkRestored(t_ms=22_000))
        back = await stage.frame()

    assert "out of reach for 0:07" in row(lost, "Wearable")
    assert "what you see here is old" in lost
    assert "time left not known" in lost
    assert "s left of" not in lost
    assert "connected" in row(back, "Wearable")
    assert left_s(back) == 13


async def test_lost_records_are_told() -> None:
    async with Stage() as stage:
        await stage.start()
        await stage.show(RecordsLost(t_ms=0, count=7))
        text = await stage.frame()

    assert "connected, 7 records lost" in row(text, "Wearable")


async def test_at_the_end_a_summary_stays() -> None:
    async with Stage() as stage:
        await stage.start(at_s=102)
        for bpm in (70, 80, 90):
            stage.band.player.beat(bpm, (), stage.band.now_ms)
            await stage.pass_s(1)
        stage.band.do(vocab.PAUSE)
        await stage.pass_s(4)
        stage.band.do(vocab.RESUME)
        await stage.pass_s(8)
        stage.screen.forget()
        await stage.pass_s(2)
        await stage.sink.close()
        text = stage.screen.text

    assert "Finished: evening\n3 of 3 holds done in 1:58 min\n" in text
    assert re.search(
        r"Glute Bridge +0:30\nKneeling Lunge +left +0:30\n +right +0:30\nheld in all +1:30", text
    )
    assert "Pauses  1, 0:04 min in all" in text
    # 70 and 80 held for 1 s each, 90 for the 5 s that a rate counts.
    assert "Heart   mean 86, highest 90 bpm" in text
    assert re.search(r"Cues    \d+ felt, at most 0 ms late\n", text)


async def test_a_stopped_session_says_who_stopped_it() -> None:
    async with Stage() as stage:
        await stage.start(at_s=15)
        stage.band.player.press(vocab.LONG_PRESS, stage.band.now_ms)
        await stage.show()
        await stage.sink.close()
        text = stage.screen.text

    assert "Stopped on the wearable: evening\n0 of 3 holds done in 0:15 min, 1 cut short\n" in text
    assert "Heart   not measured" in text


@pytest.mark.parametrize("ends", [False, True])
async def test_the_terminal_is_given_back(ends: bool) -> None:
    stdout = sys.stdout
    async with Stage() as stage:
        await stage.start(at_s=110)
        await stage.pass_s(10 if ends else 1)
        await stage.sink.close()
        await stage.sink.close()
        stage.console.print("afterwards")
        tasks = {task.get_name() for task in asyncio.all_tasks()}
        same = stage.console.file is stage.screen and sys.stdout is stdout
        written = stage.screen.getvalue()

    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l") >= 0
    assert written.endswith("afterwards\n")
    assert written.count("holds done") == 1
    assert same
    assert "terminal refresh" not in tasks


async def test_other_output_comes_out_above() -> None:
    async with Stage() as stage:
        await stage.start(at_s=15)
        print("a word from elsewhere")  # noqa: T201
        await stage.pass_s(0.15)
        text = stage.screen.getvalue()

    assert "a word from elsewhere\n" in text


async def test_entries_that_come_again_change_nothing() -> None:
    async with Stage() as stage:
        stage.band.do(vocab.START)
        stage.band.pass_ms(6_000)
        entries = stage.band.entries()
        await stage.sink.handle(entries)
        await stage.sink.handle(entries)
        await stage.sink.handle([])
        text = await stage.frame()

    assert "countdown tick x 3" in text
    assert text.count("hold: go and stay") == 1


async def test_another_session_does_not_disturb_and_the_next_one_is_shown() -> None:
    async with Stage() as stage:
        other = Band(wearable="other", plan=plan(ROUTINE.replace("evening", "morning")))
        other.do(vocab.START)
        other.entries()
        await stage.start()
        other.pass_ms(40_000)
        await stage.sink.handle(other.entries())
        first = await stage.frame()
        stage.band.do(vocab.STOP)
        await stage.show()
        stage.band.do(vocab.START)
        await stage.show()
        second = await stage.frame()

    assert "morning" not in first
    assert "Get ready for Glute Bridge" in first
    assert "Get ready for Glute Bridge" in second
    assert "0:00 of 1:54" in second


async def test_a_plan_that_is_not_known_is_not_made_up() -> None:
    async with Stage() as stage:
        band = stage.band
        band.do(vocab.START)
        await stage.sink.handle(
            [
                dataclasses.replace(entry, event=dataclasses.replace(entry.event, **fields))
                for entry in band.entries()
                for fields in (_unknown(entry.event.name),)
            ]
        )
        text = await stage.frame()

    assert "exercise whose name is not known" in text
    assert "not known" in row(text, "Then")
    assert "of 3" not in text


def _unknown(name: str) -> dict[str, Any]:
    if name == "session_started":
        return {"plan": None, "routine": "unknown routine"}
    if name == "step_started":
        return {"kind": "unknown", "exercise": None, "side": None, "rep": 0}
    return {}


async def test_a_name_cannot_command_the_terminal() -> None:
    nasty = ROUTINE.replace("Glute Bridge", "[red]Bridge[/red]")
    async with Stage(routine=nasty) as stage:
        await stage.start()
        text = await stage.frame()

    assert "[red]Bridge[/red]" in text


def every_second(text: str = ROUTINE) -> list[tuple[ScreenState, int]]:
    """Give the screen at the moments of a session with everything in it."""
    seed = random.randrange(1 << 30)
    print(f"{seed=}")  # noqa: T201
    luck = random.Random(seed)
    band = Band(plan=plan(text))
    band.do(vocab.START)
    screens, entries = [], []
    for _ in range(150):
        band.do(luck.choice([vocab.PAUSE, vocab.RESUME, vocab.RESUME, vocab.RESUME]))
        band.player.beat(luck.randrange(40, 200), (), band.now_ms)
        band.pass_ms(luck.randrange(1, 3_000))
        if luck.random() < 0.1:
            band.player.press(vocab.PRESS, band.now_ms)
        entries += band.entries()
        screen = ScreenState(entries[0].session)
        for entry in entries:
            screen.apply(entry)
        screens.append((screen, band.boot_utc_ms + band.now_ms + luck.randrange(8_000)))
    return screens


@pytest.mark.slow
@pytest.mark.parametrize("plain", [False, True])
def test_it_fits_whatever_the_size(plain: bool) -> None:
    for text in (ROUTINE, SELF_PACED, GATED):
        for screen, now_ms in every_second(text)[::7]:
            for width in (1, 10, 20, 39, 40, 41, 60, 72, 73, 80, 120, 200):
                for height in (1, 5, 10, 16, 20, 24, 60):
                    lines = draw_screen(screen, now_ms, Frame(width, height, HOW, plain=plain))
                    assert len(lines) <= max(3, height - 1)
                    assert all(line.cell_len <= max(1, width - 1) for line in lines)
                    if plain:
                        assert all(line.plain.isascii() for line in lines)


@pytest.mark.parametrize("width", [40, 80, 200])
async def test_24_lines_have_room_for_all_that_matters(width: int) -> None:
    async with Stage(width=width) as stage:
        await stage.start(at_s=90)
        stage.band.player.beat(72, (), stage.band.now_ms)
        text = await stage.frame()

    for what in (
        "hold 3 of 3",
        "Hold Kneeling Lunge, right",
        "21 s left of 30 s",
        "Kneel and lean forward.",
        "Then",
        "Heart",
        "Wearable",
        "hold: go and stay",
        "switch sides",
    ):
        assert what in text


def test_the_height_of_the_display_does_not_change() -> None:
    heights = {
        len(draw_screen(screen, now_ms, Frame(80, 24, HOW)))
        for screen, now_ms in every_second()[:60]
    }

    assert len(heights) == 1


async def test_a_terminal_that_is_resized_is_drawn_afresh() -> None:
    async with Stage(width=120) as stage:
        await stage.start(at_s=90)
        stage.console.size = (50, 20)
        stage.screen.forget()
        await stage.pass_s(0.3)
        written = stage.screen.getvalue()

    drawn = written.rsplit("\x1b[2J", 1)[1]
    assert "Hold Kneeling Lunge, right" in drawn
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn).replace("\r", "\n").split("\n")
    assert max(map(len, lines)) < 50


@pytest.mark.slow
@pytest.mark.real_time
async def test_a_terminal_that_takes_nothing_holds_up_nobody() -> None:
    screen = StuckScreen()
    console = Console(
        file=screen, force_terminal=True, width=80, height=24, color_system=None, _environ={}
    )
    band = Band(plan=plan())
    now_ms = band.boot_utc_ms + 90_000

    sink = LiveSink(console, now_ms=lambda: now_ms, how=HOW)
    try:
        await sink.open()
        band.do(vocab.START)
        for _ in range(5):
            band.pass_ms(15_000)
            async with asyncio.timeout(patience_s(1)):
                await sink.handle(band.entries())
                await asyncio.sleep(0.12)
        screen.goes_on.set()
        await sink.close()
    finally:
        screen.goes_on.set()

    assert screen.text.count("Get ready") + screen.text.count("Hold ") <= 2


class _Text(SingleFileSnapshotExtension):
    """A picture in text that a person can look at."""

    file_extension = "txt"
    _write_mode = WriteMode.TEXT


def test_the_whole_display(snapshot: SnapshotAssertion) -> None:
    """The one picture that is compared as a whole: `--snapshot-update` after a look at it."""
    band = Band(plan=plan())
    band.do(vocab.START)
    for second in range(93):
        band.player.beat(90 - second // 6 + second % 3, (), band.now_ms)
        band.pass_ms(1_000)
    entries = band.entries()
    screen = ScreenState(entries[0].session)
    for entry in entries:
        screen.apply(entry)
    lines = draw_screen(screen, band.boot_utc_ms + band.now_ms, Frame(80, 24, HOW))

    assert "\n".join(line.plain.rstrip() for line in lines) + "\n" == snapshot(
        extension_class=_Text
    )


def phased_at(number: int, after_ms: int) -> str:
    """Return the screen so many ms into a step of a plan with phases and an open hold."""
    band = Band(plan=Plan(phased.data()))
    band.do(vocab.START)
    band.pass_ms(sum(step.duration_ms for step in phased.steps()[:number]) + after_ms)
    entries = band.entries()
    screen = ScreenState(entries[0].session)
    for entry in entries:
        screen.apply(entry)
    now_ms = band.boot_utc_ms + band.now_ms
    lines = draw_screen(screen, now_ms, Frame(80, 24, HOW, plain=True))
    return "\n".join(line.plain for line in lines)


def test_a_phase_has_its_name_and_is_part_of_one_hold() -> None:
    text = phased_at(phased.AGAIN + 1, 2_000)

    assert re.match(r"The title +hold 2 of 5\n", text)
    assert "Press hamstrings, left, 2 of 2" in text
    assert left_s(text) == 4


def test_phases_that_feel_alike_are_told_by_their_own_names() -> None:
    text = """
name = "evening"
[[exercise]]
name = "Breath"
phases = [
  { name = "in through the nose, slowly", s = 4, cue = [300] },
  { name = "out", s = 4, cue = [300] },
]
"""
    band = Band(plan=plan(text))
    band.do(vocab.START)
    band.pass_ms(10_000)
    entries = band.entries()
    screen = ScreenState(entries[0].session)
    for entry in entries:
        screen.apply(entry)
    lines = draw_screen(screen, band.boot_utc_ms + band.now_ms, Frame(80, 24, {}))

    felt = [line.plain[39:] for line in lines if re.search(r"\d:\d\d  \w.*▇$", line.plain[39:])]
    newest, before = [re.split("  +", line.strip()) for line in felt[:2]]
    assert newest == ["0:09", "out", "▇▇▇▇▇▇"]
    assert before == ["0:05", "in through the no…", "▇▇▇▇▇▇"], "and the picture in its column"


def test_an_open_hold_counts_up_and_says_how_it_ends() -> None:
    text = phased_at(phased.OPEN, 43_500)

    assert "Hold plank" in text
    assert "0:43 of 1:00 at most" in text
    assert "as long as you can: press when you let go" in text
    assert "left of" not in text
