# SPDX-License-Identifier: MIT
"""`tenuto fleet`: one history of several hosts."""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path  # noqa: TC003 - cyclopts reads the types
from typing import TYPE_CHECKING

from cyclopts import App
from rich.text import Text

from tenuto.config import find_config
from tenuto.errors import InputError
from tenuto.terminal import words

from . import tables
from .common import ConfigFile, signals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tenuto.config import Config
    from tenuto.fleet.inbox import HostLag
    from tenuto.fleet.postgres import CentralHistory
    from tenuto.history.database import Database
    from tenuto.history.forwarding import Waiting

LONG_TIMEOUT_S = 3600.0
TIMEOUT_S = 60.0

app = App(
    name="fleet",
    help=(
        "Keep one history of several hosts, in PostgreSQL.\n\n"
        "The daemon of each host forwards what is new, as a user who may only add."
        " `tenuto fleet ingest --follow` runs once, where the central history is and as its owner,"
        " and joins what the hosts sent."
    ),
)


@app.command
def setup(*, config: ConfigFile = None) -> None:
    """Make the central history, or bring it up to date. Run it as the owner of the database.

    Args:
        config: as in all commands
    """
    from tenuto.fleet.schema import VERSION, set_up

    async def make() -> None:
        async with _central(find_config(config)) as central:
            await central.work_in_postgres(set_up)
            print(f"{central.place} has version {VERSION} of the central history")

    asyncio.run(make())


@app.command
def ingest(
    *files: Path, follow: bool = False, again: bool = False, config: ConfigFile = None
) -> int:
    """Join what the hosts sent to the central history. Run it as the owner of the database.

    Args:
        files: histories that `tenuto history export` wrote as JSON Lines, in place of what was sent
        follow: stay, and join what comes in
        again: first have what was refused joined once more
        config: as in all commands
    """
    if files and (follow or again):
        raise InputError("--follow and --again go without files: they join what hosts send")
    return asyncio.run(_ingest(find_config(config), files, follow=follow, again=again))


async def _ingest(config: Config, files: tuple[Path, ...], *, follow: bool, again: bool) -> int:
    from tenuto.fleet.inbox import try_again
    from tenuto.fleet.schema import check

    async with _central(config) as central:
        await central.work(check)
        if again:
            await central.work(try_again)
        for file in files:
            await _join_file(central, file)
        return 0 if files else await _join_parcels(central, follow=follow)


async def _join_file(central: CentralHistory, file: Path) -> None:
    from tenuto.files import lines_of, open_regular
    from tenuto.fleet.inbox import join_file
    from tenuto.history.jsonlines import LINE_LETTERS_MAX

    try:
        with open_regular(file) as source:
            lines = lines_of(source, str(file), 4 * LINE_LETTERS_MAX)
            taken = await central.work(partial(join_file, lines=lines, name=str(file)))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    new = (
        words.count(taken.sessions, "new session", "new sessions"),
        words.count(taken.records, "new record", "new records"),
    )
    print(f"{file}: {', '.join(new)}")


async def _join_parcels(central: CentralHistory, *, follow: bool) -> int:
    """Join what is in the inbox, and where that is wanted what comes in; return the exit code."""
    from tenuto.fleet.inbox import join_all, join_until

    if follow:
        ended = asyncio.Event()
        with signals(ended.set):
            joined = await join_until(
                ended,
                central,
                lambda text: print(f"tenuto: {words.printable(text)}", file=sys.stderr),
            )
    else:
        joined = await join_all(central)
    print(
        f"{words.count(joined.parcels, 'parcel', 'parcels')} read,"
        f" {words.count(joined.records, 'new record', 'new records')}, {joined.refused} refused"
    )
    if joined.refused:
        print("`tenuto fleet status` says why", file=sys.stderr)
    return 1 if joined.refused else 0


@app.command
def status(*, config: ConfigFile = None) -> None:
    """Show how far each host is behind; the owner of the database sees all of them.

    Args:
        config: as in all commands
    """
    settings = find_config(config)
    here = asyncio.run(_waiting_here(settings))
    if here is not None:
        print(f"This host, {settings.fleet.host_name}: {_told(here.count, here.since_utc_ms)}")
    found = asyncio.run(_lags(settings))
    if not found:
        print("No host has reported yet.")
        return
    table = tables.table("host", "!last heard", "not sent", "not joined", "refused")
    for lag in found:
        since_ms = None if lag.since is None else lag.since.timestamp() * 1000
        unjoined = "?" if lag.unjoined is None else str(lag.unjoined)
        heard = "never" if lag.heard_at is None else _when(lag.heard_at)
        cells = (lag.host, heard, _told(lag.waiting, since_ms), unjoined, str(lag.refused or ""))
        table.add_row(*(Text(words.printable(cell)) for cell in cells))
    why = (f"{lag.host}: {lag.why}" for lag in found if lag.why)
    tables.write(table, *(Text(words.printable(one)) for one in why))


@app.command
def backfill(*, config: ConfigFile = None) -> None:
    """Send the whole history of this host, also what is older than [fleet].

    What is already there stays as it is. Run it on the host, as the user of its daemon.

    Args:
        config: as in all commands
    """
    asyncio.run(_backfill(find_config(config)))


@app.command
def grant(user: str, *people: str, revoke: bool = False, config: ConfigFile = None) -> None:
    """Let a user of the database see people, as their therapist or as themselves.

    The user also has to be a member of the role tenuto_therapist or tenuto_person.
    Run it as the owner of the database.

    Args:
        user: of the database
        people: what the history calls them
        revoke: take the right away instead
        config: as in all commands
    """
    from tenuto.fleet.rights import grant as put
    from tenuto.history.schema import transaction

    async def change() -> None:
        async with _central(find_config(config)) as central:

            def change_all(db: Database) -> None:
                with transaction(db):
                    for person in people:
                        put(db, user, person, revoke=revoke)

            await central.work(change_all)
            for person in people:
                print(f"{user} {'no longer sees' if revoke else 'sees'} {person}")

    if not people:
        raise InputError("whom? Name people after the user")
    asyncio.run(change())


@app.command
def key(file: Path) -> None:
    """Make a key for the bands of all hosts, in a file that only you can read.

    Copy it to each host, and name it there under [fleet] key_file. A band that is paired with one
    host lets all of them in. Who has the file has all bands: make another one and pair anew where
    it was lost.

    Args:
        file: to write; one that is there is left alone
    """
    import secrets

    from tenuto_core.auth import KEY_BYTES

    from .common import write_output

    if file.exists():
        raise InputError(f"{file} is there already; bands may know its key")
    write_output(file, f"{secrets.token_hex(KEY_BYTES)}\n".encode())
    print(f"{file} has a new key; pair each band once with a host that has it")


@asynccontextmanager
async def _central(config: Config) -> AsyncIterator[CentralHistory]:
    from tenuto.fleet.postgres import CentralHistory

    if config.fleet.is_off:
        raise InputError(
            'there is no central history: write url = "postgresql://user@host/database" under'
            " [fleet] in the configuration"
        )
    async with CentralHistory(config.fleet.url, config.central_password) as central:
        yield central


async def _lags(config: Config) -> list[HostLag]:
    from tenuto.fleet.inbox import lags

    async with asyncio.timeout(TIMEOUT_S), _central(config) as central:
        return await central.work(lags)


async def _waiting_here(config: Config) -> Waiting | None:
    from tenuto.history import Store

    if not config.history_path.exists():
        return None
    async with asyncio.timeout(TIMEOUT_S), Store(config.history_path, read_only=True) as store:
        return await store.forwarding.waiting()


async def _backfill(config: Config) -> None:
    from tenuto.fleet.forwarder import Forwarder
    from tenuto.history import Store

    if config.fleet.is_read:
        raise InputError("this computer only shows the central history: [fleet] read is true")
    async with (
        asyncio.timeout(LONG_TIMEOUT_S),
        _central(config) as central,
        Store(config.history_path) as store,
    ):
        await store.forwarding.turn(on=True)
        count = await store.forwarding.note_all()
        sessions = words.count(count, "session", "sessions")
        print(f"{sessions} and more are to be sent to {central.place}")
        sent = await Forwarder(
            store,
            central,
            host=config.fleet.host_name,
            shares_heart=lambda who: config.fleet.heart_rate or config.shares_heart_rate(who),
            people=lambda: (one.id for one in config.people),
        ).forward()
    print(f"{sent} are sent; `tenuto fleet ingest` joins them there")


def _told(count: int, since_utc_ms: float | None) -> str:
    if not count or since_utc_ms is None:
        return "all is sent"
    return f"{count} since {_when(datetime.fromtimestamp(since_utc_ms / 1000, UTC))}"


def _when(moment: datetime) -> str:
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")
