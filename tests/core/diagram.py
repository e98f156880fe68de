# SPDX-License-Identifier: MIT
"""Draws the player's states, and lists what it refuses, from the table that it runs on.

`python tests/core/diagram.py --write` puts both into the README of the core.
"""

from __future__ import annotations

import sys
from pathlib import Path

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
README = FIRMWARE / "tenuto_core" / "README.md"

if __name__ == "__main__":
    sys.path.insert(0, str(FIRMWARE))

from tenuto_core import player as core, vocab  # noqa: E402 - found only now, as a script

INPUTS = {
    vocab.START: "start",
    vocab.PAUSE: "pause",
    vocab.RESUME: "resume",
    vocab.SKIP: "skip",
    vocab.BACK: "back",
    vocab.STOP: "stop",
    vocab.EXTEND: "extend",
    vocab.START_AT: "start at",
    core.PRESSED: "press",
    core.PRESSED_TWICE: "double press",
    core.PRESSED_LONG: "long press",
    core.IN_POSITION: "press when self-paced",
    core.LET_GO: "press in an open hold",
    core.START_DUE: "start is due",
    core.STEP_OVER: "step is over",
    core.MUST_WAIT: "step is over, must wait",
    core.GO: "need not wait",
    core.NOBODY_CAME: "longest wait is over",
    core.PLAN_OVER: "last step is over",
}
"""What the inputs of the player's table are called."""

ROWS = [
    (state, what, action, after)
    for state, inputs in core.TABLE.items()
    for what, (action, after) in inputs.items()
]
"""The player's table, row by row."""

OUTSIDE_MAX = core.PRESSED_LONG


def diagram() -> str:
    """Give a mermaid diagram: an arrow for each pair of states, with all inputs that lead there."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {core.STATES[core.IDLE]}"]
    arrows: dict[tuple[int, int], list[str]] = {}
    for state, what, _, after in ROWS:
        arrows.setdefault((state, after), []).append(INPUTS[what])
    for (state, after), inputs in sorted(arrows.items()):
        label = "<br>".join(inputs)
        lines.append(f"    {core.STATES[state]} --> {core.STATES[after]}: {label}")
    return "\n".join([*lines, "```"])


def refusals() -> str:
    """Give a table of what each state answers to each input from outside: `-` where it obeys."""
    rows = {(row[0], row[1]) for row in ROWS}
    lines = [
        "| input | " + " | ".join(core.STATES) + " |",
        "|---" * (len(core.STATES) + 1) + "|",
    ]
    for what in sorted(INPUTS):
        if what > OUTSIDE_MAX:
            continue
        cells = [
            "-" if (state, what) in rows else f"`{vocab.STATUSES[core.refusal(state, what)]}`"
            for state in range(len(core.STATES))
        ]
        lines.append(f"| {INPUTS[what]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


BLOCKS = {"states": diagram, "refusals": refusals}


def renewed(text: str) -> str:
    """Give the README with what stands between the markers made anew."""
    for name, make in BLOCKS.items():
        begin, end = f"<!-- {name}: made by tests/core/diagram.py -->", f"<!-- end of {name} -->"
        before, begun, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not (begun and ended):
            raise ValueError(f"{README.name} has no markers for {name}")
        text = f"{before}{begin}\n{make()}\n{end}{after}"
    return text


def main() -> None:
    """Write the README, or print it if not told to."""
    text = renewed(README.read_text(encoding="utf-8"))
    if "--write" in sys.argv[1:]:
        README.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
