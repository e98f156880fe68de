# SPDX-License-Identifier: MIT
"""The driver for a Tenuto band: it speaks `tenuto_core.wire` over any link."""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from binascii import crc32
from dataclasses import dataclass, replace
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, TypeAlias

from tenuto.errors import LinkError, LinkReason, RefusedError
from tenuto.sessions.events import RECORD_SEQ_MAX, Record
from tenuto_core import auth, player, vocab, wire
from tenuto_core.device_requests import NO_PLAN_ID
from tenuto_core.heart import RR_MAX
from tenuto_core.log import RECORD_BYTES, unpack_record
from tenuto_core.plan import MAX_BYTES

from .base import Identity, KeptPlan, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from tenuto.links.base import Link
    from tenuto.sessions.commands import Verb
    from tenuto.state.keys import BandKeys

_log = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 2.0
"""A few connection events of a slow link; a write took up to 0.3 s on Linux."""
TRIES = 3
CHUNKS_IN_FLIGHT = 4
"""The wearable holds 8 packets that it has not looked at yet; half of that is safe."""
ACK_EVERY_RECORDS = wire.LOG_AHEAD_MAX // 2
"""After so many the band is told at once, so that it need not stop."""
ACK_AFTER_S = wire.LOG_RESEND_MS / 1000 - 2
"""Else after this time, which a slow link may draw out before the band sends all of it again; a
beat a second then takes half the packets that a second would take."""
ROOM_AFTER_S = 0.3
"""When nobody here has room for more of the log: the history writes a few times a second."""
BUSY_TRIES = 10
BUSY_AFTER_S = 0.4
BONDS_PCT_MAX = 80
OLDEST_PROTOCOL = 1
GESTURE = "press its button twice and once more for a second, until it buzzes long, short, long"
_STATS_ANSWER = wire.STATS | wire.ANSWER
_CHUNK_HEADER = 4
_PLAN_PIECES_MAX = MAX_BYTES // (wire.MIN_FRAME - 7) + 1
"""Each but the last fills a frame, of which the answer's head takes 7 bytes."""


def _nothing() -> None:
    pass


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()


def _address(told: bytes) -> str | None:
    """Read the address of `identity_answer`."""
    return told[5::-1].hex(":").upper() if any(told) else None


_Answer: TypeAlias = tuple[int, tuple[Any, ...], bytes]
"""Op, fields and tail of an answer; one field of `state_answer` is bytes, all others are int."""


@dataclass(frozen=True, slots=True)
class Stats:
    """How a band has fared since it started.

    Attributes:
        cause: Why it started, one of `vocab.CAUSES`.
        plans, keys: How many it keeps.
        bonds_pct: How full its store of bonds may be, an estimate, None where it is not known; a
            full one forgets all bonds.
        cues: How many were given.
        late_worst_ms, late_p99_ms: How late they were.
        records_lost: Records that were overwritten before any host had them.
        withheld: What was not felt, to spare the motor.
        answers_dropped: Answers that were lost, because a host asked faster than it listened.
        minute_on_ms: How long the motor ran in the last minute.
        journal_writes: Writes of the journal to its flash.
        utc_s: Its UTC, None where it was not told.
    """

    cause: str
    plans: int
    keys: int
    bonds_pct: int | None
    cues: int
    late_worst_ms: int
    late_p99_ms: int
    records_lost: int
    withheld: int
    answers_dropped: int
    minute_on_ms: int
    journal_writes: int
    utc_s: int | None


class BandDriver:
    """One Tenuto band on one link; see `base.Driver`.

    Requests go one at a time. Each is repeated up to `TRIES` times when its answer is missing,
    which is safe because the band answers a repeated request without doing it again.

    Args:
        keys: Those that this host has handed to the band, None to have none; over the air it gets
            one where its wearer lets this host in.
        by_cable: Whether the link is a cable, where it gets one by `provision` alone.
        by_hand: Whether a person pairs with it just now: a lost bond is made anew, and by cable a
            band that has lost its key may get another one.
        on_wait: Called when the wearer is waited for.
        utc_ms: UTC of now in ms since 1970, for the band; None to tell it nothing.
        gesture: What its wearer does to let a host in.

    Attributes:
        is_new: Whether the band got a key when it was reached last.
    """

    hosts_player = False

    def __init__(
        self,
        link: Link,
        *,
        keys: BandKeys | None = None,
        by_cable: bool = False,
        by_hand: bool = False,
        on_wait: Callable[[], None] | None = None,
        utc_ms: Callable[[], float] | None = None,
        gesture: str = GESTURE,
    ) -> None:
        self.name = link.name
        self._link = link
        self._keys = keys
        self._by_cable = by_cable
        self._by_hand = by_hand
        self._on_wait = on_wait or self._log_wait
        self._utc_ms = utc_ms
        self._gesture = gesture
        self._identity: Identity | None = None
        self.is_new = False
        self.features = 0
        self._on_lost: Callable[[], None] = _nothing
        self._turn = asyncio.Lock()
        self._tag = 0
        self._waiting: dict[tuple[int, int], asyncio.Future[_Answer]] = {}
        """By the op and the tag of what was asked."""
        self._records: Callable[[Sequence[Record]], bool] | None = None
        self._gap: Callable[[int, int], None] = lambda _first, _end: None
        self._next_seq = 0
        self._acked_seq = 0
        self._ask_after_s: float | None = None
        self._ack_timer: asyncio.TimerHandle | None = None
        self._helpers: set[asyncio.Task[None]] = set()
        self.frames_broken = 0
        self.heard_s = -math.inf

    # --- the link

    async def connect(self, on_lost: Callable[[], None]) -> Identity:
        """Reach the band and see that it speaks a version known here."""
        self._on_lost = on_lost
        if hasattr(self._link, "may_bond"):  # others know no bonds
            self._link.may_bond = self._by_hand or self._keys is None or not self._keys.is_bonded
        await self._link.connect(self._on_packet, self._lost)
        try:
            if self._link.packet_bytes < wire.MIN_FRAME:
                raise LinkError(
                    LinkReason.PROTOCOL,
                    f"the link to {self.name} carries {self._link.packet_bytes} bytes a packet, "
                    f"Tenuto needs {wire.MIN_FRAME}",
                )
            values, tail = await self._ask(wire.HELLO)
            _, protocol, boot_id, plan_bytes_max, _, _, self.features = values
            if not OLDEST_PROTOCOL <= protocol <= wire.VERSION:
                raise LinkError(
                    LinkReason.PROTOCOL,
                    f"{self.name} speaks protocol {protocol}, this host {wire.VERSION}: "
                    "update the older of the two",
                )
            identity = Identity(
                tail.decode(errors="replace"),
                boot_id,
                plan_bytes_max,
                firmware=self._link.firmware,
                plan_version=2 if self.features & wire.FEATURE_PLAN_2 else 1,
                open_holds=bool(self.features & wire.FEATURE_OPEN_HOLDS),
            )
            if self.features & wire.FEATURE_IDENTITY:
                (_, address), serial = await self._ask(wire.IDENTITY)
                identity = replace(
                    identity,
                    serial=serial.decode("ascii", errors="replace") or None,
                    address=_address(address),
                )
            self._identity = identity
            self.is_new = False
            await self._gain_trust(identity)
            await self._care()
        except RefusedError as error:
            await self.disconnect()
            raise LinkError(LinkReason.REFUSED, str(error)) from error
        except BaseException:
            await self.disconnect()
            raise
        return identity

    async def _gain_trust(self, identity: Identity) -> None:
        """Have the band prove that it is the one known here, or hand a first key to a new one.

        Where it was given a key before, what it tells of itself does not matter: it proves a key,
        or it is told nothing more.
        """
        keys = self._keys
        if keys is None or not keys.is_known(identity):
            if self.features & wire.FEATURE_KEYS:
                await self._be_let_in(identity, pairs=keys is not None and not self._by_cable)
        elif not (self._by_hand and self._by_cable):
            await self._demand_proof(keys, identity)

    async def _be_let_in(self, identity: Identity, *, pairs: bool) -> None:
        """Get into a band that no key of this host is known to be good for.

        Args:
            pairs: Whether to hand over a key where the wearer lets that happen.
        """
        is_asked = self.features & wire.FEATURE_LOCKED or (
            pairs and self.features & wire.FEATURE_OPEN
        )
        # The answer to a key that was handed over may have been lost.
        if is_asked and await self._prove_any(identity):
            return
        if pairs and self.features & wire.FEATURE_OPEN:
            await self.provision()
        elif self.features & wire.FEATURE_LOCKED:
            if self.features & wire.FEATURE_CABLE_ONLY:
                raise LinkError(
                    LinkReason.REFUSED,
                    f"{self.name} does not know this computer and takes keys by cable only: "
                    "plug it in and run `tenuto pair --cable`",
                )
            # Only a link that is made after the gesture is let in: this one is of no more use.
            self._on_wait()
            raise LinkError(
                LinkReason.NOT_PAIRED, f"{self.name} does not know this host: {self._gesture}"
            )

    def _log_wait(self) -> None:
        _log.info("wearable=%s waits for its wearer: press, press and hold", self.name)

    async def _demand_proof(self, keys: BandKeys, identity: Identity) -> None:
        advice = f"`tenuto forget {self.name}` and then `tenuto pair {self.name}`"
        if not self.features & wire.FEATURE_KEYS:
            why = "its firmware knows no keys"
            advice = "`tenuto firmware install` renews it"
        else:
            try:
                if await self._prove_any(identity):
                    return
            except RefusedError as error:
                if error.reason == vocab.STATUSES[vocab.BUSY]:
                    raise
                why = str(error)
            else:
                has_key = bool(keys.held(identity))
                why = f"it {'does not know its key' if has_key else 'tells another serial number'}"
            if self._by_cable or self.features & wire.FEATURE_CABLE_ONLY:
                advice = "plug it in and run `tenuto pair --cable`"
        raise LinkError(
            LinkReason.UNPROVEN,
            f"{self.name} is not the wearable that this computer knows: {why}; it was told "
            f"nothing. If it is yours and was reset, or got another firmware: {advice}",
        )

    async def _prove_any(self, identity: Identity) -> bool:
        """Prove one of the keys that the band may have."""
        keys = self._keys
        held = [] if keys is None else keys.held(identity)
        for key in held:
            if await self._prove(key):
                if keys is not None:
                    keys.settle(identity, key, over_air=not self._by_cable)
                return True
        return False

    async def _prove(self, key: bytes) -> bool:
        """Prove a key to the band, and have it prove the same.

        A proof is good for one try, so without an answer the next one is for new random bytes.
        """
        for _ in range(TRIES):
            try:
                return await self._prove_once(key)
            except LinkError as error:
                if error.reason is not LinkReason.TIMEOUT:
                    raise
        raise LinkError(LinkReason.TIMEOUT, f"{self.name} does not answer")

    async def _prove_once(self, key: bytes) -> bool:
        host_nonce = secrets.token_bytes(auth.NONCE_BYTES)
        key_id = auth.key_id(_digest, key)
        values, _ = await self._ask(wire.CHALLENGE, key_id, host_nonce, tries=1)
        if values[0] == vocab.NOT_PROVEN:
            return False
        self._check(values[0], f"{self.name} takes no proof")
        band_nonce = values[1]
        proof = auth.host_proof(_digest, key, host_nonce, band_nonce)
        values = await self._ask_when_quiet(wire.PROOF, proof, tries=1)
        if values[0] == vocab.NOT_PROVEN:
            return False
        self._check(values[0], f"{self.name} takes no proof")
        return compare_digest(values[1], auth.band_proof(_digest, key, host_nonce, band_nonce))

    async def provision(self) -> None:
        """Hand a key to the band, a new one or that of the fleet, and see that it has it.

        From then on a link over the air needs a key.  It takes the place of the one that this host
        has handed over before, and if it comes by cable of all that came over the air.

        The key is kept before it goes and until the band has proven it, beside the one before, so
        that a link that breaks in the midst leaves one that is good.

        Raises:
            LinkError: The link broke, or the key cannot be kept on this host.
            RefusedError: The band takes no key just now; nothing changed.
        """
        keys, identity = self._keys, self._identity
        if keys is None or identity is None:
            raise LinkError(LinkReason.LOST, f"{self.name} is not connected")
        if self._by_cable:
            await self._prove_any(identity)  # it will be replaced
        key = keys.fresh()
        keys.offer(identity, key, by_cable=self._by_cable)
        try:
            values = await self._ask_when_quiet(wire.KEY_SET, key)
            self._check(values[0], f"{self.name} takes no key")
        except RefusedError:
            keys.withdraw(identity)
            raise
        if not await self._prove(key):
            raise LinkError(LinkReason.PROTOCOL, f"{self.name} took a key and does not know it")
        keys.settle(identity, key, over_air=not self._by_cable)
        self.is_new = True

    async def forget_others(self) -> None:
        """Have the band forget all keys but the one of this host, which it has just been given.

        It must have told `wire.FEATURE_FORGETS`.

        Raises:
            LinkError: The link broke.
            RefusedError: It does not do it just now; nothing changed.
        """
        status, _ = await self._ask_when_quiet(wire.KEYS_FORGET)
        self._check(status, f"{self.name} does not forget the other keys")

    async def _ask_when_quiet(
        self, op: int, *values: int | bytes, tries: int = TRIES
    ) -> tuple[Any, ...]:
        """Ask for something that the band does between two cues only."""
        for _ in range(BUSY_TRIES):
            fields, _ = await self._ask(op, *values, tries=tries)
            if fields[0] != vocab.BUSY:
                break
            await asyncio.sleep(BUSY_AFTER_S)
        return fields

    async def _care(self) -> None:
        """Tell the band what time it is, and say what a person should know about it."""
        if self._utc_ms is not None and self.features & wire.FEATURE_TIME:
            device_ms, before_s, after_s = await self.clock()
            now_s = asyncio.get_running_loop().time()
            utc_ms = round(self._utc_ms() - (now_s - (before_s + after_s) / 2) * 1000)
            await self._ask(wire.TIME_SET, device_ms, utc_ms // 1000, utc_ms % 1000)
        if self.features & wire.FEATURE_STATS:
            bonds_pct = (await self.stats()).bonds_pct
            if bonds_pct is not None and bonds_pct >= BONDS_PCT_MAX:
                _log.warning(
                    "wearable=%s bonds_pct=%d: its store of bonds is nearly full, and then it "
                    "forgets them all; it has to be paired again then",
                    self.name,
                    bonds_pct,
                )

    async def stats(self) -> Stats:
        """Ask how it has fared since it started.

        Raises:
            LinkError: No answer.
            RefusedError: It is too old to know.
        """
        values, _ = await self._ask(wire.STATS)
        told = dict(zip((name for name, _ in wire.FRAMES[_STATS_ANSWER][1]), values, strict=True))
        del told["status"]
        cause = told["cause"]
        known = cause < len(vocab.CAUSES)
        told["cause"] = vocab.CAUSES[cause] if known else f"unknown_{cause}"
        if told["bonds_pct"] > 100:
            told["bonds_pct"] = None
        if told["utc_s"] == wire.NO_UTC:
            told["utc_s"] = None
        return Stats(**told)

    async def kept_plans(self) -> Sequence[KeptPlan]:
        """Ask which plans it keeps, by places counted from 0.

        Raises:
            LinkError: No answer.
            RefusedError: It is too old to know.
        """
        found, place, places = [], 0, 1
        while place < places:
            (status, places, _, plan_id, size), tail = await self._ask(wire.PLAN_LIST, place)
            if status == vocab.OK:
                found.append(KeptPlan(place, plan_id, size, tail.decode(errors="replace")))
            place += 1
        return found

    async def disconnect(self) -> None:
        """Let go of the link and of everything that waits on it."""
        self._on_lost = _nothing
        self._end_waits()
        await self._link.disconnect()

    async def close(self) -> None:
        """See `base.Driver`."""
        await self.disconnect()

    def _lost(self) -> None:
        on_lost, self._on_lost = self._on_lost, _nothing
        self._end_waits()
        on_lost()

    def _end_waits(self) -> None:
        self._records = None
        if self._ack_timer is not None:
            self._ack_timer.cancel()
            self._ack_timer = None
        for task in self._helpers:
            task.cancel()
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(LinkError(LinkReason.LOST, f"{self.name}: the link broke"))
                waiting.exception()  # seen here, in case nobody waits any more

    # --- requests

    async def status(self) -> Status:
        """Ask what the band does; see `base.Driver`."""
        values, _ = await self._ask(wire.STATE)
        _, state, step, battery, plan_id, session, now_ms, elapsed, duration, first, end = values
        return Status(
            state=player.STATES[state] if state < len(player.STATES) else f"unknown_{state}",
            step=None if step == vocab.NO_STEP else step,
            battery_pct=battery if battery <= 100 else None,
            plan_id=None if plan_id == NO_PLAN_ID else plan_id,
            session=None if session == wire.NO_SESSION else session,
            now_ms=now_ms,
            elapsed_ms=elapsed,
            duration_ms=duration,
            log_first=first,
            log_next=end,
        )

    async def clock(self) -> tuple[int, float, float]:
        """Ask for the band's clock; see `base.Driver`."""
        loop = asyncio.get_running_loop()
        async with self._turn:
            token = secrets.randbits(32)
            before_s = loop.time()
            values, _ = await self._exchange(wire.CLOCK, token, tries=1)
            return values[2], before_s, loop.time()

    @property
    def rssi_dbm(self) -> int | None:
        """How strongly it was heard when it was connected to, None for a link without a radio."""
        found: int | None = getattr(self._link, "rssi_dbm", None)
        return found

    async def beat(self, bpm: int, rr_1024: Sequence[int]) -> bool:
        """Hand over a beat of a strap; see `base.Driver`."""
        if not self.features & wire.FEATURE_HEART:
            return False
        for first in range(0, max(1, len(rr_1024)), RR_MAX):
            tail = b"".join(rr.to_bytes(2, "little") for rr in rr_1024[first : first + RR_MAX])
            await self._send(wire.encode(wire.HEART, 0, bpm, tail=tail))
        return True

    async def alert(self) -> None:
        """Have the band felt; see `base.Driver`."""
        alert = getattr(self._link, "alert", None)
        if alert is None:
            raise RefusedError("unknown_request", f"{self.name} cannot be found by this link")
        await alert()

    async def upload(self, plan_id: bytes, data: bytes) -> None:
        """Send a plan in chunks and have it committed as a whole; see `base.Driver`."""
        room = MAX_BYTES if self._identity is None else self._identity.plan_bytes_max
        if len(data) > room:
            raise RefusedError(
                "out_of_range",
                f"the plan has {len(data)} bytes, and {self.name} has memory for {room}: "
                "choose a shorter routine",
            )
        async with self._turn:
            values, _ = await self._exchange(wire.UPLOAD_BEGIN, plan_id, len(data), crc32(data))
            self._check(values[0], "the plan cannot be taken now")
            received = furthest = values[1]
            in_vain = 0
            while received < len(data):
                received = await self._send_chunks(data, received)
                in_vain = in_vain + 1 if received <= furthest else 0
                furthest = max(furthest, received)
                if in_vain == TRIES:
                    raise LinkError(LinkReason.TIMEOUT, f"the upload to {self.name} gets stuck")
            values, tail = await self._exchange(wire.UPLOAD_COMMIT, plan_id)
            self._check(values[0], f"the plan is not accepted {tail.decode(errors='replace')}")

    async def _send_chunks(self, data: bytes, start: int) -> int:
        """Send from `start` on, a few chunks ahead of the answers.

        Returns:
            How much the band has when all of it is there, or when something got lost.
        """
        received, sent = start, start
        flying: list[asyncio.Future[_Answer]] = []
        try:
            while sent < len(data) or flying:
                while sent < len(data) and len(flying) < CHUNKS_IN_FLIGHT:
                    size = min(wire.MAX_FRAME, self._link.packet_bytes) - _CHUNK_HEADER
                    tail = data[sent : sent + size]
                    flying.append(await self._post(wire.UPLOAD_CHUNK, sent, tail=tail))
                    sent += len(tail)
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    answer = await flying.pop(0)
                values, _ = self._understood(wire.UPLOAD_CHUNK, answer)
                self._check(values[0], "the upload was interrupted", vocab.WRONG_OFFSET)
                received = values[1]
                if values[0] == vocab.WRONG_OFFSET:
                    break
        except TimeoutError:
            pass
        finally:
            for waiting in flying:
                waiting.cancel()
        return received

    async def read_plan(self, plan_id: bytes) -> bytes | None:
        """Fetch the plan that the band has; see `base.Driver`."""
        data = b""
        for _ in range(_PLAN_PIECES_MAX):
            values, tail = await self._ask(wire.PLAN_READ, plan_id, len(data))
            if values[0] == vocab.NO_SUCH_PLAN:
                return None
            self._check(values[0], "the plan cannot be read")
            if values[1] > MAX_BYTES:
                raise LinkError(
                    LinkReason.PROTOCOL, f"{self.name} tells of a plan of {values[1]} bytes"
                )
            data += tail
            if len(data) >= values[1] or not tail:
                return data
        raise LinkError(LinkReason.PROTOCOL, f"{self.name} sends its plan in crumbs")

    async def command(
        self, verb: Verb, plan_id: bytes, arg: int = 0, command_id: int | None = None
    ) -> None:
        """Have the band obey once; see `base.Driver`."""
        number = vocab.COMMANDS.index(verb.value)
        status = await self._command(number, plan_id, arg, command_id)
        self._check(status, f"{self.name} refuses to {verb.value}")

    async def start_at(self, plan_id: bytes, device_ms: int, command_id: int | None = None) -> None:
        """Have the band begin at a time of its clock; see `base.Driver`."""
        status = await self._command(vocab.START_AT, plan_id, device_ms, command_id)
        self._check(status, f"{self.name} refuses to start at a time")

    async def _command(self, number: int, plan_id: bytes, arg: int, command_id: int | None) -> int:
        command_id = secrets.randbits(32) if command_id is None else command_id
        values, _ = await self._ask(wire.COMMAND, number, command_id, plan_id, arg)
        return int(values[0])

    def _check(self, status: int, text: str, *fine: int) -> None:
        if status == vocab.OK or status in fine:
            return
        known = status < len(vocab.STATUSES)
        reason = vocab.STATUSES[status] if known else f"unknown_{status}"
        raise RefusedError(reason, f"{text}: {reason.replace('_', ' ')}")

    async def _ask(
        self, op: int, *values: int | bytes | Callable[[], int], tries: int = TRIES
    ) -> tuple[tuple[Any, ...], bytes]:
        async with self._turn:
            return await self._exchange(op, *values, tries=tries)

    async def _exchange(
        self, op: int, *values: int | bytes | Callable[[], int], tries: int = TRIES
    ) -> tuple[tuple[Any, ...], bytes]:
        """Send a request until an answer comes; the caller holds the turn.

        A value that is a function is asked anew for each try.
        """
        for _ in range(tries):
            now = [value() if callable(value) else value for value in values]
            waiting = await self._post(op, *now)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    answer = await waiting
            except TimeoutError:
                continue
            return self._understood(op, answer)
        raise LinkError(LinkReason.TIMEOUT, f"{self.name} does not answer")

    def _understood(self, asked: int, answer: _Answer) -> tuple[tuple[Any, ...], bytes]:
        """Return fields and tail of an answer to what was asked."""
        op, fields, tail = answer
        if op == wire.NOT_UNDERSTOOD:
            text = f"{self.name} does not understand {wire.FRAMES[asked][0]}"
            self._check(fields[0], text)
            raise LinkError(LinkReason.PROTOCOL, f"{text}, and sees no fault in it")
        return fields, tail

    async def _post(
        self, op: int, *values: int | bytes, tail: bytes = b""
    ) -> asyncio.Future[_Answer]:
        """Send a request; the future gives (op, fields, tail) of its answer."""
        self._tag = self._tag % 255 + 1
        tag = self._tag
        waiting = asyncio.get_running_loop().create_future()
        self._waiting[op, tag] = waiting
        waiting.add_done_callback(lambda _: self._waiting.pop((op, tag), None))
        try:
            await self._send(wire.encode(op, tag, *values, tail=tail))
        except BaseException:
            waiting.cancel()
            raise
        return waiting

    async def _send(self, packet: bytes) -> None:
        """Hand a packet to the link; one that takes nothing any more is lost.

        After the end of its service BlueZ was seen to call a link connected for ever.

        Raises:
            LinkError: It was not taken.
        """
        try:
            await self._link.send(packet)
        except LinkError:
            self._lost()
            raise

    # --- what comes in

    def _on_packet(self, packet: bytes) -> None:
        self.heard_s = asyncio.get_running_loop().time()
        try:
            for frame in wire.split(packet):
                self._on_frame(*wire.decode(frame))
        except wire.WireError as error:
            self.frames_broken += 1
            _log.warning("wearable=%s broken frame: %s", self.name, error)

    def _on_frame(self, op: int, tag: int, values: tuple[Any, ...], tail: bytes) -> None:
        if op == wire.LOG:
            self._on_log(values[0], tail)
            return
        if op == wire.LOG_READ | wire.ANSWER:
            # Not where it is waited for: the first records are right behind it.
            self._on_log_begins(*values[1:])
        asked = values[1] if op == wire.NOT_UNDERSTOOD else op ^ wire.ANSWER
        waiting = self._waiting.get((asked, tag))
        if waiting is not None and not waiting.done():
            waiting.set_result((op, values, tail))

    async def follow(
        self,
        from_seq: int,
        on_records: Callable[[Sequence[Record]], bool],
        on_gap: Callable[[int, int], None],
    ) -> None:
        """Have the log streamed from `from_seq` on; see `base.Driver`."""
        self._records, self._gap = on_records, on_gap
        await self._read_log(from_seq)

    async def _read_log(self, from_seq: int) -> None:
        self._next_seq = self._acked_seq = from_seq
        values, _ = await self._ask(wire.LOG_READ, self._wanted_seq)
        self._check(values[0], "the log cannot be read", vocab.LOG_OVERRUN)

    def _wanted_seq(self) -> int:
        # Where only the answer to a question was lost, records have come since.
        return min(self._next_seq, RECORD_SEQ_MAX)

    def _on_log_begins(self, first: int, end: int) -> None:
        if first > end:
            raise wire.WireError(f"a log from {first} to before {end}")
        self._ask_after_s = None  # of what came before nothing counts any more
        if self._records is not None and first > self._next_seq:
            self._gap(self._next_seq, first)
            self._next_seq = self._acked_seq = first

    def _on_log(self, seq: int, data: bytes) -> None:
        if self._records is None or len(data) % RECORD_BYTES:
            return
        if seq + len(data) // RECORD_BYTES - 1 > RECORD_SEQ_MAX:
            raise wire.WireError(f"records from {seq} on, the last number is {RECORD_SEQ_MAX}")
        records = [
            Record(seq + index, *unpack_record(data, index * RECORD_BYTES))
            for index in range(len(data) // RECORD_BYTES)
        ]
        fresh = [record for record in records if record.seq >= self._next_seq]
        if fresh and fresh[0].seq > self._next_seq:
            # Either the band has overwritten what is missing, or a packet was lost on the way.
            self._ask_for_missing()
            return
        if fresh and not self._records(fresh):
            self._ask_for_missing(ROOM_AFTER_S)
            return
        if fresh:
            self._next_seq = fresh[-1].seq + 1
        is_urgent = (
            not fresh  # an acknowledgement was lost
            or self._next_seq - self._acked_seq >= ACK_EVERY_RECORDS
            # A band sleeps only when nothing of a session is left to tell.
            or any(record.kind == vocab.SESSION_ENDED for record in fresh)
        )
        self._ack_soon(0.0 if is_urgent else ACK_AFTER_S)

    def _ack_soon(self, delay_s: float) -> None:
        if self._ack_timer is not None:
            if delay_s:
                return
            self._ack_timer.cancel()
        self._ack_timer = asyncio.get_running_loop().call_later(delay_s, self._ack)

    def _ack(self) -> None:
        self._ack_timer = None
        self._acked_seq = self._next_seq
        self._help(self._send(wire.encode(wire.LOG_ACK, 0, self._wanted_seq())), "ack")

    def _ask_for_missing(self, after_s: float = 0.0) -> None:
        self._ask_after_s = after_s
        name = f"missing {self.name}"
        if not any(task.get_name() == name and not task.done() for task in self._helpers):
            self._help(self._fetch_missing(), "missing")

    async def _fetch_missing(self) -> None:
        while self._ask_after_s is not None:
            await asyncio.sleep(self._ask_after_s)
            await self._ask(wire.LOG_READ, self._wanted_seq)

    def _help(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a small piece of work of this driver; a lost link ends it."""
        task = asyncio.create_task(work, name=f"{name} {self.name}")
        self._helpers.add(task)

        def done(ended: asyncio.Task[None]) -> None:
            self._helpers.discard(ended)
            if not ended.cancelled() and ended.exception() is not None:
                _log.info("wearable=%s %s: %s", self.name, name, ended.exception())

        task.add_done_callback(done)
