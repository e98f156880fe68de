# SPDX-License-Identifier: MIT
"""What the program takes of the watch's memory, by the rules of Espruino's source.

There is no Espruino here to be asked.  `memory.js` counts what the program keeps: each name, value,
parameter and function has one or more variables of 14 bytes, as `src/jsvar.h`, `src/jsutils.h` and
`src/jsparse.c` say (2v20 and later; 12,000 variables, so references of 14 bits).  The code of a
function and a plan stay in the flash.  What calls take while they run is not counted.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tenuto.simulator.bangle import APP_FILE, PLAYER_FILE
from tenuto.simulator.espruino import BOOT_FILE
from tenuto_core import vocab, wire
from tenuto_core.encode import encode
from tenuto_core.plan import MAX_BYTES, MAX_NAME_BYTES, MAX_STEPS, Step
from tests.bangle.differential import FILES, Watch, digest
from tests.bangle.room import FOLDER
from tests.bangle.test_watch import upload

if TYPE_CHECKING:
    import pytest

VARIABLE_BYTES = 14
RAM_BYTES_MAX = 12_000
RULES = (Path(__file__).parent / "memory.js").read_text(encoding="utf-8")
PULSE = (100, 60, 60)


def _bare(program: str) -> str:
    """Return a program without the function around it, so that its variables can be seen."""
    return program.replace("(function(){\n", "", 1).replace("\n})();", "")


def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the next watch show what its programs keep."""
    boot, player = FILES[BOOT_FILE], FILES[PLAYER_FILE]
    rules = f"{RULES}\nvar __before=Object.keys(global).filter(x=>x!='GB'&&x!='setTime');\n"
    monkeypatch.setitem(FILES, BOOT_FILE, rules + _bare(boot))
    monkeypatch.setitem(FILES, PLAYER_FILE, f"(0,eval)({json.dumps(player)})")


def ram_bytes(watch: Watch) -> int:
    return VARIABLE_BYTES * int(watch.js.evaluate("__variables(__before)"))


def largest_plan() -> bytes:
    """As many steps as there can be; cues and names fill what is left."""
    names = [f"exercise {number} ".ljust(MAX_NAME_BYTES, "x") for number in range(20)]
    of_each = [2] * 157 + [1] * (MAX_STEPS - 1 - 157)
    steps = [
        Step(
            vocab.HOLD,
            20_000,
            [(5_000 * index, False, vocab.COUNTDOWN) for index in range(count)],
            exercise=number % len(names),
        )
        for number, count in enumerate(of_each)
    ]
    return encode("largest", names, [*steps, Step(vocab.DONE, 0)], ((PULSE,),) * 9)


def test_the_largest_plan_is_played_within_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    counted(monkeypatch)
    data = largest_plan()
    assert MAX_BYTES - len(data) < 5, "there is no room for one more cue"
    watch = Watch(1)
    idle = ram_bytes(watch)
    assert upload(watch, digest(data)[:8], data) == vocab.OK
    watch.ask(wire.encode(wire.COMMAND, 1, vocab.START, 1, digest(data)[:8], 0))
    watch.js.advance(70_000)
    playing = ram_bytes(watch)
    watch.js.evaluate(f"(0,eval)({json.dumps(_bare(FILES[APP_FILE]))})")
    assert len(json.loads(watch.js.evaluate("JSON.stringify(__screen)"))) > 2
    shown = ram_bytes(watch)
    assert shown <= RAM_BYTES_MAX
    told = ", ".join(f"{size / 1000:.1f}" for size in (idle, playing, shown))
    assert f"| {told} kB |" in (FOLDER / "README.md").read_text(encoding="utf-8")
