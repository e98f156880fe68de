# SPDX-License-Identifier: MIT
"""What becomes of a proxy that cannot be used, and what its user is told."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING

import bleak
import pytest

from tenuto.errors import LinkError, LinkReason
from tenuto.links.bonding import pair
from tenuto.links.listen import heard
from tenuto.links.radios.esphome import Endpoint, endpoints, open_adapter, read_keys
from tenuto.links.radios.registry import RadioFiles, radio_named
from tenuto.shipped import shipped
from tenuto.simulator import World
from tests.patience import patience_s
from tests.proxies.rig import proxies_of, radio_of_proxies

if TYPE_CHECKING:
    from pathlib import Path

    from tenuto.links.ble_adapter import BleAdapter

KEY, OTHER_KEY = (base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2))


async def addresses_heard(adapter: BleAdapter, seconds: float = 5) -> set[str]:
    return {one.address async for found in heard(adapter, seconds) for one in found}


@pytest.mark.parametrize(
    "proxy_key, key, said",
    [
        (KEY, OTHER_KEY, "has another encryption key"),
        (KEY, None, "is encrypted"),
        (None, KEY, "speaks without encryption"),
    ],
)
async def test_a_wrong_key_is_told_with_what_helps(
    proxy_key: str | None, key: str | None, said: str
) -> None:
    async with World(seed=1) as world:
        await world.add_proxy("room-a", key=proxy_key)
        adapter = proxies_of(world, keys={} if key is None else {"room-a": key})
        with pytest.raises(LinkError, match=said) as refused:
            await addresses_heard(adapter)
        assert refused.value.reason is LinkReason.PERMISSION
        await adapter.close()


async def test_scan_and_pair_go_through_encrypted_proxies() -> None:
    async with World(seed=1) as world:
        await world.add_proxy("room-a", key=KEY)
        band = await world.add_wearable("band", firmware_dir=shipped("firmware"))
        adapter = proxies_of(world, keys={"room-a": KEY})
        assert await addresses_heard(adapter) == {band.address}
        paired = await pair(adapter, band.address)
        assert (paired.address, paired.name) == (band.address, "band")
        await adapter.close()


async def test_a_proxy_that_serves_another_is_told_of_and_taken_when_it_is_free() -> None:
    async with World(seed=1) as world:
        proxy = await world.add_proxy("room-a")
        band = await world.add_wearable("band", firmware_dir=shipped("firmware"))
        home_assistant, tenuto = proxies_of(world), proxies_of(world)
        assert await addresses_heard(home_assistant) == {band.address}
        with pytest.raises(LinkError, match=r"serves another program, most likely Home Assistant"):
            await addresses_heard(tenuto)
        await home_assistant.close()
        await asyncio.sleep(30)
        assert await addresses_heard(tenuto) == {band.address}
        assert proxy.is_on
        await tenuto.close()


async def test_one_proxy_that_does_not_answer_keeps_nobody_from_the_others() -> None:
    async with World(seed=1) as world:
        away, _ = [await world.add_proxy(name) for name in ("room-a", "room-b")]
        band = await world.add_wearable("band", firmware_dir=shipped("firmware"))
        await away.unplug()
        adapter = proxies_of(world)
        assert await addresses_heard(adapter) == {band.address}
        bad, good = (await radio_of_proxies(adapter)).states()
        assert "does not answer" in str(bad.problem)
        assert (good.problem, good.slots, good.free) == (None, 3, 3)
        await away.boot()
        await asyncio.sleep(20)
        assert [one.problem for one in (await radio_of_proxies(adapter)).states()] == [None, None]
        await adapter.close()


@pytest.mark.parametrize(
    "name, expected",
    [
        ("esphome:room-a.local", (Endpoint("room-a.local"),)),
        ("esphome:a:6054,10.0.0.7", (Endpoint("a", 6054), Endpoint("10.0.0.7"))),
        ("esphome:[fe80::1]:6054,[fe80::2]", (Endpoint("fe80::1", 6054), Endpoint("fe80::2"))),
        ("esphome:a,a:6053", (Endpoint("a"),)),
    ],
)
def test_addresses_of_proxies(name: str, expected: tuple[Endpoint, ...]) -> None:
    assert radio_named(name).id == "esphome"
    assert endpoints(name) == expected
    assert endpoints("esphome:" + ",".join(map(str, expected))) == expected


@pytest.mark.parametrize("name", ["esphome:", "esphome:a,", "esphome:a b", "esphome:-a", "esphome"])
def test_what_is_no_address_of_proxies_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="esphome:"):
        radio_named(name)


@pytest.mark.parametrize(
    "text, mode, said",
    [
        ("", 0o600, r'no line for room-a.*"none"'),
        ('"room-a" = "c2hvcnQ="', 0o600, "the key of room-a is none"),
        ('"room-a" = 7', 0o600, "the key of room-a is none"),
        (f'"room-a" = "{KEY}"', 0o644, "chmod 600"),
        ("room-a", 0o600, "cannot be read"),
    ],
)
def test_a_file_of_keys_that_is_wrong_says_what_is(
    text: str, mode: int, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(LinkError, match=said) as refused:
        read_keys(path, (Endpoint("room-a"),))
    assert refused.value.reason is LinkReason.PERMISSION
    assert KEY not in str(refused.value)


def test_keys_by_name_or_by_name_and_port(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(f'"room-a" = "{KEY}"\n"room-b:7000" = "none"\n')
    path.chmod(0o600)
    wanted = (Endpoint("room-a", 6054), Endpoint("room-b", 7000))
    assert read_keys(path, wanted) == {wanted[0]: KEY, wanted[1]: None}


async def test_without_a_file_of_keys_it_says_how_to_make_one(tmp_path: Path) -> None:
    adapter = open_adapter("esphome:room-a.local", RadioFiles(bonds=tmp_path / "bonds.json"))
    with pytest.raises(LinkError, match=r'proxy_keys: .*"room-a.local" = '):
        await adapter.radio()


def test_nothing_of_esphome_is_loaded_before_a_proxy_is_used(tmp_path: Path) -> None:
    """It takes a second and thirty megabytes, which whoever has no proxies need not pay."""
    program = f"""
import sys
from pathlib import Path
import tenuto.daemon.build
from tenuto.links.radios.adapters import open_adapter
from tenuto.links.radios.registry import RadioFiles
open_adapter("esphome:room-a", RadioFiles(bonds=Path({str(tmp_path)!r}) / "bonds.json"))
print(*{{"aioesphomeapi", "bleak_esphome", "habluetooth"}} & sys.modules.keys())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=patience_s(60),
    )
    assert done.stdout.strip() == ""


def test_bleaks_own_classes_stay_where_they_are() -> None:
    """habluetooth puts its own in their place, for whoever is in the same process."""
    before = bleak.BleakClient, bleak.BleakScanner
    import_module("tenuto.links.radios.esphome_radio")
    assert (bleak.BleakClient, bleak.BleakScanner) == before
