# SPDX-License-Identifier: MIT
"""The list of commands, and the page that `tenuto` alone and `tenuto --help` print.

This page must appear at once, so the module imports only what Python has loaded anyway. Even
`typing` and `dataclasses` would each double the time.
"""

from __future__ import annotations

import os
import sys

from tenuto import __version__

COMMANDS = {
    "Stretch": {
        "run": "Play a routine once and show it live.",
        "routines": "List, show, check, share and add routines.",
        "cues": "List, check, play and learn cues, and measure how they feel.",
    },
    "While it plays": {
        "start": "Start a routine on a wearable, and do not wait for its end.",
        "pause": "Pause what plays.",
        "resume": "Go on after a pause.",
        "skip": "Skip this step.",
        "back": "Do this hold again, or go back to the one before.",
        "extend": "Make this hold longer.",
        "stop": "Stop what plays.",
        "find": "Make a wearable buzz, so that you find it.",
        "status": "Show each wearable, what it plays, and what is due today.",
    },
    "Together": {
        "class": "Play one routine on several wearables, in unison.",
    },
    "Look back": {
        "history": "List what was played, show it, export, delete, check.",
        "prescribe": "Prescribe a routine: to whom, on which days, until when.",
        "report": "Show a session, a week or a month as a page or a picture.",
    },
    "Wearable": {
        "scan": "List the devices in reach by Bluetooth, and their use.",
        "pair": "Pair with a wearable, so that it trusts this computer.",
        "forget": "Forget the pairing with a wearable.",
        "wearable": "Put Tenuto's app on a watch, or take it off.",
        "firmware": "Put the firmware on a board, or show what is on it.",
        "simulate": "Simulate wearables, in a process of its own.",
    },
    "This computer": {
        "web": "Open the page of the daemon in a browser.",
        "daemon": "Keep the wearables connected, and start sessions on command.",
        "fleet": "Keep one history of several hosts, in PostgreSQL.",
        "homeassistant": "Write the dashboard and more for Home Assistant.",
        "doctor": "Check everything that Tenuto needs, and say what to do.",
        "privacy": "Show what is stored and what is published, and erase it.",
    },
}
"""Group to name to summary, in the order in which people meet them.

The command `run` is the object `app` of the module `tenuto.cli.run`, and so on; those of `CONTROL`
are in one module, each by its name.
"""

CONTROL = "While it plays"

NAMES = tuple(name for group in COMMANDS.values() for name in group)

ABOUT = "Tenuto times stretches and holds by touch: stretch with your eyes closed."
VERSION = f"tenuto {__version__}"
HELP_WORDS, VERSION_WORDS = ("-h", "--help"), ("--version",)

_EXAMPLES = {
    "tenuto run": "play your default routine, at once",
    "tenuto run lower-back --speed 20": "see it go by, on a simulated wearable",
    "tenuto routines show lower-back": "what comes when, and what is felt",
}
_OPTIONS = {
    "-h, --help": "this page; after a command, what that command takes",
    "--version": "which version this is",
    "--debug": "with any command: where in the program an error comes from",
}
_END = """\
A timer, not medical advice: stretch to mild tension, never into pain.
A long press on the wearable stops everything at once.
More: `tenuto COMMAND --help`; README.md for a beginning, and config/tenuto.toml
for every setting."""


def answer(words: list[str]) -> str | None:
    """Return the page for `tenuto WORDS` if the words ask for an overview, else None."""
    if not all(word in HELP_WORDS + VERSION_WORDS for word in words):
        return None
    if any(word in VERSION_WORDS for word in words):
        return VERSION
    return page(is_bold=_wants_bold())


def unknown(word: str) -> str:
    """Return what to say to a word that is no command."""
    import difflib  # only for people who mistype

    near = difflib.get_close_matches(word.lower(), NAMES, n=1)
    what = f"did you mean `tenuto {near[0]}`?" if near else f"there are {', '.join(NAMES)}"
    return f"there is no command {word[:40]!r}; {what}"


def page(*, is_bold: bool) -> str:
    """Return the front page, at most 80 columns wide; `is_bold` makes its headings bold."""
    mark, end = ("\x1b[1m", "\x1b[0m") if is_bold else ("", "")
    width = max(len(name) for group in COMMANDS.values() for name in group)
    parts = [(heading, rows, width) for heading, rows in COMMANDS.items()]
    parts += [
        (heading, rows, max(map(len, rows)))
        for heading, rows in (("Examples", _EXAMPLES), ("Options", _OPTIONS))
    ]
    blocks = [
        "\n".join([f"{mark}{heading}{end}", *(f"  {a:{w}}  {b}" for a, b in rows.items())])
        for heading, rows, w in parts
    ]
    return "\n\n".join([ABOUT, "Usage: tenuto COMMAND ...", *blocks, _END])


def _wants_bold() -> bool:
    """Return whether standard output is a terminal that wants more than plain text."""
    is_plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return sys.stdout.isatty() and not is_plain
