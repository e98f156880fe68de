# SPDX-License-Identifier: MIT
"""Espruino's JavaScript of a Bangle.js 2 in QuickJS, with its flash, timers and motor.

Time is an argument: the owner says how late it is. `espruino.js` has what the watch offers to a
program; the program is what lies in the flash, as on the watch.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from dataclasses import dataclass, field
from importlib.resources import files as resources
from typing import TYPE_CHECKING, Any

from tenuto import extras

if TYPE_CHECKING:
    from collections.abc import Mapping

    import quickjs

FREE_BYTES = 4_000_000
BOOT_FILE = "tenuto.boot.js"
LOAD_MS = 200.0
"""How long `load()` takes to run the boot files again; 196 to 373 ms were measured."""
_PRELUDE = resources("tenuto.simulator").joinpath("espruino.js").read_text(encoding="utf-8")


def _quickjs() -> Any:  # noqa: ANN401 - the module, which has no types
    with extras.needed("simulator", "a simulated Bangle.js"):
        import quickjs  # noqa: PLC0415 - an extra
    return quickjs


@dataclass
class Espruino:
    """One watch.

    Args:
        files: Its flash: names and contents, of which each character is a byte.
        seed: Of its random numbers.
        address: Of its radio.
        is_programmable: Whether the console takes any JavaScript; else only `GB({...})`.
        free_bytes: Room in its flash for new files.

    Attributes:
        trash_bytes: What in its flash was replaced or erased, and is free after a compaction.
        edges: What the motor did: (ms since the power came, on or off).
        console: What it has printed and nobody has taken yet.
        now_ms: How long it has power.
        due_ms: When it has something to do next; infinite where nothing.
        is_connected: Whether a host is connected by Bluetooth.
        peer: The address of the host that is connected.
        drops_link: Whether its program wants the host to be disconnected.
        loads: How many times it ran its boot files.
    """

    files: dict[str, str]
    seed: int = 0
    address: str = "C0:00:00:00:00:01"
    is_programmable: bool = True
    free_bytes: int = FREE_BYTES
    edges: list[tuple[float, bool]] = field(default_factory=list, init=False)
    console: str = field(default="", init=False)
    trash_bytes: int = field(default=0, init=False)
    due_ms: float = field(default=0.0, init=False)
    is_connected: bool = field(default=False, init=False)
    drops_link: bool = field(default=False, init=False)
    peer: str = field(default="f0:00:00:00:00:01 random", init=False)
    loads: int = field(default=0, init=False)
    now_ms: float = field(default=0.0, init=False)
    _wall_ms: float = field(default=1_700_000_000_000.0, init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - repeatable, not secret
        self._js: quickjs.Context = self._start("")

    # --- power and programs

    def _start(self, app: str) -> quickjs.Context:
        js = _quickjs().Context()
        js.add_callable("__sha256", _sha256)
        js.add_callable("__random", lambda: self._random.getrandbits(31))
        js.eval(_PRELUDE)
        given = {
            "__files": self.files,
            "__t": self.now_ms,
            "__wall": self._wall_ms,
            "__address": self.address.lower(),
            "__connected": self.is_connected,
            "__peer": self.peer,
            "__isProgrammable": self.is_programmable,
            "__freeBytes": self.free_bytes,
            "__trashBytes": self.trash_bytes,
        }
        js.eval(f"Object.assign(globalThis,{json.dumps(given)})")
        self.loads += 1
        for name in sorted(name for name in self.files if name.endswith(".boot.js")):
            js.eval(self.files[name])
        if app in self.files:
            js.eval(self.files[app])
        self._js = js
        self._look()
        return js

    def load(self, app: str = "") -> None:
        """Run the boot files anew and then an app, as `load()` of a program does."""
        self._js.eval('__emit("kill")')
        self._load(app)

    def _load(self, app: str) -> None:
        self._look(ends=True)
        self._keep()
        self.now_ms += LOAD_MS
        self._start(app)

    def reset(self, *, off_ms: float = 0.0) -> None:
        """Start anew after a fault: nothing could be noted, and the clock goes on."""
        self._end_abruptly()
        self.now_ms += off_ms
        self._start("")

    def lose_power(self) -> None:
        """Start anew after the battery was empty: its clock begins again."""
        self._end_abruptly()
        self._wall_ms = -self.now_ms
        self._start("")

    def _end_abruptly(self) -> None:
        self.connect(is_on=False, tell=False)
        self._js.eval("__pin(0)")
        self._look()
        self._keep()

    def _keep(self) -> None:
        self.files = json.loads(self._js.eval("JSON.stringify(__files)"))
        self.free_bytes, self.trash_bytes = (
            self._js.eval(f"__{what}Bytes") for what in ("free", "trash")
        )

    # --- the world

    def advance(self, to_ms: float) -> None:
        """Let time pass."""
        while True:
            self._js.eval(f"__run({to_ms!r})")
            self._look()
            if self.now_ms >= to_ms:
                return

    def receive(self, data: bytes) -> None:
        """Take what a host has written to the console."""
        self._js.eval(f"__receive({json.dumps(data.decode('latin-1'))})")
        self._look()

    def button(self, *, is_down: bool) -> None:
        """Press its button, or let go."""
        self._js.eval(f"__button({int(is_down)})")
        self._look()

    def heart(self, bpm: float, confidence: int = 100) -> None:
        """Let its optical sensor, where that is on, tell a heart rate."""
        told: Mapping[str, float] = {"bpm": bpm, "confidence": confidence}
        self._js.eval(f'if(Bangle.isHRMOn())__emit("HRM",{json.dumps(told)})')
        self._look()

    def connect(self, *, is_on: bool, tell: bool = True) -> None:
        """Have a host connected, or not."""
        self.is_connected = is_on
        self._js.eval(f"__peer={json.dumps(self.peer)}")
        self._js.eval(f"__connect({int(is_on)})" if tell else f"__connected={int(is_on)}")
        self._look()

    def set_time(self, utc_s: float) -> None:
        """Set its wall clock, as a phone does."""
        self._js.eval(f"setTime({utc_s!r})")
        self._look()

    def evaluate(self, script: str) -> Any:  # noqa: ANN401 - whatever it is
        """Return the value of JavaScript, run in the watch."""
        value = self._js.eval(script)
        self._look()
        return value

    def take_console(self) -> bytes:
        """Return what it has printed since the last call."""
        printed, self.console = self.console, ""
        return printed.encode("latin-1")

    def _look(self, *, ends: bool = False) -> None:
        """See what the program did."""
        told = json.loads(self._js.eval("__drain()"))
        self.edges += [(at_ms, bool(on)) for at_ms, on in told["edges"]]
        self.console += told["console"]
        self.drops_link = told["drops"]
        self.now_ms, self._wall_ms = told["t"], told["wall"]
        self.due_ms = float("inf") if told["due"] is None else told["due"]
        if not ends and told.get("load") is not None:
            self.load(told["load"])


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(base64.b64decode(text)).digest()).decode()
