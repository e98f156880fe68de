# SPDX-License-Identifier: MIT
"""What goes to the disk and what need not: in virtual time, with a table in memory."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

import pytest

from tenuto import timebase
from tenuto.history import HistorySink, Store
from tenuto.mqtt.outbox import HELD_MAX, KEEP_AFTER_S, Outbox
from tests.history.sessions import whole_session

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from pathlib import Path

    from tenuto.history import Waiting


class Table:
    """As the history's, with a disk that takes its time.

    written: how many were ever put there.
    """

    def __init__(self, takes_s: float = 0.01) -> None:
        self.rows: dict[int, Waiting] = {}
        self.written = 0
        self._takes_s = takes_s
        self._disk = asyncio.Lock()

    async def outbox_last(self) -> int:
        return max(self.rows, default=0)

    async def outbox_add(self, messages: Sequence[Waiting]) -> int:
        async with self._disk:
            await asyncio.sleep(self._takes_s)
            self.written += len(messages)
            self.rows |= {item.id: item for item in messages}
        return 0

    async def outbox_after(self, last_id: int, limit: int) -> list[Waiting]:
        async with self._disk:
            await asyncio.sleep(self._takes_s)
            return [item for number, item in sorted(self.rows.items()) if number > last_id][:limit]

    async def outbox_remove(self, ids: Sequence[int]) -> None:
        async with self._disk:
            await asyncio.sleep(self._takes_s)
            for number in ids:
                del self.rows[number]


def run(scenario: Coroutine[Any, Any, None]) -> None:
    timebase.run(scenario, speed=math.inf)


def outbox(table: Table | Store) -> Outbox:
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


def test_what_the_broker_has_at_once_is_never_written() -> None:
    async def scenario() -> None:
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

    run(scenario())


@pytest.mark.parametrize("took_s", [KEEP_AFTER_S, 2.0])
def test_what_the_broker_does_not_take_is_written_and_removed_when_it_has_it(
    took_s: float,
) -> None:
    async def scenario() -> None:
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

    run(scenario())


def test_what_arrives_while_it_is_written_is_removed_again() -> None:
    async def scenario() -> None:
        table = Table(takes_s=0.2)
        box = outbox(table)
        keeping = asyncio.create_task(box.run())
        box.hold([message(1)])
        await send(box, KEEP_AFTER_S + 0.1)
        await asyncio.sleep(3 * KEEP_AFTER_S)
        keeping.cancel()
        assert (table.written, table.rows) == (1, {})

    run(scenario())


def test_a_run_that_ends_while_it_writes_leaves_all_that_waits_to_the_next() -> None:
    async def scenario() -> None:
        table = Table(takes_s=0.2)
        box = outbox(table)
        keeping = asyncio.create_task(box.run())
        box.hold([message(1)])
        await asyncio.sleep(KEEP_AFTER_S + 0.1)
        keeping.cancel()
        await asyncio.wait({keeping})
        box.hold([message(2)])
        await box.close()

        later = outbox(table)
        await later.open()
        assert [await send(later, 0.0) for _ in range(2)] == [b"{1}", b"{2}"]
        await later.close()
        assert table.rows == {}

    run(scenario())


def test_more_than_memory_holds_comes_in_order_also_while_it_is_still_being_written() -> None:
    async def scenario() -> None:
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

    run(scenario())


def test_what_the_history_has_when_it_is_killed_the_next_run_has_for_the_broker(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        async with Store(tmp_path / "history.db") as store:
            box = outbox(store)
            box.hold([message(1), message(2)])
            assert await box.take() is not None  # the broker is slow to say that it has it
            await HistorySink(store, box.keep).handle(whole_session())
            # No run, no close: this is where it is killed.
        async with Store(tmp_path / "history.db") as store:
            later = outbox(store)
            await later.open()
            assert [await send(later, 0.01), await send(later, 0.01)] == [b"{1}", b"{2}"]

    run(scenario())
