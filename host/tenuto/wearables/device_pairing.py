# SPDX-License-Identifier: MIT
"""Pairing with a device that can only buzz: it is reached, and its wearer feels that it is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto.toml.rules import quoted

from .buzzer import CueText
from .pairing import Paired

if TYPE_CHECKING:
    from collections.abc import Callable

    from .buzzer import Buzzer

HELLO = ((100, 400, 0),)


async def try_out(buzzer: Buzzer, model_id: str, show: Callable[[str], None]) -> Paired:
    """Reach a device, have it buzz once, and let go.

    Args:
        buzzer: The device.
        model_id: Of its model.
        show: Tells the person something.

    Raises:
        LinkError: It is not reached, or does not take the buzz.
    """
    told = await buzzer.connect(lambda: None, lambda _: None, lambda _: None)
    try:
        pattern = buzzer.feel.pattern(HELLO)
        if not await buzzer.buzz(pattern, CueText("Tenuto", "paired")):
            raise LinkError(LinkReason.TIMEOUT, f"{buzzer.name} did not take a buzz")
        await asyncio.sleep(pattern[0][1] / 1000)
        if not buzzer.feel.ends_by_itself:
            await buzzer.stop()
        show(f"{quoted(told.name)} has buzzed once just now")
    finally:
        await buzzer.disconnect()
    return Paired(
        address=told.address,
        name=told.name,
        firmware=told.firmware,
        model=model_id,
        is_tenuto=False,
    )
