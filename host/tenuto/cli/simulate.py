# SPDX-License-Identifier: MIT
"""`tenuto simulate`: simulated wearables in a process of their own."""

from __future__ import annotations

import logging
import math
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from cyclopts import App, Parameter, validators

from tenuto.errors import InputError, one_line
from tenuto.extras import needed

from .common import log_to_stderr, parse_speed, signals

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from tenuto.simulator.controls import Controls
    from tenuto.simulator.person import VirtualPerson
    from tenuto.simulator.world import World

_T = TypeVar("_T")

app = App(name="simulate")


class Person(StrEnum):
    """Who wears the wearables."""

    CALM = "calm"
    AFTER_RUN = "after-run"
    NOBODY = "nobody"


@app.default
def simulate(
    *,
    listen: str = "127.0.0.1:9000",
    model: str = "band",
    wearables: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=100))] = 1,
    serial: bool = False,
    proxies: Annotated[int, Parameter(validator=validators.Number(gte=0, lte=26))] = 0,
    proxies_at: str = "127.0.0.1:6053",
    person: Person = Person.AFTER_RUN,
    seed: int = 0,
    loss: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=1))] = 0.0,
    interval_ms: Annotated[
        float | None, Parameter(validator=validators.Number(gte=7.5, lte=4000))
    ] = None,
    silence: tuple[str, ...] = (),
    drift_ppm: Annotated[float, Parameter(validator=validators.Number(gte=-1000, lte=1000))] = 0.0,
    speed: str = "1",
    orders: str | None = None,
    json: bool = False,
    verbose: bool = False,
) -> int:
    """Simulate wearables, in a process of its own.

    It runs until Ctrl-C; other programs reach the wearables over TCP.
    In the configuration of the other Tenuto: `[bluetooth] adapter =
    "bumble:tcp-client:127.0.0.1:9000"` and a wearable with the address that is printed here.
    Any other program that speaks HCI (H4) over TCP reaches them in the same way. A new host is let
    in by the wearer's gesture, which ends the first connection and counts for the next one.
    Each start is like a factory reset: a Tenuto that was paired with one before has to run
    `tenuto forget` first.

    Lines on standard input say what happens meanwhile, such as `press`, `heart 150`, `silence 20s`
    or, where there are several, `band-2 walk away`; `help` tells all. Motor edges are printed.

    With --proxies 2 there are rooms, each with a proxy that hears nothing of the next one: what is
    printed then goes into the configuration, and `walk room-b` into standard input.

    Args:
        listen: where to offer virtual Bluetooth controllers, one for each connection: host:port
        model: what to simulate, as `model` of a [[wearable]]
        wearables: how many
        serial: give each a pseudo terminal as well, as if it were on a cable
        proxies: how many ESPHome Bluetooth proxies, one in each room: room-a, room-b and so on
        proxies_at: where the first proxy is, the others have the ports after it: host:port
        person: who wears them
        seed: make chance repeatable
        loss: share of the packets that are lost, from 0 to below 1
        interval_ms: the interval that connections begin with, whatever the host asks for
        silence: 20s@60s loses every packet for 20 s, 60 s after the start; may be repeated
        drift_ppm: by how many parts per million the clocks of the wearables run too fast
        speed: how fast time passes here; the host must keep the same pace
        orders: where to take such lines by TCP as well, answered by JSON lines: host:port
        json: print JSON lines only: addresses, motor edges, answers
        verbose: log connections
    """
    from tenuto import event_loops
    from tenuto.simulator.controls import RadioControls
    from tenuto.simulator.faults import parse_silence
    from tenuto.simulator.hardware import EDGES_KEPT_MAX
    from tenuto.simulator.server import parse_endpoint
    from tenuto.simulator.world import SimulatedWearable, World
    from tenuto.wearables import registry

    log_to_stderr(logging.INFO if verbose else logging.WARNING)
    host, port = parse_endpoint(listen)
    orders_at = None if orders is None else parse_endpoint(orders)
    proxies_where = parse_endpoint(proxies_at)
    show = _show_json if json else _show
    pace = parse_speed(speed)
    if math.isinf(pace):
        raise InputError("--speed max leaves other programs no time to follow; give a number")
    silences = list(map(parse_silence, silence))
    found = registry.find(model)
    if found.served_as is not None:
        serving = _offer(found.served_as, (host, port), orders_at, show)
        return event_loops.run(serving, speed=pace)
    make = registry.simulator_of(found)

    async def main() -> int:
        world = World(
            seed=seed,
            loss=loss,
            forced_interval_ms=interval_ms,
            drift_ppm=drift_ppm,
            edges_max=EDGES_KEPT_MAX,
        )
        async with world, AsyncExitStack() as stack:
            devices: dict[str, Controls] = {}
            for number in range(1, wearables + 1):
                name = f"{model}-{number}"
                made = await make(world, name, _person(person, seed + number))
                if not isinstance(made, SimulatedWearable) and (serial or drift_ppm):
                    raise InputError(f"--serial and --drift-ppm are for boards, not for {model!r}")
                house = world.house if proxies else None
                devices[name] = RadioControls(name, made, world.radio, found.capabilities, house)
                show({"wearable": name, "event": "address", "address": made.address})
                if isinstance(made, SimulatedWearable) and serial:
                    pty = await stack.enter_async_context(made.cable.pty())
                    show({"wearable": name, "event": "cable", "port": pty.path})
            for one in silences:
                world.radio.silence(None, one.duration_s, after_s=one.after_s)
            adapter = await _let_in_hosts(world, (host, port), stack)
            if proxies:
                adapter = await _hang_up(world, proxies, proxies_where, stack, show)
            async with _taking_orders(devices, orders_at, show):
                show({"event": "ready", "adapter": adapter})
                await _ended()
        return 0

    return event_loops.run(main(), speed=pace)


async def _let_in_hosts(world: World, where: tuple[str, int], stack: AsyncExitStack) -> str:
    """Offer Bluetooth controllers, and return the adapter that is one."""
    from tenuto.simulator.server import listen

    server = await _at(*where, lambda *at: listen(world.radio, *at))
    stack.callback(server.close)
    return f"bumble:tcp-client:{where[0]}:{server.sockets[0].getsockname()[1]}"


async def _hang_up(
    world: World,
    count: int,
    where: tuple[str, int],
    stack: AsyncExitStack,
    show: Callable[[dict[str, Any]], None],
) -> str:
    """Hang up proxies, one in each room, put all into the first; return the adapter for them."""
    from tenuto.simulator.rooms import proxy_key, room_name

    host, port = where
    names = []
    with needed("esphome", "--proxies"):
        import tenuto.simulator.proxy  # noqa: F401
    for number in range(count):
        name = room_name(number)
        key = proxy_key(world.seed, name)
        proxy = await world.add_proxy(name, number, key=key)
        server = await _at(host, port + number if port else 0, proxy.listen)
        stack.callback(server.close)
        at = f"{host}:{server.sockets[0].getsockname()[1]}"
        names.append(at)
        show({"event": "proxy", "proxy": name, "at": at, "key": key})
    for address in world.addresses:
        world.house.put(address, 0.0)
    return "esphome:" + ",".join(names)


async def _offer(
    kind: str,
    where: tuple[str, int],
    orders_at: tuple[str, int] | None,
    show: Callable[[dict[str, Any]], None],
) -> int:
    """Offer a simulated server of another program until Ctrl-C or SIGTERM."""
    from tenuto.simulator.controls import ServerControls
    from tenuto.simulator.devices import SERVERS

    listening, url, server = await _at(*where, SERVERS[kind])
    try:
        async with _taking_orders({kind: ServerControls(kind, server)}, orders_at, show):
            show({"event": "ready", "url": url})
            await _ended()
    finally:
        listening.close()
    return 0


@asynccontextmanager
async def _taking_orders(
    devices: Mapping[str, Controls],
    where: tuple[str, int] | None,
    show: Callable[[dict[str, Any]], None],
) -> AsyncIterator[None]:
    """Take orders on standard input, and at an address where one is given."""
    import asyncio

    from tenuto.simulator import console

    if hasattr(signal, "SIGTTIN"):
        # Else a shell would stop a process in the background that reads from its terminal.
        signal.signal(signal.SIGTTIN, signal.SIG_IGN)
    room = console.Console(devices)
    room.add_listener(show)
    server = None
    if where is not None:
        server = await _at(*where, lambda *at: console.listen(room, *at))
        host, port = server.sockets[0].getsockname()[:2]
        show({"event": "orders", "at": f"{host}:{port}"})
    reading = asyncio.create_task(
        console.read(sys.stdin.fileno(), room, show), name="orders on standard input"
    )
    try:
        yield
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        if server is not None:
            server.close()


async def _at(host: str, port: int, listen: Callable[[str, int], Awaitable[_T]]) -> _T:
    try:
        return await listen(host, port)
    except (OSError, OverflowError) as error:
        raise InputError(f"cannot listen at {host}:{port}: {one_line(error)}") from None


async def _ended() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    import asyncio

    ended = asyncio.Event()
    with signals(ended.set):
        await ended.wait()


_SHOWN = {
    "address": "{wearable} is at {address}",
    "cable": '{wearable} has a cable: port = "{port}"',
    "orders": "orders are taken at {at}",
    "proxy": '{proxy} has a proxy; a line of proxy_keys: "{at}" = "{key}"',
}
"""What a person reads of an event."""


def _show(message: dict[str, Any]) -> None:
    """Print a message for a person."""
    event = message.get("event")
    if event == "motor":
        strength_pct = message["strength_pct"]
        what = f"motor {strength_pct} %" if strength_pct else "motor off"
        print(f"{message['t_s']:9.3f} s  {message['wearable']}: {what}", flush=True)
    elif event == "ready" and "url" in message:
        print(f'a simulated server is at options.url = "{message["url"]}"; Ctrl-C ends')
    elif event == "ready":
        print(f'in reach of adapter = "{message["adapter"]}"; Ctrl-C ends')
    elif event is not None:
        print(_SHOWN[event].format_map(message))
    elif "error" in message:
        print(f"tenuto: {message['error']}", file=sys.stderr, flush=True)
    elif "orders" in message:
        width = max(map(len, message["orders"]))
        print("\n".join(f"{form:{width}}  {does}" for form, does in message["orders"].items()))
    elif "where" in message:
        address = message["address"] or "its server"
        room = f", {message['room']}" if "room" in message else ""
        print(f"{message['wearable']} at {address} is {message['where']}{room}", flush=True)
    else:
        print(f"{message['wearable']}: {message['order']}", flush=True)


def _show_json(message: dict[str, Any]) -> None:
    """Print a message for a program."""
    import json

    print(json.dumps(message), flush=True)


def _person(kind: Person, seed: int) -> VirtualPerson | None:
    from tenuto.simulator.person import VirtualPerson

    if kind is Person.NOBODY:
        return None
    return VirtualPerson(seed=seed, start_bpm=128.0 if kind is Person.AFTER_RUN else None)
