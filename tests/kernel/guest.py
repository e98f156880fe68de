# SPDX-License-Identifier: MIT
"""What is gone through in the virtual machine; see `__main__`.  The first process there is this."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from bumble import hci

from tenuto.shipped import shipped
from tenuto.simulator import World
from tenuto.simulator.controller import VirtualController
from tests.heart.straps import ADDRESS as STRAP, put_on_strap
from tests.processes import configure, tenuto_process, user, wearable

if TYPE_CHECKING:
    from tenuto.simulator import SimulatedWearable
    from tenuto.simulator.radio import Radio
    from tests.processes import Process

ROOT = Path(os.environ.get("TENUTO_ROOT", "/"))
BUS = "/run/dbus/system_bus_socket"
BUS_CONFIG = f"""
<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={BUS}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/>
<allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>
"""
HCI_VENDOR = 0xFF
RB_POWER_OFF = 0x4321FEDC
WAIT_S = 90.0
"""For a machine that is some twenty times slower than this one."""
GESTURE_MS = ((0, 80), (300, 80), (600, 1300))
"""After how long the button goes down, and for how long."""


def say(text: str) -> None:
    sys.stdout.write(f"guest: {text}\n")
    sys.stdout.flush()


def prepare() -> None:
    """Make of this process what can run others: a network of its own, a bus, folders to write."""
    os.environ |= {
        "PATH": os.pathsep.join((str(ROOT / "usr/bin"), "/usr/sbin", "/usr/bin", "/bin")),
        "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={BUS}",
        "HOME": "/mnt",
        "TMPDIR": "/mnt",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    with socket.socket() as any_socket:  # SIOCSIFFLAGS: the loop back, up and running
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x41))
    for folder in ("/run/dbus", "/var/lib/bluetooth"):
        Path(folder).mkdir(parents=True)
    Path("/mnt/bus.conf").write_text(BUS_CONFIG.strip())
    subprocess.run(["dbus-daemon", "--config-file=/mnt/bus.conf", "--fork"], check=True)


class Controller:
    """A simulated controller under the kernel, by `/dev/vhci`."""

    def __init__(self, radio: Radio) -> None:
        self._controller = VirtualController("kernel", radio, hci.Address("F0:00:00:00:01:01"))
        self._controller.set_packet_sink(self)
        self._vhci = os.open("/dev/vhci", os.O_RDWR | os.O_NONBLOCK)
        os.write(self._vhci, bytes([HCI_VENDOR, 0]))
        asyncio.get_running_loop().add_reader(self._vhci, self._read)

    def _read(self) -> None:
        with suppress(BlockingIOError):
            packet = os.read(self._vhci, 4096)
            if packet and packet[0] != HCI_VENDOR:
                self._controller.on_hci_packet(hci.HCI_Packet.from_bytes(packet))

    def on_packet(self, packet: bytes) -> None:
        os.write(self._vhci, bytes(packet))


def bluetoothctl(*arguments: str) -> bytes:
    done = subprocess.run(
        ["bluetoothctl", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=WAIT_S,
        check=False,
    )
    return done.stdout


def start_bluetoothd() -> subprocess.Popen[bytes]:
    """Start a real one, and switch the adapter on; it ends with the machine."""
    program = next((ROOT / "usr").glob("lib*/bluetooth/bluetoothd"))
    with Path("/mnt/bluetoothd.log").open("ab") as log:
        running = subprocess.Popen([program, "-n"], stdout=log, stderr=log)
    for _ in range(60):
        time.sleep(0.5)
        bluetoothctl("power", "on")
        if b"Powered: yes" in bluetoothctl("show"):
            return running
    raise TimeoutError("the adapter is not switched on")


async def until(process: Process, word: str) -> None:
    line = await asyncio.to_thread(process.until, word, WAIT_S)
    say(line.strip())


async def command(folder: Path, *arguments: str, expected: int = 0) -> str:
    """Run a command to its end, while the room goes on; gives all that it said."""
    with tenuto_process(*arguments, folder=folder) as process:
        said = await asyncio.to_thread(process.rest, WAIT_S)
    say(f"$ tenuto {' '.join(arguments)}\n{said}")
    assert process.process.returncode == expected
    return said


def gesture(band: SimulatedWearable) -> None:
    for after_ms, duration_ms in GESTURE_MS:
        band.button.press(duration_ms, after_ms=after_ms)


async def go_through(folder: Path, band: SimulatedWearable) -> None:
    """Everything that a real BlueZ was seen to do otherwise than a virtual one."""
    configure(folder, wearable("nobody", "C0:00:00:00:00:99"))
    running = await asyncio.to_thread(start_bluetoothd)
    with tenuto_process("daemon", folder=folder) as daemon:
        await until(daemon, "keeping")
        await asyncio.sleep(10)  # it searches for nobody, and the signal is steady
        gesture(band)
        await asyncio.sleep(3)
        assert "Paired with" in await command(folder, "pair")
        await asyncio.to_thread(daemon.end, signal.SIGTERM)

    configure(folder, wearable("anna", band.address, f'heart = "{STRAP}"'))
    with tenuto_process("daemon", folder=folder) as daemon:
        await until(daemon, "wearable=anna connected")
        await until(daemon, f"strap={STRAP} connected")

        running.kill()
        await until(daemon, "link lost")
        await until(daemon, "reason=no_service")
        await asyncio.to_thread(start_bluetoothd)
        await until(daemon, "connected")
        await until(daemon, "connected")

        band.board.flash.erase_bonds()
        await asyncio.to_thread(bluetoothctl, "disconnect", band.address)
        await until(daemon, "reason=bond_lost")
        assert "no longer knows" in await command(folder, "doctor", expected=1)
        await command(folder, "forget", "anna")
        gesture(band)
        await command(folder, "pair", "anna")
        await until(daemon, "wearable=anna connected")


async def main() -> None:
    async with World(seed=1) as world:
        band = await world.add_wearable("band", firmware_dir=shipped("firmware"))
        strap = await put_on_strap(world)
        Controller(world.radio)

        async def beat() -> None:
            while True:
                await strap.send(bytes.fromhex("00 40"))
                await asyncio.sleep(1)

        beating = asyncio.create_task(beat(), name="heart")
        with user() as folder:
            await go_through(folder, band)
        beating.cancel()


if __name__ == "__main__":
    try:
        prepare()
        asyncio.run(main())
        say("all is well")
    except BaseException:  # noqa: BLE001 - nobody else would tell
        traceback.print_exc(file=sys.stdout)
        sys.stdout.write(Path("/mnt/bluetoothd.log").read_text()[-2000:])
    sys.stdout.flush()
    time.sleep(1)
    ctypes.CDLL(None).reboot(RB_POWER_OFF)
