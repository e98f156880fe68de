# SPDX-License-Identifier: MIT
"""The checks: a table of small functions.

Each gets the context and gives what it found; none changes anything.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import stat
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tenuto import __version__
from tenuto.config.broker import broker_addresses
from tenuto.errors import (
    UNTRUSTED,
    InputError,
    LinkError,
    LinkReason,
    StoreError,
    TenutoError,
)
from tenuto.event_loops import aside
from tenuto.extras import EXTRAS, install_command
from tenuto.history import Store
from tenuto.history.adherence import day_of
from tenuto.history.repair import check as look_through
from tenuto.links.radios.registry import radio_named
from tenuto.links.registry import LINKS
from tenuto.links.serial import AUTO
from tenuto.mqtt.broker_check import probe
from tenuto.routines.library import Library
from tenuto.sessions.commands import AGE_MAX_S
from tenuto.terminal import words
from tenuto.wearables import registry
from tenuto.wearables.model import Reached

from .context import Finding, Level

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from tenuto.config import Config, Wearable
    from tenuto.links.ble_adapter import BleAdapter, Sighting
    from tenuto.links.lanes import LaneState
    from tenuto.mqtt.address import BrokerAddress
    from tenuto.wearables.base import SensorStatus
    from tenuto.wearables.model import Model

    from .context import Context

CHECK_TIMEOUT_S = 30.0
LISTEN_S = 2.0
BROKER_TIMEOUT_S = 10.0
REACH_TIMEOUT_S = 25.0
CLOCKS_DIFFER_S = 5.0
FREE_BYTES_LEAST = 50_000_000
"""Decades of daily sessions; below it the system itself is in trouble."""
RELEASE_UTC_S = 1_793_500_000
"""November 2026: a clock that is earlier is wrong."""
BATTERY_PCT_LEAST = 15
_SHUT_OUT = UNTRUSTED | {LinkReason.NOT_PAIRED, LinkReason.REFUSED}
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


async def examine(context: Context) -> AsyncIterator[Finding]:
    """Go through all checks, in their order."""
    for name, check in CHECKS:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                found = await check(context)
        except TimeoutError:
            text = f"this took more than {CHECK_TIMEOUT_S:.0f} s"
            found = [(Level.PROBLEM, text, "try again; if it stays so, restart the computer")]
        except TenutoError as error:
            found = [(Level.PROBLEM, str(error), None)]
        for level, text, advice in found:
            yield Finding(name, level, text, advice)


_Found = list[tuple[Level, str, str | None]]


def _ok(text: str) -> _Found:
    return [(Level.OK, text, None)]


def _warning(text: str, advice: str) -> _Found:
    return [(Level.WARNING, text, advice)]


def _problem(text: str, advice: str) -> _Found:
    return [(Level.PROBLEM, text, advice)]


async def configuration(context: Context) -> _Found:
    """The configuration can be read, and others cannot read its secrets."""
    config = context.config
    if config is None:
        lines = str(context.mistake).splitlines() or ["the configuration cannot be read"]
        return [(Level.PROBLEM, line, "mend it there") for line in lines]
    if config.file is None:
        return _ok("none of your own, the built-in one holds")
    found = _ok(f"{config.file} has {words.count(len(config.wearables), 'wearable', 'wearables')}")
    for problem in registry.problems():
        found += _warning(problem, "mend that package, or uninstall it")
    has_password = any(one.password is not None for one in config.mqtt.addresses)
    if has_password and _is_open_to_others(config.file):
        found += _warning(
            f"{config.file} has a password and others may read it", f"chmod 600 {config.file}"
        )
    return found


async def routines(context: Context) -> _Found:
    """All routines and the vocabulary can be played."""
    if context.config is None:
        return []
    library = Library.of(context.config)
    found: _Found = []
    for name in library.names():
        try:
            library.plan(name)
        except TenutoError as error:
            found += [(Level.PROBLEM, line, "mend it there") for line in str(error).splitlines()]
    for wearable in context.config.wearables:
        name = context.config.routine_for(wearable)
        if name not in library.names():
            found += _problem(
                f"wearable {wearable.id!r} starts the routine {name!r}, which is not there",
                "`tenuto routines` lists those there are",
            )
    return found or _ok(f"{len(library.names())} routines, all can be played")


async def prescriptions(context: Context) -> _Found:
    """What is prescribed to the people of this host can be played here."""
    config = context.config
    if config is None or config.fleet.is_read or not config.history_path.exists():
        return []
    try:
        async with Store(config.history_path, read_only=True) as store:
            kept = await store.prescriptions()
    except StoreError:
        return []  # the check of the history tells why
    today = day_of(round(1000 * context.utc_s()))
    here = [one for one in kept if config.person(one.person) and one.until() >= today]
    library = Library.of(config)
    found: _Found = []
    for one in here:
        try:
            library.routine(one.routine)
        except InputError:
            found += _problem(
                f"to {one.person} is prescribed {one.title!r}, and there is no such routine here",
                f"put it into the folder of routines, or `tenuto prescribe end {one.id}`",
            )
    if here and not found:
        return _ok(f"{words.count(len(here), 'prescription', 'prescriptions')}, all can be played")
    return found


async def extras(context: Context) -> _Found:
    """What the configuration uses is installed."""
    config = context.config
    wearables = () if config is None else config.wearables
    users = [(LINKS[one.link].extra, f"wearable {one.id!r}") for one in wearables]
    usual = "default" if config is None else config.bluetooth.adapter
    names = [name or usual for name in context.adapters] if context.uses_bluetooth else []
    users += [(radio_named(name).extra, f"the adapter {name!r}") for name in names]
    found: _Found = []
    for name, user in users:
        if name is not None and not EXTRAS[name].is_installed:
            found += _problem(
                f"{user} needs the extra `{name}`, which is not installed",
                f"`{install_command(name)}`",
            )
    missing = [name for name, extra in EXTRAS.items() if not extra.is_installed]
    if not missing:
        return found + _ok("all are installed")
    brought = ", ".join(f"{name} ({EXTRAS[name].brings})" for name in missing)
    return found + _ok(f"not installed: {brought}; get them by `{install_command(*missing)}`")


async def daemon(context: Context) -> _Found:
    """A daemon runs, of this version."""
    told = context.daemon
    if told is None:
        return _ok("none runs; `tenuto run` does the work itself")
    if told.get("version") != __version__:
        return _warning(
            f"the daemon that runs is of version {told.get('version')}, this is {__version__}",
            "restart it, such as by `systemctl --user restart tenuto`",
        )
    config = context.config
    mine = None if config is None or config.file is None else str(config.file.resolve())
    if told.get("config") != mine:
        return _warning(
            f"the daemon that runs has another configuration: {told.get('config') or 'built-in'}",
            "restart it, or use the same configuration here",
        )
    return _ok(f"process {told.get('pid')}")


async def system_bus(context: Context) -> _Found:
    """The way to BlueZ is open."""
    if not context.uses_bluez:
        return []
    level = Level.PROBLEM if context.uses_bluetooth else Level.WARNING
    if "DBUS_SYSTEM_BUS_ADDRESS" not in context.environ and not context.system_bus.exists():
        text = f"there is no system bus at {context.system_bus}"
        return [(level, text, "install and start it: `sudo apt install dbus bluez`")]
    from tenuto.links.radios.bluez_agent import bluez_is_there  # noqa: PLC0415 - only where it can be

    try:
        if await bluez_is_there():
            return _ok("the bus is there and BlueZ is on it")
    except LinkError as error:
        return [(level, str(error), "see above")]
    advice = "start it: `sudo systemctl enable --now bluetooth`; or `sudo apt install bluez`"
    return [(level, "BlueZ, the Bluetooth service, does not run", advice)]


async def adapter(context: Context) -> _Found:
    """Each radio works; it listens for a moment, or asks the daemon that has it."""
    if context.daemon is not None:
        return _radio_of(context.daemon)
    found = await asyncio.gather(*(_listen(context, name) for name in context.adapters))
    return [line for lines in found for line in lines]


async def _listen(context: Context, name: str | None) -> _Found:
    level = Level.PROBLEM if context.uses_bluetooth else Level.WARNING
    radio = context.adapter(name)
    heard = set[str]()

    def on_heard(sighting: Sighting) -> bool:
        heard.add(sighting.device.address)
        return False

    try:
        lanes = (await radio.radio()).lanes
        if lanes is not None:
            with suppress(LinkError):  # the lanes say why
                await radio.watch(on_heard, LISTEN_S)
            return [line for state in lanes.states() for line in _lane(state, level)]
        await radio.watch(on_heard, LISTEN_S)
    except LinkError as error:
        text, _, _ = str(error).partition(" (")
        needed = "" if context.uses_bluetooth else "; no wearable of yours needs it"
        return [(level, f"{radio.name} does not work{needed}", text)]
    finally:
        await radio.close()
    return _ok(f"{radio.name} works; {len(heard)} device(s) heard in {LISTEN_S:.0f} s")


def _lane(state: LaneState, level: Level) -> _Found:
    if state.problem is not None:
        return [(level, f"the proxy {state.name} does not work", str(state.problem))]
    found = _ok(
        f"the proxy {state.name} works, {state.free} of its {state.slots} links are free; "
        f"{state.heard} device(s) heard"
    )
    if not state.is_encrypted:
        found += _warning(
            f"all in your network may listen to what goes through the proxy {state.name}",
            "put `api: encryption: key:` into its ESPHome configuration, and the key into "
            "proxy_keys",
        )
    return found


def _radio_of(told: object) -> _Found:
    from tenuto.links.ble_adapter import RADIO_REASONS  # noqa: PLC0415 - bleak takes its time

    wearables = told.get("wearables", []) if isinstance(told, dict) else []
    reasons = {str(w.get("reason")): str(w.get("problem")) for w in wearables if w.get("reason")}
    for reason in sorted(RADIO_REASONS):
        if reason.value in reasons:
            return _problem("the daemon cannot use it", reasons[reason.value])
    return _ok("the daemon has it")


async def permissions(context: Context) -> _Found:
    """Who may use what."""
    config = context.config
    if config is None:
        return []
    found: _Found = []
    if context.uses_bluez and context.uses_bluetooth:
        if context.groups() & {"bluetooth", "root"}:
            found += _ok("this user may use Bluetooth")
        else:
            found += _warning(
                "this user is not in the group bluetooth, which is needed without a desktop",
                "`sudo usermod -aG bluetooth $USER`, then log in again",
            )
    for wearable in config.wearables:
        if wearable.port is not None:
            found += _port(context, wearable.id, wearable.port)
    private = ("bonds.json", "keys.json")
    for path in (config.history_path, *(config.own.data / name for name in private)):
        if path.exists() and _is_open_to_others(path):
            found += _warning(f"others may read {path}, which is private", f"chmod 600 {path}")
    return found


def _port(context: Context, name: str, port: str) -> _Found:
    from pathlib import Path  # noqa: PLC0415 - only here

    if port == AUTO:
        found = context.ports()
        if not found:
            return _problem(
                f"wearable {name!r}: no board is plugged in",
                "is it on, and is the cable one for data and not for charging alone?",
            )
        port = found[0]  # where the band is most likely
    if re.fullmatch(r"(?i)com\d+", port):
        return _ok(f"wearable {name!r}: {port}")
    path = Path(port)
    if not path.exists():
        return _problem(f"wearable {name!r}: there is no {port}", "is it plugged in and on?")
    if not context.may_use(path):
        return _problem(
            f"wearable {name!r}: this user may not use {port}",
            "`sudo usermod -aG dialout $USER`, then log in again",
        )
    return _ok(f"wearable {name!r}: {port} is there")


async def broker(context: Context) -> _Found:
    """MQTT works."""
    config = context.config
    if config is None:
        return []
    if config.mqtt.is_embedded:
        return _embedded_broker(is_asked_for=config.file is not None)
    addresses = await aside(
        lambda: broker_addresses(config, context.environ), name="broker", timeout_s=CHECK_TIMEOUT_S
    )
    if not addresses:
        return _ok("MQTT is off")
    topics = [config.mqtt.base_topic]
    if config.fleet.lease_topic is not None:
        topics.append(config.fleet.lease_topic)
    troubles = await asyncio.gather(*(_first_trouble(one, topics) for one in addresses))
    # One that answers is enough; the others are wanted when it fails.
    level = Level.WARNING if None in troubles else Level.PROBLEM
    advice = "is it on, and are the settings under [mqtt] right?"
    return [
        (Level.OK, f"{address} answers", None)
        if trouble is None
        else (level, f"{address}: {trouble}", advice)
        for address, trouble in zip(addresses, troubles, strict=True)
    ]


async def _first_trouble(address: BrokerAddress, base_topics: Sequence[str]) -> str | None:
    for topic in base_topics:
        trouble = await probe(address, BROKER_TIMEOUT_S, topic)
        if trouble is not None:
            return trouble
    return None


def _embedded_broker(*, is_asked_for: bool) -> _Found:
    if EXTRAS["broker"].is_installed:
        return _ok("Tenuto brings its own, for this computer alone")
    if not is_asked_for:
        return _ok("MQTT is off, since the extra `broker` is not installed")
    return _problem(
        "the broker that Tenuto can bring along is not installed",
        f'`{install_command("broker")}`, or write url = "off" under [mqtt]',
    )


async def history(context: Context) -> _Found:
    """The history can be written, and is sound."""
    config = context.config
    if config is None:
        return []
    path = config.history_path
    found: _Found = []
    if not path.exists():
        folder = _nearest_folder(path)
        if not context.may_use(folder):
            return _problem(f"{folder} cannot be written", "choose another path under [history]")
        found += _ok(f"{path} will be made by the first session")
    else:
        if not context.may_use(path):
            return _problem(f"{path} cannot be written", f"chown it to yourself: {path}")
        async with Store(path, read_only=True) as store:
            checked = await look_through(store)
            count = len(await store.sittings())
        if not checked.is_sound:
            wrong = (*checked.damage, *checked.faults)
            return _problem(
                f"{path}: {wrong[0]}{f' and {len(wrong) - 1} more' if wrong[1:] else ''}",
                "end the daemon, then `tenuto history check --repair`",
            )
        found += _ok(f"{path} is sound; it has {words.count(count, 'session', 'sessions')}")
    free = shutil.disk_usage(_nearest_folder(path)).free
    if free < FREE_BYTES_LEAST:
        found += _problem(
            f"only {free / 1e6:.0f} MB are free where the history is", "make room on the disk"
        )
    return found


async def fleet(context: Context) -> _Found:
    """The central history can be reached, and little waits for it."""
    config = context.config
    if config is None or config.fleet.is_off:
        return []
    from tenuto.fleet.postgres import CentralHistory  # noqa: PLC0415 - an extra, few need it
    from tenuto.fleet.schema import check  # noqa: PLC0415

    count, since = 0, ""
    if config.history_path.exists():
        async with Store(config.history_path, read_only=True) as store:
            waiting = await store.forwarding.waiting()
        count = waiting.count
        if waiting.since_utc_ms is not None:
            moment = datetime.fromtimestamp(waiting.since_utc_ms / 1000, UTC).astimezone()
            since = f" since {moment:%Y-%m-%d %H:%M}"
    waiting_words = f"{words.count(count, 'session', 'sessions')} and more wait here{since}"
    waits = f"; {waiting_words}, and none is lost" if count else ""
    async with CentralHistory(config.fleet.url, config.central_password) as central:
        try:
            await central.work(check)
        except TenutoError as error:
            return _problem(f"{error}{waits}", "start it, or look at [fleet] in the configuration")
        return _ok(f"the central history at {central.place} answers{waits}")


def _nearest_folder(path: Path) -> Path:
    return next(folder for folder in path.parents if folder.exists())


async def clock(context: Context) -> _Found:
    """The system's clock is right, and that of Home Assistant agrees with it."""
    return [*_own_clock(context), *_other_clock(context)]


def _other_clock(context: Context) -> _Found:
    """Compare with the clock of Home Assistant, whose commands by MQTT say when they were asked."""
    told = (context.daemon or {}).get("asked_ago_s")
    if not isinstance(told, int | float):
        return []
    if abs(told) <= CLOCKS_DIFFER_S:
        return _ok(f"it agrees with that of the newest command by MQTT, within {abs(told):.1f} s")
    if told > 0:
        text = f"the newest command by MQTT was asked {told:.0f} s ago by its own word"
        cause = "Home Assistant's clock is behind, or this one ahead, or it was held up so long"
    else:
        text = f"the newest command by MQTT is dated {-told:.0f} s ahead"
        cause = "Home Assistant's clock is ahead of this one"
    return _warning(
        text,
        f"{cause}: have both kept in time; a start or a resume is refused from "
        f"{AGE_MAX_S:.0f} s on",
    )


def _own_clock(context: Context) -> _Found:
    """Look at the system's clock: sessions are kept by it."""
    now_s = context.utc_s()
    if now_s < RELEASE_UTC_S:
        day = datetime.fromtimestamp(now_s, UTC).date().isoformat()
        return _problem(
            f"it says {day}, before this program was made",
            "`sudo timedatectl set-ntp true`, and wait for the network",
        )
    match context.is_clock_set():
        case True:
            return _ok("it is kept in time")
        case False:
            return _warning(
                "nobody keeps it in time", "`sudo timedatectl set-ntp true`, and check the network"
            )
    return _ok("it looks right")


async def wearables(context: Context) -> _Found:
    """The wearables are in reach, know this computer, and have a firmware as new as this program.

    That one is out of reach is no fault of anybody; that it does not let this computer in is one.
    """
    if context.config is None:
        return []
    config = context.config
    if context.daemon is not None:
        told = context.daemon.get("wearables", [])
        return [line for one in told for line in _told(one, config)]
    reachable = [one for one in config.wearables if _is_reached(one)]
    if not reachable:
        return _ok("none of yours is reached by Bluetooth")
    radios = {name: context.adapter(name) for name in {one.adapter for one in reachable}}
    try:
        found = await asyncio.gather(*(_reach(one, radios) for one in reachable))
    finally:
        for radio in radios.values():
            await radio.close()
    return [line for lines in found for line in lines]


def _is_reached(wearable: Wearable) -> bool:
    return registry.of(wearable).check is not None or LINKS[wearable.link].is_by_air


async def _reach(wearable: Wearable, radios: Mapping[str | None, BleAdapter]) -> _Found:
    """Reach it as its model says and ask for the version."""
    name, model = wearable.id, registry.of(wearable)
    try:
        async with asyncio.timeout(REACH_TIMEOUT_S):
            if model.check is None:
                firmware = await _ask_firmware(wearable, radios[wearable.adapter])
                reached = Reached(firmware)
            else:
                reached = await model.check(wearable, radios.__getitem__)
    except LinkError as error:
        return _unreached(name, error.reason, str(error))
    except TimeoutError:
        return _unreached(name, LinkReason.TIMEOUT, "is it on, charged and near?")
    return _firmware(name, model, reached, "")


def _unreached(name: str, reason: object, advice: str) -> _Found:
    if reason in UNTRUSTED:
        return _problem(f"{name}: not trusted, and told nothing", advice)
    if reason in _SHUT_OUT:
        return _problem(f"{name}: in reach, but it does not let this computer in", advice)
    if reason == LinkReason.HELD:
        return _ok(f"{advice}; a start here takes it over while nothing plays on it")
    return _warning(f"{name}: out of reach", advice)


async def _ask_firmware(wearable: Wearable, radio: BleAdapter) -> str | None:
    """Connect and ask for the version, which needs no bond."""
    from tenuto.links.ble_adapter import ENDED_EARLY_MAX, at_address  # noqa: PLC0415 - takes its time
    from tenuto.links.bonding import read_firmware  # noqa: PLC0415 - takes its time

    client, _ = await radio.connect(
        at_address(wearable.address), wearable.id, tries=ENDED_EARLY_MAX
    )
    try:
        return await read_firmware(client)
    finally:
        await radio.let_go(client)


def _told(told: Mapping[str, Any], config: Config) -> _Found:
    """Say what the daemon knows of one."""
    name = str(told.get("id"))
    own = next((one for one in config.wearables if one.id == name), None)
    model = registry.find(registry.DEFAULT) if own is None else registry.of(own)
    if not told.get("connected"):
        advice = told.get("problem") or "it was not reached yet: try again in a moment"
        return _unreached(name, told.get("reason"), str(advice))
    battery = told.get("battery_pct")
    version = told.get("firmware")
    charge = "" if battery is None else f", battery {battery} %"
    return _firmware(name, model, Reached(None if version is None else str(version)), charge)


def _firmware(name: str, model: Model, reached: Reached, more: str) -> _Found:
    version, newest = reached.firmware, model.newest_firmware()
    if version is not None and newest is not None and _numbers(version) < _numbers(newest):
        return _warning(
            f"{name}: firmware {version}, this program brings {newest}{more}",
            "copy the new one to it: `tenuto firmware install`",
        )
    found = _ok(f"{name}: in reach, firmware {version or 'unknown'}{more}")
    if reached.is_trusted is False:
        found += _warning(f"{name}: somebody near could have it obey them", str(model.distrust))
    elif reached.is_trusted:
        found += _ok(f"{name}: it obeys only computers that have a key of it")
    elif model.distrust is not None:
        found += _ok(f"{name}: {model.distrust}")
    for note in model.notes:
        found += _ok(f"{name}: {note}")
    return found


async def sensors(context: Context) -> _Found:
    """The sensors that are worn with wearables are in reach and send something."""
    if context.config is None:
        return []
    worn = [
        (wearable, model, str(getattr(wearable, model.worn_as)))
        for wearable in context.config.wearables
        for model in registry.models().values()
        if model.worn_as is not None and getattr(wearable, model.worn_as) is not None
    ]
    found: _Found = []
    radios: dict[str | None, BleAdapter] = {}
    looks = []
    for wearable, model, address in worn:
        name = f"{wearable.id}: its {model.title} {address}"
        if context.daemon is not None:
            told = _sensor_of(context.daemon, wearable.id, model.id)
            found += [] if told is None else _sensor(name, told)
        elif model.check_sensor is not None:
            if wearable.adapter not in radios:
                radios[wearable.adapter] = context.adapter(wearable.adapter)
            looks.append(_look(name, model.check_sensor(wearable, radios.__getitem__)))
    try:
        for lines in await asyncio.gather(*looks):
            found += lines
    finally:
        for radio in radios.values():
            await radio.close()
    return found


async def _look(name: str, looking: Awaitable[SensorStatus]) -> _Found:
    try:
        async with asyncio.timeout(REACH_TIMEOUT_S):
            return _sensor(name, asdict(await looking))
    except LinkError as error:
        return _sensor(name, {"reason": error.reason, "problem": str(error)})
    except TimeoutError:
        return _sensor(name, {"problem": "is it on, charged and near?"})


def _sensor_of(daemon: Mapping[str, Any], wearable: str, model: str) -> Mapping[str, Any] | None:
    """Return what the daemon tells of a sensor; None if it is too old to tell."""
    for told in daemon.get("wearables", []):
        if told.get("id") == wearable:
            found: Mapping[str, Any] | None = told.get("sensors", {}).get(model)
            return found
    return None


def _sensor(name: str, told: Mapping[str, Any]) -> _Found:
    """Say how a sensor is; see `SensorStatus`."""
    battery_pct = told.get("battery_pct")
    charge = "" if battery_pct is None else f", battery {battery_pct} %"
    if told.get("heard"):
        found = _ok(f"{name} sends the heart rate, kind {told.get('kind') or 'unknown'}{charge}")
        if battery_pct is not None and battery_pct < BATTERY_PCT_LEAST:
            found += _warning(f"{name} is nearly empty{charge}", "change or charge its battery")
        return found
    if told.get("connected"):
        return _warning(
            f"{name} sends nothing{charge}",
            "wear it: most sensors send only on the skin; moisten the electrodes of a strap",
        )
    if told.get("problem") is None:
        return _warning(f"{name} was not reached yet", "try again in a moment")
    advice = str(told["problem"])
    if told.get("reason") in _SHUT_OUT:
        return _problem(f"{name} is in reach, but does not let this computer in", advice)
    return _warning(
        f"{name} is out of reach", f"wear it, most sensors sleep until they are worn: {advice}"
    )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _is_open_to_others(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & _OTHERS & 0o044)


CHECKS: tuple[tuple[str, Callable[[Context], Awaitable[_Found]]], ...] = (
    ("configuration", configuration),
    ("routines", routines),
    ("prescriptions", prescriptions),
    ("extras", extras),
    ("daemon", daemon),
    ("system bus", system_bus),
    ("adapter", adapter),
    ("permissions", permissions),
    ("broker", broker),
    ("history", history),
    ("fleet", fleet),
    ("clock", clock),
    ("wearables", wearables),
    ("sensors", sensors),
)
"""All checks by their names, in the order in which one thing rests on another."""
