# SPDX-License-Identifier: MIT
"""Edges of the button in, gestures out."""

from __future__ import annotations

import pytest

from tenuto_core.button import DOUBLE_GAP_MS, LONG_MS, Button
from tenuto_core.vocab import DOUBLE_PRESS, LONG_PRESS, PRESS
from tests.core.rig import Dice


def gestures(edges: list[tuple[int, bool]], until_ms: int = 60_000) -> list[tuple[int, int]]:
    """Give (at_ms, gesture) with an owner who comes at each due time."""
    button, found = Button(), []

    def advance(to_ms: int) -> None:
        while button.due_ms is not None and button.due_ms <= to_ms:
            due_ms = button.due_ms
            found.append((due_ms, button.advance(due_ms)))

    for at_ms, pressed in edges:
        advance(at_ms - 1)
        gesture = button.edge(pressed, at_ms)
        if gesture:
            found.append((at_ms, gesture))
    advance(until_ms)
    return found


def test_a_press_is_told_when_no_second_one_can_follow() -> None:
    assert gestures([(0, True), (100, False)]) == [(100 + DOUBLE_GAP_MS, PRESS)]


def test_a_double_press_is_told_at_its_end() -> None:
    edges = [(0, True), (100, False), (100 + DOUBLE_GAP_MS - 1, True), (600, False)]

    assert gestures(edges) == [(600, DOUBLE_PRESS)]


def test_two_presses_too_far_apart_are_two() -> None:
    second_ms = 100 + DOUBLE_GAP_MS
    edges = [(0, True), (100, False), (second_ms, True), (second_ms + 50, False)]

    assert gestures(edges) == [(second_ms, PRESS), (second_ms + 50 + DOUBLE_GAP_MS, PRESS)]


def test_a_long_press_is_told_while_it_is_held_and_only_once() -> None:
    assert gestures([(0, True), (30_000, False)]) == [(LONG_MS, LONG_PRESS)]


@pytest.mark.parametrize(
    "held_ms, gesture", [(LONG_MS - 1, PRESS), (LONG_MS, LONG_PRESS), (LONG_MS + 1, LONG_PRESS)]
)
def test_the_line_between_a_press_and_a_long_one(held_ms: int, gesture: int) -> None:
    assert [g for _, g in gestures([(0, True), (held_ms, False)])] == [gesture]


def test_a_second_press_that_is_held_means_stop() -> None:
    edges = [(0, True), (100, False), (200, True), (5_000, False)]

    assert gestures(edges) == [(200 + LONG_MS, LONG_PRESS)]


def test_presses_after_a_gesture_begin_anew() -> None:
    edges = [(0, True), (1_000, False), (1_100, True), (1_200, False)]
    assert gestures(edges) == [(LONG_MS, LONG_PRESS), (1_200 + DOUBLE_GAP_MS, PRESS)]

    edges = [(0, True), (50, False), (100, True), (150, False), (200, True), (250, False)]
    assert gestures(edges) == [(150, DOUBLE_PRESS), (250 + DOUBLE_GAP_MS, PRESS)]


def test_an_edge_to_where_the_button_already_is_counts_not() -> None:
    edges = [(0, False), (100, True), (150, True), (200, False), (210, False)]

    assert gestures(edges) == [(200 + DOUBLE_GAP_MS, PRESS)]


def test_an_owner_who_reads_edges_late_gets_the_same_gestures() -> None:
    button = Button()

    assert button.edge(pressed=True, at_ms=0) == 0
    assert button.edge(pressed=False, at_ms=100) == 0
    assert button.edge(pressed=True, at_ms=5_000) == PRESS
    assert button.edge(pressed=False, at_ms=6_000) == LONG_PRESS
    assert button.advance(60_000) == 0


def test_no_edge_is_no_gesture() -> None:
    button = Button()

    assert button.due_ms is None
    assert button.advance(10**9) == 0


def test_any_edges_end_in_quiet_and_every_touch_means_at_most_one_thing() -> None:
    for seed in range(300):
        dice, at_ms, edges, down = Dice(seed), 0, [], False
        for _ in range(dice.roll(20)):
            at_ms += 1 + dice.roll(1_000)
            down = not down
            edges.append((at_ms, down))
        if down:
            edges.append((at_ms + 10, False))
        touches = sum(pressed for _, pressed in edges)

        found = gestures(edges, at_ms + 10_000)

        told = sum(2 if gesture == DOUBLE_PRESS else 1 for _, gesture in found)
        held = sum(gesture == LONG_PRESS for _, gesture in found)
        # Only a touch before one that is held may go untold.
        assert touches - held <= told <= touches, seed
