# SPDX-License-Identifier: MIT
"""What a daemon does for the fleet."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tenuto import config
from tenuto.daemon.build import Setting, open_host
from tenuto.errors import StoreError
from tenuto.fleet import forwarder, postgres as of_postgres
from tenuto.fleet.postgres import CentralHistory
from tenuto.fleet.schema import version
from tests.fleet.server import as_user
from tests.fleet.test_one_history import join_all, kept, logged
from tests.history.sessions import whole_session
from tests.patience import patience_s, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tenuto.daemon.build import Host
    from tests.fleet.server import PostgresServer

pytestmark = pytest.mark.real_time


def setting(folder: Path, fleet: str) -> Setting:
    text = (
        f'history.path = "history.db"\nmqtt.url = "off"\n{fleet}\n'
        '[[person]]\nid = "ada"\npublish_heart_rate = true\n'
        '[[wearable]]\nid = "band"\nlink = "simulated"\n'
    )
    found = config.parse(text, f"{folder}/tenuto.toml")
    found = replace(found, own=config.Folders(folder, folder))
    return Setting(config=found, speed=1.0, mqtt=False, say=lambda _: None, reread=lambda: found)


def forwarder_of(host: Host) -> forwarder.Forwarder:
    found = host.fleet.forwarder
    assert found is not None
    return found


async def test_the_daemon_forwards_and_goes_on_when_postgresql_is_back(
    postgres: PostgresServer, central: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarder, "EVERY_S", 0.05)
    fleet = f'fleet.url = "{as_user(central, "a_host")}"\nfleet.host = "room-a"'
    entries = whole_session()
    postgres.stop()
    try:
        wanted = setting(tmp_path, fleet)
        async with open_host(wanted, (), []) as host:
            await host.store.add(entries)
            await until(lambda: bool(forwarder_of(host).failure))
            assert "cannot be used" in forwarder_of(host).failure
    finally:
        postgres.start_again()
    async with (
        open_host(setting(tmp_path, fleet), (), []) as host,
        CentralHistory(central) as history,
    ):
        while (await host.store.forwarding.waiting()).count:  # noqa: ASYNC110 - as in `until`
            await asyncio.sleep(0.05)
        await join_all(history)
        assert kept(await history.find(entries[0].session)) == logged(entries), "with her heart"
        assert forwarder_of(host).failure == ""

    async with open_host(setting(tmp_path, ""), (), []) as host:
        assert host.fleet.forwarder is None
        await host.store.add(whole_session(boot_id=5))
        assert (await host.store.forwarding.waiting()).count == 0, "nothing is noted any more"


@asynccontextmanager
async def in_between(server: PostgresServer, folder: Path) -> AsyncIterator[asyncio.Event]:
    """Stand between a server and its clients, who look for it in a folder, until it is set."""
    is_gone = asyncio.Event()
    name = ".s.PGSQL.5432"
    served: list[asyncio.Task[None]] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            if not is_gone.is_set():  # and the connection stays open, as when a cable is pulled
                writer.write(data)
        writer.close()
        await writer.wait_closed()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(server.folder / name)
        await asyncio.gather(carry(reader, to_server), carry(from_server, writer))

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.append(asyncio.create_task(serve(reader, writer)))

    async with await asyncio.start_unix_server(begin, folder / name):
        yield is_gone
        await asyncio.wait(served, timeout=patience_s(5))


async def test_a_host_ends_though_the_central_history_does_not_answer(
    postgres: PostgresServer, central: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(of_postgres, "CLOSE_TIMEOUT_S", 0.2)
    # The path of a socket has to be short.
    with tempfile.TemporaryDirectory() as folder:
        async with in_between(postgres, Path(folder)) as is_gone:
            history = CentralHistory(central.replace(str(postgres.folder), folder))
            async with asyncio.timeout(patience_s(5)):
                async with history:
                    await history.work(version)
                    is_gone.set()
                    asked = asyncio.create_task(history.work(version))
                    await asyncio.sleep(0.1)
                    assert not asked.done()
                with pytest.raises(StoreError, match="cannot be used"):
                    await asked


def test_without_a_fleet_nothing_of_postgresql_is_loaded() -> None:
    code = (
        "import sys, tenuto.daemon.build, tenuto.web.server, tenuto.cli.history, tenuto.doctor;"
        "print([one for one in sys.modules if 'psycopg' in one or 'tenuto.fleet' in one])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
