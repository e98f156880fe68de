# SPDX-License-Identifier: MIT
"""`tenuto daemon`: stay, keep the wearables, carry out commands."""

from __future__ import annotations

import asyncio
import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, Parameter

from .common import ConfigFile, Speed, log_to_stderr, make_setting, parse_speed, signals

if TYPE_CHECKING:
    from tenuto.daemon.build import Host, Setting
    from tenuto.daemon.systemd import ServiceManager

_FILES = {
    "config": "tenuto.toml",
    "systemd": "systemd/tenuto.service",
    "launchd": "launchd/tenuto.plist",
}

app = App(name="daemon")

START_AGAIN = 75
"""The exit code for a service manager that is to start the daemon again; EX_TEMPFAIL."""


@app.default
def daemon(
    *,
    speed: Speed = "1",
    seed: int | None = None,
    verbose: bool = False,
    to_print: Annotated[
        Literal["config", "systemd", "launchd"] | None, Parameter("--print")
    ] = None,
    config: ConfigFile = None,
) -> int:
    """Keep the wearables connected, and start sessions on command.

    It runs until Ctrl-C or SIGTERM.
    Sessions are started, paused and stopped by MQTT, by the button on the wearable or by `tenuto
    run` beside it. SIGHUP reads the configuration again and says what has changed.

    Args:
        speed: how fast time passes, for simulated wearables
        seed: make chance in the simulation repeatable
        verbose: log every command and every link
        to_print: print a file to begin with and end: a configuration in which every key is
            explained, or what systemd or a Mac's launchd starts the daemon by
        config: as in all commands
    """
    if to_print is not None:
        from tenuto.shipped import shipped

        print((shipped("config") / _FILES[to_print]).read_text(encoding="utf-8"), end="")
        return 0
    from tenuto import event_loops
    from tenuto.config import find_config

    log_to_stderr(logging.DEBUG if verbose else logging.INFO)
    setting = replace(
        make_setting(find_config(config), parse_speed(speed), mqtt=True, seed=seed),
        reread=lambda: find_config(config),
        page=True,
    )
    return event_loops.run(_serve(setting), speed=setting.speed, settle_s=0.001)


async def _serve(setting: Setting) -> int:
    """Keep all wearables and carry out operations until the end.

    What plays on a wearable goes on playing there.

    Returns:
        The exit code.
    """
    from tenuto.control import ControlServer, DaemonLock
    from tenuto.daemon.build import open_host
    from tenuto.daemon.dispatch import handlers
    from tenuto.daemon.garbage_collection import collected_between_sessions
    from tenuto.daemon.systemd import ServiceManager

    ended, changed, again = asyncio.Event(), asyncio.Event(), asyncio.Event()
    manager = ServiceManager(os.environ)

    def restart() -> None:
        again.set()
        ended.set()

    setting = replace(setting, restart=restart if manager else None)
    with DaemonLock(setting.config.own.data):
        async with open_host(setting, setting.config.wearables, []) as host:
            setting.say(host.mqtt.text or "MQTT is off")
            async with (
                host.running(),
                collected_between_sessions(lambda: host.hub.is_playing),
                ControlServer(os.environ, setting.config.own.data, handlers(host)) as socket,
                manager.watched(host.hub.describe),
                host.page.serving(),
            ):
                await host.classes.restore()
                if host.page.address:
                    setting.say(f"a page at {host.page.address}; `tenuto web` opens it")
                if socket.path is None:
                    setting.say("commands beside the daemon cannot ask it on this system")
                setting.say(f"keeping {', '.join(host.hub.supervisors)}; Ctrl-C ends")
                with signals(ended.set, changed.set):
                    manager.ready()
                    await _serve_until(ended, changed, host, manager)
            setting.say("going; what plays on a wearable goes on there")
    return START_AGAIN if again.is_set() else 0


async def _serve_until(
    ended: asyncio.Event, changed: asyncio.Event, host: Host, manager: ServiceManager
) -> None:
    """Wait for the end; read the configuration again whenever that is wanted."""
    from tenuto.daemon.operations import RELOAD, Nothing

    from .prompt import Terminal

    events = ended, changed
    while not ended.is_set():
        waiting = {asyncio.create_task(one.wait(), name="wait for a signal") for one in events}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        if changed.is_set():
            changed.clear()
            manager.reloading()
            await RELOAD.carry_out(host, Nothing(), Terminal())
            manager.ready()
    manager.stopping()
