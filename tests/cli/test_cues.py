# SPDX-License-Identifier: MIT
"""`tenuto cues` as a user types it."""

from __future__ import annotations

import asyncio
import io
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenuto.cli import main
from tenuto.config import find_config
from tenuto.cues.results import QuizResult, StrengthResult
from tenuto.cues.scores import Trial
from tenuto.history import Store
from tenuto.history.cue_results import CueResult, new_id
from tenuto.state.settings import SettingsStore
from tests.patience import patience_s

if TYPE_CHECKING:
    from tenuto.cues.results import Result
    from tenuto.history import SessionRow


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    for name in ("HOME", "USERPROFILE", "APPDATA", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    text = 'mqtt.url = "off"\nhistory.path = "h.db"\n[[wearable]]\nid = "w"\nlink = "simulated"\n'
    (tmp_path / "t.toml").write_text(text, encoding="utf-8")
    return ["--config", str(tmp_path / "t.toml")]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(["cues", *words])
    told = capsys.readouterr()
    return int(caught.value.code or 0), told.out, told.err


def strength_pct(config: list[str]) -> int:
    settings = SettingsStore(find_config(Path(config[1])).state_path)
    return settings.preferences("w").adjustment.strength_pct


def table_of(out: str) -> list[str]:
    return [line for line in out.splitlines() if re.match(r"\d .* of 10:", line)]


def sessions(config: list[str]) -> list[SessionRow]:
    async def read() -> list[SessionRow]:
        async with Store(find_config(Path(config[1])).history_path) as store:
            return await store.sessions()

    return asyncio.run(read())


def keep(config: list[str], *results: CueResult) -> None:
    async def add() -> None:
        async with Store(find_config(Path(config[1])).history_path) as store:
            for one in results:
                await store.cue_results.add(one)

    asyncio.run(add())


def quiz_of(right: int, day: int, condition: str = "resting", person: str = "ada") -> CueResult:
    """Return a quiz of 50, of which so many were right."""
    cues = ("hold_start", "hold_end")
    result = QuizResult(
        cues=cues,
        patterns=(((100, 500, 0),), ((100, 150, 150), (100, 150, 0))),
        trials=tuple(Trial("hold_end", cues[number < right], 900) for number in range(50)),
        condition=condition,
    )
    return kept(result, day, person)


def kept(result: Result, day: int = 0, person: str | None = "ada") -> CueResult:
    return CueResult(
        result_id=new_id(),
        person=person,
        device="serial:1",
        wearable="w",
        is_simulated=False,
        utc_ms=1_800_000_000_000 + day * 86_400_000,
        result=result,
    )


def test_what_is_learned_and_forgotten_over_days_is_shown_with_its_interval(
    capsys: pytest.CaptureFixture[str], config: list[str]
) -> None:
    keep(config, quiz_of(30, 0), quiz_of(46, 1), quiz_of(44, 15), quiz_of(10, 2, "moving"))

    _, out, _ = run(capsys, "results", *config)

    assert "ada on w, 2 cues, resting: 1 day later +32 points [+16, +47]: better" in out
    assert re.search(r"resting: 14 days later -4 points \[-1\d, \+\d\]: no change is proven", out)
    assert "moving:" not in out


def test_the_strength_of_this_person_on_this_wearable_is_set_later(
    capsys: pytest.CaptureFixture[str], config: list[str]
) -> None:
    trials = tuple((pct, pct > 14) for pct in range(4, 29)) + ((0, False),) * 5
    keep(config, kept(StrengthResult(trials=trials), person="ben"))
    code, _, err = run(capsys, "strength", "--last", "--apply", *config)
    assert (code, strength_pct(config)) == (2, 100)
    assert "has measured no strength" in err

    keep(config, kept(StrengthResult(trials=trials), person=None))
    code, out, _ = run(capsys, "strength", "--last", *config)
    assert (code, strength_pct(config)) == (0, 100)
    assert "simulated person" not in out
    advised = re.search(r"sets it: (\d+) %", out)
    assert advised is not None
    run(capsys, "strength", "--last", "--apply", *config)
    assert strength_pct(config) == int(advised[1]) < 100


def test_results_and_people_are_deleted(
    capsys: pytest.CaptureFixture[str], config: list[str], tmp_path: Path
) -> None:
    first, second, other = quiz_of(30, 0), quiz_of(46, 1), quiz_of(20, 1, person="ben")
    keep(config, first, second, other)
    assert run(capsys, "forget", "f" * 16, "--yes", *config)[0] == 2
    assert run(capsys, "forget", first.result_id, "--yes", *config)[0] == 0
    _, out, _ = run(capsys, "results", "--person", "ada", *config)
    assert (first.result_id in out, second.result_id in out) == (False, True)

    with pytest.raises(SystemExit):
        main(["history", "delete", "--person", "ada", "--yes", *config])
    assert "0 sessions, 1 result about cues" in capsys.readouterr().out
    _, out, _ = run(capsys, "results", *config)
    assert (second.result_id in out, other.result_id in out) == (False, True)
    assert not any(b"ada" in file.read_bytes() for file in tmp_path.glob("h.db*"))


def test_the_list_draws_each_cue(capsys: pytest.CaptureFixture[str], config: list[str]) -> None:
    code, out, _ = run(capsys, "list", *config)

    assert code == 0
    assert re.search(r"hold_end +▇▇  ▇▇  ▇▇ +3 +750 +three short", out)


def test_lint_fails_for_what_is_confused(
    capsys: pytest.CaptureFixture[str], config: list[str], tmp_path: Path
) -> None:
    assert run(capsys, "lint", *config)[0] == 0
    (tmp_path / "v.toml").write_text("[hold_end]\non_off_ms = [500]\n", encoding="utf-8")
    with (tmp_path / "t.toml").open("a", encoding="utf-8") as file:
        file.write('[haptics]\nfile = "v.toml"\n')

    code, out, _ = run(capsys, "lint", *config)

    assert code == 2
    assert "error: hold_start and hold_end: will be confused; better for hold_end:" in out


def test_a_cue_that_does_not_exist(capsys: pytest.CaptureFixture[str], config: list[str]) -> None:
    code, _, err = run(capsys, "play", "hold_edn", *config)

    assert code == 2
    assert "did you mean hold_end?" in err


@pytest.mark.slow
def test_a_simulated_person_is_asked_over_the_virtual_radio(
    capsys: pytest.CaptureFixture[str], config: list[str]
) -> None:
    words = ("quiz", "--simulated-person", "1", "--seed", "1", "--speed", "max", *config)

    code, out, _ = run(capsys, *words)

    assert code == 0
    shown = re.search(r"Right, resting: \d+ of 50: \d+ % \[(\d+), (\d+)\]", out)
    truth = re.search(r"is right in ([\d.]+) %", out)
    assert shown is not None
    assert truth is not None
    assert int(shown[1]) <= float(truth[1]) <= int(shown[2])

    # The same person says the same by the wearable's button, which is pressed by virtual hands.
    code, by_button, _ = run(capsys, *words, "--button")
    assert code == 0
    assert table_of(by_button) == table_of(out)
    assert "Median time" not in by_button

    _, listed, _ = run(capsys, "results", *config)
    assert re.search(r"w \(simulated\) +quiz of 5, resting, button +\d+ of 50", listed)
    assert len(listed.splitlines()) == 3
    assert sessions(config) == []


@pytest.mark.slow
def test_the_strength_is_measured_and_set_on_wish_alone(
    capsys: pytest.CaptureFixture[str], config: list[str]
) -> None:
    words = ("strength", "--simulated-person", "3", "--seed", "1", "--speed", "max", *config)

    code, out, _ = run(capsys, *words)
    assert code == 0
    assert re.search(r"Threshold: \d+ % of the motor's strength \[\d+, \d+\]", out)
    assert strength_pct(config) == 100
    advised = re.search(r"sets it: (\d+) %", out)
    assert advised is not None

    _, out, _ = run(capsys, *words, "--apply")

    assert f"strength is {advised[1]} from the next start on" in out
    assert strength_pct(config) == int(advised[1])


def test_without_a_terminal_nothing_is_begun(
    capsys: pytest.CaptureFixture[str], config: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    code, _, err = run(capsys, "quiz", *config)

    assert code == 2
    assert "run this in a terminal" in err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals on Windows")
def test_keys_of_a_terminal_are_the_answers(config: list[str]) -> None:
    master, slave = os.openpty()
    words = ["cues", "quiz", "--trials", "5", "--speed", "20", *config]
    with subprocess.Popen(
        [sys.executable, "-m", "tenuto", *words], stdin=slave, stdout=subprocess.PIPE, text=True
    ) as process:
        until_s = time.monotonic() + patience_s(30)
        while process.poll() is None and time.monotonic() < until_s:
            os.write(master, b"x2")
            time.sleep(0.1)
        process.kill()
        out = process.stdout.read() if process.stdout is not None else ""
    os.close(master)
    os.close(slave)

    assert process.returncode == 0
    # The second key is "let go"; it is right once and answers the others as well.
    assert "Right, resting: 1 of 5: 20 % [4, 62]" in out
    assert "Missed: 0 of 5" in out


def test_a_cue_goes_out_and_comes_back(
    capsys: pytest.CaptureFixture[str], config: list[str], tmp_path: Path
) -> None:
    _, out, err = run(capsys, "export", "halfway", "ahap", *config)
    (tmp_path / "halfway.ahap").write_text(out, encoding="utf-8")

    code, out, told = run(capsys, "import", "mark", "ahap", str(tmp_path / "halfway.ahap"))

    assert (code, out) == (0, "[mark]\non_off_ms = [120]\nstrength_pct = [60]\n")
    assert err == ""
    assert told == "tenuto: lost: sharpness\n"
    code, out, err = run(capsys, "export", "halfway", "bangle", *config)
    assert (code, out) == (0, ".\n")
    assert "120 ms at 60 %" in err
