# SPDX-License-Identifier: MIT
"""The ring of records."""

from __future__ import annotations

import pytest

from tenuto_core.log import RECORD_BYTES, Log, unpack_record

CAPACITY = 8


def filled(count: int) -> Log:
    log = Log(CAPACITY)
    for number in range(count):
        assert log.append(number * 10, 5, number % 250, number, number, number) == number
    return log


def numbers(data: bytes) -> list[int]:
    return [unpack_record(data, at)[3] for at in range(0, len(data), RECORD_BYTES)]


def test_a_record_comes_back_as_it_was() -> None:
    log = Log(4)
    log.append(123_456, 7, 254, 0xFFFF, 0xFFFFFFFF, 0)

    assert unpack_record(log.read(0, 1)) == (123_456, 7, 254, 0xFFFF, 0xFFFFFFFF, 0)


def test_time_wraps_and_other_values_are_cut() -> None:
    log = Log(4)
    log.append((1 << 32) + 5, 1, 0, 0x10000, 1 << 32, 1 << 40)

    assert unpack_record(log.read(0, 1)) == (5, 1, 0, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF)


@pytest.mark.parametrize("count", range(3 * CAPACITY + 1))
def test_the_ring_holds_the_newest_and_says_which(count: int) -> None:
    log = filled(count)

    assert log.next == count
    assert log.first == max(0, count - CAPACITY)
    data, number = b"", log.first
    while number < log.next:
        part = log.read(number, CAPACITY)
        assert part
        data += part
        number += len(part) // RECORD_BYTES
    assert numbers(data) == list(range(log.first, count))


@pytest.mark.parametrize("count", [0, 1, CAPACITY - 1, CAPACITY, CAPACITY + 3, 5 * CAPACITY])
def test_reading_never_gives_what_is_not_there(count: int) -> None:
    log = filled(count)
    for number in range(-2, count + 3):
        for most in range(-3, CAPACITY + 3):
            found = numbers(log.read(number, most))
            held = log.first <= number < log.next
            assert bool(found) == (held and most > 0)
            assert len(found) <= max(0, most)
            assert found == list(range(number, number + len(found)))


def test_a_read_ends_at_the_edge_of_the_ring() -> None:
    log = filled(CAPACITY + 3)

    assert numbers(log.read(6, CAPACITY)) == [6, 7]
    assert numbers(log.read(8, CAPACITY)) == [8, 9, 10]


def test_what_was_read_does_not_change_when_the_ring_turns() -> None:
    log = filled(CAPACITY)
    data = log.read(0, 2)
    for _ in range(CAPACITY):
        log.append(0, 1, 0, 99)

    assert numbers(data) == [0, 1]
