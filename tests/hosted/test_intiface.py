# SPDX-License-Identifier: MIT
"""Devices behind a Buttplug server, a simulated one; the real server and client where they are."""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.config import Wearable, parse
from tenuto.errors import InputError, LinkError, LinkReason, RefusedError
from tenuto.links.websocket import open_socket
from tenuto.routines.library import Library
from tenuto.routines.routine import parse as routine_of
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import LinkLost, Paused
from tenuto.simulator.intiface import STEPS, SimulatedIntiface, serve
from tenuto.state.player_store import PlayerStore
from tenuto.wearables import registry
from tenuto.wearables.buttplug import (
    VERSIONS,
    Message,
    Version3,
    Version4,
    VibratingDevice,
    VibratingMotor,
    pack,
    unpack,
)
from tenuto.wearables.buzzer import CueText
from tenuto.wearables.hosted import HostedDriver
from tenuto.wearables.intiface import IntifaceBuzzer
from tests.conftest import part
from tests.daemon.rig import Collector, connected, daemon_for, utc_ms
from tests.hosted.rig import ROUTINE, unfelt_in
from tests.patience import patience_s
from tests.sample_routines import SHORT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HERE = Path(__file__).parent
NAME = "pad"
WEARABLE = Wearable(id=NAME, model="intiface", link="websocket")
DEVICE = VibratingDevice(index=2, name="Pad", motors=(VibratingMotor(0, 20), VibratingMotor(3, 5)))


def buzzer_for(server: SimulatedIntiface, **more: Any) -> IntifaceBuzzer:
    feel = registry.feel(WEARABLE)
    assert feel is not None
    return IntifaceBuzzer("server", server.connect, feel, **more)


@asynccontextmanager
async def reached(server: SimulatedIntiface, **more: Any) -> AsyncIterator[IntifaceBuzzer]:
    buzzer = buzzer_for(server, **more)
    await buzzer.connect(lambda: None, lambda _: None, lambda _: None)
    yield buzzer
    await buzzer.disconnect()


@pytest.mark.parametrize("versions", [(3,), (4,), (3, 4)], ids=str)
async def test_a_session_is_played_in_the_version_that_the_server_knows(
    tmp_path: Path, versions: tuple[int, ...]
) -> None:
    server, seen = SimulatedIntiface(versions), Collector()
    driver = HostedDriver(buzzer_for(server), None, utc_ms=utc_ms)
    plan = Library().compile(ROUTINE, feel=registry.feel(WEARABLE))
    async with daemon_for(tmp_path / "h.db", {NAME: driver}, seen) as (daemon, _):
        await connected(daemon, NAME)
        await daemon.supervisors[NAME].start(plan)
        ended = await seen.ended()
        told = [entry.event for entry in seen.entries]
    ups = [edge for edge in server.motor.edges if edge.on]

    assert ended.reason == "finished"
    assert unfelt_in(told) == 0
    assert {version for version, name, _ in server.said if name != "RequestServerInfo"} == {
        max(versions)
    }
    assert len(ups) > 10
    assert [m.edges[-1].strength_pct for m in server.motors] == [0, 0]
    assert [len(m.edges) for m in server.motors] == [len(server.motor.edges)] * 2
    halfway = [edge.strength_pct for edge in ups if edge.strength_pct < 100]
    assert set(halfway) <= {60}


async def test_a_device_that_leaves_its_server_pauses_the_session(tmp_path: Path) -> None:
    server, seen = SimulatedIntiface(), Collector()
    driver = HostedDriver(buzzer_for(server), None, utc_ms=utc_ms)
    plan = Library().compile(ROUTINE, feel=registry.feel(WEARABLE))
    async with daemon_for(tmp_path / "h.db", {NAME: driver}, seen) as (daemon, _):
        await connected(daemon, NAME)
        await daemon.supervisors[NAME].start(plan)
        await asyncio.sleep(5)
        server.set_there(is_there=False)
        await seen.until(lambda entry: isinstance(entry.event, LinkLost), 1)  # no cue is due
        assert any(isinstance(entry.event, Paused) for entry in seen.entries)
        await asyncio.sleep(1)
        await connected(daemon, NAME)  # the server was asked to look for it
        await asyncio.sleep(2)
        answer = await daemon.submit(Command(wearable=NAME, verb=Verb.RESUME))
        assert answer.ok
        assert (await seen.ended()).reason == "finished"


async def test_a_session_outlives_a_daemon_that_is_killed(tmp_path: Path) -> None:
    server, feel = SimulatedIntiface(), registry.feel(WEARABLE)
    plan = Library().compile(ROUTINE, feel=feel)
    driver = HostedDriver(buzzer_for(server), PlayerStore(tmp_path / "a"), utc_ms=utc_ms)
    async with daemon_for(tmp_path / "a.db", {NAME: driver}, Collector()) as (daemon, _):
        await connected(daemon, NAME)
        await daemon.supervisors[NAME].start(plan)
        await asyncio.sleep(15)
        shutil.copytree(tmp_path / "a", tmp_path / "b")  # as a kill leaves it
    seen = Collector()
    driver = HostedDriver(buzzer_for(server), PlayerStore(tmp_path / "b"), utc_ms=utc_ms)
    async with daemon_for(tmp_path / "b.db", {NAME: driver}, seen) as (daemon, _):
        await connected(daemon, NAME)
        assert (await driver.status()).state == "paused"
        assert (await daemon.submit(Command(wearable=NAME, verb=Verb.RESUME))).ok
        assert (await seen.ended()).reason == "finished"


async def test_a_hold_that_a_press_ends_is_refused_where_nobody_can_press(tmp_path: Path) -> None:
    """Else the hold would last to its longest."""
    driver = HostedDriver(buzzer_for(SimulatedIntiface()), None, utc_ms=utc_ms)
    routine = routine_of(SHORT.replace("hold_s = 10", 'hold_s = "open"'), "short.toml")
    plan = Library().compile(routine, feel=registry.feel(WEARABLE))
    async with daemon_for(tmp_path / "h.db", {NAME: driver}, Collector()) as (daemon, _):
        await connected(daemon, NAME)
        with pytest.raises(RefusedError, match="it has no button"):
            await daemon.supervisors[NAME].start(plan)


async def test_a_server_that_is_gone_has_stopped_the_device() -> None:
    server = SimulatedIntiface()
    async with reached(server) as buzzer:
        await buzzer.buzz(((100, 500, 0),), CueText("", ""))
        assert server.motor.edges[-1].on
        server.drop()
        await asyncio.sleep(0.1)
        with pytest.raises(LinkError):
            await buzzer.buzz(((100, 500, 0),), CueText("", ""))
        assert not server.motor.edges[-1].on


async def test_what_is_under_way_as_a_connection_ends_is_not_obeyed() -> None:
    server = SimulatedIntiface()
    async with reached(server) as buzzer:
        pulse = asyncio.create_task(buzzer.buzz(((100, 500, 0),), CueText("", "")))
        await asyncio.sleep(0.0005)  # it takes twice as long to be there
        server.drop()
        with pytest.raises(LinkError):
            await pulse
    assert not any(edge.on for edge in server.motor.edges), "nobody would end it"


async def test_a_server_is_asked_to_look_for_a_device_and_says_what_it_has() -> None:
    async with reached(SimulatedIntiface(finds=True)) as buzzer:
        await buzzer.buzz(((50, 100, 0),), CueText("", ""))
    server = SimulatedIntiface(name="Something Else")
    async with reached(server, device="else"):
        pass
    buzzer = buzzer_for(server, device="wanted")
    with pytest.raises(LinkError, match=r"no 'wanted', only: Something Else"):
        await buzzer.connect(lambda: None, lambda _: None, lambda _: None)
    server.is_up = False
    with pytest.raises(LinkError) as refused:
        await buzzer.connect(lambda: None, lambda _: None, lambda _: None)
    assert refused.value.reason is LinkReason.NOT_FOUND


async def test_a_silent_client_is_no_dead_one() -> None:
    lost = 0

    def lose() -> None:
        nonlocal lost
        lost += 1

    server = SimulatedIntiface(max_ping_ms=1_000)
    buzzer = buzzer_for(server)
    await buzzer.connect(lose, lambda _: None, lambda _: None)
    await asyncio.sleep(60)
    assert lost == 0
    await buzzer.disconnect()
    assert lost == 0


# --- the messages


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: str(version.number))
@pytest.mark.parametrize("level", [-1.0, 0.0, 0.004, 0.31, 0.5, 1.0, 1.5, 300.0])
def test_a_level_is_within_its_range_and_on_a_step(version: Any, level: float) -> None:
    """The real server passes on what is beyond: 1.5 became 30 of 20."""
    steps = dict.fromkeys(range(4), 20) | {3: 5}
    text = pack(version.vibrate(DEVICE, level))
    found: dict[int, float] = {}
    for message in unpack(text):
        fields = message.fields
        if version.number == 3:
            scalars = fields["Scalars"]
            found |= {one["Index"]: one["Scalar"] * steps[one["Index"]] for one in scalars}
        else:
            found[fields["FeatureIndex"]] = fields["Command"]["Vibrate"]["Value"]
    assert set(found) == {0, 3}
    for index, step in found.items():
        assert step == pytest.approx(round(step))
        assert 0 <= step <= steps[index]
        assert (step > 0) is (level > 0)


@pytest.mark.parametrize("seed", range(4))
def test_whatever_a_server_says_is_survived(seed: int) -> None:
    dice = random.Random(seed)
    parts: list[Any] = [None, True, -1, 0, 3, 1 << 70, 0.5, "Vibrate", "", [], {}, "DeviceFeatures"]

    def junk(depth: int) -> Any:
        if depth and dice.random() < 0.6:
            keys = ["Devices", "DeviceIndex", "DeviceMessages", "ScalarCmd", "StepCount", "Output"]
            keys += ["ActuatorType", "DeviceFeatures", "FeatureIndex", "Vibrate", "Value", "Id"]
            if dice.random() < 0.5:
                return {dice.choice(keys): junk(depth - 1) for _ in range(4)}
            return [junk(depth - 1) for _ in range(3)]
        return dice.choice(parts)

    for _ in range(2_000):
        text = json.dumps([{"DeviceList": {"Devices": junk(5)}}, junk(2)])
        for message in unpack(text):
            for version in VERSIONS:
                for device in version.devices(message) or ():
                    assert device.motors
                    version.vibrate(device, 0.5)


def test_what_vibrates_is_found_in_both_versions() -> None:
    old = {
        "DeviceName": "A",
        "DeviceIndex": 1,
        "DeviceMessages": {
            "ScalarCmd": [
                {"StepCount": 20, "ActuatorType": "Rotate"},
                {"StepCount": 10, "ActuatorType": "Vibrate"},
            ]
        },
    }
    (found,) = Version3().devices(Message("DeviceList", {"Devices": [old]})) or [DEVICE]
    assert found.motors == (VibratingMotor(1, 10),)
    features = {
        "0": {"FeatureIndex": 0, "Output": {"Rotate": {"Value": [-20, 20]}}},
        "4": {"FeatureIndex": 4, "Output": {"Vibrate": {"Value": [0, 7]}}},
    }
    new = {"DeviceName": "A", "DeviceIndex": 1, "DeviceFeatures": features}
    (found,) = Version4().devices(Message("DeviceList", {"Devices": {"1": new}})) or [DEVICE]
    assert found.motors == (VibratingMotor(4, 7),)


def test_the_address_of_a_server_is_checked() -> None:
    text = '[[wearable]]\nid = "pad"\nmodel = "intiface"\nlink = "websocket"\noptions.url = "{}"'
    (pad,) = parse(text.format("wss://house:8443/intiface"), "tenuto.toml").wearables
    assert pad.options.url == "wss://house:8443/intiface"
    with pytest.raises(InputError, match=r"tenuto\.toml:5: .*allowed is an address such as ws://"):
        parse(text.format("http://house"), "tenuto.toml")


# --- over a real WebSocket


@pytest.mark.real_time
async def test_over_a_real_socket() -> None:
    server = SimulatedIntiface()
    listening, port = await serve(server, "127.0.0.1", 0)
    feel = registry.feel(WEARABLE)
    assert feel is not None
    buzzer = IntifaceBuzzer("server", lambda: open_socket(f"ws://127.0.0.1:{port}"), feel)
    lost = asyncio.Event()
    async with asyncio.timeout(patience_s(20)):
        told = await buzzer.connect(lost.set, lambda _: None, lambda _: None)
        assert told.name == server.name
        assert await buzzer.buzz(((100, 100, 0),), CueText("", ""))
        assert server.motor.edges[-1].strength_pct == 100
        await buzzer.stop()
        assert server.motor.edges[-1].strength_pct == 0
        await buzzer.buzz(((50, 100, 0),), CueText("", ""))
        listening.close()
        await lost.wait()
        while server.motor.edges[-1].on:  # noqa: ASYNC110 - the server hears of it a little later
            await asyncio.sleep(0.02)
        with pytest.raises(LinkError) as refused:
            await buzzer.connect(lambda: None, lambda _: None, lambda _: None)
        assert refused.value.reason is LinkReason.NOT_FOUND


@asynccontextmanager
async def node(
    script: str, npm_modules: Path, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    running = await asyncio.create_subprocess_exec(
        part("node"), HERE / script, npm_modules, *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def said(running: asyncio.subprocess.Process, pattern: str) -> re.Match[str]:
    assert running.stdout is not None
    async with asyncio.timeout(patience_s(30)):
        while line := (await running.stdout.readline()).decode():
            if found := re.search(pattern, line):
                return found
    raise AssertionError(f"{pattern!r} was not said")


@pytest.mark.real_time
@pytest.mark.slow
async def test_against_the_real_server_of_version_3(npm_modules: Path) -> None:
    feel = registry.feel(WEARABLE)
    assert feel is not None
    async with node("buttplug_server.mjs", npm_modules) as server:
        port = (await said(server, r"listening (\d+)"))[1]
        buzzer = IntifaceBuzzer("server", lambda: open_socket(f"ws://127.0.0.1:{port}"), feel)
        async with asyncio.timeout(patience_s(30)):
            told = await buzzer.connect(lambda: None, lambda _: None, lambda _: None)
            assert "Lovense" in told.name
            assert await buzzer.buzz(((50, 100, 0),), CueText("", ""))
            await said(server, rf"toy Vibrate.*:{STEPS // 2};")
            await buzzer.stop()
            await said(server, r"toy Vibrate.*:0;")
            await buzzer.disconnect()


@pytest.mark.real_time
@pytest.mark.slow
async def test_the_simulated_server_satisfies_the_real_client_of_version_4(
    npm_modules: Path,
) -> None:
    simulated = SimulatedIntiface()
    listening, port = await serve(simulated, "127.0.0.1", 0)
    async with node("buttplug_client.mjs", npm_modules, f"ws://127.0.0.1:{port}") as client:
        assert (await said(client, "device (.*)"))[1].strip() == simulated.name
        await said(client, "done")
    listening.close()
    for motor in simulated.motors:
        assert [edge.strength_pct for edge in motor.edges] == [50, 0]
