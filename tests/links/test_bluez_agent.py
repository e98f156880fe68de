# SPDX-License-Identifier: MIT
"""Pairing on BlueZ: our agent, and real bleak, against a small BlueZ on a private D-Bus."""

from __future__ import annotations

import asyncio
import random
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tenuto.errors import LinkError, LinkReason
from tests.links import fake_bluez
from tests.links.fake_bluez import ADDRESS
from tests.patience import patience_s

if sys.platform != "linux":
    pytest.skip("BlueZ is Linux's", allow_module_level=True)

from bleak.uuids import normalize_uuid_str
from dbus_fast import Message, MessageType, Variant

from tenuto.links.ble import BleLink
from tenuto.links.bonding import pair
from tenuto.links.radios.adapters import open_adapter
from tenuto.links.radios.bluez_agent import PATH, read_passkey, registered
from tenuto.links.radios.registry import RadioFiles
from tenuto.links.scan import HEART_RATE, TENUTO
from tenuto.wearables.strap import Strap

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.links.ble_adapter import BleAdapter
    from tests.links.fake_bluez import FakeBlueZ

pytestmark = [pytest.mark.slow, pytest.mark.real_time, pytest.mark.usefixtures("no_manager_left")]


class Person:
    """Answers as it was told."""

    def __init__(self, *answers: str) -> None:
        self.heard: list[str] = []
        self._answers = list(answers)

    def show(self, text: str) -> None:
        self.heard.append(text)

    async def ask(self, text: str) -> str:
        self.heard.append(text)
        if not self._answers:
            await asyncio.sleep(100)
        return self._answers.pop(0)


def adapter(tmp_path: Path, person: Person | None = None) -> BleAdapter:
    return open_adapter("default", RadioFiles(bonds=tmp_path / "bonds.json"), person)


async def test_a_band_is_paired_without_asking_anybody(bluez: FakeBlueZ, tmp_path: Path) -> None:
    radio = adapter(tmp_path)
    paired = await pair(radio, ADDRESS)
    assert (paired.name, paired.firmware) == ("Tenuto", "0.1.0")
    assert TENUTO in paired.services
    assert bluez.paired
    assert bluez.log == ["registered NoInputNoOutput", "default", "unregistered"]
    assert bluez.agents == {}
    await radio.close()


async def test_a_bonded_band_needs_no_agent(bluez: FakeBlueZ, tmp_path: Path) -> None:
    radio = adapter(tmp_path)
    await pair(radio, ADDRESS)
    bluez.log.clear()
    link = BleLink(radio, ADDRESS)
    heard = asyncio.Event()
    await link.connect(lambda _packet: heard.set(), lambda: None)
    assert link.packet_bytes == 244
    assert link.firmware == "0.1.0"
    assert bluez.log == []
    await link.disconnect()
    await radio.close()


async def test_a_link_that_a_killed_process_left_behind_is_taken_over(
    bluez: FakeBlueZ, tmp_path: Path
) -> None:
    """BlueZ holds on to it, and a band that is connected is not heard."""
    await pair(adapter(tmp_path), ADDRESS)
    killed = BleLink(adapter(tmp_path), ADDRESS)
    await killed.connect(lambda _packet: None, lambda: None)
    radio = adapter(tmp_path)
    for address in (ADDRESS, None):
        link = BleLink(radio, address)
        async with asyncio.timeout(patience_s(5)):
            await link.connect(lambda _packet: None, lambda: None)
        radio.links.clear()  # killed as well
    assert bluez.device["Connected"].value
    await killed.disconnect()
    await radio.close()


async def test_a_strap_that_a_killed_process_left_behind_is_taken_over(
    bluez: FakeBlueZ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart_rate = (normalize_uuid_str("2a37"), ["notify"])
    monkeypatch.setitem(fake_bluez.CHARACTERISTICS, fake_bluez.OUTBOX, heart_rate)
    new_device = bluez._new_device
    bonded = Variant("b", True)
    told = {"UUIDs": Variant("as", [HEART_RATE]), "Paired": bonded, "Bonded": bonded}
    monkeypatch.setattr(bluez, "_new_device", lambda: new_device() | told)
    first, second = adapter(tmp_path), adapter(tmp_path)
    for radio in (first, second):
        strap = Strap(
            radio, ADDRESS, kind=None, on_measurement=lambda *_: None, rng=random.Random(0)
        )
        task = asyncio.create_task(strap.run(), name="strap")
        for _ in range(200):
            await asyncio.sleep(0.05)
            if radio.links:
                break
        assert radio.links
        radio.links.clear()
        monkeypatch.setattr(radio, "let_go", _no_farewell)  # it is killed
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        assert bluez.device["Connected"].value
    await first.close()
    await second.close()


async def _no_farewell(_client: object) -> None:
    pass


@pytest.mark.parametrize(
    "asks, answers, said, heard",
    [
        (("RequestPasskey", "", []), ["123 456"], 123_456, "number shown by the wearable"),
        (("RequestPinCode", "", []), ["0000"], "0000", "PIN shown"),
        (("RequestConfirmation", "u", [42]), ["yes"], None, "does the wearable show 000042?"),
        (("DisplayPasskey", "uq", [42, 0]), [], None, "type 000042 on the wearable"),
        (("DisplayPinCode", "s", ["4711"]), [], None, "type 4711 on the wearable"),
        (("RequestAuthorization", "", []), [], None, ""),
        (("AuthorizeService", "s", ["1800"]), [], None, ""),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_a_person_answers(  # noqa: PLR0917 - a table of answers
    bluez: FakeBlueZ,
    tmp_path: Path,
    asks: tuple[str, str, list[Any]],
    answers: list[str],
    said: object,
    heard: str,
) -> None:
    bluez.asks = asks
    person = Person(*answers)
    radio = adapter(tmp_path, person)
    await pair(radio, ADDRESS)
    assert bluez.answers == [said]
    assert heard in " ".join(person.heard)
    assert bluez.log[0] == "registered KeyboardDisplay"
    await radio.close()


@pytest.mark.parametrize(
    "asks, answers",
    [
        (("RequestPasskey", "", []), ["654321"]),
        (("RequestPasskey", "", []), ["what?"]),
        (("RequestConfirmation", "u", [42]), [""]),
    ],
    ids=["wrong number", "no number", "not confirmed"],
)
async def test_a_wrong_answer_makes_no_bond(
    bluez: FakeBlueZ, tmp_path: Path, asks: tuple[str, str, list[Any]], answers: list[str]
) -> None:
    bluez.asks = asks
    radio = adapter(tmp_path, Person(*answers))
    with pytest.raises(LinkError) as caught:
        await pair(radio, ADDRESS)
    assert caught.value.reason is LinkReason.REFUSED
    assert not bluez.paired
    assert bluez.agents == {}, "the agent is gone also then"
    await radio.close()


async def test_nobody_there_to_answer_is_a_refusal(bluez: FakeBlueZ, tmp_path: Path) -> None:
    bluez.asks = ("RequestPasskey", "", [])
    radio = adapter(tmp_path)
    with pytest.raises(LinkError) as caught:
        await pair(radio, ADDRESS)
    assert caught.value.reason is LinkReason.REFUSED
    await radio.close()


async def ask_agent(bluez: FakeBlueZ, member: str, device: str) -> Message:
    sender, _ = bluez.agents[PATH]
    return await bluez.bus.call(
        Message(
            destination=sender,
            path=PATH,
            interface="org.bluez.Agent1",
            member=member,
            signature="o" if device else "",
            body=[device] if device else [],
        )
    )


async def test_another_device_gets_no_bond_by_the_way(bluez: FakeBlueZ) -> None:
    async with registered(ADDRESS):
        answer = await ask_agent(bluez, "RequestAuthorization", "/org/bluez/hci0/dev_66_66")
    assert answer.message_type is MessageType.ERROR
    assert answer.error_name == "org.bluez.Error.Rejected"


async def test_bluez_can_take_a_question_back(bluez: FakeBlueZ) -> None:
    person = Person()
    device = "/org/bluez/hci0/dev_" + ADDRESS.replace(":", "_")
    async with registered(ADDRESS, person), asyncio.timeout(patience_s(5)):
        asking = asyncio.create_task(ask_agent(bluez, "RequestPasskey", device))
        while not person.heard:  # noqa: ASYNC110 - what a person hears makes no event
            await asyncio.sleep(0.01)
        await ask_agent(bluez, "Cancel", "")
        assert (await asking).error_name == "org.bluez.Error.Canceled"


async def test_without_bluez_it_is_said_what_to_start(bus_address: str) -> None:
    del bus_address
    with pytest.raises(LinkError) as caught:
        async with registered(ADDRESS):
            pass
    assert caught.value.reason is LinkReason.NO_SERVICE


async def test_without_a_bus_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus")
    with pytest.raises(LinkError) as caught:
        async with registered(ADDRESS):
            pass
    assert caught.value.reason is LinkReason.NO_SERVICE


async def test_an_adapter_that_is_off_is_said_to_be_off(bluez: FakeBlueZ, tmp_path: Path) -> None:
    await bluez.power(on=False)
    radio = adapter(tmp_path)
    with pytest.raises(LinkError) as caught:
        await pair(radio, ADDRESS)
    assert caught.value.reason is LinkReason.ADAPTER_OFF
    await radio.close()


def test_what_counts_as_a_number() -> None:
    assert read_passkey(" 012-345 ") == 12_345
    assert read_passkey("1234567") is None
    assert read_passkey("") is None
    assert read_passkey("-1-") == 1
    assert read_passkey("\u0663") is None
