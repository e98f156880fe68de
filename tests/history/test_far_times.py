# SPDX-License-Identifier: MIT
"""Moments that no calendar has, as an older Tenuto took them in: nothing that reads falls over."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tenuto import cli
from tests.history.sessions import keep, whole_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAST_OF_9999_MS = 253_402_300_799_000
BEFORE_1970_MS = -5_000_000


@pytest.fixture(params=["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def east_and_west(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("the time zone cannot be set here")
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    database = tmp_path / "h.db"
    keep(database, whole_session(boot_id=1), whole_session(boot_id=2))
    with closing(sqlite3.connect(database)) as db, db:
        for number, utc_ms in ((1, BEFORE_1970_MS), (2, LAST_OF_9999_MS)):
            db.execute(
                "UPDATE sessions SET started_utc_ms = ?1, ended_utc_ms = ?1 WHERE id = ?2",
                (utc_ms, number),
            )
            db.execute("UPDATE records SET utc_ms = ? WHERE session_id = ?", (utc_ms, number))
    file = tmp_path / "tenuto.toml"
    file.write_text(f"[history]\npath = {json.dumps(str(database))}\n")
    return file


def typed(config: Path, *words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--config", str(config)])
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    "command",
    [
        "history list",
        "history show 1",
        "history show 2",
        "history week",
        "history export --format csv",
        "history export --format openmhealth",
        "history export --format fhir",
        "history export 2 --format fit -o {}/a.fit",
        "report 1 -o {}/a.html",
        "report 2 -o {}/a.html",
        "report week -o {}/a.html",
        "report month -o {}/a.html",
    ],
)
@pytest.mark.usefixtures("east_and_west")
def test_every_reader_bears_it(
    command: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(config, *command.format(tmp_path).split()) == 0, capsys.readouterr().err


def test_what_is_exported_of_it_can_be_imported(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert typed(config, "history", "export", "-o", str(tmp_path / "out.jsonl")) == 0
    other = tmp_path / "other.toml"
    other.write_text('history.path = "other.db"\n')

    assert typed(other, "history", "import", str(tmp_path / "out.jsonl")) == 0
    assert capsys.readouterr().out.startswith("2 sessions are new")


@pytest.mark.parametrize("utc_ms", [BEFORE_1970_MS, LAST_OF_9999_MS])
def test_such_a_moment_is_not_taken_in_any_more(
    utc_ms: int, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.jsonl"
    assert typed(config, "history", "export", "-o", str(file)) == 0
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    number = next(n for n, line in enumerate(lines) if line["type"] == "session")
    lines[number]["started_utc_ms"] = utc_ms
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    other = tmp_path / "other.toml"
    other.write_text('history.path = "other.db"\n')

    assert typed(other, "history", "import", str(file)) == 2
    told = capsys.readouterr().err
    assert f"out.jsonl:{number + 1}: `started_utc_ms` is {utc_ms}" in told
