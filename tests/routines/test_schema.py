# SPDX-License-Identifier: MIT
from __future__ import annotations

import random
import tomllib
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given

from tenuto.routines.schema import routine_schema
from tests.conftest import ROOT
from tests.routines.told import some_routine
from tests.sample_routines import ROUTINES, SHIPPED, write

if TYPE_CHECKING:
    from pathlib import Path

VALIDATOR = jsonschema.Draft202012Validator(routine_schema())


def paths(text: str) -> list[list[Any]]:
    return [list(error.absolute_path) for error in VALIDATOR.iter_errors(tomllib.loads(text))]


def test_it_is_a_schema() -> None:
    VALIDATOR.check_schema(routine_schema())
    assert routine_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("file", SHIPPED, ids=lambda path: path.stem)
def test_it_takes_the_shipped_routines(file: Path) -> None:
    assert paths(file.read_text(encoding="utf-8")) == []


@given(ROUTINES)
def test_it_takes_every_routine_that_the_parser_takes(written: dict[str, Any]) -> None:
    assert paths(write(written)) == []


def test_it_takes_all_that_a_routine_can_say() -> None:
    for seed in range(100):
        assert paths(write(some_routine(random.Random(seed)))) == []


@pytest.mark.parametrize(
    "line", ['hold_s = "opened"', "hold_s = []", "reps = [0]", "phases = []", "rest_s = 0.5"]
)
def test_it_refuses_what_the_parser_refuses(line: str) -> None:
    assert paths(f'name = "a"\n[[exercise]]\nname = "b"\n{line}\n')


def test_it_refuses_bad_routines_where_they_are_bad() -> None:
    text = (ROOT / "tests" / "golden" / "many-mistakes.toml").read_text(encoding="utf-8")
    found = paths(text.replace("rest_s = nan", "rest_s = 0.5"))

    assert ["rounds"] in found
    assert ["defaults", "rest_s"] in found
    assert ["exercise", 0, "sides"] in found
    assert ["exercise", 0, "muscles", 2 - 1] in found
    assert ["exercise", 1, "hold_s"] in found
    assert ["exercise", 3] in found


def test_every_key_is_described() -> None:
    def check(schema: dict[str, Any]) -> None:
        for inner in schema.get("properties", {}).values():
            assert inner["description"]
            for part in (inner, inner.get("items", {}), *inner.get("oneOf", ())):
                check(part)

    check(routine_schema())
