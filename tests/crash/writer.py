# SPDX-License-Identifier: MIT
"""`python -m tests.crash.writer PATH`: writes sessions into a history until it is killed.

Says `ACK sessions records salt frames` once a batch is kept: how many sessions have all their
records there, how many records it was in all, and how far the write-ahead log is, see `power`.
Says `FAILED` for a batch that was not taken, and tries it again, as a queue does.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from tenuto.errors import StoreError
from tenuto.history import Store
from tests.crash.power import WalIndex
from tests.history.sessions import eventful_session

BATCH = 7
RETRY_S = 0.05
CHECKPOINT_PAGES = 50
"""A twentieth of what it is, so that many a power cut comes in the middle of one."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def write(path: Path) -> None:
    """Write for ever."""
    records = 0
    async with Store(path) as store:
        await store.work(lambda db: db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}"))
        await store.forwarding.turn(on=True)
        before = len(await store.sessions())
        for number in count(before):
            entries = eventful_session(boot_id=number + 1)
            for at in range(0, len(entries), BATCH):
                batch = entries[at : at + BATCH]
                while True:
                    try:
                        await store.add(batch)
                    except StoreError:
                        say("FAILED")
                        await asyncio.sleep(RETRY_S)
                    else:
                        break
                records += sum(entry.record is not None for entry in batch)
                done = number - before + (at + BATCH >= len(entries))
                index = WalIndex.of(path)
                say(f"ACK {done} {records} {index.salt} {index.frames}")


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
