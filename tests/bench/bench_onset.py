# SPDX-License-Identifier: MIT
"""How far each cue is from its planned time, at the motor: Tenuto against cues sent one by one.

`python -m tests.bench.bench_onset` plays the first ten minutes of a routine with each of them, on
the same virtual radio with the same loss, and prints a table.  The last rows, through a real
Mosquitto, take a minute of real time.

The plan's times are computed here from the steps alone, not taken from the player.  Tenuto's edges
are compared on the band's own clock from the moment its log names as the session's start, live
ones on the host's clock from the moment at which the sender began.  A live cue is always late, so
`steady` says what is left when the median lateness of the whole run is forgiven.
"""

from __future__ import annotations

import asyncio
import dataclasses
import math
import random
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
from bleak import BleakClient, BleakScanner

from tenuto import event_loops
from tenuto.routines.library import Library
from tenuto.sessions.commands import Command, Verb
from tenuto.sessions.events import StepStarted
from tenuto.simulator import World
from tenuto.simulator.bleio import FLAVOURS
from tests.bench.tools import Result, mosquitto, say, spread, table
from tests.chain.rig import chain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Coroutine, Sequence

    from tenuto.simulator import SimulatedBoard, SimulatedWearable

ROUTINE = "lower-back-60"
SESSION_MS = 600_000
SEEDS = 8
ALERT_LEVEL_UUID = "00002a06-0000-1000-8000-00805f9b34fb"
ALERT_FIRMWARE = Path(__file__).parent / "alert_firmware"
# A board with CircuitPython asks for 30 ms by itself; a tag takes what the host gives.
FLAVOURS["tag"] = dataclasses.replace(FLAVOURS["nrf52840"], preferred_interval_ms=None)
REAL_S = 60.0
REAL_EVERY_S = 0.5
LOSSES = (0.0, 0.1, 0.3)
LIVE_SEEDS = 40
BUSY_MS_MAX = 4.0
DRIFT = 40e-6
"""By how much the clocks of a computer and of its radio may part: without it the whole seconds of a
plan would keep step with the connection events, which they never do."""


def planned() -> list[tuple[int, int]]:
    """Give each cue of the first ten minutes as (ms since the start, pulses of its pattern)."""
    plan = Library().plan(ROUTINE).plan
    cues: list[tuple[int, int]] = []
    begin_ms = 0
    for number in range(plan.steps):
        step = plan.step(number)
        end_ms = begin_ms + step.duration_ms
        cues += [
            (end_ms - ms if from_end else begin_ms + ms, len(plan.patterns[cue]))
            for ms, from_end, cue in step.cues
        ]
        begin_ms = end_ms
    return [cue for cue in cues if cue[0] < SESSION_MS]


# --- Tenuto


async def keep_busy(board: SimulatedBoard, dice: random.Random) -> None:
    """Let the board stand still now and then, as a garbage collection or a slow bus does."""
    while True:
        await asyncio.sleep(dice.uniform(0.004, 0.03))
        board.clock.block_ms(dice.uniform(0, BUSY_MS_MAX))


async def tenuto_errors(
    folder: Path, seed: int, loss: float, *, gone: bool, busy: bool
) -> list[float]:
    """Play on the whole chain; gives how much later than planned each cue came, in ms."""
    async with chain(folder / f"{seed}-{loss}-{gone}-{busy}.db", seed) as it:
        it.world.radio.loss = loss
        async with asyncio.timeout(600):
            await it.host.hub.supervisors["simulated"].connected.wait()
        start = Command(wearable="simulated", verb=Verb.START, routine=ROUTINE)
        answer = await it.host.commands.submit(start)
        if not answer.ok:
            raise RuntimeError(f"seed {seed}, loss {loss}: {answer.text}")
        await it.seen.until(lambda entry: isinstance(entry.event, StepStarted))
        if busy:
            task = asyncio.create_task(keep_busy(it.wearable.board, random.Random(seed)))
            it.host._stack.callback(task.cancel)
        if gone:
            it.world.radio.silence(it.wearable.address)
        await asyncio.sleep(SESSION_MS / 1000 + 1)
        begun = it.seen.entries[0].record
        if begun is None:
            raise RuntimeError("the first entry of a session comes from the band's log")
        board = it.wearable.board
        start_ms = begun.at_ms + board.ticks_ms() - it.wearable.app._clock.now()
        # What was felt before, such as the answer to a pairing, is none of the session's.
        ups = [ms for e in it.wearable.motor.edges if e.on and (ms := e.t_ms - start_ms) > -1]
    errors, at = [], 0
    for planned_ms, pulses in planned():
        errors.append(ups[at] - planned_ms)
        at += pulses
    return errors


# --- one write for each cue


@asynccontextmanager
async def tag(
    seed: int, loss: float, interval_ms: float
) -> AsyncIterator[tuple[SimulatedWearable, BleakClient]]:
    """A tag with Immediate Alert, connected; it leaves the interval to the host."""
    async with World(seed, interval_ms=interval_ms) as world:
        adapter = await world.adapter()
        wearable = await world.add_wearable("tag", firmware_dir=ALERT_FIRMWARE, flavour="tag")
        device = await BleakScanner.find_device_by_address(
            wearable.address, timeout=10, backend=adapter.scanner_backend
        )
        if device is None:
            raise RuntimeError("the tag is not heard")
        async with BleakClient(device, backend=adapter.client_backend) as client:
            world.radio.loss = loss
            yield wearable, client


async def alert(client: BleakClient) -> None:
    await client.write_gatt_char(ALERT_LEVEL_UUID, b"\x02", response=False)


def lateness(wearable: SimulatedWearable, start_s: float, cues_ms: Sequence[float]) -> list[float]:
    """Give how late each cue came in ms; a cue that never came is taken for as late as the last."""
    ups = [(edge.loop_s - start_s) * 1000 for edge in wearable.motor.edges if edge.on]
    late, at = [], 0
    for number, planned_ms in enumerate(cues_ms):
        following_ms = cues_ms[number + 1] if number + 1 < len(cues_ms) else math.inf
        while at < len(ups) and ups[at] < planned_ms:
            at += 1
        if at < len(ups):
            late.append(ups[at] - planned_ms)
            if ups[at] < following_ms:
                at += 1
    return late


async def live_errors(seed: int, loss: float, interval_ms: float) -> list[float]:
    """Send each cue when it is due, and see when it is felt."""
    cues_ms = [ms * (1 + DRIFT) for ms, _ in planned()]
    loop = asyncio.get_running_loop()
    async with tag(seed, loss, interval_ms) as (wearable, client):
        # Where in a connection interval the session begins is chance, as it is at home.
        await asyncio.sleep(random.Random(seed).uniform(1, 2))
        start_s = loop.time()
        for cue_ms in cues_ms:
            await asyncio.sleep(start_s + cue_ms / 1000 - loop.time())
            await alert(client)
        await asyncio.sleep(5)
        return lateness(wearable, start_s, cues_ms)


# --- one message for each cue


async def automation_errors(folder: Path) -> dict[float, list[float]]:
    """A sender, a real Mosquitto, a bridge that writes what it hears; in real time."""
    loop = asyncio.get_running_loop()
    dice = random.Random(1)
    cues_ms = [
        number * REAL_EVERY_S * 1000 + dice.uniform(0, 250)
        for number in range(round(REAL_S / REAL_EVERY_S))
    ]
    async with AsyncExitStack() as stack:
        broker = stack.enter_context(mosquitto(folder))
        tags = {loss: await stack.enter_async_context(tag(1, loss, 40.0)) for loss in LOSSES}
        inward = await stack.enter_async_context(aiomqtt.Client(broker.host, broker.port))
        outward = await stack.enter_async_context(aiomqtt.Client(broker.host, broker.port))
        await inward.subscribe("home/buzz", qos=1)

        async def bridge(client: BleakClient, due: asyncio.Queue[None]) -> None:
            while True:
                await due.get()
                await alert(client)

        queues = [asyncio.Queue[None](64) for _ in tags]

        async def hear() -> None:
            async for _ in inward.messages:
                for queue in queues:
                    queue.put_nowait(None)

        tasks = [asyncio.create_task(hear(), name="hear")]
        for (_, client), queue in zip(tags.values(), queues, strict=True):
            tasks.append(asyncio.create_task(bridge(client, queue), name="bridge"))
        start_s = loop.time() + 0.5
        for cue_ms in cues_ms:
            await asyncio.sleep(start_s + cue_ms / 1000 - loop.time())
            await outward.publish("home/buzz", b"1", qos=1)
        await asyncio.sleep(3)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return {loss: lateness(it[0], start_s, cues_ms) for loss, it in tags.items()}


# --- the table


def _row(what: str, errors: list[float]) -> Result:
    middle_ms = sorted(errors)[len(errors) // 2]
    return {
        "what": what,
        "cues": len(errors),
        **spread([abs(error) for error in errors]),
        "steady_p99": spread([abs(error - middle_ms) for error in errors])["p99"],
    }


async def _tenuto(
    folder: Path, loss: float, *, gone: bool = False, busy: bool = False
) -> list[float]:
    errors: list[float] = []
    for seed in range(SEEDS):
        errors += await tenuto_errors(folder, seed, loss, gone=gone, busy=busy)
    return errors


async def _live(loss: float, interval_ms: float) -> list[float]:
    errors: list[float] = []
    for seed in range(LIVE_SEEDS):
        errors += await live_errors(seed, loss, interval_ms)
    return errors


def measure() -> Result:
    """Give all rows, each with p50, p99 and the worst in ms, and how p99 compares to Tenuto's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work: dict[str, Coroutine[Any, Any, list[float]]] = {
            "(a) Tenuto, radio fine": _tenuto(folder, 0.0),
            "(a) Tenuto, board held up for 0 to 4 ms 60 times a second": _tenuto(
                folder, 0.0, busy=True
            ),
            "(b) Tenuto, 10 % loss": _tenuto(folder, 0.1),
            "(b) Tenuto, 30 % loss": _tenuto(folder, 0.3),
            "(c) Tenuto, radio gone after play": _tenuto(folder, 0.0, gone=True),
        } | {
            f"(d) each cue live, {interval_ms} ms interval, {loss:.0%} loss": _live(
                loss, interval_ms
            )
            for loss in LOSSES
            for interval_ms in (30, 50)
        }
        rows = [_row(what, event_loops.run(it, speed=math.inf)) for what, it in work.items()]
        for loss, errors in event_loops.run(automation_errors(folder)).items():
            rows.append(_row(f"(e) MQTT automation, 40 ms interval, {loss:.0%} loss", errors))
    # A clock of whole milliseconds cannot tell less than one from nothing.
    plain = [row["p99"] for row in rows if "Tenuto" in row["what"] and "held up" not in row["what"]]
    base_ms = max(1.0, *plain)
    for row in rows:
        row["ratio"] = round(max(row["p99"], 1.0) / base_ms, 1)
    return {"unit": "ms", "rows": rows, "base_ms": base_ms}


def show(result: Result) -> str:
    """Give the table."""
    names = ("what", "cues", "p50", "p99", "worst", "steady_p99", "ratio")
    heads = ("", "cues", "p50 ms", "p99 ms", "worst ms", "steady p99 ms", "p99 against Tenuto")
    return table(heads, [[row[name] for name in names] for row in result["rows"]])


if __name__ == "__main__":
    say(show(measure()))
