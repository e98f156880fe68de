# SPDX-License-Identifier: MIT
"""`tenuto history` as it is typed."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

import pytest

from tenuto import cli
from tenuto.events import LinkLost, to_json
from tenuto.history import Store
from tenuto_core import vocab
from tests.history.sessions import READY_MS, Band, whole_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenuto.events import Entry

Typed = tuple[int, str, str]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


@pytest.fixture
def history(
    tmp_path: Path, database: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Typed]:
    """Types `tenuto history ...`; gives the exit code, the output and the errors."""
    config = tmp_path / "tenuto.toml"
    config.write_text(f"[history]\npath = {json.dumps(str(database))}\n")

    def run(*words: str) -> Typed:
        with pytest.raises(SystemExit) as ended:
            cli.main(["history", *words, "--config", str(config)])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


def keep(database: Path, *sessions: Sequence[Entry]) -> None:
    async def add() -> None:
        async with Store(database) as store:
            for session in sessions:
                await store.add(session)

    asyncio.run(add())


def stopped_session() -> list[Entry]:
    band = Band(wearable="waist", boot_id=2, person=None, boot_utc_ms=1_700_000_000_000)
    band.do(vocab.START)
    band.pass_ms(READY_MS + 10_000)
    band.player.press(vocab.LONG_PRESS, band.now_ms)
    return band.entries()


@pytest.mark.parametrize("words", [[], ["list"]])
def test_before_the_first_session_it_says_what_to_do(
    history: Callable[..., Typed], database: Path, words: list[str]
) -> None:
    code, out, err = history(*words)

    assert (code, err) == (0, "")
    assert "tenuto run" in out
    assert str(database) in out
    assert not database.exists()


def test_the_list_has_a_line_for_each_session_newest_first(
    history: Callable[..., Typed], database: Path
) -> None:
    keep(database, stopped_session(), whole_session())
    code, out, _ = history()
    head, newest, oldest = out.splitlines()

    assert code == 0
    assert head.split() == ["id", "when", "routine", "wearable", "ended", "holds", "time", "bpm"]
    assert re.fullmatch(
        r" *2  20\d\d-\d\d-\d\d \d\d:\d\d  lower-back +wrist +finished +3/3 +1:51 +66", newest
    )
    assert re.fullmatch(
        r" *1  20\d\d-\d\d-\d\d \d\d:\d\d  lower-back +waist +stopped +0/3 +0:15", oldest
    )
    assert history("list", "--limit", "1")[1].splitlines() == [head, newest]


def test_a_session_that_goes_on_is_listed_while_the_daemon_writes(
    history: Callable[..., Typed], database: Path
) -> None:
    keep(database, whole_session()[:12])
    _, out, _ = history()

    assert "not yet" in out


def test_show_tells_the_sum_and_every_event(history: Callable[..., Typed], database: Path) -> None:
    entries = whole_session()
    keep(database, entries)
    code, out, _ = history("show", "1")

    assert code == 0
    assert "3 of 3 holds done" in out
    events = out.splitlines()[-len(entries) :]
    assert [line.split()[1] for line in events] == [entry.event.name for entry in entries]
    assert events[0].startswith("0:00.000")
    assert events[-1].startswith("1:51.000")


def test_json_is_that_of_the_session_as_it_was_played(
    history: Callable[..., Typed], database: Path
) -> None:
    entries = whole_session()
    lost = LinkLost(t_ms=111_000)
    keep(database, entries)
    code, out, err = history("show", "1", "--json")

    assert (code, err) == (0, "")
    assert [json.loads(line) for line in out.splitlines()] == [
        json.loads(json.dumps(to_json(entry.event))) for entry in entries
    ]
    assert to_json(lost)["event"] not in out


def test_a_number_that_is_no_session_is_told(history: Callable[..., Typed], database: Path) -> None:
    for _ in range(2):
        code, out, err = history("show", "7")
        assert (code, out) == (2, "")
        assert "there is no session 7" in err
        keep(database, whole_session())


def test_a_file_that_is_no_history_is_told(history: Callable[..., Typed], database: Path) -> None:
    database.write_bytes(b"my diary " * 500)
    code, out, err = history()

    assert (code, out) == (1, "")
    assert "not a database" in err


def test_a_name_cannot_play_tricks_on_the_terminal(
    history: Callable[..., Typed], database: Path
) -> None:
    keep(database, whole_session(wearable="wr\x1b[31mist"))

    assert "\x1b" not in history()[1] + history("show", "1")[1]
