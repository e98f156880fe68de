# SPDX-License-Identifier: MIT
"""A backup of the central history, restored on a new computer as the README of the fleet says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto.fleet.postgres import CentralHistory
from tenuto.fleet.schema import set_up
from tests.fleet.server import OWNER, PostgresServer, find_programs
from tests.fleet.test_one_history import Room, join_all, room, told
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.real_time

BOOTS = range(5)


@pytest.fixture
def new_computer(postgres: PostgresServer) -> Iterator[PostgresServer]:  # noqa: ARG001 - that there is one
    programs = find_programs()
    assert programs is not None
    server = PostgresServer(programs)
    server.start_empty()
    yield server
    server.remove()


def back_up_and_restore(old: PostgresServer, url: str, new: PostgresServer) -> str:
    """Do as the README says; return the address of the restored history."""
    who = ("-h", old.folder, "-U", OWNER)
    name = url.partition("@/")[2].partition("?")[0]
    roles, dump = old.folder / "roles.sql", old.folder / "tenuto.dump"
    old.run("pg_dumpall", *who, "--roles-only", "-f", roles)
    old.run("pg_dump", *who, "--format=custom", "-f", dump, name)
    who = ("-h", new.folder, "-U", OWNER)
    new.run("psql", *who, "-d", "postgres", "-f", roles)
    new.run("createdb", *who, "--owner", OWNER, "tenuto")
    new.run("pg_restore", *who, "--exit-on-error", "-d", "tenuto", dump)
    return new.url("tenuto")


async def delete(one: Room, *boots: int) -> None:
    rows = await one.store.sessions()
    await one.store.delete(*(row.id for row in rows if row.key.boot_id in boots))
    await one.forwarder.forward()


async def boots_of(one: Room) -> list[int]:
    return sorted(row.key.boot_id for row in await one.store.sessions())


async def test_a_backup_is_restored_and_what_was_deleted_since_stays_deleted(
    postgres: PostgresServer, central: str, new_computer: PostgresServer, tmp_path: Path
) -> None:
    async with (
        room(tmp_path, central, "a") as a,
        room(tmp_path, central, "b") as b,
        CentralHistory(central) as history,
    ):
        for one in (a, b):
            for boot_id in BOOTS:
                await one.store.add(whole_session(boot_id=boot_id))
            await one.forwarder.forward()
        await join_all(history)
        before = await told(history)
        url = back_up_and_restore(postgres, central, new_computer)
        await delete(a, 0, 1)
        await join_all(history)
        await b.forwarder.forward()
        assert await boots_of(b) == [2, 3, 4]

    async with CentralHistory(url) as history:
        assert await told(history) == before
        await history.work_in_postgres(set_up)
        async with room(tmp_path, url, "a") as a:
            await delete(a, 2, 3)
            await join_all(history)
        # Another host was away meanwhile, and has taken over as many deletions from the old one.
        async with room(tmp_path, url, "b") as b:
            await b.forwarder.forward()
            assert await boots_of(b) == [4]
            await b.store.forwarding.note_all()
            await b.forwarder.forward()
        await join_all(history)
        assert [row.key.boot_id for row in await history.sessions()] == [4]
