# SPDX-License-Identifier: MIT
"""What leaves the history: JSON Lines and back, a table, FIT, Open mHealth."""

from __future__ import annotations

import csv
import io
import json
import struct
from base64 import b64encode
from binascii import crc32
from dataclasses import replace
from datetime import UTC, timedelta, timezone
from typing import TYPE_CHECKING, Any

import fitdecode
import pytest

from tenuto.errors import InputError
from tenuto.history import ExerciseNote, Store, replay
from tenuto.history.csv_table import COLUMNS, write_table
from tenuto.history.fit import fit_file
from tenuto.history.jsonlines import VERSION, Taken, read_lines
from tenuto.history.openmhealth import data_points
from tenuto.history.timeline import Account, account
from tenuto.routines import plan_bytes
from tenuto.sessions.events import Entry, LinkLost
from tenuto_core import vocab
from tenuto_core.plan import Plan
from tests.core import phased
from tests.history.sessions import (
    UTC_MS,
    Band,
    eventful_session,
    exported,
    make_plan,
    whole_session,
    with_strap,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.history import StoredSession

DAY_MS = 86_400_000
NOTES = [
    ExerciseNote("Glute Bridge", "strength", ("glutes", "lower back")),
    ExerciseNote("Kneeling Lunge", "stretch", ("hip flexors",)),
]


async def kept(path: Path, *sessions: list[Entry]) -> list[StoredSession]:
    async with Store(path) as store:
        for session in sessions:
            await store.add(session)
        await store.describe(Band().plan_id.hex(), NOTES)
        return await store.between(0, 1 << 60)


@pytest.fixture
async def told(tmp_path: Path) -> Account:
    (session,) = await kept(tmp_path / "one.db", with_strap(eventful_session()))
    return account(session)


# --- JSON Lines


async def full_history(path: Path) -> list[StoredSession]:
    entries = whole_session(boot_id=1, wearable="wr\u00edst")
    lost = Entry(
        entries[0].session, "wr\u00edst", None, LinkLost(t_ms=10_000), entries[0].utc_ms + 10_000
    )
    return await kept(
        path,
        [*entries, lost],
        with_strap(eventful_session(boot_id=2, boot_utc_ms=UTC_MS + DAY_MS)),
        whole_session(boot_id=3, boot_utc_ms=UTC_MS + 2 * DAY_MS)[4:12],  # beginning and end gone
    )


async def test_everything_goes_out_and_comes_in_again(tmp_path: Path) -> None:
    sessions = await full_history(tmp_path / "a.db")
    lines = await exported(tmp_path / "a.db")
    async with Store(tmp_path / "b.db") as store:
        taken = await read_lines(store, lines, "a.jsonl")
        again = await store.between(0, 1 << 60)
        # A second time brings in nothing.
        assert await read_lines(store, lines, "a.jsonl") == Taken(0, 0)

    assert Taken(3, sum(len(session.records) for session in sessions)) == taken
    assert sessions == again
    assert [replay(session) for session in sessions] == [replay(session) for session in again]
    assert lines == await exported(tmp_path / "b.db")
    assert all(isinstance(json.loads(line), dict) for line in lines)


async def test_two_histories_become_one(tmp_path: Path) -> None:
    await kept(tmp_path / "a.db", whole_session(boot_id=1))
    await kept(tmp_path / "b.db", whole_session(boot_id=2, boot_utc_ms=UTC_MS + DAY_MS))
    async with Store(tmp_path / "b.db") as store:
        await read_lines(store, await exported(tmp_path / "a.db"), "a.jsonl")

        assert [row.key.boot_id for row in await store.sessions()] == [2, 1]


async def test_a_plan_of_a_newer_tenuto_is_taken_in_for_the_day_it_is_known(
    tmp_path: Path,
) -> None:
    data = bytearray(bytes(make_plan().data)[:-4])
    data[2] = 9
    newer = bytes(data) + struct.pack("<I", crc32(data))
    plan_id = plan_bytes.id_of(newer).hex()
    await kept(tmp_path / "a.db", whole_session())
    line = {"type": "plan", "plan_id": plan_id, "routine": "r", "data": b64encode(newer).decode()}
    lines = [*await exported(tmp_path / "a.db"), json.dumps(line)]
    async with Store(tmp_path / "b.db") as store:
        await read_lines(store, lines, "a.jsonl")
        assert await store.plan(plan_id) == newer

        forged = line | {"plan_id": "0123456789abcdef"}
        with pytest.raises(InputError, match="are not those of plan 0123456789abcdef"):
            await read_lines(store, [lines[0], json.dumps(forged)], "a.jsonl")


async def test_what_was_deleted_here_does_not_come_back(tmp_path: Path) -> None:
    await kept(tmp_path / "a.db", whole_session(boot_id=1), whole_session(boot_id=2))
    lines = await exported(tmp_path / "a.db")
    async with Store(tmp_path / "a.db") as store:
        await store.delete(1)
        assert await read_lines(store, lines, "a.jsonl") == Taken(0, 0)

        assert [row.id for row in await store.sessions()] == [2]


def swapped(lines: list[str], old: str, new: str) -> list[str]:
    assert any(old in line for line in lines)
    return [line.replace(old, new) for line in lines]


@pytest.mark.parametrize(
    "change,text",
    [
        (lambda lines: lines[1:], "1: is not what `tenuto history export` wrote"),
        (
            lambda lines: [*swapped(lines[:1], f": {VERSION}", ": 9"), *lines[1:]],
            "1: has version 9",
        ),
        (lambda lines: [*lines[:5], "{", *lines[5:]], "6: is no JSON"),
        (lambda lines: [*lines[:5], "[]"], "6: `type` is None"),
        (lambda lines: [*lines, '{"type": "record"}'], "lacks 'session'"),
        (lambda lines: [line for line in lines if '"session",' not in line], "before its session"),
        (lambda lines: [line.replace('"a": 0', '"a": -1') for line in lines], "`a` is -1"),
        (lambda lines: [line.replace('"a": 0', '"a": "x"') for line in lines], "`a` is 'x'"),
        (
            lambda lines: [line.replace('"data": "VF', '"data": "AA') for line in lines],
            "the plan is damaged",
        ),
        (lambda lines: [lines[0], "x" * 200_000], "2: is longer"),
        (lambda lines: [lines[0], "[" * 90_000], "2: is no JSON"),
        (lambda lines: [*lines, '{"type": []}'], "`type` is []"),
        (lambda lines: swapped(lines, '"device": "name:wrist"', '"device": {}'), "`device` is {}"),
        (lambda lines: swapped(lines, '"seq": 0', f'"seq": {1 << 64}'), "`seq` is 18446744073"),
        (lambda lines: swapped(lines, '"b": 0', f'"b": {1 << 32}'), "from 0 to 4294967295"),
        (lambda lines: swapped(lines, '"link_lost"', '"link_cut"'), "lacks 'link_cut'"),
        (lambda lines: swapped(lines, '"is_heard": true', '"is_heard": 1'), "`is_heard`"),
        (
            lambda lines: swapped(lines, '"link_lost"', '"heart", "bpm": 60, "rr_ms": [1e999]'),
            "`rr_ms` of heart is (inf,)",
        ),
        (lambda lines: swapped(lines, '"plan_id": "', '"plan_id": "x'), "16 hexadecimal digits"),
        (lambda _: [], "is empty"),
    ],
)
async def test_a_wrong_line_is_named_and_nothing_is_taken(
    tmp_path: Path, change: Any, text: str
) -> None:
    await full_history(tmp_path / "a.db")
    lines = await exported(tmp_path / "a.db")
    async with Store(tmp_path / "b.db") as store:
        with pytest.raises(InputError) as caught:
            await read_lines(store, change(lines), "a.jsonl")
        assert await store.sessions() == []

    assert text in str(caught.value)
    assert str(caught.value).startswith("a.jsonl:")


# --- the table


async def test_a_row_for_each_hold(told: Account) -> None:
    file = io.StringIO(newline="")

    assert write_table([told], file) == 3
    head, *rows = list(csv.reader(io.StringIO(file.getvalue(), newline="")))
    assert list(COLUMNS) == head
    first, second, _ = (dict(zip(head, row, strict=True)) for row in rows)
    assert (first["exercise"], first["side"], first["held_s"], first["outcome"]) == (
        "Glute Bridge",
        "",
        "30.0",
        "complete",
    )
    assert first["muscles"] == "glutes; lower back"
    assert 90 < float(first["mean_bpm"]) < 124
    assert (second["side"], second["outcome"], second["began_utc"]) == (
        "left",
        "skipped",
        "2027-01-15T08:00:01Z",
    )


async def test_a_row_has_its_set_and_its_phase(tmp_path: Path) -> None:
    wearer = Band(plan=Plan(phased.data()))
    wearer.do(vocab.START)
    wearer.pass_ms(45_000)
    wearer.do(vocab.STOP)
    (session,) = await kept(tmp_path / "a.db", wearer.entries())
    file = io.StringIO(newline="")
    write_table([account(session)], file)

    head, *rows = list(csv.reader(io.StringIO(file.getvalue(), newline="")))
    names = ("phase", "side", "repetition", "of_repetitions", "set", "of_sets")
    told = [[row[head.index(name)] for name in names] for row in rows]
    assert told == [[name, "left", "1", "2", "1", "1"] for name in ("stretch", "press", "deeper")]


async def test_a_name_is_no_formula(tmp_path: Path) -> None:
    (session,) = await kept(tmp_path / "a.db", whole_session(wearable="=cmd()"))
    file = io.StringIO(newline="")
    write_table([account(session)], file)

    assert "'=cmd()" in file.getvalue()
    assert ",=cmd()" not in file.getvalue()


async def test_an_excel_whose_numbers_have_a_comma_reads_the_table_too(tmp_path: Path) -> None:
    (session,) = await kept(tmp_path / "a.db", whole_session(wearable="wr\u00edst"))
    file = io.StringIO(newline="")
    write_table([account(session)], file, decimal_comma=True)
    data = file.getvalue().encode()
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), delimiter=";"))

    assert data.startswith(b"\xef\xbb\xbf")  # else Excel takes it for the code page of Windows
    assert [row["held_s"] for row in rows] == ["30,0"] * 3
    assert (rows[0]["began_utc"], rows[0]["wearable"]) == ("2027-01-15 08:00:01", "wr\u00edst")
    assert rows[0]["muscles"] == "glutes; lower back"


# --- FIT


def messages(data: bytes, name: str) -> list[dict[str, Any]]:
    """What fitdecode, which is not what wrote it, finds; checksums are checked."""
    with fitdecode.FitReader(
        io.BytesIO(data),
        check_crc=fitdecode.CrcCheck.RAISE,
        error_handling=fitdecode.ErrorHandling.RAISE,
    ) as reader:
        return [
            {field.name: field.value for field in frame.fields}
            for frame in reader
            if isinstance(frame, fitdecode.FitDataMessage) and frame.name == name
        ]


async def test_fit_is_a_flexibility_training_with_a_lap_for_each_hold(told: Account) -> None:
    data = fit_file(told)

    (file_id,) = messages(data, "file_id")
    assert file_id["type"] == "activity"
    (session,) = messages(data, "session")
    assert (session["sport"], session["sub_sport"]) == ("training", "flexibility_training")
    assert session["total_elapsed_time"] == told.duration_ms / 1000
    assert session["total_timer_time"] == pytest.approx(session["total_elapsed_time"] - 12)
    assert session["max_heart_rate"] == told.summary.bpm_max
    assert session["start_time"].timestamp() * 1000 == UTC_MS + 1_000

    laps = messages(data, "lap")
    assert session["num_laps"] == len(laps) == 6
    assert [lap["intensity"] for lap in laps] == ["rest", "active"] * 3
    assert [lap["wkt_step_index"] for lap in laps] == [0, 1, 2, 3, 4, 5]
    holds = [lap for lap in laps if lap["intensity"] == "active"]
    assert [lap["total_timer_time"] for lap in holds] == [h.held_ms / 1000 for h in told.holds]
    assert holds[0]["total_elapsed_time"] == 42


async def check_times(told: Account) -> None:
    """Laps follow each other from the start to the end, and every timer leaves out the pauses."""
    data = fit_file(told, UTC)
    laps, (session,) = messages(data, "lap"), messages(data, "session")
    (activity,) = messages(data, "activity")
    events = [e for e in messages(data, "event") if e["event"] == "timer"]

    assert laps[0]["start_time"] == session["start_time"] == events[0]["timestamp"]
    assert [lap["timestamp"] for lap in laps[:-1]] == [lap["start_time"] for lap in laps[1:]]
    assert laps[-1]["timestamp"] == session["timestamp"] == activity["timestamp"]
    assert session["num_laps"] == len(laps)
    for key in ("total_elapsed_time", "total_timer_time"):
        assert sum(lap[key] for lap in laps) == pytest.approx(session[key])
    for message in (*laps, session):
        assert 0 <= message["total_timer_time"] <= message["total_elapsed_time"]
    assert activity["total_timer_time"] == session["total_timer_time"]


async def test_the_times_of_a_fit_file_agree_with_each_other(tmp_path: Path) -> None:
    late = Band(boot_id=2, boot_utc_ms=UTC_MS + DAY_MS)
    late.do(vocab.START)
    while late.player.due_ms is not None:  # as at twenty times the speed of life
        late.now_ms = late.player.due_ms + 463
        late.player.advance(late.now_ms)
    stopped = Band(boot_id=3, boot_utc_ms=UTC_MS + 2 * DAY_MS)
    stopped.do(vocab.START)
    stopped.pass_ms(20_000)
    stopped.do(vocab.PAUSE)
    stopped.pass_ms(60_000)
    stopped.do(vocab.STOP)
    begun = Band(boot_id=4, boot_utc_ms=UTC_MS + 3 * DAY_MS)
    begun.do(vocab.START)
    begun.do(vocab.STOP)
    sessions = await kept(
        tmp_path / "a.db",
        with_strap(eventful_session()),
        late.entries(),
        stopped.entries(),
        begun.entries(),
        whole_session(boot_id=5, boot_utc_ms=UTC_MS + 4 * DAY_MS)[4:12],
        [
            entry
            for entry in whole_session(boot_id=6, boot_utc_ms=UTC_MS + 5 * DAY_MS)
            if getattr(entry.event, "step", None) != 2
        ],
    )

    assert len(sessions) == 6
    for session in sessions:
        await check_times(account(session))


async def test_fit_has_the_heart_and_the_pause(told: Account) -> None:
    data = fit_file(told)

    rates = [r["heart_rate"] for r in messages(data, "record") if "heart_rate" in r]
    heard = [s.bpm for s in told.samples if not 20_000 < s.t_ms < 32_000]
    assert rates == heard
    assert messages(data, "record") == sorted(
        messages(data, "record"), key=lambda record: record["timestamp"]
    )
    events = [e["event_type"] for e in messages(data, "event") if e["event"] == "timer"]
    assert events == ["start", "stop", "start", "stop_all"]
    intervals = [
        value for message in messages(data, "hrv") for value in message["time"] if value is not None
    ]
    assert intervals == pytest.approx(
        [rr / 1000 for _, packet in told.intervals for rr in packet], abs=0.001
    )


async def test_fit_says_what_time_it_was_there(told: Account) -> None:
    for hours in (-9.5, 0, 2):
        (activity,) = messages(fit_file(told, timezone(timedelta(hours=hours))), "activity")
        there = activity["local_timestamp"].replace(tzinfo=UTC)
        assert there - activity["timestamp"] == timedelta(hours=hours)


async def test_fit_leaves_out_what_is_not_known(tmp_path: Path) -> None:
    """A reader that does not know the value for "absent" took it for a heart rate of 255."""
    silent = [e for e in whole_session() if e.event.name != "heart"]
    now_and_then = whole_session(boot_id=2, boot_utc_ms=UTC_MS + DAY_MS)
    sessions = await kept(tmp_path / "a.db", silent, now_and_then)
    without, with_some = (
        [
            message.get("avg_heart_rate", message.get("heart_rate", "left out"))
            for name in ("record", "lap", "session")
            for message in messages(fit_file(account(session)), name)
        ]
        for session in sessions
    )

    assert set(without) == {"left out"}
    assert {type(rate) for rate in with_some} == {int, str}  # no None and no 255
    assert 255 not in with_some


@pytest.mark.parametrize("utc_ms", [0, 631_065_599_000, 800_000_000_000])
async def test_fit_of_a_day_that_it_cannot_say_is_refused(tmp_path: Path, utc_ms: int) -> None:
    (session,) = await kept(tmp_path / "a.db", whole_session(boot_utc_ms=utc_ms))

    with pytest.raises(InputError, match="FIT knows no day before 1998-07-0"):
        fit_file(account(session))


async def test_what_was_simulated_says_so_wherever_it_goes(tmp_path: Path) -> None:
    entries = [replace(entry, is_simulated=True) for entry in whole_session()]
    (session,) = await kept(tmp_path / "a.db", entries)
    told = account(session)
    table = io.StringIO(newline="")
    write_table([told], table)

    assert messages(fit_file(told), "file_id")[0]["product_name"] == "Tenuto (simulated)"
    assert messages(fit_file(told), "workout")[0]["wkt_name"] == "lower-back (simulated)"
    rows = list(csv.DictReader(io.StringIO(table.getvalue(), newline="")))
    assert {row["simulated"] for row in rows} == {"yes"}
    for point in data_points(told):
        provenance = point["header"]["acquisition_provenance"]
        assert provenance == {"source_name": "Tenuto (simulated)"}


async def test_fit_has_the_plan_as_workout_steps(told: Account) -> None:
    data = fit_file(told)

    (workout,) = messages(data, "workout")
    assert (workout["wkt_name"], workout["num_valid_steps"]) == ("lower-back", 6)
    steps = messages(data, "workout_step")
    assert [step["duration_time"] for step in steps] == [5, 30, 8, 30, 8, 30]
    assert [step["intensity"] for step in steps] == ["rest", "active"] * 3
    assert steps[3]["wkt_step_name"] == "Kneeling Lunge, left"


async def test_fit_leaves_out_intervals_that_may_come_from_light(tmp_path: Path) -> None:
    (session,) = await kept(tmp_path / "a.db", with_strap(eventful_session(), "optical"))

    assert messages(fit_file(account(session)), "hrv") == []


async def test_fit_of_a_session_without_a_heart_or_a_plan(tmp_path: Path) -> None:
    entries = [e for e in whole_session() if e.event.name != "heart"]
    (session,) = await kept(tmp_path / "a.db", entries[3:10])
    data = fit_file(account(session))

    assert messages(data, "workout") == []
    assert len(messages(data, "record")) == 2


# --- Open mHealth


async def test_open_mhealth_has_what_its_schemas_require(told: Account) -> None:
    points = list(data_points(told))
    activity, *rates = points

    assert [point["header"]["schema_id"] for point in (activity, rates[0])] == [
        {"namespace": "omh", "name": "physical-activity", "version": "1.2"},
        {"namespace": "omh", "name": "heart-rate", "version": "2.0"},
    ]
    interval = activity["body"]["effective_time_frame"]["time_interval"]
    assert interval["start_date_time"] == "2027-01-15T08:00:01.000Z"
    assert [rate["body"]["heart_rate"]["value"] for rate in rates] == [
        sample.bpm for sample in told.samples
    ]
    assert {rate["body"]["heart_rate"]["unit"] for rate in rates} == {"beats/min"}
    ids = [point["header"]["id"] for point in points]
    assert len(set(ids)) == len(ids)
    assert ids == [point["header"]["id"] for point in data_points(told)]
