# SPDX-License-Identifier: MIT
"""`tenuto scan`: list what is in reach by Bluetooth, and what Tenuto would do with it."""

from __future__ import annotations

import json
import os
import sys
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter, validators
from rich.live import Live

from tenuto.cli import tables
from tenuto.config import find_config
from tenuto.errors import TenutoError
from tenuto.terminal import words

from .common import ConfigFile, make_setting
from .prompt import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from rich.table import Table

    from tenuto.config import Config
    from tenuto.daemon.build import Setting
    from tenuto.links.scan import Found
    from tenuto.wearables.model import Model

app = App(name="scan")


@app.default
def scan(
    *,
    seconds: Annotated[float, Parameter(validator=validators.Number(gte=0.5, lte=600))] = 10.0,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
    config: ConfigFile = None,
) -> int:
    """List the devices in reach by Bluetooth, and their use.

    Each has its name, its address, how strong its signal is and what it can do.

    Args:
        seconds: how long to listen
        everything: list also devices that Tenuto has no use for
        as_json: print one JSON object a line at the end, and nothing else
        config: as in all commands
    """
    from tenuto import event_loops

    setting = make_setting(find_config(config), 1.0)
    return event_loops.run(_scan(setting, seconds, everything=everything, as_json=as_json))


async def _scan(setting: Setting, seconds: float, *, everything: bool, as_json: bool) -> int:
    from tenuto.daemon.dispatch import open_dispatcher
    from tenuto.daemon.operations import SCAN, Scan
    from tenuto.wearables import registry

    known: dict[str, Found] = {}
    console = tables.console()
    is_live = not as_json and console.is_terminal and not console.is_dumb_terminal
    if not as_json and not is_live:
        print(f"tenuto: listening for {seconds:g} s", file=sys.stderr)
    live = Live(console=console, auto_refresh=False) if is_live else None

    async def show(found: Sequence[Found]) -> None:
        known.update({one.address: one for one in found})
        if live is not None:
            rows = registry.ordered(known.values(), everything=everything)
            live.update(_table(rows, setting.config), refresh=True)

    context: AbstractContextManager[object] = nullcontext() if live is None else live
    with context:
        async with open_dispatcher(setting) as dispatch:
            await dispatch.call(SCAN, Scan(listen_ms=round(seconds * 1000)), Terminal(show))
    rows = registry.ordered(known.values(), everything=everything)
    if as_json:
        named = _configured(setting.config)
        for one, model in rows:
            told = registry.to_json(one, model) | {"wearable": named.get(one.address.upper())}
            sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return 0
    if live is None and rows:
        tables.write(_table(rows, setting.config))
    unheard = await _unheard(known, setting.config)
    for line in (*_remarks(known, rows, everything=everything), *(unheard or _hints(rows))):
        print(line)
    for line in _new(rows, setting.config):
        print(line)
    return 0


def _new(rows: Sequence[tuple[Found, Model | None]], config: Config) -> Iterator[str]:
    """Say of each device that is not configured what it can do, and how to configure it."""
    named = _configured(config, sensors=True)
    for one, model in rows:
        if model is None or {one.address.upper(), (one.name or "").upper()} & named.keys():
            continue
        can = ", ".join(word.replace("_", " ") for word in model.capabilities.words)
        yield f"\n{words.printable(one.name or one.address)} ({model.title}): {can}."
        first = "Pair with"
        if model.app is not None:
            yield f"Put the app on it: `tenuto wearable install {model.id}`."
            first = "Then pair with"
        if model.pair is not None:
            yield f"{first} it: `tenuto pair {one.address}`, and put this into tenuto.toml:"
        elif model.worn_as is not None:
            yield "Put this line into the [[wearable]] that it is worn with:"
        else:
            yield "Put this into tenuto.toml:"
        yield model.configuration(one.address)


def _hints(rows: Sequence[object]) -> list[str]:
    """Say what may help where nothing was heard, and nothing is configured that could be named."""
    if rows:
        return []
    return [
        "Is it on, charged and near?",
        "What is connected to a phone or to another computer is not heard.",
    ]


async def _unheard(known: Mapping[str, Found], config: Config) -> list[str]:
    """Say of each device of the configuration that was not heard why that may be."""
    heard = {address.upper() for address in known}
    # A sensor may be known by its name.
    heard |= {one.name.upper() for one in known.values() if one.name}
    missing = {
        address: name
        for address, name in _configured(config, sensors=True).items()
        if address not in heard
    }
    if not missing:
        return []
    held = await _held_by_daemon(config)
    lines = []
    for address, name in missing.items():
        if address in held:
            lines.append(f"{name} {address} is connected to the daemon here, and so is not heard.")
        else:
            lines.append(
                f"{name} {address} was not heard: is it on, charged and near? What is connected "
                "to a phone or to another computer is not heard."
            )
    return lines


async def _held_by_daemon(config: Config) -> frozenset[str]:
    """Return the addresses of what a daemon of this user is connected to."""
    from tenuto.control import find_daemon

    told: Mapping[str, Any] = {}
    with suppress(TenutoError):
        client = await find_daemon(os.environ, config.own.data)
        if client is not None:
            told = await client.ask("status")
    addresses = {one.id: one.address for one in config.wearables}
    held = set()
    for wearable in told.get("wearables", []):
        if wearable.get("connected"):
            held.add(addresses.get(wearable.get("id")))
        sensors = wearable.get("sensors", {}).values()
        held |= {sensor.get("name") for sensor in sensors if sensor.get("connected")}
    return frozenset(address.upper() for address in held if address)


def _configured(config: Config, *, sensors: bool = False) -> Mapping[str, str]:
    """Return the names of the devices of the configuration, by address in capitals."""
    from tenuto.links.registry import LINKS

    found = {
        wearable.address.upper(): wearable.id
        for wearable in config.wearables
        if wearable.address and LINKS[wearable.link].is_by_air
    }
    if sensors:
        for wearable in config.wearables:
            if wearable.heart:
                found.setdefault(wearable.heart.upper(), f"the sensor of {wearable.id}")
    return found


def _table(rows: list[tuple[Found, Model | None]], config: Config) -> Table:
    table = tables.table("what", "name", "!address", "!>signal", "use")
    named = _configured(config)
    for one, model in rows:
        own = named.get(one.address.upper())
        use = "none" if model is None else model.use
        table.add_row(
            "other" if model is None else model.title,
            words.printable(one.name or "?"),
            one.address,
            "?" if one.rssi_dbm is None else f"{one.rssi_dbm} dBm",
            use if own is None else f"is {own!r} in the configuration",
        )
    return table


def _remarks(
    known: Mapping[str, Found], rows: list[tuple[Found, Model | None]], *, everything: bool
) -> list[str]:
    remarks = []
    if not rows:
        remarks.append("Nothing that Tenuto can use was heard.")
    others = len(known) - len(rows)
    if others and not everything:
        remarks.append(f"{others} other devices were heard; --all lists them.")
    return remarks
