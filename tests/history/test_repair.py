# SPDX-License-Identifier: MIT
"""A history that something has happened to."""

from __future__ import annotations

import sqlite3
import struct
from binascii import crc32
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tenuto.history import Store, replay
from tenuto.history.repair import check, rebuild, salvage
from tenuto.routines import plan_bytes
from tenuto.sessions.events import Entry, SessionEnded
from tenuto_core import vocab
from tests.history.sessions import make_plan, whole_session

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.history import SessionRow

DAY_MS = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.db"


async def fill(path: Path, sessions: int = 3) -> list[SessionRow]:
    """Keep some sessions; gives their rows."""
    async with Store(path) as store:
        for boot in range(1, sessions + 1):
            await store.add(whole_session(boot_id=boot, boot_utc_ms=boot * DAY_MS))
        return await store.sessions()


def damage(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(statement, values)


async def test_a_sound_history_is_sound_also_beside_a_daemon(path: Path) -> None:
    await fill(path)
    async with Store(path) as daemon, Store(path, read_only=True) as store:
        await daemon.add(whole_session(boot_id=9)[:12])

        assert (await check(store)).is_sound


async def test_a_session_that_only_the_host_ended_is_sound(path: Path) -> None:
    entries = whole_session()[:9]
    ended = SessionEnded(t_ms=5_000, reason="failed", source="host")
    async with Store(path) as store:
        await store.add(
            [*entries, Entry(entries[0].session, "wrist", None, ended, entries[-1].utc_ms)]
        )

        assert (await check(store)).is_sound


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sessions SET reason = 'stopped', source = 'host'",
        "UPDATE sessions SET ended_utc_ms = NULL, reason = NULL, source = NULL WHERE id = 2",
        "UPDATE sessions SET started_utc_ms = 5, plan_id = NULL",
        "DELETE FROM sessions WHERE id = 2",
        "UPDATE records SET session_id = 77 WHERE seq % 3",
    ],
)
async def test_rows_that_are_wrong_or_gone_are_made_anew_from_the_records(
    path: Path, statement: str
) -> None:
    before = await fill(path)
    async with Store(path) as store:
        events = [replay(s) for s in await store.between(0, 1 << 60)]
    damage(path, statement)
    async with Store(path) as store:
        assert not (await check(store)).is_sound
        await rebuild(store)

        assert (await check(store)).is_sound
        after = await store.sessions()
        assert [(r.key, r.started_utc_ms, r.ended_utc_ms, r.reason, r.plan_id) for r in before] == [
            (r.key, r.started_utc_ms, r.ended_utc_ms, r.reason, r.plan_id) for r in after
        ]
        assert events == [replay(s) for s in await store.between(0, 1 << 60)]


async def test_a_damaged_plan_is_taken_out(path: Path) -> None:
    await fill(path)
    damage(path, "UPDATE plans SET data = zeroblob(200)")
    async with Store(path) as store:
        assert "is damaged" in (await check(store)).faults[0]
        await rebuild(store)

        assert (await check(store)).is_sound
        assert len(await store.sessions()) == 3


@pytest.mark.parametrize("text", ['{"x', "5", "{}", "[" * 5_000])
@pytest.mark.parametrize(
    "what, insert",
    [
        ("what a host noticed in a session", "host_events VALUES (7, 1, 5, 5, ?)"),
        ("a note on an exercise", "exercises SELECT plan_id, 'Calf', 'stretch', ? FROM plans"),
        ("a result of cues", f"cue_results VALUES ('{'0' * 16}', NULL, 'd', 'w', 0, 5, 'quiz', ?)"),
        ("a prescription", f"prescriptions VALUES ('{'0' * 16}', 'x', 5, NULL, ?)"),
    ],
)
async def test_a_text_that_cannot_be_read_is_taken_out(
    path: Path, what: str, insert: str, text: str
) -> None:
    rows = await fill(path, 1)
    damage(path, f"INSERT INTO {insert}", text)
    if (what, text) == ("a note on an exercise", "{}"):
        return  # of no muscles
    async with Store(path) as store:
        assert (await check(store)).faults == (f"{what} cannot be read",)
        await rebuild(store)

        assert (await check(store)).is_sound
        assert len(await store.outlines(rows)) == 1


def newer(version: int = 9) -> bytes:
    """The bytes of a plan of a version that nobody here knows."""
    body = bytearray(bytes(make_plan().data)[:-4] + b"what it is for, only later ones know")
    body[2] = version
    return bytes(body) + struct.pack("<I", crc32(body))


async def fill_with_a_newer_plan(path: Path) -> str:
    """Keep sessions whose plan a newer Tenuto made; gives its id."""
    await fill(path)
    data = newer()
    plan_id = plan_bytes.id_of(data)
    halves = struct.unpack("<II", plan_id)
    damage(path, "UPDATE plans SET plan_id = ?, data = ?", plan_id.hex(), data)
    damage(path, "UPDATE sessions SET plan_id = ?", plan_id.hex())
    damage(path, "UPDATE records SET b = ?, c = ? WHERE kind = ?", *halves, vocab.SESSION_STARTED)
    return plan_id.hex()


async def test_a_plan_of_a_newer_tenuto_is_told_and_left_alone(path: Path) -> None:
    plan_id = await fill_with_a_newer_plan(path)
    async with Store(path) as store:
        found = await check(store)
        assert found.is_sound
        text = "was made by a newer Tenuto (plan version 9, known is 2), left alone"
        assert found.notes == (f"plan {plan_id} {text}",)

        damage(path, "UPDATE sessions SET reason = 'stopped' WHERE id = 2")
        await rebuild(store)

        assert await check(store) == found
        assert await store.plan(plan_id) == newer()
        sessions = await store.sessions()
        assert [(row.plan_id, row.reason) for row in sessions] == [(plan_id, "finished")] * 3


async def test_what_is_saved_of_a_damaged_file_has_the_plan_of_a_newer_tenuto(path: Path) -> None:
    plan_id = await fill_with_a_newer_plan(path)

    await salvage(path)

    async with Store(path) as store:
        assert await store.plan(plan_id) == newer()
        assert {row.plan_id for row in await store.sessions()} == {plan_id}


async def test_a_whole_plan_that_must_not_be_played_is_left_alone(path: Path) -> None:
    await fill(path)
    body = bytearray(bytes(make_plan().data)[:-4])
    body[3] = 200  # exercises
    data = bytes(body) + struct.pack("<I", crc32(body))
    plan_id = plan_bytes.id_of(data).hex()
    damage(path, "UPDATE plans SET plan_id = ?, data = ?", plan_id, data)
    async with Store(path) as store:
        found = await check(store)
        assert "cannot be played (number of exercises is 200" in found.notes[0]
        await rebuild(store)

        assert await store.plan(plan_id) == data


async def test_bytes_of_another_plan_are_not_kept_and_do_not_stay(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = bytes(make_plan().data)
    plan_id = plan_bytes.id_of(data).hex()
    async with Store(path) as store:
        await store.save_plan(plan_id, "forged", newer())
        assert await store.plan(plan_id) is None
        assert f"plan={plan_id} not kept" in caplog.text

        await store.save_plan(plan_id, "lower-back", data)
    damage(path, "UPDATE plans SET data = ?, routine = 'forged'", newer())  # by one of before
    async with Store(path) as store:
        await store.save_plan(plan_id, "lower-back", data)
        assert await store.plan(plan_id) == data


@pytest.mark.parametrize("seq", [-1, 1 << 32])
async def test_a_record_whose_number_no_log_has_is_not_kept(path: Path, seq: int) -> None:
    entries = whole_session()
    first = entries[0]
    assert first.record is not None
    strange = replace(first, record=replace(first.record, seq=seq))
    async with Store(path) as store:
        await store.add([strange, *entries[1:]])
        last = await store.last_seq(first.session.device, first.session.boot_id)

    assert last == max(entry.record.seq for entry in entries[1:] if entry.record is not None)


def break_pages(path: Path) -> None:
    """Overwrite a stretch in the middle, as a failing disk or a bad cable does."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\xa5" * 6_000)


async def test_what_can_be_read_of_a_damaged_file_is_saved(path: Path) -> None:
    before = await fill(path, sessions=20)
    break_pages(path)
    async with Store(path, read_only=True) as store:
        found = await check(store)
    assert found.damage

    kept, saved = await salvage(path)
    assert kept.is_file()
    assert saved["records"] > 0
    async with Store(path) as store:
        assert (await check(store)).is_sound
        after = {row.key for row in await store.sessions()}
    assert len(after) >= 10
    assert after <= {row.key for row in before}
    assert sorted(file.name for file in path.parent.glob("salvage-*")) == []


async def test_all_statements_of_the_schema_are_on_the_first_page(path: Path) -> None:
    """Damage of any other page leaves the tables that can be read readable."""
    async with Store(path):
        pass
    leaf_of_a_table = 0x0D
    assert path.read_bytes()[100] == leaf_of_a_table  # noqa: ASYNC240 - nobody waits


async def test_the_damaged_file_is_never_overwritten(path: Path) -> None:
    await fill(path, sessions=20)
    break_pages(path)
    first, _ = await salvage(path)
    break_pages(path)
    second, _ = await salvage(path)

    assert first != second
    assert first.is_file()


async def test_bytes_that_are_no_database_give_an_empty_history(path: Path) -> None:
    path.write_bytes(b"my diary " * 500)  # noqa: ASYNC240 - nobody waits
    kept, saved = await salvage(path)

    assert set(saved.values()) == {0}
    assert kept.read_bytes() == b"my diary " * 500


async def test_persons_and_boots_that_were_lost_are_found(path: Path) -> None:
    await fill(path, sessions=2)
    damage(path, "DELETE FROM persons")
    damage(path, "INSERT INTO known_boots VALUES ('name:wrist', 1, 'serial:7')")
    async with Store(path) as store:
        faults = (await check(store)).faults
        assert [text.rpartition(" ")[0] for text in faults] == [
            "nothing is known of the person",
            "sessions of serial:7 are kept as if of",
        ]
        await rebuild(store)

        assert (await check(store)).is_sound
        assert {row.key.device for row in await store.sessions()} == {"name:wrist", "serial:7"}
        assert len({row.person for row in await store.sessions()}) == 1


async def test_a_session_without_its_end_is_noted(path: Path) -> None:
    async with Store(path) as store:
        await store.add(whole_session(boot_id=1))
        await store.add(whole_session(boot_id=2)[:-3])
        found = await check(store)

    assert found.is_sound
    assert found.endless == ("session 2 has no end: it goes on, or what came later was not kept",)
