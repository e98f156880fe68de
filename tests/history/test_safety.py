# SPDX-License-Identifier: MIT
"""What a person at a terminal is told before a session."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tenuto import cli
from tenuto.cli import safety
from tenuto.config import Config, History, Person, Wearable
from tenuto_core import vocab
from tenuto_core.plan import Plan
from tests.core import phased
from tests.history.sessions import READY_MS, UTC_MS, Band, keep, whole_session
from tests.patience import patience_s
from tests.processes import environment

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.sessions.events import Entry

DAY_MS = 86_400_000


@pytest.fixture
def config(tmp_path: Path) -> Config:
    own = Config().own
    return Config(
        own=type(own)(config=tmp_path / "config", data=tmp_path / "data"),
        history=History(path=tmp_path / "h.db"),
        people=(Person(id="ada"), Person(id="ben")),
        wearables=(
            Wearable(id="wrist", link="simulated", person="ada"),
            Wearable(id="waist", link="simulated", person="ben"),
        ),
    )


def stopped(boot_id: int, utc_ms: int) -> list[Entry]:
    band = Band(boot_id=boot_id, boot_utc_ms=utc_ms)
    band.do(vocab.START)
    band.pass_ms(READY_MS + 17_000)
    band.player.press(vocab.LONG_PRESS, band.now_ms)
    return band.entries()


def test_the_safety_note_is_shown_once(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    safety.tell(config, None, None)
    out, err = capsys.readouterr()
    assert out == ""
    for word in ("bladder", "both legs", "not medical advice", "fever"):
        assert word in err

    safety.tell(config, None, None)
    assert capsys.readouterr() == ("", "")


def test_the_note_of_a_routine_is_shown_once_for_as_long_as_it_says_the_same(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    safety.tell(config, "breathe-box", None)
    first = capsys.readouterr().err
    assert "bladder" in first
    assert "Box breathing:\nWhere holding the breath is uncomfortable, breathe on" in first

    safety.tell(config, "breathe-box", None)
    assert capsys.readouterr().err == ""
    safety.tell(config, "planks", None)
    second = capsys.readouterr().err
    assert "End it when the form goes" in second
    assert "bladder" not in second

    file = tmp_path / "own.toml"
    for note in ("mind the step", "mind the steps"):
        file.write_text(
            f'name = "own"\nsafety = "{note}"\n[[exercise]]\nname = "x"\n', encoding="utf-8"
        )
        for times in (1, 0):
            safety.tell(config, str(file), None)
            assert capsys.readouterr().err.count(f"own:\n{note}\n") == times
    safety.tell(config, "planks", None)
    assert capsys.readouterr().err == ""


def test_where_nothing_can_be_written_the_note_is_shown_again(
    config: Config, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "data").write_text("in the way")
    for _ in range(2):
        safety.tell(config, None, None)
        assert "bladder" in capsys.readouterr().err


def test_a_program_that_reads_along_is_told_nothing(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(safety, "tell", lambda *_: pytest.fail("nobody is there"))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path))
    for words in (["run", "--speed", "max"], ["run", "--speed", "max", "--json"]):
        with pytest.raises(SystemExit) as ended:
            cli.main([*words, "no-such-routine"])
        assert ended.value.code == 2
    assert not config.own.data.exists()


def test_the_last_time_is_remembered(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    keep(config.history_path, whole_session(boot_id=1), stopped(2, UTC_MS + DAY_MS))
    safety.tell(config, None, None)

    err = capsys.readouterr().err
    assert "last time you stopped in Glute Bridge, after 17 s of 30" in err
    assert "hold_s = 15 in the routine would be a shorter start" in err


@pytest.mark.parametrize("number", [phased.PRESS, phased.OPEN])
def test_nothing_shorter_is_advised_for_a_phase_or_an_open_hold(
    config: Config, capsys: pytest.CaptureFixture[str], number: int
) -> None:
    band = Band(plan=Plan(phased.data()))
    band.do(vocab.START)
    band.pass_ms(sum(step.duration_ms for step in phased.steps()[:number]) + 3_000)
    band.player.press(vocab.LONG_PRESS, band.now_ms)
    keep(config.history_path, band.entries())
    safety.tell(config, band.plan.name, None)

    assert "last time" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "routine,wearable", [("lower-back-60", None), (None, "waist"), ("lower-back", "waist")]
)
def test_another_routine_or_person_is_not_meant(
    config: Config,
    capsys: pytest.CaptureFixture[str],
    routine: str | None,
    wearable: str | None,
) -> None:
    keep(config.history_path, stopped(2, UTC_MS))
    safety.tell(config, routine, wearable)

    assert "last time" not in capsys.readouterr().err


def test_a_session_that_went_well_since_needs_no_hint(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(
        config.history_path,
        stopped(1, UTC_MS),
        whole_session(boot_id=2, boot_utc_ms=UTC_MS + DAY_MS),
    )
    safety.tell(config, None, None)

    assert "last time" not in capsys.readouterr().err


def test_a_history_that_cannot_be_read_is_not_the_matter_here(
    config: Config, capsys: pytest.CaptureFixture[str]
) -> None:
    config.history_path.write_bytes(b"my diary " * 500)
    safety.tell(config, None, None)

    assert "diary" not in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo terminals here")
def test_at_a_terminal_the_note_stays_until_it_was_read(tmp_path: Path) -> None:
    import pty

    (tmp_path / "tenuto.toml").write_text('history.path = "h.db"\nmqtt.url = "off"\n')
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "tenuto", "run", "lower-back-short", "--speed", "max"],
        env=environment(tmp_path) | {"COLUMNS": "50", "TERM": "dumb"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        shown = read_until(ours, "Enter begins")
        assert process.poll() is None
        assert "begins, started" not in shown
        lines = shown.replace("\r", "").splitlines()
        assert max(map(len, lines)) <= 50
        assert "numbness between the legs" in " ".join(lines)
        assert not list(tmp_path.rglob("safety*")), "it was not read yet"

        os.write(ours, b"\n")
        assert "holds done" in read_until(ours, "holds done")
        assert process.wait(patience_s(30)) == 0
    finally:
        process.kill()
        process.wait(patience_s(10))
        os.close(ours)


def read_until(terminal: int, word: str) -> str:
    shown, began_s = "", time.monotonic()
    while word not in shown:
        assert time.monotonic() - began_s < patience_s(30), shown
        if select.select([terminal], [], [], 0.5)[0]:
            shown += os.read(terminal, 65_536).decode(errors="replace")
    return shown
