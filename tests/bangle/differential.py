# SPDX-License-Identifier: MIT
"""The player of the Bangle.js against `tenuto_core`: the same inputs, the same log, motor, answers.

`python -m tests.bangle.differential --sessions 100000` plays that many; each is made of its seed.
The watch's JavaScript runs in QuickJS, both on a virtual clock. What the watch has besides, or does
in its own way (one plan, its log in flash, `load()`), is played on it alone and must not show.
"""

from __future__ import annotations

import argparse
import base64
import random
import sys
import time
from binascii import crc32
from collections import Counter
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from tenuto.shipped import shipped
from tenuto.simulator import espruino
from tenuto.simulator.bangle import PLAYER_FILE, app_files
from tenuto.simulator.espruino import Espruino
from tenuto_core import auth, vocab, wire
from tenuto_core.band import Band
from tenuto_core.buzzer import Motor
from tenuto_core.encode import encode
from tenuto_core.host_connection import HostConnection
from tenuto_core.log import Log, unpack_record
from tenuto_core.plan import PlanError, Step
from tenuto_core.player import IDLE
from tenuto_core.storage import Storage

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAD_MS = 80
KEY = bytes(range(16))
FILES = app_files(shipped("firmware") / "bangle")
OPEN = "require('tenuto');TENUTO.show=function(){}"
"""As the app's own screen does it."""
LOG_RECORDS = 4096
MENDED_MS = 2
"""What is lost of a pulse when the timer still has the end of an earlier one, which was cut."""


def digest(data: bytes) -> bytes:
    return sha256(data).digest()


class Edges(Motor):
    """Notes what it did, by the clock of its owner."""

    lead_ms = LEAD_MS

    def __init__(self) -> None:
        self.now_ms = 0
        self.edges: list[tuple[int, bool]] = []

    def on(self, strength_pct: int, on_ms: int) -> None:  # noqa: ARG002 - it only notes when
        self._add(is_on=True)

    def off(self) -> None:
        self._add(is_on=False)

    def _add(self, *, is_on: bool) -> None:
        if is_on != (bool(self.edges) and self.edges[-1][1]):
            self.edges.append((self.now_ms, is_on))


def differs_ms(ours: Sequence[tuple[float, bool]], theirs: Sequence[tuple[float, bool]]) -> float:
    """Return for how long at a stretch one motor was on and the other off."""
    changes = sorted(
        [(at, 0, is_on) for at, is_on in ours] + [(at, 1, is_on) for at, is_on in theirs],
        key=lambda change: change[0],  # each in its own order
    )
    states, since, longest = [False, False], 0.0, 0.0
    for at_ms, whose, is_on in changes:
        if states[0] != states[1]:
            longest = max(longest, at_ms - since)
        before = states[0] != states[1]
        states[whose] = is_on
        if (states[0] != states[1]) and not before:
            since = at_ms
    return longest


class Memory(Storage):
    """Keeps what is saved."""

    def __init__(self) -> None:
        self.saved: dict[str, bytes] = {}

    def load(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        return self.saved.get(name, b"")[start:end]

    def save(self, name: str, data: bytes | bytearray, head: bytes = b"") -> bool:
        self.saved[name] = head + bytes(data)
        return True


@dataclass
class Reference:
    """The band of `tenuto_core`, on a cable so that it asks for no key."""

    motor: Edges = field(default_factory=Edges)

    def __post_init__(self) -> None:
        self.band = Band(self.motor, 1, "reference", 0, storage=Memory(), log=Log(LOG_RECORDS))
        self.host = HostConnection(self.band, by_cable=True)

    def advance(self, to_ms: int) -> None:
        while (due_ms := self.band.due_ms) is not None and due_ms <= to_ms:
            self._at(due_ms)
        self._at(to_ms)

    def _at(self, now_ms: int) -> None:
        self.motor.now_ms = max(self.motor.now_ms, now_ms)
        self.band.advance(self.motor.now_ms)

    def ask(self, frame: bytes) -> bytes:
        now_ms = self.motor.now_ms
        self.host.receive(frame, now_ms)
        self.band.advance(now_ms)
        answer = b""
        while packet := self.host.pull(244, now_ms):
            if packet[1] != wire.LOG:
                answer = packet[1:]
        return answer

    def records(self) -> list[tuple[int, ...]]:
        log = self.band.log
        return [unpack_record(log.read(seq, 1)) for seq in range(log.first, log.next)]


class Watch:
    """The watch, with a host that has its key."""

    def __init__(self, seed: int) -> None:
        key = base64.b64encode(KEY).decode()
        files = {name: FILES[name] for name in (espruino.BOOT_FILE, PLAYER_FILE)}
        self.js = Espruino({**files, "tenuto.id": f'{{"keys":["{key}"]}}'}, seed)
        self.js.evaluate(OPEN)
        self.heard: dict[int, bytes] = {}
        self.first = 0
        self.js.connect(is_on=True)
        self.prove()

    def prove(self) -> None:
        nonce = bytes(16)
        answer = self.ask(wire.encode(wire.CHALLENGE, 1, auth.key_id(digest, KEY), nonce))
        proof = auth.host_proof(digest, KEY, nonce, wire.decode(answer)[2][1])
        answer = self.ask(wire.encode(wire.PROOF, 1, proof))
        assert wire.decode(answer)[2] == (
            vocab.OK,
            auth.band_proof(digest, KEY, nonce, wire.decode(self.challenged)[2][1]),
        )

    challenged = b""

    def ask(self, frame: bytes) -> bytes:
        text = base64.b64encode(frame).decode()
        self.js.receive(f'\x10GB({{"t":"tn","d":"{text}"}})\n'.encode())
        answer = b""
        for heard in self.take():
            answer = heard
        if answer and answer[0] == wire.CHALLENGE | wire.ANSWER:
            self.challenged = answer
        return answer

    def take(self) -> list[bytes]:
        """Take what it has said; what is of the log is kept."""
        answers = []
        for line in self.js.take_console().split(b"\r\n"):
            assert not line.startswith(b"Uncaught"), line
            if not line.startswith(b"~"):
                continue
            op, _, values, tail = wire.decode(frame := base64.b64decode(line[1:]))
            if op == wire.LOG:
                for index in range(len(tail) // 16):
                    self.heard[values[0] + index] = tail[index * 16 : index * 16 + 16]
            else:
                answers.append(frame)
        return answers

    def read_log(self, from_seq: int = 0) -> int:
        """Fetch the log as a host does, and return how far it goes."""
        answer = wire.decode(self.ask(wire.encode(wire.LOG_READ, 1, from_seq)))[2]
        self.first, end = answer[1], answer[2]
        known = max(from_seq, self.first)
        while known < end:
            while known in self.heard:
                known += 1
            if known < end:
                self.ask(wire.encode(wire.LOG_ACK, 0, known))
                if known not in self.heard:
                    raise AssertionError(f"record {known} of {end} does not come")
        return int(end)


def random_plan(rng: random.Random, *, is_full: bool) -> tuple[bytes, bytes]:
    """Return the id and the bytes of a plan; a full one has long pulses."""
    while True:
        steps = []
        for _ in range(rng.randint(2, 10)):
            kind = rng.choice((vocab.READY, vocab.HOLD, vocab.SWITCH, vocab.REST))
            ms = rng.choice(
                (rng.randint(1, 400), rng.randint(2_000, 40_000), rng.randint(2_000, 9_000))
            )
            waits: dict[str, int] = {}
            if kind != vocab.HOLD and rng.random() < 0.4:
                waits = {
                    "self_paced": rng.random() < 0.5,
                    "gate_bpm": rng.choice((0, 110)),
                    "limit_bpm": rng.choice((0, 150)),
                }
                waits = (
                    {"wait_max_ms": ms + rng.randint(0, 30_000), **waits}
                    if any(waits.values())
                    else {}
                )
            count = rng.randint(0, 4)
            ends = rng.randint(0, count)
            at = sorted(rng.choice((0, ms, rng.randint(0, ms), min(ms, 60))) for _ in range(count))
            cues = [
                (ms - offset if index >= ends else offset, index >= ends, rng.randint(0, 8))
                for index, offset in enumerate(at)
            ]
            if kind == vocab.HOLD and rng.random() < 0.3:
                waits["is_open"] = True
                cues = [(0 if from_end else at, from_end, cue) for at, from_end, cue in cues]
            phase = rng.randint(0, 2) if kind == vocab.HOLD else 0
            step = Step(
                kind,
                ms,
                cues,
                exercise=0,
                side=rng.randint(0, 2) // 2,
                rep=rng.randint(1, 2),
                phase=phase,
                **waits,  # type: ignore[arg-type]
            )
            steps += [step] * rng.choice((1, 1, 2))
        steps.append(
            Step(vocab.DONE, 0, [(0, False, vocab.FINISHED)] if rng.random() < 0.8 else [])
        )
        longest = 900 if is_full else 300
        patterns = tuple(
            tuple(
                (rng.randint(1, 100), rng.randint(20, longest), rng.randint(0, 150))
                for _ in range(rng.randint(0, 3))
            )
            for _ in range(9)
        )
        try:
            data = encode("plan", ["stretch"], steps, patterns, phases=["in", "out"])
        except PlanError:
            continue
        return digest(data)[:8], data


class Session:
    """One session on both."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.reference = Reference()
        self.watch = Watch(seed)
        self.now_ms = 0
        self.inputs = 0
        self.loads = 0
        self._pressed_ms = 0
        self.is_free = self.rng.random() < 0.9
        self.may_load = self.is_free and self.rng.random() < 0.4
        is_full = self.rng.random() < 0.3
        self.plans = [
            random_plan(self.rng, is_full=is_full) for _ in range(self.rng.choice((1, 1, 2, 6)))
        ]
        self.plan_id, self.data = self.plans[0]

    def to(self, ms: int) -> None:
        self.reference.advance(ms)
        self.watch.js.advance(ms)
        self.now_ms = ms

    def ask_both(self, frame: bytes, what: str) -> None:
        self.inputs += 1
        ours, theirs = self.reference.ask(frame), self.watch.ask(frame)
        if ours != theirs:
            raise AssertionError(f"{what}: {_told(ours)} and on the watch {_told(theirs)}")

    def upload(self) -> None:
        if self.rng.random() < 0.2:  # torn, and maybe the watch starts anew
            self._send(self.rng.randint(0, len(self.data)))
            if self.rng.random() < 0.5:
                self.load()
        self._send(len(self.data))
        self.ask_both(wire.encode(wire.UPLOAD_COMMIT, 1, self.plan_id), "commit")

    def _send(self, size: int) -> None:
        begin = wire.encode(wire.UPLOAD_BEGIN, 1, self.plan_id, len(self.data), crc32(self.data))
        for device in (self.reference, self.watch):
            at = wire.decode(device.ask(begin))[2][1]
            while at < size:
                piece = self.data[at : min(at + 70, size)]
                at = wire.decode(device.ask(wire.encode(wire.UPLOAD_CHUNK, 2, at, tail=piece)))[2][
                    1
                ]

    def load(self) -> None:
        """Another app is opened on the watch, which takes no time here."""
        self.loads += 1
        self.watch.js.load()
        self.watch.js.evaluate(OPEN)

    def press(self) -> None:
        band = self.reference.band
        kinds = ("press",) if band.player.state == IDLE else ("press", "press", "twice", "hold")
        for down_ms, up_ms in {
            "press": ((0, 80),),
            "twice": ((0, 80), (200, 280)),
            "hold": ((0, 900),),
        }[self.rng.choice(kinds)]:
            start_ms = self.now_ms if down_ms == 0 else self._pressed_ms + down_ms
            if down_ms == 0:
                self._pressed_ms = self.now_ms
            for is_down, at_ms in ((True, start_ms), (False, self._pressed_ms + up_ms)):
                self.to(at_ms)
                band.edge(is_down, at_ms, at_ms)
                self.watch.js.button(is_down=is_down)
        self.to(self._pressed_ms + 900 + self.rng.randint(0, 400))
        self.inputs += 1

    def step(self) -> None:
        rng, band = self.rng, self.reference.band
        due_ms = band.due_ms
        if due_ms is not None and due_ms > self.now_ms and rng.random() < 0.15:
            self.to(due_ms)
        else:
            self.to(self.now_ms + rng.choice((rng.randint(1, 300), rng.randint(1, 20_000))))
        what = rng.random()
        if what < 0.2:
            self.press()
        elif what < 0.5:
            self.beat()
        elif what < 0.55:
            self.watch.js.set_time(1_700_000_000 + rng.uniform(-1e6, 1e6))
        elif what < 0.6 and self.may_load and band.buzzer.due_ms is None:
            self.load()
        elif what < 0.65:
            self.state()
        else:
            self.command()

    def state(self) -> None:
        """Ask both how they do; the battery and the oldest record are their own."""
        asked = wire.encode(wire.STATE, 9)
        told = [list(wire.decode(device.ask(asked))[2]) for device in (self.reference, self.watch)]
        for values in told:
            values[3] = values[9] = 0
        if told[0] != told[1]:
            raise AssertionError(f"state: {told[0]} and on the watch {told[1]}")

    def beat(self) -> None:
        bpm = self.rng.choice((0, 90, 105, 120, 160))
        if self.rng.random() < 0.5:
            self.ask_both(
                wire.encode(wire.HEART, 0, bpm, tail=b"\x55\x03" * self.rng.randint(0, 4)), "beat"
            )
        else:
            self.inputs += 1
            if self.watch.js.evaluate("Bangle.isHRMOn()"):
                self.reference.band.beat(bpm, (), self.now_ms)
                self.reference.band.advance(self.now_ms)
            self.watch.js.heart(bpm, 80)
            self.watch.js.heart(200, 30)  # too uncertain to count

    def command(self) -> None:
        rng = self.rng
        verb, arg = rng.choice(
            (
                (vocab.START, 0),
                (vocab.START, 0),
                (vocab.START_AT, (self.now_ms + rng.randint(-500, 30_000)) & 0xFFFFFFFF),
                (vocab.PAUSE, 0),
                (vocab.RESUME, 0),
                (vocab.RESUME, 0),
                (vocab.SKIP, 0),
                (vocab.SKIP, 0),
                (vocab.BACK, 0),
                (vocab.EXTEND, rng.choice((0, 700_000, rng.randint(1, 9_999)))),
                (vocab.STOP, rng.choice((0, 0, 1, 2, 3))),
                (9, 0),
            )
        )
        plan_id = self.plan_id if rng.random() < 0.97 else bytes(8)
        if len(self.plans) > 1 and self.is_free and rng.random() < 0.2:
            plan_id, data = rng.choice(self.plans)
            self.ask_both(wire.encode(wire.UPLOAD_BEGIN, 3, plan_id, len(data), 1), "upload")
            self.plan_id = self.reference.band.player.plan_id
            if rng.random() < 0.3 and not self.loads:  # with the app what was on its way is gone
                self.ask_both(wire.encode(wire.UPLOAD_COMMIT, 3, plan_id), "commit again")
        command_id = rng.choice((1, self.inputs, self.inputs))
        self.ask_both(
            wire.encode(wire.COMMAND, 3, verb, command_id, plan_id, arg), f"command {verb} {arg}"
        )

    def play(self) -> None:
        self.reference.band.is_followed = False
        for plan in self.plans:
            self.plan_id, self.data = plan
            self.upload()
        for place in range(5):
            self.ask_both(wire.encode(wire.PLAN_LIST, 1, place), f"plan {place}")
        if not self.is_free:
            self.watch.js.evaluate("__freeBytes=0")
        for _ in range(self.rng.randint(3, 25)):
            self.step()
        self.to(self.now_ms + 200_000)
        self.compare()

    def compare(self) -> None:
        ours = self.reference.records()
        end = self.watch.read_log()
        theirs = {seq: unpack_record(data) for seq, data in self.watch.heard.items()}
        for seq in range(max(1, self.watch.first), min(len(ours), end)):
            if ours[seq] != theirs.get(seq):
                raise AssertionError(
                    f"record {seq}: {ours[seq]} and on the watch {theirs.get(seq)}"
                )
        if len(ours) != end:
            raise AssertionError(f"{len(ours)} records and on the watch {end}")
        self._compare_motors()

    def _compare_motors(self) -> None:
        differs = differs_ms(self.reference.motor.edges, self.watch.js.edges)
        if differs > MENDED_MS:
            raise AssertionError(f"motor: for {differs:.1f} ms only one of them runs")


def _told(frame: bytes) -> object:
    return wire.decode(frame)[2:] if frame else "nothing"


def play(seed: int) -> Session:
    """Play the session of a seed.

    Raises:
        AssertionError: The watch and the reference differ.
    """
    session = Session(seed)
    session.play()
    return session


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    began_s, inputs, loads = time.process_time(), 0, 0
    found: Counter[str] = Counter()
    for seed in range(given.first, given.first + given.sessions):
        try:
            session = play(seed)
        except AssertionError as error:
            found[str(error).split(":")[0].split(" ")[0]] += 1
            if sum(found.values()) <= 10:
                say(f"--first {seed} --sessions 1: {error}")
        else:
            inputs += session.inputs
            loads += session.loads
    spent_s = time.process_time() - began_s
    counted = f"{given.sessions} sessions, {inputs} inputs, {loads} loads, {spent_s:.1f} s of CPU"
    say(f"{counted}: {sum(found.values())} differ {dict(found)}")
    return bool(found)


if __name__ == "__main__":
    espruino.LOAD_MS = 0.0
    sys.exit(main())
