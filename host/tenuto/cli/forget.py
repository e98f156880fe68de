# SPDX-License-Identifier: MIT
"""`tenuto forget`: end the bond with a wearable on this computer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from tenuto.cli.common import ConfigFile, make_setting
from tenuto.config import find_config
from tenuto.errors import LinkError, LinkReason

if TYPE_CHECKING:
    from tenuto.app import Setting

app = App(name="forget")


@app.default
def forget(address: str, /, *, config: ConfigFile = None) -> int:
    """Forget the pairing with a wearable.

    That is on this computer; the wearable itself still knows.

    Args:
        address: its Bluetooth address, or its id in the configuration
        config: as in all commands
    """
    from tenuto import timebase

    return timebase.run(_forget(make_setting(find_config(config), 1.0), address))


async def _forget(setting: Setting, address: str) -> int:
    from tenuto.app import address_of, forget_bond

    meant = address_of(setting.config, address)
    try:
        await forget_bond(setting, meant)
    except LinkError as error:
        if error.reason is not LinkReason.NOT_FOUND:
            raise
        print(f"This computer knew nothing of {meant}.")
        return 0
    print(f"Forgotten: {meant}. Have the wearable forget this computer too, or pair again.")
    if any((w.address or "").upper() == meant.upper() for w in setting.config.wearables):
        print("It is still in the configuration: Tenuto pairs again when it is reached.")
    return 0
