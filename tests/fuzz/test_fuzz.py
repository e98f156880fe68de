# SPDX-License-Identifier: MIT
"""A short fuzz of everything that takes bytes from outside; `make fuzz` goes on for longer."""

from __future__ import annotations

import gc
import logging
import random
import resource
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.fuzz import corpus
from tests.fuzz.limits import HEAP_BYTES_MAX, TooMuchError, heap_bytes, limited
from tests.fuzz.mutate import mutated, shrunk
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INPUTS = 3_000
SLOW = {"routine": 1_000, "imports": 500, "watch": 60, "entries": 1_000}
SLOW |= {"page": 60, "shown": 8, "orders": 30, "state": 80}
GROWTH_BYTES_MAX = 128_000
"""Of half of `INPUTS`: caches of the standard library, which have a bound, fill up."""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """What is said of each bad input would be most of what a test run keeps."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(before)


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_and_those_that_are_kept(name: str) -> None:
    for data in seeds(name):
        limited(TARGETS[name])(data)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_inputs_near_good_ones(name: str) -> None:
    start = random.randrange(1 << 30)  # of pytest-randomly's seed, which pytest prints
    good, target = seeds(name), limited(TARGETS[name])
    for seed in range(start, start + SLOW.get(name, INPUTS)):
        data = mutated(good, random.Random(seed))
        try:
            target(data)
        except Exception as error:
            error.add_note(f"{name} of {data!r}")
            raise


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes(name: str) -> None:
    @settings(
        max_examples=min(SLOW.get(name, INPUTS), 300), suppress_health_check=list(HealthCheck)
    )
    @given(st.binary(max_size=600))
    def check(data: bytes) -> None:
        limited(TARGETS[name])(data)

    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_holds_much_memory_and_many_leave_none_behind(name: str) -> None:
    good, rng = seeds(name), random.Random(random.randrange(1 << 30))
    for data in good:
        most, _ = heap_bytes(TARGETS[name], data)
        assert most <= HEAP_BYTES_MAX, f"{name} takes {most} bytes for {data!r}"
    inputs = [mutated(good, rng) for _ in range(SLOW.get(name, INPUTS))]
    for data in inputs[: len(inputs) // 2]:
        TARGETS[name](data)
    tracemalloc.start()
    try:
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for data in inputs[len(inputs) // 2 :]:
            TARGETS[name](data)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before <= GROWTH_BYTES_MAX


# --- the tools


def test_what_takes_too_much_is_told() -> None:
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10

    def greedy(data: bytes) -> None:
        # Beyond what any test before this one has held.
        assert bytearray((peak_bytes if data else 1) + (len(data) << 20))

    limited(greedy)(b"")
    with pytest.raises(TooMuchError, match="64 bytes took"):
        limited(greedy)(b"x" * 64)


def test_a_failing_input_is_made_as_short_as_it_can_be() -> None:
    def picky(data: bytes) -> None:
        if b"ab" in data and b"c" in data:
            raise ValueError("one")
        if len(data) == 1:
            raise ValueError("another")

    assert sorted(shrunk(picky, b"xxabyyyyyzzzzzcxx")) == sorted(b"abc")


def test_a_corpus_is_text_in_order_and_has_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert corpus.add(tmp_path, "one", [b"\x00\n", b"bb", b"a"]) == 3
    assert corpus.add(tmp_path, "one", [b"a", b"c"]) == 1
    assert (tmp_path / "one.txt").read_text() == "b'a'\nb'c'\nb'bb'\nb'\\x00\\n'\n"
    assert corpus.read(tmp_path, "one") == [b"a", b"c", b"bb", b"\x00\n"]
    monkeypatch.setattr(corpus, "TEXT_BYTES_MAX", 20)
    assert corpus.add(tmp_path, "one", [b"x" * 30]) == 0
    assert corpus.read(tmp_path, "one") == [b"a", b"c", b"bb"]
