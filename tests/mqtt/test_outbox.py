# SPDX-License-Identifier: MIT
"""What goes to the disk and what need not: in virtual time, with a table in memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from tenuto.errors import StoreError
from tenuto.history import HistorySink, Store
from tenuto.mqtt.outbox import HELD_MAX, KEEP_AFTER_S, Outbox
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tenuto.history import Waiting
    from tenuto.history.outbox_table import OutboxTable

_T = TypeVar("_T")


class Table:
    """As the history's, with a disk that takes its time and does one thing after the other.

    What is cancelled has no effect if it was not begun, else it has.

    written: how many were ever put there.  is_full, is_unreadable: as the disk under it may be.
    """

    def __init__(self, takes_s: float = 0.01) -> None:
        self.rows: dict[int, Waiting] = {}
        self.written = 0
        self.is_full = self.is_unreadable = False
        self._takes_s = takes_s
        self._disk = asyncio.Lock()
        self._jobs: set[asyncio.Task[Any]] = set()

    async def last(self) -> int:
        return max(self.rows, default=0)

    async def add(self, messages: Sequence[Waiting]) -> int:
        def add() -> int:
            if self.is_full:
                raise StoreError("full")
            self.written += len(messages)
            self.rows = {item.id: item for item in messages} | self.rows
            return 0

        return await self._run(add)

    async def after(self, last_id: int, limit: int) -> list[Waiting]:
        def after() -> list[Waiting]:
            if self.is_unreadable:
                raise StoreError("locked")
            return [item for number, item in sorted(self.rows.items()) if number > last_id][:limit]

        return await self._run(after)

    async def remove(self, ids: Sequence[int]) -> None:
        def remove() -> None:
            if self.is_unreadable:
                raise StoreError("locked")
            for number in ids:
                self.rows.pop(number, None)

        await self._run(remove)

    async def _run(self, job: Callable[[], _T]) -> _T:
        async def work() -> _T:
            try:
                await asyncio.sleep(self._takes_s)
                return job()
            finally:
                self._disk.release()

        await self._disk.acquire()
        task = asyncio.create_task(work())
        self._jobs.add(task)
        task.add_done_callback(self._jobs.discard)
        return await asyncio.shield(task)


def outbox(table: Table | OutboxTable) -> Outbox:
    loop = asyncio.get_running_loop()
    return Outbox(table, lambda: 1e12 + loop.time() * 1000)


def message(number: int) -> tuple[str, bytes, int]:
    return "tenuto/wrist/event", b"{%d}" % number, number


async def send(box: Outbox, took_s: float) -> bytes:
    """Send one message by a broker that has it after `took_s`."""
    item = await box.take()
    assert item is not None
    await asyncio.sleep(took_s)
    box.arrived(item)
    return item.payload


async def ended(keeping: asyncio.Task[None]) -> None:
    """End a run, and wait until it has."""
    keeping.cancel()
    await asyncio.wait({keeping})


async def test_what_the_broker_has_at_once_is_never_written() -> None:
    table = Table()
    box = outbox(table)
    keeping = asyncio.create_task(box.run())
    for number in range(100):
        box.hold([message(number)])
        assert await send(box, 0.05) == b"{%d}" % number
        await asyncio.sleep(0.03)
    await asyncio.sleep(2 * KEEP_AFTER_S)
    keeping.cancel()
    assert table.written == 0


@pytest.mark.parametrize("took_s", [KEEP_AFTER_S, 2.0])
async def test_what_the_broker_does_not_take_is_written_and_removed_when_it_has_it(
    took_s: float,
) -> None:
    table = Table()
    box = outbox(table)
    keeping = asyncio.create_task(box.run())
    box.hold([message(1)])
    sending = asyncio.create_task(send(box, took_s + 3 * KEEP_AFTER_S))
    await asyncio.sleep(2 * KEEP_AFTER_S)
    assert [item.payload for item in table.rows.values()] == [b"{1}"]
    await sending
    await asyncio.sleep(2 * KEEP_AFTER_S)
    keeping.cancel()
    assert table.rows == {}


async def test_what_arrives_while_it_is_written_is_removed_again() -> None:
    table = Table(takes_s=0.2)
    box = outbox(table)
    keeping = asyncio.create_task(box.run())
    box.hold([message(1)])
    await send(box, KEEP_AFTER_S + 0.1)
    await asyncio.sleep(3 * KEEP_AFTER_S)
    keeping.cancel()
    assert (table.written, table.rows) == (1, {})


async def test_a_run_that_ends_while_it_writes_leaves_all_that_waits_to_the_next() -> None:
    table = Table(takes_s=0.2)
    box = outbox(table)
    keeping = asyncio.create_task(box.run())
    box.hold([message(1)])
    await asyncio.sleep(KEEP_AFTER_S + 0.1)
    await ended(keeping)
    box.hold([message(2)])
    await box.close()

    later = outbox(table)
    await later.open()
    assert [await send(later, 0.0) for _ in range(2)] == [b"{1}", b"{2}"]
    await later.close()
    assert table.rows == {}


async def test_what_arrives_after_a_run_ended_while_it_wrote_is_not_there_for_the_next() -> None:
    table = Table(takes_s=0.2)
    box = outbox(table)
    keeping = asyncio.create_task(box.run())
    box.hold([message(1)])
    item = await box.take()
    assert item is not None
    await asyncio.sleep(KEEP_AFTER_S + 0.1)
    await ended(keeping)
    box.arrived(item)
    await box.close()
    assert (table.written, table.rows) == (1, {})


async def test_what_a_run_could_not_remove_any_more_when_it_ended_is_not_there_for_the_next() -> (
    None
):

    table = Table(takes_s=0.2)
    box = outbox(table)
    keeping = asyncio.create_task(box.run())
    box.hold([message(1)])
    await send(box, KEEP_AFTER_S + 0.3)
    await asyncio.sleep(KEEP_AFTER_S - 0.1)
    reading = asyncio.create_task(table.after(0, 1))
    await asyncio.sleep(0.15)  # the run waits for the disk now
    await ended(keeping)
    await box.close()
    assert len(await reading) == 1
    assert (table.written, table.rows) == (1, {})


async def test_what_could_not_be_removed_is_removed_later() -> None:
    table = Table()
    box = outbox(table)
    keeping = asyncio.create_task(box.run())
    box.hold([message(1)])
    await send(box, KEEP_AFTER_S + 0.3)
    table.is_unreadable = True
    await asyncio.sleep(3 * KEEP_AFTER_S)
    assert len(table.rows) == 1
    table.is_unreadable = False
    await asyncio.sleep(2 * KEEP_AFTER_S)
    assert table.rows == {}
    await ended(keeping)


async def test_more_than_memory_holds_comes_in_order_also_while_it_is_still_being_written() -> None:
    table = Table(takes_s=0.2)
    box = outbox(table)
    keeping = asyncio.create_task(box.run())
    count = 3 * HELD_MAX
    got: list[bytes] = []

    async def drain() -> None:
        while len(got) < count:
            if not box.waits:
                await asyncio.sleep(0.001)
                continue
            got.append(await send(box, 0.0))

    draining = asyncio.create_task(drain())
    for number in range(count):
        box.hold([message(number)])
        if number % 400 == 0:
            await asyncio.sleep(0.05)
    async with asyncio.timeout(60):
        await draining
    await asyncio.sleep(2 * KEEP_AFTER_S)
    keeping.cancel()
    assert got == [b"{%d}" % number for number in range(count)]
    assert table.rows == {}


async def test_a_run_that_finds_messages_and_a_full_disk_loses_none_of_its_own() -> None:
    table = Table()
    before = outbox(table)
    before.hold([message(1), message(2)])
    await before.close()

    box = outbox(table)
    await box.open()
    keeping = asyncio.create_task(box.run())
    table.is_full = True
    box.hold([message(3)])
    await asyncio.sleep(3 * KEEP_AFTER_S)
    box.hold([message(4)])
    assert await send(box, 0.0) == b"{1}"
    table.is_full = False
    await asyncio.sleep(2 * KEEP_AFTER_S)
    box.hold([message(5)])
    assert [await send(box, 0.0) for _ in range(4)] == [b"{%d}" % n for n in (2, 3, 4, 5)]
    assert not box.waits
    await asyncio.sleep(2 * KEEP_AFTER_S)
    keeping.cancel()
    assert (table.rows, box.dropped) == ({}, 0)


async def test_what_neither_memory_nor_a_full_disk_takes_is_counted() -> None:
    table = Table()
    box = outbox(table)
    table.is_full = True
    count = 4 * HELD_MAX
    for number in range(count):
        box.hold([message(number)])
        if box.is_full:
            await box.keep()
    got = []
    while box.waits:
        got.append(int((await send(box, 0.0))[1:-1]))
    assert got == sorted(got)
    assert got[:HELD_MAX] == list(range(HELD_MAX))
    assert got[-1] == count - 1
    assert len(got) + box.dropped == count


async def test_a_table_that_cannot_be_read_for_a_while_keeps_what_it_has_and_its_order() -> None:
    table = Table()
    before = outbox(table)
    before.hold([message(1), message(2)])
    await before.close()

    box = outbox(table)
    await box.open()
    table.is_unreadable = True
    assert await box.take() is None
    assert box.waits
    box.hold([message(3)])
    assert await box.take() is None
    table.is_unreadable = False
    assert [await send(box, 0.0) for _ in range(3)] == [b"{1}", b"{2}", b"{3}"]


async def test_what_arrives_while_the_disk_is_found_full_is_not_written_afterwards() -> None:
    table = Table(takes_s=0.2)
    box = outbox(table)
    keeping = asyncio.create_task(box.run())
    table.is_full = True
    box.hold([message(1)])
    await send(box, KEEP_AFTER_S + 0.1)
    await asyncio.sleep(0.2)
    table.is_full = False
    await asyncio.sleep(4 * KEEP_AFTER_S)
    keeping.cancel()
    assert (table.written, table.rows) == (0, {})


async def test_what_the_history_has_when_it_is_killed_the_next_run_has_for_the_broker(
    tmp_path: Path,
) -> None:
    async with Store(tmp_path / "history.db") as store:
        box = outbox(store.outbox)
        box.hold([message(1), message(2)])
        assert await box.take() is not None  # the broker is slow to say that it has it
        await HistorySink(store, box.keep).handle(whole_session())
        # No run, no close: this is where it is killed.
    async with Store(tmp_path / "history.db") as store:
        later = outbox(store.outbox)
        await later.open()
        assert [await send(later, 0.01), await send(later, 0.01)] == [b"{1}", b"{2}"]
