# SPDX-License-Identifier: MIT
"""`tenuto daemon`: stay, keep the wearables, carry out commands."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Annotated

from cyclopts import App, Parameter

from .common import ConfigFile, Speed, log_to_stderr, make_setting, parse_speed

app = App(name="daemon")


@app.default
def daemon(
    *,
    speed: Speed = "1",
    seed: int | None = None,
    verbose: Annotated[bool, Parameter(negative=())] = False,
    config: ConfigFile = None,
) -> int:
    """Stay, keep the wearables, start sessions on command by MQTT.

    It keeps all wearables of the configuration until Ctrl-C or SIGTERM.
    Sessions are started, paused and stopped by MQTT, by the button on the wearable or by `tenuto
    run` beside it. SIGHUP reads the configuration again and says what has changed.

    Args:
        speed: how fast time passes, for simulated wearables
        seed: make chance in the simulation repeatable
        verbose: log every command and every link
        config: as in all commands
    """
    from tenuto import event_loops
    from tenuto.config import find_config
    from tenuto.daemon import build as tenuto_app

    log_to_stderr(logging.DEBUG if verbose else logging.INFO)
    setting = replace(
        make_setting(find_config(config), parse_speed(speed), mqtt=True, seed=seed),
        reread=lambda: find_config(config),
    )
    return event_loops.run(tenuto_app.serve(setting), speed=setting.speed, settle_s=0.001)
