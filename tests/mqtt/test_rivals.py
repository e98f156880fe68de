# SPDX-License-Identifier: MIT
"""What others publish where a second Tenuto would answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tenuto.mqtt.rivals import Rivals
from tenuto.mqtt.topics import Topics

if TYPE_CHECKING:
    from tenuto.mqtt.outgoing import Message


@pytest.mark.parametrize(
    "payload",
    [
        b'{"since": 1e999, "instance": "a", "host": "b", "pid": 1}',
        b'{"since": 1, "instance": "a", "host": "b", "pid": 1e999}',
        b'{"since": "soon", "instance": "a", "host": "b", "pid": 1}',
        b"[" * 1_000,
        b"\xff",
    ],
)
async def test_what_is_no_question_is_not_answered(payload: bytes) -> None:
    answers: list[Message] = []

    async def publish(message: Message) -> None:
        answers.append(message)

    topics = Topics("tenuto")
    rivals = Rivals(topics, "me", 5)
    await rivals.meet(topics.who, payload, is_established=True, publish=publish)
    assert not answers
