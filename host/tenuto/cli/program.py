# SPDX-License-Identifier: MIT
"""The commands, as the library of the command line knows them."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    Parameter,
    UnusedCliTokensError,
)

from .overview import ABOUT, COMMANDS, CONTROL, HELP_WORDS, VERSION, VERSION_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable

_NUMBERS: dict[object, str] = {int: "a whole number", float: "a number"}


def _shown_default(value: object) -> str | None:
    return None if value in (None, False, (), 0) else str(value)


app = App(
    name="tenuto",
    version=VERSION,
    version_flags=VERSION_WORDS,
    help=ABOUT,
    help_flags=HELP_WORDS,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
    # A flag is given or not: `--no-json` beside `--json` says nothing, nor does a default.
    default_parameter=Parameter(negative=(), show_default=_shown_default),
)
for _group, _commands in COMMANDS.items():
    for _name in _commands:
        # By its path, so that the rest is imported only by who needs it.
        _place = f"control:{_name}" if _group == CONTROL else f"{_name}:app"
        app.command(f"tenuto.cli.{_place}", name=_name, group=_group)


def wrong_use(error: CycloptsError) -> str:
    """Return what to say to a command that is used wrongly, in the form of all messages."""
    command = " ".join(("tenuto", *(error.command_chain or ())))
    match error:
        case MissingArgumentError(argument=argument) if argument is not None:
            said = f"{argument.name} {'needs a value' if '-' in argument.name else 'is missing'}"
        case UnusedCliTokensError(unused_tokens=[word, *_]):
            said = f"{word!r} is too much{_meant(word, error.app)}"
        case CoercionError(token=token, target_type=kind) if token is not None and kind in _NUMBERS:
            said = f"{token.keyword or 'it'} is {token.value!r}, allowed is {_NUMBERS[kind]}"
        case _:
            error.verbose = False
            said = str(error).strip().rstrip(".")
            said = (said[:1].lower() + said[1:]).replace(". Did you", ", did you")
    return f"{said}{'' if said.endswith('?') else ';'} `{command} --help` shows what it takes"


def _meant(word: str, names: Iterable[str] | None) -> str:
    near = difflib.get_close_matches(word, names or (), n=1)
    return f", did you mean {near[0]}?" if near else ""
