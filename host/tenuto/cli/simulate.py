# SPDX-License-Identifier: MIT
"""`tenuto simulate`: simulated wearables in a process of their own."""

from __future__ import annotations

import logging
import math
from contextlib import AsyncExitStack
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter, validators

from tenuto.errors import InputError, one_line

from .common import log_to_stderr, parse_speed, signals

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from tenuto.simulator.faults import OrderedSilence
    from tenuto.simulator.person import VirtualPerson
    from tenuto.simulator.world import World
    from tenuto.wearables.model import SimulatedDevice

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
    person: Person = Person.AFTER_RUN,
    seed: int = 0,
    loss: Annotated[float, Parameter(validator=validators.Number(gte=0, lt=1))] = 0.0,
    interval_ms: Annotated[
        float | None, Parameter(validator=validators.Number(gte=7.5, lte=4000))
    ] = None,
    silence: tuple[str, ...] = (),
    drift_ppm: Annotated[float, Parameter(validator=validators.Number(gte=-1000, lte=1000))] = 0.0,
    speed: str = "1",
    verbose: bool = False,
) -> int:
    """Be a simulated wearable, in a process of its own.

    It runs until Ctrl-C, and other programs meet it, or several of them, over TCP.
    In the configuration of the other Tenuto: `[bluetooth] adapter =
    "bumble:tcp-client:127.0.0.1:9000"` and a wearable with the address that is printed here.
    Any other program that speaks HCI (H4) over TCP meets them in the same way. Whoever is new is
    let in by the wearer's gesture, which ends the first connection and is meant for the next.
    At each start they have forgotten all that they knew, as after a reset of everything: a Tenuto
    that was paired with one before forgets it first, by `tenuto forget`.

    Args:
        listen: where to offer virtual Bluetooth controllers, one to each who connects: host:port
        model: what to be, as `model` of a [[wearable]]
        wearables: how many
        serial: give each a pseudo terminal as well, as if it were on a cable
        person: who wears them
        seed: make chance repeatable
        loss: share of the packets that the air swallows, from 0 to below 1
        interval_ms: the interval that connections begin with, whatever the host asks for
        silence: 20s@60s lets nobody hear anything for 20 s, 60 s after the start; may be repeated
        drift_ppm: how much faster than right the clocks of the wearables run, in parts per million
        speed: how fast time passes here; the host must keep the same pace
        verbose: log who comes and goes
    """
    from tenuto import event_loops
    from tenuto.simulator.faults import parse_silence
    from tenuto.simulator.hardware import EDGES_KEPT_MAX
    from tenuto.simulator.server import parse_endpoint
    from tenuto.simulator.world import SimulatedWearable, World
    from tenuto.wearables import registry

    log_to_stderr(logging.INFO if verbose else logging.WARNING)
    host, port = parse_endpoint(listen)
    pace = parse_speed(speed)
    if math.isinf(pace):
        raise InputError("--speed max leaves other programs no time to follow; give a number")
    silences = list(map(parse_silence, silence))
    kind = registry.find(model).served_as
    if kind is not None:
        return event_loops.run(_offer(kind, host, port), speed=pace)
    make = _simulator(model)

    async def main() -> int:
        world = World(
            seed=seed,
            loss=loss,
            forced_interval_ms=interval_ms,
            drift_ppm=drift_ppm,
            edges_max=EDGES_KEPT_MAX,
        )
        async with world, AsyncExitStack() as stack:
            for number in range(1, wearables + 1):
                name = f"{model}-{number}"
                made = await make(world, name, _person(person, seed + number))
                if not isinstance(made, SimulatedWearable) and (serial or drift_ppm):
                    raise InputError(f"--serial and --drift-ppm are for boards, not for {model!r}")
                print(f"{name} is at {made.address}")
                if isinstance(made, SimulatedWearable) and serial:
                    pty = await stack.enter_async_context(made.cable.pty())
                    print(f'{name} has a cable: port = "{pty.path}"')
            return await _serve(world, host, port, silences)

    return event_loops.run(main(), speed=pace)


async def _offer(kind: str, host: str, port: int) -> int:
    """Offer a simulated server of another program until Ctrl-C or SIGTERM."""
    import asyncio

    from tenuto.simulator.devices import SERVERS

    ended = asyncio.Event()
    try:
        listening, url = await SERVERS[kind](host, port)
    except OSError as error:
        raise InputError(f"cannot listen at {host}:{port}: {one_line(error)}") from None
    try:
        print(f'a simulated server is at options.url = "{url}"; Ctrl-C ends')
        with signals(ended.set):
            await ended.wait()
    finally:
        listening.close()
    return 0


async def _serve(world: World, host: str, port: int, silences: Sequence[OrderedSilence]) -> int:
    """Offer controllers in reach of a world until Ctrl-C or SIGTERM."""
    import asyncio

    from tenuto.simulator.server import listen

    ended = asyncio.Event()
    try:
        server = await listen(world.radio, host, port)
    except OSError as error:
        raise InputError(f"cannot listen at {host}:{port}: {one_line(error)}") from None
    try:
        port = server.sockets[0].getsockname()[1]
        for silence in silences:
            world.radio.silence(None, silence.duration_s, after_s=silence.after_s)
        print(f'in reach of adapter = "bumble:tcp-client:{host}:{port}"; Ctrl-C ends')
        with signals(ended.set):
            await ended.wait()
    finally:
        server.close()
    return 0


def _simulator(
    model_id: str,
) -> Callable[[World, str, VirtualPerson | None], Awaitable[SimulatedDevice]]:
    """Return what puts a device of a model into a room.

    Raises:
        InputError: There is no such model, or it cannot be simulated.
    """
    from tenuto.wearables import registry

    found = registry.find(model_id)
    if found.simulate is None:
        able = ", ".join(one.id for one in registry.models().values() if one.simulate is not None)
        raise InputError(f"no {found.title} can be simulated, only: {able}")
    return found.simulate


def _person(kind: Person, seed: int) -> VirtualPerson | None:
    from tenuto.simulator.person import VirtualPerson

    if kind is Person.NOBODY:
        return None
    return VirtualPerson(seed=seed, start_bpm=128.0 if kind is Person.AFTER_RUN else None)
