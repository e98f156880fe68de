# SPDX-License-Identifier: MIT
"""The outbox: what the broker has not acknowledged yet, kept beside the history."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tenuto.history import Store, Waiting

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def message(number: int) -> Waiting:
    return Waiting(number, 1_000 + number, "tenuto/wrist/event", b"{%d}" % number)


async def test_the_outbox_keeps_messages_in_order_until_they_are_removed(tmp_path: Path) -> None:
    async with Store(tmp_path / "h.db") as store:
        assert await store.outbox.last() == 0
        assert await store.outbox.add([message(1), message(2), message(3)]) == 0
        await store.outbox.add([message(2)])  # one that is there already
        await store.outbox.remove([2])
    async with Store(tmp_path / "h.db") as store:
        assert await store.outbox.last() == 3
        assert await store.outbox.after(0, 10) == [message(1), message(3)]
        assert await store.outbox.after(1, 10) == [message(3)]
        assert await store.outbox.after(0, 1) == [message(1)]


async def test_a_full_outbox_lets_the_oldest_go_and_says_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenuto.history.outbox_table.OUTBOX_MAX", 3)
    async with Store(tmp_path / "h.db") as store:
        dropped = await store.outbox.add([message(number) for number in range(1, 6)])

        assert dropped == 2
        assert [item.id for item in await store.outbox.after(0, 10)] == [3, 4, 5]


async def test_it_is_how_many_wait_that_counts_not_how_far_apart_their_ids_are(
    tmp_path: Path,
) -> None:
    async with Store(tmp_path / "h.db") as store:
        hours = [message(number * 3_600_000_000) for number in range(1, 25)]
        for hour in hours:
            assert await store.outbox.add([hour]) == 0

        assert await store.outbox.after(0, 100) == hours
