# SPDX-License-Identifier: MIT
"""Heart sensors that misbehave: the daemon and the other wearables go on as if nothing were."""

from __future__ import annotations

import asyncio
import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakError
from bleak.uuids import normalize_uuid_str
from bumble import gatt

from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.links.radios.adapters import radio_of
from tenuto.sessions.commands import Command, Verb
from tenuto.simulator import World
from tenuto.wearables.band import BandDriver
from tenuto.wearables.strap import SILENCE_S, Strap
from tests.daemon.rig import Collector, RecordingMotor, connected, daemon_for, log_of
from tests.heart.straps import ADDRESS, CHEST, HEART_RATE, LOCATION, MEASUREMENT, put_on_strap
from tests.links.fake_bleak import Air, FakeClient

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenuto.sessions.heart import Measurement
    from tenuto.wearables.supervisor import Supervisor

pytestmark = pytest.mark.slow


def strap_on(
    adapter: BleAdapter,
    told: Callable[[Measurement, str, str | None], None],
    address: str = ADDRESS,
) -> Strap:
    return Strap(adapter, address, kind=None, on_measurement=told, rng=random.Random(0))


def readable(uuid: Any, value: bytes) -> gatt.Characteristic[Any]:
    return gatt.Characteristic(
        uuid, gatt.Characteristic.Properties.READ, gatt.Characteristic.Permissions.READABLE, value
    )


@pytest.mark.parametrize("twice", ["service", "measurement", "location"])
async def test_what_a_sensor_offers_twice_is_used_once(twice: str) -> None:
    told: list[Measurement] = []
    async with World() as world:
        strap = await put_on_strap(world, None if twice == "location" else CHEST)
        more = {
            "service": [readable(LOCATION, b"\x01")],
            "measurement": [],
            "location": [readable(LOCATION, b"\x01"), readable(LOCATION, b"\x01")],
        }[twice]
        if twice != "location":
            more.append(
                gatt.Characteristic(
                    MEASUREMENT,
                    gatt.Characteristic.Properties.NOTIFY,
                    gatt.Characteristic.Permissions.READABLE,
                    b"",
                )
            )
        strap.device.add_service(gatt.Service(HEART_RATE, more))
        kept = strap_on(
            BleAdapter(radio_of(await world.adapter())), lambda value, *_: told.append(value)
        )
        task = asyncio.create_task(kept.run(), name="strap")
        for _ in range(20):
            await strap.send(b"\x00\x50")
            await asyncio.sleep(1)
        assert {value.bpm for value in told} == {80}
        assert 10 <= len(told) <= 20
        assert kept.kind == "ecg"
        task.cancel()
        await asyncio.wait({task}, timeout=5)


async def test_one_that_is_connected_and_silent_is_connected_to_anew() -> None:
    """A device may also offer two measurements of which only the second one speaks."""
    told: list[Measurement] = []
    async with World() as world:
        strap = await put_on_strap(world)
        second: gatt.Characteristic[Any] = gatt.Characteristic(
            MEASUREMENT,
            gatt.Characteristic.Properties.NOTIFY,
            gatt.Characteristic.Permissions.READABLE,
            b"",
        )
        strap.device.add_service(gatt.Service(HEART_RATE, [second]))
        connections: list[object] = []
        strap.device.on("connection", connections.append)
        kept = strap_on(
            BleAdapter(radio_of(await world.adapter())), lambda value, *_: told.append(value)
        )
        task = asyncio.create_task(kept.run(), name="strap")
        for _ in range(round(2 * SILENCE_S)):
            await strap.device.notify_subscribers(second, b"\x00\x50")
            await asyncio.sleep(1)
        assert len(connections) == 2
        assert len(told) > SILENCE_S / 3

        for _ in range(200):  # one that speaks keeps its link
            await strap.device.notify_subscribers(second, b"\x00\x50")
            await asyncio.sleep(1)
        assert len(connections) == 2
        task.cancel()
        await asyncio.wait({task}, timeout=5)


# --- beside bands that play


class StrapClient(FakeClient):
    """A link to a sensor that says where it is worn."""

    def _discover(self) -> BleakGATTServiceCollection:
        services = BleakGATTServiceCollection()
        service = BleakGATTService(None, 1, normalize_uuid_str("180d"))
        services.add_service(service)
        for handle, uuid in enumerate(("2a37", "2a38"), start=2):
            services.add_characteristic(
                BleakGATTCharacteristic(
                    None, handle, normalize_uuid_str(uuid), ["read", "notify"], lambda: 20, service
                )
            )
        return services


class EndsAtOnce(StrapClient):
    """A link that ends in the moment in which it was made."""

    async def connect(self, pair: bool, **more: Any) -> None:
        await super().connect(pair, **more)
        self.end()


async def session_with(
    path: Path, add_strap: Callable[[Supervisor], None]
) -> tuple[list[Any], list[Any]]:
    """Play a session beside a wearable with a strap.

    Returns:
        The edges of the motor, and what the history has of the session.
    """
    motor, seen = RecordingMotor(), Collector()
    band = InProcessBand(motor)
    async with daemon_for(path, {"band": InProcessLink(band)}, seen) as (daemon, store):
        other = daemon.hub.add(
            "other", None, BandDriver(InProcessLink(InProcessBand(RecordingMotor(), boot_id=7)))
        )
        add_strap(other)
        await connected(daemon)
        await connected(daemon, "other")
        assert (await daemon.submit(Command(wearable="band", verb=Verb.START))).ok
        await seen.ended()
        await asyncio.sleep(1)
        assert other.connected.is_set()
        (row,) = await store.sessions()
        stored = await store.session(row.id)
        assert stored is not None
        records = [item.record for item in stored.records]
        assert records == [r for r in log_of(band) if r.seq >= row.key.seq]
        first_ms = records[0].at_ms
    began_ms = motor.edges[0][0]
    return (
        [(at_ms - began_ms, strength) for at_ms, strength in motor.edges],
        [(r.seq, r.at_ms - first_ms, r.kind, r.a, r.b) for r in records],
    )


ERRORS = (
    BleakError("Multiple Characteristics with this UUID"),
    AssertionError(),
    EOFError(),
    RuntimeError("of a library"),
    KeyError("MTU"),
    asyncio.CancelledError(),
)
OPERATIONS = ("connect", "read", "notify", "disconnect", "scan")


@pytest.mark.parametrize(
    "operation,error",
    [*itertools.product(OPERATIONS, ERRORS), ("connect", None)],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
async def test_no_fault_of_a_strap_reaches_a_wearable(
    tmp_path: Path, operation: str, error: BaseException | None
) -> None:
    """Without an error, the link ends in the moment in which it was made."""
    air = Air()
    address = air.add().address
    kind = EndsAtOnce if error is None else StrapClient
    radio = replace(air.radio(), client=type("Client", (kind,), {"air": air}))
    if error is not None:
        air.always(operation, error)
    adapter = BleAdapter(radio)

    def add_strap(other: Supervisor) -> None:
        other.add_part("strap", strap_on(adapter, lambda *_: None, address).run)

    undisturbed = await session_with(tmp_path / "one.db", lambda _other: None)
    assert await session_with(tmp_path / "two.db", add_strap) == undisturbed
    assert air.count("connect") + air.count("scan") >= 3, "it was not tried again"
    await adapter.close()
