# SPDX-License-Identifier: MIT
"""`tenuto wearable`: put Tenuto's app on a watch, or take it off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cyclopts import App

from tenuto.config import find_config
from tenuto.errors import InputError
from tenuto.wearables import registry

from .choose import choose
from .common import ConfigFile, make_setting
from .prompt import Terminal

if TYPE_CHECKING:
    from tenuto.config import Wearable
    from tenuto.daemon.build import Setting
    from tenuto.daemon.dispatch import Dispatcher
    from tenuto.daemon.operations import Address, Operation
    from tenuto.flashing.watch_app import OnWatch

app = App(name="wearable", help="Put Tenuto's app on a watch, or take it off.")


@app.command
def install(wearable: str, /, *, config: ConfigFile = None) -> int:
    """Put Tenuto's app on a watch, or renew it, and see that it answers.

    The watch has to be in reach, with no phone connected to it, and with Settings, Bluetooth,
    Programmable set to on until this is done. What it has kept of sessions stays.

    Args:
        wearable: `bangle` for the Bangle.js 2 in reach, or its id in the configuration, or its
            Bluetooth address
        config: as in all commands
    """
    from tenuto import event_loops
    from tenuto.daemon.operations import INSTALL_APP

    setting = make_setting(find_config(config), 1.0)
    done = event_loops.run(_do(setting, INSTALL_APP, wearable))
    what = f"Tenuto {done.version} is on {done.address}, with Espruino {done.espruino}"
    if not done.changed:
        print(f"{what}, and was there already.")
        return 0
    print(f"{what}: wrote {done.changed} of {done.files} files, and it answers.")
    known = _configured(setting, done.address)
    meant = done.address if known is None else known.id
    print(f"Next, have it trust this computer: `tenuto pair {meant}`.")
    print("Then set Settings, Bluetooth, Programmable to off on the watch.")
    return 0


@app.command
def remove(wearable: str, /, *, config: ConfigFile = None) -> int:
    """Take Tenuto's app off a watch, with its keys, its routine and what it has kept of sessions.

    Sessions that no computer has collected yet are lost by that.

    Args:
        wearable: `bangle` for the Bangle.js 2 in reach, or its id in the configuration, or its
            Bluetooth address
        config: as in all commands
    """
    from tenuto import event_loops
    from tenuto.daemon.operations import REMOVE_APP

    setting = make_setting(find_config(config), 1.0)
    done = event_loops.run(_do(setting, REMOVE_APP, wearable))
    if not done.changed:
        print(f"Nothing of Tenuto is on {done.address}.")
        return 0
    print(f"Removed {done.changed} files from {done.address}.")
    known = _configured(setting, done.address)
    if known is not None:
        print(f"It is still {known.id!r} in the configuration: `tenuto forget {known.id}`.")
    return 0


async def _do(setting: Setting, operation: Operation[Address, OnWatch], wanted: str) -> OnWatch:
    from tenuto.daemon.dispatch import open_dispatcher
    from tenuto.daemon.operations import Address

    async with open_dispatcher(setting) as dispatch:
        terminal = Terminal()
        address = await _address(dispatch, terminal, setting, wanted)
        return await dispatch.call(operation, Address(address=address), terminal)


async def _address(dispatch: Dispatcher, terminal: Terminal, setting: Setting, wanted: str) -> str:
    """Find what is meant: a configured wearable, an address, or the one in reach of a model."""
    known = any(one.id == wanted for one in setting.config.wearables)
    model = registry.models().get(wanted)
    if known or model is None:
        return wanted
    if model.app is None:
        raise InputError(f"no app of Tenuto's goes onto a {model.title}")
    return await choose(dispatch, terminal, lambda one: one.id == model.id)


def _configured(setting: Setting, address: str) -> Wearable | None:
    same = (
        one for one in setting.config.wearables if (one.address or "").upper() == address.upper()
    )
    return next(same, None)
