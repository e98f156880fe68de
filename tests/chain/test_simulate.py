# SPDX-License-Identifier: MIT
"""`tenuto simulate` met by another host program, one that knows nothing of Tenuto: plain bumble."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from bumble.core import UUID, AdvertisingData
from bumble.device import ConnectionParametersPreferences, Device, Peer
from bumble.hci import Address, HCI_ErrorCode, Phy
from bumble.pairing import PairingConfig, PairingDelegate
from bumble.transport import open_transport

from tenuto.errors import InputError
from tenuto.simulator.faults import OrderedSilence, parse_silence
from tests.conftest import needs_module
from tests.patience import patience_s
from tests.processes import environment, tenuto, tenuto_process, user

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from bumble.device import Advertisement, Connection

HEART_RATE_MEASUREMENT = UUID.from_16_bits(0x2A37)
TIMEOUT_S = 60


@asynccontextmanager
async def plain_host(port: int) -> AsyncIterator[Device]:
    async with await open_transport(f"tcp-client:127.0.0.1:{port}") as transport:
        device = Device.with_hci(
            "plain", Address("F0:F1:F2:F3:F4:F5"), transport.source, transport.sink
        )
        device.pairing_config_factory = lambda _connection: PairingConfig(
            sc=True,
            mitm=False,
            bonding=True,
            delegate=PairingDelegate(PairingDelegate.NO_OUTPUT_NO_INPUT),
        )
        await device.power_on()
        yield device


async def names_heard(device: Device, count: int) -> dict[str, str]:
    """Scan until so many wearables were heard; gives their names by their addresses."""
    heard: dict[str, str] = {}
    enough = asyncio.Event()

    def on_advertisement(advertisement: Advertisement) -> None:
        name = advertisement.data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
        if name is not None:
            heard[advertisement.address.to_string(with_type_qualifier=False)] = str(name)
        if len(heard) == count:
            enough.set()

    device.on("advertisement", on_advertisement)
    await device.start_scanning(active=True)
    await enough.wait()
    await device.stop_scanning()
    return heard


async def heart_rates(connection: Connection, count: int) -> list[int]:
    peer = Peer(connection)
    await connection.pair()
    await peer.discover_services()
    await peer.discover_characteristics()
    (measurement,) = peer.get_characteristics_by_uuid(HEART_RATE_MEASUREMENT)
    rates: list[int] = []
    enough = asyncio.Event()

    def on_rate(value: bytes) -> None:
        rates.append(value[1])
        if len(rates) >= count:
            enough.set()

    await measurement.discover_descriptors()
    await measurement.subscribe(on_rate)
    await enough.wait()
    return rates


def port_of(line: str) -> int:
    found = re.search(r"127\.0\.0\.1:(\d+)", line)
    assert found is not None, line
    return int(found[1])


@pytest.mark.slow
def test_another_host_program_meets_the_simulated_wearables() -> None:
    async def meet(port: int) -> None:
        async with asyncio.timeout(patience_s(TIMEOUT_S)), plain_host(port) as device:
            heard = await names_heard(device, 3)
            assert sorted(heard.values()) == ["band-1", "band-2", "band-3"]
            address = next(key for key, name in heard.items() if name == "band-2")
            connection = await device.connect(Address(address))
            # Its wearer sees that somebody new is there, and lets in who comes next.
            gone = asyncio.get_running_loop().create_future()
            connection.on("disconnection", gone.set_result)
            await gone
            connection = await device.connect(Address(address))
            assert connection.parameters.connection_interval == 45
            rates = await heart_rates(connection, 2)
            assert all(100 <= rate <= 140 for rate in rates), "who has run is not calm yet"
            await connection.disconnect()

    with (
        user() as folder,
        tenuto_process(
            *("simulate", "--listen", "127.0.0.1:0", "--wearables", "3", "--seed", "1"),
            *("--interval-ms", "45", "--person", "after-run", "--loss", "0.05"),
            folder=folder,
        ) as simulation,
    ):
        asyncio.run(meet(port_of(simulation.until("bumble:tcp-client"))))


@pytest.mark.slow
@pytest.mark.parametrize("model, name", [("bangle", "Bangle.js 0001"), ("alert", "alert-1")])
def test_another_host_program_meets_devices_of_other_models(model: str, name: str) -> None:
    needs_module("quickjs")

    async def meet(port: int) -> None:
        async with asyncio.timeout(patience_s(TIMEOUT_S)), plain_host(port) as device:
            assert list((await names_heard(device, 1)).values()) == [name]

    words = ("simulate", "--model", model, "--listen", "127.0.0.1:0")
    with user() as folder, tenuto_process(*words, folder=folder) as simulation:
        asyncio.run(meet(port_of(simulation.until("bumble:tcp-client"))))


@pytest.mark.slow
def test_a_user_puts_the_app_on_a_watch_and_takes_it_off() -> None:
    needs_module("quickjs")
    words = ("simulate", "--model", "bangle", "--listen", "127.0.0.1:0")
    with user() as folder, tenuto_process(*words, folder=folder) as simulation:
        port = port_of(simulation.until("bumble:tcp-client"))
        toml = f"""
            mqtt.url = "off"
            bluetooth.adapter = "bumble:tcp-client:127.0.0.1:{port}"
            [[wearable]]
            id = "watch"
            model = "bangle"
            link = "espruino"
            address = "C1:00:00:00:00:01"
            """
        removed, installed, refused = (
            tenuto("wearable", *asked, folder=folder, toml=toml)
            for asked in (("remove", "watch"), ("install", "bangle"), ("install", "band"))
        )
    assert (removed.returncode, installed.returncode, refused.returncode) == (0, 0, 2)
    assert removed.stdout.startswith("Removed ")
    assert "wrote 5 of 5 files, and it answers." in installed.stdout
    assert "writing tenuto.boot.js" in installed.stderr
    assert "no app of Tenuto's goes onto a Tenuto band" in refused.stderr


@pytest.mark.parametrize(
    "words, said",
    [
        (("--model", "heart"), "can be simulated, only: band"),
        (("--model", "bungle"), "bangle"),
        (("--model", "bangle", "--serial"), "not for 'bangle'"),
    ],
)
def test_a_model_that_cannot_be_simulated_is_said(
    words: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    done = tenuto("simulate", *words, folder=tmp_path)
    assert done.returncode != 0
    assert said in done.stderr


@pytest.mark.slow
def test_orders_come_in_and_motor_edges_go_out_as_json_lines(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tenuto", "simulate", "--json", "--listen", "127.0.0.1:0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(tmp_path),
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write("pres\nlong-press\n")
            process.stdin.close()
            told = []
            for line in process.stdout:
                told.append(json.loads(line))
                if told[-1].get("strength_pct") == 0:
                    break
        finally:
            process.kill()
    events = [message.get("event", message.get("ok")) for message in told]
    assert events == ["address", "ready", False, True, "motor", "motor"]


@pytest.mark.slow
def test_a_silence_that_was_ordered_ends_the_link() -> None:
    async def meet(port: int) -> float:
        async with asyncio.timeout(patience_s(TIMEOUT_S)), plain_host(port) as device:
            hasty = ConnectionParametersPreferences(supervision_timeout=1000)
            why = None
            # Whoever connects between two silences is sent away, for a key is not proven here.
            while why != HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR:
                connection = await device.connect(
                    Address("C0:00:00:00:00:01"),
                    connection_parameters_preferences={Phy.LE_1M: hasty},
                )
                gone = asyncio.get_running_loop().create_future()
                connection.on("disconnection", gone.set_result)
                why = await gone
            gone_s = time.monotonic()
            await names_heard(device, 1)
            return time.monotonic() - gone_s

    # A computer that is busy connects only when the first is over.
    silences = [word for at_s in (2, 12, 22) for word in ("--silence", f"4s@{at_s}s")]
    with (
        user() as folder,
        tenuto_process(
            *("simulate", "--listen", "127.0.0.1:0", *silences, "--silence", "1ms@1h"),
            folder=folder,
        ) as simulation,
    ):
        asyncio.run(meet(port_of(simulation.until("bumble:tcp-client"))))


@pytest.mark.parametrize(
    "text, duration_s, after_s",
    [("20s@60s", 20, 60), ("1.5m@0", 90, 0), ("250ms@2h", 0.25, 7200), ("3@4", 3, 4)],
)
def test_a_silence_is_read(text: str, duration_s: float, after_s: float) -> None:
    assert parse_silence(text) == OrderedSilence(duration_s, after_s)


@pytest.mark.parametrize("text", ["", "20s", "@3", "-1s@2s", "1s@2s@3s", "1e9s@1s", "1d@1s"])
def test_what_is_no_silence_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="20s@60s"):
        parse_silence(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("--silence", "soon"),
        ("--speed", "max"),
        ("--interval-ms", "2"),
        ("--drift-ppm", "5000"),
        ("--wearables", "0"),
        ("--person", "cat"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_simulated_is_said(arguments: tuple[str, ...]) -> None:
    with user() as folder:
        done = tenuto("simulate", "--listen", "127.0.0.1:0", *arguments, folder=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
