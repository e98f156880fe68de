# SPDX-License-Identifier: MIT
"""A device in the place of a band that this host gave a key: it proves it, or is told nothing."""

from __future__ import annotations

import asyncio
import hashlib
import os
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tenuto.doctor.checks import wearables as check_wearables
from tenuto.doctor.context import Level
from tenuto.errors import LinkError, LinkReason
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.heart import Measurement
from tenuto.state.keys import KeyStore
from tenuto.wearables.band import BandDriver
from tenuto.wearables.base import Identity
from tenuto_core import vocab, wire
from tenuto_core.auth import PROOF_BYTES, Keyring
from tenuto_core.buzzer import Motor
from tenuto_core.storage import Storage
from tests.daemon.rig import connected, daemon_for, utc_ms
from tests.doctor.test_doctor import configured, context

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tenuto.state.keys import BandKeys
    from tenuto_core.band import Band

KEY, OTHER = b"k" * 16, b"o" * 16
SERIAL = b"e6614c311b"
BEFORE_THE_PROOF = {wire.HELLO, wire.IDENTITY, wire.CHALLENGE, wire.PROOF}


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def keyring(*keys: bytes) -> Keyring:
    ring = Keyring(sha256, os.urandom, Storage())
    for key in keys:
        ring.add(key, by_cable=False)
    return ring


Change: TypeAlias = "Callable[[bytes, list[bytes]], bytes]"
"""Makes of an answer, and of the packets that the host has sent, what the host hears, or b""."""


class Asked:
    """A link that notes what the host asks, and may change what the band answers."""

    def __init__(self, band: InProcessBand, change: Change | None = None) -> None:
        self.ops: set[int] = set()
        self.packets: list[bytes] = []
        self._change = change
        self._link = InProcessLink(band, lose=self._note)

    def _note(self, direction: str, packet: bytes) -> bool:
        if direction == "up":
            self.ops.add(packet[0])
            self.packets.append(packet)
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        def deliver(packet: bytes) -> None:
            for frame in wire.split(packet):
                told = frame if self._change is None else self._change(frame, self.packets)
                if told:
                    on_packet(bytes((len(told),)) + told)

        await self._link.connect(deliver, on_lost)


def no_keys(band: Band) -> None:
    band.keyring = None


def another_key(band: Band) -> None:
    band.keyring = keyring(OTHER)


def takes_any_key(band: Band) -> None:
    band.keyring = keyring()
    band.open_pairing(0)


def another_number(band: Band) -> None:
    no_keys(band)
    band.serial = b"0000000000"


def no_number(band: Band) -> None:
    another_key(band)
    band.serial = b""


def another_that_takes_any_key(band: Band) -> None:
    takes_any_key(band)
    band.serial = b"0000000000"


def believes_any_proof(frame: bytes, _packets: list[bytes]) -> bytes:
    if frame[0] != wire.PROOF | wire.ANSWER:
        return frame
    return wire.encode(frame[0], frame[1], vocab.OK, bytes(PROOF_BYTES))


def wants_no_proof(frame: bytes, _packets: list[bytes]) -> bytes:
    if frame[0] != wire.CHALLENGE | wire.ANSWER:
        return frame
    return wire.encode(wire.NOT_UNDERSTOOD, frame[1], vocab.UNKNOWN_REQUEST, wire.CHALLENGE)


def reflects(frame: bytes, packets: list[bytes]) -> bytes:
    """Answer with what the host has sent, as if both sides were one."""
    if frame[0] == wire.CHALLENGE | wire.ANSWER:
        return wire.encode(frame[0], frame[1], vocab.OK, packets[-1][-16:])
    if frame[0] == wire.PROOF | wire.ANSWER:
        return wire.encode(frame[0], frame[1], vocab.OK, packets[-1][2:])
    return frame


IMPOSTORS = {
    "no keys": (no_keys, None),
    "another key": (another_key, None),
    "takes any key": (takes_any_key, None),
    "another number": (another_number, None),
    "another number, takes any key": (another_that_takes_any_key, None),
    "no number": (no_number, None),
    "believes any proof": (another_key, believes_any_proof),
    "wants no proof": (another_key, wants_no_proof),
    "reflects": (another_key, reflects),
}


async def make(kind: str) -> tuple[Asked, InProcessBand]:
    change_band, change = IMPOSTORS[kind]
    band = InProcessBand(Motor(), boot_id=7)
    band.band.serial = SERIAL
    change_band(band.band)
    return Asked(band, change), band


def owner() -> BandKeys:
    """What a host has that gave the band its key."""
    keys = KeyStore(None).of("band")
    known = Identity("band", 1, 0, serial=SERIAL.decode())
    keys.offer(known, KEY, by_cable=False)
    keys.settle(known, KEY, over_air=True)
    return keys


@pytest.mark.parametrize("by_cable", [False, True], ids=["air", "cable"])
@pytest.mark.parametrize("kind", IMPOSTORS)
async def test_a_device_that_does_not_prove_the_key_is_told_nothing(
    kind: str, by_cable: bool
) -> None:
    link, _ = await make(kind)
    keys = owner()
    driver = BandDriver(link, keys=keys, by_cable=by_cable, utc_ms=utc_ms)

    for _ in range(2):
        with pytest.raises(LinkError, match="not the wearable that this computer knows") as caught:
            await driver.connect(lambda: None)
        assert caught.value.reason is LinkReason.UNPROVEN

    assert link.ops <= BEFORE_THE_PROOF
    assert not any(KEY in packet for packet in link.packets)
    known = Identity("band", 1, 0, serial=SERIAL.decode())
    assert keys.held(known) == [KEY], "the key of the right one is still there"


async def test_a_band_that_proves_the_key_is_used_wherever_it_is_met() -> None:
    for by_cable in (False, True):
        band = InProcessBand(Motor(), boot_id=7)
        band.band.serial, band.band.keyring = SERIAL, keyring(KEY)
        link = Asked(band)
        driver = BandDriver(link, keys=owner(), by_cable=by_cable, utc_ms=utc_ms)

        await driver.connect(lambda: None)

        assert wire.PROOF in link.ops
        assert wire.TIME_SET in link.ops
        await driver.disconnect()


@pytest.mark.parametrize("op", [wire.CHALLENGE, wire.PROOF])
async def test_a_band_whose_answer_is_lost_is_no_impostor(op: int) -> None:
    band = InProcessBand(Motor(), boot_id=7)
    band.band.serial, band.band.keyring = SERIAL, keyring(KEY)
    lost: list[bytes] = []

    def lose(frame: bytes, _packets: list[bytes]) -> bytes:
        if frame[0] == op | wire.ANSWER and not lost:
            lost.append(frame)
            return b""
        return frame

    driver = BandDriver(Asked(band, lose), keys=owner())
    await driver.connect(lambda: None)

    assert lost
    await driver.disconnect()


async def test_each_proof_is_for_numbers_that_were_never_used_before() -> None:
    band = InProcessBand(Motor(), boot_id=7)
    band.band.serial, band.band.keyring = SERIAL, keyring(KEY)
    link = Asked(band)
    for _ in range(3):
        driver = BandDriver(link, keys=owner())
        await driver.connect(lambda: None)
        await driver.disconnect()

    asked = [packet[2:] for packet in link.packets if packet[0] == wire.CHALLENGE]
    assert len({packet[-16:] for packet in asked}) == len(asked) == 3


async def test_what_a_band_has_proven_before_is_worth_nothing_to_who_says_it_again() -> None:
    band = InProcessBand(Motor(), boot_id=7)
    band.band.serial, band.band.keyring = SERIAL, keyring(KEY)
    heard: dict[int, bytes] = {}

    def listen(frame: bytes, _packets: list[bytes]) -> bytes:
        heard[frame[0]] = frame
        return frame

    driver = BandDriver(Asked(band, listen), keys=owner())
    await driver.connect(lambda: None)
    await driver.disconnect()

    def replay(frame: bytes, _packets: list[bytes]) -> bytes:
        known = heard.get(frame[0], frame)
        return known[:1] + frame[1:2] + known[2:]

    link, _ = await make("no keys")
    link = Asked(band, replay)
    with pytest.raises(LinkError) as caught:
        await BandDriver(link, keys=owner(), utc_ms=utc_ms).connect(lambda: None)
    assert caught.value.reason is LinkReason.UNPROVEN
    assert link.ops <= BEFORE_THE_PROOF


async def test_the_daemon_tells_an_impostor_nothing_and_everybody_of_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    link, band = await make("no keys")
    driver = BandDriver(link, keys=owner(), utc_ms=utc_ms)
    async with daemon_for(tmp_path / "history.db", {"band": driver}) as (daemon, _):
        supervisor = daemon.supervisors["band"]
        for _ in range(60):
            supervisor.heart.hear(Measurement(101, rr_1024=(608,)), "strap", "ecg")
            await asyncio.sleep(1)
        start = Command(wearable="band", verb=Verb.START, routine="lower-back-short")
        answer = await daemon.submit(start)

        assert not answer.ok
        assert "not the wearable that this computer knows" in answer.text
        assert link.ops <= BEFORE_THE_PROOF
        assert not band.band.is_playing
        said = [r for r in caplog.records if "not the wearable that this computer" in r.message]
        assert [record.levelname for record in said] == ["WARNING"], "loudly, and once"
        told = {
            "id": "band",
            "connected": False,
            "problem": str(supervisor.problem),
            "reason": str(supervisor.problem.reason if supervisor.problem else None),
        }
        # And when the right one is back, all is well again.
        band.band.keyring = keyring(KEY)
        await connected(daemon)

    found = await check_wearables(context(configured(tmp_path), daemon={"wearables": [told]}))
    assert [(level, "told nothing" in text) for level, text, _ in found] == [(Level.PROBLEM, True)]
