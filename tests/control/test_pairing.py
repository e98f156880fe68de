# SPDX-License-Identifier: MIT
"""`tenuto pair` and `tenuto forget` as processes: bands with a radio and a cable in another one."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.config import find_config
from tenuto.control import is_possible
from tenuto.daemon.build import Setting
from tenuto.daemon.dispatch import open_dispatcher
from tenuto.daemon.operations import PAIR_BY_CABLE, Cable
from tenuto.errors import InputError, LinkError
from tenuto.shipped import shipped
from tenuto.simulator import World
from tenuto.state.keys import KeyStore
from tenuto.wearables.base import Identity
from tenuto.wearables.pairing import Target, pair_by_cable
from tests.patience import patience_s
from tests.processes import (
    Process,
    address,
    configure,
    json_lines,
    tenuto,
    tenuto_process,
    user,
    wearable,
)
from tests.sample_routines import one_hold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there are no ptys"),
]
needs_socket = pytest.mark.skipif(not is_possible(), reason="no such sockets here")


@dataclass
class Room:
    """Two bands, each on the air and on a cable."""

    folder: Path
    adapter: str
    ports: list[str]
    process: Process

    def configure(self, *wearables: str) -> None:
        configure(self.folder, f'bluetooth.adapter = "{self.adapter}"\n{"".join(wearables)}')

    def tenuto(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end; no key may be told by it."""
        done = tenuto(*arguments, folder=self.folder, toml=None)
        for key in self.keys():
            assert key not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    @property
    def kept(self) -> Path:
        return self.folder / "data" / "tenuto" / "keys.json"

    def bands(self) -> list[dict[str, Any]]:
        """What the file of keys holds, by address."""
        if not self.kept.exists():
            return []
        assert stat.S_IMODE(self.kept.stat().st_mode) == 0o600
        found: list[dict[str, Any]] = json.loads(self.kept.read_text())["bands"]
        return found

    def keys(self) -> list[str]:
        return [band[what] for band in self.bands() for what in ("key", "offered") if band[what]]


def cabled(name: str, port: str) -> str:
    return f'[[wearable]]\nid = "{name}"\nlink = "serial"\nport = "{port}"\n'


@pytest.fixture
def room() -> Iterator[Room]:
    with (
        user() as folder,
        tenuto_process(
            *("simulate", "--listen", "127.0.0.1:0", "--wearables", "2", "--serial"), folder=folder
        ) as world,
    ):
        ports = [world.until("has a cable").split('"')[1] for _ in range(2)]
        line = world.until("bumble:tcp-client")
        found = re.search(r"bumble:tcp-client:127\.0\.0\.1:\d+", line)
        assert found is not None
        made = Room(folder, found[0], ports, world)
        made.configure()
        (folder / "routines").mkdir()
        (folder / "routines" / "one.toml").write_text(one_hold("one", 3, halfway=False))
        yield made


def test_by_cable_and_then_over_the_air_without_a_gesture(room: Room) -> None:
    code, out, err = room.tenuto("pair", "--cable", room.ports[0])
    assert code == 0, err
    assert f"giving a key to band-1 on {room.ports[0]}" in err
    assert f'address = "{address(1)}"' in out
    assert 'link = "serial"' in out
    assert "came over the air are gone" in out
    (band,) = room.bands()
    assert band["by_cable"]
    assert band["offered"] is None
    assert address(1) in band["names"]
    first = room.keys()

    room.configure(wearable("anna", address(1)))
    code, out, err = room.tenuto("run", "one", "--json")
    assert code == 0, err
    assert json_lines(out)[-1]["reason"] == "finished"
    assert room.keys() == first, "the key that came by cable was good"
    (band,) = room.bands()
    assert "ANNA" in band["names"]

    # Once more: another key, in place of the first.
    code, out, err = room.tenuto("pair", "--cable", "anna", "--json")
    assert code == 1, "nobody finds out by which port, for no board is plugged into this computer"
    code, out, err = room.tenuto("pair", "--cable", room.ports[0], "--json")
    assert code == 0, err
    told = json.loads(out)
    assert told == {
        "address": address(1),
        "name": "band-1",
        "firmware": None,
        "port": room.ports[0],
        "model": "band",
        "is_tenuto": True,
        "is_new": True,
        "is_only": False,
        "is_trusted": None,
        "wearable": "anna",
    }
    assert len(room.keys()) == 1
    assert room.keys() != first
    code, out, err = room.tenuto("pair", "anna", "--json")
    assert code == 0, err
    assert not json.loads(out)["is_new"]


def test_over_the_air_one_gesture_makes_bond_and_key(room: Room) -> None:
    code, out, err = room.tenuto("pair", address(2))
    assert code == 0, err
    assert f'address = "{address(2)}"' in out
    (band,) = room.bands()
    assert not band["by_cable"]
    assert address(2) in (room.kept.parent / "bonds.json").read_text()
    before = room.keys()

    room.configure(wearable("bob", address(2)))
    code, out, err = room.tenuto("pair", "bob")
    assert code == 0, err
    assert "knew this computer already" in out
    assert "'bob' in the configuration" in out
    assert room.keys() == before

    code, out, err = room.tenuto("forget", "bob")
    assert code == 0, err
    assert "the bond and the key" in out
    assert room.bands() == []
    assert address(2) not in (room.kept.parent / "bonds.json").read_text()
    code, out, err = room.tenuto("forget", "bob", "--json")
    assert code == 0, err
    assert json.loads(out) == {"address": address(2), "bond": False, "key": False}


def test_a_band_that_takes_keys_by_cable_only_says_so_to_another_computer(room: Room) -> None:
    assert room.tenuto("pair", "--cable", room.ports[0])[0] == 0
    room.configure(wearable("anna", address(1)))
    assert room.tenuto("forget", "anna")[0] == 0

    code, _, err = room.tenuto("pair", "anna")

    assert code == 1
    assert "by cable only" in err
    assert "tenuto pair --cable" in err
    assert room.keys() == []


def test_a_computer_that_was_lost_is_shut_out_by_cable(room: Room) -> None:
    room.configure(wearable("anna", address(1)))
    assert room.tenuto("pair", "--cable", room.ports[0])[0] == 0
    of_lost = room.kept.read_bytes()
    room.kept.unlink()  # from here on it is another computer

    code, out, err = room.tenuto("pair", "--cable", "--only", room.ports[0])
    assert code == 0, err
    assert "All other keys are gone" in out
    assert room.tenuto("run", "one")[0] == 0

    room.kept.write_bytes(of_lost)
    code, _, err = room.tenuto("pair", "anna")
    assert code == 1
    assert "does not know its key" in err
    assert "tenuto pair --cable" in err


@needs_socket
def test_a_wearable_is_paired_and_forgotten_on_its_own_adapter(room: Room) -> None:
    there = room.adapter
    room.adapter = "bumble:tcp-client:127.0.0.1:1"
    room.configure(
        wearable("anna", address(1)), wearable("bob", address(2), f'adapter = "{there}"')
    )
    assert room.tenuto("pair", "anna")[0] == 1, "nothing is behind the usual one"
    code, out, err = room.tenuto("pair", "bob")
    assert code == 0, err
    assert "'bob' in the configuration" in out
    with tenuto_process("daemon", folder=room.folder) as daemon:
        daemon.until("keeping")
        code, out, err = room.tenuto("pair", address(2))
        assert code == 0, err
        assert "knew this computer already" in out
        assert room.tenuto("forget", "bob")[0] == 0
        assert daemon.end(signal.SIGTERM) < patience_s(2)
    assert room.bands() == []


def test_two_bands_have_a_key_each(room: Room) -> None:
    for port in room.ports:
        assert room.tenuto("pair", "--cable", port)[0] == 0
    room.configure(wearable("anna", address(1)), wearable("bob", address(2)))
    assert len(set(room.keys())) == 2
    before = sorted(room.keys())
    with tenuto_process("daemon", folder=room.folder) as daemon:
        for _ in range(2):
            daemon.until("connected")
        assert room.tenuto("doctor")[0] == 0
        assert daemon.end(signal.SIGTERM) < patience_s(2)
    assert sorted(room.keys()) == before


def test_what_cannot_be_meant_is_said_and_changes_nothing(room: Room) -> None:
    room.configure(
        wearable("anna", address(2)),
        cabled("carl", room.ports[0]),
        cabled("dora", room.ports[1]),
        '[[wearable]]\nid = "sim"\nlink = "simulated"\n',
    )
    for arguments, code, words in (
        (("--cable",), 2, "carl on"),
        (("--only",), 2, "--only goes with --cable"),
        (("--cable", "nina"), 2, "there is no wearable 'nina'"),
        (("--cable", "sim"), 2, "simulated"),
        (("carl",), 2, "tenuto pair --cable carl"),
        (("--cable", "/dev/nowhere"), 1, "cannot be opened"),
        (("--cable", "/dev/null"), 1, "/dev/null"),
    ):
        found, out, err = room.tenuto("pair", *arguments)
        assert (found, out) == (code, ""), arguments
        assert words in err, arguments
    assert room.keys() == []


def test_a_port_that_another_program_holds(room: Room) -> None:
    code = (
        "import sys, serial; s = serial.Serial(sys.argv[1], exclusive=True);"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, room.ports[0]], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        found, out, err = room.tenuto("pair", "--cable", room.ports[0])
        other.communicate()
    assert (found, out) == (1, "")
    assert "another program has it open" in err
    assert room.keys() == []


@needs_socket
def test_the_daemon_that_holds_the_port_does_it(room: Room) -> None:
    room.configure(cabled("carl", room.ports[0]))
    with tenuto_process("daemon", folder=room.folder) as daemon:
        daemon.until("connected")
        for arguments in (
            ("--cable",),
            ("--cable", "carl"),
            ("--cable", room.ports[0]),
            ("--cable", "--only"),
        ):
            code, out, err = room.tenuto("pair", *arguments)
            assert code == 0, err
            assert "giving a key to band-1" in err
            assert "'carl' in the configuration" in out
            daemon.until("connected")
        code, out, err = room.tenuto("pair", "--cable", "/dev/nowhere")
        assert code == 1
        assert "cannot be opened" in err
        daemon.until("connected")
        assert len(room.keys()) == 1
        code, out, err = room.tenuto("forget", "carl")
        assert code == 0, err
        assert "the key of carl" in out
        assert room.keys() == []
        assert daemon.end(signal.SIGTERM) < patience_s(2)
        assert "Traceback" not in daemon.rest()


@needs_socket
def test_beside_a_daemon_that_has_the_band_on_the_air(room: Room) -> None:
    """What came over the air is void at once, and the daemon goes on by the new key."""
    room.configure(wearable("anna", address(1)))
    with tenuto_process("daemon", folder=room.folder) as daemon:
        daemon.until("connected")
        before = room.keys()
        assert len(before) == 1
        code, out, err = room.tenuto("pair", "--cable", room.ports[0])
        assert code == 0, err
        assert "'anna' in the configuration" in out
        daemon.until("link lost")
        daemon.until("connected")
        after = room.keys()
        assert len(after) == 1
        assert after != before
        code, out, err = room.tenuto("run", "one", "--json")
        assert code == 0, err
        assert daemon.end(signal.SIGTERM) < patience_s(2)
        said = daemon.rest()
        for key in (*before, *after):
            assert key not in said


@pytest.mark.real_time
async def test_a_band_with_an_older_firmware(tmp_path: Path) -> None:
    """One that does not tell which it is goes by its name; one that knows no keys has to be new."""
    store, shown = KeyStore(tmp_path / "keys.json"), list[str]()

    async with World(seed=1) as world:
        band = await world.add_wearable("band", firmware_dir=shipped("firmware"))
        band.app.band.serial = b""
        async with band.cable.pty() as pty:
            with pytest.raises(LinkError, match="which band"):
                await pair_by_cable(Target(port=pty.path), store, shown.append)
            anna = Target(address=band.address, port=pty.path, names=("anna",))
            await pair_by_cable(anna, store, shown.append)
            (key,) = store.of("anna").held(Identity("any", 0, 0))
            assert key
            newer: Any = band.board.load("tenuto_core.wire")
            newer.FEATURE_FORGETS, forgets = 0, newer.FEATURE_FORGETS
            with pytest.raises(LinkError, match="cannot forget other keys"):
                await pair_by_cable(anna, store, shown.append, only=True)
            newer.FEATURE_FORGETS = forgets
            assert store.of("anna").held(Identity("any", 0, 0)) == [key]
            band.app.band.keyring = None
            with pytest.raises(LinkError, match="firmware install"):
                await pair_by_cable(anna, store, shown.append)
            assert store.of("anna").held(Identity("any", 0, 0)) == [key]


def test_the_only_band_is_found_and_of_several_one_has_to_be_named(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serial.tools import list_ports
    from serial.tools.list_ports_common import ListPortInfo

    def plug_in(*names: str) -> None:
        found = [ListPortInfo(name, skip_link_detection=True) for name in names]
        for one in found:
            one.vid = 0x239A
        monkeypatch.setattr(list_ports, "comports", lambda: found)

    class Silent:
        def __init__(self) -> None:
            self.gone = asyncio.Event()

        def show(self, text: str) -> None:
            pass

        async def tell(self, items: Any) -> None:
            raise AssertionError(items)

        async def ask(self, text: str) -> str:
            raise AssertionError(text)

    monkeypatch.setenv("TENUTO_CONFIG", str(room.folder / "tenuto.toml"))
    monkeypatch.setenv("XDG_DATA_HOME", str(room.folder / "data"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(room.folder))

    def pair(wanted: str | None) -> Any:
        setting = Setting(config=find_config(), speed=1.0, mqtt=False, say=lambda _: None)

        async def main() -> Any:
            async with open_dispatcher(setting) as dispatch:
                return await dispatch.call(PAIR_BY_CABLE, Cable(port=wanted), Silent())

        return asyncio.run(main())

    plug_in(*room.ports)
    with pytest.raises(InputError, match=r"band-1 on .*, band-2 on .*") as several:
        pair(None)
    assert all(port in str(several.value) for port in room.ports)
    assert room.keys() == []
    plug_in("/dev/null", room.ports[1])
    assert pair(None).name == "band-2"
    room.configure(wearable("anna", address(1)), wearable("bob", address(2)))
    assert pair("bob").address == address(2)
    with pytest.raises(InputError, match="nothing was changed"):
        pair("anna")
    assert len(room.keys()) == 1
    room.configure(cabled("carl", "auto"))
    assert pair(None).name == "band-2"
    assert pair("carl").port == room.ports[1]
    plug_in()
    with pytest.raises(LinkError, match="no board is plugged in"):
        pair(None)
