# SPDX-License-Identifier: MIT
"""The README of the core says what the core does."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tenuto_core import player as core, vocab
from tests.core import diagram
from tests.patience import patience_s

README = diagram.README.read_text(encoding="utf-8")


def test_the_diagram_and_the_refusals_are_those_of_the_table() -> None:
    assert diagram.renewed(README) == README, "run: python tests/core/diagram.py --write"


def test_every_row_of_the_table_is_in_the_diagram() -> None:
    drawn = set()
    for line in diagram.diagram().splitlines():
        if match := re.fullmatch(r" +(\w+) --> (\w+): (.+)", line):
            drawn |= {(match[1], what, match[2]) for what in match[3].split("<br>")}

    assert drawn == {
        (core.STATES[state], diagram.INPUTS[what], core.STATES[after])
        for state, what, _, after in diagram.ROWS
    }


def test_the_script_prints_the_readme() -> None:
    result = subprocess.run(
        [sys.executable, diagram.__file__],
        capture_output=True,
        text=True,
        check=True,
        timeout=patience_s(30),
    )

    assert result.stdout == README


def test_a_readme_without_markers_is_not_written_over() -> None:
    with pytest.raises(ValueError, match="states"):
        diagram.renewed("nothing here\n")


def test_the_readme_names_every_state_and_every_record() -> None:
    for word in (*core.STATES, *filter(None, vocab.RECORDS)):
        assert f"`{word}`" in README, word


def test_the_readme_names_every_file() -> None:
    for path in diagram.README.parent.glob("[a-z]*.py"):
        assert f"`{path.name}`" in README, path.name
