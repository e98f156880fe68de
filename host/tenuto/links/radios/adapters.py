# SPDX-License-Identifier: MIT
"""From the configuration's name of an adapter to the adapter."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tenuto.links.ble import BleAdapter, Radio
from tenuto.links.lazy_imports import load_when_used

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from .bluez_agent import Prompter
    from .bumble import BumbleAdapter

_BUMBLE = "bumble:"


def radio_of(adapter: BumbleAdapter) -> Radio:
    """Make a radio of a bumble adapter, which is closed with it."""
    return Radio(
        scanner=adapter.scanner_backend,
        client=adapter.client_backend,
        is_lost=lambda: adapter.is_lost,
        close=adapter.close,
    )


def open_adapter(name: str, bonds: Path, prompter: Prompter | None = None) -> BleAdapter:
    """Give the adapter that `[bluetooth] adapter` names; it is opened when it is first used.

    bonds: the file for the bonds of a bumble adapter.  prompter: see `with_prompter`.
    """
    if name.startswith(_BUMBLE):

        async def open_radio() -> Radio:
            # Ten megabytes that only pairing and private addresses need.
            load_when_used("bumble.crypto")
            from .bumble import BumbleAdapter  # noqa: PLC0415 - takes half a second

            return radio_of(await BumbleAdapter.open_transport(name.removeprefix(_BUMBLE), bonds))

        return BleAdapter(open_radio, name=name)
    options = {} if name == "default" else {"bluez": {"adapter": name}}
    adapter = BleAdapter(Radio(options=options), name=name)
    with_prompter(adapter, prompter)
    return adapter


def with_prompter(adapter: BleAdapter, prompter: Prompter | None) -> None:
    """Let a person answer what pairings on the platform's own radio ask, or nobody if it is None.

    Only BlueZ lets a program answer; elsewhere the system asks by itself.
    """
    if sys.platform != "linux" or adapter.name.startswith(_BUMBLE):
        return

    def agent(address: str) -> AbstractAsyncContextManager[None]:
        from .bluez_agent import registered  # noqa: PLC0415

        return registered(address, prompter)

    adapter.agent = agent
