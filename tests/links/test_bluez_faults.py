# SPDX-License-Identifier: MIT
"""What BlueZ does wrong, and that a session comes through it: bleak's backend is the fake.

Each of the eight groups of faults that were seen on real systems has its tests here.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDeviceNotFoundError,
    BleakError,
)

from tenuto.errors import LinkError, LinkReason
from tenuto.links import ble_adapter
from tenuto.links.ble import BleLink
from tenuto.links.ble_adapter import BleAdapter, at_address
from tenuto.links.uuids import INBOX_UUID, OUTBOX_UUID
from tenuto.sessions.commands import Command, Verb
from tenuto.wearables.band import ACK_AFTER_S
from tenuto.wearables.supervisor import SILENCE_S
from tests.daemon.rig import Collector, connected, daemon_for, log_of
from tests.links.fake_bleak import Air, Device, dbus, every
from tests.patience import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tenuto.daemon.commands import Commands
    from tenuto.history import Store
    from tenuto.wearables.supervisor import Supervisor

ABORT = dbus("org.bluez.Error.Failed", "le-connection-abort-by-local")
CANCELED = dbus("org.bluez.Error.Failed", "br-connection-canceled")
IN_PROGRESS = dbus("org.bluez.Error.InProgress", "Operation already in progress")
OFF = BleakBluetoothNotAvailableError(
    "No powered Bluetooth adapters found.", BleakBluetoothNotAvailableReason.POWERED_OFF
)


class Rig:
    """A daemon that keeps one band over the fake BlueZ."""

    def __init__(self, air: Air, device: Device, daemon: Commands, store: Store) -> None:
        self.air = air
        self.device = device
        self.daemon = daemon
        self.store = store
        self.seen: Collector

    @property
    def supervisor(self) -> Supervisor:
        return self.daemon.supervisors["band"]

    async def play_to_the_end(self) -> None:
        """A session that is in the history without a hole, whatever happened meanwhile."""
        await asyncio.sleep(0.01)  # news of a drop is on its way
        await connected(self.daemon)
        answer = await self.daemon.submit(Command(wearable="band", verb=Verb.START))
        assert answer.ok, answer
        assert (await self.seen.ended()).reason == "finished"
        await asyncio.sleep(5)  # the history has it soon after the screen
        (row,) = await self.store.sessions()
        stored = await self.store.session(row.id)
        assert stored is not None
        logged = [record for record in log_of(self.device.band) if record.seq >= row.key.seq]
        assert [item.record for item in stored.records] == logged


async def first_problem(supervisor: Supervisor) -> LinkError:
    await until(lambda: supervisor.problem)
    assert supervisor.problem is not None
    return supervisor.problem


def reason(r: Rig) -> LinkReason | None:
    problem = r.supervisor.problem
    return None if problem is None else problem.reason


@asynccontextmanager
async def rig(
    path: Path, prepare: Callable[[Air, Device], None] = lambda _air, _device: None
) -> AsyncIterator[Rig]:
    air = Air()
    device = air.add()
    prepare(air, device)
    adapter = BleAdapter(air.radio())
    seen = Collector()
    link = BleLink(adapter, device.address)
    async with daemon_for(path / "history.db", {"band": link}, seen) as (daemon, store):
        made = Rig(air, device, daemon, store)
        made.seen = seen
        yield made
    await adapter.close()
    left = [task.get_name() for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == [], "nothing goes on behind"


def searched_before_each_connection(air: Air) -> bool:
    """Whether each try to connect had a scan of its own before it."""
    order = [what for _, what in air.done if what in ("scan", "connect")]
    return order[0] == "scan" and ("connect", "connect") not in pairwise(order)


async def test_without_faults(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await r.play_to_the_end()
        assert r.air.count("connect") == r.air.count("scan") == r.air.count("notify") == 1
        assert r.air.count("pair") == r.air.count("unpair") == 0


# 1


async def test_a_connection_that_is_aborted_is_tried_again_after_a_while(tmp_path: Path) -> None:
    async with rig(tmp_path, lambda air, _: air.fail("connect", ABORT, ABORT)) as r:
        await r.play_to_the_end()
        tries = r.air.times("connect")
        assert len(tries) == 3
        assert all(two - one >= 0.25 for one, two in pairwise(tries)), "not at once"
        assert searched_before_each_connection(r.air)


async def test_two_hosts_with_the_same_luck_do_not_stay_in_step(tmp_path: Path) -> None:
    async with rig(tmp_path, lambda air, _: air.fail("connect", *[ABORT] * 8)) as r:
        await connected(r.daemon)
        waits = [round(two - one, 3) for one, two in pairwise(r.air.times("connect"))]
        assert len(set(waits)) == len(waits), "each wait is another one"
        assert max(waits) < 60


# 2


@pytest.mark.parametrize("operation", ["scan", "connect"])
async def test_in_progress_passes(tmp_path: Path, operation: str) -> None:
    async with rig(tmp_path, lambda air, _: air.fail(operation, *[IN_PROGRESS] * 3)) as r:
        assert (await first_problem(r.supervisor)).reason is LinkReason.BUSY
        assert r.supervisor.state.value in ("waiting", "reaching")
        await r.play_to_the_end()
        assert r.supervisor.state.value == "up"


async def test_many_wearables_take_turns_on_one_adapter(tmp_path: Path) -> None:
    """The fake fails both of two things at once, as BlueZ does, so any overlap would be seen."""
    air = Air()
    adapter = BleAdapter(air.radio())
    addresses = [f"C0:00:00:00:00:{number:02X}" for number in range(1, 13)]
    links = {address: BleLink(adapter, air.add(address).address) for address in addresses}
    absent = BleLink(adapter, "C0:00:00:00:00:99")
    async with daemon_for(tmp_path / "history.db", links | {"absent": absent}) as (daemon, _):
        async with asyncio.timeout(30):
            for address in addresses:
                await daemon.supervisors[address].connected.wait()
        assert air.count("connect") == len(addresses), "each at the first try"
        await asyncio.sleep(20)
        problem = daemon.supervisors["absent"].problem
        assert problem is not None
        assert problem.reason is LinkReason.NOT_FOUND
    await adapter.close()


# 3


@pytest.mark.parametrize(
    "gone",
    [
        dbus("org.freedesktop.DBus.Error.UnknownObject", 'Method "Connect" doesn\'t exist'),
        BleakDeviceNotFoundError("C0:00:00:00:00:01", "It may have been removed from BlueZ."),
        BleakError("device 'dev_C0_00_00_00_00_01' not found"),
    ],
    ids=["unknown object", "not found", "not found in the cache"],
)
async def test_a_device_that_bluez_has_deleted_is_looked_for_anew(
    tmp_path: Path, gone: BaseException
) -> None:
    async with rig(tmp_path, lambda air, _: air.fail("connect", gone, gone)) as r:
        await r.play_to_the_end()
        assert searched_before_each_connection(r.air)


async def test_after_a_lost_link_the_device_is_looked_for_anew(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await connected(r.daemon)
        r.device.vanish()
        r.device.drop()
        await r.play_to_the_end()
        assert searched_before_each_connection(r.air)


# 4


async def test_services_that_bluez_remembers_wrongly_are_forgotten(tmp_path: Path) -> None:
    def stale(_air: Air, device: Device) -> None:
        device.missing = {OUTBOX_UUID}

    async with rig(tmp_path, stale) as r:
        await r.play_to_the_end()
        assert r.air.count("unpair") == 1
        assert r.device.paired, "paired again"


# 5


@pytest.mark.parametrize(
    "broken",
    [
        BleakError("failed to discover services, device disconnected"),
        dbus("org.bluez.Error.Failed", "br-connection-canceled"),
        TimeoutError(),
    ],
    ids=["disconnected", "cancelled", "timeout"],
)
async def test_a_drop_while_services_are_discovered(tmp_path: Path, broken: BaseException) -> None:
    async with rig(tmp_path, lambda air, _: air.fail("connect", broken)) as r:
        await r.play_to_the_end()
        assert r.air.count("connect") == 2


async def test_services_that_are_not_all_there_yet_are_no_reason_to_forget_a_bond(
    tmp_path: Path,
) -> None:
    def race(_air: Air, device: Device) -> None:
        device.missing = {INBOX_UUID, OUTBOX_UUID}
        asyncio.get_running_loop().call_later(1.0, device.missing.clear)

    async with rig(tmp_path, race) as r:
        await r.play_to_the_end()
        assert r.air.count("unpair") == 0


async def test_a_drop_just_after_the_connection(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        for _ in range(3):  # in the middle of the set-up each time
            await until(lambda: r.device.client)
            await asyncio.sleep(0.07)
            r.device.drop()
        await r.play_to_the_end()


# 6


async def test_notifications_lost_above_the_radio_leave_no_hole(tmp_path: Path) -> None:
    def lossy(_air: Air, device: Device) -> None:
        device.lose = every(4)

    async with rig(tmp_path, lossy) as r:
        await r.play_to_the_end()


async def test_each_connection_is_subscribed_anew(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        loop = asyncio.get_running_loop()
        for at_s in (20, 60, 61, 150, 300):
            loop.call_later(at_s, r.device.drop)
        await r.play_to_the_end()
        assert r.air.count("notify") == r.air.count("connect") > 4


# 7


@pytest.mark.parametrize(
    "sizes", [[20], [20, 20, 20, 244], [64], [509]], ids=["old bluez", "late", "small", "large"]
)
async def test_packets_are_sized_by_what_fits_at_each_send(
    tmp_path: Path, sizes: list[int]
) -> None:
    """`mtu_size` warns whenever it is read, and a warning fails a test here."""

    def told(_air: Air, device: Device) -> None:
        asked = list(sizes)
        device.write_bytes = lambda: asked.pop(0) if len(asked) > 1 else asked[0]

    async with rig(tmp_path, told) as r:
        await r.play_to_the_end()


# 8


@pytest.mark.parametrize("fault", [EOFError(), OSError(9, "Bad file descriptor"), BleakError("no")])
@pytest.mark.parametrize("operation", ["disconnect", "write", "read", "notify", "scan stop"])
async def test_a_bus_that_breaks_in_the_middle_of_something(
    tmp_path: Path, operation: str, fault: BaseException
) -> None:
    async with rig(tmp_path, lambda air, _: air.fail(operation, fault)) as r:
        await connected(r.daemon)
        r.device.drop()
        await r.play_to_the_end()


async def test_a_link_that_only_seems_to_be_there_is_noticed(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await connected(r.daemon)
        r.device.is_mute = True
        await until(lambda: not r.supervisor.connected.is_set(), SILENCE_S + 20)
        assert r.supervisor.problem is not None
        assert r.supervisor.problem.reason is LinkReason.TIMEOUT
        r.device.is_mute = False
        await r.play_to_the_end()


async def test_a_band_that_is_well_is_asked_once_a_minute_and_no_more(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await connected(r.daemon)
        await asyncio.sleep(5)
        before = r.air.count("write")
        await asyncio.sleep(600)
        assert 9 <= r.air.count("write") - before <= 11
        assert r.air.count("connect") == 1


async def test_a_read_that_hangs_after_a_failed_pairing_is_bounded(tmp_path: Path) -> None:
    def hangs(_air: Air, device: Device) -> None:
        device.hangs_on_read = True

    async with rig(tmp_path, hangs) as r:
        assert (await first_problem(r.supervisor)).reason is LinkReason.TIMEOUT
        r.device.hangs_on_read = False
        await r.play_to_the_end()


async def test_a_band_that_is_new_is_paired(tmp_path: Path) -> None:
    def new(_air: Air, device: Device) -> None:
        device.paired = device.knows_host = False

    async with rig(tmp_path, new) as r:
        await r.play_to_the_end()
        assert r.air.count("pair") == 1


async def test_a_pairing_that_is_refused_is_said_in_words_and_tried_again(tmp_path: Path) -> None:
    def closed(_air: Air, device: Device) -> None:
        device.paired = device.knows_host = device.accepts_bonds = False

    async with rig(tmp_path, closed) as r:
        assert (await first_problem(r.supervisor)).reason is LinkReason.REFUSED
        assert "ready for pairing" in str(r.supervisor.problem)
        r.device.accepts_bonds = True
        await r.play_to_the_end()


async def test_a_bond_that_the_band_has_forgotten_is_made_anew(tmp_path: Path) -> None:
    def forgotten(_air: Air, device: Device) -> None:
        device.knows_host = False

    async with rig(tmp_path, forgotten) as r:
        await r.play_to_the_end()
        order = [what for _, what in r.air.done if what in ("unpair", "scan", "pair")]
        assert order == ["scan", "unpair", "scan", "pair"]


async def test_a_bond_is_made_anew_once_and_not_again_and_again() -> None:
    air = Air()
    device = air.add()
    device.knows_host = device.accepts_bonds = False
    link = BleLink(BleAdapter(air.radio()), device.address)
    with pytest.raises(LinkError) as caught:
        await link.connect(lambda _packet: None, lambda: None)
    assert caught.value.reason is LinkReason.REFUSED
    assert air.count("unpair") == 1


async def test_a_pairing_that_made_no_bond_is_not_told_as_a_bond_that_was_lost() -> None:
    air = Air()
    device = air.add()
    device.paired, device.knows_host, device.bonds_in_vain = False, False, True
    link = BleLink(BleAdapter(air.radio()), device.address)
    with pytest.raises(LinkError, match="no bond") as caught:
        await link.connect(lambda _packet: None, lambda: None)
    assert caught.value.reason is LinkReason.REFUSED
    assert air.count("unpair") == 0


def forgets(_air: Air, device: Device) -> None:
    """A band that has forgotten this computer, met by a real kernel."""
    device.knows_host = False
    device.is_cut_early = True


async def test_a_band_that_no_longer_knows_this_computer_is_told_so(tmp_path: Path) -> None:
    async with rig(tmp_path, forgets) as r:
        await until(lambda: reason(r) is LinkReason.BOND_LOST, 20)
        for advice in ("no longer knows", f"`tenuto forget {r.device.address}`", "`tenuto pair "):
            assert advice in str(r.supervisor.problem)
        await asyncio.sleep(600)
        assert reason(r) is LinkReason.BOND_LOST
        assert r.device.paired
        assert r.air.count("unpair") == r.air.count("pair") == 0, "it is a guess"
        r.device.knows_host = True
        await r.play_to_the_end()


async def test_what_comes_in_between_does_not_hide_it(tmp_path: Path) -> None:
    early = BleakError("failed to discover services, device disconnected")
    gone = BleakDeviceNotFoundError("C0:00:00:00:00:01", "gone")

    def mixed(air: Air, device: Device) -> None:
        forgets(air, device)
        air.fail("connect", early, IN_PROGRESS, CANCELED, gone, early, IN_PROGRESS)

    async with rig(tmp_path, mixed) as r:
        await until(lambda: r.air.count("connect") == 6, 60)
        await asyncio.sleep(1)
        assert reason(r) is LinkReason.BOND_LOST


async def test_a_link_that_ends_at_once_for_another_reason_is_not_blamed_on_the_bond(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tenuto")
    early = BleakError("failed to discover services, device disconnected")
    few = [early] * (ble_adapter.ENDED_EARLY_MAX - 1)
    async with rig(tmp_path, lambda air, _: air.fail("connect", *few)) as r:
        assert (await first_problem(r.supervisor)).reason is LinkReason.LOST
        await connected(r.daemon)
        r.air.fail("connect", *few)
        r.device.drop()
        await until(lambda: r.air.count("connect") == 2 * len(few) + 2, 60)
        await connected(r.daemon)
        assert r.air.count("unpair") == 0
        assert "bond_lost" not in caplog.text, "a good link in between begins anew"

    def stranger(air: Air, device: Device) -> None:
        device.paired = device.knows_host = False
        air.always("connect", early)

    async with rig(tmp_path / "new", stranger) as r:
        await until(lambda: r.air.count("connect") == 2 * ble_adapter.ENDED_EARLY_MAX, 120)
        assert reason(r) is LinkReason.LOST


async def test_who_asks_once_is_told_at_once() -> None:
    air = Air()
    device = air.add()
    forgets(air, device)
    link = BleLink(BleAdapter(air.radio()), device.address, by_hand=True)
    with pytest.raises(LinkError, match="no longer knows") as caught:
        await link.connect(lambda _packet: None, lambda: None)
    assert caught.value.reason is LinkReason.BOND_LOST
    assert air.count("connect") == ble_adapter.ENDED_EARLY_MAX


async def test_each_kind_of_failure_is_logged_once_in_an_outage(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "tenuto")
    told = [ABORT, IN_PROGRESS] * 8
    async with rig(tmp_path, lambda air, _: air.fail("connect", *told)) as r:
        for _ in range(2):
            await connected(r.daemon)
            lines = [line for line in caplog.messages if "reason=" in line]
            assert [line.split("reason=")[1].split()[0] for line in lines] == ["lost", "busy"]
            assert all(line.endswith("; trying again") for line in lines)
            caplog.clear()
            r.air.fail("connect", *told)
            r.device.drop()
            await asyncio.sleep(1)


async def test_an_adapter_that_is_full_says_so(tmp_path: Path) -> None:
    full = dbus("org.bluez.Error.Failed", "le-connection-concurrent-connection-limit")

    async with rig(tmp_path, lambda air, _: air.always("connect", full)) as r:
        assert (await first_problem(r.supervisor)).reason is LinkReason.FULL
        assert "5 to 20" in str(r.supervisor.problem)
        r.air.always("connect", None)
        await r.play_to_the_end()


# and then


async def test_a_service_that_has_ended_ends_the_link_with_the_next_packet(tmp_path: Path) -> None:
    """The objects are gone from D-Bus, and nothing says that the device is not connected."""
    gone = dbus(
        "org.freedesktop.DBus.Error.UnknownObject",
        'Method "WriteValue" with signature "aya{sv}" doesn\'t exist\n',
    )
    async with rig(tmp_path) as r:
        await connected(r.daemon)
        assert (await r.daemon.submit(Command(wearable="band", verb=Verb.START))).ok
        await asyncio.sleep(10)
        r.air.always("write", gone)
        r.air.always("scan", OFF)
        await until(lambda: not r.supervisor.connected.is_set(), ACK_AFTER_S + 20)
        r.air.always("write", None)
        r.air.always("scan", None)
        assert (await r.seen.ended()).reason == "finished"


async def test_a_packet_that_does_not_get_through_is_a_link_that_is_lost() -> None:
    air = Air()
    device = air.add()
    link = BleLink(BleAdapter(air.radio()), device.address)
    await link.connect(lambda _packet: None, lambda: None)
    for name in ("UnknownObject", "UnknownMethod"):
        air.fail("write", dbus(f"org.freedesktop.DBus.Error.{name}", "doesn't\n exist\n"))
        with pytest.raises(LinkError) as caught:
            await link.send(b"hello")
        assert caught.value.reason is LinkReason.LOST
        assert "\n" not in str(caught.value)
    await link.disconnect()


async def test_a_second_search_in_a_scan_that_runs_finds_what_the_first_one_has_heard() -> None:
    air = Air()
    device = air.add()
    device.is_steady = True
    adapter = BleAdapter(air.radio())
    other = asyncio.create_task(adapter.watch(lambda _sighting: False, 60), name="somebody else")
    for _ in range(3):
        await adapter.find(at_address(device.address), "the band", 5)
        await asyncio.sleep(2)
    assert air.count("scan") == 1
    await asyncio.sleep(ble_adapter.FRESH_S)
    with pytest.raises(LinkError):
        await adapter.find(at_address(device.address), "the band", 5)
    other.cancel()
    await asyncio.wait({other})
    assert (await adapter.find(at_address(device.address), "the band", 5)).found.name == "band"
    await adapter.close()


async def test_a_scan_that_begins_late_is_ended() -> None:
    air = Air()
    device = air.add()
    adapter = BleAdapter(air.radio())
    air.scan_start_s = 1.5 * ble_adapter.SCANNER_TIMEOUT_S
    with pytest.raises(LinkError) as caught:
        await adapter.find(at_address(device.address), "the band")
    assert caught.value.reason is LinkReason.TIMEOUT
    air.scan_start_s = 0.02
    await adapter.find(at_address(device.address), "the band")
    await asyncio.sleep(1)
    air.scan_start_s = 10 * ble_adapter.SCANNER_TIMEOUT_S
    for expected in (LinkReason.TIMEOUT, LinkReason.BUSY, LinkReason.BUSY):
        with pytest.raises(LinkError) as caught:
            await adapter.find(at_address(device.address), "the band")
        assert caught.value.reason is expected
    assert air.count("scan") == 3, "none is asked for while one is on its way"
    await adapter.close()


async def test_an_adapter_that_is_switched_off_and_on(tmp_path: Path) -> None:
    async with rig(tmp_path) as r:
        await connected(r.daemon)
        answer = await r.daemon.submit(Command(wearable="band", verb=Verb.START))
        assert answer.ok
        await asyncio.sleep(30)
        r.air.always("scan", OFF)
        r.device.drop()
        await asyncio.sleep(60)
        assert r.supervisor.problem is not None
        assert r.supervisor.problem.reason is LinkReason.ADAPTER_OFF
        assert "switch it on" in str(r.supervisor.problem)
        r.air.always("scan", None)
        assert (await r.seen.ended()).reason == "finished"
        assert r.supervisor.connected.is_set()


async def test_an_adapter_that_is_pulled_out_is_opened_anew(tmp_path: Path) -> None:
    air = Air()
    device = air.add()
    opened: list[ble_adapter.Radio] = []
    pulled = set[int]()

    async def open_radio() -> ble_adapter.Radio:
        number = len(opened)
        made = air.radio()
        opened.append(
            ble_adapter.Radio(
                scanner=made.scanner,
                client=made.client,
                lost=lambda: LinkError(LinkReason.NO_ADAPTER, "") if number in pulled else None,
            )
        )
        return opened[-1]

    adapter = BleAdapter(open_radio)
    link = BleLink(adapter, device.address)
    async with daemon_for(tmp_path / "history.db", {"band": link}) as (daemon, _):
        await connected(daemon)
        pulled.add(0)
        device.drop()
        await asyncio.sleep(5)
        assert len(opened) == 2
        assert daemon.supervisors["band"].connected.is_set()
    await adapter.close()


async def test_nobody_waits_for_the_two_seconds_of_a_disconnect(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with rig(tmp_path) as r:
        await connected(r.daemon)
        asked_s = loop.time()
    assert loop.time() - asked_s < 2
    assert r.air.count("disconnect") <= 1


async def test_who_comes_back_at_once_waits_for_the_disconnect_on_its_way() -> None:
    air = Air()
    device = air.add()
    link = BleLink(BleAdapter(air.radio()), device.address)
    for _ in range(3):
        await link.connect(lambda _packet: None, lambda: None)
        await link.disconnect()
    assert air.count("connect") == 3
