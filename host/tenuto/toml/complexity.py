# SPDX-License-Identifier: MIT
"""How deep a TOML text goes, found in one pass before anything parses it.

`tomllib` takes the square of the parts of a dotted key: a minute for 20,000 of them. A nested value
costs it, and `Lines`, a level of recursion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PARTS_MAX = 8
"""Of a key such as `exercise.heart_gate.below_bpm`; what Tenuto reads has three at most."""
DEPTH_MAX = 16
"""Of arrays and inline tables in each other."""
KEYS_MAX = 20_000
"""Of all, counted by their equals signs."""
WORD_LETTERS_MAX = 1_000
"""Of a key, number or date that stands without quotes."""

# Each string is one token, also one that is never closed: it ends with the line or the text, where
# `tomllib` finds the mistake. Nothing is read twice, so the time is that of the length.
_TOKEN = re.compile(
    r"""
    (?P<string> \"{3} (?: \\. | [^\\] )*? (?: \"{3,5} | \Z )
              | '{3} .*? (?: '{3,5} | \Z )
              | " (?: \\. | [^"\\\n] )* "?
              | ' [^'\n]* '? )
    | (?P<comment> \# [^\n]* )
    | (?P<mark> [.=,\[\]{}\n] )
    | (?P<word> [^"'\#.=,\[\]{}\n]+ )
    """,
    re.VERBOSE | re.DOTALL,
)

_TOO_LONG = f"a key or number of more than {WORD_LETTERS_MAX} letters; shorten it"
_TOO_MANY_PARTS = f"a key of more than {PARTS_MAX} parts; write its tables apart, as [a.b]"


@dataclass(frozen=True, slots=True)
class Excess:
    """What goes too far.

    Attributes:
        line: Counted from 1.
        text: What it is and what is allowed.
    """

    line: int
    text: str


def excess(text: str) -> Excess | None:
    """Return the first place where a text is more involved than a file of Tenuto's can be."""
    counts = _Counts()
    for token in _TOKEN.finditer(text):
        what = counts.take(token)
        if what is not None:
            return Excess(text.count("\n", 0, token.start()) + 1, what)
    return None


class _Counts:
    def __init__(self) -> None:
        self._parts, self._depth, self._keys = 1, 0, 0

    def take(self, token: re.Match[str]) -> str | None:
        """Count one more token; return what is wrong with it, None if nothing is."""
        match token["mark"]:
            case None:
                is_long = len((token["word"] or "").strip()) > WORD_LETTERS_MAX
                return _TOO_LONG if is_long else None
            case ".":
                self._parts += 1
                return _TOO_MANY_PARTS if self._parts > PARTS_MAX else None
            case "[" | "{":
                self._depth += 1
            case "]" | "}":
                self._depth = max(0, self._depth - 1)
            case "=":
                self._keys += 1
        self._parts = 1
        if self._depth > DEPTH_MAX:
            return f"is nested too deeply, allowed are {DEPTH_MAX} levels of [ and {{"
        if self._keys > KEYS_MAX:
            return f"has more than {KEYS_MAX} keys, which is the most that is allowed"
        return None
