# SPDX-License-Identifier: MIT
"""What the targets share: packets out of bytes, refusals, and a loop for what needs one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tenuto.event_loops import VirtualEventLoop

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator

CHARS_MAX = 500
"""Of a refusal to somebody who may be a stranger."""
PIECES_MAX = 40
"""More of them take longer and find no more: a fuzzer likes to make thousands of empty ones."""


def pieces(data: bytes) -> Iterator[bytes]:
    """Cut bytes into packets, each led by its length; `PIECES_MAX` of them at most."""
    at = 0
    for _ in range(PIECES_MAX):
        if at >= len(data):
            return
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


loop = VirtualEventLoop()
"""Of all targets that need one: what they have opened outlives an input."""


def in_loop(work: Coroutine[Any, Any, None]) -> None:
    """Do it to its end."""
    loop.run_until_complete(work)
