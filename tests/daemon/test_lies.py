# SPDX-License-Identifier: MIT
"""A band that answers nonsense, or something that only says that it is a band."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto.errors import LinkError, LinkReason
from tenuto.links.in_process import InProcessBand, InProcessLink
from tenuto.wearables.band import BandDriver
from tenuto_core import vocab, wire
from tenuto_core.buzzer import Motor

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from tenuto.links.base import Link

PLAN = bytes(1_000)


class Lying:
    """A link to a good band, of which one kind of answer is replaced."""

    def __init__(self, op: int, answer: Callable[[int], bytes]) -> None:
        self._link = InProcessLink(InProcessBand(Motor()))
        self._op = op
        self._answer = answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._link, name)

    async def connect(
        self, on_packet: Callable[[bytes], None], on_lost: Callable[[], None]
    ) -> None:
        def lie(packet: bytes) -> None:
            for frame in wire.split(packet):
                told = self._answer(frame[1]) if frame[0] == self._op | wire.ANSWER else frame
                on_packet(bytes((len(told),)) + told)

        await self._link.connect(lie, on_lost)


async def told_by(
    op: int,
    answer: Callable[[int], bytes],
    ask: Callable[[BandDriver], Coroutine[Any, Any, object]],
) -> LinkError:
    """Give the error that a lie ends in."""
    link: Link = Lying(op, answer)
    driver = BandDriver(link)
    await driver.connect(lambda: None)
    with pytest.raises(LinkError) as caught:
        await ask(driver)
    await driver.disconnect()
    return caught.value


@pytest.mark.parametrize("received", [0, 5, 999])
async def test_an_upload_that_never_gets_any_further_ends(received: int) -> None:
    error = await told_by(
        wire.UPLOAD_CHUNK,
        lambda tag: wire.encode(wire.UPLOAD_CHUNK | wire.ANSWER, tag, vocab.OK, received),
        lambda driver: driver.upload(b"some one", PLAN),
    )
    assert error.reason is LinkReason.TIMEOUT
    assert "stuck" in str(error)


async def test_the_answer_to_another_question_is_none() -> None:
    error = await told_by(
        wire.STATE,
        lambda tag: wire.encode(wire.CLOCK | wire.ANSWER, tag, vocab.OK, 1, 2),
        lambda driver: driver.status(),
    )
    assert error.reason is LinkReason.TIMEOUT


async def test_a_plan_that_is_larger_than_any_is_not_fetched() -> None:
    error = await told_by(
        wire.PLAN_READ,
        lambda tag: wire.encode(wire.PLAN_READ | wire.ANSWER, tag, vocab.OK, 60_000, 0, tail=b"x"),
        lambda driver: driver.read_plan(b"some one"),
    )
    assert error.reason is LinkReason.PROTOCOL
    assert "60000" in str(error)


async def test_a_plan_in_pieces_of_a_byte_is_not_waited_for() -> None:
    error = await told_by(
        wire.PLAN_READ,
        lambda tag: wire.encode(wire.PLAN_READ | wire.ANSWER, tag, vocab.OK, 8_000, 0, tail=b"x"),
        lambda driver: driver.read_plan(b"some one"),
    )
    assert error.reason is LinkReason.PROTOCOL
    assert "crumbs" in str(error)
