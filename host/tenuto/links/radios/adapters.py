# SPDX-License-Identifier: MIT
"""From what stands on bumble or on the platform to what `BleAdapter` needs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tenuto.errors import LinkError, LinkReason
from tenuto.links.ble_adapter import BleAdapter, Radio

from . import registry

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from .bluez_agent import Prompter
    from .bumble import BumbleAdapter
    from .registry import RadioFiles


def radio_of(adapter: BumbleAdapter) -> Radio:
    """Make a radio of a bumble adapter, which is closed with it."""

    def lost() -> LinkError | None:
        if not adapter.is_lost:
            return None
        return LinkError(LinkReason.NO_ADAPTER, "the Bluetooth adapter went away: plug it in again")

    return Radio(
        scanner=adapter.scanner_backend,
        client=adapter.client_backend,
        lost=lost,
        is_encrypted=adapter.is_encrypted,
        close=adapter.close,
    )


def open_adapter(name: str, files: RadioFiles, prompter: Prompter | None = None) -> BleAdapter:
    """Return the adapter that `[bluetooth] adapter` names; it is opened when it is first used.

    Args:
        name: The adapter's.
        files: Of this user.
        prompter: See `with_prompter`.
    """
    adapter = registry.open_adapter(name, files)
    with_prompter(adapter, prompter)
    return adapter


def with_prompter(adapter: BleAdapter, prompter: Prompter | None) -> None:
    """Let a person answer what pairings on the platform's own radio ask, or nobody if it is None.

    Only BlueZ lets a program answer; elsewhere the system asks by itself.
    """
    if sys.platform != "linux" or not registry.radio_named(adapter.name).is_system:
        return

    def agent(address: str) -> AbstractAsyncContextManager[None]:
        from .bluez_agent import registered  # noqa: PLC0415

        return registered(address, prompter)

    adapter.agent = agent
