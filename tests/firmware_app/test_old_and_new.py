# SPDX-License-Identifier: MIT
"""Old meets new: what travelled in the first release, recorded, against the host of today."""

from __future__ import annotations

import asyncio
from binascii import crc32
from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError, LinkReason, RefusedError
from tenuto.sessions.commands import Verb
from tenuto.wearables.band import BandDriver
from tenuto_core import vocab, wire
from tests.firmware_app.rig import follow, keys_with, plan, room, start, until

if TYPE_CHECKING:
    from collections.abc import Callable

# As bands of the first release said it: the answer to hello and to state, without their tags.
HELLO_V1 = bytes.fromhex("81010001785634120020f3000400006f6c642062616e64")
STATE_V1 = bytes.fromhex(
    "82010000ff570000000000000000ffffffffe803000000000000000000000000000001000000"
)


class Recorded:
    """A link to a band that knows two requests and answers all others as it did then."""

    name = "old band"
    firmware: str | None = None
    packet_bytes = 244

    def __init__(self, hello: bytes = HELLO_V1) -> None:
        self.asked: list[int] = []
        self._answers = {wire.HELLO: hello, wire.STATE: STATE_V1}
        self._on_packet: Callable[[bytes], None] = lambda _: None

    async def connect(
        self, on_packet: Callable[[bytes], None], _on_lost: Callable[[], None]
    ) -> None:
        self._on_packet = on_packet

    async def send(self, packet: bytes) -> None:
        op, tag = packet[:2]
        self.asked.append(op)
        answer = self._answers.get(op)
        if answer is None:
            answer = bytes((wire.NOT_UNDERSTOOD, tag, vocab.UNKNOWN_REQUEST, op))
        frame = bytes((answer[0], tag)) + answer[2:]
        asyncio.get_running_loop().call_soon(self._on_packet, bytes((len(frame),)) + frame)

    async def disconnect(self) -> None:
        pass


async def test_a_band_of_the_first_release_is_asked_for_nothing_that_it_does_not_know() -> None:
    link = Recorded()
    host = BandDriver(link, keys=keys_with(bytes(16)), utc_ms=lambda: 1.8e12)

    identity = await host.connect(lambda: None)
    status = await host.status()

    assert (identity.name, identity.boot_id) == ("old band", 0x12345678)
    assert identity.plan_version == 1
    assert (status.state, status.battery_pct, status.log_next) == ("idle", 87, 1)
    assert set(link.asked) == {wire.HELLO, wire.STATE}
    with pytest.raises(RefusedError) as refused:
        await host.stats()
    assert refused.value.reason == "unknown_request"


@pytest.mark.parametrize("protocol", [0, 2, 200])
async def test_a_version_that_is_not_known_is_refused_with_what_to_do(protocol: int) -> None:
    hello = bytearray(HELLO_V1)
    hello[3] = protocol

    with pytest.raises(LinkError, match="update the older") as refused:
        await BandDriver(Recorded(bytes(hello))).connect(lambda: None)

    assert refused.value.reason is LinkReason.PROTOCOL


async def test_the_band_of_today_says_hello_as_the_first_release_understands_it() -> None:
    async with room() as it:
        values, tail = it.band.hello()
        frame = wire.encode(wire.HELLO | wire.ANSWER, 1, *values, tail=tail)
        assert frame[:4] == bytes((0x81, 1, vocab.OK, 1))
        assert len(frame) == len(HELLO_V1) - len("old band") + len(tail)


async def test_a_host_of_the_first_release_plays_on_a_band_that_is_not_locked() -> None:
    """By cable, or in the pairing window; it knows no key and asks for none."""
    async with room() as it:
        for host in (it.cabled(), it.host(keys=None, utc_ms=None)):
            it.gesture()
            await asyncio.sleep(3)
            await host.connect(lambda: None)
            records = await follow(host)
            compiled = plan()
            await start(host, compiled)
            await until(lambda: it.band.is_playing)
            await asyncio.sleep(10)
            await host.command(Verb.STOP, compiled.plan_id)
            await asyncio.sleep(3)
            assert records[-1].kind == vocab.SESSION_ENDED
            await host.disconnect()
            await asyncio.sleep(60)


async def test_the_band_of_today_plays_the_plan_that_a_host_of_the_first_release_sends() -> None:
    async with room() as it:
        host = it.cabled()
        identity = await host.connect(lambda: None)
        records = await follow(host)
        old = plan().for_device(1)
        await start(host, old)
        await until(lambda: records and records[-1].kind == vocab.SESSION_ENDED)

        assert identity.plan_version == 2
        assert it.band.player.plan is not None
        assert bytes(it.band.player.plan.data) == old.data
        assert old.data[2] == 1
        cues = [(r.step, r.a) for r in records if r.kind == vocab.CUE]
        steps = [plan().plan.step(number) for number in range(plan().plan.steps)]
        assert cues == [(n, cue) for n, step in enumerate(steps) for _, _, cue in step.cues]
        await host.disconnect()


async def test_the_band_of_today_tells_a_plan_of_the_next_release_from_a_broken_one() -> None:
    async with room() as it:
        host = it.cabled()
        await host.connect(lambda: None)
        body = bytearray(plan().data[:-4])
        body[2] = 3
        newer = bytes(body) + crc32(body).to_bytes(4, "little")

        with pytest.raises(RefusedError, match="plan version 3, known is 2") as refused:
            await host.upload(b"some one", newer)
        assert refused.value.reason == "unknown_plan"
        body[2:4] = bytes((2, 200))
        broken = bytes(body) + crc32(body).to_bytes(4, "little")
        with pytest.raises(RefusedError, match="number of exercises") as refused:
            await host.upload(b"some one", broken)
        assert refused.value.reason == "bad_plan"
        await host.disconnect()
