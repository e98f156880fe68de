# SPDX-License-Identifier: MIT
"""`tenuto forget`: end the bond with a wearable on this computer, and forget its key."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from tenuto.config import find_config

from .common import ConfigFile, make_setting
from .prompt import Terminal

if TYPE_CHECKING:
    from tenuto.daemon.build import Setting

app = App(name="forget")


@app.default
def forget(
    wearable: str,
    /,
    *,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    config: ConfigFile = None,
) -> int:
    """Forget the pairing with a wearable.

    That is the bond and, of a Tenuto band, its key. The wearable itself still knows this computer.

    Args:
        wearable: its Bluetooth address, or its id in the configuration
        as_json: print one JSON object, and nothing else
        config: as in all commands
    """
    from tenuto import event_loops

    setting = make_setting(find_config(config), 1.0)
    return event_loops.run(_forget(setting, wearable, as_json=as_json))


async def _forget(setting: Setting, wanted: str, *, as_json: bool) -> int:
    from tenuto.daemon.dispatch import open_dispatcher
    from tenuto.daemon.operations import FORGET, Address
    from tenuto.wearables.pairing import any_of

    async with open_dispatcher(setting) as dispatch:
        forgotten = await dispatch.call(FORGET, Address(address=wanted), Terminal())
    target = any_of(setting.config.wearables, wanted)
    meant = target.address or wanted
    if as_json:
        told = {"address": target.address, **asdict(forgotten)}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return 0
    what = [name for name, was in (("bond", forgotten.bond), ("key", forgotten.key)) if was]
    if not what:
        print(f"This computer knew nothing of {meant}.")
        return 0
    print(f"Forgotten: the {' and the '.join(what)} of {meant}.")
    if target.names:
        name = target.names[0]
        print(f"{name!r} is still in the configuration, but cannot be used until it is paired:")
        how = "" if target.address is not None else "--cable "
        print(f"`tenuto pair {how}{name}`, with the wearable ready for it. Or take it out there.")
    else:
        print(f"To use it again, pair with it: `tenuto pair {meant}`.")
    return 0
