# SPDX-License-Identifier: MIT
"""All measurements in turn: `python -m tests.bench.run_all [NAME ...]`.

Writes what was measured to tests/bench/results.json, and as tables to tests/bench/RESULTS.md.
Those that are not named keep what the file has of them.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench import (
    bench_board,
    bench_class,
    bench_device,
    bench_hosted,
    bench_memory,
    bench_onset,
    bench_page,
    bench_press,
    bench_proxies,
    bench_scale,
    bench_speed,
    bench_start,
    bench_strangers,
)
from tests.bench.tools import Result, say

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = Path(__file__).parent
ALL: dict[str, tuple[str, ModuleType]] = {
    "onset": ("How far each cue is from its time", bench_onset),
    "board": ("How far each cue is from its time on a board, by estimate", bench_board),
    "hosted": ("How far each cue is from its time where the host plays", bench_hosted),
    "page": ("How soon the page shows something", bench_page),
    "class": ("How far apart a cue is felt in a class", bench_class),
    "press": ("How long a press in Home Assistant takes to the wearable", bench_press),
    "scale": ("Many wearables on one host", bench_scale),
    "proxies": ("From room to room, and a crowd on three links", bench_proxies),
    "speed": ("Virtual time", bench_speed),
    "start": ("Starting and resting", bench_start),
    "memory": ("What ten thousand sessions leave in memory", bench_memory),
    "device": ("On the device and over the air", bench_device),
    "strangers": ("Strangers on the band's only link", bench_strangers),
}
NOTES = {
    "onset": """
Goal: (a), (b) and (c) within 5 ms at p99 and alike, (d) at least 20 times worse.
The simulated board does its work in no time here, so Tenuto's own rows show what the design adds,
which is nothing, and not what a board adds, see the next table; the row of the board that is held
up shows what that adds.
Ratios are taken against the worst of (a), (b) and (c) without the held-up board, and 1 ms at least.
Against the held-up board (d) is 10 times worse without loss and 23 times and more with it.
No board of metal was measured, and no Linux radio, which is slower than the virtual one.
`steady` forgives a constant lateness, which a sender could plan for.""",
    "page": """
Goals: a cue on the page within 100 ms of being felt at p99, the first paint within 300 ms.
In a real Chromium on the same machine, with two bands on the virtual radio; the sink is what any
other program is told by.
The first paint is that of a page that is loaded with a year of history, of one session and its
copies; beats of a strap are three records in four.
Of each session the history keeps an outline, as a host makes it once one has ended and nobody
plays. Without them, as right after an update or an import, the month of 93 sessions with a strap
takes eight times as much of the processor, 1.15 s where 0.15 s are enough, because all records are
read; a host at rest makes some thirty outlines a second.
The month of 93 sessions with a strap was 1.4 s before there were outlines.
The first cue of a session came before the card that has a place for it until 30 November, so that
the next cue, two seconds later, was taken for it.""",
    "class": """
Goal: 99 of 100 within 5 ms of the middle of the class after half an hour without a radio, where the
clocks were learned before; skin can order two touches that are 34 ms apart.
A hundred bands with clocks up to 50 ppm off, of which the adapter carries seven links at once; each
link has an interval of its own between 30 and 50 ms, and one transmission in ten is lost.
Of bands that were never met nothing is known but that their clocks are wrong: after half an hour
they are as far apart as their crystals, and only a radio that is there could bring them together.
Each class teaches the clocks for the next one, half an hour later.
How long before it begins the class has to be asked for is what a hundred connections take, which
are made one after the other; who is not reached by then joins at the next exercise.
The crystals here keep their pace; a real one changes by some ppm with the warmth of the wrist.""",
    "press": """
Goal: one interval of the connection and the write.
One press, 20 s into a hold of a minute: the connection has an interval of 45 ms then.
From the moment at which the daemon has the command; a broker adds what it takes to pass a message
on, 1 to 5 ms for a Mosquitto on the same machine.
Before a command went out in one packet without a question first, it was 461.5 ms at p50 for
*Pause or resume* and 265 ms for *Stop*, measured in the same way.""",
    "board": """
Goal: with 3 cycles an instruction every cue, the first included, within 5 ms, and p99 at most 3 ms
around its constant.
This is an estimate until a board has been measured: the simulated board stands still for as long as
each piece of work takes on a Cortex-M4F at 64 MHz, by instructions that were counted on an emulated
one, times the cycles that one takes in the mean; see `tenuto.simulator.costs` for the figures and
for what of them is assumed.
A host follows the log, the heart sensor is on, and `lower-back` is played.
Before the firmware woke early, did nothing long near an edge and set the motor's driver up
beforehand, the same estimate for 3 cycles was by BLE 2.0 ms at p50, 24.2 at p99 and 28.4 for the
first cue, with 9 % above 5 ms; by cable 2.0, 40.4 and 29.3 ms, 47.0 at worst, with 16 % above 5 ms.
The emulated board itself had by BLE 4.1 ms at p50, 14.5 at worst but for the first cue with 25 to
37, and 38 % above 5 ms: the estimate is too friendly.  It knows no interrupts and no radio, so what
it has of steadiness is the design's; a trial of the same measures on the emulated board left 1.9 ms
at p50 and 2.9 at worst.""",
    "hosted": """
Goal: none; it is what a device costs that cannot play by itself.
The time is from the moment at which a cue was meant to be felt to the device's motor; a cue is sent
25 ms before that, about half an interval, so that the middle is near nothing.
`not felt` are cues that the device did not confirm within a second.
The radio is the virtual one: on Linux a write takes tens of milliseconds more, which `lead_ms` of
the wearable's options can make up for, and which nobody here has measured.
A PineTime has fewer cues, because those that a wearer can do without are silent on it.""",
    "scale": """
Goal: 500 on one core in real time without a late command, and at most twice the floor.
Processor time and memory are those of the host's process; the simulated side has one of its own.
The floor does what went over the links, to the broker and to the disk once more, each at its time,
with bare bumble, aiomqtt and sqlite3, and knows all beforehand.
Before it begins all are linked, with a key that is there already and over links that meet each
millisecond until then; that is not measured.
What is beyond it is the price of what the libraries do not do: records are decoded, followed step
by step, dated and told.
The history gathers a quarter of a second before it syncs, which is in the time to the disk.
A command has to wait for the link's next event, of some hundred ms at rest, and bring the plan.
Late is what begins more than a second after it was asked for.
25 are asked for in a second, so that of the 40 s in which five hundred are measured they all play
for the second half; what each takes is taken from there.
Of five hundred none begins late and none is dropped, on two thirds of a core.
The goal of twice the floor is missed from a hundred on. It was 1.4 on 28 November, when linking
took ten minutes before what is measured, and the floor itself took twice as much. Now the host
still announces what it has to Home Assistant while it is measured, which the floor does not; that
this is the difference, and makes the times at five hundred longer, was not measured apart.""",
    "proxies": """
Goal: to the complete log at p99 within a second of what habluetooth takes to one value, and the
history complete within a minute after fifty bands have played on three links.
A roam is from the end of the old link; a proxy notices that end some seconds after the wearable has
left, for everybody alike.
habluetooth tries the proxy first that heard the device loudest before, which it has just left, and
waits ten seconds for it; told the right proxy, bleak-esphome does what the air takes and no more.
What Tenuto takes beyond that is a bond, the proof of the key, the clock and the log.
The first roam to each proxy has the services discovered, which takes a second; it is the worst one.
The bands' cues are compared with each other, edge by edge, on their own clocks.""",
    "speed": """
Goals: 50,000 for the core, 1,000 for the whole stack with one wearable, 2,500 with fifty, and at
most twice the processor time of bare bumble on both ends with the same packets at the same times.
The history syncs the disk once for each quarter of a second in which something happened, which one
wearable has to pay alone and fifty share; so one gains more than fifty from doing without.
The firmware's own steps take two fifths of the time, and the rest is asyncio, bumble and the host.
The fastest of five rounds counts; its share of the core's speed is the middle one of five, each
taken against the core of the same round.
This machine is shared and changes its speed by a factor of two within a minute, so compare shares
rather than speeds: on 24 November it played 375,000 on the core and 1,186 with fifty and history.
The goal of 2,500 with fifty is reached without a history and not with one: what is between them is
the disk, which is waited for. Within twice of bare bumble both are.""",
    "start": """
Goal: help within 3 times bare Python; a daemon at rest under 0.3 % of a core and 60 MB for ten
minutes.
Which commands there are is told without any library.
What a command takes is told by the library of the command line, and waits for that to be loaded.
MB are 10^6 bytes, and have in them what a process shares with others, such as Python itself.
A process that has bonded by bumble keeps the cryptography that this took, nine of them, and is 1.5
over the goal then; seven of the nine are pages of the library's file, which processes share and the
system takes back when it needs the room.
By bumble, plain bleak is told a heart rate each second, which the daemon does not subscribe to.
BlueZ is a small one of the tests with nothing to tell, so of its rows only the memory says what a
real one would.""",
    "memory": """
Goal: none of it grows.
Counted while nothing is played, after all that is free was given back to the system.
The simulated wearables are in the same process; the history is on the disk, of ten thousand
sessions in the end.""",
    "device": """
Goal: nothing allocated on the way from a cue's time to the motor.
Heap is what lives after a collection, beyond the bare interpreter, with pointers as wide as on a
board; a plan costs its own bytes and a kilobyte.
Tenuto sends more over the air in all, because the log and the heart come back; what it sends before
the first cue is all that the cues need.""",
    "strangers": """
Goal: one stranger keeps the owner out for seconds, however quick it is.
The owner's own time is that of connecting, discovering, encrypting and proving the key.
Before strangers were sent away sooner, and the band was there for others while one is sent away,
the same runs gave: 14.2 s, 19.3 at worst, with one stranger, and no connection in ten minutes with
each of the others.
Two strangers that are quicker than the owner take turns, and nothing is left for anybody else: the
band cannot tell who connects, so only the button and the cable work then.""",
}


HEAD = """# Measurements

Made by `make bench`.
Ratios within one table come from one run; times are those of the machine named below it."""


def machine() -> dict[str, Any]:
    """Say on what it was measured."""
    return {
        "date": dt.datetime.now(tz=dt.UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }


def show(results: dict[str, Result]) -> str:
    """Give RESULTS.md."""
    parts = [HEAD]
    for name, (title, module) in ALL.items():
        if name not in results:
            continue
        on = results[name]["machine"]
        parts.append(
            f"## {title}\n{NOTES[name]}\n\n{module.show(results[name]['result'])}\n\n"
            f"{on['date']}, {on['cores']} cores ({on['processor']}), {on['system']}, "
            f"Python {on['python']}, load {on['load']} before it began."
        )
    return "\n\n".join(parts) + "\n"


def main(names: list[str]) -> None:
    """Run those that are named, or all."""
    logging.disable(logging.CRITICAL)
    path = FOLDER / "results.json"
    results: dict[str, Result] = json.loads(path.read_text()) if path.exists() else {}
    for name in names or ALL:
        on, module = machine(), ALL[name][1]
        results[name] = {"machine": on, "result": module.measure()}
        say(f"{ALL[name][0]}\n\n{module.show(results[name]['result'])}\n")
        path.write_text(json.dumps(results, indent=1) + "\n")
        (FOLDER / "RESULTS.md").write_text(show(results))


if __name__ == "__main__":
    main(sys.argv[1:])
