# SPDX-License-Identifier: MIT
"""`python -m tests.crash.writer PATH`: writes sessions into a history until it is killed.

Says `ACK sessions records bytes` once a batch is kept: how many sessions have all their records
there, how many records it was in all, and how long the write-ahead log is.  Says `FAILED` for a
batch that was not taken, and tries it again, as an outlet does.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path

from tenuto.errors import StoreError
from tenuto.history import Store
from tests.history.sessions import eventful_session

BATCH = 7
RETRY_S = 0.05


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def write(path: Path) -> None:
    """Write for ever."""
    wal = path.with_name(path.name + "-wal")
    records = 0
    async with Store(path) as store:
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
                say(f"ACK {done} {records} {wal.stat().st_size}")


if __name__ == "__main__":
    asyncio.run(write(Path(sys.argv[1])))
