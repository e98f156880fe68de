# SPDX-License-Identifier: MIT
"""The frames."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from tenuto_core import wire

OPS = sorted(wire.FRAMES)


def fixed_size(op: int) -> int:
    return 2 + sum(size for _, size in wire.FRAMES[op][1])


def field(size: int) -> st.SearchStrategy[int | bytes]:
    if size >= 8:
        return st.binary(min_size=size, max_size=size)
    return st.integers(0, (1 << 8 * size) - 1)


@st.composite
def frames(draw: st.DrawFn) -> tuple[int, int, tuple[int | bytes, ...], bytes]:
    op = draw(st.sampled_from(OPS))
    values: tuple[int | bytes, ...]
    values = tuple(draw(field(size)) for _, size in wire.FRAMES[op][1])
    room = wire.MAX_FRAME - fixed_size(op) if wire.FRAMES[op][2] else 0
    return op, draw(st.integers(0, 255)), values, draw(st.binary(max_size=room))


def example(op: int, *, low: bool = False) -> tuple[int | bytes, ...]:
    sizes = [size for _, size in wire.FRAMES[op][1]]
    if low:
        return tuple(bytes(size) if size >= 8 else 0 for size in sizes)
    return tuple(b"\xff" * size if size >= 8 else (1 << 8 * size) - 1 for size in sizes)


@given(frames())
def test_every_frame_comes_back_as_it_was(
    frame: tuple[int, int, tuple[int | bytes, ...], bytes],
) -> None:
    op, tag, values, tail = frame

    data = wire.encode(op, tag, *values, tail=tail)

    assert wire.decode(data) == frame
    assert len(data) <= wire.MAX_FRAME


@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("op", OPS, ids=lambda op: wire.FRAMES[op][0])
def test_the_least_and_the_greatest_values(op: int, *, low: bool) -> None:
    values = example(op, low=low)

    assert wire.decode(wire.encode(op, 7, *values)) == (op, 7, values, b"")


@pytest.mark.parametrize("op", OPS, ids=lambda op: wire.FRAMES[op][0])
def test_a_frame_that_is_cut_or_drawn_out_is_refused(op: int) -> None:
    whole = wire.encode(op, 1, *example(op))

    for size in range(len(whole)):
        with pytest.raises(wire.WireError):
            wire.decode(whole[:size])
    for extra in (1, 2, 100):
        longer = whole + bytes(extra)
        if wire.FRAMES[op][2]:
            assert wire.decode(longer)[3] == bytes(extra)
        else:
            with pytest.raises(wire.WireError):
                wire.decode(longer)
    with pytest.raises(wire.WireError):
        wire.decode(whole + bytes(wire.MAX_FRAME + 1 - len(whole)))


@pytest.mark.parametrize("op", OPS, ids=lambda op: wire.FRAMES[op][0])
def test_a_value_that_does_not_fit_is_refused_with_its_name(op: int) -> None:
    values = example(op)
    for index, (name, size) in enumerate(wire.FRAMES[op][1]):
        bad: tuple[int | bytes, ...]
        bad = (bytes(size - 1), bytes(size + 1)) if size >= 8 else (-1, 1 << 8 * size)
        for value in bad:
            spoilt = (*values[:index], value, *values[index + 1 :])
            with pytest.raises(wire.WireError, match=name):
                wire.encode(op, 0, *spoilt)


@pytest.mark.parametrize("op", OPS, ids=lambda op: wire.FRAMES[op][0])
def test_too_many_or_too_few_fields_or_a_wrong_tail_are_refused(op: int) -> None:
    values = example(op)

    with pytest.raises(wire.WireError, match="fields"):
        wire.encode(op, 0, *values, 0)
    if values:
        with pytest.raises(wire.WireError, match="fields"):
            wire.encode(op, 0, *values[:-1])
    if wire.FRAMES[op][2]:
        room = wire.MAX_FRAME - fixed_size(op)
        assert len(wire.encode(op, 0, *values, tail=bytes(room))) == wire.MAX_FRAME
        with pytest.raises(wire.WireError, match="long"):
            wire.encode(op, 0, *values, tail=bytes(room + 1))
    else:
        with pytest.raises(wire.WireError, match="tail"):
            wire.encode(op, 0, *values, tail=b"x")


@given(st.binary(max_size=300))
def test_any_bytes_are_a_frame_or_a_wire_error(data: bytes) -> None:
    try:
        op, tag, values, tail = wire.decode(data)
    except wire.WireError:
        return
    assert wire.encode(op, tag, *values, tail=tail) == data


def test_every_frame_without_a_tail_fits_the_smallest_link() -> None:
    for op in OPS:
        assert fixed_size(op) <= wire.MIN_FRAME


@given(st.lists(st.binary(min_size=2, max_size=wire.MAX_FRAME), max_size=6))
def test_split_takes_apart_what_was_run_together(parts: list[bytes]) -> None:
    packet = b"".join(bytes((len(part),)) + part for part in parts)

    assert wire.split(packet) == parts


@given(st.binary(max_size=300))
def test_split_gives_back_all_bytes_or_raises(packet: bytes) -> None:
    try:
        parts = wire.split(packet)
    except wire.WireError:
        return
    assert b"".join(bytes((len(part),)) + part for part in parts) == packet


@pytest.mark.parametrize(
    "packet", [b"\x00", b"\x01\x01", b"\x03\x01\x02", b"\x02\x01\x02\x05", b"\xff"]
)
def test_split_refuses_what_does_not_add_up(packet: bytes) -> None:
    with pytest.raises(wire.WireError):
        wire.split(packet)
