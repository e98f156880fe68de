# SPDX-License-Identifier: MIT
"""What is fuzzed: each target takes bytes from outside and must survive them.

A target raises nothing, whatever the bytes; it may say no by the errors that its contract names,
and those are caught here.  What is more, nothing that is refused may have changed anything, and
nothing may grow with what comes in.
"""

from __future__ import annotations

import asyncio
import hashlib
from binascii import crc32
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bumble import hci
from bumble.core import AdvertisingData

from tenuto import config, haptics, routine
from tenuto.compile import compile_routine
from tenuto.control.protocol import decode as decode_line
from tenuto.errors import ControlError, InputError
from tenuto.events import Record, SessionKey
from tenuto.heart import Measurement
from tenuto.links.bumble_backend import BumbleScanner
from tenuto.links.memory import MemoryBand, MemoryLink
from tenuto.links.scan import Found
from tenuto.mqtt.address import BrokerAddress
from tenuto.mqtt.topics import BadCommandError, parse_command, parse_setting
from tenuto.resources import Library
from tenuto.session import Tracker
from tenuto.wearables.band import BandDriver
from tenuto_core import cobs, vocab, wire
from tenuto_core.auth import Keyring
from tenuto_core.peer import ANSWERS_MAX, Peer
from tenuto_core.buzzer import Motor
from tenuto_core.log import RECORD_BYTES, unpack_record
from tenuto_core.plan import MAX_BYTES, Plan, PlanError
from tenuto_core.storage import Storage
from tests.core.rig import Wrist, crc_of, plan_id_of, score_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

PLAN = score_bytes()
CHARS_MAX = 500
NOW_UTC_MS = 1_800_000_000_000.0


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut bytes into packets, each led by its length."""
    at = 0
    while at < len(data):
        size = data[at]
        yield data[at + 1 : at + 1 + size]
        at += 1 + size


def joined(packets: Iterable[bytes]) -> bytes:
    """Undo `pieces`."""
    return b"".join(bytes((len(packet),)) + packet for packet in packets)


def said(error: Exception, chars_max: int | None = None) -> None:
    """A refusal must say something, but not as much as an attacker likes."""
    text = str(error)
    assert text
    assert chars_max is None or len(text) <= chars_max


def _state(wrist: Wrist) -> tuple[Any, ...]:
    band, player = wrist.band, wrist.player
    return (
        player.state,
        player.number,
        player.plan_id,
        player.session,
        wrist.log.next,
        len(wrist.motor.edges),
        band.pairing_until_ms,
        [kept and kept.plan_id for kept in band.shelf.places],
    )


def frames(data: bytes) -> None:
    """A trusted host's packets: whatever they are, the band goes on, and says so."""
    wrist = Wrist(PLAN)
    peer = Peer(wrist.band)
    for packet in pieces(data):
        before = _state(wrist)
        peer.receive(packet, wrist.now_ms)
        try:
            wire.decode(packet)
        except wire.WireError:
            assert _state(wrist) == before, "a frame that is none has changed something"
        assert len(peer._answers) <= ANSWERS_MAX
        wrist.run(7)
        for _ in range(20):
            if not peer.pull(wire.MAX_FRAME + 1, wrist.now_ms):
                break
    while peer.pull(wire.MAX_FRAME + 1, wrist.now_ms):
        wrist.run(1)
    peer.receive(wire.encode(wire.HELLO, 9), wrist.now_ms)
    (answer,) = wire.split(peer.pull(wire.MAX_FRAME + 1, wrist.now_ms))
    assert wire.decode(answer)[2][0] == vocab.OK


def stranger(data: bytes) -> None:
    """The packets of a host without a key: it can do nothing at all."""
    wrist = Wrist(PLAN)
    ring = Keyring(lambda text: hashlib.sha256(text).digest(), bytes, Storage())
    ring.add(b"k" * 16, False)
    wrist.band.keyring = ring
    peer = Peer(wrist.band)
    before = _state(wrist)
    for packet in pieces(data):
        peer.receive(packet, wrist.now_ms)
        told = peer.pull(wire.MAX_FRAME + 1, wrist.now_ms)
        for frame in wire.split(told) if told else ():
            assert frame[0] != wire.LOG, "a stranger reads the log"
        wrist.run(7)
    assert _state(wrist) == before, "a stranger has changed something"
    assert not peer.is_trusted


def plans(data: bytes) -> None:
    """The bytes of a plan, with their checksum put right: refused, or sound throughout."""
    body = bytes(data[: MAX_BYTES + 8])
    for whole in (body, body + (crc32(body) & 0xFFFFFFFF).to_bytes(4, "little")):
        try:
            plan = Plan(whole)
        except PlanError:
            continue
        for number in range(plan.steps):
            plan.step(number)
        wrist = Wrist(whole)
        assert wrist.do(vocab.START) in (vocab.OK, vocab.NO_PLAN)
        for _ in range(300):
            if wrist.band.due_ms is None:
                break
            wrist.run_to(max(wrist.band.due_ms, wrist.now_ms))
        wrist.do(vocab.STOP)


def uploads(data: bytes) -> None:
    """A plan sent in pieces that are not what was announced: all of it or nothing."""
    wrist = Wrist(PLAN)
    peer = Peer(wrist.band)
    before = wrist.player.plan_id
    begin = wire.encode(wire.UPLOAD_BEGIN, 1, b"otherone", max(1, len(data)), crc_of(data))
    peer.receive(begin, wrist.now_ms)
    at = 0
    for piece in pieces(data):
        at += len(piece)
        frame = wire.encode(wire.UPLOAD_CHUNK, 2, at & 0xFFFF, tail=piece[:200])
        peer.receive(frame, wrist.now_ms)
        peer.pull(wire.MAX_FRAME + 1, wrist.now_ms)
    peer.receive(wire.encode(wire.UPLOAD_COMMIT, 3, b"otherone"), wrist.now_ms)
    if wrist.player.plan_id != before:
        assert wrist.player.plan is not None
        assert crc_of(wrist.player.plan.data) == crc_of(data)


_loop = asyncio.new_event_loop()


def _in_loop(work: Callable[[], None]) -> None:
    async def main() -> None:
        work()

    _loop.run_until_complete(main())


def driver(data: bytes) -> None:
    """What a band, or whoever says that it is one, sends to the host."""

    def work() -> None:
        link = MemoryLink(MemoryBand(Motor()))
        band = BandDriver(link)
        taken: list[Record] = []

        def take(records: Any) -> bool:
            taken.extend(records)
            return len(taken) < 1_000

        band._records = take
        waiting = asyncio.get_running_loop().create_future()
        band._waiting[1] = waiting
        for packet in pieces(data):
            band._on_packet(packet)
        assert [record.seq for record in taken] == list(range(len(taken)))
        waiting.cancel()
        band._end_waits()

    _in_loop(work)


def records(data: bytes) -> None:
    """Records of a log: whatever they say, they become events or nothing."""
    for plan in (Plan(PLAN), None):
        tracker = Tracker(SessionKey("band", 1, 0), plan, plan_id_of(PLAN))
        for number in range(len(data) // RECORD_BYTES):
            record = Record(number, *unpack_record(data, number * RECORD_BYTES))
            for event in tracker.feed(record):
                assert event.t_ms >= 0
                assert repr(event)


def heart(data: bytes) -> None:
    """A value of 0x2A37."""
    try:
        measured = Measurement.from_bytes(data)
    except ValueError:
        return
    assert len(measured.rr_1024) <= 256
    assert Measurement.from_bytes(bytes(measured)) == measured


ADDRESS = hci.Address("C0:00:00:00:00:01")


@dataclass
class _Heard:
    data: AdvertisingData
    address: hci.Address
    rssi: int = -60


def advertisements(data: bytes) -> None:
    """What anybody may shout across the room."""
    found: list[Found] = []

    def on_found(device: BLEDevice, told: AdvertisementData) -> None:
        services = frozenset(told.service_uuids)
        found.append(Found(address=device.address, name=told.local_name, services=services))

    def work() -> None:
        scanner = BumbleScanner(on_found, None, "active")
        scanner.seen_devices = {}
        try:
            parsed = AdvertisingData.from_bytes(data)
        except Exception:  # noqa: BLE001 - bumble's own; the adapter never sees what it refuses
            return
        scanner.on_advertisement(_Heard(parsed, ADDRESS))  # type: ignore[arg-type]

    _in_loop(work)
    for one in found:
        assert one.can is not None
        assert Found.from_json(one.to_json()) == one


def toml(data: bytes) -> None:
    """The three files that people edit."""
    try:
        compile_routine(routine.parse(data, "routine.toml"), VOCABULARY)
    except InputError as error:
        said(error)
    try:
        haptics.parse(data, "haptics.toml", VOCABULARY)
    except InputError as error:
        said(error)
    try:
        config.parse(data, "tenuto.toml")
    except InputError as error:
        said(error)


VOCABULARY = Library().vocabulary()


def mqtt(data: bytes) -> None:
    """What anybody may publish to the topics that are listened to, and a broker's address."""
    try:
        command = parse_command("wrist", data, NOW_UTC_MS)
        assert 1_000 <= command.by_ms <= 600_000
    except BadCommandError as error:
        said(error, CHARS_MAX)
    for name in ("routine", "strength", "hold_time", "halfway", "countdown", "other"):
        try:
            parse_setting("wrist", name, data)
        except BadCommandError as error:
            said(error, CHARS_MAX)
    try:
        BrokerAddress.parse(data.decode("utf-8", "surrogateescape"))
    except InputError:
        return


def stream(data: bytes) -> None:
    """The bytes of a cable, in pieces of any size; what was packed comes out again after it."""
    unpacker = cobs.Unpacker(wire.MAX_FRAME + 1)
    for piece in pieces(data):
        for packet in unpacker.feed(piece):
            assert 0 < len(packet) <= wire.MAX_FRAME + 1
        assert len(unpacker._held) <= unpacker._most
    packet = bytes(data[: wire.MAX_FRAME]) or b"x"
    assert unpacker.feed(b"\x00" + cobs.pack(packet))[-1] == packet


def control(data: bytes) -> None:
    """A line on the daemon's socket."""
    try:
        assert isinstance(decode_line(data), dict)
    except ControlError:
        return


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        frames,
        stranger,
        plans,
        uploads,
        driver,
        records,
        heart,
        advertisements,
        toml,
        mqtt,
        stream,
        control,
    )
}
