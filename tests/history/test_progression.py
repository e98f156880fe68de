# SPDX-License-Identifier: MIT
"""Holds that grow by the person's own rule."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenuto.config import parse as parse_config
from tenuto.daemon.plans import as_grown
from tenuto.errors import InputError
from tenuto.history import Store
from tenuto.history.completed_holds import held_utc_ms, times_held
from tenuto.routines.progression import Growth, grown, grows, growths
from tenuto.routines.routine import parse
from tenuto_core import vocab
from tests.history.sessions import (
    HOLD_MS,
    READY_MS,
    UTC_MS,
    Band,
    eventful_session,
    whole_session,
)

if TYPE_CHECKING:
    from tenuto.routines.routine import Routine

DAY_MS = 86_400_000


def routine(more: str = "", defaults: str = "") -> Routine:
    text = f"""
name = "lower-back"
[defaults]
hold_s = 30
{defaults}
[[exercise]]
name = "Glute Bridge"
{more}
[[exercise]]
name = "Kneeling Lunge"
sides = "each"
"""
    return parse(text, "lower-back.toml")


RULE = "progression = { add_s = 5, every = 6, max_s = 43 }"


@pytest.mark.parametrize(
    "times,hold_s", [(0, 30), (5, 30), (6, 35), (11, 35), (12, 40), (18, 43), (600, 43)]
)
def test_a_hold_grows_step_by_step_up_to_its_end(times: int, hold_s: int) -> None:
    bridge, lunge = grown(routine(RULE), {"Glute Bridge": times, "Kneeling Lunge": 99}).exercises

    assert bridge.hold_ms == hold_s * 1_000
    assert lunge.hold_ms == 30_000  # without a rule nothing grows


def test_a_rule_for_all_of_them_and_one_without() -> None:
    written = routine("progression = false", defaults=RULE)
    bridge, lunge = grown(written, {"Glute Bridge": 6, "Kneeling Lunge": 6}).exercises

    assert (bridge.hold_ms, lunge.hold_ms) == (30_000, 35_000)


def test_each_side_grows_from_its_own_hold() -> None:
    written = parse(
        f'name = "x"\n[[exercise]]\nname = "y"\nsides = "each"\nleft_hold_s = 20\n{RULE}\n',
        "x.toml",
    )
    (one,) = grown(written, {"y": 6}).exercises

    assert (one.left_hold_ms, one.right_hold_ms, one.hold_ms) == (25_000, None, 35_000)


def test_a_hold_that_is_longer_than_the_rule_goes_stays_as_written() -> None:
    written = routine("hold_s = 60\n" + RULE)

    assert grown(written, {"Glute Bridge": 60}).exercises[0].hold_ms == 60_000


def test_it_is_told_what_has_grown_and_why() -> None:
    written = routine(RULE)
    times = {"Glute Bridge": 7}

    assert list(growths(written, grown(written, times), times)) == [
        Growth("Glute Bridge", 30_000, 35_000, 7)
    ]
    assert grows(written)
    assert not grows(routine())


@pytest.mark.parametrize(
    "wrong", ["{ add_s = 5 }", "{ add_s = 0, every = 6, max_s = 60 }", "{ add_s = 5, every = 0 }"]
)
def test_a_rule_that_is_wrong_is_told(wrong: str) -> None:
    with pytest.raises(InputError, match=r"toml:8: exercise 'Glute Bridge': progression"):
        routine(f"progression = {wrong}")


# --- what the history knows


async def keep(path: Path) -> None:
    under_way = Band(boot_id=4)
    under_way.do(vocab.START)
    under_way.pass_ms(READY_MS + HOLD_MS + 1_000)
    async with Store(path) as store:
        await store.add(whole_session(boot_id=1))
        # One side of the lunge was skipped.
        await store.add(eventful_session(boot_id=2, boot_utc_ms=UTC_MS + DAY_MS))
        await store.add(whole_session(boot_id=3, person="ben"))
        await store.add([replace(e, is_simulated=True) for e in whole_session(boot_id=5)])
        await store.add(under_way.entries())


async def test_how_often_an_exercise_was_held_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "h.db"
    await keep(path)

    assert times_held(path, "lower-back", "ada") == {"Glute Bridge": 2, "Kneeling Lunge": 1}
    assert times_held(path, "lower-back", "ben") == {"Glute Bridge": 1, "Kneeling Lunge": 1}
    assert times_held(path, "lower-back", None) == {}
    assert times_held(path, "another", "ada") == {}


async def test_on_which_days_something_was_held(tmp_path: Path) -> None:
    await keep(tmp_path / "h.db")
    async with Store(tmp_path / "h.db", read_only=True) as store:
        assert await held_utc_ms(store, "ada") == [
            UTC_MS + 1_000,  # a finished one, and the one under way
            UTC_MS + 1_000,
            UTC_MS + DAY_MS + 1_000,
        ]
        assert await held_utc_ms(store, None) == []


def test_a_history_of_before_the_update_is_read_too(tmp_path: Path) -> None:
    """The routine is compiled before the history is opened, and so brought up to date."""
    script = Path(__file__).with_name("databases") / "v4.sql"
    with closing(sqlite3.connect(tmp_path / "h.db")) as db:
        db.executescript(script.read_text(encoding="utf-8"))

    assert times_held(tmp_path / "h.db", "lower-back", "ada") == {
        "Glute Bridge": 1,
        "Kneeling Lunge": 1,
    }


def test_a_history_that_is_missing_or_broken_lets_nothing_grow(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert times_held(tmp_path / "none.db", "lower-back", None) == {}
    (tmp_path / "bad.db").write_bytes(b"my diary " * 500)
    assert times_held(tmp_path / "bad.db", "lower-back", None) == {}
    assert "cannot be read" in caplog.text


async def test_the_next_session_is_played_as_it_has_grown(tmp_path: Path) -> None:
    config = parse_config(
        f"""
[history]
path = "{tmp_path}/h.db"
[[person]]
id = "ada"
[[wearable]]
id = "wrist"
link = "simulated"
person = "ada"
""",
        str(tmp_path / "tenuto.toml"),
    )
    await keep(tmp_path / "h.db")
    written = routine("progression = { add_s = 5, every = 2, max_s = 60 }")
    present, longer = as_grown(config, "wrist", written)

    assert [exercise.hold_ms for exercise in present.exercises] == [35_000, 30_000]
    assert [one.exercise for one in longer] == ["Glute Bridge"]
    assert as_grown(config, "wrist", routine()) == (routine(), [])
