# SPDX-License-Identifier: MIT
"""A short fuzz of everything that takes bytes from outside; `make fuzz` goes on for longer."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.fuzz.mutate import mutated
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

INPUTS = 3_000
SLOW = {"toml": 200}


@pytest.mark.parametrize("name", TARGETS)
def test_good_inputs_and_those_that_once_failed(name: str) -> None:
    for data in seeds(name):
        TARGETS[name](data)


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_inputs_near_good_ones(name: str) -> None:
    start = random.randrange(1 << 30)  # of pytest-randomly's seed, which pytest prints
    good = seeds(name)
    for seed in range(start, start + SLOW.get(name, INPUTS)):
        data = mutated(good, random.Random(seed))
        try:
            TARGETS[name](data)
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
        TARGETS[name](data)

    check()
