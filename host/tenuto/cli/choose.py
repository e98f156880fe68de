# SPDX-License-Identifier: MIT
"""Finds the device that a person means among those in reach."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tenuto.errors import InputError, LinkError, LinkReason
from tenuto.terminal import words
from tenuto.wearables import registry

from .prompt import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tenuto.daemon.dispatch import Dispatcher
    from tenuto.links.scan import Found
    from tenuto.wearables.model import Model


LISTEN_S = 4.0


async def choose(dispatch: Dispatcher, terminal: Terminal, fits: Callable[[Model], bool]) -> str:
    """Return the address of the device that is meant; ask where there are several.

    Args:
        dispatch: What listens.
        terminal: The person.
        fits: Returns whether a model may be meant.

    Raises:
        LinkError: None is in reach.
        InputError: There are several, and nobody to ask.
    """
    from tenuto.daemon.operations import SCAN, Scan

    able = [model.title for model in registry.models().values() if fits(model)]
    terminal.show(f"looking for {' and '.join(f'{title}s' for title in able)} for {LISTEN_S:.0f} s")
    known: dict[str, Found] = {}

    async def note(found: Sequence[Found]) -> None:
        known.update({one.address: one for one in found})

    await dispatch.call(SCAN, Scan(listen_ms=round(LISTEN_S * 1000)), Terminal(note))
    near = [
        one
        for one, model in registry.ordered(known.values(), everything=False)
        if model is not None and fits(model)
    ]
    if not near:
        raise LinkError(
            LinkReason.NOT_FOUND,
            f"no {' or '.join(able)} was heard: is it on, charged, near, and not connected to "
            "a computer or a phone? For other devices give the address that `tenuto scan` shows",
        )
    if len(near) == 1:
        return near[0].address
    for number, one in enumerate(near, start=1):
        signal = "" if one.rssi_dbm is None else f"  {one.rssi_dbm} dBm"
        terminal.show(f"{number}  {one.address}  {words.printable(one.name or '?')}{signal}")
    if not sys.stdin.isatty():
        raise InputError("there are several: give the address of the one that is meant")
    answer = (await terminal.ask(f"which one, 1 to {len(near)}? ")).strip()
    if not answer.isdecimal() or not 1 <= int(answer) <= len(near):
        raise InputError(f"{answer!r} is none of 1 to {len(near)}")
    return near[int(answer) - 1].address
