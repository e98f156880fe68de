# SPDX-License-Identifier: MIT
"""The link by cable over pseudo terminals, with the simulated wearable at the other end."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError, LinkReason
from tenuto.links import serial
from tenuto.links.serial import AUTO, SerialLink
from tenuto.sessions.commands import Command, Verb
from tenuto.shipped import shipped
from tenuto.simulator import World
from tenuto.wearables.band import BandDriver
from tests.daemon.rig import Collector, connected, daemon_for
from tests.processes import configure, tenuto, tenuto_process, user
from tests.sample_routines import one_hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tenuto.simulator import SimulatedWearable
    from tenuto.simulator.usb import Pty

pytestmark = [
    pytest.mark.real_time,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there are no ptys"),
]


@asynccontextmanager
async def cabled() -> AsyncIterator[tuple[SimulatedWearable, Pty]]:
    async with World(seed=1) as world:
        band = await world.add_wearable("band", firmware_dir=shipped("firmware"))
        async with band.cable.pty() as pty:
            yield band, pty


@contextmanager
def other_device(says: bytes = b"") -> Iterator[str]:
    """A port with something else on it, which answers whatever it hears; gives its path."""
    import tty

    loop = asyncio.get_running_loop()
    master, slave = os.openpty()
    tty.setraw(slave)

    def answer() -> None:
        os.read(master, 4096)
        os.write(master, says)

    loop.add_reader(master, answer)
    try:
        yield os.ttyname(slave)
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)


async def refused(link: SerialLink) -> LinkError:
    with pytest.raises(LinkError) as caught:
        await link.connect(lambda _: None, lambda: None)
    return caught.value


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports of this machine answer at once or never."""
    monkeypatch.setattr(serial, "GREET_EVERY_S", 0.2)


@pytest.mark.usefixtures("hasty")
async def test_a_port_where_nobody_answers_and_one_where_somebody_else_does() -> None:
    with other_device() as silent, other_device(b"Adafruit CircuitPython\r\n>>> ") as console:
        error = await refused(SerialLink(silent))
        assert error.reason is LinkReason.TIMEOUT
        assert "nobody answers" in str(error)
        error = await refused(SerialLink(console))
        assert error.reason is LinkReason.PROTOCOL
        assert "console" in str(error)


@pytest.mark.usefixtures("hasty")
async def test_auto_finds_the_band_among_others() -> None:
    with other_device() as silent, other_device(b"\x00\xff" * 99) as console:
        async with cabled() as (_, pty):
            link = SerialLink(AUTO, ports=lambda: [silent, "/nowhere", console, pty.path])
            driver = BandDriver(link)
            identity = await driver.connect(lambda: None)
            assert (identity.name, link.name) == ("band", pty.path)
            await driver.disconnect()
        error = await refused(SerialLink(AUTO, ports=lambda: [silent, console]))
        assert silent in str(error)
        assert console in str(error)
        error = await refused(SerialLink(AUTO, ports=list))
        assert error.reason is LinkReason.NOT_FOUND


def test_the_likeliest_port_is_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from serial.tools import list_ports
    from serial.tools.list_ports_common import ListPortInfo

    def port(device: str, vid: int | None, interface: str | None) -> ListPortInfo:
        found = ListPortInfo(device, skip_link_detection=True)
        found.vid, found.interface = vid, interface
        return found

    ports = [
        port("/dev/ttyS0", None, None),
        port("/dev/ttyACM0", 0x239A, "CircuitPython CDC control"),
        port("/dev/ttyACM1", 0x239A, "CircuitPython CDC2 control"),
        port("/dev/ttyUSB0", 0x1A86, None),
        port("/dev/ttyACM2", 0x2886, None),
    ]
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    assert serial.board_ports() == ["/dev/ttyACM1", "/dev/ttyACM0", "/dev/ttyACM2"]


async def test_a_port_that_another_program_holds() -> None:
    async with cabled() as (_, pty):
        code = (
            "import sys, serial; s = serial.Serial(sys.argv[1], exclusive=True);"
            "print('held', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(  # noqa: ASYNC220 - it is back at once
            [sys.executable, "-c", code, pty.path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other:
            assert other.stdout is not None
            assert await asyncio.to_thread(other.stdout.readline) == b"held\n"
            for link in (SerialLink(pty.path), SerialLink(AUTO, ports=lambda: [pty.path])):
                error = await refused(link)
                assert error.reason is LinkReason.BUSY
                assert "another program" in str(error)
            other.communicate()
        driver = BandDriver(SerialLink(pty.path))
        await driver.connect(lambda: None)
        second = await refused(SerialLink(pty.path))
        assert second.reason is LinkReason.BUSY, "ours keeps others away, too"
        await driver.disconnect()


async def test_a_port_that_is_not_there_or_not_allowed() -> None:
    async def forbidden() -> tuple[asyncio.StreamReader, serial.Writer]:
        raise PermissionError(13, "could not open port: Permission denied")

    assert (await refused(SerialLink("/dev/nowhere"))).reason is LinkReason.NOT_FOUND
    error = await refused(SerialLink("x", forbidden))
    assert error.reason is LinkReason.PERMISSION
    assert "dialout" in str(error)
    for no_port in (os.devnull, __file__):
        assert no_port in str(await refused(SerialLink(no_port)))


async def test_garbage_and_half_frames_cost_no_more_than_themselves() -> None:
    rng = random.Random(5)

    async with cabled() as (band, pty):
        driver = BandDriver(SerialLink(pty.path))
        pty.write(rng.randbytes(700))  # what was left in the port from before
        await driver.connect(lambda: None)
        for _ in range(20):
            pty.write(rng.randbytes(rng.randint(1, 600)) + b"\x00")
            band.cable.from_host(rng.randbytes(rng.randint(1, 300)) + b"\x00")
            band.cable.from_host(b"\x00\x03\x01")  # the beginning of a frame
            band.cable.from_host(b"\x00")
            assert (await driver.status()).state == "idle"
        await driver.disconnect()


async def test_a_band_that_takes_no_bytes_holds_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its program may have ended, or hang; other wearables of the same daemon go on."""
    import termios

    monkeypatch.setattr(serial, "SEND_TIMEOUT_S", 0.3)
    monkeypatch.setattr(serial, "CLOSE_TIMEOUT_S", 0.3)

    async with cabled() as (_, pty):
        link = SerialLink(pty.path)
        await link.connect(lambda _: None, lambda: None)
        termios.tcflow(pty.terminal, termios.TCOOFF)

        async def flood() -> None:
            for _ in range(1_000):
                await link.send(bytes(200))

        with pytest.raises(LinkError) as refusal:
            await flood()
        assert refusal.value.reason is LinkReason.TIMEOUT
        await link.disconnect()
        termios.tcflow(pty.terminal, termios.TCOON)
        driver = BandDriver(link)
        await driver.connect(lambda: None)
        assert (await driver.status()).state == "idle"
        await driver.disconnect()


async def test_pulled_out_and_plugged_in_again_in_mid_session(tmp_path: Path) -> None:
    path = tmp_path / "port"
    seen = Collector()
    async with World(seed=1) as world, AsyncExitStack() as plug:
        band = await world.add_wearable("band", firmware_dir=shipped("firmware"))

        async def plug_in() -> None:
            pty = await plug.enter_async_context(band.cable.pty())
            path.symlink_to(pty.path)

        await plug_in()
        link = SerialLink(str(path))
        async with daemon_for(tmp_path / "h.db", {"band": link}, seen) as (daemon, store):
            await connected(daemon)
            answer = await daemon.submit(Command(wearable="band", verb=Verb.START))
            assert answer.ok, answer
            await asyncio.sleep(1)
            path.unlink()
            await plug.aclose()
            supervisor = daemon.supervisors["band"]
            await asyncio.sleep(2)
            assert not supervisor.connected.is_set()
            assert supervisor.problem is not None
            assert band.app.band.is_playing
            await plug_in()
            await connected(daemon)
            answer = await daemon.submit(Command(wearable="band", verb=Verb.STOP))
            assert answer.ok, answer
            await seen.ended()
            await asyncio.sleep(0.5)
            (row,) = await store.sessions()
            stored = await store.session(row.id)
            assert stored is not None
            seqs = [item.record.seq for item in stored.records]
            assert seqs == list(range(seqs[0], seqs[-1] + 1))


def test_tenuto_run_by_cable() -> None:
    with (
        user() as folder,
        tenuto_process("simulate", "--listen", "127.0.0.1:0", "--serial", folder=folder) as world,
    ):
        port = world.until("has a cable").split('"')[1]
        toml = f'[[wearable]]\nid = "anna"\nlink = "serial"\nport = "{port}"\n'
        configure(folder, toml)
        (folder / "routines").mkdir()
        (folder / "routines" / "one.toml").write_text(one_hold("one", 3, halfway=False))
        done = tenuto("run", "one", "--json", folder=folder, toml=None)
        assert done.returncode == 0, done.stderr
        assert '"hold_end"' in done.stdout
