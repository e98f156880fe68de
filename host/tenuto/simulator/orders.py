# SPDX-License-Identifier: MIT
"""Orders to simulated devices in words, a line each, for people and for programs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tenuto.errors import InputError, TenutoError, one_line
from tenuto.toml.rules import hint

from .faults import parse_silence, parse_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from .controls import Controls

LINE_BYTES_MAX = 200
WALK_S = 8.0
"""From one room to the next."""


@dataclass(frozen=True, slots=True)
class Order:
    """One kind of order.

    Attributes:
        form: What is written after its word, for people; empty for nothing.
        does: What it does, for people.
        carry_out: Does it; returns what there is to tell.  Raises `InputError` where the words are
            not of its form.
    """

    form: str
    does: str
    carry_out: Callable[[Controls, Sequence[str]], Awaitable[dict[str, object] | None]]


def _number(words: Sequence[str], what: str) -> float:
    try:
        (text,) = words
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{' '.join(words) or 'nothing'!r} is no {what}")
    return number


def _gesture(gesture: str) -> Callable[[Controls, Sequence[str]], Awaitable[None]]:
    async def carry_out(device: Controls, words: Sequence[str]) -> None:
        after_s = parse_time(" ".join(words)) if words else 0.0
        device.gesture(gesture, after_ms=after_s * 1000)

    return carry_out


async def _heart(device: Controls, words: Sequence[str]) -> None:
    device.heart(None if words == ["off"] else _number(words, "heart rate"))


async def _battery(device: Controls, words: Sequence[str]) -> None:
    device.battery(_number(words, "charge"))


async def _silence(device: Controls, words: Sequence[str]) -> None:
    text = " ".join(words)
    if "@" in text:
        ordered = parse_silence(text)
        device.silence(ordered.duration_s, after_s=ordered.after_s)
    else:
        device.silence(parse_time(text))


async def _walk(device: Controls, words: Sequence[str]) -> None:
    where = {"away": device.walk_away, "back": device.walk_back}
    if len(words) == 1 and words[0] in where:
        where[words[0]]()
        return
    room, *times = words or [""]
    if len(times) > 1:
        _no_more(times[1:])
    device.walk_to(room, parse_time(times[0]) if times else WALK_S)


async def _where(device: Controls, words: Sequence[str]) -> dict[str, object]:
    _no_more(words)
    told: dict[str, object] = {
        "address": device.address,
        "where": "in reach" if device.is_in_reach else "out of reach",
    }
    return told if device.room is None else told | {"room": device.room}


async def _reset(device: Controls, words: Sequence[str]) -> None:
    _no_more(words)
    await device.reset()


def _no_more(words: Sequence[str]) -> None:
    if words:
        raise InputError(f"{' '.join(words)!r} is more than it takes")


ORDERS = {
    "press": Order("[IN]", "press its button, or after a while: press 10s", _gesture("press")),
    "double-press": Order("[IN]", "press it twice", _gesture("double")),
    "long-press": Order("[IN]", "press it long", _gesture("long")),
    "pair": Order("[IN]", "press, press and hold: let a new host in", _gesture("pair")),
    "heart": Order("BPM|off", "give its wearer a steady heart, or take it off", _heart),
    "battery": Order("PERCENT", "fill or empty its battery", _battery),
    "silence": Order("TIME[@IN]", "keep everybody from hearing it: 20s, or 20s@60s", _silence),
    "walk": Order(
        "away|back|ROOM [TIME]",
        "take it out of reach, bring it back, or to the room of a proxy: room-b 10s",
        _walk,
    ),
    "reset": Order("", "cut its power and switch it on again", _reset),
    "where": Order("", "tell its address, and whether it is in reach", _where),
}
"""By the word that a line begins with."""


def forms() -> dict[str, str]:
    """Return what may be written, and what each does, for people."""
    return {f"{word} {order.form}".strip(): order.does for word, order in ORDERS.items()}


async def carry_out(line: str, devices: Mapping[str, Controls]) -> dict[str, object] | None:
    """Carry out one line: `[NAME] ORDER ...`.

    Args:
        line: What was written; an empty one and one that begins with # do nothing.
        devices: By their names; where there is one, a line need not name it.

    Returns:
        The answer for programs: `ok`, and what there is to tell, or the `error`; None for nothing.
    """
    words = line.split()
    if not words or words[0].startswith("#"):
        return None
    try:
        if len(line.encode()) > LINE_BYTES_MAX:
            raise InputError(f"the line is longer than {LINE_BYTES_MAX} bytes")
        if words == ["help"]:
            return {"ok": True, "order": "help", "orders": forms()}
        name = words.pop(0) if words[0] in devices else None
        order, *rest = words or [""]
        if order not in ORDERS:
            known = (*ORDERS, "help", *devices)
            raise InputError(f"{order!r} is no order{hint(order, known)}")
        if name is None:
            name = _only(order, devices)
        told = await ORDERS[order].carry_out(devices[name], rest)
    except (TenutoError, ValueError) as error:
        return {"ok": False, "line": line.strip()[:LINE_BYTES_MAX], "error": one_line(error)}
    return {"ok": True, "wearable": name, "order": order, **(told or {})}


def _only(order: str, devices: Mapping[str, Controls]) -> str:
    if len(devices) != 1:
        raise InputError(
            f"say which wearable, such as {next(iter(devices))} {order}: {', '.join(devices)}"
        )
    return next(iter(devices))
