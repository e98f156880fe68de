# SPDX-License-Identifier: MIT
"""What the doctor finds on machines that are well, and on those that are not."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from bleak.exc import BleakBluetoothNotAvailableError, BleakBluetoothNotAvailableReason

from tenuto import __version__
from tenuto.config import Config, Folders, parse
from tenuto.doctor import CHECKS, Context, Finding, Level, examine
from tenuto.doctor.checks import RELEASE_UTC_S
from tenuto.errors import InputError, LinkReason
from tenuto.history import Store
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.radios.adapters import radio_of
from tenuto.shipped import shipped_firmware
from tenuto.simulator import World
from tenuto.testing.brokers import free_port
from tests.conftest import needs_module
from tests.heart import straps
from tests.history.prescribed import prescription
from tests.history.sessions import UTC_MS
from tests.links.fake_bleak import Air
from tests.processes import json_lines, tenuto
from tests.proxies.rig import proxies_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import StartBroker


BAND = '[[wearable]]\nid = "anna"\nlink = "ble"\naddress = "C0:00:00:00:00:01"\n'
OFF = BleakBluetoothNotAvailableError("off", BleakBluetoothNotAvailableReason.POWERED_OFF)


def configured(folder: Path, toml: str = "") -> Config:
    file = folder / "tenuto.toml"
    file.write_text(f'mqtt.url = "off"\n{toml}')
    config = parse(file.read_bytes(), str(file))
    return replace(config, own=Folders(folder / "config", folder / "data"))


def no_adapter(_name: str | None) -> BleAdapter:
    raise AssertionError("the daemon has the radio")


def context(config: Config | None, **more: Any) -> Context:
    given: dict[str, Any] = {
        "adapter": no_adapter,
        "environ": {},
        "platform": "darwin",
        "groups": frozenset,
        "is_clock_set": lambda: True,
        "utc_s": lambda: RELEASE_UTC_S + 1,
    }
    return Context(config=config, **(given | more))


async def findings(who: Context, name: str) -> list[Finding]:
    check = dict(CHECKS)[name]
    return [Finding(name, *found) for found in await check(who)]


async def only(who: Context, name: str) -> Finding:
    (found,) = await findings(who, name)
    assert (found.advice is None) == (found.level is Level.OK), "what is wrong has an advice"
    return found


# --- configuration and routines


async def test_a_prescribed_routine_that_is_not_here(tmp_path: Path) -> None:
    """As where a therapist has a routine that the computer of their patient does not."""
    config = configured(tmp_path, 'history.path = "h.db"\n[[person]]\nid = "ada"\n')
    who = context(config, utc_s=lambda: UTC_MS / 1000)
    assert await findings(who, "prescriptions") == []
    async with Store(config.history_path) as store:
        await store.prescribing.add(prescription(id="1" * 16))
        assert (await only(who, "prescriptions")).text == "1 prescription, all can be played"
        await store.prescribing.add(prescription(id="2" * 16, person="eve", routine="own"))
        assert (await only(who, "prescriptions")).level is Level.OK, "she is not of this host"
        await store.prescribing.add(prescription(id="3" * 16, routine="own", title="Own"))
    found = await only(who, "prescriptions")
    assert found.text == "to ada is prescribed 'Own', and there is no such routine here"
    assert found.advice is not None
    assert "tenuto prescribe end 3333" in found.advice


async def test_a_configuration_that_is_well(tmp_path: Path) -> None:
    assert (await only(context(configured(tmp_path)), "configuration")).level is Level.OK
    assert (await only(context(Config()), "configuration")).level is Level.OK


async def test_each_mistake_in_a_configuration_is_a_problem() -> None:
    mistake = InputError("tenuto.toml:3: a\ntenuto.toml:5: b")
    found = await findings(context(None, mistake=mistake), "configuration")
    assert [(one.level, one.text) for one in found] == [
        (Level.PROBLEM, "tenuto.toml:3: a"),
        (Level.PROBLEM, "tenuto.toml:5: b"),
    ]
    left = [name for name, _ in CHECKS if name not in ("configuration", "system bus", "adapter")]
    for name in left:
        assert all(one.level is Level.OK for one in await findings(context(None), name)), (
            "what needs it is not looked at"
        )


@pytest.mark.skipif(os.name == "nt", reason="no such modes")
async def test_a_password_that_others_may_read(tmp_path: Path) -> None:
    file = tmp_path / "tenuto.toml"
    file.write_text('mqtt.url = "mqtt://anna:secret@house"\n')
    file.chmod(0o644)
    found = await findings(context(parse(file.read_bytes(), str(file))), "configuration")
    assert [one.level for one in found] == [Level.OK, Level.WARNING]
    assert "secret" not in found[1].text
    file.chmod(0o600)
    assert (await only(context(parse(file.read_bytes(), str(file))), "configuration")).level == "ok"


async def test_routines(tmp_path: Path) -> None:
    folder = tmp_path / "routines"
    folder.mkdir()
    config = configured(tmp_path, 'routines.folder = "routines"\n')
    assert (await only(context(config), "routines")).level is Level.OK
    (folder / "mine.toml").write_text('name = "other"\n')
    found = await findings(context(config), "routines")
    assert found
    assert all(one.level is Level.PROBLEM and "mine.toml" in one.text for one in found)
    config = configured(tmp_path, 'routines.default = "nowhere"\n')
    assert "nowhere" in (await only(context(config), "routines")).text


# --- the daemon


async def test_the_daemon(tmp_path: Path) -> None:
    config = configured(tmp_path)
    told = {"version": __version__, "pid": 7, "config": str(config.file), "wearables": []}
    assert (await only(context(config), "daemon")).level is Level.OK
    assert (await only(context(config, daemon=told), "daemon")).level is Level.OK
    older = context(config, daemon=told | {"version": "0.0.1"})
    assert (await only(older, "daemon")).level is Level.WARNING
    other = context(config, daemon=told | {"config": "/elsewhere.toml"})
    assert "/elsewhere.toml" in (await only(other, "daemon")).text


# --- the radio


async def test_each_proxy_is_told_of(tmp_path: Path) -> None:
    needs_module("bleak_esphome")
    config = configured(tmp_path, BAND)
    async with World(seed=1) as world:
        for name in ("room-a", "room-b"):
            await world.add_proxy(name)
        await world.proxies["room-b"].unplug()
        looking = context(config, adapter=lambda _: proxies_of(world))
        well, plain, away = await findings(looking, "adapter")
    assert (well.level, plain.level, away.level) == (Level.OK, Level.WARNING, Level.PROBLEM)
    assert "room-a works, 3 of its 3 links are free" in well.text
    assert "may listen" in plain.text
    assert "room-b does not answer: is it plugged in" in str(away.advice)


async def test_without_a_system_bus(tmp_path: Path) -> None:
    gone = {"platform": "linux", "system_bus": tmp_path / "nothing"}
    found = await only(context(configured(tmp_path, BAND), **gone), "system bus")
    assert (found.level, "apt install" in str(found.advice)) == (Level.PROBLEM, True)
    unused = await only(context(configured(tmp_path), **gone), "system bus")
    assert unused.level is Level.WARNING, "nobody needs it"
    assert await findings(context(configured(tmp_path, BAND)), "system bus") == [], "not on macOS"
    other = 'bluetooth.adapter = "bumble:usb:0"\n' + BAND
    assert await findings(context(configured(tmp_path, other), **gone), "system bus") == []


async def test_an_adapter(tmp_path: Path) -> None:
    air = Air()
    air.add()

    def adapter(_name: str | None) -> BleAdapter:
        return BleAdapter(air.radio())

    config = configured(tmp_path, BAND)
    well = await only(context(config, adapter=adapter), "adapter")
    assert (well.level, "1 device" in well.text) == (Level.OK, True)
    air.always("scan", OFF)
    off = await only(context(config, adapter=adapter), "adapter")
    assert (off.level, "switch it on" in str(off.advice)) == (Level.PROBLEM, True)
    unused = await only(context(configured(tmp_path), adapter=adapter), "adapter")
    assert unused.level is Level.WARNING


async def test_the_adapter_of_a_daemon(tmp_path: Path) -> None:
    config = configured(tmp_path, BAND)
    anna = {"id": "anna", "connected": False, "reason": None, "problem": None}
    assert (await only(context(config, daemon={"wearables": [anna]}), "adapter")).level == "ok"
    off = anna | {"reason": "adapter_off", "problem": "Bluetooth is switched off"}
    found = await only(context(config, daemon={"wearables": [off]}), "adapter")
    assert (found.level, found.advice) == (Level.PROBLEM, "Bluetooth is switched off")
    away = anna | {"reason": "not_found", "problem": "is it on?"}
    assert (await only(context(config, daemon={"wearables": [away]}), "adapter")).level == "ok"


async def test_permissions(tmp_path: Path) -> None:
    config = configured(tmp_path, BAND)
    stranger = context(config, platform="linux")
    assert "usermod" in str((await only(stranger, "permissions")).advice)
    friend = context(config, platform="linux", groups=lambda: frozenset({"bluetooth"}))
    assert (await only(friend, "permissions")).level is Level.OK


async def test_a_serial_port(tmp_path: Path) -> None:
    port = tmp_path / "ttyACM0"
    config = configured(tmp_path, f'[[wearable]]\nid = "a"\nlink = "serial"\nport = "{port}"\n')
    assert "plugged in" in str((await only(context(config), "permissions")).advice)
    port.touch()
    assert (await only(context(config), "permissions")).level is Level.OK
    denied = context(config, may_use=lambda _path: False)
    assert "dialout" in str((await only(denied, "permissions")).advice)
    config = configured(tmp_path, '[[wearable]]\nid = "a"\nlink = "serial"\nport = "auto"\n')
    found = await only(context(config, ports=list), "permissions")
    assert (found.level, "no board" in found.text) == (Level.PROBLEM, True)
    found = await only(context(config, ports=lambda: [str(port)]), "permissions")
    assert (found.level, str(port) in found.text) == (Level.OK, True)
    assert (await only(context(config, ports=lambda: ["COM3"]), "permissions")).level is Level.OK


@pytest.mark.skipif(os.name == "nt", reason="no such modes")
async def test_private_files_that_others_may_read(tmp_path: Path) -> None:
    config = configured(tmp_path, 'history.path = "history.db"\n')
    (tmp_path / "data").mkdir()
    private = [tmp_path / "data" / name for name in ("bonds.json", "keys.json")]
    for path in (config.history_path, *private):
        path.touch()
        path.chmod(0o644)
        found = await only(context(config), "permissions")
        assert (found.level, str(path) in found.text) == (Level.WARNING, True)
        path.chmod(0o600)
        assert await findings(context(config), "permissions") == []


# --- broker, history, clock


@pytest.mark.real_time
async def test_a_broker(tmp_path: Path, mosquitto_broker: StartBroker) -> None:
    server = mosquitto_broker()
    config = configured(tmp_path)
    assert (await only(context(config), "broker")).text == "MQTT is off"

    def at(port: int) -> Context:
        (tmp_path / "tenuto.toml").write_text(f'mqtt.url = "mqtt://127.0.0.1:{port}"\n')
        file = tmp_path / "tenuto.toml"
        return context(parse(file.read_bytes(), str(file)))

    assert (await only(at(server.port), "broker")).level is Level.OK
    away = await only(at(free_port()), "broker")
    assert (away.level, "is it on" in str(away.advice)) == (Level.PROBLEM, True)


@pytest.mark.real_time
async def test_a_broker_that_does_not_let_us_in(
    tmp_path: Path, mosquitto_broker: StartBroker
) -> None:
    (tmp_path / "nobody").write_text("")
    server = mosquitto_broker(f"allow_anonymous false\npassword_file {tmp_path / 'nobody'}")
    file = tmp_path / "tenuto.toml"
    file.write_text(f'mqtt.url = "mqtt://anna:secret@127.0.0.1:{server.port}"\n')
    found = await only(context(parse(file.read_bytes(), str(file))), "broker")
    assert found.level is Level.PROBLEM
    assert "secret" not in found.text


async def test_the_broker_that_is_brought_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(configured(tmp_path), mqtt=Config().mqtt)
    assert (await only(context(config), "broker")).level is Level.OK
    monkeypatch.setattr("tenuto.extras.find_spec", lambda _name: None)
    found = await only(context(config), "broker")
    assert found.level is Level.PROBLEM
    assert '`pip install "tenuto[broker]"`' in str(found.advice)
    nobody_wrote_it = await only(context(replace(config, file=None)), "broker")
    assert nobody_wrote_it.level is Level.OK


async def test_what_the_configuration_needs_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy = '[[wearable]]\nid = "toy"\nmodel = "intiface"\nlink = "websocket"\n'
    config = parse(toy.encode(), str(tmp_path / "tenuto.toml"))
    assert (await only(context(config), "extras")).level is Level.OK
    monkeypatch.setattr("tenuto.extras.find_spec", lambda name: None if name == "websockets" else 1)
    needed, rest = await findings(context(config), "extras")
    assert needed.level is Level.PROBLEM
    assert needed.text.startswith("wearable 'toy' needs the extra `intiface`")
    assert needed.advice == '`pip install "tenuto[intiface]"`'
    assert (rest.level, rest.advice) == (Level.OK, None)


async def test_the_history(tmp_path: Path) -> None:
    config = configured(tmp_path, 'history.path = "history.db"\n')
    assert "will be made" in (await only(context(config), "history")).text
    denied = context(config, may_use=lambda _path: False)
    assert (await only(denied, "history")).level is Level.PROBLEM
    async with Store(config.history_path):
        pass
    assert "is sound" in (await only(context(config), "history")).text
    assert (await only(denied, "history")).level is Level.PROBLEM


async def test_a_history_that_is_damaged(tmp_path: Path) -> None:
    config = configured(tmp_path, 'history.path = "history.db"\n')
    async with Store(config.history_path):
        pass
    database = sqlite3.connect(config.history_path)
    with database:
        database.execute("INSERT INTO plans VALUES ('0000000000000000', 'a', x'00')")
    database.close()
    found = await only(context(config), "history")
    assert "check --repair" in str(found.advice)
    config.history_path.write_bytes(b"no database at all" * 100)
    told = {"version": __version__, "config": str(config.file)}
    checked = [one async for one in examine(context(config, daemon=told))]
    assert Level.PROBLEM in {one.level for one in checked if one.check == "history"}


async def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = configured(tmp_path)
    usage = type("Usage", (), {"free": 1_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: usage)
    found = await findings(context(config), "history")
    assert "1 MB" in found[-1].text


@pytest.mark.parametrize(
    "utc_s, is_set, level",
    [
        (RELEASE_UTC_S + 1, True, Level.OK),
        (RELEASE_UTC_S + 1, None, Level.OK),
        (RELEASE_UTC_S + 1, False, Level.WARNING),
        (0, True, Level.PROBLEM),
    ],
)
async def test_the_clock(utc_s: float, is_set: bool | None, level: Level) -> None:
    who = context(Config(), utc_s=lambda: utc_s, is_clock_set=lambda: is_set)
    assert (await only(who, "clock")).level is level


@pytest.mark.parametrize(
    "asked_ago_s, level, says",
    [
        (None, None, ""),
        (0.2, Level.OK, "agrees"),
        (-4.0, Level.OK, "agrees"),
        (45.0, Level.WARNING, "45 s ago"),
        (-45.0, Level.WARNING, "45 s ahead"),
    ],
)
async def test_the_clock_of_home_assistant(
    asked_ago_s: float | None, level: Level | None, says: str
) -> None:
    found = await findings(context(Config(), daemon={"asked_ago_s": asked_ago_s}), "clock")
    assert [one.level for one in found[1:]] == ([] if level is None else [level])
    assert all(says in one.text for one in found[1:])
    assert all("30 s" in str(one.advice) for one in found[1:] if one.level is Level.WARNING)


# --- wearables


async def test_wearables_without_a_daemon(tmp_path: Path) -> None:
    air = Air()
    device = air.add()
    device.paired = device.knows_host = False

    def adapter(_name: str | None) -> BleAdapter:
        return BleAdapter(air.radio())

    config = configured(tmp_path, BAND)
    found = await only(context(config, adapter=adapter), "wearables")
    assert (found.level, "0.1.0" in found.text) == (Level.OK, True)
    assert air.count("pair") == 0, "looking changes nothing"
    device.in_reach = False
    found = await only(context(config, adapter=adapter), "wearables")
    assert (found.level, "charged" in str(found.advice)) == (Level.WARNING, True)


async def test_each_wearable_is_looked_for_on_its_own_adapter(tmp_path: Path) -> None:
    near, far = Air(), Air()
    near.add()
    airs: dict[str | None, Air] = {None: far, "hci1": near}

    def adapter(name: str | None) -> BleAdapter:
        return BleAdapter(airs[name].radio(), name=name or "default")

    config = configured(tmp_path, BAND + 'adapter = "hci1"\n')
    (heard,) = await findings(context(config, adapter=adapter), "adapter")
    assert "hci1 works; 1 device" in heard.text, "nobody needs the usual one"
    assert (await only(context(config, adapter=adapter), "wearables")).level is Level.OK

    both = BAND + 'adapter = "hci1"\n' + BAND.replace("anna", "bob").replace("01", "02")
    config = configured(tmp_path, both)
    await asyncio.sleep(5)  # BlueZ takes its time to part
    here, away = await findings(context(config, adapter=adapter), "wearables")
    assert (here.level, away.level) == (Level.OK, Level.WARNING)
    assert len(await findings(context(config, adapter=adapter), "adapter")) == 2


async def test_wearables_of_a_daemon(tmp_path: Path) -> None:
    newest = shipped_firmware()
    assert newest is not None
    anna = {"id": "anna", "connected": True, "battery_pct": 80, "firmware": newest}
    told = [
        anna,
        anna | {"id": "bob", "firmware": "0.0.9"},
        anna | {"id": "carl", "connected": False, "problem": "is it on?"},
        anna | {"id": "dora", "firmware": None, "battery_pct": None},
    ]
    who = context(configured(tmp_path), daemon={"wearables": told})
    found = await findings(who, "wearables")
    assert [one.level for one in found] == [Level.OK, Level.WARNING, Level.WARNING, Level.OK]
    assert "80 %" in found[0].text
    assert newest in found[1].text
    assert found[2].advice == "is it on?"


async def test_a_wearable_that_no_longer_knows_this_computer_is_a_problem(tmp_path: Path) -> None:
    air = Air()
    device = air.add()
    device.knows_host, device.is_cut_early = False, True

    def adapter(_name: str | None) -> BleAdapter:
        return BleAdapter(air.radio())

    config = configured(tmp_path, BAND)
    found = await only(context(config, adapter=adapter), "wearables")
    assert (found.level, "tenuto forget" in str(found.advice)) == (Level.PROBLEM, True)
    assert device.paired, "looking changes nothing"
    shut_out = ("bond_lost", "unproven", "not_paired", "refused")
    for reason in LinkReason:
        told = {"id": "anna", "connected": False, "reason": reason.value, "problem": "why"}
        found = await only(context(config, daemon={"wearables": [told]}), "wearables")
        if reason is LinkReason.HELD:
            assert (found.level, "why" in found.text) == (Level.OK, True), "another host has it"
            continue
        expected = Level.PROBLEM if reason.value in shut_out else Level.WARNING
        assert (found.level, found.advice) == (expected, "why"), reason


# --- sensors

STRAP = BAND + f'heart = "{straps.ADDRESS}"\n'


async def test_a_strap_without_a_daemon(tmp_path: Path) -> None:
    async with World() as world:
        radio = radio_of(await world.adapter())

        def adapter(_name: str | None) -> BleAdapter:
            return BleAdapter(replace(radio, close=_stay))

        who = context(configured(tmp_path, STRAP), adapter=adapter)
        found = await only(who, "sensors")
        assert (found.level, "not connected to another" in str(found.advice)) == ("warning", True)
        strap = await straps.put_on_strap(world, battery_pct=80)
        found = await only(who, "sensors")
        assert (found.level, "wear it" in str(found.advice)) == (Level.WARNING, True)
        looking = asyncio.create_task(only(who, "sensors"), name="look")
        while not looking.done():
            await strap.send(bytes.fromhex("00 40"))
            await asyncio.sleep(1)
        found = looking.result()
        assert found.level is Level.OK
        assert "kind ecg, battery 80 %" in found.text


async def _stay() -> None:
    pass


async def test_a_strap_of_a_daemon(tmp_path: Path) -> None:
    config = configured(tmp_path, STRAP)
    well = {
        "name": straps.ADDRESS,
        "connected": True,
        "heard": True,
        "kind": "optical",
        "battery_pct": 9,
        "problem": None,
        "reason": None,
    }

    async def told(sensor: dict[str, Any]) -> list[Finding]:
        one = {"id": "anna", "connected": True, "sensors": {"heart": sensor}}
        return await findings(context(config, daemon={"wearables": [one]}), "sensors")

    first, second = await told(well)
    assert (first.level, "kind optical, battery 9 %" in first.text) == (Level.OK, True)
    assert (second.level, "charge" in str(second.advice)) == (Level.WARNING, True)
    silent = well | {"heard": False}
    assert "sends nothing" in (await told(silent))[0].text
    away_now = silent | {"connected": False}
    assert "not reached yet" in (await told(away_now))[0].text
    (away,) = await told(away_now | {"problem": "is it on?", "reason": "not_found"})
    assert (away.level, "is it on?" in str(away.advice)) == (Level.WARNING, True)
    (shut,) = await told(away_now | {"problem": "pair", "reason": "bond_lost"})
    assert shut.level is Level.PROBLEM
    older = {"id": "anna", "connected": True}
    assert await findings(context(config, daemon={"wearables": [older]}), "sensors") == []


# --- as a whole


async def test_a_check_that_hangs_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hangs(_patient: Context) -> list[Any]:
        await asyncio.sleep(60)
        return []

    monkeypatch.setattr("tenuto.doctor.checks.CHECK_TIMEOUT_S", 0.01)
    monkeypatch.setattr("tenuto.doctor.checks.CHECKS", (("slow", hangs),))
    (found,) = [one async for one in examine(context(configured(tmp_path)))]
    assert (found.check, found.level) == ("slow", Level.PROBLEM)


@pytest.mark.slow
def test_the_command(tmp_path: Path) -> None:
    plain = tenuto("doctor", folder=tmp_path)
    as_json = tenuto("doctor", "--json", folder=tmp_path)
    found = json_lines(as_json.stdout)
    assert {one["check"] for one in found} >= {"configuration", "broker", "history", "clock"}
    has_problem = any(one["level"] == "problem" for one in found)
    assert plain.returncode == as_json.returncode == (1 if has_problem else 0), plain.stderr
    assert all(one["text"] in plain.stdout for one in found if one["check"] == "routines")
    broken = tenuto("doctor", "--json", folder=tmp_path, toml="mqtt.url = 7")
    assert broken.returncode == 1
    first = json.loads(broken.stdout.splitlines()[0])
    assert (first["check"], first["level"]) == ("configuration", "problem")
    assert "tenuto.toml:2" in first["text"]
