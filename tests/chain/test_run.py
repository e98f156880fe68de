# SPDX-License-Identifier: MIT
"""`tenuto run` as a user and as a program meet it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.patience import patience_s
from tests.processes import environment, json_lines, tenuto

if TYPE_CHECKING:
    from pathlib import Path

EXERCISES = (  # in the order of the source article, with how many sides
    ("Back Flexion Stretch", 1),
    ("Kneeling Lunge Stretch", 2),
    ("Knee to Chest Stretch", 2),
    ("Piriformis Muscle Stretch", 2),
    ("Glute Bridge", 1),
    ("Tabletop Leg Press", 1),
)
CUES = {
    "get_ready",
    "countdown",
    "hold_start",
    "halfway",
    "hold_end",
    "switch_sides",
    "next_exercise",
    "finished",
    "attention",
}


@pytest.mark.slow
def test_lower_back_in_virtual_time(tmp_path: Path) -> None:
    done = tenuto("run", "lower-back", "--speed", "max", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    events = json_lines(done.stdout)
    assert all(isinstance(e["event"], str) and type(e["t_ms"]) is int for e in events)
    assert all(one["t_ms"] <= two["t_ms"] for one, two in pairwise(events))
    started, ended = events[0], events[-1]
    assert (started["event"], started["routine"]) == ("session_started", "lower-back")
    assert len(bytes.fromhex(started["plan_id"])) == 8
    assert (ended["event"], ended["reason"]) == ("session_ended", "finished")

    holds = [e for e in events if e["event"] == "step_started" and e["kind"] == "hold"]
    expected = [
        (name, side)
        for name, sides in EXERCISES
        for side in ((None,) if sides == 1 else ("left", "right"))
    ]
    assert [(h["exercise"], h["side"]) for h in holds] == expected
    assert {h["duration_ms"] for h in holds} == {30_000}

    cues = [e for e in events if e["event"] == "cue"]
    assert {c["cue"] for c in cues} <= CUES
    names = [c["cue"] for c in cues]
    assert (names.count("hold_start"), names.count("hold_end")) == (9, 9)
    assert names.count("switch_sides") == 3
    starts = [c["t_ms"] for c in cues if c["cue"] == "hold_start"]
    ends = [c["t_ms"] for c in cues if c["cue"] == "hold_end"]
    assert all(abs(end - start - 30_000) <= 5 for start, end in zip(starts, ends, strict=True))
    assert all(0 <= c["late_ms"] <= 5 for c in cues)
    # Each switch lies between the left and the right hold of one exercise.
    for cue in (c for c in cues if c["cue"] == "switch_sides"):
        before = [h for h in holds if h["t_ms"] < cue["t_ms"]][-1]
        after = next(h for h in holds if h["t_ms"] > cue["t_ms"])
        assert before["exercise"] == after["exercise"]
        assert (before["side"], after["side"]) == ("left", "right")
    assert any(e["event"] == "heart" and 40 <= e["bpm"] <= 200 for e in events)

    listed = tenuto("history", "list", folder=tmp_path)
    assert listed.returncode == 0
    assert "lower-back" in listed.stdout
    shown = tenuto("history", "show", "1", "--json", folder=tmp_path)
    assert json_lines(shown.stdout) == events


@pytest.mark.slow
def test_plain_lines_for_a_pipe(tmp_path: Path) -> None:
    done = tenuto("run", "lower-back-short", "--speed", "max", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    for name, _ in EXERCISES:
        assert name in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "lower-bakc"),
        ("run", "--speed", "fast"),
        ("run", "--wearable", "sock"),
        ("run", "--config", "nowhere.toml"),
        ("rum",),
        ("run", "--sped", "2"),
        ("history", "show", "one"),
        ("routines", "show", "../../etc/passwd"),
        ("simulate", "--listen", "9000"),
        ("simulate", "--loss", "2"),
    ],
    ids=" ".join,
)
@pytest.mark.slow
def test_wrong_use_says_so_and_ends_with_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = tenuto(*arguments, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.strip(), "it says nothing"
    assert done.stdout.strip() == ""


@pytest.mark.slow
def test_interrupt_stops_the_session_and_ends_with_3(tmp_path: Path) -> None:
    config = tmp_path / "tenuto.toml"
    config.write_text('history.path = "history.db"\nmqtt.url = "off"\n')
    with subprocess.Popen(
        [sys.executable, "-m", "tenuto", "run", "--speed", "20", "--json"],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = []
        began_s = time.monotonic()
        for line in process.stdout:
            lines.append(line)
            if '"hold_start"' in line:
                process.send_signal(signal.SIGINT)
            assert time.monotonic() - began_s < patience_s(30)
        assert process.wait(patience_s(30)) == 3
    events = json_lines("".join(lines))
    assert (events[-1]["event"], events[-1]["reason"]) == ("session_ended", "stopped")


@pytest.mark.slow
def test_holds_may_be_longer_this_once(tmp_path: Path) -> None:
    options = ("--speed", "max", "--json", "--hold-time", "200", "--strength", "50")
    done = tenuto("run", "lower-back-short", *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    events = json_lines(done.stdout)
    holds = [e for e in events if e["event"] == "step_started" and e["kind"] == "hold"]
    assert {hold["duration_ms"] for hold in holds} == {20_000}

    wrong = tenuto("run", "--strength", "151", folder=tmp_path)
    assert wrong.returncode == 2
    assert "allowed is 10 to 150" in wrong.stderr
