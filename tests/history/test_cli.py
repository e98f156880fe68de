# SPDX-License-Identifier: MIT
"""`tenuto history` as it is typed."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import sqlite3
import stat
import tracemalloc
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tenuto import cli
from tenuto.cli.history import Format, _write
from tenuto.history import ExerciseNote, Store
from tenuto.sessions.events import LinkLost, to_json
from tenuto_core import vocab
from tests.history.sessions import (
    READY_MS,
    UTC_MS,
    Band,
    eventful_session,
    keep,
    session_in_parts,
    whole_session,
    with_strap,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenuto.sessions.events import Entry

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
        own = () if "--config" in words else ("--config", str(config))
        with pytest.raises(SystemExit) as ended:
            cli.main(["history", *words, *own])
        output = capsys.readouterr()
        return int(ended.value.code or 0), output.out, output.err

    return run


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


def test_what_somebody_left_and_took_up_again_is_one_session_in_all(
    history: Callable[..., Typed], database: Path
) -> None:
    left, taken_up = session_in_parts()
    keep(database, left, whole_session(boot_id=7, boot_utc_ms=UTC_MS - 3_600_000), taken_up)
    _, newest, oldest = history()[1].splitlines()

    assert re.search(r"^ *1 .* finished +2/3 +1:51", newest)
    assert re.search(r"^ *2 .* finished +3/3 ", oldest)
    shown = history("show", "1")[1]
    assert shown == history("show", "3")[1], "by the number of either part"
    assert shown.startswith("Session 1 (taken up as 3), ")
    assert "2 of 3 holds done" in shown
    assert "Pauses  1, 0:20 min in all" in shown
    events = [json.loads(line)["event"] for line in history("show", "1", "--json")[1].splitlines()]
    assert (events.count("session_started"), events.count("session_ended")) == (1, 1)
    table = history("export", "3", "1", "--format", "csv")[1].splitlines()[1:]
    assert [line.split(",")[0] for line in table] == ["1"] * 3
    code, out, _ = history("delete", "3", "--yes")
    assert code == 0
    assert "Session 1 (taken up as 3), " in out
    assert [line.split()[0] for line in history()[1].splitlines()[1:]] == ["2"]
    assert history("show", "3")[0] == 2


@pytest.mark.parametrize(
    "words,listed",
    [
        (["--person", "ada"], [2]),
        (["--wearable", "waist"], [1]),
        (["--routine", "lower-back"], [2, 1]),
        (["--routine", "lower-back", "--person", "ada", "--wearable", "wrist"], [2]),
        (["--since", "2024-01-01"], [2]),
        (["--until", "2024-01-01"], [1]),
        (["--since", "2023-11-14", "--until", "2023-11-14"], [1]),
        (["--since", "2023-11-01", "--until", "2030-01-01"], [2, 1]),
        (["--until", "2030-01-01", "--limit", "1"], [2]),
    ],
)
def test_the_list_shows_what_is_asked_for(
    history: Callable[..., Typed], database: Path, words: list[str], listed: list[int]
) -> None:
    keep(database, stopped_session(), whole_session())

    _, *rows = history("list", *words)[1].splitlines()
    assert [int(row.split()[0]) for row in rows] == listed


def test_a_list_of_nothing_and_a_wrong_day_are_told(
    history: Callable[..., Typed], database: Path
) -> None:
    keep(database, whole_session())

    assert history("list", "--person", "ben")[1].startswith("No session is like that")
    code, _, err = history("list", "--since", "yesterday")
    assert code == 2
    assert "--since is 'yesterday', allowed is a day such as 2026-11-20" in err


def test_fit_files_of_many_sessions_go_into_a_folder(
    history: Callable[..., Typed],
    database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("fit_tool")
    keep(database, stopped_session(), whole_session(), whole_session(boot_id=9, boot_utc_ms=0))
    folder = tmp_path / "watch"
    folder.mkdir()

    code, out, err = history("export", "--format", "fit", "-o", str(folder))
    assert (code, out) == (1, ""), "one of them is from before FIT's time"
    assert "session 3 is left out" in err
    assert err.splitlines()[-1] == "2 files in all"
    names = sorted(file.name for file in folder.iterdir())
    assert names == ["tenuto-session-1.fit", "tenuto-session-2.fit"]

    monkeypatch.chdir(tmp_path)
    assert history("export", "2", "1", "--format", "fit")[0] == 0
    for name in names:
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_csv_has_the_sessions_that_are_named(history: Callable[..., Typed], database: Path) -> None:
    keep(database, *(whole_session(boot_id=number) for number in (1, 2, 3)))

    out = history("export", "3", "1", "--format", "csv")[1]
    assert {line.split(",")[0] for line in out.splitlines()[1:]} == {"3", "1"}


def test_the_week_of_a_day(history: Callable[..., Typed], database: Path) -> None:
    keep(database, whole_session(boot_utc_ms=1_700_000_000_000))

    assert "Holds: 3 done" in history("week", "--date", "2023-11-14")[1]
    assert "Holds: 0 done" in history("week", "--date", "2023-11-21")[1]
    assert history("week", "--date", "soon")[0] == 2


def test_the_list_says_whose_a_session_is_where_there_are_several_people(
    history: Callable[..., Typed], database: Path
) -> None:
    keep(database, whole_session(boot_id=1), whole_session(boot_id=2, person="ben"))
    head, *rows = history()[1].splitlines()

    assert head.split()[3:6] == ["wearable", "person", "ended"]
    assert {row.split()[5] for row in rows} == {"ada", "ben"}


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
    assert out.splitlines()[-1] == f"{len(entries)} events: --events shows all."
    assert "hold_start" not in out

    out = history("show", "1", "--events")[1]
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


def test_show_draws_the_session_as_a_score(history: Callable[..., Typed], database: Path) -> None:
    keep(database, with_strap(eventful_session()))
    _, out, _ = history("show", "1")
    lines = out.splitlines()
    left = next(line for line in lines if line.startswith("  left "))
    right = next(line for line in lines if line.startswith(" right "))

    assert "1 Glute Bridge, 2 Kneeling Lunge" in out
    assert "\u2591 skipped, \u2016 paused" in out
    # 2 s a column: 5 s to get ready, 15 s held, 12 s of a pause, 15 s held, then the left alone.
    assert left.index("\u2588") == right.index("\u2588") == 7 + 2
    assert left.count("\u2016") == right.count("\u2016") == 6
    assert "\u2591" in left
    assert "\u2591" not in right
    assert "bpm in the first minute" in out


@pytest.mark.usefixtures("history")
def test_letters_that_a_terminal_lacks_are_not_used(
    tmp_path: Path, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(database, with_strap(eventful_session()))
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["history", "show", "1", "--config", str(tmp_path / "tenuto.toml")])

    assert not ended.value.code


# --- export, import, delete, check


def test_the_whole_history_goes_out_and_in(
    history: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    keep(database, stopped_session(), whole_session())
    code, out, err = history("export")
    assert (code, err) == (0, "")
    file = tmp_path / "all.jsonl"
    assert history("export", "-o", str(file))[0] == 0
    assert file.read_text(encoding="utf-8") == out
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = history()[1]
    database.unlink()

    code, out, _ = history("import", str(file))
    assert (code, out.splitlines()[0].split(",")[0]) == (0, "2 sessions are new")
    assert before == history()[1]
    assert history("import", str(file))[1].startswith("0 sessions are new")


@pytest.mark.parametrize(
    "words,beginning",
    [
        (["--format", "csv"], "session,began_utc,"),
        (["1", "--format", "csv"], "session,began_utc,"),
        (["1", "--format", "csv-comma"], "\ufeffsession;began_utc;"),
        (["--format", "openmhealth"], "["),
        (["--format", "fhir"], '{"resourceType": "Bundle"'),
    ],
)
def test_other_formats_go_to_the_output(
    history: Callable[..., Typed], database: Path, words: list[str], beginning: str
) -> None:
    keep(database, whole_session())
    code, out, err = history("export", *words)

    assert (code, err) == (0, "")
    assert out.startswith(beginning)


def test_an_export_takes_no_more_memory_for_more_sessions(database: Path) -> None:
    def peak_bytes(form: Format, sessions: int) -> int:
        with open(os.devnull, "wb") as file:  # noqa: PTH123 - has no path
            tracemalloc.start()
            numbers = list(range(1, sessions + 1))
            asyncio.run(_write(form, Store(database, read_only=True), numbers, file, is_all=True))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        return peak

    forms: list[Format] = ["jsonl", "csv", "fhir", "openmhealth"]
    keep(database, *(whole_session(boot_id=one) for one in range(1, 26)))
    for form in forms:
        peak_bytes(form, 25)  # what it imports and caches
    few = [peak_bytes(form, 25) for form in forms]
    keep(database, *(whole_session(boot_id=one) for one in range(26, 76)))
    many = [peak_bytes(form, 75) for form in forms]
    assert [form for form, a, b in zip(forms, few, many, strict=True) if b > 2 * a] == []


def test_a_session_becomes_a_fit_file(
    history: Callable[..., Typed],
    database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    keep(database, whole_session())

    assert history("export", "1", "--format", "fit")[0] == 0
    assert (tmp_path / "tenuto-session-1.fit").read_bytes()[8:12] == b".FIT"


@pytest.mark.parametrize(
    "words,text",
    [
        (["export", "--format", "fit", "-o", "no-such-folder"], "so many need a folder"),
        (["export", "1"], "leave the ID out"),
        (["export", "9", "--format", "csv"], "there is no session 9"),
        (["export", "--format", "csv", "-o", "/dev/null/x"], "cannot be written"),
        (["import", "/nowhere.jsonl"], "cannot be read"),
        (["delete", "9", "--yes"], "there is no session 9"),
        (["delete", "1"], "say --yes if that is meant"),
    ],
)
def test_what_cannot_be_done_is_told(
    history: Callable[..., Typed], database: Path, words: list[str], text: str
) -> None:
    keep(database, whole_session())
    code, _, err = history(*words)

    assert code == 2
    assert text in err
    assert "lower-back" in history()[1]


@pytest.fixture
def exported(history: Callable[..., Typed], database: Path, tmp_path: Path) -> Path:
    """What `export` wrote of a history that is not there any more."""
    keep(database, whole_session())
    file = tmp_path / "out.jsonl"
    assert history("export", "-o", str(file))[0] == 0
    for left in tmp_path.glob("history.db*"):
        left.unlink()
    return file


def typed_in(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_import_reads_standard_input(
    history: Callable[..., Typed], exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed_in(exported.read_bytes(), monkeypatch)

    code, out, _ = history("import", "-")
    assert (code, out.partition(",")[0]) == (0, "1 session is new")
    typed_in(b"nothing\n", monkeypatch)
    code, _, err = history("import", "-")
    assert (code, err) == (2, "tenuto: standard input:1: is no JSON\n")


def test_a_file_that_an_editor_has_marked_is_imported(
    history: Callable[..., Typed], exported: Path
) -> None:
    exported.write_bytes(b"\xef\xbb\xbf" + exported.read_bytes())

    assert history("import", str(exported))[0] == 0


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.timeout(30)
def test_import_waits_for_no_pipe_and_holds_no_line_without_end(
    history: Callable[..., Typed], tmp_path: Path
) -> None:
    file = tmp_path / "in.jsonl"
    os.mkfifo(file)
    assert "is a named pipe, allowed is a regular file" in history("import", str(file))[2]
    assert "is a device, allowed is a regular file" in history("import", "/dev/zero")[2]
    file.unlink()
    with file.open("wb") as long:
        long.truncate(1 << 40)  # one line of it, of which nothing is on the disk

    code, _, err = history("import", str(file))
    assert code == 2
    assert "in.jsonl:1: is longer than 400000 bytes" in err


@pytest.mark.parametrize("words", [["export"], ["check"], ["delete", "1", "--yes"]])
def test_without_a_history_it_says_so(
    history: Callable[..., Typed], database: Path, words: list[str]
) -> None:
    code, _, err = history(*words)

    assert code == 2
    assert "tenuto run" in err
    assert not database.exists()


def test_delete_deletes_what_was_named(history: Callable[..., Typed], database: Path) -> None:
    keep(database, stopped_session(), whole_session())
    code, out, _ = history("delete", "2", "--yes")

    assert code == 0
    assert "Session 2" in out
    assert [line.split()[0] for line in history()[1].splitlines()[1:]] == ["1"]


def test_check_finds_and_mends(history: Callable[..., Typed], database: Path) -> None:
    keep(database, stopped_session(), whole_session())
    assert history("check")[:2] == (0, f"{database} is sound.\n")
    with sqlite3.connect(database) as db:
        db.execute("UPDATE sessions SET reason = 'stopped' WHERE id = 2")
    db.close()

    code, out, _ = history("check")
    assert code == 1
    assert "session 2 is not as its records tell" in out
    assert "--repair" in out
    assert history("check", "--repair")[0] == 0
    assert "finished" in history()[1]


def test_check_saves_what_a_broken_file_still_has(
    history: Callable[..., Typed], database: Path
) -> None:
    keep(database, *(whole_session(boot_id=boot) for boot in range(1, 21)))
    with database.open("r+b") as file:
        file.seek(database.stat().st_size // 2)
        file.write(b"\xa5" * 6_000)
    assert history("check")[0] == 1

    code, out, _ = history("check", "--repair")
    assert code == 0
    assert "Saved" in out
    assert database.with_name("history.db.damaged").exists()
    assert history("check")[0] == 0


# --- the week


def test_the_week_says_how_it_went_beside_what_is_advised(
    history: Callable[..., Typed], database: Path
) -> None:
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    keep(
        database,
        whole_session(boot_id=1, boot_utc_ms=now_ms - 30 * 86_400_000),
        whole_session(boot_id=2, boot_utc_ms=now_ms),
        whole_session(boot_id=3, boot_utc_ms=now_ms - 1_000, person="ben"),
    )

    async def describe() -> None:
        async with Store(database) as store:
            note = ExerciseNote("Kneeling Lunge", "stretch", ("hip flexors",))
            await store.describe(Band().plan_id.hex(), [note])

    asyncio.run(describe())
    code, out, _ = history("week")

    assert code == 0
    assert "ada: 1 day in a row" in out
    assert "This week: 1 day (with stretches; advised: 2 to 3 or more), 1:30 min held" in out
    assert "Holds: 3 done; 0 pauses" in out
    assert re.search(r"stretch +left +right  days with 60 s  \(advised: 2:00 to 3:00 min\)", out)
    assert re.search(r"hip flexors +0:30 +0:30 +0\n", out)
    assert "ben: 1 day in a row" in history("week", "--person", "ben")[1]


def test_a_week_without_a_session(history: Callable[..., Typed], database: Path) -> None:
    keep(database, stopped_session())
    _, out, _ = history("week")

    assert "No streak at present" in out
    assert "This week: 0 days" in out


# --- simulated sessions


def test_fit_files_of_all_sessions_leave_out_what_was_simulated(
    history: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    pytest.importorskip("fit_tool")
    keep(database, whole_session(boot_id=1), simulated_session(boot_id=2))
    folder = tmp_path / "fit"
    folder.mkdir()
    code, _, err = history("export", "--format", "fit", "-o", str(folder))

    assert code == 0
    assert "1 simulated session is left out; an ID takes one along" in err
    assert [file.name for file in folder.iterdir()] == ["tenuto-session-1.fit"]
    assert "a portal counts it" in history("export", "2", "--format", "fit", "-o", str(folder))[2]
    assert len(list(folder.iterdir())) == 2


def simulated_session(**band: object) -> list[Entry]:
    return [replace(entry, is_simulated=True) for entry in whole_session(**band)]


def test_simulated_sessions_are_shown_as_such_count_for_nothing_and_can_be_removed(
    history: Callable[..., Typed], database: Path
) -> None:
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    keep(
        database,
        simulated_session(boot_id=1, boot_utc_ms=now_ms),
        whole_session(boot_id=2, boot_utc_ms=now_ms - 1_000),
        simulated_session(boot_id=3, boot_utc_ms=now_ms, wearable="simulated", person=None),
    )

    assert "wrist (simulated)" in history()[1]
    assert "simulated (simulated)" not in history()[1]
    assert ", on wrist (simulated), ada" in history("show", "1")[1]
    assert ", on wrist, ada" in history("show", "2")[1]
    _, week, _ = history("week")
    assert "This week: 1 day, 1:30 min held" in week
    assert "1 simulated session does not count." in week

    code, out, _ = history("delete", "--simulated", "--yes")
    assert code == 0
    assert re.findall(r"Session (\d)", out) == ["3", "1"]
    assert "simulated" not in history()[1]
    assert "There is no simulated session." in history("delete", "--simulated")[1]
    assert "which?" in history("delete")[2]


def test_only_simulated_sessions_make_no_streak(
    history: Callable[..., Typed], database: Path
) -> None:
    keep(database, simulated_session(boot_utc_ms=round(datetime.now(UTC).timestamp() * 1000)))
    _, out, _ = history("week", "--person", "ada")

    assert "in a row" not in out
    assert "This week: 0 days" in out
    assert "1 simulated session does not count." in out


# --- people


def test_people_and_wearables_are_called_by_their_names(
    history: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    keep(database, whole_session(boot_utc_ms=now_ms))
    config = tmp_path / "tenuto.toml"
    config.write_text(
        config.read_text()
        + '[[person]]\nid = "ada"\nname = "Ada L."\n'
        + '[[wearable]]\nid = "wrist"\nname = "Left wrist"\nlink = "simulated"\n'
    )

    assert "Left wrist" in history()[1]
    assert "Left wrist" in history("list", "--wearable", "Left wrist", "--person", "Ada L.")[1]
    assert "Ada L.: 1 day in a row" in history("week", "--person", "Ada L.")[1]
    assert ", on Left wrist, Ada L." in history("show", "1")[1]
    assert "Ada L.: 1 day in a row" in history("week", "--person", "ada")[1]


def test_a_person_whom_nobody_knows_is_told(history: Callable[..., Typed], database: Path) -> None:
    keep(database, whole_session())
    code, out, err = history("week", "--person", "adda")

    assert (code, out) == (2, "")
    assert "nobody is called 'adda'; --person knows ada" in err


def test_a_person_is_renamed_and_namesakes_are_told(
    history: Callable[..., Typed], database: Path, tmp_path: Path
) -> None:
    keep(tmp_path / "other.db", whole_session(boot_id=9, wearable="waist"))
    keep(database, whole_session(boot_id=1))
    (tmp_path / "other.toml").write_text(
        f"[history]\npath = {json.dumps(str(tmp_path / 'other.db'))}\n"
    )
    file = tmp_path / "other.jsonl"
    history("export", "-o", str(file), "--config", str(tmp_path / "other.toml"))
    code, out, _ = history("import", str(file))
    assert code == 0
    found = re.search(r"(ada \(.{4}\)) is kept apart from ada; `tenuto history rename", out)
    assert found is not None

    assert history("rename", found[1], "ada", "--yes")[1] == f"{found[1]} is ada now.\n"
    assert history("rename", "ada", "ida")[0] == 0
    assert ", on waist, ida" in history("show", "2")[1]
    code, _, said = history("rename", "ada", "ben")
    assert code == 2
    assert "the history knows no 'ada'; it knows ida" in said
