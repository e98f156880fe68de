# SPDX-License-Identifier: MIT
"""`tenuto pair`: bond with a wearable, so that it trusts this computer."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from cyclopts import App

from tenuto.cli.common import ConfigFile, make_setting
from tenuto.cli.prompt import Terminal
from tenuto.config import find_config
from tenuto.errors import InputError, LinkError, LinkReason
from tenuto.terminal import words

if TYPE_CHECKING:
    from tenuto.app import Setting
    from tenuto.links.scan import Found

LISTEN_S = 4.0

app = App(name="pair")


@app.default
def pair(address: str | None = None, /, *, config: ConfigFile = None) -> int:
    """Pair with a wearable, so that it trusts this computer.

    Make it ready for pairing first, as its description says.

    Args:
        address: its Bluetooth address, or its id in the configuration; without it a Tenuto band
            that is in reach
        config: as in all commands
    """
    from tenuto import timebase

    setting = make_setting(find_config(config), 1.0)
    return timebase.run(_pair(setting, address))


async def _pair(setting: Setting, address: str | None) -> int:
    from tenuto.app import address_of, pair_with

    terminal = Terminal()
    if address is None:
        address = await _choose(setting, terminal)
    meant = address_of(setting.config, address)
    terminal.show(f"pairing with {meant}")
    paired = await pair_with(setting, meant, terminal)
    name = words.printable(paired.name or paired.address)
    firmware = f", firmware {words.printable(paired.firmware)}" if paired.firmware else ""
    print(f"Paired with {name} at {paired.address}{firmware}.")
    known = [w.id for w in setting.config.wearables if (w.address or "").upper() == meant.upper()]
    if known:
        print(f"It is {known[0]!r} in the configuration.")
    elif paired.is_tenuto:
        print("To use it, put this into your tenuto.toml:")
        print(f'\n[[wearable]]\nid = "band"\nlink = "ble"\naddress = "{paired.address}"')
    return 0


async def _choose(setting: Setting, terminal: Terminal) -> str:
    """Find the band that is meant; asks where there are several."""
    from tenuto.app import listen
    from tenuto.links.scan import ordered

    terminal.show(f"looking for Tenuto bands for {LISTEN_S:.0f} s")
    known: dict[str, Found] = {}
    async for found in listen(setting, LISTEN_S):
        known |= {one.address: one for one in found}
    bands = [
        one
        for one in ordered(known.values(), everything=False)
        if one.kind is not None and one.kind.id == "tenuto"
    ]
    if not bands:
        raise LinkError(
            LinkReason.NOT_FOUND,
            "no Tenuto band was heard: is it on, charged, near, and not connected to another "
            "computer? For other devices give the address that `tenuto scan` shows",
        )
    if len(bands) == 1:
        return bands[0].address
    for number, one in enumerate(bands, start=1):
        signal = "" if one.rssi_dbm is None else f"  {one.rssi_dbm} dBm"
        terminal.show(f"{number}  {one.address}  {words.printable(one.name or '?')}{signal}")
    if not sys.stdin.isatty():
        raise InputError("there are several bands: give the address of the one that is meant")
    answer = (await terminal.ask(f"which one, 1 to {len(bands)}? ")).strip()
    if not answer.isdecimal() or not 1 <= int(answer) <= len(bands):
        raise InputError(f"{answer!r} is none of 1 to {len(bands)}")
    return bands[int(answer) - 1].address
