# SPDX-License-Identifier: MIT
"""Plays sessions on the plan in a file and prints all that can be seen of them.

Whatever interpreter runs it, the output must be the same to the byte::

    python scenarios.py SCENARIO PLAN_FILE [SEED ...]

What may differ, because only MicroPython can tell it, goes to the standard error output.
"""
# ruff: noqa: I002, RUF005, T201, PTH123 - MicroPython has no __future__, no star in a
# display and no pathlib

import gc
import sys

from tenuto_core import vocab, wire
from tenuto_core.log import RECORD_BYTES
from tenuto_core.plan import Plan, PlanError
from tenuto_core.player import WAITING
from tests.core.rig import Dice, Host, Wrist, crc_of, plan_id_of

LOG_RECORDS = 256
CHUNK = 61
SAMPLE_EVERY_MS = 600_000
SHOW_EVERY_MS = 10_000
CUES_FROM_MS = 10_000
CUES_FOR_MS = 200_000
SLACK_BYTES = 1_024
"""A step with more cues is larger than one with fewer; a leak would soon be more than this."""


class Stage:
    """A wrist with a host that follows, and everything they do in print."""

    def __init__(
        self,
        data: bytes,
        log_records: int = LOG_RECORDS,
        now_ms: int = 1_000,
        *,
        silent: bool = False,
    ) -> None:
        self.wrist = Wrist(None, log_records, 0x1234ABCD, now_ms)
        self.host = Host(self.wrist)
        self.plan_id = plan_id_of(data)
        self.silent = silent
        self.commands = 0
        self.pulses = 0
        self.say("upload", self.host.upload(data, CHUNK))
        self.say("log read", self.host.ask(wire.LOG_READ, 0))

    def say(self, *words: object) -> None:
        if not self.silent:
            print(*words)

    def show(self) -> None:
        """Print the motor's edges and what came over the link, and forget them."""
        motor = self.wrist.motor
        for at_ms, pct in motor.edges:
            self.pulses += pct != 0
            self.say("motor", at_ms, pct)
        motor.edges.clear()
        motor.pulses.clear()
        frame = self.host.pull()
        while frame is not None:
            op, tag, values, tail = frame
            # MicroPython 1.25 makes b"" of the hexadecimal form of nothing.
            self.say("frame", op, tag, values, tail.hex() if tail else "-")
            if op == wire.LOG:
                self.host.send(wire.LOG_ACK, values[0] + len(tail) // RECORD_BYTES)
            frame = self.host.pull()

    def run(self, by_ms: int) -> None:
        self.wrist.run(by_ms)
        self.show()

    def block(self, by_ms: int) -> None:
        self.wrist.block_to(self.wrist.now_ms + by_ms)
        self.show()

    def command(self, what: int, arg: int = 0) -> None:
        self.commands += 1
        self.host.send(wire.COMMAND, what, self.commands, self.plan_id, arg & 0xFFFFFFFF)
        self.show()

    def click(self, hold_ms: int = 100) -> None:
        wrist = self.wrist
        wrist.band.edge(True, wrist.now_ms, wrist.now_ms)
        self.run(hold_ms)
        wrist.band.edge(False, wrist.now_ms, wrist.now_ms)
        self.show()

    def beat(self, bpm: int, rr: tuple[int, ...] = ()) -> None:
        self.wrist.band.beat(bpm, rr, self.wrist.now_ms)

    def state(self) -> None:
        band = self.wrist.band
        self.say("state", self.host.ask(wire.STATE), band.due_ms)

    def play_out(self, steps: int = 2_000) -> None:
        """Press and let the heart calm down wherever that is awaited, until the end."""
        for _ in range(steps):
            player = self.wrist.player
            if player.due_ms is None:
                break
            self.run(max(0, player.due_ms - self.wrist.now_ms))
            if player.state == WAITING:
                self.run(700)
                self.beat(60, (1_000,))
                self.click()
                self.run(400)
        self.run(5_000)
        self.state()


def plain(data: bytes, _: list[int]) -> None:
    """A session as it is meant to be."""
    stage = Stage(data)
    stage.say("hello", stage.host.ask(wire.HELLO))
    stage.command(vocab.START)
    stage.play_out()


def eventful(data: bytes, _: list[int]) -> None:
    """Each command, each gesture, and lateness."""
    stage = Stage(data, now_ms=(1 << 32) - 20_000)
    stage.command(vocab.START_AT, stage.wrist.now_ms + 3_000)
    stage.state()
    stage.run(10_000)
    stage.command(vocab.PAUSE)
    stage.command(vocab.PAUSE)
    stage.run(20_000)
    stage.command(vocab.RESUME)
    stage.command(vocab.SKIP)
    stage.run(4_000)
    stage.command(vocab.EXTEND, 10_000)
    stage.command(vocab.EXTEND, 700_000)
    stage.command(vocab.BACK)
    stage.block(45_678)
    stage.click()
    stage.run(1_000)
    stage.beat(123, (480, 490, 500, 70_000, 1))
    stage.click()
    stage.click()
    stage.state()
    stage.run(3_000)
    stage.click()
    stage.run(500)
    stage.command(vocab.START)
    stage.command(99)
    stage.block(7_200_000)
    stage.state()
    stage.click()
    stage.run(12_000)
    stage.click(900)
    stage.state()
    stage.wrist.band.alert(2, stage.wrist.now_ms)
    stage.run(60_000)


def swarm(data: bytes, seeds: list[int]) -> None:
    """Anything at any time."""
    for seed in seeds:
        print("seed", seed)
        dice = Dice(seed)
        stage = Stage(data, 16 + dice.roll(100))
        stage.command(vocab.START)
        for _ in range(30):
            anything(stage, dice)
        stage.play_out(20)
        stage.command(vocab.STOP)
        stage.run(5_000)


def anything(stage: Stage, dice: Dice) -> None:
    pick = dice.roll(12)
    if pick < 4:
        what = (1, 2, 3, 4, 6, 6, 0, 5, 7)[dice.roll(9) if dice.roll(20) == 0 else dice.roll(6)]
        arg = stage.wrist.now_ms + dice.roll(5_000) if what == vocab.START_AT else dice.roll(4_000)
        stage.command(what, 0 if what == vocab.STOP else arg)
    elif pick < 7:
        stage.click((50, 100, 300, 790, 850)[dice.roll(5) if dice.roll(8) == 0 else dice.roll(4)])
    elif pick < 9:
        stage.beat(60 + dice.roll(80), (dice.roll(70_000),) * dice.roll(6))
    elif pick < 10:
        op = (1, 2, 3, 16, 17, 18, 19, 48, 49, 77, 129, 178, 255)[dice.roll(13)]
        frame = bytes([op] + [dice.roll(256) for _ in range(dice.roll(24))])
        stage.host.peer.receive(frame, stage.wrist.now_ms)
    else:
        stage.block(dice.roll(20_000))
    stage.run((0, 1, dice.roll(400), dice.roll(3_000), dice.roll(40_000))[dice.roll(5)])


def most(size: int) -> int | bytes:
    """The greatest value of a field."""
    return b"\xff" * size if size >= 8 else (1 << 8 * size) - 1


def too_much(size: int) -> tuple[int | bytes, ...]:
    """Values that do not fit a field."""
    return (b"", bytes(size + 1)) if size >= 8 else (-1, 1 << 8 * size, 1 << 70)


def frames(_: bytes, __: list[int]) -> None:
    """Every frame with values that fit and that do not, whole, cut and drawn out."""
    for op in sorted(wire.FRAMES):
        sizes = [size for _, size in wire.FRAMES[op][1]]
        fits = [most(size) for size in sizes]
        trials = [fits, fits + [0], fits[:-1]]
        for index in range(len(sizes)):
            for bad in too_much(sizes[index]):
                trials.append(fits[:index] + [bad] + fits[index + 1 :])  # noqa: PERF401 - plainer
        for values in trials:
            for tail in (b"", b"tail", bytes(wire.MAX_FRAME)):
                try:
                    print(wire.encode(op, 7, *values, tail=tail).hex())
                except wire.WireError as error:
                    print("refused:", error)
        whole = wire.encode(op, 9, *fits)
        for frame in [whole[:n] for n in range(len(whole))] + [whole + b"\x01", whole + bytes(244)]:
            try:
                print(wire.decode(frame))
            except wire.WireError as error:
                print("refused:", error)


def damage(data: bytes, _: list[int]) -> None:
    """The plan with each of its bytes changed, under a checksum that fits."""
    for at in range(len(data) - 4):
        for change in (0x01, 0x80, 0xFF):
            spoilt = bytearray(data[:-4])
            spoilt[at] ^= change
            spoilt += crc_of(spoilt).to_bytes(4, "little")
            try:
                plan = Plan(spoilt)
                print(at, change, "a plan of", plan.steps, "steps and", plan.duration_ms, "ms")
            except PlanError as error:
                print(at, change, error)


def heap() -> int:
    """Bytes in use; 0 where the interpreter does not tell."""
    in_use = getattr(gc, "mem_alloc", None)
    return in_use() if in_use else 0


def memory(data: bytes, _: list[int]) -> None:
    """A long session must need no more memory at its end than at its beginning."""
    stage = Stage(data, 1_024, silent=True)
    stage.command(vocab.START)
    samples = []
    while stage.wrist.player.due_ms is not None:
        for _at_ms in range(0, SAMPLE_EVERY_MS, SHOW_EVERY_MS):
            stage.run(SHOW_EVERY_MS)
        gc.collect()
        samples.append(heap())
    print(stage.pulses, "pulses in", stage.wrist.now_ms // 60_000, "min;", len(samples), "looks")
    print("heap grows:", "yes" if max(samples) > samples[0] + SLACK_BYTES else "no")
    print("heap after 10 min:", samples[0], "at most:", max(samples), file=sys.stderr)
    print("allocated per cue, all around it included:", per_cue(stage), file=sys.stderr)


def per_cue(stage: Stage) -> int:
    """Bytes that a cue leaves to the collector: its pulses, its record, its share of a step."""
    wrist = stage.wrist
    wrist.do(vocab.START)
    wrist.run(CUES_FROM_MS)
    first = wrist.log.next
    gc.collect()
    gc.disable()
    before = heap()
    wrist.run(CUES_FOR_MS)
    after = heap()
    gc.enable()
    cues = 0
    for number in range(first, wrist.log.next):
        cues += wrist.log.read(number, 1)[4] == vocab.CUE
    return (after - before) // cues


SCENARIOS = {
    "plain": plain,
    "eventful": eventful,
    "swarm": swarm,
    "frames": frames,
    "damage": damage,
    "memory": memory,
}


def main(argv: list[str]) -> None:
    with open(argv[1], "rb") as file:
        data = file.read()
    SCENARIOS[argv[0]](data, [int(seed) for seed in argv[2:]])


if __name__ == "__main__":
    main(sys.argv[1:])
