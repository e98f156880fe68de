# SPDX-License-Identifier: MIT
"""The leases of the wearables that several hosts share, as retained topics on their broker.

One topic for each wearable, `TOPIC/ADDRESS`, where the hosts hear each other's claims; what the
claims mean is in `tenuto.sessions.lease`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from typing import TYPE_CHECKING, Any

from tenuto.sessions.commands import read_json
from tenuto.sessions.lease import NUMBER_MAX, Claim, Use
from tenuto.wearables.host_lease import HostLease

from .outgoing import Message
from .topics import encode

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable

_log = logging.getLogger(__name__)

CLAIM_BYTES_MAX = 512
ID_CHARS = 16
HOST_CHARS_MAX = 64
OTHERS_MAX = 1024
_ID = re.compile(f"[0-9a-f]{{{ID_CHARS}}}")


def claim_payload(claim: Claim) -> dict[str, Any]:
    """Return the JSON of a claim."""
    return {
        "number": claim.number,
        "claim": claim.id,
        "beat": claim.beat,
        "host": claim.host,
        "use": claim.use.value,
    }


def parse_claim(payload: bytes) -> Claim:
    """Read a claim.

    Raises:
        ValueError: It is none.
    """
    if len(payload) > CLAIM_BYTES_MAX:
        raise ValueError(f"it has {len(payload)} bytes")
    told = read_json(payload)
    if not isinstance(told, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - all that is wrong is one kind of error
    number, own_id, beat = told.get("number"), told.get("claim"), told.get("beat")
    host, use = told.get("host"), told.get("use")
    if type(number) is not int or not 1 <= number <= NUMBER_MAX:
        raise ValueError(f"its number is not from 1 to {NUMBER_MAX}")
    if type(beat) is not int or not 0 <= beat <= NUMBER_MAX:
        raise ValueError(f"its beat is not from 0 to {NUMBER_MAX}")
    if not isinstance(own_id, str) or not _ID.fullmatch(own_id):
        raise ValueError(f"its claim is not of {ID_CHARS} hexadecimal digits")
    if not isinstance(host, str) or not 1 <= len(host) <= HOST_CHARS_MAX or not host.isprintable():
        raise ValueError(f"its host is not a text of 1 to {HOST_CHARS_MAX} characters")
    return Claim(number, own_id, beat, host, Use(str(use)))


class Leases:
    """The leases of one host; see `HostLease`.

    Args:
        topic: What the topics begin with, the same on all hosts.
        host: What people call this host.
        rng: For the ids of claims.
    """

    def __init__(self, topic: str, host: str, rng: random.Random) -> None:
        self._topic = topic
        self._host = host[:HOST_CHARS_MAX]
        self._rng = rng
        self._leases: dict[str, HostLease] = {}
        self._unsent: dict[str, Claim] = {}
        self._others: dict[str, bytes] = {}
        """The newest claims of wearables that this host does not have."""
        self._wake = asyncio.Event()
        self._all_sent = asyncio.Event()
        self._all_sent.set()
        self._is_served = False
        self._has_warned = False

    @property
    def filter(self) -> str:
        """What to subscribe to."""
        return f"{self._topic}/+"

    def of(self, address: str) -> HostLease:
        """Return the lease of the wearable with a Bluetooth address."""
        key = address.upper().replace(":", "")
        if key not in self._leases:

            def publish(claim: Claim) -> None:
                # Without a broker it is told nothing: it would come too late.
                if self._is_served:
                    self._unsent[key] = claim
                    self._all_sent.clear()
                    self._wake.set()

            self._leases[key] = HostLease(self._host, self._new_id, publish)
            if self._is_served:
                self._leases[key].connect()
            if key in self._others:
                self.take(f"{self._topic}/{key}", self._others.pop(key), retained=True)
        return self._leases[key]

    def _new_id(self) -> str:
        return f"{self._rng.getrandbits(4 * ID_CHARS):0{ID_CHARS}x}"

    # --- for the bridge

    async def serve(
        self,
        subscribe: Callable[[str], Awaitable[None]],
        publish: Callable[[Message], Awaitable[object]],
    ) -> None:
        """Use a connection until cancelled, or until it fails."""
        await subscribe(self.filter)
        self._is_served = True
        for lease in self._leases.values():
            lease.connect()
        try:
            while True:
                self._wake.clear()
                while self._unsent:
                    key = next(iter(self._unsent))
                    payload = encode(claim_payload(self._unsent.pop(key)))
                    await publish(Message(f"{self._topic}/{key}", payload, retain=True))
                self._all_sent.set()
                await self._wake.wait()
        finally:
            self._is_served = False
            self._unsent.clear()
            self._others.clear()
            self._all_sent.set()
            for lease in self._leases.values():
                lease.disconnect()

    def take(self, topic: str, payload: bytes, *, retained: bool) -> bool:
        """Take a message, and return whether it was for a lease."""
        base, _, key = topic.rpartition("/")
        if base != self._topic:
            return False
        lease = self._leases.get(key)
        if lease is None:  # of a wearable that this host does not have, or not yet
            if key in self._others or len(self._others) < OTHERS_MAX:
                self._others[key] = payload[: CLAIM_BYTES_MAX + 1]
            return True
        if not payload:
            return True  # cleared by somebody
        try:
            claim = parse_claim(payload)
        except ValueError as error:
            if not self._has_warned:
                self._has_warned = True
                _log.warning("mqtt topic=%s has no claim: %s", topic[:128], error)
            return True
        lease.hear(claim, retained=retained)
        return True

    async def wait_until_sent(self) -> None:
        """Wait until the broker has all claims."""
        await self._all_sent.wait()

    def close(self) -> None:
        """Let no lease do anything by itself any more."""
        for lease in self._leases.values():
            lease.close()
