# SPDX-License-Identifier: MIT
"""The commands, as the library of the command line knows them."""

from __future__ import annotations

from cyclopts import App, Parameter

from .overview import ABOUT, COMMANDS, CONTROL, HELP_WORDS, VERSION, VERSION_WORDS

app = App(
    name="tenuto",
    version=VERSION,
    version_flags=VERSION_WORDS,
    help=ABOUT,
    help_flags=HELP_WORDS,
    result_action="return_value",
    suppress_keyboard_interrupt=False,
    # A flag is given or not: `--no-json` beside `--json` says nothing.
    default_parameter=Parameter(negative=()),
)
for _group, _commands in COMMANDS.items():
    for _name in _commands:
        # By its path, so that the rest is imported only by who needs it.
        _place = f"control:{_name}" if _group == CONTROL else f"{_name}:app"
        app.command(f"tenuto.cli.{_place}", name=_name, group=_group)
