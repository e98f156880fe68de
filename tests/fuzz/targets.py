# SPDX-License-Identifier: MIT
"""What is fuzzed: each target takes bytes from outside and must survive them.

A target raises nothing, whatever the bytes; it may say no by the errors that its contract names,
and those are caught here.  What is more, nothing that is refused may have changed anything, which
is looked at before and after, and no input may take long or much memory: see `tests.fuzz.limits`.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from bumble import hci
from bumble.core import AdvertisingData

from tenuto import config as configuration
from tenuto.control.protocol import decode as decode_line
from tenuto.cues import formats
from tenuto.cues.lint import lint
from tenuto.daemon.commands import MQTT, Requests
from tenuto.errors import ControlError, InputError, LinkError, LinkReason, TenutoError
from tenuto.history import Store, jsonlines
from tenuto.history.timeline import account
from tenuto.links.ble_adapter import BleAdapter
from tenuto.links.espruino import LINE_BYTES_MAX, EspruinoLink
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.links.radios.bumble import BumbleScanner
from tenuto.links.scan import Found
from tenuto.mqtt.address import parse_addresses
from tenuto.mqtt.inbox import Inbox
from tenuto.mqtt.leases import parse_claim
from tenuto.mqtt.management import parse_host_request
from tenuto.mqtt.topics import (
    BadCommandError,
    Topics,
    parse_class_command,
    parse_command,
    parse_setting,
)
from tenuto.routines import haptics as vocabulary, routine as routines
from tenuto.routines.compile import compile_routine
from tenuto.routines.library import Library
from tenuto.routines.sharing import shared, unshared
from tenuto.sessions.commands import Answer, Command, Preference, Verb
from tenuto.sessions.events import Record, SessionKey
from tenuto.sessions.heart import Measurement
from tenuto.sessions.tracker import Tracker
from tenuto.state.keys import KeyStore
from tenuto.wearables import registry
from tenuto.wearables.band import BandDriver
from tenuto.wearables.base import Identity
from tenuto.wearables.buttplug import VERSIONS, pack, unpack
from tenuto_core import buzzer, cobs, vocab, wire
from tenuto_core.auth import Keyring
from tenuto_core.band import Band
from tenuto_core.host_connection import ANSWERS_MAX, HostConnection
from tenuto_core.log import RECORD_BYTES, unpack_record
from tenuto_core.plan import MAX_BYTES, Plan, PlanError, check_pattern
from tenuto_core.plans import Kept
from tenuto_core.player import IDLE
from tenuto_core.storage import Storage
from tests.bangle.differential import Watch
from tests.core.rig import Memory, Wrist, crc_of, plan_id_of, score_bytes
from tests.fuzz import host_targets
from tests.fuzz.bytes_in import CHARS_MAX, PIECES_MAX, in_loop, loop, pieces, said

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from tenuto.links.base import Link

NOW_UTC_MS = 1_800_000_000_000.0


def with_checksum(data: bytes) -> bytes:
    """Add the CRC-32 that plans and journals end with: guessing it is no fuzzer's business."""
    return data + crc_of(data).to_bytes(4, "little")


_KEY = b"k" * 16


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


# --- the band

PLAN = score_bytes()
_OTHER = with_checksum(PLAN[:-4].replace(b"Bench", b"Other"))
_SOUND = Plan(PLAN)
_BOOKS = (
    "answers_dropped",
    "_answered",
    "_staged",
    "_staged_id",
    "_staged_crc",
    "_received",
)
"""What a band notes of what its hosts say: it may do so of what it refuses."""


def _wrist() -> Wrist:
    """Make a band with a plan in its hands and another on its shelf."""
    wrist = Wrist(log_records=64)
    shelf = wrist.band.shelf
    shelf._storage = Memory({"plan0": plan_id_of(_OTHER) + bytes(4) + _OTHER})
    shelf.places[0] = Kept(plan_id_of(_OTHER), 0, len(_OTHER), "Other")
    wrist.player.load(_SOUND, plan_id_of(PLAN))
    return wrist


def _state(wrist: Wrist) -> tuple[Any, ...]:
    """Give all that a band is, but for what it notes of its hosts."""
    band = vars(wrist.band).copy()
    for name in _BOOKS:
        del band[name]
    return (
        band,
        vars(wrist.player).copy(),
        wrist.log.next,
        wrist.log.acked,
        len(wrist.motor.edges),
        tuple(wrist.band.shelf.places),
        0 if wrist.band.keyring is None else wrist.band.keyring.count,
    )


_OBEYED = (vocab.OK, vocab.LOG_OVERRUN)
"""What an answer begins with when it did what was asked: the log, though it has lost its oldest."""
_PAUSES_MS = (7, 100, 400, 1_000, 3_000, 10_000, 30_000)
_PRESSES = (vocab.PRESS, vocab.DOUBLE_PRESS, vocab.LONG_PRESS)


def live(wrist: Wrist, data: bytes) -> Iterator[bytes]:
    """Let a wearer live, and give the packets that come meanwhile.

    A byte of at most `wire.MAX_FRAME` leads a packet of that length; of the others 7 are pauses,
    3 presses and the last 2 a heart beat.
    """
    at = 0
    for _ in range(PIECES_MAX):
        if at >= len(data):
            return
        size = data[at]
        at += 1
        if size <= wire.MAX_FRAME:
            yield data[at : at + size]
            at += size
            wrist.run(7)
        elif size < 251:
            wrist.run(_PAUSES_MS[size - 244])
        elif size < 254:
            wrist.press(_PRESSES[size - 251])
        else:
            wrist.beat(100, (600,))


def _told(peer: HostConnection, wrist: Wrist) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Give what the band says now, each frame as its op and its fields."""
    for _ in range(ANSWERS_MAX + wire.LOG_AHEAD_MAX):
        packet = peer.pull(wire.MAX_FRAME + 1, wrist.now_ms)
        if not packet:
            return
        for frame in wire.split(packet):
            op, _, fields, _ = wire.decode(frame)
            yield op, fields


def frames(data: bytes) -> None:
    """A trusted host's packets: whatever they are, the band goes on, and says so."""
    wrist = _wrist()
    peer = HostConnection(wrist.band)
    for packet in live(wrist, data):
        before = _state(wrist)
        peer.receive(packet, wrist.now_ms)
        after = _state(wrist)
        assert len(peer._answers) <= ANSWERS_MAX
        told = [(op, fields[0]) for op, fields in _told(peer, wrist) if op != wire.LOG]
        refused = [op for op, status in told if status not in _OBEYED]
        assert not refused or after == before, f"refused by {refused}, and yet it changed something"
    peer.receive(wire.encode(wire.HELLO, 9), wrist.now_ms)
    answers = [(op, fields[0]) for op, fields in _told(peer, wrist) if op != wire.LOG]
    assert answers == [(wire.HELLO | wire.ANSWER, vocab.OK)]
    wrist.press(vocab.LONG_PRESS)
    assert wrist.player.state == IDLE
    wrist.run(10_000)
    assert not wrist.motor.running


def stranger(data: bytes) -> None:
    """The packets of a host without a key, while somebody wears the band: it can do nothing."""
    wrist, alone = _wrist(), _wrist()
    wrist.band.keyring = Keyring(_sha256, bytes, Storage())
    wrist.band.keyring.add(_KEY, False)
    peer = HostConnection(wrist.band)
    for packet in live(wrist, data):
        before = _state(wrist)
        peer.receive(packet, wrist.now_ms)
        assert _state(wrist) == before, "a stranger has changed something"
        for op, _ in _told(peer, wrist):
            assert op != wire.LOG, "a stranger reads the log"
    assert not peer.is_trusted
    for _ in live(alone, data):
        pass
    assert wrist.motor.edges == alone.motor.edges
    assert wrist.records() == alone.records()


def flash(data: bytes) -> None:
    """What a board finds in its memory after a reset, maybe from the middle of writing it."""
    found = dict(zip(("plan0", "keys", "journal"), pieces(data), strict=False))
    if "plan0" in found:
        found["plan0"] = found["plan0"][:12] + with_checksum(found["plan0"][12:])
    if "journal" in found:
        found["journal"] = with_checksum(found["journal"])
    storage = Memory(found)
    keys = Keyring(_sha256, bytes, storage)
    band = Band(
        buzzer.Motor(), 1, "bench", 0, 64, storage, keyring=keys, cause=vocab.CAUSE_WATCHDOG
    )
    now_ms = 0
    for _ in range(50):
        if band.due_ms is None:
            break
        now_ms = max(now_ms, band.due_ms)
        band.advance(now_ms)
        band.settle(now_ms)
    assert band.player.receive(vocab.STOP, 0, vocab.BY_HOST, now_ms) in (
        vocab.OK,
        vocab.NOT_PLAYING,
    )


def plans(data: bytes) -> None:
    """The bytes of a plan, as they are and with their checksum put right: refused, or sound."""
    body = bytes(data[: MAX_BYTES + 8])
    for whole in (body, with_checksum(body)):
        try:
            plan = Plan(whole)
        except PlanError as error:
            said(error, CHARS_MAX)
            continue
        for number in range(plan.steps):
            plan.step(number)
        wrist = Wrist(log_records=64)
        wrist.player.load(plan, plan_id_of(whole))
        assert wrist.do(vocab.START) == vocab.OK
        for _ in range(300):
            if wrist.band.due_ms is None:
                break
            wrist.run_to(max(wrist.band.due_ms, wrist.now_ms))
        wrist.do(vocab.STOP)


def uploads(data: bytes) -> None:
    """A plan sent in pieces that are not what was announced: all of it or nothing.

    The first byte is how long it is said to be; the checksum is that of so much of the rest.
    """
    wrist = _wrist()
    peer = HostConnection(wrist.band)
    before = _state(wrist)
    size = data[0] if data else 0
    body = data[1:]
    sent = b"".join(piece[:200] for piece in pieces(body))
    begin = wire.encode(wire.UPLOAD_BEGIN, 1, b"otherone", size, crc_of(sent[:size]))
    peer.receive(begin, wrist.now_ms)
    at = 0
    for piece in pieces(body):
        chunk = wire.encode(wire.UPLOAD_CHUNK, 2, at & 0xFFFF, tail=piece[:200])
        peer.receive(chunk, wrist.now_ms)
        *_, (_, (_, received)) = _told(peer, wrist)
        at = received + len(piece) % 2  # now and then not what it asks for
    peer.receive(wire.encode(wire.UPLOAD_COMMIT, 3, b"otherone"), wrist.now_ms)
    *_, (_, (status,)) = _told(peer, wrist)
    assert (wrist.player.plan_id == b"otherone") == (status == vocab.OK)
    if status != vocab.OK:
        assert _state(wrist) == before


# --- the host

_ANSWERS_MAX = 3_000
"""More than the longest plan has chunks; who goes on asking after that asks for ever."""


_SHAPES = {
    op: (sum(size for _, size in fields), has_tail)
    for op, (_, fields, has_tail) in ((op, wire.FRAMES[op]) for op in wire.FRAMES)
}
"""The bytes of an answer's fields, and whether more may follow."""


class _Liar:
    """A link to something that answers each request at once, and with whatever the bytes say."""

    def __init__(self, data: bytes) -> None:
        self.name = "liar"
        self.firmware: str | None = None
        self.packet_bytes = 244
        self._answers = [piece for piece in pieces(data) if piece]
        self._count = 0

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        self._on_packet, self._on_lost = on_packet, on_lost

    async def send(self, packet: bytes) -> None:
        if not self._answers:
            raise LinkError(LinkReason.LOST, "it is gone")
        answer = self._answers[self._count % len(self._answers)]
        self._count += 1
        assert self._count < _ANSWERS_MAX, "the host asks again and again"
        op, tag = packet[0] | wire.ANSWER, packet[1]
        if answer[0] >= 0xF0:  # a frame of any kind
            frame = bytes((answer[0],)) + answer[1:]
        elif op in _SHAPES:  # the right answer, with anything in it
            size, has_tail = _SHAPES[op]
            frame = bytes((op, tag)) + answer[:size].ljust(size, b"\x00")
            frame += answer[size:] if has_tail else b""
        else:
            return
        if len(frame) <= wire.MAX_FRAME:
            self._on_packet(bytes((len(frame),)) + frame)

    async def disconnect(self) -> None:
        pass


def answers(data: bytes) -> None:
    """What a band, or whoever says that it is one, answers to what the host asks.

    The first byte says what that is, apart from what it asks to begin with.
    """

    if not data:
        return

    async def work() -> None:
        link: Link = _Liar(data[1:])
        keys = KeyStore(None).of("wrist")
        keys.offer(Identity("liar", 1, MAX_BYTES), _KEY, by_cable=False)
        driver = BandDriver(link, keys=keys, utc_ms=lambda: NOW_UTC_MS)
        asked = (
            driver.status,
            driver.stats,
            driver.clock,
            driver.kept_plans,
            lambda: driver.read_plan(b"otherone"),
            lambda: driver.upload(b"otherone", PLAN[:60]),
            lambda: driver.command(Verb.START, b"otherone"),
            lambda: driver.follow(0, lambda _: True, lambda _first, _end: None),
        )
        for ask in (lambda: driver.connect(lambda: None), asked[data[0] % len(asked)]):
            try:
                assert repr(await ask())
            except TenutoError as error:
                said(error, CHARS_MAX)
        await asyncio.sleep(0)  # for the callbacks of the last answer
        assert not driver._waiting
        await driver.disconnect()

    in_loop(work())


def driver(data: bytes) -> None:
    """What a band says unasked: pieces of its log, in any order."""

    async def work() -> None:
        link = InProcessLink(InProcessBand(buzzer.Motor()))
        band = BandDriver(link)
        taken: list[Record] = []

        def take(records: Any) -> bool:
            taken.extend(records)
            return len(taken) < 1_000

        band._records = take
        waiting = loop.create_future()
        band._waiting[wire.STATE, 1] = waiting
        for packet in pieces(data):
            before = len(taken), band._next_seq
            broken = band.frames_broken
            band._on_packet(packet)
            assert len(band._helpers) <= 2
            if band.frames_broken > broken and not _begins_well(packet):
                assert (len(taken), band._next_seq) == before
        assert [record.seq for record in taken] == list(range(len(taken)))
        waiting.cancel()
        band._end_waits()

    in_loop(work())


def _begins_well(packet: bytes) -> bool:
    """Tell whether a packet has a good frame before a broken one."""
    try:
        wire.decode(wire.split(packet)[0])
    except wire.WireError:
        return False
    return True


def records(data: bytes) -> None:
    """Records of a log: whatever they say, they become events or nothing."""
    for plan in (_SOUND, None):
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
    except ValueError as error:
        said(error, CHARS_MAX)
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

    async def work() -> None:
        scanner = BumbleScanner(on_found, None, "active")
        scanner.seen_devices = {}
        try:
            parsed = AdvertisingData.from_bytes(data)
        except Exception:  # noqa: BLE001 - bumble's own; the adapter never sees what it refuses
            return
        scanner.on_advertisement(_Heard(parsed, ADDRESS))  # type: ignore[arg-type]
        assert len(scanner.seen_devices) == len(found)

    in_loop(work())
    for one in found:
        model = registry.recognize(one)
        assert registry.to_json(one, model)["address"] == one.address
        assert Found.from_json(one.to_json()) == one


def stream(data: bytes) -> None:
    """The bytes of a cable, in pieces of any size; what was packed comes out again after it."""
    unpacker = cobs.Unpacker(wire.MAX_FRAME + 1)
    for piece in pieces(data):
        for packet in unpacker.feed(piece):
            assert 0 < len(packet) <= wire.MAX_FRAME + 1
        assert len(unpacker._held) <= unpacker._most
    packet = bytes(data[: wire.MAX_FRAME]) or b"x"
    assert unpacker.feed(b"\x00" + cobs.pack(packet))[-1] == packet


def console(data: bytes) -> None:
    """What a watch's console prints, in pieces of any size; a frame that comes after is whole."""
    told: list[bytes] = []
    link = EspruinoLink(BleAdapter(), "watch")
    link._on_packet = told.append
    link._console._on_line = link._on_line
    for piece in pieces(data):
        link._console._take(piece)
        assert len(link._console._held) <= LINE_BYTES_MAX
    for packet in told:
        assert packet[0] == len(packet) - 1 >= 2
    frame = wire.encode(wire.HELLO, 7)
    link._console._take(b"\n~" + base64.b64encode(frame) + b"\r\n")
    assert told[-1] == bytes((len(frame),)) + frame


_WATCH = None


def watch(data: bytes) -> None:
    """Frames to the app of a watch, of a host that has its key; it goes on to answer."""
    global _WATCH  # noqa: PLW0603 - made once, as it takes a while
    if _WATCH is None:
        _WATCH = Watch(1)
    made = _WATCH
    for packet in pieces(data):
        made.ask(packet)
        made.js.advance(made.js.now_ms + 1_000)
    answer = wire.decode(made.ask(wire.encode(wire.HELLO, 7)))
    assert answer[0] == wire.HELLO | wire.ANSWER
    assert made.js.loads == 1
    made.js.edges.clear()
    made.heard.clear()


VOCABULARY = Library().vocabulary()


def routine(data: bytes) -> None:
    """A routine, with or without its mistakes."""
    try:
        compiled = compile_routine(routines.parse(data, "routine.toml"), VOCABULARY)
    except InputError as error:
        said(error)
        return
    assert len(compiled.data) <= MAX_BYTES


def word(data: bytes) -> None:
    """A shared routine as it is pasted."""
    try:
        found = unshared(data.decode(errors="replace"))
    except InputError as error:
        said(error)
        return
    assert unshared(shared(found))


def haptics(data: bytes) -> None:
    """A vocabulary."""
    try:
        lint(vocabulary.parse(data, "haptics.toml", VOCABULARY))
    except InputError as error:
        said(error)


def patterns(data: bytes) -> None:
    """A pattern of another platform, in whatever format it may be."""
    text = data.decode(errors="replace")
    for name in formats.FORMATS:
        try:
            found, _ = formats.read(name, text)
        except InputError as error:
            said(error)
            continue
        check_pattern(found, "")
        assert formats.write(name, found)


def config(data: bytes) -> None:
    """A configuration."""
    try:
        configuration.parse(data, "tenuto.toml")
    except InputError as error:
        said(error)


_TABLES = (
    *("plans", "exercises", "persons", "known_boots", "sessions", "records", "host_events"),
    *("deleted", "cue_results", "prescriptions", "deleted_results", "deleted_persons", "outlines"),
)


async def _history() -> Store:
    """Open a history that need not outlive this process, once."""
    if not _histories:
        folder = TemporaryDirectory(prefix="fuzz-")
        store = Store(Path(folder.name) / "history.db")
        await store.open()
        await store.work(lambda db: db.execute("PRAGMA synchronous = OFF"))
        _histories.append((folder, store))
    return _histories[0][1]


_histories: list[tuple[TemporaryDirectory[str], Store]] = []


def imports(data: bytes) -> None:
    """A history that somebody exported: all of it, and then it can be shown, or nothing."""

    def count(db: sqlite3.Connection) -> int:
        return sum(db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _TABLES)  # noqa: S608

    def clear(db: sqlite3.Connection) -> None:
        for name in reversed(_TABLES):
            db.execute(f"DELETE FROM {name}")  # noqa: S608

    def join(db: sqlite3.Connection) -> None:
        """Take it as what a host of a fleet sends, and then take it back."""
        db.execute("BEGIN")
        try:
            jsonlines.join_lines(db, data.decode(errors="replace").splitlines(), "parcel")
        except InputError as error:
            said(error)
        finally:
            db.execute("ROLLBACK")

    async def work() -> None:
        store = await _history()
        await store.work(join)
        try:
            await jsonlines.read_lines(store, data.decode(errors="replace").splitlines(), "history")
        except InputError as error:
            said(error)
            assert not await store.work(count)
            return
        for row in await store.sittings():
            sitting = await store.sitting(row.id)
            assert sitting is not None
            for session in (sitting, *sitting.parts):
                assert repr(account(session))
        await jsonlines.write_lines(store, lambda _: None)
        await store.work(clear)

    in_loop(work())


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
    for name in ("command", "log_level", "pairing", "other"):
        try:
            asked = parse_host_request(name, data, NOW_UTC_MS)
            assert asked.name in ("restart", "log_level", "pairing")
        except BadCommandError as error:
            said(error, CHARS_MAX)
    try:
        assert parse_class_command(data, NOW_UTC_MS).verb
    except BadCommandError as error:
        said(error, CHARS_MAX)
    try:
        assert parse_claim(data).number >= 1
    except ValueError as error:
        said(error, CHARS_MAX)
    try:
        assert parse_addresses(data.decode("utf-8", "surrogateescape"))
    except InputError as error:
        said(error)


def inbox(data: bytes) -> None:
    """Messages of whoever may publish, one after the other: obeyed once, or refused with reason."""
    obeyed: list[Command | Preference] = []
    told: list[Answer] = []

    async def obey(asked: Command | Preference, _: int) -> str:
        obeyed.append(asked)
        return ""

    async def work() -> None:
        requests = Requests(obey)
        box = Inbox(
            submit=lambda asked: requests.submit(asked, MQTT),
            answer=lambda _wearable, _word, answer: told.append(answer),
            utc_ms=lambda: NOW_UTC_MS,
        )
        box.set_wearables(["wrist", "waist"])
        topics = Topics("tenuto")
        count = 0
        for message in pieces(data):
            topic, _, payload = message.partition(b"\x00")
            asked = topics.asked("tenuto/" + topic[1:].decode(errors="replace"))
            if asked is None:
                continue
            box.take(*asked, payload, retained=topic[:1] == b"r")
            count += 1
            assert len(box.tasks) <= count
        for task in list(box.tasks):
            await task
        assert len(told) <= count
        for answer in told:
            assert answer.ok or (answer.text and len(answer.text) <= CHARS_MAX)
        known = [one for one in obeyed if isinstance(one, Command) and one.id]
        assert len(set(known)) == len(known)

    in_loop(work())


def control(data: bytes) -> None:
    """A line on the daemon's socket."""
    try:
        assert isinstance(decode_line(data), dict)
    except ControlError as error:
        said(error, CHARS_MAX)


def buttplug(data: bytes) -> None:
    """What a Buttplug server may say."""
    try:
        messages = unpack(data.decode(errors="replace"))
    except ValueError as error:
        said(error)
        return
    for message in messages:
        assert 0 <= message.id <= 0xFFFFFFFF
        for version in VERSIONS:
            for device in version.devices(message) or ():
                assert device.name.isprintable()
                for sent in (*version.vibrate(device, 0.5), version.stop(device)):
                    assert unpack(pack([sent])) == [sent]


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        frames,
        stranger,
        flash,
        plans,
        uploads,
        answers,
        driver,
        records,
        heart,
        advertisements,
        stream,
        console,
        watch,
        routine,
        word,
        haptics,
        patterns,
        config,
        imports,
        mqtt,
        inbox,
        control,
        buttplug,
        *host_targets.TARGETS,
    )
}
