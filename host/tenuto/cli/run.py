# SPDX-License-Identifier: MIT
"""`tenuto run`: play a routine once and show it live."""

from __future__ import annotations

import logging
import sys

from cyclopts import App

from .common import ConfigFile, Speed, log_to_stderr, make_setting, parse_speed

app = App(name="run")


@app.default
def run(
    routine: str | None = None,
    /,
    *,
    wearable: str | None = None,
    strength: int | None = None,
    hold_time: int | None = None,
    speed: Speed = "1",
    json: bool = False,
    mqtt: bool = False,
    seed: int | None = None,
    config: ConfigFile = None,
) -> int:
    """Play a routine once and show it live.

    Ctrl-C stops it. A wearable that already plays something is joined, not disturbed.

    Args:
        routine: a routine's name, or a file that ends in .toml; without it the default one
        wearable: the id of a wearable in the configuration; without it the first one
        strength: how strong the cues are felt, 10 to 150 % of the vocabulary; without it as set
        hold_time: how long holds are, 50 to 200 % of the routine; without it as set
        speed: how fast time passes, for simulated wearables: 20, or max for no waiting at all
        json: print one JSON object a line and nothing else
        mqtt: use MQTT also with --speed max
        seed: make chance in the simulation repeatable
        config: as in all commands
    """
    from tenuto import event_loops
    from tenuto.config import find_config
    from tenuto.daemon import build as tenuto_app

    log_to_stderr(logging.WARNING)
    settings = find_config(config)
    if not json and sys.stdout.isatty():
        from tenuto.cli import safety

        safety.tell(settings, routine, wearable)
    setting = make_setting(settings, parse_speed(speed), json=json, mqtt=mqtt, seed=seed)
    return event_loops.run(
        tenuto_app.play(
            setting,
            routine=routine,
            wearable_id=wearable,
            strength_pct=strength,
            hold_pct=hold_time,
        ),
        speed=setting.speed,
        settle_s=0.001 if mqtt else 0.0,
    )
