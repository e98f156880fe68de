# SPDX-License-Identifier: MIT
"""`tenuto web`: open the page of the daemon in a browser."""

from __future__ import annotations

import asyncio
import sys
import webbrowser
from typing import TYPE_CHECKING

from cyclopts import App

from tenuto.config import find_config

from .common import ConfigFile, make_setting
from .qr_code import print_code

if TYPE_CHECKING:
    from tenuto.daemon.build import Setting
    from tenuto.daemon.operations import Invitation

app = App(name="web")


@app.default
def web(
    *,
    link: bool = False,
    person: str | None = None,
    config: ConfigFile = None,
) -> int:
    """Open the page of the daemon in a browser.

    The daemon must run. Each link lets one browser in, once and within ten minutes; the browser
    is known from then on.

    Args:
        link: print the link, and its code as a picture for a phone's camera, instead
        person: the id of a person, who sees only their own sessions and heart rate; without it the
            link shows everybody's
        config: as in all commands
    """
    setting = make_setting(find_config(config), 1.0, mqtt=False)
    invitation = asyncio.run(_invite(setting, person))
    if not link and webbrowser.open(invitation.link):
        print("The page opens in your browser.", file=sys.stderr)
        return 0
    print(invitation.link)
    if sys.stdout.isatty():
        print_code(invitation.link)
        print(f"Or type the code there: {invitation.code}")
    return 0


async def _invite(setting: Setting, person: str | None) -> Invitation:
    from tenuto.daemon.dispatch import RemoteDispatcher, daemon_of
    from tenuto.daemon.operations import INVITE, Invite
    from tenuto.errors import InputError

    from .prompt import Terminal

    client = await daemon_of(setting)
    if client is None:
        raise InputError(
            "the daemon does not run, and it serves the page: start `tenuto daemon`, in another"
            " terminal"
        )
    return await RemoteDispatcher(client).call(INVITE, Invite(person=person), Terminal())
