# SPDX-License-Identifier: MIT
"""What people know of the cues is kept, taken along, joined and erased with them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from tenuto.cues.results import LessonResult, QuizResult, StrengthResult
from tenuto.cues.scores import Trial
from tenuto.errors import InputError
from tenuto.history import Store
from tenuto.history.cue_results import CueResult, new_id
from tenuto.history.jsonlines import Taken, read_lines, write_lines
from tenuto.history.repair import check, salvage
from tests.history.prescribed import prescription
from tests.history.sessions import UTC_MS, bytes_on_disk, exported, whole_session

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.cues.results import Result

QUIZ = QuizResult(
    cues=("hold_start", "hold_end"),
    patterns=(((100, 500, 0),), ((100, 150, 150), (80, 150, 0))),
    trials=(
        Trial("hold_start", "hold_start", 900),
        Trial("hold_end"),
        Trial("hold_end", "hold_start", 0),
    ),
    condition="moving",
)
STRENGTH = StrengthResult(trials=((20, True), (0, False), (17, False)), answered_by="button")
LESSON = LessonResult(cues=("mark",), count=3)


def result(of: Result = QUIZ, person: str | None = "ada", at_ms: int = UTC_MS) -> CueResult:
    return CueResult(
        result_id=new_id(),
        person=person,
        device="serial:1",
        wearable="wrist",
        is_simulated=False,
        utc_ms=at_ms,
        result=of,
    )


async def sound_export(path: Path) -> list[str]:
    async with Store(path) as store:
        assert (await check(store)).is_sound
    return await exported(path)


async def take(path: Path, lines: list[str]) -> Taken:
    async with Store(path) as store:
        return await read_lines(store, lines, "x.jsonl")


async def test_what_is_kept_comes_back_as_it_was(tmp_path: Path) -> None:
    measured: tuple[Result, ...] = (QUIZ, STRENGTH, LESSON)
    kept = [result(one, at_ms=UTC_MS - n) for n, one in enumerate(measured)]
    async with Store(tmp_path / "h.db") as store:
        for one in kept:
            await store.cue_results.add(one)
        assert await store.results() == kept

    _, saved = await salvage(tmp_path / "h.db")
    assert saved["cue_results"] == 3
    async with Store(tmp_path / "h.db") as store:
        assert await store.results() == kept


async def test_two_histories_join_in_any_order_and_once(tmp_path: Path) -> None:
    measured: dict[str, Result] = {"a": QUIZ, "b": STRENGTH}
    for name, of in measured.items():
        async with Store(tmp_path / f"{name}.db") as store:
            await store.cue_results.add(result(of, person=name))
    files = [await sound_export(tmp_path / "a.db"), await sound_export(tmp_path / "b.db")]
    joined = []
    for number, order in enumerate(itertools.permutations(files)):
        for lines in (*order, *order):
            await take(tmp_path / f"{number}.db", lines)
        joined.append(await sound_export(tmp_path / f"{number}.db"))

    assert joined[0] == joined[1]
    assert sum('"type": "cue_result"' in line for line in joined[0]) == 2


async def test_another_result_of_the_same_id_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    one = result()
    async with Store(tmp_path / "a.db") as store:
        await store.cue_results.add(one)
    lines = await sound_export(tmp_path / "a.db")
    forged = [line.replace("moving", "resting") for line in lines]

    with pytest.raises(InputError, match="another one"):
        await take(tmp_path / "a.db", forged)
    assert await sound_export(tmp_path / "a.db") == lines


@pytest.mark.parametrize(
    "old,new,words",
    [
        ('"kind": "quiz"', '"kind": "dance"', "`kind`"),
        ('"trials": [', '"trials": [[9, 0, 1], ', "the cue of a trial"),
        ('"trials": [', '"trials": [[0, 0, -1], ', "the time of a trial"),
        ("[100, 500, 0]", "[100, 50000, 0]", "a number of a pattern"),
        ('["hold_start", "hold_end"]', '["hold_start", "hold_start"]', "twice"),
        ('"data": {', '"data": 3, "x": {', "no object"),
    ],
)
async def test_a_hostile_line_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    async with Store(tmp_path / "a.db") as store:
        await store.cue_results.add(result())
    lines = [line.replace(old, new) for line in await sound_export(tmp_path / "a.db")]

    with pytest.raises(InputError, match=words):
        await take(tmp_path / "b.db", lines)
    async with Store(tmp_path / "b.db") as store:
        assert await store.results() == []


async def test_a_deleted_result_does_not_come_back(tmp_path: Path) -> None:
    one, other = result(), result(STRENGTH)
    async with Store(tmp_path / "a.db") as store:
        await store.cue_results.add(one)
        await store.cue_results.add(other)
    lines = await sound_export(tmp_path / "a.db")
    async with Store(tmp_path / "a.db") as store:
        assert await store.cue_results.delete(one.result_id) == 1
        assert await store.cue_results.delete(one.result_id) == 0
        await read_lines(store, lines, "x.jsonl")
        assert await store.results() == [other]


async def test_a_person_is_erased_from_every_byte(tmp_path: Path) -> None:
    path = tmp_path / "own" / "history.db"
    kept = result(person="ben")
    async with Store(path) as store:
        await store.add(whole_session(boot_id=1, person="secretperson"))
        await store.add(whole_session(boot_id=2, person="ben"))
        gone = result(person="secretperson")
        await store.cue_results.add(gone)
        await store.cue_results.add(kept)
        await store.prescribing.add(prescription(person="secretperson", note="secretnote"))
        assert b"secretnote" in bytes_on_disk(path)
        assert b"secretperson" in bytes_on_disk(path)
        ada = next(line for line in await exported_here(store) if "secretperson" in line)
        person_id = ada.split('"person_id": "')[1].split('"')[0]

        assert await store.delete_person("secretperson") == (1, 1)

        for word in (b"secretperson", b"secretnote", person_id.encode()):
            assert word not in bytes_on_disk(path)
        assert await store.results() == [kept]
        assert [row.person for row in await store.sessions()] == ["ben"]
        assert (await check(store)).is_sound
        assert await store.delete_person("secretperson") == (0, 0)


async def test_a_person_who_is_called_otherwise_keeps_their_results(tmp_path: Path) -> None:
    async with Store(tmp_path / "h.db") as store:
        await store.cue_results.add(result(person="ada"))
        await store.cue_results.add(result(STRENGTH, person="al"))
        await store.rename_person("ada", "lovelace", UTC_MS)
        await store.rename_person("al", "lovelace", UTC_MS)

        assert {one.person for one in await store.results()} == {"lovelace"}


async def exported_here(store: Store) -> list[str]:
    lines: list[str] = []
    await write_lines(store, lines.append)
    return lines
