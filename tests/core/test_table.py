# SPDX-License-Identifier: MIT
"""The player's table by itself."""

from __future__ import annotations

import inspect
from collections import Counter

from tenuto_core import player as core, vocab
from tenuto_core.player import IDLE, STATES, Player
from tests.core.diagram import INPUTS, ROWS

ACTIONS = {row[2] for row in ROWS}


def reachable(start: int) -> set[int]:
    found, new = {start}, [start]
    while new:
        here = new.pop()
        further = {row[3] for row in ROWS if row[0] == here} - found
        found |= further
        new += further
    return found


def test_every_row_is_of_known_states_and_inputs() -> None:
    for state, what, _, after in ROWS:
        assert 0 <= state < len(STATES)
        assert 0 <= after < len(STATES)
        assert what in INPUTS


def test_no_pair_of_state_and_input_has_two_rows() -> None:
    pairs = Counter((row[0], row[1]) for row in ROWS)

    assert [pair for pair, count in pairs.items() if count > 1] == []


def test_every_action_exists_and_every_action_is_used() -> None:
    source = inspect.getsource(Player)
    methods = {
        name
        for name, value in vars(Player).items()
        if callable(value) and name.startswith("_") and not name.startswith("__")
    }
    helpers = {name for name in methods if f"self.{name}(" in source}

    assert methods >= ACTIONS
    assert methods - helpers - ACTIONS == set()


def test_every_state_can_be_reached_and_left_for_idle() -> None:
    everywhere = set(range(len(STATES)))

    assert reachable(IDLE) == everywhere
    for state in everywhere:
        assert IDLE in reachable(state)


def test_every_input_is_of_use_somewhere() -> None:
    assert {row[1] for row in ROWS} == set(INPUTS)


def test_the_inputs_begin_with_the_commands_of_the_wire() -> None:
    assert [INPUTS[n].replace(" ", "_") for n in range(len(vocab.COMMANDS))] == list(vocab.COMMANDS)


def test_the_wearer_can_stop_wherever_something_goes_on() -> None:
    for state in range(1, len(STATES)):
        for what in (vocab.STOP, core.PRESSED_LONG):
            assert [row[3] for row in ROWS if row[:2] == (state, what)] == [IDLE]
